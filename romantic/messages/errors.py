"""Why a message is refused."""

from http import HTTPStatus

from romantic.errors import NotFound, RomanticError


class MessageNotFound(NotFound):
    """There is no such message, or it is not the user's to delete."""

    code = "MESSAGE_NOT_FOUND"
    message = "There is no such message."


class MatchRequired(RomanticError):
    """The house rules let only matched people write to each other."""

    status = HTTPStatus.FORBIDDEN
    code = "MATCH_REQUIRED"
    message = "You can write to each other once you match."
