"""Pictures: what a file really is, and its re-encoding in processes of their own. See README.md."""

from romantic.media.frames import Encoded
from romantic.media.kinds import require_kind
from romantic.media.pool import IMAGES, ImagePool, images

__all__ = ["IMAGES", "Encoded", "ImagePool", "images", "require_kind"]
