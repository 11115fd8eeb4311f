"""Questions one node asks another over the bus, each with its answer, its refusal or its deadline."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web

from romantic.db import DatabaseBusy
from romantic.errors import RomanticError, Unavailable
from romantic.realtime.bus import BUS, Bus

log = structlog.get_logger()

#: Answers a question. What it does before it awaits is done in the order in which the questions were asked.
Answerer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]] | dict[str, Any]]

MAX_OPEN = 5000


class NodeAway(Exception):
    """The node does not answer: it is gone, Redis is, or it is not the one to ask."""


class Asking:
    """One desk per process: it answers what it was told how to, and asks with a deadline of its own.

    Questions to one node arrive in their order. One without an answer may have been served all the same.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._answerers: dict[str, Answerer] = {}
        self._open: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        bus.on("node.ask", self._asked)
        bus.on("node.answer", self._answered)

    def answer(self, topic: str, answerer: Answerer) -> None:
        """Have questions about the topic answered here; it may raise RomanticError, or NodeAway: not mine."""
        self._answerers[topic] = answerer

    async def ask(
        self, node: str, topic: str, payload: dict[str, Any], *, within: float = 2.0
    ) -> dict[str, Any]:
        """The answer of a node; raises its refusal, or NodeAway."""
        if len(self._open) >= MAX_OPEN:
            raise Unavailable(retry_after=1)
        number = next(self._numbers)
        answer = self._open[number] = asyncio.get_running_loop().create_future()

        def sent(listeners: Any) -> None:
            if not listeners and not answer.done():
                answer.set_exception(NodeAway(f"nobody listens at {node}"))

        try:
            question = {"from": self._bus.node, "n": number, "topic": topic, "payload": payload}
            self._bus.publish("node.ask", question, to=node, told=sent)
            async with asyncio.timeout(within):
                return _opened(await answer)
        except TimeoutError:
            raise NodeAway(f"{node} does not answer") from None
        finally:
            del self._open[number]

    def _asked(self, question: dict[str, Any]) -> Awaitable[None] | None:
        try:
            outcome = self._answerers[question["topic"]](question["payload"])
        except Exception as fault:
            self._reply(question, _refusal(fault, question["topic"]))
            return None
        if isinstance(outcome, dict):
            self._reply(question, {"data": outcome})
            return None
        return self._finish(question, outcome)

    async def _finish(self, question: dict[str, Any], outcome: Awaitable[dict[str, Any]]) -> None:
        try:
            answer: dict[str, Any] = {"data": await outcome}
        except Exception as fault:
            answer = _refusal(fault, question["topic"])
        self._reply(question, answer)

    def _reply(self, question: dict[str, Any], answer: dict[str, Any]) -> None:
        self._bus.publish("node.answer", {"n": question["n"], "answer": answer}, to=question["from"])

    def _answered(self, message: dict[str, Any]) -> None:
        waiting = self._open.get(message["n"])
        if waiting is not None and not waiting.done():
            waiting.set_result(message["answer"])


def _refusal(fault: Exception, topic: str) -> dict[str, Any]:
    """What the asker is to raise instead of an answer."""
    if isinstance(fault, NodeAway):
        return {"away": str(fault)}
    if isinstance(fault, DatabaseBusy):
        fault = Unavailable(retry_after=1)
    if not isinstance(fault, RomanticError):
        log.error("bus.answer_failed", topic=topic, exc_info=fault)
        fault = Unavailable(retry_after=1)
    return {
        "refusal": {
            "code": fault.code,
            "message": str(fault),
            "fields": fault.fields,
            "retry_after": fault.retry_after,
            "meta": fault.meta,
        }
    }


def _opened(answer: dict[str, Any]) -> dict[str, Any]:
    """The data of an answer; raises the refusal that came in its place."""
    if "away" in answer:
        raise NodeAway(answer["away"])
    if "refusal" in answer:
        refusal = answer["refusal"]
        kind = RomanticError.registry.get(refusal["code"], Unavailable)
        raise kind(
            refusal["message"],
            fields=refusal["fields"],
            retry_after=refusal["retry_after"],
            **refusal["meta"],
        )
    data: dict[str, Any] = answer["data"]
    return data


ASKING = web.AppKey("ASKING", Asking)


def add_asking(app: web.Application) -> Asking:
    """Needs the bus."""
    app[ASKING] = Asking(app[BUS])
    return app[ASKING]
