"""Where files are kept: a folder, or a bucket of S3 or its like. Keys are ours, never a client's words."""

import asyncio
import os
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from aiohttp import web

from romantic.integrations.aws import aws_client
from romantic.integrations.breaker import Breaker
from romantic.integrations.signed_urls import UrlSigner
from romantic.settings import SETTINGS, Settings
from romantic.upstream import upstream

DEADLINE_SECONDS = 10.0
TRIES = 2
#: A key stands for the same bytes for ever.
CACHE_CONTROL = "public, max-age=31536000, immutable"
#: How long a private address opens its file, and how long the file may stay in the cache of who opened it.
PRIVATE_SECONDS = 600
PRIVATE_HEADERS = {
    "Cache-Control": f"private, max-age={PRIVATE_SECONDS}",
    # Saved or played, never shown as a page of ours.
    "Content-Disposition": "attachment",
}


class StorageAway(Exception):
    """The storage did not do it in time; the text is for operators."""


class Storage(Protocol):
    """Files by key. What comes back from `put` is kept; `put` and `delete` raise StorageAway.

    The breaker only remembers how the last `put` went: the next upload is a try of its own.
    """

    breaker: Breaker

    async def put(self, key: str, body: bytes, content_type: str, *, private: bool = False) -> None:
        """Private is what only `private_url` leads to."""
        ...

    async def delete(self, key: str) -> None:
        """Also when there is none."""
        ...

    def url(self, key: str) -> str:
        """Where anybody who knows the key gets the file."""
        ...

    async def private_url(self, key: str) -> str:
        """Where the file is to be had for PRIVATE_SECONDS."""
        ...


class Disk:
    """A folder; this server hands the files out itself, unless a CDN does."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder.resolve()
        self._own_url = f"{settings.public_base_url}/media"
        self._base_url = (settings.cdn_base_url or self._own_url).rstrip("/")
        self._signer = UrlSigner(settings.jwt_keys.values())
        self.breaker = Breaker(failures=1)

    async def put(self, key: str, body: bytes, content_type: str, *, private: bool = False) -> None:  # noqa: ARG002 - the routes know by the key
        with self.breaker.noting(StorageAway):
            await self._run(_write, self._path(key), body)

    async def delete(self, key: str) -> None:
        await self._run(lambda path: path.unlink(missing_ok=True), self._path(key))

    async def find(self, key: str) -> bytes | None:
        try:
            return await asyncio.to_thread(self._path(key).read_bytes)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    async def find_private(self, key: str, *, expires: int, signature: str) -> Path | None:
        """The file behind an address of `private_url`, while it opens."""
        if not self._signer.admits(key, expires=expires, signature=signature):
            return None
        path = self._path(key)
        return path if await asyncio.to_thread(path.is_file) else None

    def url(self, key: str) -> str:
        return f"{self._base_url}/{quote(key)}"

    async def private_url(self, key: str) -> str:
        """Always through this server, which looks at the signature."""
        return f"{self._own_url}/{quote(key)}?{self._signer.query(key, seconds=PRIVATE_SECONDS)}"

    def _path(self, key: str) -> Path:
        path = (self._folder / key).resolve()
        if not path.is_relative_to(self._folder):
            raise ValueError("a key that leads out of the folder")
        return path

    async def _run(self, work: Any, *arguments: Any) -> None:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await asyncio.to_thread(work, *arguments)
        except OSError as error:  # a TimeoutError is one
            raise StorageAway(type(error).__name__) from error


def _write(path: Path, body: bytes) -> None:
    """All of it under its name, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        draft.write_bytes(body)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


class S3:
    """A bucket. The client is made once: making one reads megabytes of JSON."""

    def __init__(self, client: Any, settings: Settings) -> None:
        self._client = client
        self._bucket = settings.s3_bucket
        self._base_url = settings.cdn_base_url.rstrip("/") or _bucket_url(settings)
        self.breaker = Breaker(failures=1)

    async def put(self, key: str, body: bytes, content_type: str, *, private: bool = False) -> None:
        headers = {"Cache-Control": CACHE_CONTROL} if not private else PRIVATE_HEADERS
        named = {name.replace("-", ""): value for name, value in headers.items()}
        with self.breaker.noting(StorageAway):
            await self._ask(self._client.put_object, Key=key, Body=body, ContentType=content_type, **named)

    async def delete(self, key: str) -> None:
        await self._ask(self._client.delete_object, Key=key)

    def url(self, key: str) -> str:
        return f"{self._base_url}/{quote(key)}"

    async def private_url(self, key: str) -> str:
        where = {"Bucket": self._bucket, "Key": key}
        url: str = await self._client.generate_presigned_url(
            "get_object", Params=where, ExpiresIn=PRIVATE_SECONDS
        )
        return url

    async def _ask(self, method: Any, **arguments: Any) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            with upstream("s3", method.__name__):
                async with asyncio.timeout(DEADLINE_SECONDS):
                    await method(Bucket=self._bucket, **arguments)
        except ClientError as error:
            raise StorageAway(f"S3 {error.response.get('Error', {}).get('Code')}") from error
        except (BotoCoreError, OSError) as error:
            raise StorageAway(type(error).__name__) from error


def _endpoint(settings: Settings) -> str:
    return (settings.aws_endpoint_url_s3 or settings.aws_endpoint_url).rstrip("/")


def _bucket_url(settings: Settings) -> str:
    if endpoint := _endpoint(settings):
        return f"{endpoint}/{settings.s3_bucket}"
    return f"https://{settings.s3_bucket}.s3.{settings.aws_region}.amazonaws.com"


@asynccontextmanager
async def _s3(settings: Settings) -> AsyncIterator[S3]:
    async with aws_client(
        settings,
        "s3",
        settings.aws_endpoint_url_s3,
        seconds=DEADLINE_SECONDS,
        tries=TRIES,
        signature_version="s3v4",
        s3={"addressing_style": "path" if _endpoint(settings) else "auto"},
        request_checksum_calculation="when_required",  # look-alikes do not know the newer ones
        response_checksum_validation="when_required",
    ) as client:
        yield S3(client, settings)


STORAGE = web.AppKey[Storage]("STORAGE")


async def storage(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    async with AsyncExitStack() as stack:
        if settings.storage == "s3":
            app[STORAGE] = await stack.enter_async_context(_s3(settings))
        else:
            folder = settings.media_dir or stack.enter_context(tempfile.TemporaryDirectory())
            app[STORAGE] = Disk(Path(folder), settings)
        yield
