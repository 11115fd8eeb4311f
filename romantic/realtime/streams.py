"""A person's stream in Redis: events that are numbered, kept and told to every node in one step."""

import hashlib
import secrets
import time
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from romantic.realtime.events import Event
from romantic.redis import Command

#: How long the number of the last event is known, longer than any phone stays away and comes back to go on.
STATE_MS = 86_400_000
#: Numbers travel in JSON, where they are exact to 2**53 only.
MAX_SEQ = 2**53

_HEAD = """
local function head(epoch)
  local at = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
  if at[1] then return at[1], at[2] end
  local now = redis.call('TIME')
  local seq = now[1] .. string.format('%03d', math.floor(now[2] / 1000))
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'seq', seq)
  return epoch, seq
end
"""
#: KEYS: state, stream, channel. ARGV: epoch if none, record, events kept, their ms, the state's ms.
_APPEND = (
    _HEAD
    + """
local epoch = head(ARGV[1])
local seq = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'seq', 1))
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[3], seq .. '-0', 'r', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('SPUBLISH', KEYS[3], 'e ' .. epoch .. ' ' .. seq .. ' ' .. ARGV[2])
return {epoch, seq}
"""
)
#: ARGV: epoch if none, the last number known, how many at most, the state's ms.
_READ = (
    _HEAD
    + """
local epoch, seq = head(ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {epoch, seq, redis.call('XRANGE', KEYS[2], '(' .. ARGV[2] .. '-0', '+', 'COUNT', ARGV[3])}
"""
)
#: KEYS 4: the secrets of sockets, 5: presence. ARGV: epoch if none, the socket's secret (hashed), its
#: session, ms it may be resumed for, its device or '', its conn, the state's ms.
_ENTER = (
    _HEAD
    + """
local epoch, seq = head(ARGV[1])
local now = redis.call('TIME')
local at = now[1] * 1000 + math.floor(now[2] / 1000)
local former, first, ends = 0, nil, nil
local held = redis.call('HGETALL', KEYS[4])
for i = 1, #held, 2 do
  local session, till = string.match(held[i + 1], '^(%S+) (%d+)$')
  till = tonumber(till)
  if till < at then
    redis.call('HDEL', KEYS[4], held[i])
  else
    if session == ARGV[3] then former = 1 end
    if not ends or till < ends then first, ends = held[i], till end
  end
end
if #held > 128 and first then redis.call('HDEL', KEYS[4], first) end
redis.call('HSET', KEYS[4], ARGV[2], ARGV[3] .. ' ' .. string.format('%.0f', at + ARGV[4]))
redis.call('PEXPIRE', KEYS[4], ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
local order = now[1] .. string.format('%06d', now[2])
if ARGV[5] ~= '' then redis.call('SPUBLISH', KEYS[3], 'd ' .. order .. ' ' .. ARGV[6] .. ' ' .. ARGV[5]) end
return {epoch, seq, former, order, redis.call('HGETALL', KEYS[5])}
"""
)
#: ARGV: the new epoch, a number told without Redis, '1' if events were told without it, the state's ms.
_FORK = (
    _HEAD
    + """
local epoch, seq = head(ARGV[1])
if ARGV[3] == '1' or tonumber(seq) < tonumber(ARGV[2]) then
  local now = redis.call('TIME')
  seq = math.max(tonumber(seq), tonumber(ARGV[2]), now[1] * 1000 + math.floor(now[2] / 1000))
  epoch, seq = ARGV[1], string.format('%.0f', seq)
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'seq', seq)
  redis.call('SPUBLISH', KEYS[3], 'f ' .. epoch .. ' ' .. seq)
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {epoch, seq}
"""
)


@dataclass(frozen=True, slots=True)
class Record:
    """An event as streams keep it: whom it is for, and its frame up to the number.

    `only` and `but` are sessions, `conn` one socket of `only`; all empty for everybody. `at` is in ms.
    """

    uid: str
    kind: str
    at: int
    only: str
    but: str
    conn: str
    body: bytes

    def pack(self) -> bytes:
        head = f"{self.uid} {self.kind} {self.at} {self.only or '-'} {self.but or '-'} {self.conn or '-'}\n"
        return head.encode() + self.body

    def frame(self, seq: int) -> bytes:
        """The bytes on the wire."""
        return b'%b,"seq":%d}' % (self.body[:-1], seq)

    def is_for(self, session_id: UUID) -> bool:
        session = str(session_id)
        return session != self.but and self.only in ("", session)


def unpack(data: bytes) -> Record:
    head, _, body = data.partition(b"\n")
    uid, kind, at, *places = head.decode().split(" ")
    only, but, conn = ("" if place == "-" else place for place in places)
    return Record(uid, kind, int(at), only, but, conn, body)


