"""Bringing lines and streams back together when Redis answers again."""

import asyncio
from uuid import UUID

import structlog

from romantic.realtime.delivery import Delivery
from romantic.realtime.line import Line
from romantic.realtime.streams import Record

log = structlog.get_logger()

HEAL_SECONDS = 0.5
BATCH = 256


class Healing:
    """Every stream that lacks an event begins a new epoch: phones that ask for what they missed hear that it
    cannot be known, and those that are here are told what the database says."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._store = delivery.store
        self._alone = delivery.alone

    async def run(self) -> None:
        """Heal what needs it, for ever."""
        while True:
            await self._store.in_trouble.wait()
            await asyncio.sleep(HEAL_SECONDS)
            try:
                await self._mend()
            except Exception:
                log.exception("stream.heal_failed")

    async def _mend(self) -> None:
        for line in self._alone.outdated(self._store.streams.keep_ms / 1000):
            self._delivery.close(line)
        if not self._store.can_answer:
            return
        if self._store.is_away:
            if await self._store.ask(("PING",)) is None:
                return
            self._store.is_away = False
            log.info("stream.redis_back", people=len(self._alone.people))
        people = self._alone.people
        for at in range(0, len(people), BATCH):
            await asyncio.gather(*map(self._return, people[at : at + BATCH]))
        for user_id in list(self._delivery.unheard):
            await self._listen_again(user_id)
        for line in self._delivery.lines.values():  # what was seen but could not be read
            self._delivery.reading.read_on(line)
        if not self._delivery.is_behind:
            self._store.in_trouble.clear()

    async def _return(self, user_id: UUID) -> None:
        """Back to the stream; in a new epoch where it misses something, or this node told higher numbers."""
        if self._store.is_away:
            return
        line = self._alone.get(user_id)
        is_torn = user_id in self._alone.torn
        self._alone.torn.pop(user_id, None)
        floor = 0 if line is None else line.seq
        waiting: list[Record] = []
        if line is not None:
            line.returning = waiting
        try:
            now = await self._store.fork(user_id, floor=floor, is_torn=is_torn)
        finally:
            if line is not None:
                line.returning = None
        if now is None:
            if is_torn or waiting:
                self._delivery.keep(user_id, waiting)
            return
        if line is not None:
            self._resettle(line, *now)
        for record in waiting:
            self._delivery.append(user_id, record)

    def _resettle(self, line: Line, epoch: str, seq: int) -> None:
        self._alone.let_go(line)
        if line.is_idle:
            self._delivery.close(line)
        else:
            self._delivery.adopt(line, epoch, max(seq, line.seq))
            self._delivery.reading.read_on(line)

    async def _listen_again(self, user_id: UUID) -> None:
        """A subscription that Redis was too slow to confirm, and what was said before it did."""
        line = self._delivery.lines.get(user_id)
        if line is None:
            self._delivery.unheard.discard(user_id)
        elif await self._delivery.listen(line):
            self._delivery.unheard.discard(user_id)
            if line.is_open and line.memory is None:
                line.target = max(line.target, line.seq + 1)
                self._delivery.reading.read_on(line)
