"""A server process and its PostgreSQL under fire, and clients that go on asking until they are answered."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, closing, suppress
from typing import Any
from uuid import uuid4

import psycopg2
from aiohttp import ClientError, ClientSession, ClientTimeout, WSMsgType

from romantic.coins import service
from tests.cli.runs import Place, Server
from tests.conftest import new_number, prove
from tests.outside import Outside
from tests.stripe_server import signed

Rows = list[tuple[Any, ...]]

#: What a phone makes of a server that is not there.
AWAY = (ClientError, ConnectionError, TimeoutError)


def ask(dsn: str, statement: str, *parameters: Any) -> Rows:
    with closing(psycopg2.connect(dsn)) as conn, conn.cursor() as cursor:
        conn.autocommit = True
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


class Fort:
    """`run.py serve` at one address, however often it is killed."""

    def __init__(self, place: Place, port: int, environ: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._place, self._environ = place, environ | {"PORT": str(port)}
        self.servers: list[Server] = []

    async def start(self) -> None:
        self.servers.append(Server(self._place, **self._environ))
        await asyncio.to_thread(self.servers[-1].ready)

    async def kill(self) -> None:
        """SIGKILL, and another one in its place."""
        self.servers[-1].send(signal.SIGKILL)
        await asyncio.to_thread(self.servers[-1].ended)
        await self.start()


class Somebody:
    """A registered person with an account at the fort."""

    def __init__(self, http: ClientSession, user_id: str, token: str) -> None:
        self.http, self.id, self.auth = http, user_id, {"Authorization": f"Bearer {token}"}

    async def insist(self, path: str, body: Any, key: str) -> int:
        """Retry under the same key until the answer is final, as a phone does: its status."""
        while True:
            with suppress(*AWAY):
                async with self.http.post(
                    path, json=body, headers=self.auth | {"Idempotency-Key": key}
                ) as answer:
                    text = await answer.text()
                    if answer.status in (200, 402):
                        return answer.status
                    assert answer.status in (409, 503), text
            await asyncio.sleep(random.uniform(0.02, 0.2))

    async def write(self, receiver: "Somebody", client_ids: Iterable[str], acked: dict[str, str]) -> None:
        """Send each message over the socket until it is acknowledged, and some once more after that.

        `acked` is client id -> message id.
        """
        left = [client_id for name in client_ids for client_id in [name] * random.choice((1, 1, 2))]
        while left:
            with suppress(*AWAY):
                async with self.http.ws_connect("/ws", headers=self.auth) as ws:
                    while left:
                        data = {"receiverId": receiver.id, "messageText": "Hi", "clientMessageId": left[0]}
                        await ws.send_json({"event": "message-send", "data": data, "id": left[0]})
                        message_id = await _ack(ws, left[0])
                        if message_id is not None:
                            assert acked.setdefault(left.pop(0), message_id) == message_id
            await asyncio.sleep(random.uniform(0.02, 0.2))


async def _ack(ws: Any, client_id: str) -> str | None:
    """The message's id; None for a refusal that may be tried again. Raises ConnectionError."""
    async with asyncio.timeout(10):
        while (frame := await ws.receive()).type is WSMsgType.TEXT:
            told = frame.json()
            if told.get("id") == client_id:
                if told["event"] == "ack":
                    return str(told["data"]["message"]["id"])
                assert told["data"]["retryable"], told
                await asyncio.sleep(0.05)
                return None
    raise ConnectionError


async def settle(http: ClientSession, outside: Outside, dsn: str, coins: int) -> Somebody:
    """Register through the front door, with so many coins."""
    number = new_number()
    proof = await prove(http, outside, number)
    headers = {"Authorization": f"Bearer {proof['accessToken']}"}
    body = {"phoneNumber": number, "fullName": "Ann", "age": 25, "gender": "female"}
    async with http.post("/api/auth/register", json=body, headers=headers) as response:
        data = (await response.json())["data"]
    user_id = data["user"]["id"]
    ask(dsn, "SELECT add_entry(%s, 'earn', %s, %s, '', NULL, NULL)", user_id, coins - 50, f"fund:{user_id}")
    return Somebody(http, user_id, data["accessToken"])


def offer(dsn: str, buyer: Somebody, purchases: int) -> list[dict[str, Any]]:
    """So many purchases of 100 coins that wait for their money: the paid intents."""
    ask(dsn, "INSERT INTO coin_packages (coins, price, name) VALUES (100, 9.99, 'P')")
    rows = ask(
        dsn,
        "INSERT INTO coin_purchases (user_id, package_id, coins, price, currency, provider, provider_id)"
        " SELECT %s, coin_packages.id, 100, 9.99, 'usd', 'stripe', 'pi_' || n"
        " FROM coin_packages, generate_series(1, %s) AS n RETURNING id, provider_id",
        buyer.id, purchases,
    )  # fmt: skip
    return [
        {
            "id": intent_id, "status": "succeeded", "amount": 999, "amount_received": 999, "currency": "usd",
            "metadata": {"purchaseId": str(purchase_id), "userId": buyer.id},
        }
        for purchase_id, intent_id in rows
    ]  # fmt: skip


async def deliver_all(http: ClientSession, events: list[dict[str, Any]]) -> None:
    """As Stripe does: again and again until the answer is 200."""
    while events:
        told = events.pop()
        raw, headers = signed(told)
        with suppress(*AWAY):
            async with http.post("/api/webhooks/stripe", data=raw, headers=headers) as answer:
                assert answer.status in (200, 503), await answer.text()
                if answer.status == 200:
                    continue
        events.insert(0, told)
        await asyncio.sleep(random.uniform(0.02, 0.2))


def kill_backend(dsn: str) -> None:
    """kill -9 one process that serves; PostgreSQL then restarts all of them."""
    pids = ask(
        dsn, "SELECT pid FROM pg_stat_activity WHERE application_name = 'romantic' ORDER BY random() LIMIT 1"
    )
    for (pid,) in pids:
        os.kill(pid, signal.SIGKILL)


async def sample(dsn: str, seen: list[Rows]) -> None:
    """Ten times a second: who has a balance that is not the sum of their entries, in one snapshot?"""
    while True:
        with suppress(psycopg2.OperationalError, psycopg2.InterfaceError):
            seen.append(await asyncio.to_thread(ask, dsn, service.sql.list_drifting_users.statement))
        await asyncio.sleep(0.1)


@asynccontextmanager
async def phones(url: str) -> AsyncIterator[ClientSession]:
    async with ClientSession(url, timeout=ClientTimeout(10)) as http:
        yield http


async def strike(done: list[Any], total: int, blows: list[Callable[[], Awaitable[None]]]) -> None:
    """One blow after another, spread over the work."""
    for number, blow in enumerate(blows, 1):
        async with asyncio.timeout(200):
            while len(done) < total * number // (len(blows) + 1):
                await asyncio.sleep(0.01)
        await blow()


def new_key() -> str:
    return str(uuid4())
