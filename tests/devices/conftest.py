"""An application that pushes, and phones it can reach."""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from tests.conftest import MakeApp
from tests.outside import Outside
from tests.phone import Person
from tests.waiting import until

_tokens = itertools.count(1)

#: No waiting for a phone in front of somebody, unless a test is about that.
QUICK_PUSH = {"push_ring_wait_seconds": 0.2, "push_unread_seconds": 0.3, "jobs_poll_seconds": 0.1}


def new_token() -> str:
    return f"fcm:test-registration-token-{next(_tokens)}"


@pytest.fixture
def make_pushing(make_client: MakeApp, outside: Outside) -> MakeApp:
    async def make(**settings: Any) -> TestClient[Any, Any]:
        return await make_client(**(outside.fcm.settings | QUICK_PUSH | settings))

    return make


@pytest.fixture
async def client(make_pushing: MakeApp) -> TestClient[Any, Any]:
    return await make_pushing()


async def register(person: Person, token: str | None = None, *, platform: str = "android") -> dict[str, Any]:
    """The device as the server knows it now, with its token."""
    token = token or new_token()
    response = await person.post("/api/devices", {"token": token, "platform": platform})
    answer = await response.json()
    assert response.status == 200, answer
    return {**answer["data"]["device"], "token": token}


Sql = Callable[..., list[tuple[Any, ...]]]


def devices_of(sql: Sql, person: Person) -> list[str]:
    """The tokens of a person, the one seen last first."""
    rows = sql("SELECT token FROM device_tokens WHERE user_id = %s ORDER BY last_seen DESC", person.id)
    return [token for (token,) in rows]


def jobs_of(sql: Sql, kind: str) -> list[str]:
    return [status for (status,) in sql("SELECT status FROM jobs WHERE kind = %s ORDER BY id", kind)]


def all_done(sql: Sql, **count: int) -> Awaitable[None]:
    """Wait until so many jobs of each kind have ended well, such as call=1 for push.call."""

    async def holds() -> bool:
        return all(jobs_of(sql, f"push.{kind}") == ["done"] * number for kind, number in count.items())

    return until(holds)


async def call(caller: Person, receiver: Person) -> str:
    body = {"receiverId": receiver.id, "callType": "video"}
    response = await caller.post("/api/calls/initiate", body)
    answer = await response.json()
    assert response.status == 200, answer
    return str(answer["data"]["callId"])


async def say(sender: Person, receiver: Person, text: str = "Hi") -> str:
    body = {"receiverId": receiver.id, "messageText": text, "messageType": "text"}
    response = await sender.post("/api/messages/send", body)
    answer = await response.json()
    assert response.status == 200, answer
    return str(answer["data"]["message"]["id"])
