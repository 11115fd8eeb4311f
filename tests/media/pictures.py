"""Pictures as people, phones and attackers make them; built here, byte by byte where no library would."""

import io
import struct
import zipfile
import zlib
from typing import Any

from PIL import Image, ImageCms

SECRETS = (
    b"Photoshop",
    b"xmpmeta",
    b"<script>",
    b"SECRET",
    b"GPSLatitude",
    b"ICC_PROFILE",
    b"Exif",
    b"PK\x03\x04",
)
XMP = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>SECRET place</x:xmpmeta>"
IPTC = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0aSECRET"
COMMENT = b"<script>SECRET</script>"


def saved(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def quarters(width: int = 400, height: int = 300) -> Image.Image:
    """Red and green above, blue and white below: whoever turns it shows it."""
    image = Image.new("RGB", (width, height), "white")
    middle = (width // 2, height // 2)
    for colour, box in (
        ("red", (0, 0, *middle)),
        ("lime", (middle[0], 0, width, middle[1])),
        ("blue", (0, middle[1], middle[0], height)),
    ):
        image.paste(colour, box)
    return image


def corners(body: bytes) -> list[str]:
    """The colours a tenth inside the four corners: above left, above right, below left, below right."""
    image = Image.open(io.BytesIO(body)).convert("RGB")
    x, y = image.width // 10, image.height // 10
    places = ((x, y), (image.width - x, y), (x, image.height - y), (image.width - x, image.height - y))
    return [_name(image.getpixel(place)) for place in places]


def _name(pixel: Any) -> str:
    named = {(1, 0, 0): "red", (0, 1, 0): "lime", (0, 0, 1): "blue", (1, 1, 1): "white"}
    return named.get(tuple(round(value / 255) for value in pixel), str(pixel))


def photo(size: tuple[int, int] = (400, 300), form: str = "JPEG", **options: Any) -> bytes:
    return saved(quarters(*size), form, **options)


def sized(body: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(body)).size


def turned(orientation: int) -> bytes:
    """Stored as a phone held that way stores it: upright for everybody who heeds the EXIF orientation."""
    undo = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }[orientation]  # fmt: skip
    stored = quarters() if undo is None else quarters().transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(stored, exif=exif)


def telling_jpeg() -> bytes:
    """A photo that tells where it was taken, in every place a JPEG has for it, and a page behind its end."""
    exif = Image.Exif()
    exif[0x010F] = "SECRET maker"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)})
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    body = photo(exif=exif, icc_profile=icc, comment=COMMENT)
    extra = b"".join(
        b"\xff" + mark + struct.pack(">H", len(data) + 2) + data
        for mark, data in ((b"\xe1", XMP), (b"\xed", IPTC))
    )
    return body[:2] + extra + body[2:] + b"<html><script>SECRET</script></html>"


def commented_jpeg() -> bytes:
    """Nothing but a comment: what Pillow alone carries from the first image to the last."""
    return photo(comment=COMMENT)


def telling_png() -> bytes:
    body = photo(form="PNG")
    return (
        body[:33]
        + chunk(b"tEXt", b"Comment\0SECRET")
        + chunk(b"eXIf", b"MM\0*SECRET")
        + body[33:]
        + b"SECRET"
    )


def jpeg_and_zip() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("SECRET.html", "<script>SECRET</script>")
    return photo() + archive.getvalue()


def phone_with_depth_map() -> bytes:
    """A JPEG with two pictures in it (MPO), as phones write them."""
    return saved(quarters(), "MPO", save_all=True, append_images=[Image.new("RGB", (400, 300), "black")])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, pixels: bytes = b"", between: bytes = b"") -> bytes:
    """One bit per pixel; without pixels it is only a header, and decoding it must fail."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = chunk(b"IDAT", pixels) if pixels else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + between + data + chunk(b"IEND", b"")


def bomb(width: int, height: int) -> bytes:
    """A whole picture of zeros: some kilobytes that decode into hundreds of megabytes."""
    return png(width, height, pixels=zlib.compress(bytes(height * (1 + (width + 7) // 8))))


def moving_png(frames: int) -> bytes:
    pixels = zlib.compress(bytes(100 * 14))
    return png(100, 100, pixels=pixels, between=chunk(b"acTL", struct.pack(">II", frames, 0)))


def moving_webp(frames: int) -> bytes:
    """The same still picture over and over, in as many frames."""
    still = saved(Image.new("RGB", (64, 64), "red"), "WEBP", lossless=True)[12:]
    frame = b"\0" * 6 + (63).to_bytes(3, "little") * 2 + (10).to_bytes(3, "little") + b"\0" + still
    canvas = b"\x02\0\0\0" + (63).to_bytes(3, "little") * 2
    body = _riff(b"VP8X", canvas) + _riff(b"ANIM", b"\0" * 6) + _riff(b"ANMF", frame) * frames
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def webp_header(width: int, height: int) -> bytes:
    canvas = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = _riff(b"VP8X", canvas)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _riff(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def jpeg_header(width: int, height: int) -> bytes:
    """A photo whose frame header claims another size."""
    body = bytearray(photo((64, 64)))
    at = body.index(b"\xff\xc0")
    body[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(body)


def marks(jpeg: bytes) -> set[int]:
    """The second bytes of a JPEG's segment marks, up to the first scan."""
    found, at = set(), 2
    while jpeg[at + 1] != 0xDA:
        found.add(jpeg[at + 1])
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return found


