"""Why a moderator is refused."""

from http import HTTPStatus

from romantic.errors import NotFound, RomanticError


class StaffOnly(RomanticError):
    """The caller is no moderator, or used the token of an app."""

    status = HTTPStatus.FORBIDDEN
    code = "STAFF_ONLY"
    message = "This is for moderators."


class AdminOnly(RomanticError):
    """A moderator asked for what only an admin may do."""

    status = HTTPStatus.FORBIDDEN
    code = "ADMIN_ONLY"
    message = "This is for admins."


class ReportNotFound(NotFound):
    """There is no such report."""

    code = "REPORT_NOT_FOUND"
    message = "There is no such report."


class ReportDecided(RomanticError):
    """Somebody else has decided, or changed the report since it was read."""

    status = HTTPStatus.CONFLICT
    code = "REPORT_DECIDED"
    message = "Somebody else has changed this report. Read it again."


class InvalidUserState(RomanticError):
    """The person is in that state already, or is staff and cannot be moderated."""

    status = HTTPStatus.CONFLICT
    code = "INVALID_USER_STATE"
    message = "This cannot be done to this person now."
