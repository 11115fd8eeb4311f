"""A server that is killed between a commit and what the commit promised: nothing is lost, and nothing comes twice."""

import signal
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.cli.runs import Server
from tests.cli.test_production import new_ports
from tests.conftest import MakeApp, MakePerson, new_number
from tests.devices.conftest import register
from tests.outside import Outside
from tests.waiting import until

Sql = Callable[..., list[tuple[Any, ...]]]

#: Of the work in question: what is under way, and how often it was begun.
WORK = "SELECT kind, status, attempts FROM jobs WHERE kind IN ('otp.send', 'push.call') ORDER BY kind"


@pytest.fixture
async def client(make_client: MakeApp) -> Any:
    """Where people sign up: it does its own work, and nobody else's."""
    return await make_client(jobs_poll_seconds=3600)


@pytest.fixture
def server(start: Callable[..., Server], postgres: str, valkey: str, outside: Outside) -> Server:
    """run.py on the stores and the stand-ins of the tests."""
    variables = {name.upper(): value for name, value in outside.fcm.settings.items()}
    return start(
        ROMANTIC_ENV="test",
        DATABASE_URL=postgres,
        REDIS_URL=valkey,
        WHATSAPP_API_BASE_URL=outside.url,
        OTP_WAIT_SECONDS="0",
        **(new_ports() | variables),
    )


async def test_killed_between_commit_and_send_leaves_exactly_one_code_and_one_ring(
    server: Server, client: Any, make_client: MakeApp, make_person: MakePerson, outside: Outside, sql: Sql
) -> None:
    ann, bea = await make_person("Ann", coins=200), await make_person("Bea")
    device = await register(bea)
    sql("DELETE FROM jobs")
    number, url = new_number(), server.ready()
    outside.forget()
    outside.mood = outside.fcm.mood = "silence"

    async with ClientSession(url) as http:
        body = {"receiverId": str(bea.id), "callType": "video"}
        async with http.post("/api/calls/initiate", json=body, headers=ann.auth) as called:
            assert called.status == 200, await called.text()
            call_id = (await called.json())["data"]["callId"]
        async with http.post("/api/auth/send-otp", json={"phoneNumber": number}) as asked:
            assert asked.status == 200

    async def is_under_way() -> bool:
        begun = [("otp.send", "running", 1), ("push.call", "running", 1)]
        return sql(WORK) == begun and (outside.asked, outside.fcm.asked) == (1, 1)

    await until(is_under_way)
    server.send(signal.SIGKILL)
    assert server.ended() == -signal.SIGKILL
    assert (outside.messages, outside.fcm.messages) == ([], [])

    outside.mood = outside.fcm.mood = "ok"
    sql("UPDATE jobs SET run_at = now() WHERE status = 'running'")  # the leases of the dead are over
    others = [await make_client(**outside.fcm.settings, jobs_poll_seconds=0.1) for _ in range(2)]

    async def is_done() -> bool:
        return sql(WORK) == [("otp.send", "done", 2), ("push.call", "done", 2)]

    await until(is_done)
    assert [message["to"] for message in outside.messages] == [number.removeprefix("+")]
    proof = {"phoneNumber": number, "otpCode": outside.code_for(number)}
    assert (await others[0].post("/api/auth/verify-otp", json=proof)).status == 200
    assert [(m["token"], m["data"]["callId"]) for m in outside.fcm.messages] == [(device["token"], call_id)]
