"""Why news of a provider is refused."""

from romantic.errors import RomanticError


class InvalidSignature(RomanticError):
    """Not signed by the provider, changed on the way, or not signed now."""

    code = "INVALID_SIGNATURE"
    message = "This is not signed by the provider."
