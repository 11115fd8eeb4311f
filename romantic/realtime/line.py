"""A line: one person's events on their way to the sockets at this node, in the order of their numbers."""

import asyncio
from collections import deque
from uuid import UUID

from romantic.realtime.socket import Socket
from romantic.realtime.streams import Record, new_epoch, now_ms


class Reader:
    """A socket's place in the line: it has been handed everything up to `seq`.

    While it is not live it is handed nothing: it waits for its client to say where it was, or catches up.
    """

    def __init__(self, socket: Socket, *, epoch: str, seq: int) -> None:
        self.socket = socket
        self.epoch = epoch
        self.seq = seq
        self.is_live = True
        self.is_resuming = False
        self.following: asyncio.Future[None] | None = None


class Memory:
    """The stream of a node that is without Redis: the last events, in numbers and bytes bounded."""

    def __init__(self, *, events: int, size: int) -> None:
        self.size = 0
        self._most = (events, size)
        self._kept: deque[tuple[int, Record]] = deque()

    def add(self, seq: int, record: Record) -> int:
        """Returns by how many bytes it has grown."""
        before = self.size
        self._kept.append((seq, record))
        self.size += len(record.body)
        events, size = self._most
        while len(self._kept) > events or self.size > size:
            self.size -= len(self._kept.popleft()[1].body)
        return self.size - before

    def after(self, seq: int, count: int) -> list[tuple[int, Record]]:
        return [(n, record) for n, record in self._kept if n > seq][:count]


class Line:
    """Where a person's events stand here. With `memory` it is alone: numbered by this node, under an epoch
    of its own, until Redis has it again; what is sent while it `returns` waits for the outcome."""

    def __init__(self, user_id: UUID) -> None:
        self.user_id = user_id
        self.epoch = ""
        self.seq = 0
        self.target = 0  # a number seen, while those before it are not here yet
        self.is_open = False
        self.joining = 0
        self.readers: dict[Socket, Reader] = {}
        self.newest: dict[str, tuple[int, str]] = {}  # of each device: when its newest socket came, and which
        self.memory: Memory | None = None
        self.returning: list[Record] | None = None
        self.listening: asyncio.Future[None] | None = None
        self.reading: asyncio.Future[None] | None = None
        self.used_at = 0.0

    @property
    def is_idle(self) -> bool:
        return not self.readers and not self.joining

    def join(self, socket: Socket) -> Reader:
        """From here on the socket is handed what comes."""
        reader = self.readers[socket] = Reader(socket, epoch=self.epoch, seq=self.seq)
        return reader

    def deliver(self, seq: int, record: Record) -> None:
        """Hand the event to those it is for; the number is the next."""
        self.seq = seq
        frame = record.frame(seq)
        is_here = self.holds(record.conn)
        for reader in self.readers.values():
            if reader.is_live:
                reader.seq = seq
                if is_for(reader.socket, record, is_here=is_here):
                    reader.socket.send_frame(frame)

    def holds(self, conn: str) -> bool:
        return bool(conn) and any(socket.conn_id == conn for socket in self.readers)

    def adopt(self, epoch: str, seq: int) -> list[Reader]:
        """Go on in another epoch; returns who must be told that something may have been missed."""
        self.epoch, self.seq = epoch, seq
        for reader in self.readers.values():
            reader.epoch, reader.seq, reader.is_live = epoch, seq, True
        return list(self.readers.values())

    def go_alone(self, memory: Memory) -> None:
        """Redis does not take the person's events: this node numbers and keeps them."""
        before = self.seq
        self.memory = memory
        self.is_open = True
        self.epoch, self.seq = new_epoch(), max(self.seq, now_ms())
        for reader in self.readers.values():
            if reader.seq == before:  # whoever lacks something from before cannot go on
                reader.epoch, reader.seq = self.epoch, self.seq

    def remember(self, record: Record) -> int:
        """Number, keep and deliver an event, alone; returns by how many bytes the memory has grown."""
        assert self.memory is not None
        growth = self.memory.add(self.seq + 1, record)
        self.deliver(self.seq + 1, record)
        return growth


def is_for(socket: Socket, record: Record, *, is_here: bool) -> bool:
    """An event for one socket is for that one while it is `here`, and otherwise for all of its session."""
    return record.is_for(socket.session_id) and (not is_here or socket.conn_id == record.conn)
