"""python -m tests.bench.sockets: what a socket, an event and a hop between two nodes cost, and a storm of reconnects.

Starts PostgreSQL, Valkey and two servers of its own on loopback, opens sockets of as many people, and reads memory
and CPU of the server processes from the kernel. `--sockets 1000` at the first node, `--seconds 20` of idling.
"""

import argparse
import asyncio
import itertools
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import psutil
import psycopg2
from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector

from romantic.auth.tokens import Tokens
from romantic.background import running, wait_for
from romantic.db.migrations import migrate
from romantic.dev.embedded import free_port, start_postgres, start_valkey
from romantic.realtime import Bus, Event
from romantic.realtime.bus import new_node_name
from romantic.realtime.delivery import Delivery
from romantic.realtime.store import Store
from romantic.realtime.streams import Streams
from romantic.redis import RedisClient
from romantic.settings import load_settings
from tests.folders import open_folder

STORM_SECONDS = 5.0
IDS = itertools.count()  # a number sent again is answered again, and not served
ROOT = Path(__file__).parent.parent.parent
PEOPLE = """
    INSERT INTO users (id, phone_number, phone_hash, full_name, age, gender, is_super_lover)
    SELECT md5('user:' || n)::uuid, '+1' || lpad(n::text, 10, '0'), sha256(n::text::bytea), 'P', 25, 'other', TRUE
    FROM generate_series(1, %(count)s) AS n;
    INSERT INTO user_preferences (user_id) SELECT id FROM users ON CONFLICT DO NOTHING;
    INSERT INTO user_sessions (id, user_id, phone_number, expires_at)
    SELECT md5(id::text)::uuid, id, phone_number, now() + interval '1 day' FROM users;
    ANALYZE
"""

Person = tuple[str, dict[str, str]]