#: What is no picture we take, whatever it is called: name -> bytes.
STRANGERS = {
    "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "html": b"<!doctype html><script>alert(1)</script>",
    "gif": saved(Image.new("P", (100, 100)), "GIF"),
    "bmp": saved(Image.new("RGB", (100, 100)), "BMP"),
    "tiff": saved(Image.new("RGB", (100, 100)), "TIFF"),
    "ico": saved(Image.new("RGB", (64, 64)), "ICO"),
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(1000),
    "avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(1000),
    "mp4 named .jpg": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(1000),
    "zip named .jpg": b"PK\x03\x04" + bytes(1000),
    "pdf": b"%PDF-1.7\n" + bytes(1000),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n",
    "zeros": bytes(1000),
    "one byte": b"\xff",
    "riff of sound": b"RIFF\x24\0\0\0WAVEfmt " + bytes(1000),
}

#: What begins like one and cannot be shown.
DAMAGED = {
    "truncated jpeg": photo()[:2000],
    "truncated png": photo(form="PNG")[:300],
    "truncated webp": photo(form="WEBP")[:200],
    "jpeg header and zeros": photo()[:400] + bytes(5000),
    "jpeg and html instead of pixels": b"\xff\xd8\xff\xe0" + b"<script>alert(1)</script>" * 20,
    "png without pixels": png(1000, 1000),
    "png of nothing": png(0, 0),
    "png and garbage": png(1000, 1000, pixels=b"not deflate at all"),
    "png signature alone": b"\x89PNG\r\n\x1a\n",
    "webp header alone": webp_header(100, 100),
    "text bomb in a png": png(100, 100, between=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(100_000_000)))),
    "63 pixels": photo((63, 400)),
}  # fmt: skip

#: What is too large by its header. Most hold nothing that could be decoded.
TOO_LARGE = {
    "41 megapixels": png(5900, 7000),
    "100 megapixels": png(10_000, 10_000),
    "169 megapixels, whole": bomb(13_000, 13_000),
    "400 megapixels, whole": bomb(20_000, 20_000),
    "sides of 2**31": png(2**31 - 1, 2**31 - 1),
    "one side of 8001": png(8001, 100),
    "webp of 268 megapixels": webp_header(16_383, 16_383),
    "webp of 2**24": webp_header(2**24, 2**24),
    "jpeg of 4 gigapixels": jpeg_header(65_535, 65_535),
}

MOVING = {"png of 10,000 frames": moving_png(10_000), "webp of 10,000 frames": moving_webp(10_000)}

#: Everything a phone or a program may rightly send: name -> bytes.
KINDS = {
    "jpeg": photo(),
    "progressive jpeg": photo(progressive=True),
    "grey jpeg": saved(quarters().convert("L")),
    "cmyk jpeg": saved(quarters().convert("CMYK")),
    "png": photo(form="PNG"),
    "png with alpha": saved(quarters().convert("RGBA"), "PNG"),
    "png with a palette": saved(quarters().convert("P"), "PNG"),
    "grey png with alpha": saved(quarters().convert("LA"), "PNG"),
    "16-bit png": saved(Image.new("I;16", (400, 300), 40_000), "PNG"),
    "1-bit png": saved(quarters().convert("1"), "PNG"),
    "webp": photo(form="WEBP"),
    "lossless webp": photo(form="WEBP", lossless=True),
    "webp with alpha": saved(quarters().convert("RGBA"), "WEBP"),
    "jpeg with a depth map": phone_with_depth_map(),
    "smallest": photo((64, 64)),
}
