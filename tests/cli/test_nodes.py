"""Two nodes as processes of their own: one is killed in the middle of a call, one drains under load."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientError, ClientSession

from tests.calls.stage import ANSWER, OFFER, alive
from tests.cli.runs import Server
from tests.conftest import QUICK, MakePerson
from tests.phone import Person, Phone
from tests.waiting import until

Sql = Callable[..., list[tuple[Any, ...]]]
StartNode = Callable[[], Server]


@pytest.fixture
def start_node(start: Callable[..., Server], postgres: str, valkey: str) -> StartNode:
    """Start a node on the stores of the tests, with their short intervals."""
    quick = {name.upper(): str(value) for name, value in QUICK.items()}
    stores = {"DATABASE_URL": postgres, "REDIS_URL": valkey}

    def start_one() -> Server:
        return start(
            **quick, **stores, DRAIN_SECONDS="2", CALL_SUSPECT_SECONDS="5", CALL_KEEPER_SECONDS="1.5"
        )

    return start_one


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def ready(*nodes: Server) -> list[str]:
    return list(await asyncio.gather(*(asyncio.to_thread(node.ready) for node in nodes)))


async def connect(http: ClientSession, url: str, person: Person) -> Phone:
    phone = Phone(person, await http.ws_connect(f"{url}/ws", headers=person.auth))
    phone.ready = await phone.expect("ready", within=20)
    return phone


async def post(http: ClientSession, url: str, path: str, person: Person, body: Any = None) -> Any:
    async with http.post(url + path, json=body, headers=person.auth) as response:
        answer = await response.json()
        assert response.status == 200, answer
        return answer.get("data")


async def insist(phone: Phone, event: str, **data: Any) -> dict[str, Any]:
    """Ask as a client does: again, where the answer says that it may help."""
    for _ in range(20):
        answer = await phone.ask(event, **data)
        if not answer.get("error", {}).get("retryable"):
            return answer
        await asyncio.sleep(0.2)
    raise TimeoutError(answer)


async def test_call_outlives_the_kill_of_the_node_that_keeps_it(
    start_node: StartNode, make_person: MakePerson, http: ClientSession, sql: Sql
) -> None:
    one, other = start_node(), start_node()
    here, there = await ready(one, other)
    ann, bea = await make_person(coins=200), await make_person("Bea", coins=0, super_lover=True)
    caller, receiver = await connect(http, here, ann), await connect(http, there, bea)
    call = await post(http, here, "/api/calls/initiate", ann, {"receiverId": bea.id, "callType": "audio"})
    rung = await receiver.expect("incoming-call")
    call_id, room_id = call["callId"], call["roomId"]
    await receiver.ask("call-accept", callId=rung["callId"])
    for phone in (caller, receiver):
        await phone.ask("join-room", roomId=room_id)
    await caller.ask("webrtc-offer", roomId=room_id, offer=OFFER)
    await receiver.ask("webrtc-answer", roomId=room_id, answer=ANSWER)
    await receiver.expect("call-connected")

    def row(column: str) -> Any:
        return sql(f"SELECT {column} FROM calls WHERE id = %s", call_id)[0][0]

    async def has_billed() -> bool:
        return bool(row("(meter ->> 'billed_seconds')::float > 0.3"))

    async with alive(caller, receiver):
        await until(has_billed)
    keeper = row("meter_node")

    one.send(signal.SIGKILL)
    await caller.closed()
    again = await connect(http, there, ann)
    joined = await insist(again, "join-room", roomId=room_id)
    async with alive(again, receiver):
        back = await receiver.expect("peer-reconnected", within=20)
        offered = await again.ask("webrtc-offer", roomId=room_id, offer=OFFER)
    ended = await post(http, there, f"/api/calls/{call_id}/end", bea, {})

    assert again.ready["activeCall"]["callId"] == joined["callId"] == call_id
    assert back["callId"] == call_id
    assert offered == {"delivered": True}
    assert row("meter_node") != keeper
    assert ended["endReason"] == "user_hangup"
    assert sql("SELECT count(*) FROM calls WHERE ended_at IS NULL") == [(0,)]
    entries = "SELECT transaction_type, amount FROM coin_transactions WHERE reference_id = %s ORDER BY seq"
    assert sql(entries, call_id) == [("spend", 50), ("earn", 25)]


class Balancer:
    """What stands before the nodes: requests go to one that says it is ready."""

    def __init__(self, http: ClientSession, urls: list[str]) -> None:
        self._http = http
        self._urls = urls

    async def node(self) -> str:
        for url in self._urls:
            try:
                async with self._http.get(f"{url}/health/ready") as response:
                    if response.status == 200:
                        return url
            except ClientError:
                continue
        raise AssertionError("no node is ready")


async def test_drain_under_load_loses_no_message_and_fails_no_request(
    start_node: StartNode, make_person: MakePerson, http: ClientSession, sql: Sql
) -> None:
    """Four people write over REST and four over sockets while the first of two nodes is told to stop."""
    one, other = start_node(), start_node()
    here, there = await ready(one, other)
    people = [await make_person(f"Writer {n}", coins=5000) for n in range(8)]
    reader = await make_person("Reader")
    balancer, stopped = Balancer(http, [here, there]), asyncio.Event()
    acked: list[str] = []

    async def write_over_rest(person: Person) -> None:
        while not stopped.is_set():
            text = str(uuid4())
            body = {"receiverId": reader.id, "messageText": text}
            await post(http, await balancer.node(), "/api/messages/send", person, body)
            acked.append(text)

    async def write_over_socket(person: Person) -> int:
        """Send, and come back where the socket is closed; how often that was."""
        moves, phone, text = 0, await connect(http, here, person), str(uuid4())
        while not stopped.is_set():
            try:
                await phone.ask("message-send", receiverId=reader.id, messageText=text, clientMessageId=text)
            except (TypeError, ConnectionError):  # the socket was closed, with the answer or before it
                phone, moves = await connect(http, await balancer.node(), person), moves + 1
                continue
            acked.append(text)
            text = str(uuid4())
        await phone.close()
        return moves

    writers = [asyncio.ensure_future(write_over_rest(person)) for person in people[:4]]
    writers += [asyncio.ensure_future(write_over_socket(person)) for person in people[4:]]
    await until_many(acked, 40)

    one.send(signal.SIGTERM)
    status = await asyncio.to_thread(one.ended)
    await until_many(acked, len(acked) + 20)
    stopped.set()
    outcomes = await asyncio.gather(*writers)

    stored = {row[0] for row in sql("SELECT message_text FROM messages WHERE receiver_id = %s", reader.id)}
    assert status == 0
    assert outcomes[4:] == [1] * 4
    assert [text for text in acked if text not in stored] == []
    assert len(acked) == len(set(acked))
    assert {line["status"] for line in one.lines() if line["event"] == "http.request"} <= {101, 200, 503}
    assert one.logged("server.stop")
    assert one.logged("server.stop_cut_short") is None


async def until_many(acked: list[str], count: int) -> None:
    async def enough() -> bool:
        return len(acked) >= count

    await until(enough, within=30)
