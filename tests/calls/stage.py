"""What the tests of calls play with: a server of their own, people on it, and calls steered over REST."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

from romantic.calls.live import LIVE
from romantic.coins import service as coins
from tests.conftest import new_number, prove, set_balance
from tests.outside import Outside
from tests.phone import Client, Person, Phone

Sql = Callable[..., list[tuple[Any, ...]]]

OFFER = {"type": "offer", "sdp": "v=0 offer"}
ANSWER = {"type": "answer", "sdp": "v=0 answer"}


@dataclass(frozen=True)
class Answer:
    """What an endpoint said."""

    status: int
    body: dict[str, Any]

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def message(self) -> str:
        return str(self.body["message"])

    @property
    def code(self) -> str | None:
        return (self.body.get("error") or {}).get("code")

    @property
    def meta(self) -> dict[str, Any]:
        return dict(self.body["error"].get("meta") or {})


async def send(person: Person, path: str, body: Any = None, **kwargs: Any) -> Answer:
    response = await person.post(path, body, **kwargs)
    return Answer(response.status, await response.json())


async def initiate(caller: Person, receiver: Person, call_type: str = "video", **kwargs: Any) -> Answer:
    body = {"receiverId": str(receiver.id), "callType": call_type}
    return await send(caller, "/api/calls/initiate", body, **kwargs)


@dataclass(frozen=True)
class Call:
    """One call between two people."""

    caller: Person
    receiver: Person
    id: str
    sql: Sql

    @property
    def room_id(self) -> str:
        return f"room_{self.id}"

    async def accept(self, by: Person | None = None) -> Answer:
        return await send(by or self.receiver, f"/api/calls/{self.id}/accept")

    async def reject(self, by: Person | None = None) -> Answer:
        return await send(by or self.receiver, f"/api/calls/{self.id}/reject")

    async def end(self, by: Person | None = None, **body: Any) -> Answer:
        return await send(by or self.caller, f"/api/calls/{self.id}/end", body)

    def column(self, name: str) -> Any:
        return self.sql(f"SELECT {name} FROM calls WHERE id = %s", self.id)[0][0]

    def set(self, assignment: str) -> None:
        self.sql(f"UPDATE calls SET {assignment} WHERE id = %s", self.id)

    @property
    def outcome(self) -> tuple[str, str | None]:
        """Status and reason."""
        return self.column("status"), self.column("end_reason")

    @property
    def money(self) -> tuple[int, int, int]:
        """Charged, refunded and earned, as the ledger has them."""
        rows = self.sql(
            "SELECT transaction_type, sum(amount) FROM coin_transactions WHERE reference_id = %s GROUP BY 1",
            self.id,
        )
        sums = dict(rows)
        return sums.get("spend", 0), sums.get("refund", 0), sums.get("earn", 0)

    async def over(self, within: float = 8.0) -> tuple[str, str | None]:
        """Wait until somebody ends it."""
        await until(lambda: self.column("ended_at") is not None, within)
        return self.outcome


class Stage:
    """A running server, and whoever is on it."""

    def __init__(self, host: Client, outside: Outside, sql: Sql) -> None:
        self.host = host
        self.outside = outside
        self.sql = sql

    @property
    def app(self) -> Any:
        return self.host.app

    async def person(self, name: str = "Ann", *, coins: int = 200, super_lover: bool = False) -> Person:
        number = new_number()
        proof = await prove(self.host, self.outside, number)
        body = {"phoneNumber": number, "fullName": name, "age": 25, "gender": "female"}
        headers = {"Authorization": f"Bearer {proof['accessToken']}"}
        response = await self.host.post("/api/auth/register", json=body, headers=headers)
        data = (await response.json())["data"]
        person = Person(self.host, data["user"]["id"], number, data)
        set_balance(self.sql, person, coins)
        if super_lover:
            self.sql(
                "UPDATE users SET is_super_lover = TRUE, super_lover_status = 'ready' WHERE id = %s",
                person.id,
            )
        return person

    async def pair(self, *, coins: int = 200, super_lover: bool = True) -> tuple[Person, Person]:
        """A caller, and a receiver with nothing but the coins they may earn."""
        return await self.person(coins=coins), await self.person("Bea", coins=0, super_lover=super_lover)

    async def ring(self, caller: Person, receiver: Person, call_type: str = "video") -> Call:
        answer = await initiate(caller, receiver, call_type)
        assert answer.status == 200, answer
        return Call(caller, receiver, answer.data["callId"], self.sql)

    async def answered(self, caller: Person, receiver: Person) -> Call:
        call = await self.ring(caller, receiver)
        answer = await call.accept()
        assert answer.status == 200, answer
        return call

    def moved(self, person: Person) -> int:
        """The person's balance."""
        return int(self.sql("SELECT coins_balance FROM users WHERE id = %s", person.id)[0][0])

    def live(self, call: Call) -> Any:
        return next((live for live in self.app[LIVE] if str(live.id) == call.id), None)


async def negotiate(call: Call, caller: Phone, receiver: Phone) -> None:
    """Both join the room and exchange offer and answer."""
    await caller.ask("join-room", roomId=call.room_id)
    await receiver.ask("join-room", roomId=call.room_id)
    await caller.ask("webrtc-offer", roomId=call.room_id, offer=OFFER)
    await receiver.expect("webrtc-offer")
    await receiver.ask("webrtc-answer", roomId=call.room_id, answer=ANSWER)
    await caller.expect("webrtc-answer")


async def connected(call: Call, caller: Phone, receiver: Phone) -> dict[str, Any]:
    """Talk until the server says that the clock runs."""
    await negotiate(call, caller, receiver)
    return await caller.expect("call-connected")


@asynccontextmanager
async def alive(*phones: Phone) -> AsyncIterator[None]:
    """Keep the phones saying something: evidence that they are there."""

    async def chatter(phone: Phone) -> None:
        while True:
            await phone.emit("ping")
            await asyncio.sleep(0.1)

    tasks = [asyncio.create_task(chatter(phone)) for phone in phones]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], Any], within: float = 8.0) -> None:
    """Wait for a condition; raises TimeoutError."""
    deadline = monotonic() + within
    while not condition():
        if monotonic() > deadline:
            raise TimeoutError("the condition did not come true")
        await asyncio.sleep(0.03)


def assert_books_are_straight(sql: Sql) -> None:
    """The ledger audit, and the rows that follow from calls."""
    assert sql(coins.sql.list_drifting_users.statement) == []
    assert sql(coins.sql.list_faulty_calls.statement) == []
    assert sql("SELECT id FROM users WHERE coins_balance < 0") == []
    strays = (
        "SELECT call_id FROM live_calls WHERE call_id NOT IN (SELECT id FROM calls WHERE ended_at IS NULL)"
    )
    assert sql(strays) == []
    missing = "SELECT id FROM calls WHERE ended_at IS NULL AND id NOT IN (SELECT call_id FROM live_calls)"
    assert sql(missing) == []
