"""A photo as it was sent, made into the two JPEGs we keep. Pure: bytes in, bytes or a refusal out.

Only a worker process imports this module: decoders meet hostile bytes here.
"""

import io
from contextlib import suppress

from PIL import Image, ImageCms, UnidentifiedImageError

from romantic.decoding.errors import InvalidImage
from romantic.decoding.frames import Encoded
from romantic.errors import PayloadTooLarge, RomanticError, UnsupportedMediaType

FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 40_000_000
LEAST_SIDE, MOST_SIDE = 64, 8000
IMAGE_SIDE, THUMBNAIL_SIDE = 1080, 320

# Pillow warns beyond its limit and refuses beyond twice its limit, before it takes memory for the canvas.
Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2

#: EXIF orientation -> what brings the picture upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ORIENTATION = 0x0112


def encode(body: bytes) -> Encoded:
    """The photo upright, in sRGB, on white, at most 1080 px and 320 px; nothing else of the file remains.

    Raises UnsupportedMediaType, PayloadTooLarge, InvalidImage.
    """
    try:
        with _opened(body) as picture:
            canvas = decode(picture)
    except RomanticError:
        raise
    except Image.DecompressionBombError as error:
        raise PayloadTooLarge(_too_many(), limit_pixels=MOST_PIXELS) from error
    except UnidentifiedImageError as error:
        raise UnsupportedMediaType("Send a JPEG, PNG or WebP picture.") from error
    except Exception as error:  # the decoders raise nearly everything at damaged files
        raise InvalidImage from error
    return Encoded(_jpeg(canvas, IMAGE_SIDE), _jpeg(canvas, THUMBNAIL_SIDE))


def _too_many() -> str:
    return f"Pictures may have {MOST_PIXELS // 1_000_000} million pixels and sides of {MOST_SIDE}."


def _opened(body: bytes) -> Image.Image:
    """The picture with only its header read, within all limits."""
    picture = Image.open(io.BytesIO(body), formats=FORMATS)
    # A JPEG with several pictures in it is a phone's depth map or HDR gain map: its first one is the photo.
    if picture.format in ("PNG", "WEBP") and getattr(picture, "is_animated", False):
        raise UnsupportedMediaType("Send a picture that does not move.")
    if max(picture.size) > MOST_SIDE:
        raise PayloadTooLarge(_too_many(), limit_pixels=MOST_PIXELS, limit_side=MOST_SIDE)
    if min(picture.size) < LEAST_SIDE:
        raise InvalidImage(f"Pictures have sides of at least {LEAST_SIDE} pixels.", least_side=LEAST_SIDE)
    return picture


def decode(picture: Image.Image) -> Image.Image:
    """Its pixels on a canvas of our own: a new image inherits no comment, profile or other metadata."""
    picture.draft(None, (2 * IMAGE_SIDE, 2 * IMAGE_SIDE))  # a large JPEG is decoded at a fraction of its size
    picture.load()  # before anything that forgives damage: a second attempt would return a blank canvas
    turn, profile = TURNS.get(_orientation(picture)), picture.info.get("icc_profile")
    is_rgb = picture.mode == "RGB"
    small = _in_rgb(picture)
    small.thumbnail((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    if turn is not None:
        small = small.transpose(turn)
    if profile and is_rgb:
        small = _in_srgb(small, profile)
    canvas = Image.new("RGB", small.size)
    canvas.paste(small)
    return canvas


def _orientation(picture: Image.Image) -> int:
    with suppress(Exception):  # a damaged EXIF block is no reason to refuse the photo
        return int(picture.getexif().get(ORIENTATION, 1))
    return 1


def _in_rgb(picture: Image.Image) -> Image.Image:
    """Flat before it is made smaller: scaling an alpha channel takes twice the memory and far longer."""
    if picture.mode.startswith("I;16"):  # convert() would turn all but the darkest greys white
        picture = picture.point(lambda value: value / 256).convert("L")
    if picture.has_transparency_data:
        clear = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        picture = Image.new("RGB", clear.size, "white")
        picture.paste(clear, mask=clear)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Phones shoot in wider colour spaces; without their profile the same numbers look dull."""
    with suppress(Exception):  # a damaged profile costs its colours, not the photo
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"))
        return converted or picture
    return picture


def _jpeg(canvas: Image.Image, side: int) -> bytes:
    copy = canvas.copy()
    copy.thumbnail((side, side), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    copy.save(out, "JPEG", quality=85, optimize=True, progressive=True)
    return out.getvalue()
