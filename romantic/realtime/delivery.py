"""How a numbered event reaches every socket of a person on every node, with Redis and without it."""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

import structlog

from romantic.realtime.bus import Bus
from romantic.realtime.events import Event
from romantic.realtime.line import Line, Memory, Reader
from romantic.realtime.socket import Socket
from romantic.realtime.streams import (
    Found,
    Record,
    Streams,
    channel_of,
    found,
    position,
    record_of,
    unpack,
)
from romantic.redis import Command, RedisClient

log = structlog.get_logger()

HEAL_SECONDS = 0.5
ANSWER_SECONDS = 5.0
READ_EVENTS = 100
BATCH = 256
#: People whose events went past Redis, and whose streams have to say so when it is back.
MAX_TORN = 100_000
LINE_BYTES = 512 * 1024
MEMORY_BYTES = 64 * 1024 * 1024

#: Told a socket that may have missed something, and why.
OnLapse = Callable[[Reader, str], None]


class Delivery:
    """The lines of this node.

    An event is appended to its person's stream and delivered when Redis says so, by its answer or by the
    channel, whichever comes first. An append that fails puts the person's line on its own: what is on its way
    and what follows is numbered here at once. `heal` brings lines back, each in a new epoch where its events
    went past Redis: phones that ask for what they missed hear that it cannot be known.
    """

    def __init__(self, bus: Bus, redis: RedisClient, streams: Streams) -> None:
        self.is_away = False
        self._bus = bus
        self._redis = redis
        self._streams = streams
        self._uids = itertools.count(1)
        self._lines: dict[UUID, Line] = {}
        self._pending: dict[UUID, dict[str, Record]] = {}  # on their way to Redis
        self._alone: OrderedDict[UUID, Line] = OrderedDict()  # the one written to last is last
        self._torn: dict[UUID, None] = {}
        self._unheard: set[UUID] = set()  # subscriptions that were not confirmed
        self._wake = asyncio.Event()
        self._on_lapse: list[OnLapse] = []
        bus.on_back(self._back)

    @property
    def is_behind(self) -> bool:
        """Whether some stream in Redis lacks events, or some line its stream."""
        return self.is_away or bool(self._torn or self._alone or self._unheard)

    def on_lapse(self, tell: OnLapse) -> None:
        """Register who tells a socket that it may have missed something."""
        self._on_lapse.append(tell)

    # Sending

    def send(
        self,
        user_id: UUID,
        event: Event,
        *,
        only: UUID | None = None,
        but: UUID | None = None,
        conn: str = "",
    ) -> None:
        """Number the event and hand it to the person's sockets, here and elsewhere; never blocks."""
        uid = f"{self._bus.node}/{next(self._uids)}"
        self._send(user_id, record_of(event, uid, only=only, but=but, conn=conn))

    def whisper(self, user_id: UUID, frame: bytes, *, but: UUID | None = None) -> None:
        """Hand a volatile frame to the person's sockets at other nodes, if it can be done now."""
        if self._bus.has_peers and not self.is_away:
            head = f"v {self._bus.node} {but or '-'} ".encode()
            self._bus.run(("SPUBLISH", channel_of(user_id), head + frame))

    def _send(self, user_id: UUID, record: Record) -> None:
        line = self._lines.get(user_id)
        if line is not None and line.returning is not None:
            line.returning.append(record)
        elif self.is_away or user_id in self._alone:
            self._keep(user_id, [record])
        else:
            self._pending.setdefault(user_id, {})[record.uid] = record
            self._bus.run(self._streams.append(user_id, record), partial(self._appended, user_id, record))

    def _appended(self, user_id: UUID, record: Record, answer: Any) -> None:
        if answer is not None:
            self._take(user_id, *position(answer), record)
        elif record.uid in self._pending.get(
            user_id, ()
        ):  # else its echo came, and only the answer is missing
            self._mind()
            # Those behind it must not overtake it, whatever becomes of them.
            self._keep(user_id, list(self._pending.pop(user_id).values()))

    def _keep(self, user_id: UUID, records: list[Record]) -> None:
        """Go on without Redis: its stream knows nothing of these events."""
        if len(self._torn) < MAX_TORN:
            self._torn[user_id] = None
        self._wake.set()
        line = self._lines.get(user_id)
        if line is None:
            return
        self._isolate(line)
        self._alone.move_to_end(user_id)
        for record in records:
            line.remember(record)
        self._trim()

    def _isolate(self, line: Line) -> None:
        if line.memory is None:
            line.go_alone(Memory(events=self._streams.events, size=LINE_BYTES))
            self._alone[line.user_id] = line
            self._wake.set()

    def _trim(self) -> None:
        """Memory is bounded over all lines: the quietest forget first."""
        held = sum(line.memory.size for line in self._alone.values() if line.memory is not None)
        for line in list(self._alone.values()):
            if held <= MEMORY_BYTES or line.memory is None:
                return
            held -= line.memory.size
            line.memory = Memory(events=self._streams.events, size=LINE_BYTES)

    def _mind(self) -> None:
        """Redis did not do what it was asked: nobody waits for it until it answers again."""
        self.is_away = self.is_away or self._redis.is_broken
        self._streams.tell_again()
        self._wake.set()

    # Listening

    async def join(self, socket: Socket) -> Reader:
        """The socket's place in its person's line: whatever has a higher number than its `seq` will come."""
        line = self._lines.setdefault(socket.user_id, Line(socket.user_id))
        line.joining += 1
        try:
            if line.opening is None:
                line.opening = asyncio.ensure_future(self._open(line))
            await asyncio.shield(line.opening)
        finally:
            line.joining -= 1
        if socket.closed_by is not None:  # meanwhile, and it has left already
            self.leave(socket)
            return Reader(socket, epoch=line.epoch, seq=line.seq)
        return line.join(socket)

    def leave(self, socket: Socket) -> None:
        line = self._lines.get(socket.user_id)
        if line is None:
            return
        line.readers.pop(socket, None)
        line.used_at = monotonic()
        # Alone, its memory is all there is: the phone may come back.
        if line.is_idle and line.memory is None:
            self._close(line)

    async def _open(self, line: Line) -> None:
        """Subscribe, and only then ask where the stream stands: nothing falls in between."""
        channel, hear = channel_of(line.user_id), partial(self._hear, line.user_id)
        if self.is_away:
            self._isolate(line)
            self._bus.listen_to(channel, hear)
            return
        if not await self._bus.subscribe(channel, hear):
            self._unheard.add(line.user_id)
            self._wake.set()
        now = await self._found(line.user_id, after=0, count=1)
        if line.memory is not None:
            return  # meanwhile an event had to go on without Redis
        if now is None:
            self._isolate(line)
        else:
            line.epoch, line.seq, line.is_open = now.epoch, now.seq, True
            self._read_on(line)

    def _close(self, line: Line) -> None:
        self._bus.unsubscribe(channel_of(line.user_id))
        self._lines.pop(line.user_id, None)
        self._alone.pop(line.user_id, None)
        self._unheard.discard(line.user_id)

    def _hear(self, user_id: UUID, data: bytes) -> None:
        """A message of the person's channel."""
        kind, _, rest = data.partition(b" ")
        if kind == b"e":
            epoch, seq, packed = rest.split(b" ", 2)
            self._take(user_id, epoch.decode(), int(seq), unpack(packed))
        elif kind == b"f":
            epoch, seq = rest.split(b" ")
            self._forked(user_id, epoch.decode(), int(seq))
        elif kind == b"v":
            node, but, frame = rest.split(b" ", 2)
            if node.decode() != self._bus.node:
                self._overhear(user_id, but.decode(), frame)

    def _overhear(self, user_id: UUID, but: str, frame: bytes) -> None:
        line = self._lines.get(user_id)
        for socket in list(line.readers) if line is not None else ():
            if str(socket.session_id) != but:
                socket.send_frame(frame, volatile=True)

    def _take(self, user_id: UUID, epoch: str, seq: int, record: Record) -> None:
        """An event as Redis has numbered it: delivered if it is the next, otherwise read in its turn."""
        self._settle(user_id, record)
        line = self._lines.get(user_id)
        if line is None or seq <= line.seq:
            return
        if line.memory is not None or not line.is_open:
            line.target = max(line.target, seq)
        elif epoch != line.epoch:
            self._adopt(line, epoch, seq - 1)
            line.deliver(seq, record)
        elif seq == line.seq + 1:
            line.deliver(seq, record)
        else:
            line.target = max(line.target, seq)
            self._read_on(line)

    def _settle(self, user_id: UUID, record: Record) -> None:
        pending = self._pending.get(user_id)
        if pending is not None and pending.pop(record.uid, None) is not None and not pending:
            del self._pending[user_id]

    def _forked(self, user_id: UUID, epoch: str, seq: int) -> None:
        line = self._lines.get(user_id)
        if line is not None and line.is_open and line.memory is None and epoch != line.epoch:
            self._adopt(line, epoch, max(seq, line.seq))

    def _adopt(self, line: Line, epoch: str, seq: int, reason: str = "epoch_changed") -> None:
        for reader in line.adopt(epoch, seq):
            for tell in self._on_lapse:
                tell(reader, reason)

    # Reading

    def _read_on(self, line: Line) -> None:
        """Fetch what is missing, one reading at a time."""
        if line.reading is None and line.target > line.seq:
            line.reading = asyncio.ensure_future(self._read(line))

    async def _read(self, line: Line) -> None:
        try:
            while line.memory is None and line.target > line.seq:
                now = await self._found(line.user_id, after=line.seq, count=READ_EVENTS)
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
            self._adopt(line, now.epoch, max(now.seq, line.seq))
            return
        first = now.events[0][0] if now.events else now.seq + 1
        if first > line.seq + 1:  # what came first is not kept any more
            self._adopt(line, line.epoch, first - 1, "window_exceeded")
        for seq, record in now.events:
            self._settle(line.user_id, record)
            if seq > line.seq:
                line.deliver(seq, record)
        if len(now.events) < READ_EVENTS:
            line.target = min(line.target, line.seq)

    async def _found(self, user_id: UUID, *, after: int, count: int) -> Found | None:
        answer = await self._ask(self._streams.read(user_id, after=after, count=count))
        return None if answer is None else found(answer)

    async def _ask(self, command: Command) -> Any:
        """What Redis answers, after all that was sent before; None if it does not."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._bus.run(command, lambda value: None if answer.done() else answer.set_result(value))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                result = await answer
        except TimeoutError:
            result = None
        if result is None:
            self._mind()
        return result

    def _back(self) -> None:
        """The subscriptions are there again: what was said meanwhile is read."""
        self._streams.tell_again()
        self._wake.set()
        for line in self._lines.values():
            if line.is_open and line.memory is None:
                line.target = line.seq + 1
                self._read_on(line)

    # Healing

    async def heal(self) -> None:
        """Bring back to Redis what had to go on without it, for ever."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(HEAL_SECONDS)
            try:
                await self._mend()
            except Exception:
                log.exception("stream.heal_failed")

    async def _mend(self) -> None:
        self._forget()
        if not self._bus.is_hearing or self._redis.is_broken:
            return
        if self.is_away:
            if await self._ask(("PING",)) is None:
                return
            self.is_away = False
            log.info("stream.redis_back", lines=len(self._alone), torn=len(self._torn))
        away = list(self._torn | dict.fromkeys(self._alone))
        for at in range(0, len(away), BATCH):
            await asyncio.gather(*map(self._return, away[at : at + BATCH]))
        await self._listen_again()
        if not self.is_behind:
            self._wake.clear()

    async def _return(self, user_id: UUID) -> None:
        """Back to the stream; in a new epoch where it misses something, or this node told higher numbers."""
        if self.is_away:
            return
        line = self._alone.get(user_id)
        is_torn = user_id in self._torn
        self._torn.pop(user_id, None)
        if line is not None:
            line.returning = []
        floor = 0 if line is None else line.seq
        answer = await self._ask(self._streams.fork(user_id, floor=floor, is_torn=is_torn))
        waiting: list[Record] = []
        if line is not None:
            waiting, line.returning = line.returning or [], None
        if answer is None:
            if is_torn or waiting:
                self._keep(user_id, waiting)
            return
        if line is not None:
            self._resettle(line, *position(answer))
        for record in waiting:
            self._send(user_id, record)

    def _resettle(self, line: Line, epoch: str, seq: int) -> None:
        line.memory = None
        self._alone.pop(line.user_id, None)
        if line.is_idle:
            self._close(line)
        else:
            self._adopt(line, epoch, seq)
            self._read_on(line)

    async def _listen_again(self) -> None:
        """Subscriptions that Redis was too slow to confirm, and what was said before it did."""
        for user_id in list(self._unheard):
            line = self._lines.get(user_id)
            if line is None or await self._bus.subscribe(channel_of(user_id), partial(self._hear, user_id)):
                self._unheard.discard(user_id)
            if line is not None and line.is_open and line.memory is None:
                line.target = max(line.target, line.seq + 1)
                self._read_on(line)

    def _forget(self) -> None:
        """Nobody comes back for a memory that is older than the window."""
        oldest = monotonic() - self._streams.keep_ms / 1000
        for line in list(self._alone.values()):
            if line.is_idle and line.used_at < oldest and line.returning is None:
                self._close(line)
