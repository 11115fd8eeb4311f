"""The bus: what one node tells the others through Redis, and nobody waits for.

Publishing is at most once and never blocks: what must arrive is kept elsewhere (the streams, PostgreSQL).
"""

import asyncio
import os
import secrets
import socket as sockets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Any

import orjson
import structlog
from aiohttp import web

from romantic.background import running, wait_for
from romantic.http.envelope import encode
from romantic.realtime.clock import Clock
from romantic.realtime.commands import Commands, Told
from romantic.redis import REDIS, Command, RedisClient

log = structlog.get_logger()

#: Told the payload of a topic; what it awaits holds up nobody.
Handler = Callable[[dict[str, Any]], Awaitable[None] | None]
#: Told the bytes of a channel, in the order Redis got them.
Listener = Callable[[bytes], None]

HELLO_SECONDS = 5.0
PEER_SECONDS = 3 * HELLO_SECONDS
CONFIRM_SECONDS = 1.0
CLOSE_SECONDS = 2.0


def new_node_name() -> str:
    """Of a process: where it runs, and which of all that ever ran there."""
    return f"{sockets.gethostname()[:20]}:{os.getpid()}:{secrets.token_hex(2)}"


def channel_of_node(node: str) -> str:
    return f"romantic:{{n:{node}}}"


