"""Fetching what a line, or a single socket, lacks."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import structlog

from romantic.realtime.events import CloseCode
from romantic.realtime.line import Line, Reader, is_for
from romantic.realtime.store import Store
from romantic.realtime.streams import Found, Record, now_ms

log = structlog.get_logger()

PAGE = 100
#: A page for one socket: what its queue has room for.
SOCKET_PAGE = 32
RETRY_SECONDS = 0.2
TRIES = 10


@dataclass(frozen=True, slots=True)
class Missed:
    """An event a phone has missed, for those who say whether it may still be told. `age` in seconds."""

    seq: int
    kind: str
    age: float
    name: str
    data: dict[str, Any]


#: Told whose events these are; returns the numbers of those that must not be told any more. Whoever has to
#: ask the database waits for a turn: many phones come back at once.
Judge = Callable[[UUID, list[Missed]], Awaitable[set[int]]]


@dataclass(frozen=True, slots=True)
class Replay:
    """How many missed events are told again, up to which number, and which in between are not."""

    end: int
    count: int
    skip: frozenset[int]


class Lost(Exception):
    """What is asked for cannot be known; the text is the reason, as clients are told it."""


class Reading:
    """One reading at a time for each line; a socket that is behind reads for itself, at its own pace."""

    def __init__(
        self,
        store: Store,
        *,
        settle: Callable[[UUID, Record], None],
        adopt: Callable[[Line, str, int, str], None],
    ) -> None:
        self._store = store
        self._settle = settle
        self._adopt = adopt

    # Lines

    def read_on(self, line: Line) -> None:
        """Fetch what is missing up to the line's target."""
        is_due = line.is_open and line.memory is None and line.target > line.seq
        if is_due and line.reading is None:
            line.reading = asyncio.ensure_future(self._read(line))

    async def _read(self, line: Line) -> None:
        try:
            while line.memory is None and line.target > line.seq:
                now = await self._store.find(line.user_id, after=line.seq, count=PAGE)
                if now is None or line.memory is not None:
                    return
                self._catch_up(line, now)
        except Exception:
            log.exception("stream.read_failed")
        finally:
            line.reading = None

    def _catch_up(self, line: Line, now: Found) -> None:
        """What was read, and is not here by another way meanwhile, in its order."""
        if now.epoch != line.epoch:
            self._adopt(line, now.epoch, max(now.seq, line.seq), "epoch_changed")
            return
        first = now.events[0][0] if now.events else now.seq + 1
        if first > line.seq + 1:  # what came first is not kept any more
            self._adopt(line, line.epoch, first - 1, "window_exceeded")
        for seq, record in now.events:
            self._settle(line.user_id, record)
            if seq > line.seq:
                line.deliver(seq, record)
        if len(now.events) < PAGE:
            line.target = min(line.target, line.seq)

    # Single sockets

    def follow(self, line: Line, reader: Reader, skip: frozenset[int] = frozenset()) -> None:
        """Hand the socket what it lacks, except some of it, and then what comes."""
        if reader.seq >= line.seq:
            reader.is_live = True
        else:
            reader.following = asyncio.ensure_future(self._follow(line, reader, skip))

    async def _follow(self, line: Line, reader: Reader, skip: frozenset[int]) -> None:
        try:
            while not reader.is_live and reader.socket.closed_by is None:
                await self._hand_on(line, reader, skip)
                if reader.seq >= line.seq:
                    reader.is_live = True
        except Lost as reason:
            if not reader.is_live:  # what it was promised is gone: it may ask again, and will hear so
                reader.socket.close(CloseCode.RECONNECT, str(reason))
        except Exception:
            log.exception("stream.follow_failed")
            reader.socket.close(CloseCode.INTERNAL, "stream")

    async def _hand_on(self, line: Line, reader: Reader, skip: frozenset[int]) -> None:
        for seq, record in await self._page(line, reader.epoch, reader.seq, SOCKET_PAGE):
            await reader.socket.until_room()
            if reader.is_live or seq > line.seq:
                return
            reader.seq = seq
            if seq not in skip and is_for(reader.socket, record, is_here=line.holds(record.conn)):
                reader.socket.send_frame(record.frame(seq))

    async def missed(self, line: Line, reader: Reader, *, epoch: str, seq: int, judge: Judge) -> Replay:
        """What came after that number; raises Lost."""
        end, count, skip = line.seq, 0, set[int]()
        if epoch != line.epoch or seq > end:
            raise Lost("epoch_changed")
        while seq < end:
            page = [(n, record) for n, record in await self._page(line, epoch, seq, PAGE) if n <= end]
            own = [(n, record) for n, record in page if record.is_for(reader.socket.session_id)]
            wrong = await _judged(line.user_id, own, judge)
            skip |= wrong
            count += len(own) - len(wrong)
            seq = page[-1][0]
        return Replay(end, count, frozenset(skip))

    async def _page(self, line: Line, epoch: str, seq: int, count: int) -> list[tuple[int, Record]]:
        """The next events after the number, without a gap, at least one; raises Lost."""
        if epoch != line.epoch:
            raise Lost("epoch_changed")
        if line.memory is not None:
            events = line.memory.after(seq, count)
        else:
            now = await self._found(line, seq, count)
            if now.epoch != epoch:
                raise Lost("epoch_changed")
            events = now.events
        oldest = now_ms() - self._store.streams.keep_ms
        if not events or events[0][0] != seq + 1 or events[0][1].at < oldest:
            raise Lost("window_exceeded")
        return events

    async def _found(self, line: Line, seq: int, count: int) -> Found:
        for _ in range(TRIES):
            now = await self._store.find(line.user_id, after=seq, count=count)
            if now is not None:
                return now
            if line.memory is not None:
                break
            await asyncio.sleep(RETRY_SECONDS)
        raise Lost("epoch_changed")


async def _judged(user_id: UUID, events: list[tuple[int, Record]], judge: Judge) -> set[int]:
    if not events:
        return set()
    now, missed = now_ms(), []
    for seq, record in events:
        frame = orjson.loads(record.body)
        missed.append(Missed(seq, record.kind, (now - record.at) / 1000, frame["event"], frame["data"]))
    return await judge(user_id, missed)
