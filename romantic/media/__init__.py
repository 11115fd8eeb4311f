"""Files that strangers send: what each really is, looked into in processes of their own. See README.md."""

from romantic.decoding import AUDIO, VIDEO, Encoded
from romantic.media.kinds import container_of, require_kind
from romantic.media.pool import IMAGES, RECORDINGS, ImagePool, RecordingPool, images

__all__ = [
    "AUDIO",
    "IMAGES",
    "RECORDINGS",
    "VIDEO",
    "Encoded",
    "ImagePool",
    "RecordingPool",
    "container_of",
    "images",
    "require_kind",
]
