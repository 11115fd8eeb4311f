"""POST /api/messages/send-media, and the files themselves where no bucket hands them out."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import structlog
from aiohttp import web

from romantic.background import running, succeeded
from romantic.db import DatabaseBusy, connection, load_queries
from romantic.errors import Forbidden, PayloadTooLarge, RomanticError, Unavailable, UnsupportedMediaType
from romantic.http import PRINCIPAL, anyone, get, ok, post, signed_in
from romantic.http.limits import MEDIA, UPLOADS
from romantic.http.uploads import form_of
from romantic.integrations.storage import PRIVATE_HEADERS, STORAGE, Disk, StorageAway
from romantic.media import AUDIO, IMAGES, RECORDINGS, VIDEO, container_of, require_kind
from romantic.media.kinds import PICTURES
from romantic.messages import desk
from romantic.messages.schemas import SendMediaForm, SignedQuery
from romantic.settings import SETTINGS

log = structlog.get_logger()
sql = load_queries("media")

IMAGE, FOLDER = "image", "messages"
LARGEST = {IMAGE: 10_000_000, AUDIO: 10_000_000, VIDEO: 50_000_000}
SWEEP_SECONDS = 600.0

_TEXTS = SendMediaForm()
_NOT_TAKEN = "Send a JPEG, PNG or WebP picture, or M4A, MP3, AAC, Ogg, MP4, MOV or WebM."

#: What a recording is kept and handed out as: container, what is in it -> ending, content type.
RECORDINGS_KEPT = {
    ("mp4", AUDIO): ("m4a", "audio/mp4"),
    ("mp4", VIDEO): ("mp4", "video/mp4"),
    ("mov", VIDEO): ("mov", "video/quicktime"),
    ("webm", AUDIO): ("weba", "audio/webm"),
    ("webm", VIDEO): ("webm", "video/webm"),
    ("ogg", AUDIO): ("ogg", "audio/ogg"),
    ("mp3", AUDIO): ("mp3", "audio/mpeg"),
    ("aac", AUDIO): ("aac", "audio/aac"),
}
CONTENT_TYPES = {"jpg": "image/jpeg", **dict(RECORDINGS_KEPT.values())}


@dataclass(frozen=True, slots=True)
class Kept:
    """A file as we keep it; `message_type` is image, audio or video."""

    body: bytes
    message_type: str
    ending: str


async def send_media(request: web.Request) -> web.Response:
    started, me = time.perf_counter(), request[PRINCIPAL]
    async with form_of(request, field="media", most_bytes=max(LARGEST.values())) as form:
        texts = _TEXTS.load(form.texts)
        kept = await _looked_into(request.app, form.file)
        key = f"{FOLDER}/{me.id}/{uuid4()}.{kept.ending}"
        await _store(request.app, key, kept)
        data = await _send(
            request.app,
            key,
            sender_id=me.id,
            session_id=me.session_id,
            message_type=kept.message_type,
            **texts,
        )
    log.info(
        "upload.done",
        user_id=str(me.id),
        kind=CONTENT_TYPES[kept.ending],
        in_bytes=len(form.file),
        out_bytes=len(kept.body),
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
    )
    return ok(data, "Media message sent successfully")


async def _looked_into(app: web.Application, body: bytes) -> Kept:
    """The file as it may be kept. Raises what the media room refuses files with."""
    container = container_of(body)
    if container is None:
        require_kind(body, PICTURES, _NOT_TAKEN)
        _refuse_larger(body, IMAGE)
        return Kept((await app[IMAGES].encode(body)).image, IMAGE, "jpg")
    kind = await app[RECORDINGS].probe(body, container)
    _refuse_larger(body, kind)
    if (container, kind) not in RECORDINGS_KEPT:
        raise UnsupportedMediaType(_NOT_TAKEN)
    ending, _ = RECORDINGS_KEPT[container, kind]
    return Kept(body, kind, ending)


def _refuse_larger(body: bytes, kind: str) -> None:
    if len(body) > LARGEST[kind]:
        raise PayloadTooLarge(limit_bytes=LARGEST[kind])


async def _store(app: web.Application, key: str, kept: Kept) -> None:
    """The object comes first and the message second, so that no message leads nowhere."""
    async with connection(app) as conn:
        await conn.run(sql.add_stray, key=key)
    try:
        await app[STORAGE].put(key, kept.body, CONTENT_TYPES[kept.ending], private=True)
    except StorageAway as error:
        log.error("storage.away", reason=str(error))
        raise Unavailable(retry_after=5) from None


async def _send(app: web.Application, key: str, **message: Any) -> dict[str, Any]:
    """Send what is stored; a refusal, or a client id that was sent before, leaves no object behind."""
    cost = app[SETTINGS].media_message_cost
    try:
        data = await desk.send(app, text="", media_key=key, cost=cost, **message)
    except RomanticError:
        await _discard_stray(app, key)
        raise
    await _discard_stray(app, key)
    return data


async def _discard_stray(app: web.Application, key: str) -> None:
    with suppress(StorageAway, DatabaseBusy):  # the sweeper comes back for it
        async with connection(app) as conn:
            stray = await conn.one(sql.find_stray, key=key)
        if stray is not None:
            await _discard(app, key)


async def _discard(app: web.Application, key: str) -> None:
    """Raises StorageAway, and then the key stays on the list."""
    await app[STORAGE].delete(key)
    async with connection(app) as conn:
        await conn.run(sql.delete_stray, key=key)


async def sweep(app: web.Application) -> int:
    """Delete what uploads that died and messages that are gone left behind."""
    async with connection(app) as conn:
        strays = await conn.all(sql.list_strays)
    for stray in strays:
        await _discard(app, stray["key"])
    return len(strays)


async def _sweep_on(app: web.Application) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        with suppress(StorageAway, DatabaseBusy):
            log.info("media.swept", count=await sweep(app))
            succeeded("media_sweeper")


async def media_sweeper(app: web.Application) -> AsyncIterator[None]:
    async with running(_sweep_on(app)):
        yield


async def serve(
    request: web.Request, *, ending: str, sender_id: UUID, media_id: UUID, expires: int, signature: str
) -> web.FileResponse:
    """A file from the folder, in ranges where asked for; only an address that we signed opens it."""
    storage, key = request.app[STORAGE], f"{FOLDER}/{sender_id}/{media_id}.{ending}"
    if not isinstance(storage, Disk):
        raise Forbidden
    path = await storage.find_private(key, expires=expires, signature=signature)
    if path is None:
        raise Forbidden("This address has expired.")
    headers = {"Content-Type": CONTENT_TYPES[ending], "Cross-Origin-Resource-Policy": "cross-origin"}
    return web.FileResponse(path, headers=PRIVATE_HEADERS | headers)


MEDIA_ROUTES = (
    post("/api/messages/send-media", send_media, signed_in, limit=UPLOADS, raw=True, form=SendMediaForm),
    *(
        get(
            f"/media/{FOLDER}/{{sender_id}}/{{media_id}}.{ending}",
            partial(serve, ending=ending),
            anyone,
            query=SignedQuery,
            limit=MEDIA,
        )
        for ending in CONTENT_TYPES
    ),
)
