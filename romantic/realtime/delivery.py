"""How a numbered event reaches every socket of a person on every node, with Redis and without it."""

import asyncio
import itertools
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

from romantic.realtime.alone import Alone
from romantic.realtime.events import CloseCode, Event
from romantic.realtime.line import Line, Reader
from romantic.realtime.reading import Reading
from romantic.realtime.socket import Socket
from romantic.realtime.store import Store
from romantic.realtime.streams import Entrance, Record, alive_elsewhere, position, record_of, unpack

#: How long a phone that was here a moment ago may take to say what it has missed.
HOLD_SECONDS = 1.0
MAX_DEVICES = 16

#: Told a socket that may have missed something, and why.
OnLapse = Callable[[Reader, str], None]


class Delivery:
    """The lines of this node.

    An event is appended to its person's stream and delivered when Redis says so, by its answer or by the
    channel, whichever comes first. An append that fails puts the person's line on its own: what is on its way
    and what follows is numbered here at once, until `Healing` brings it back.
    """

    def __init__(self, store: Store, *, node: str, max_sockets: int) -> None:
        self.store = store
        self.lines: dict[UUID, Line] = {}
        self.alone = Alone(events=store.streams.events)
        self.unheard: set[UUID] = set()  # subscriptions that were not confirmed
        self.reading = Reading(store, settle=self._settle, adopt=self.adopt)
        self._node = node
        self._max_sockets = max_sockets
        self._uids = itertools.count(1)
        self._pending: dict[UUID, dict[str, Record]] = {}  # on their way to Redis
        self._on_lapse: list[OnLapse] = []

    @property
    def is_behind(self) -> bool:
        """Whether some stream in Redis lacks events, or some line its stream."""
        return self.store.is_away or not self.alone.is_empty or bool(self.unheard)

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
        uid = f"{self._node}/{next(self._uids)}"
        self.append(user_id, record_of(event, uid, only=only, but=but, conn=conn))

    def whisper(self, user_id: UUID, frame: bytes, *, but: UUID | None = None) -> None:
        """Hand a volatile frame to the person's sockets at other nodes, if it can be done now."""
        self.store.publish(user_id, f"v {self._node} {but or '-'} ".encode() + frame)

    def replace(self, user_id: UUID, secret: str) -> None:
        """Somebody resumed a socket that another node may still believe in."""
        self.store.publish(user_id, b"r " + secret.encode())

    def append(self, user_id: UUID, record: Record) -> None:
        line = self.lines.get(user_id)
        if line is not None and line.returning is not None:
            line.returning.append(record)
        elif self.store.is_away or (line is not None and line.memory is not None):
            self.keep(user_id, [record])
        else:
            self._pending.setdefault(user_id, {})[record.uid] = record
            self.store.append(user_id, record, partial(self._appended, user_id, record))

    def _appended(self, user_id: UUID, record: Record, answer: Any) -> None:
        if answer is not None:
            epoch, seq = position(answer)
            line = self.lines.get(user_id)
            # What others sent before it is on its way by the channel, and so is this one behind it.
            if line is None or seq <= line.seq + 1 or not self.store.is_heard:
                self._take(user_id, epoch, seq, record)
            else:
                self._settle(user_id, record)
        elif record.uid in self._pending.get(user_id, ()):  # else its echo came, only the answer is missing
            self.store.mind()
            # Those behind it must not overtake it, whatever becomes of them.
            self.keep(user_id, list(self._pending.pop(user_id).values()))

    def keep(self, user_id: UUID, records: list[Record]) -> None:
        """Go on without Redis: its stream knows nothing of these events."""
        self.alone.tear(user_id)
        self.store.in_trouble.set()
        line = self.lines.get(user_id)
        if line is not None:
            self._isolate(line)
            self.alone.remember(line, records)

    def _isolate(self, line: Line) -> None:
        self.alone.take_in(line)
        self.store.in_trouble.set()

    # Coming and going

    async def join(self, socket: Socket) -> Reader:
        """The socket's place in its person's line: whatever has a higher number than its `seq` will come.

        It may be closed when this returns: its device has a newer one elsewhere, or there are too many.
        """
        line = self.lines.setdefault(socket.user_id, Line(socket.user_id))
        line.joining += 1
        try:
            if line.listening is None:
                line.listening = asyncio.ensure_future(self._listen(line))
            await asyncio.shield(line.listening)
            came = await self._enter(line, socket)
        finally:
            line.joining -= 1
        if came is not None:
            self._count(line, socket, came)
        if socket.closed_by is not None:
            self.leave(socket)
            return Reader(socket, epoch=line.epoch, seq=line.seq)
        reader = line.join(socket)
        if came is not None and came.has_former:
            self._hold(reader)
        return reader

    async def _listen(self, line: Line) -> None:
        if not await self.listen(line):
            self.unheard.add(line.user_id)
            self.store.in_trouble.set()

    async def listen(self, line: Line) -> bool:
        """Whether Redis has confirmed that this node hears of the person's events."""
        return await self.store.listen(line.user_id, partial(self._hear, line.user_id))

    async def _enter(self, line: Line, socket: Socket) -> Entrance | None:
        """Ask where the stream stands, now that its channel is heard: nothing falls in between."""
        came = await self.store.enter(
            socket.user_id,
            secret=socket.secret_hash,
            session_id=socket.session_id,
            device=socket.device_id or "",
            conn=socket.conn_id,
        )
        if line.memory is not None:
            return came  # meanwhile, or before, an event had to go on without Redis
        if came is None:
            if not line.is_open:
                self._isolate(line)
        elif not line.is_open:
            line.epoch, line.seq, line.is_open = came.epoch, came.seq, True
            self.reading.read_on(line)
        elif came.epoch != line.epoch and came.seq >= line.seq:
            self.adopt(line, came.epoch, came.seq)
        return came

    def _count(self, line: Line, socket: Socket, came: Entrance) -> None:
        """Whatever Redis knows of the person's other sockets may close this one."""
        socket.order = came.order
        order, _ = line.newest.get(socket.device_id or "", (0, ""))
        if order > came.order:
            socket.close(CloseCode.REPLACED, "session replaced")
        here = [socket, *(other for other in line.readers if other.closed_by is None)]
        elsewhere = {session for session, _ in alive_elsewhere(came.presence, node=self._node)}
        elsewhere -= {str(other.session_id) for other in here}
        if len(here) + len(elsewhere) > self._max_sockets:
            socket.close(CloseCode.TOO_MANY, "too many sockets")

    def _hold(self, reader: Reader) -> None:
        """Nothing is handed to the socket before its client has had the time to ask for what it missed."""
        reader.is_live = False
        socket = reader.socket
        socket.release = partial(self.release, reader)
        asyncio.get_running_loop().call_later(HOLD_SECONDS, self.release, reader)

    def release(self, reader: Reader) -> None:
        """Go on: the client has said something else, or nothing."""
        reader.socket.release = None
        line = self.lines.get(reader.socket.user_id)
        if line is not None and not reader.is_live and not reader.is_resuming and reader.following is None:
            self.reading.follow(line, reader)

    def place_of(self, socket: Socket) -> tuple[Line, Reader] | None:
        line = self.lines.get(socket.user_id)
        reader = line.readers.get(socket) if line is not None else None
        return None if line is None or reader is None else (line, reader)

    def leave(self, socket: Socket) -> None:
        line = self.lines.get(socket.user_id)
        if line is None:
            return
        reader = line.readers.pop(socket, None)
        if reader is not None and reader.following is not None:
            reader.following.cancel()
        line.used_at = monotonic()
        # Alone, its memory is all there is: the phone may come back.
        if line.is_idle and line.memory is None:
            self.close(line)

    def close(self, line: Line) -> None:
        self.store.stop_listening(line.user_id)
        self.lines.pop(line.user_id, None)
        self.alone.let_go(line)
        self.unheard.discard(line.user_id)

    # Listening

    def _hear(self, user_id: UUID, data: bytes) -> None:
        """A message of the person's channel: event, fork, volatile event, device, resumed socket."""
        kind, _, rest = data.partition(b" ")
        line = self.lines.get(user_id)
        if line is None:
            return
        if kind == b"e":
            epoch, seq, packed = rest.split(b" ", 2)
            if int(seq) > line.seq:  # else the answer was here first
                self._take(user_id, epoch.decode(), int(seq), unpack(packed))
        elif kind == b"f":
            epoch, seq = rest.split(b" ")
            self._forked(line, epoch.decode(), int(seq))
        elif kind == b"v":
            node, but, frame = rest.split(b" ", 2)
            if node.decode() != self._node:
                self._overhear(line, but.decode(), frame)
        elif kind == b"d":
            order, conn, device = rest.decode().split(" ", 2)
            self._replace(line, int(order), conn, device)
        elif kind == b"r":
            for socket in list(line.readers):
                if socket.secret_hash == rest.decode():
                    socket.close(CloseCode.REPLACED, "session replaced")

    def _overhear(self, line: Line, but: str, frame: bytes) -> None:
        for socket in list(line.readers):
            if str(socket.session_id) != but:
                socket.send_frame(frame, volatile=True)

    def _replace(self, line: Line, order: int, conn: str, device: str) -> None:
        """A device has a newer socket, here or elsewhere."""
        line.newest[device] = max(line.newest.pop(device, (0, "")), (order, conn))
        if len(line.newest) > MAX_DEVICES:
            del line.newest[next(iter(line.newest))]
        for socket in list(line.readers):
            if socket.device_id == device and socket.conn_id != conn and socket.order < order:
                socket.close(CloseCode.REPLACED, "session replaced")

    def _take(self, user_id: UUID, epoch: str, seq: int, record: Record) -> None:
        """An event as Redis has numbered it: delivered if it is the next, otherwise read in its turn."""
        self._settle(user_id, record)
        line = self.lines.get(user_id)
        if line is None or seq <= line.seq:
            return
        if line.memory is not None or not line.is_open:
            line.target = max(line.target, seq)
        elif epoch != line.epoch:
            self.adopt(line, epoch, seq - 1)
            line.deliver(seq, record)
        elif seq == line.seq + 1:
            line.deliver(seq, record)
        else:
            line.target = max(line.target, seq)
            self.reading.read_on(line)

    def _settle(self, user_id: UUID, record: Record) -> None:
        pending = self._pending.get(user_id)
        if pending is not None and pending.pop(record.uid, None) is not None and not pending:
            del self._pending[user_id]

    def _forked(self, line: Line, epoch: str, seq: int) -> None:
        if line.is_open and line.memory is None and epoch != line.epoch:
            self.adopt(line, epoch, max(seq, line.seq))

    def adopt(self, line: Line, epoch: str, seq: int, reason: str = "epoch_changed") -> None:
        """Go on in another epoch, or behind a gap: who is here may have missed something."""
        for reader in line.adopt(epoch, seq):
            for tell in self._on_lapse:
                tell(reader, reason)

    def listen_again(self) -> None:
        """The subscriptions are there again: what was said meanwhile is read."""
        for line in self.lines.values():
            if line.is_open and line.memory is None:
                line.target = max(line.target, line.seq + 1)
                self.reading.read_on(line)