class Node:
    """One server process and the address it serves."""

    def __init__(self, home: Path, number: int, stores: dict[str, str]) -> None:
        self.port = free_port("127.0.0.1", 23000 + 100 * number)
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = (home / f"node{number}.log").open("wb")
        places = {"PORT": str(self.port), "OPS_PORT": str(free_port("127.0.0.1", 24000 + 100 * number))}
        self._process = subprocess.Popen(
            [sys.executable, "run.py", "serve"],
            cwd=ROOT,
            env=os.environ | stores | places,
            stdout=self._log,
            stderr=self._log,
        )
        self._kernel = psutil.Process(self._process.pid)

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far."""
        times = self._kernel.cpu_times()
        return float(times.user + times.system)

    @property
    def memory(self) -> int:
        """Bytes of the process that nobody else holds."""
        return int(self._kernel.memory_full_info().uss)

    async def ready(self, session: ClientSession) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                async with session.get(f"{self.url}/health/ready") as response:
                    if response.status == 200:
                        return
            except OSError:
                pass
            await asyncio.sleep(0.1)
        raise SystemExit("a node did not start")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()


class Crowd:
    """Sockets at one node; whatever they hear is counted by the name of its event."""

    def __init__(self, session: ClientSession, node: Node) -> None:
        self.session, self.node = session, node
        self.sockets: list[ClientWebSocketResponse] = []
        self.heard: dict[str, int] = {}
        self.waits: list[float] = []
        self.refused = 0
        self.places: dict[str, dict[str, Any]] = {}  # of each person: what a resume says
        self.outcomes: dict[Any, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, people: list[Person], *, within: float | None = None, is_back: bool = False) -> None:
        """A hundred at once, or each at its own moment within so many seconds; who is back asks what it missed."""
        gate = asyncio.Semaphore(100 if within is None else len(people))

        async def one(user: str, headers: dict[str, str]) -> None:
            await asyncio.sleep(random.uniform(0, within or 0))
            async with gate:
                began = time.monotonic()
                while (ws := await self._dial(user, headers, is_back=is_back)) is None:
                    self.refused += 1
                    await asyncio.sleep(random.uniform(1, 2))
                self.waits.append(time.monotonic() - began)
                self.sockets.append(ws)
                self._tasks.append(asyncio.create_task(self._listen(ws, user)))

        await asyncio.gather(*(one(user, headers) for user, headers in people))

    async def _dial(
        self, user: str, headers: dict[str, str], *, is_back: bool
    ) -> ClientWebSocketResponse | None:
        """A socket that is ready, or None where the server is too busy and says when to come back."""
        ws = await self.session.ws_connect(f"{self.node.url}/ws", headers=headers)
        if is_back:
            await ws.send_json({"event": "resume", "data": self.places[user]})
        frame = await ws.receive_json(timeout=60)
        if frame["event"] == "ready":
            data = frame["data"]
            place = {"epoch": data["epoch"], "seq": data["seq"]} if not is_back else self.places[user]
            self.places[user] = place | {"sessionId": data["sessionId"]}
            return ws
        await ws.close()
        if not frame["data"]["retryable"]:
            raise SystemExit(f"a socket was refused: {frame}")
        return None

    async def _listen(self, ws: ClientWebSocketResponse, user: str) -> None:
        async for message in ws:
            frame = orjson.loads(message.data)
            name = frame["event"]
            self.heard[name] = self.heard.get(name, 0) + 1
            if "seq" in frame:
                self.places[user]["seq"] = frame["seq"]
            elif name == "resumed":
                outcome = frame["data"].get("reason", "recovered")
                self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    async def say(self, event: str, data: dict[str, Any], *, times: int = 1, answer: str = "ack") -> None:
        """Every socket sends the frame so often; returns when all answers were heard."""
        wanted = self.heard.get(answer, 0) + times * len(self.sockets)
        for _ in range(times):
            for ws in self.sockets:
                frame = {"event": event, "data": data}
                await ws.send_json(frame | {"id": next(IDS)} if answer == "ack" else frame)
        await self.hear(answer, wanted)

    async def hear(self, event: str, count: int) -> None:
        async with asyncio.timeout(120):
            while self.heard.get(event, 0) < count:
                await asyncio.sleep(0.02)

    async def cut(self) -> None:
        """All connections are lost at once."""
        for ws in self.sockets:
            ws._response.connection.transport.abort()  # type: ignore[union-attr]
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.sockets, self._tasks, self.waits, self.refused = [], [], [], 0


@contextmanager
def servers(people: int) -> Iterator[tuple[list[Node], list[Person], dict[str, str]]]:
    with ExitStack() as running:
        home = running.enter_context(open_folder("romantic-bench-"))
        postgres = start_postgres(home / "pg", durable=False)
        running.callback(postgres.stop)
        valkey = start_valkey(home / "vk", durable=False)
        running.callback(valkey.stop)
        migrate(postgres.dsn)
        with psycopg2.connect(postgres.dsn) as conn, conn.cursor() as cursor:
            cursor.execute(PEOPLE.replace("%(count)s", str(people)))
            cursor.execute("SELECT user_id::text, id::text FROM user_sessions ORDER BY id")
            rows = cursor.fetchall()
        conn.close()
        access = Tokens(load_settings({"ROMANTIC_ENV": "test"}).jwt_keys, access_ttl=86_400).access
        now = time.time()
        tokens = (
            (user, access(session_id=UUID(session), counter=0, user_id=UUID(user), issued_at=now))
            for user, session in rows
        )
        crowd = [(user, {"Authorization": f"Bearer {token}"}) for user, token in tokens]
        stores = {
            "ROMANTIC_ENV": "test",
            "HOST": "127.0.0.1",
            "DATABASE_URL": str(postgres.dsn),
            "REDIS_URL": str(valkey.url),
            "RATE_LIMITS": "off",
            "LOG_FORMAT": "json",
            "DATABASE_ACQUIRE_SECONDS": "30",
        }
        nodes = [Node(home, number, stores) for number in (1, 2)]
        for node in nodes:
            running.callback(node.stop)
        yield nodes, crowd, stores


def commits(dsn: str) -> int:
    """Transactions PostgreSQL has committed; its counters lag by up to a second."""
    time.sleep(1.5)
    with psycopg2.connect(dsn) as conn, conn.cursor() as cursor:
        cursor.execute("SELECT sum(xact_commit) FROM pg_stat_database")
        row = cursor.fetchone()
    conn.close()
    return int(row[0]) if row else 0


def show(what: str, value: float, unit: str) -> None:
    print(f"  {what:<58} {value:>10.1f} {unit}", flush=True)


async def measure(sockets: int, seconds: float) -> None:
    with servers(sockets + 1) as (nodes, people, stores):
        async with ClientSession(connector=TCPConnector(limit=0)) as session:
            for node in nodes:
                await node.ready(session)
            (star, star_auth), others = people[0], people[1:]
            near, far = nodes
            crowd = Crowd(session, near)
            await crowd.open(others[:20])
            await crowd.cut()  # what the first sockets bring with them is not theirs
            await asyncio.sleep(1)
            await opening(crowd, near, others)
            await idling(near, sockets, seconds)
            await events(crowd, near)
            await hops(crowd, session, near, far, star, star_auth)
            await storm(crowd, near, others, stores["DATABASE_URL"])
            async with sender(stores["REDIS_URL"]) as delivery:
                await streamed(crowd, near, others, delivery)
                await comeback(crowd, near, others, delivery, stores["DATABASE_URL"])


async def opening(crowd: Crowd, near: Node, people: list[Person]) -> None:
    memory, cpu = near.memory, near.cpu
    await crowd.open(people)
    await asyncio.sleep(1)
    show("memory per idle socket", (near.memory - memory) / len(people) / 1024, "KiB")
    show("CPU to open a socket", (near.cpu - cpu) / len(people) * 1e6, "µs")


async def idling(near: Node, sockets: int, seconds: float) -> None:
    cpu = near.cpu
    await asyncio.sleep(seconds)
    show(
        "CPU per idle socket and second (a ping each 20 s)", (near.cpu - cpu) / sockets / seconds * 1e6, "µs"
    )


async def events(crowd: Crowd, near: Node) -> None:
    cpu = near.cpu
    await crowd.say("ping", {}, times=20, answer="pong")
    show("CPU per frame in and event out", (near.cpu - cpu) / (20 * len(crowd.sockets)) * 1e6, "µs")


async def hops(
    crowd: Crowd, session: ClientSession, near: Node, far: Node, star: str, auth: dict[str, str]
) -> None:
    """Everybody at one node watches a person whose status changes at the other."""
    cpu = near.cpu
    await crowd.say("presence-subscribe", {"userIds": [star]})
    show("CPU of a presence-subscribe (one person)", (near.cpu - cpu) / len(crowd.sockets) * 1e6, "µs")

    async def change(rounds: int, watchers: int) -> list[float]:
        waits = []
        for n in range(rounds):
            wanted = crowd.heard.get("presence", 0) + watchers
            began = time.monotonic()
            status = {"status": ("online", "ready")[n % 2]}
            async with session.put(
                f"{far.url}/api/super-lover/status", json=status, headers=auth
            ) as response:
                if response.status != 200:
                    raise SystemExit(await response.text())
            await crowd.hear("presence", wanted)
            waits.append(time.monotonic() - began)
        return waits

    cpu = near.cpu
    waits = await change(20, len(crowd.sockets))
    show(
        "CPU per presence event delivered to a crowd", (near.cpu - cpu) / 20 / len(crowd.sockets) * 1e6, "µs"
    )
    show("from the change to the last of the crowd, median", statistics.median(waits) * 1000, "ms")
    first, *rest = crowd.sockets
    crowd.sockets = rest
    await crowd.say("presence-unsubscribe", {"userIds": [star]})
    crowd.sockets = [first, *rest]
    cpu, far_cpu = near.cpu, far.cpu
    waits = await change(60, 1)
    show("a hop to one watcher: CPU where it arrives", (near.cpu - cpu) / 60 * 1e6, "µs")
    show("a hop to one watcher: CPU where it begins, with its PUT", (far.cpu - far_cpu) / 60 * 1e6, "µs")
    show("a hop to one watcher: median", statistics.median(waits) * 1000, "ms")


async def storm(crowd: Crowd, near: Node, people: list[Person], dsn: str) -> None:
    before, memory = commits(dsn), near.memory
    await crowd.cut()
    began, cpu = time.monotonic(), near.cpu
    await crowd.open(people, within=STORM_SECONDS)
    took = time.monotonic() - began
    waits = sorted(crowd.waits)
    show("storm: all back after", took, "s")
    show("storm: p95 from connect to ready", waits[int(len(waits) * 0.95)] * 1000, "ms")
    show("storm: told to come back a second later", crowd.refused, "")
    show("storm: CPU per socket", (near.cpu - cpu) / len(people) * 1e6, "µs")
    show("storm: transactions per socket", (commits(dsn) - before) / len(people), "")
    show("storm: memory more than before", (near.memory - memory) / 2**20, "MiB")
    await crowd.cut()


@asynccontextmanager
async def sender(redis_url: str) -> AsyncIterator[Delivery]:
    """This process as a node of its own, which only sends."""
    client = RedisClient(redis_url)
    bus = Bus(client, new_node_name())
    store = Store(bus, client, Streams(events=500, seconds=300.0))
    async with running(bus.listen()), running(bus.write()), running(bus.hello()):
        await wait_for(lambda: bus.is_hearing and bus.has_peers, within=10)
        yield Delivery(store, node=bus.node, max_sockets=5)
        await wait_for(lambda: not bus.commands.are_waiting, within=10)
    await client.close()


async def tell(delivery: Delivery, people: Iterable[UUID], events: int) -> None:
    """So many events to each, no faster than Redis takes them."""
    pad = "x" * 150
    people = list(people)
    for n in range(events):
        for at in range(0, len(people), 200):
            for user in people[at : at + 200]:
                delivery.send(user, Event("balance", {"balance": n, "pad": pad}))
            await wait_for(lambda: not delivery._pending, within=10)
    if delivery.is_behind:
        raise SystemExit("Redis was too slow")


async def streamed(crowd: Crowd, near: Node, people: list[Person], delivery: Delivery) -> None:
    """Numbered events, sent at this node and heard at the other."""
    nobody = [uuid4() for _ in people]
    cpu = time.process_time()
    await tell(delivery, nobody, 10)
    show("a streamed event: CPU where it begins", (time.process_time() - cpu) / 10 / len(people) * 1e6, "µs")
    await crowd.open(people)
    wanted, cpu = crowd.heard.get("balance", 0) + 10 * len(people), near.cpu
    await tell(delivery, [UUID(user) for user, _ in people], 10)
    await crowd.hear("balance", wanted)
    show("a streamed event: CPU where it arrives", (near.cpu - cpu) / 10 / len(people) * 1e6, "µs")
    waits = []
    for user, _ in people[:200]:
        wanted, began = crowd.heard["balance"] + 1, time.monotonic()
        await tell(delivery, [UUID(user)], 1)
        while crowd.heard["balance"] < wanted:
            await asyncio.sleep(0.0005)
        waits.append(time.monotonic() - began)
    show("a streamed event over a hop: median", statistics.median(waits) * 1000, "ms")


async def comeback(crowd: Crowd, near: Node, people: list[Person], delivery: Delivery, dsn: str) -> None:
    """All are cut, twenty events are sent to each, and all come back within some seconds for what they missed."""
    await crowd.cut()
    await asyncio.sleep(1)
    await tell(delivery, [UUID(user) for user, _ in people], 20)
    before, memory, cpu, began = commits(dsn), near.memory, near.cpu, time.monotonic()
    wanted = crowd.heard["balance"] + 20 * len(people)
    await crowd.open(people, within=STORM_SECONDS, is_back=True)
    await crowd.hear("balance", wanted)
    waits = sorted(crowd.waits)
    show("resume: all have what they missed after", time.monotonic() - began, "s")
    show("resume: p95 from connect to ready", waits[int(len(waits) * 0.95)] * 1000, "ms")
    show("resume: recovered", crowd.outcomes.get("recovered", 0) / len(people) * 100, "%")
    show("resume: CPU per socket, with 20 events", (near.cpu - cpu) / len(people) * 1e6, "µs")
    show("resume: transactions per socket", (commits(dsn) - before) / len(people), "")
    show("resume: memory more than before", (near.memory - memory) / 2**20, "MiB")
    await crowd.cut()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0)
    chosen = parser.parse_args()
    asyncio.run(measure(chosen.sockets, chosen.seconds))
