"""Who keeps a call: one node holds its room and its meter, and every other asks that one.

The keeper stands in PostgreSQL, and so does its sign of life: a node that has not said for
CALL_KEEPER_SECONDS that it lives has lost its calls to whoever needs them next. Redis carries the questions,
never the decision.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from inspect import isawaitable
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from romantic.calls import service
from romantic.calls.errors import CallNotFound, InvalidCallState
from romantic.calls.known import KnownCall, Outpost
from romantic.calls.live import LIVE, LiveCall
from romantic.calls.room import Phone
from romantic.db import DatabaseBusy, Row, connection
from romantic.errors import RomanticError, Unavailable
from romantic.realtime import ASKING, BUS, NODE, NodeAway
from romantic.settings import SETTINGS

log = structlog.get_logger()
sql = service.sql

PAUSE_SECONDS = 0.2
LOCKS = 64

#: What the keeper does for a phone, wherever it is connected. Relays do it before they return.
Act = Callable[[web.Application, LiveCall, Phone, dict[str, Any]], dict[str, Any] | Awaitable[dict[str, Any]]]


class Keeping:
    """The calls of this node, and the way to those of the others."""

    def __init__(self, app: web.Application, acts: Mapping[str, Act]) -> None:
        self._app = app
        self._node = app[NODE]
        self._seconds = app[SETTINGS].call_keeper_seconds
        self._acts = acts
        self._alive_since = self._said_at = float("-inf")
        self._locks = [asyncio.Lock() for _ in range(LOCKS)]
        for name in acts:
            app[ASKING].answer(f"call.{name}", partial(self._asked, name))

    @property
    def _may_bury(self) -> bool:
        """Whether a silent node is dead: after the database was away every node looks so for a while."""
        now = monotonic()
        return now - self._said_at < self._seconds < now - self._alive_since

    async def say_alive(self) -> None:
        """Raises DatabaseBusy."""
        at = monotonic()
        async with connection(self._app) as conn:
            await conn.run(sql.keep_calls, node=self._node, seconds=self._seconds)
        if at - self._said_at > self._seconds:
            self._alive_since = at
        self._said_at = at

    async def run(self) -> None:
        """Say that this node lives, until cancelled: a lost connection may swallow the cancellation."""
        task = asyncio.current_task()
        while task is not None and not task.cancelling():
            try:
                await self.say_alive()
            except DatabaseBusy as error:
                log.warning("keeper.delayed", reason=str(error))
            except Exception:
                log.exception("keeper.crashed")
            await asyncio.sleep(self._seconds / 4)

    async def find(self, *, call_id: UUID, user_id: UUID) -> KnownCall:
        """The live call of one of its two people: kept here, if nobody kept it.

        Raises CallNotFound for strangers, InvalidCallState when it is over.
        """
        known = self._app[LIVE].known(call_id)
        if known is None or (isinstance(known, Outpost) and known.keeper is None):
            async with connection(self._app) as conn:
                call = await service.get_call_of(conn, call_id=call_id, user_id=user_id)
            known = await self.settle(call)
        if user_id not in known.parties:
            raise CallNotFound
        known.touch(user_id, at=monotonic())
        return known

    async def settle(self, call: Row, *, is_agreed: bool = False) -> KnownCall:
        """The call of this row, kept here if nobody who lives keeps it, or its keeper agrees.

        Raises InvalidCallState.
        """
        async with self._locks[call["id"].int % LOCKS]:
            known = self._app[LIVE].known(call["id"])
            if known is not None and known.term > call["meter_term"]:
                return known  # the row was read before it changed hands
            if isinstance(known, LiveCall) and known.term == call["meter_term"]:
                return known
            if call["status"] in service.LIVE_STATES and (is_agreed or self._is_free(call)):
                call = await self._claim(call, is_agreed=is_agreed)
            if call["status"] not in service.LIVE_STATES:
                raise InvalidCallState(status=call["status"])
            if call["meter_node"] == self._node:
                return self._keep(call)
            return self._follow(call)

    def _is_free(self, call: Row) -> bool:
        """Nobody keeps it, or a node that is dead, or this one without remembering it."""
        is_ours = call["meter_node"] in (None, self._node)
        return is_ours or bool(call["is_orphan"] and self._may_bury)

    async def _claim(self, call: Row, *, is_agreed: bool) -> Row:
        """The row after our attempt to keep the call, whoever of those who tried has won."""
        async with connection(self._app) as conn:
            term = await conn.value(
                sql.claim_call,
                call_id=call["id"],
                term=call["meter_term"],
                node=self._node,
                is_agreed=is_agreed,
            )
            if term is not None and call["meter_node"] not in (None, self._node):
                log.info("call.taken_over", call_id=str(call["id"]), before=call["meter_node"], term=term)
            return await service.get_call(conn, call_id=call["id"])

    def _keep(self, call: Row) -> LiveCall:
        live = self._app[LIVE].get(call["id"])
        if live is not None and live.term == call["meter_term"]:
            return live
        live = self._app[LIVE].keep(call)
        tell_changed(self._app, call)
        return live

    def _follow(self, call: Row) -> KnownCall:
        """Somebody else keeps the call: whatever this node knew of it, its phones sit there now."""
        known = self._app[LIVE].known(call["id"])
        if isinstance(known, LiveCall):
            log.warning("call.lost", call_id=str(known.id), keeper=call["meter_node"])
            known = self._app[LIVE].hand_on(known, call)
        elif known is None:
            known = self._app[LIVE].know(call)
        elif isinstance(known, Outpost) and known.term != call["meter_term"]:
            known.keeper, known.term = call["meter_node"], call["meter_term"]
            known.seen.clear()
        return known

    async def act(self, call_id: UUID, act: str, phone: Phone, **body: Any) -> dict[str, Any]:
        """Have the keeper do something for a party's phone; raises what it raises.

        Nobody who can be reached: Unavailable, and the phone tries again.
        """
        patience = monotonic() + self._seconds + 1.0  # a dead keeper is known to be dead by then
        while monotonic() < patience:
            known = await self.find(call_id=call_id, user_id=phone.user_id)
            if isinstance(known, LiveCall):
                outcome = self._acts[act](self._app, known, phone, body)
                return await outcome if isawaitable(outcome) else outcome
            assert isinstance(known, Outpost)
            with suppress(NodeAway):
                return await self._ask(known, act, phone, body)
            known = await self.look_again(known)
            if isinstance(known, Outpost) and not self._app[BUS].is_connected:
                break
        raise Unavailable(retry_after=1)

    async def _ask(self, known: Outpost, act: str, phone: Phone, body: dict[str, Any]) -> dict[str, Any]:
        if known.keeper is None:
            raise NodeAway
        question = {"callId": known.id, "phone": phone.plain(), "body": body}
        return await self._app[ASKING].ask(known.keeper, f"call.{act}", question)

    async def end_at_keeper(self, call_id: UUID, ending: service.Ending) -> None:
        """Have the call ended by its meter, where that is at another node that lives; else in vain."""
        if self._app[LIVE].get(call_id) is not None or not self._app[BUS].has_peers:
            return
        async with connection(self._app) as conn:
            call = await conn.one(sql.list_standings, call_ids=[call_id])
        if call is None or call["status"] != "answered" or call["metered_by"] != "evidence":
            return
        keeper = call["meter_node"]
        if keeper in (None, self._node) or call["is_orphan"]:
            return
        phone = Phone(call["caller_id"], UUID(int=0), self._node)
        asked = ("reason", "by", "client_duration", "gone")  # the rest is for the keeper's meter to say
        body = {name: getattr(ending, name) for name in asked}
        question = {"callId": call_id, "phone": phone.plain(), "body": body}
        with suppress(NodeAway, RomanticError):
            await self._app[ASKING].ask(keeper, "call.end", question)

    async def look_again(self, known: KnownCall) -> KnownCall:
        """The keeper does not answer: maybe it is another one by now, or ought to be."""
        if self._app[BUS].is_connected:
            await asyncio.sleep(PAUSE_SECONDS)
        async with connection(self._app) as conn:
            call = await service.get_call(conn, call_id=known.id)
        return await self.settle(call)

    def _asked(self, act: str, question: dict[str, Any]) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        live = self._app[LIVE].get(UUID(question["callId"]))
        if live is None:
            raise NodeAway("not kept here")
        phone = Phone.of(question["phone"])
        if phone.user_id not in live.parties:
            raise CallNotFound
        return self._acts[act](self._app, live, phone, question["body"])

    async def resign(self) -> None:
        """This node is gone for good: whoever needs its calls need not wait."""
        with suppress(DatabaseBusy):
            async with connection(self._app) as conn:
                await conn.run(sql.keep_no_calls, node=self._node)


def tell_changed(app: web.Application, call: Row) -> None:
    """Every node with a phone of the call looks at its row; what it finds there is the truth."""
    news = {
        "callId": call["id"],
        "parties": [call["caller_id"], call["receiver_id"]],
        "isOver": call["status"] not in service.LIVE_STATES,
    }
    app[BUS].publish("call.changed", news)


KEEPING = web.AppKey("KEEPING", Keeping)
