"""Forms with a file: how many this process holds at once, how large, for how long."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from romantic.errors import (
    BadRequest,
    InvalidInput,
    PayloadTooLarge,
    RateLimited,
    Unavailable,
    UnsupportedMediaType,
)
from romantic.http.body import read_body
from romantic.http.guards import PRINCIPAL
from romantic.http.multipart import Part, boundary_of, parse
from romantic.settings import SETTINGS

MOST_AT_ONCE, MOST_PER_USER = 24, 2
#: All of them together: 24 photos, or some films.
MOST_BYTES = 300_000_000
LARGEST_TEXT = 16 * 1024
#: Boundaries, part headers and texts around the file.
OVERHEAD = 128 * 1024


@dataclass(frozen=True, slots=True)
class Form:
    """One file and the texts beside it."""

    file: bytes
    texts: dict[str, str]


class Uploads:
    """The uploads this process holds in memory now; everybody who is let in is counted."""

    def __init__(self) -> None:
        self._held: Counter[UUID] = Counter()
        self._bytes = 0

    @asynccontextmanager
    async def place(self, user_id: UUID, *, size: int) -> AsyncIterator[None]:
        """Room for one upload of so many bytes while the block lasts; raises RateLimited, Unavailable."""
        if self._held[user_id] >= MOST_PER_USER:
            raise RateLimited("Finish your other uploads first.", retry_after=1)
        if self._held.total() >= MOST_AT_ONCE or self._bytes + size > MOST_BYTES:
            raise Unavailable(retry_after=2)
        self._held[user_id] += 1
        self._bytes += size
        try:
            yield
        finally:
            self._held[user_id] -= 1
            self._bytes -= size
            self._held += Counter()  # forgets who has nothing left


UPLOADS_HELD = web.AppKey("UPLOADS_HELD", Uploads)


@asynccontextmanager
async def form_of(request: web.Request, *, field: str, most_bytes: int) -> AsyncIterator[Form]:
    """The form of a signed-in user's request, which counts as held until the block ends.

    The part named `field` is the file. Raises what the envelope needs for every form that is not one.
    """
    # What is announced; a body of unknown or exaggerated length is cut at the limit.
    size = min(request.content_length or most_bytes, most_bytes) + OVERHEAD
    async with request.app[UPLOADS_HELD].place(request[PRINCIPAL].id, size=size):
        yield await _read(request, field, most_bytes)


async def _read(request: web.Request, field: str, most_bytes: int) -> Form:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the form as it is, not compressed.")
    if request.content_type != "multipart/form-data":
        raise UnsupportedMediaType("Send multipart/form-data with one file.")
    boundary = boundary_of(request.headers["Content-Type"])
    seconds = request.app[SETTINGS].upload_timeout_seconds
    try:
        body = await read_body(request, most_bytes + OVERHEAD, seconds=seconds)
    except PayloadTooLarge:
        raise PayloadTooLarge(limit_bytes=most_bytes) from None
    form = _form(parse(body, boundary), field)
    if len(form.file) > most_bytes:
        raise PayloadTooLarge(limit_bytes=most_bytes)
    return form


def _form(parts: list[Part], field: str) -> Form:
    names = [part.name for part in parts]
    if len(set(names)) < len(names):
        raise BadRequest("A field of the form is given twice.")
    if any(part.is_file and part.name != field for part in parts):
        raise BadRequest(f"The only file of the form is the field {field}.")
    texts = {part.name: _text(part) for part in parts if part.name != field}
    for part in parts:
        if part.name == field and part.body:
            return Form(part.body, texts)
    fault = {"path": field, "code": "required", "message": "The file is missing or empty."}
    raise InvalidInput(fields=[fault])


def _text(part: Part) -> str:
    try:
        text = part.body.decode()
    except UnicodeDecodeError:
        raise BadRequest("A field of the form is not text.") from None
    if len(part.body) > LARGEST_TEXT or "\0" in text:
        raise BadRequest("A field of the form is not text, or too long.")
    return text
