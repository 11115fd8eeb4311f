"""What a file is, by its first bytes: its name and its declared type are only what the sender says."""

import filetype

from romantic.errors import UnsupportedMediaType

PICTURES = ("image/jpeg", "image/png", "image/webp")

#: The major brands of MP4 files; 3GP and the pictures of the same family are not among them.
_MP4_BRANDS = {
    *(b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42"),
    *(b"avc1", b"dash", b"MSNV", b"M4A ", b"M4V "),
}


def require_kind(body: bytes, kinds: tuple[str, ...], message: str) -> str:
    """The media type of the file; raises UnsupportedMediaType with the message for any other kind.

    A beginning proves nothing about the rest: whoever keeps the file decodes it too.
    """
    kind = filetype.guess_mime(body)
    if kind not in kinds:
        raise UnsupportedMediaType(message)
    return str(kind)


def container_of(body: bytes) -> str | None:
    """What a sound or video file is packed in: mp4, mov, webm, ogg, mp3 or aac; None for anything else."""
    if body[4:12] == b"ftypqt  ":
        return "mov"
    if body[4:8] == b"ftyp":
        return "mp4" if body[8:12] in _MP4_BRANDS else None
    if body.startswith(b"\x1aE\xdf\xa3"):  # Matroska names its type within the first elements
        return "webm" if b"webm" in body[:64] else None
    if body.startswith(b"OggS"):
        return "ogg"
    if body.startswith(b"ID3"):
        return "mp3"
    return _sound_frame(body)


def _sound_frame(body: bytes) -> str | None:
    """Twelve bits that begin a frame of MPEG sound; two of the next four name its layer, 0 means AAC."""
    if len(body) < 2 or body[0] != 0xFF:
        return None
    if body[1] & 0xF6 == 0xF0:
        return "aac"
    return "mp3" if body[1] & 0xE6 == 0xE2 else None