def record_of(
    event: Event, uid: str, *, only: UUID | None = None, but: UUID | None = None, conn: str = ""
) -> Record:
    places = (str(only or ""), str(but or ""), conn)
    return Record(uid, event.kind.value, now_ms(), *places, event.frame())


def now_ms() -> int:
    return round(time.time() * 1000)


def new_epoch() -> str:
    return secrets.token_hex(4)


def channel_of(user_id: UUID) -> str:
    return f"romantic:{{u:{user_id}}}"


@dataclass(frozen=True, slots=True)
class Found:
    """What a stream holds behind a number: its epoch, its last number, and some of its events in order."""

    epoch: str
    seq: int
    events: list[tuple[int, Record]]


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where a person's stream stood when a socket came, and who was there.

    `order` tells of two sockets which came later, `has_former` whether its session had one not long ago.
    """

    epoch: str
    seq: int
    has_former: bool
    order: int
    presence: dict[bytes, bytes]


class Streams:
    """The commands of everybody's stream. All its names are in one slot of a Redis Cluster: the hash of its
    epoch and last number, the events, the channel of who listens, and the sockets that may be resumed.

    The numbers of a new epoch begin with the time in ms, so that they rise over epochs as well: who only
    compares numbers loses nothing when Redis was emptied.
    """

    def __init__(self, *, events: int, seconds: float) -> None:
        self.events = events
        self.keep_ms = round(seconds * 1000)
        self._known: set[str] = set()

    def tell_again(self) -> None:
        """Redis may have forgotten the scripts: each is sent in full the next time, and then by its hash."""
        self._known.clear()

    def append(self, user_id: UUID, record: Record) -> Command:
        """Answers [epoch, seq]."""
        return self._script(_APPEND, user_id, new_epoch(), record.pack(), self.events, self.keep_ms, STATE_MS)

    def enter(self, user_id: UUID, *, secret: str, session_id: UUID, device: str, conn: str) -> Command:
        """A socket comes; answers what `entrance` understands."""
        arguments = (secret, str(session_id), 2 * self.keep_ms, device, conn, STATE_MS)
        name = channel_of(user_id)
        return self._script(
            _ENTER, user_id, new_epoch(), *arguments, more=(f"{name}:sockets", f"{name}:presence")
        )

    def renew(self, user_id: UUID, *, secret: str, session_id: UUID) -> list[Command]:
        """A socket is still there, and may be resumed for as long again."""
        key = f"{channel_of(user_id)}:sockets"
        until = now_ms() + 2 * self.keep_ms
        return [("HSET", key, secret, f"{session_id} {until}"), ("PEXPIRE", key, 2 * self.keep_ms)]

    @staticmethod
    def session_of(user_id: UUID, *, secret: str) -> Command:
        """Answers the session of a socket that is or was there, and until when that counts."""
        return ("HGET", f"{channel_of(user_id)}:sockets", secret)

    def read(self, user_id: UUID, *, after: int, count: int) -> Command:
        """Answers what `found` understands; a stream nobody has written to begins by being read."""
        return self._script(_READ, user_id, new_epoch(), after, count, STATE_MS)

    def fork(self, user_id: UUID, *, floor: int, is_torn: bool) -> Command:
        """A new epoch above `floor`, if events went past Redis or its numbers lag; answers [epoch, seq]."""
        return self._script(_FORK, user_id, new_epoch(), floor, int(is_torn), STATE_MS)

    def _script(
        self, script: str, user_id: UUID, *arguments: str | bytes | int, more: tuple[str, ...] = ()
    ) -> Command:
        name = channel_of(user_id)
        places: tuple[str | int, ...] = (3 + len(more), f"{name}:at", f"{name}:events", name, *more)
        if script in self._known:
            return ("EVALSHA", _hash_of(script), *places, *arguments)
        self._known.add(script)
        return ("EVAL", script, *places, *arguments)


@cache
def _hash_of(script: str) -> str:
    """The name Redis knows a script by."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def position(answer: list[Any]) -> tuple[str, int]:
    """Epoch and number, as scripts answer them."""
    return answer[0].decode(), int(answer[1])


def found(answer: list[Any]) -> Found:
    epoch, seq = position(answer)
    events = [(int(name.partition(b"-")[0]), unpack(fields[1])) for name, fields in answer[2]]
    return Found(epoch, seq, events)


def entrance(answer: list[Any]) -> Entrance:
    epoch, seq = position(answer)
    fields = answer[4]
    pairs = fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))
    return Entrance(epoch, seq, bool(answer[2]), int(answer[3]), pairs)


def alive_elsewhere(presence: dict[bytes, bytes], *, node: str) -> list[tuple[str, str]]:
    """Session and state of the leases of other nodes that have not ended; see `Presence` for their form."""
    now, alive = now_ms(), []
    for field, value in presence.items():
        owner, session = field.decode().split(" ")
        ends, state = value.decode().split(" ")
        if int(ends) > now and owner != node:
            alive.append((session, state))
    return alive