class Bus:
    """Topics that every node hears, channels some subscribe to, and commands sent in one order.

    A topic's handlers run here at once and without Redis, on the other nodes when they hear of it.
    """

    def __init__(self, redis: RedisClient, node: str) -> None:
        self.node = node
        self.peers: dict[str, float] = {}  # other nodes, and the monotonic instant they were last heard
        self.is_connected = False
        self.is_hearing = False  # every subscription was confirmed since the connection came
        self.commands = Commands(redis)
        self._clocks: dict[str, Clock] = {}
        self._handlers: dict[str, list[Handler]] = {}
        self._listeners: dict[str, Listener] = {}
        self._confirmations: dict[str, asyncio.Event] = {}
        self._asked: Counter[str] = Counter()  # subscriptions Redis has yet to confirm
        self._on_back: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Future[None]] = set()
        self._subscription = redis.subscription(self._hear, self._subscribed)
        self.on("node.hello", self._greet)

    @property
    def has_peers(self) -> bool:
        """Whether another node was heard of a moment ago."""
        oldest = monotonic() - PEER_SECONDS
        return any(heard > oldest for heard in self.peers.values())

    # Topics

    def on(self, topic: str, handler: Handler) -> None:
        """Run the handler for what any node publishes under the topic, this one included."""
        self._handlers.setdefault(topic, []).append(handler)

    def publish(
        self, topic: str, payload: dict[str, Any], *, to: str | None = None, told: Told | None = None
    ) -> None:
        """Tell every node, or the one named; JSON in, JSON out. Never blocks, never raises.

        `to` is the name of a node (`bus.node` there); one that is gone hears nothing. `told` gets how many
        other nodes Redis handed it to, or None if it did not answer.
        """
        if to is None or to == self.node:
            self._handle(topic, orjson.loads(encode(payload)))
        if to != self.node:
            message = encode({"from": self.node, "at": monotonic(), "topic": topic, "payload": payload})
            channel = "romantic:nodes" if to is None else channel_of_node(to)
            self.run(("PUBLISH" if to is None else "SPUBLISH", channel, message), told)

    def on_clock_of(self, node: str, at: float) -> float | None:
        """Our monotonic instant on the clock of another node: too early by what the quickest of its latest
        messages took to us, never too late. None if nothing was heard of it lately."""
        clock = self._clocks.get(node)
        return None if clock is None else clock.read(at, now=monotonic())

    def _handle(self, topic: str, payload: dict[str, Any]) -> None:
        for handler in self._handlers.get(topic, ()):
            try:
                outcome = handler(payload)
            except Exception:
                log.exception("bus.handler_failed", topic=topic)
                continue
            if outcome is not None:
                task = asyncio.ensure_future(_logged(outcome, topic))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    # Channels

    async def subscribe(self, channel: str, listener: Listener) -> bool:
        """Hear a sharded channel; True once Redis has confirmed, False if it does not in time.

        Either way the subscription holds, and is repeated whenever the connection comes back.
        """
        confirmed = self.listen_to(channel, listener)
        if not self.is_connected:
            return False
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                await confirmed.wait()
        except TimeoutError:
            return False
        return True

    def listen_to(self, channel: str, listener: Listener) -> asyncio.Event:
        """Subscribe without waiting; the event is set when Redis has confirmed."""
        confirmed = self._confirmations.setdefault(channel, asyncio.Event())
        confirmed.clear()
        self._listeners[channel] = listener
        self._ask_for(channel)
        return confirmed

    def _ask_for(self, channel: str) -> None:
        if self.is_connected:
            self._asked[channel] += 1
            self._subscription.send("SSUBSCRIBE", channel)

    def unsubscribe(self, channel: str) -> None:
        if self._listeners.pop(channel, None) is not None:
            self._confirmations.pop(channel, None)
            self._subscription.send("SUNSUBSCRIBE", channel)

    def on_back(self, check: Callable[[], None]) -> None:
        """Register who must look after what was said while this node did not hear."""
        self._on_back.append(check)

    # Commands

    def run(self, command: Command, told: Told | None = None) -> None:
        """Send a command after all those before it; see `Commands`."""
        self.commands.run(command, told)

    async def write(self) -> None:
        """Send what waits, for ever."""
        await self.commands.write()

    async def listen(self) -> None:
        """Hear the other nodes, for ever."""
        await self._subscription.run()

    async def hello(self) -> None:
        """Let the others know that this node is there, for ever."""
        while True:
            self._say_hello()
            await asyncio.sleep(HELLO_SECONDS)

    def _say_hello(self, *, is_new: bool = False) -> None:
        self.publish("node.hello", {"node": self.node, "isNew": is_new})

    def _greet(self, payload: dict[str, Any]) -> None:
        if payload["node"] == self.node:
            return
        self.peers[payload["node"]] = monotonic()
        if payload.get("isNew"):
            self._say_hello()
        for node, heard in list(self.peers.items()):
            if monotonic() - heard > 20 * PEER_SECONDS:
                del self.peers[node]
                self._clocks.pop(node, None)

    def _subscribed(self, is_up: bool) -> None:
        """The connection of the subscriptions came, or went."""
        self.is_connected, self.is_hearing = is_up, False
        self._asked.clear()
        for confirmed in self._confirmations.values():
            confirmed.clear()
        if is_up:
            self._subscription.send("SUBSCRIBE", "romantic:nodes")
            # Ours last: it says that all are there.
            for channel in (*self._listeners, channel_of_node(self.node)):
                self._ask_for(channel)
            self._say_hello(is_new=True)

    def _hear(self, kind: bytes, channel: str, data: bytes) -> None:
        if kind == b"ssubscribe":
            self._confirm(channel)
        elif kind not in (b"message", b"smessage"):
            return
        elif channel not in ("romantic:nodes", channel_of_node(self.node)):
            self._tell(channel, data)
        else:
            self._take(orjson.loads(data))

    def _take(self, message: dict[str, Any]) -> None:
        sender = message["from"]
        if sender == self.node:
            return
        if "at" in message:  # older versions do not say
            self._clocks.setdefault(sender, Clock()).heard(message["at"], now=monotonic())
        self._handle(message["topic"], message["payload"])

    def _tell(self, channel: str, data: bytes) -> None:
        listener = self._listeners.get(channel)
        if listener is None:
            return  # said just before we stopped listening
        try:
            listener(data)
        except Exception:
            log.exception("bus.listener_failed")

    def _confirm(self, channel: str) -> None:
        """Only the last of several answers counts: between two of them there was an end."""
        self._asked[channel] -= 1
        if self._asked[channel] > 0:
            return
        del self._asked[channel]
        if (confirmed := self._confirmations.get(channel)) is not None:
            confirmed.set()
        if channel == channel_of_node(self.node):
            self.is_hearing = True
            for check in self._on_back:
                check()


async def _logged(outcome: Awaitable[None], topic: str) -> None:
    try:
        await outcome
    except Exception:
        log.exception("bus.handler_failed", topic=topic)


BUS = web.AppKey("BUS", Bus)
NODE = web.AppKey("NODE", str)


async def bus(app: web.Application) -> AsyncIterator[None]:
    """Talk and listen while the application runs."""
    async with running(app[BUS].listen()), running(app[BUS].write()), running(app[BUS].hello()):
        # Without Redis we start as well.
        await wait_for(lambda: app[BUS].is_hearing, within=CONFIRM_SECONDS)
        yield
        # What was said last is heard as well.
        await wait_for(lambda: not app[BUS].commands.are_waiting, within=CLOSE_SECONDS)


def add_bus(app: web.Application) -> Bus:
    """Needs the Redis client; Redis itself may come and go."""
    app[NODE] = new_node_name()
    app[BUS] = Bus(app[REDIS], app[NODE])
    app.cleanup_ctx.append(bus)
    return app[BUS]
