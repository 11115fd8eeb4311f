"""What goes on while Redis is away: lines on their own, and the streams that lack what they told."""

from collections import OrderedDict
from time import monotonic
from uuid import UUID

from romantic.realtime.line import Line, Memory
from romantic.realtime.streams import Record

#: People whose events went past Redis, and whose streams have to say so when it is back.
MAX_TORN = 100_000
LINE_BYTES = 512 * 1024
MEMORY_BYTES = 64 * 1024 * 1024


class Alone:
    """The lines of this node that are alone, the one written to last is last; memory is bounded over all."""

    def __init__(self, *, events: int) -> None:
        self.torn: dict[UUID, None] = {}
        self._events = events
        self._held = 0
        self._lines: OrderedDict[UUID, Line] = OrderedDict()

    @property
    def is_empty(self) -> bool:
        return not self._lines and not self.torn

    @property
    def people(self) -> list[UUID]:
        """Everybody whose stream has something to catch up with."""
        return list(self.torn | dict.fromkeys(self._lines))

    def get(self, user_id: UUID) -> Line | None:
        return self._lines.get(user_id)

    def tear(self, user_id: UUID) -> None:
        """The person's stream lacks an event."""
        if len(self.torn) < MAX_TORN:
            self.torn[user_id] = None

    def take_in(self, line: Line) -> None:
        if line.memory is None:
            line.go_alone(self._new_memory())
            self._lines[line.user_id] = line

    def remember(self, line: Line, records: list[Record]) -> None:
        """Number, keep and deliver; the quietest lines forget first."""
        self._lines.move_to_end(line.user_id)
        self._held += sum(map(line.remember, records))
        while self._held > MEMORY_BYTES:
            quietest = next(iter(self._lines.values()))
            self._held -= _size(quietest)
            quietest.memory = self._new_memory()
            self._lines.move_to_end(quietest.user_id)

    def let_go(self, line: Line) -> None:
        """The line goes back to its stream, or ends."""
        if self._lines.pop(line.user_id, None) is not None:
            self._held -= _size(line)
            line.memory = None

    def outdated(self, seconds: float) -> list[Line]:
        """Lines nobody has had a socket on for so long."""
        oldest = monotonic() - seconds
        idle = (line for line in self._lines.values() if line.is_idle and line.returning is None)
        return [line for line in idle if line.used_at < oldest]

    def _new_memory(self) -> Memory:
        return Memory(events=self._events, size=LINE_BYTES)


def _size(line: Line) -> int:
    return line.memory.size if line.memory is not None else 0
