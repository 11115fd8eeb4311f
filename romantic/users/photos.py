"""POST /api/users/profile-image, and the photos themselves where no bucket hands them out."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from functools import partial
from uuid import UUID, uuid4

import structlog
from aiohttp import web

from romantic.background import running, succeeded
from romantic.db import Connection, DatabaseBusy, connection, load_queries
from romantic.errors import InvalidInput, NotFound, Unavailable
from romantic.http import PRINCIPAL, anyone, get, ok, post, signed_in
from romantic.http.limits import MEDIA, UPLOADS
from romantic.http.uploads import Form, form_of
from romantic.integrations.storage import CACHE_CONTROL, STORAGE, Disk, StorageAway
from romantic.media import IMAGES, Encoded, require_kind
from romantic.media.kinds import PICTURES
from romantic.users.errors import UserNotFound

log = structlog.get_logger()
sql = load_queries("photos")

LARGEST_PICTURE = 10_000_000
SWEEP_SECONDS = 600.0

IMAGE, THUMBNAIL = "profile-images", "profile-thumbnails"
JPEG = "image/jpeg"


async def upload(request: web.Request) -> web.Response:
    """Replace one's photo. The object comes first and the row second, so that no URL ever leads nowhere."""
    started, me = time.perf_counter(), request[PRINCIPAL].id
    async with form_of(request, field="image", most_bytes=LARGEST_PICTURE) as form:
        _refuse_texts(form)
        kind = require_kind(form.file, PICTURES, "Send a JPEG, PNG or WebP picture.")
        photo = await request.app[IMAGES].encode(form.file)
        row = await keep(request.app, user_id=me, photo=photo)
    log.info(
        "upload.done",
        user_id=str(me),
        kind=kind,
        in_bytes=len(form.file),
        out_bytes=len(photo.image),
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
    )
    return ok(row, "Profile image uploaded successfully")


def _refuse_texts(form: Form) -> None:
    if form.texts:
        fields = [{"path": name, "code": "unknown", "message": "Unknown field."} for name in form.texts]
        raise InvalidInput(fields=fields)


async def keep(app: web.Application, *, user_id: UUID, photo: Encoded) -> dict[str, str]:
    """Store the photo and show it to everybody; the one before goes. Raises Unavailable, UserNotFound."""
    key, storage = f"{IMAGE}/{user_id}/{uuid4()}.jpg", app[STORAGE]
    async with connection(app) as conn:
        await conn.run(sql.add_stray, key=key)
    try:
        # Both are waited for, also when one fails: nothing may be written after we have answered.
        await _both(
            storage.put(key, photo.image, JPEG), storage.put(thumbnail_of(key), photo.thumbnail, JPEG)
        )
    except StorageAway as error:
        log.error("storage.away", reason=str(error))
        raise Unavailable(retry_after=5) from None
    image_url, thumbnail_url = storage.url(key), storage.url(thumbnail_of(key))
    async with connection(app) as conn:
        before = await set_photo(
            conn, user_id=user_id, key=key, image_url=image_url, thumbnail_url=thumbnail_url
        )
    if before is not None:
        with suppress(StorageAway, DatabaseBusy):  # the sweeper comes back for it
            await discard(app, key=before)
    return {"imageUrl": image_url, "thumbnailUrl": thumbnail_url}


async def set_photo(conn: Connection, *, user_id: UUID, **photo: str) -> str | None:
    """The key of the photo before, if there was one; it is a stray from now on. Raises UserNotFound."""
    row = await conn.one(sql.set_photo, user_id=user_id, **photo)
    if row is None:
        raise UserNotFound
    before: str | None = row["key_before"]
    return before


def thumbnail_of(key: str) -> str:
    return key.replace(IMAGE, THUMBNAIL, 1)


async def discard(app: web.Application, *, key: str) -> None:
    """Delete a photo nobody shows; raises StorageAway, and then it stays on the list."""
    storage = app[STORAGE]
    await _both(storage.delete(key), storage.delete(thumbnail_of(key)))
    async with connection(app) as conn:
        await conn.run(sql.delete_stray, key=key)


async def sweep(app: web.Application) -> int:
    """Delete what uploads that died, deleted accounts and moderators left behind."""
    async with connection(app) as conn:
        strays = await conn.all(sql.list_strays)
    for stray in strays:
        await discard(app, key=stray["key"])
    return len(strays)


async def _both(*work: Awaitable[None]) -> None:
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if outcome is not None:
            raise outcome


async def _sweep_on(app: web.Application) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        with suppress(StorageAway, DatabaseBusy):
            log.info("photos.swept", count=await sweep(app))
            succeeded("photo_sweeper")


async def photo_sweeper(app: web.Application) -> AsyncIterator[None]:
    async with running(_sweep_on(app)):
        yield


async def serve(request: web.Request, *, kind: str, user_id: UUID, image_id: UUID) -> web.Response:
    """A photo from the folder. Its key is put together from two UUIDs: no path of a client's is followed."""
    storage = request.app[STORAGE]
    body = await storage.find(f"{kind}/{user_id}/{image_id}.jpg") if isinstance(storage, Disk) else None
    if body is None:
        raise NotFound
    headers = {"Cache-Control": CACHE_CONTROL, "Cross-Origin-Resource-Policy": "cross-origin"}
    return web.Response(body=body, content_type=JPEG, headers=headers)


PHOTO_ROUTES = (
    post("/api/users/profile-image", upload, signed_in, limit=UPLOADS, raw=True),
    *(
        get(f"/media/{kind}/{{user_id}}/{{image_id}}.jpg", partial(serve, kind=kind), anyone, limit=MEDIA)
        for kind in (IMAGE, THUMBNAIL)
    ),
)
