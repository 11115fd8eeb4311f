"""Workers that look into files: few processes, a short queue, a deadline for every job."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import structlog
from aiohttp import web

from romantic.decoding import InvalidImage, InvalidRecording, frames
from romantic.errors import RomanticError, Unavailable

log = structlog.get_logger()

ROOT = Path(__file__).parent.parent.parent
#: All a worker gets of our environment: it decodes what strangers send, and has no use for our secrets.
ENVIRONMENT = ("PATH", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT")


class Pool:
    """Does a job in processes that may crash, hang or run out of memory on their own."""

    #: What a file is that kills its worker or holds it beyond the deadline.
    damaged: type[RomanticError]

    def __init__(self, *, workers: int = 2, waiting: int = 20, seconds: float = 10.0) -> None:
        self._most_waiting = waiting
        self._seconds = seconds
        self._waiting = 0
        # The last one used is the first one taken: at quiet times a single process does all the work.
        self._free: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        self._workers = [_Worker() for _ in range(workers)]
        for worker in self._workers:
            self._free.put_nowait(worker)

    @property
    def pids(self) -> list[int]:
        """The processes that are running now."""
        return [worker.process.pid for worker in self._workers if worker.process]

    async def ask(self, task: str, body: bytes) -> frames.Encoded:
        """Raises Unavailable when too many wait, and whatever the worker refuses the file with."""
        worker = await self._next()
        try:
            accepted, image, thumbnail = await self._ask(worker, task, body)
        finally:
            self._free.put_nowait(worker)
        if accepted:
            return frames.Encoded(image, thumbnail)
        refusal, cause = frames.refusal_in(image)
        log.info("media.refused", task=task, error_code=refusal.code, reason=cause, bytes=len(body))
        raise refusal

    async def _next(self) -> "_Worker":
        if self._waiting >= self._most_waiting:
            raise Unavailable("Too many uploads at once. Try again shortly.", retry_after=5)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                return await self._free.get()
        except TimeoutError:
            raise Unavailable("Too many uploads at once. Try again shortly.", retry_after=5) from None
        finally:
            self._waiting -= 1

    async def _ask(self, worker: "_Worker", task: str, body: bytes) -> tuple[bool, bytes, bytes]:
        try:
            await worker.start()
        except OSError as error:
            log.error("media.no_worker", reason=type(error).__name__)
            raise Unavailable(retry_after=5) from None
        try:
            async with asyncio.timeout(self._seconds):
                return await worker.ask(task, body)
        except (TimeoutError, EOFError, OSError) as error:
            log.warning("media.worker_lost", task=task, reason=type(error).__name__, bytes=len(body))
            raise self.damaged from None

    async def close(self) -> None:
        for worker in self._workers:
            await worker.stop()


class ImagePool(Pool):
    """Re-encodes pictures."""

    damaged = InvalidImage

    async def encode(self, body: bytes) -> frames.Encoded:
        """The photo as we keep it; raises what `ask` and `images.encode` raise."""
        return await self.ask(frames.PICTURE, body)


class RecordingPool(Pool):
    """Plays the beginning of sound and video files. Apart from pictures: a slow film holds up no photo."""

    damaged = InvalidRecording

    async def probe(self, body: bytes, container: str) -> str:
        """What the file is, AUDIO or VIDEO; raises what `ask` and `recordings.probe` raise."""
        return (await self.ask(container, body)).image.decode()


class _Worker:
    """One process at a time; only one that answered in full is asked again."""

    def __init__(self) -> None:
        self.process: Process | None = None

    async def start(self) -> None:
        if self.process is not None and self.process.returncode is None:
            return
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "romantic.decoding.worker",
            stdin=PIPE, stdout=PIPE, cwd=ROOT,
            env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        )  # fmt: skip

    async def ask(self, task: str, body: bytes) -> tuple[bool, bytes, bytes]:
        """The three parts of the answer; raises EOFError or OSError when the process dies over it."""
        assert self.process is not None
        jobs, answers = self.process.stdin, self.process.stdout
        assert jobs is not None
        assert answers is not None
        try:
            jobs.write(frames.job(task, len(body)))
            jobs.write(body)
            await jobs.drain()
            header = await answers.readexactly(frames.ANSWER.size)
            accepted, image, thumbnail = frames.ANSWER.unpack(header)
            return accepted, await answers.readexactly(image), await answers.readexactly(thumbnail)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


IMAGES = web.AppKey("IMAGES", ImagePool)
RECORDINGS = web.AppKey("RECORDINGS", RecordingPool)


async def images(app: web.Application) -> AsyncIterator[None]:
    """The pools of the application; their processes start with the first file."""
    app[IMAGES], app[RECORDINGS] = ImagePool(), RecordingPool()
    yield
    await app[IMAGES].close()
    await app[RECORDINGS].close()
