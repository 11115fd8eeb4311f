"""multipart/form-data (RFC 7578) out of a body that is complete and bounded; everything wrong is a 400.

aiohttp's reader is made for streams: it looks inside nested forms, decodes parts, and raises whatever comes.
"""

import re
from typing import NamedTuple

from romantic.errors import BadRequest

MOST_PARTS = 4
LARGEST_HEAD = 8 * 1024

_BOUNDARY = re.compile(r""";\s*boundary=("?)([0-9A-Za-z'()+_,\-./:=?]{1,70})\1\s*(?:;|$)""", re.IGNORECASE)
_PARAMETER = re.compile(r';\s*([\w*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')
_PADDING = re.compile(rb"[ \t]{0,64}\r\n")


class Part(NamedTuple):
    """One field; `is_file` when its sender gave it a file name, which nobody here reads."""

    name: str
    is_file: bool
    body: bytes


def boundary_of(content_type: str) -> bytes:
    """The boundary named in a Content-Type header; raises BadRequest."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise BadRequest("The form names no boundary.")
    return match[2].encode()


def parse(body: bytes, boundary: bytes) -> list[Part]:
    """The parts in their order; raises BadRequest for anything but a complete form of few parts."""
    parts: list[Part] = []
    at = _first(body, boundary)
    while not body.startswith(b"--", at):
        if len(parts) == MOST_PARTS:
            raise BadRequest(f"A form has at most {MOST_PARTS} parts.")
        part, at = _part(body, at, b"\r\n--" + boundary)
        parts.append(part)
    return parts


def _first(body: bytes, boundary: bytes) -> int:
    """Where the first boundary ends. Nothing but an empty line may stand before it."""
    start = 2 if body.startswith(b"\r\n") else 0
    if not body.startswith(b"--" + boundary, start):
        raise BadRequest("The form does not begin with its boundary.")
    return start + 2 + len(boundary)


def _part(body: bytes, at: int, delimiter: bytes) -> tuple[Part, int]:
    """The part whose boundary ended at this place, and where the next boundary ends."""
    line = _PADDING.match(body, at)
    if line is None:
        raise BadRequest("The form is not well formed.")
    head_end = body.find(b"\r\n\r\n", line.end() - 2, line.end() + LARGEST_HEAD)
    if head_end < 0:
        raise BadRequest(f"The headers of a part do not end within {LARGEST_HEAD} bytes.")
    end = body.find(delimiter, head_end + 2)
    if end < 0:
        raise BadRequest("The form is not complete.")
    name, is_file = _disposition(body[line.end() : head_end])
    return Part(name, is_file, body[head_end + 4 : end]), end + len(delimiter)


def _disposition(head: bytes) -> tuple[str, bool]:
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        kind, _, _ = value.partition(";")
        if name.strip().lower() == "content-disposition" and kind.strip().lower() == "form-data":
            found = {key.lower(): quoted or plain for key, quoted, plain in _PARAMETER.findall(value)}
            if found.get("name"):
                return found["name"], "filename" in found or "filename*" in found
    raise BadRequest("A part of the form has no name.")
