"""Why news of a provider is refused."""

from http import HTTPStatus

from romantic.errors import RomanticError


class InvalidSignature(RomanticError):
    """Not signed by the provider, changed on the way, or not signed now."""

    code = "INVALID_SIGNATURE"
    message = "This is not signed by the provider."


class Unsigned(InvalidSignature):
    """The same for a provider whose documentation asks for 401."""

    status = HTTPStatus.UNAUTHORIZED
