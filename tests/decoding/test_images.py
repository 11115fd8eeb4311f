"""decoding/images.py: bytes in, two clean JPEGs or a refusal out."""

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from romantic.decoding import InvalidImage
from romantic.decoding.images import encode
from romantic.errors import PayloadTooLarge, RomanticError, UnsupportedMediaType
from tests.media import pictures

#: About damaged files; the worker does not print them either.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")

#: JFIF, quantisation, progressive frame, Huffman tables: all a JPEG needs, and nothing that could tell anything.
PLAIN = {0xE0, 0xDB, 0xC2, 0xC4}

TELLING = (pictures.telling_jpeg, pictures.commented_jpeg, pictures.telling_png, pictures.jpeg_and_zip)


@pytest.mark.parametrize("body", pictures.KINDS.values(), ids=pictures.KINDS)
def test_every_kind_becomes_two_plain_jpegs(body):
    encoded = encode(body)

    for jpeg in encoded:
        assert Image.open(io.BytesIO(jpeg)).mode == "RGB"
        assert pictures.marks(jpeg) == PLAIN


@pytest.mark.parametrize("kind", ["jpeg", "cmyk jpeg", "png", "png with alpha", "png with a palette", "webp"])
def test_colours_stay(kind):
    assert pictures.corners(encode(pictures.KINDS[kind]).image) == ["red", "lime", "blue", "white"]


@pytest.mark.parametrize(
    ("size", "image", "thumbnail"),
    [
        ((4000, 3000), (1080, 810), (320, 240)),
        ((3000, 4000), (810, 1080), (240, 320)),
        ((1081, 1081), (1080, 1080), (320, 320)),
        ((400, 300), (400, 300), (320, 240)),
        ((100, 100), (100, 100), (100, 100)),
        ((8000, 64), (1080, 9), (320, 3)),
    ],
)
def test_no_side_is_longer_than_allowed_and_nothing_is_blown_up(size, image, thumbnail):
    encoded = encode(pictures.photo(size))

    assert (pictures.sized(encoded.image), pictures.sized(encoded.thumbnail)) == (image, thumbnail)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_come_out_upright(orientation):
    encoded = encode(pictures.turned(orientation))

    assert pictures.sized(encoded.image) == (400, 300)
    assert pictures.corners(encoded.image) == ["red", "lime", "blue", "white"]


@pytest.mark.parametrize("make", TELLING)
def test_nothing_but_pixels_is_kept(make):
    body = make()

    encoded = encode(body)

    assert b"SECRET" in body
    for jpeg in encoded:
        assert [secret for secret in pictures.SECRETS if secret in jpeg] == []
        assert jpeg.endswith(b"\xff\xd9")


def test_the_first_picture_of_a_phones_jpeg_is_the_photo():
    encoded = encode(pictures.phone_with_depth_map())

    assert pictures.corners(encoded.image) == ["red", "lime", "blue", "white"]


def test_transparency_becomes_white():
    clear = pictures.saved(Image.new("RGBA", (100, 100), (255, 0, 0, 0)), "PNG")

    assert set(pictures.corners(encode(clear).image)) == {"white"}


def test_sixteen_bits_of_grey_become_eight():
    grey = pictures.saved(Image.new("I;16", (100, 100), 0x6400), "PNG")

    level = Image.open(io.BytesIO(encode(grey).image)).getpixel((50, 50))

    assert max(abs(value - 0x64) for value in level) <= 1


def test_colours_of_another_space_are_converted_before_their_profile_goes():
    """The matrix columns of red and green change places: a picture called green under it is red."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    body = pictures.saved(Image.new("RGB", (100, 100), "lime"), icc_profile=bytes(profile))

    assert set(pictures.corners(encode(body).image)) == {"red"}


@pytest.mark.parametrize("profile", [b"garbage", bytes(128), struct.pack(">I", 2**31) + bytes(200)])
def test_a_damaged_profile_costs_nothing_but_itself(profile):
    body = pictures.photo(icc_profile=profile)

    assert pictures.corners(encode(body).image) == ["red", "lime", "blue", "white"]


def test_damaged_exif_is_no_reason_to_refuse():
    body = pictures.photo(exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(50))

    assert pictures.corners(encode(body).image) == ["red", "lime", "blue", "white"]


@pytest.mark.parametrize("body", pictures.STRANGERS.values(), ids=pictures.STRANGERS)
def test_strangers_are_refused(body):
    with pytest.raises(UnsupportedMediaType):
        encode(body)


@pytest.mark.parametrize("body", pictures.MOVING.values(), ids=pictures.MOVING)
def test_moving_pictures_are_refused(body):
    with pytest.raises(UnsupportedMediaType, match="move"):
        encode(body)


@pytest.mark.parametrize("body", pictures.TOO_LARGE.values(), ids=pictures.TOO_LARGE)
def test_size_is_refused_by_the_header_alone(body):
    """Most of these hold no pixels: had anybody tried to decode them, they would be damaged, not too large."""
    with pytest.raises(PayloadTooLarge):
        encode(body)


@pytest.mark.parametrize("body", pictures.DAMAGED.values(), ids=pictures.DAMAGED)
def test_damaged_pictures_are_refused(body):
    with pytest.raises((InvalidImage, UnsupportedMediaType)):
        encode(body)


def test_what_has_no_pixels_is_damaged_below_the_limit():
    """The control of the header test: this one is decoded, and that is how it is found out."""
    with pytest.raises(InvalidImage):
        encode(pictures.png(5000, 7000))


def is_plain_or_refused(body):
    try:
        return pictures.marks(encode(body).image) == PLAIN
    except RomanticError as refusal:
        return refusal.status < 500


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_damage_leads_to_anything_but_a_refusal(data):
    body = bytearray(pictures.KINDS[data.draw(st.sampled_from(["jpeg", "png", "webp", "cmyk jpeg"]))])
    for at in data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=8)):
        body[at] = data.draw(st.integers(0, 255))

    assert is_plain_or_refused(bytes(body))
