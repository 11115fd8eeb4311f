"""What a file is, by its first bytes: its name and its declared type are only what the sender says."""

import filetype

from romantic.errors import UnsupportedMediaType

PICTURES = ("image/jpeg", "image/png", "image/webp")


def require_kind(body: bytes, kinds: tuple[str, ...], message: str) -> str:
    """The media type of the file; raises UnsupportedMediaType with the message for any other kind.

    A beginning proves nothing about the rest: whoever keeps the file decodes it too.
    """
    kind = filetype.guess_mime(body)
    if kind not in kinds:
        raise UnsupportedMediaType(message)
    return str(kind)
