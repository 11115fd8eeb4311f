"""Why a call does not happen, or does not change."""

from http import HTTPStatus

from romantic.errors import NotFound, RomanticError


class CallNotFound(NotFound):
    """No such call, or the user is not one of its two parties."""

    code = "CALL_NOT_FOUND"
    message = "There is no such call."


class NotInCall(RomanticError):
    """The room is not one of the user's calls, or they have not joined it."""

    status = HTTPStatus.FORBIDDEN
    code = "NOT_IN_CALL"
    message = "You are not part of this call."


class TargetNotInCall(RomanticError):
    """The target is not the other party of the call."""

    code = "TARGET_NOT_IN_CALL"
    message = "That person is not part of this call."


class InvalidCallState(RomanticError):
    """The call is not in a state from which this can happen; `meta.status` says where it stands."""

    status = HTTPStatus.CONFLICT
    code = "INVALID_CALL_STATE"
    message = "The call has moved on."


class CallUnlikely(RomanticError):
    """By the probes of both, the call needs a relay, and there is none; nothing was charged."""

    status = HTTPStatus.CONFLICT
    code = "CALL_UNLIKELY"
    message = "Your two networks will not reach each other. Try another Wi-Fi or mobile data."


class UserBusy(RomanticError):
    """One of the two is in a live call."""

    status = HTTPStatus.CONFLICT
    code = "USER_BUSY"
    message = "This person is in another call."


class CallGlare(RomanticError):
    """The other side is calling at this moment: accept that call instead."""

    status = HTTPStatus.CONFLICT
    code = "CALL_GLARE"
    message = "This person is calling you right now."
