"""Why somebody is not a super lover, or not to be rated."""

from http import HTTPStatus

from romantic.errors import Forbidden, RomanticError


class RequirementsNotMet(Forbidden):
    """Becoming a super lover takes a verified grown-up; `meta` says what is missing."""

    code = "REQUIREMENTS_NOT_MET"
    message = "You do not meet the requirements of a Super Lover yet."


class AlreadySuperLover(RomanticError):
    """The fee is paid once; nothing was charged now."""

    status = HTTPStatus.CONFLICT
    code = "ALREADY_SUPER_LOVER"
    message = "You are a Super Lover already."


class NotSuperLover(Forbidden):
    """Only super lovers have a status, a bio and statistics of this kind."""

    code = "NOT_SUPER_LOVER"
    message = "Become a Super Lover first."


class NoRateableCall(Forbidden):
    """No call of the caller's with this person that is long enough, recent and not rated yet."""

    code = "NO_RATEABLE_CALL"
    message = "You can rate a Super Lover once for each call you had with them in the last 7 days."
