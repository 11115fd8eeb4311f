"""Why an address is not taken."""

from http import HTTPStatus

from romantic.errors import RomanticError


class EmailUnavailable(RomanticError):
    """This server sends no e-mail."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "EMAIL_UNAVAILABLE"
    message = "E-mail is not available here."


class EmailCodeInvalid(RomanticError):
    """The code is wrong, expired, used up, or there is nothing to verify."""

    code = "EMAIL_CODE_INVALID"
    message = "The code is not valid. Ask for a new one."
