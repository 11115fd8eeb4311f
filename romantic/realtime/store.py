"""The streams in Redis as a node asks for them, and whether Redis answers."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

from romantic.realtime.bus import Bus
from romantic.realtime.commands import Told
from romantic.realtime.streams import Entrance, Found, Record, Streams, channel_of, entrance, found, position
from romantic.redis import Command, RedisClient

ANSWER_SECONDS = 5.0


class Store:
    """Commands in one order, each answered or given up. While `is_away` nobody but the healer asks."""

    def __init__(self, bus: Bus, redis: RedisClient, streams: Streams) -> None:
        self.is_away = False
        self.streams = streams
        self.in_trouble = asyncio.Event()
        self._bus = bus
        self._redis = redis
        bus.on_back(self._back)

    @property
    def is_heard(self) -> bool:
        """Whether this node hears the channels it listens to."""
        return self._bus.is_hearing

    @property
    def can_answer(self) -> bool:
        """Whether it makes sense to ask whether Redis is back."""
        return self._bus.is_hearing and not self._redis.is_broken

    def mind(self) -> None:
        """Redis did not do what it was asked: nobody waits for it until it answers again."""
        self.is_away = self.is_away or self._redis.is_broken
        self._back()

    def _back(self) -> None:
        self.streams.tell_again()
        self.in_trouble.set()

    def append(self, user_id: UUID, record: Record, told: Told) -> None:
        self._bus.run(self.streams.append(user_id, record), told)

    def publish(self, user_id: UUID, message: bytes) -> None:
        """To who listens at other nodes; lost if it cannot be done now."""
        if self._bus.has_peers and not self.is_away:
            self._bus.run(("SPUBLISH", channel_of(user_id), message))

    def renew(self, user_id: UUID, *, secret: str, session_id: UUID) -> None:
        if not self.is_away:
            for command in self.streams.renew(user_id, secret=secret, session_id=session_id):
                self._bus.run(command)

    async def listen(self, user_id: UUID, hear: Callable[[bytes], None]) -> bool:
        """Whether Redis has confirmed it; it holds in any case."""
        if self.is_away:
            self._bus.listen_to(channel_of(user_id), hear)
            return False
        return await self._bus.subscribe(channel_of(user_id), hear)

    def stop_listening(self, user_id: UUID) -> None:
        self._bus.unsubscribe(channel_of(user_id))

    async def enter(
        self, user_id: UUID, *, secret: str, session_id: UUID, device: str, conn: str
    ) -> Entrance | None:
        if self.is_away:
            return None
        command = self.streams.enter(user_id, secret=secret, session_id=session_id, device=device, conn=conn)
        answer = await self.ask(command)
        return None if answer is None else entrance(answer)

    async def find(self, user_id: UUID, *, after: int, count: int) -> Found | None:
        if self.is_away:
            return None
        answer = await self.ask(self.streams.read(user_id, after=after, count=count))
        return None if answer is None else found(answer)

    async def fork(self, user_id: UUID, *, floor: int, is_torn: bool) -> tuple[str, int] | None:
        answer = await self.ask(self.streams.fork(user_id, floor=floor, is_torn=is_torn))
        return None if answer is None else position(answer)

    async def session_of(self, user_id: UUID, *, secret: str) -> str | None:
        """The session a socket of this person signed in with, if it is known."""
        if self.is_away:
            return None
        answer = await self.ask(self.streams.session_of(user_id, secret=secret), may_be_nothing=True)
        return answer.decode().partition(" ")[0] if isinstance(answer, bytes) else None

    async def ask(self, command: Command, *, may_be_nothing: bool = False) -> Any:
        """What Redis answers, after all that was sent before; None if it does not."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._bus.run(command, lambda value: None if answer.done() else answer.set_result(value))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                result = await answer
        except TimeoutError:
            result = None
        if result is None and not (may_be_nothing and not self._redis.is_broken):
            self.mind()
        return result
