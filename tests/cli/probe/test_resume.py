"""The step `resume`, against servers that remember well, badly, and not at all."""

import json

import pytest
from aiohttp import WSMsgType, web

from tests.cli.probe.command import CRITICAL, OK, WARNING
from tests.cli.probe.conftest import PATIENT, climb

ROBOTS = {"Bearer one": "east", "Bearer two": "west"}
MISSED = ("balance", "call-rejected", "balance")


class Forgetful:
    """As much of a server as the step meets. `answer` is what becomes of `resume`: frames, as a list."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = None
        self.sockets = 0
        self.callee = None

    def application(self):
        app = web.Application()
        app.router.add_get("/health/ready", self.said({"checks": {}}))
        app.router.add_get("/version", self.said({"version": "0"}))
        app.router.add_get("/api/auth/profile", self.profile)
        app.router.add_get("/api/calls/active", self.said({"call": None}))
        app.router.add_post("/api/calls/initiate", self.initiate)
        app.router.add_post("/api/calls/1/reject", self.said({}))
        app.router.add_get("/ws", self.socket)
        return app

    def said(self, data):
        async def say(_request):
            return web.json_response({"success": True, "data": data, "message": ""})

        return say

    async def profile(self, request):
        name = ROBOTS[request.headers["Authorization"]]
        return await self.said({"id": name, "fullName": name})(request)

    async def initiate(self, request):
        await self.callee.send_json({"event": "incoming-call", "data": {"callId": "1"}, "seq": 1})
        return await self.said({"callId": "1", "coinsSpent": 50})(request)

    async def socket(self, request):
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self.sockets += 1
        if ROBOTS[request.headers["Authorization"]] == "west":
            self.callee = ws
        data = {"sessionId": f"s{self.sockets}", "epoch": "e", "seq": 7}
        await ws.send_json({"event": "ready", "data": data})
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await self.take(ws, message.json())
        return ws

    async def take(self, ws, frame):
        if frame["event"] != "resume":
            await ws.send_json({"event": "ack", "id": frame["id"], "data": {}})
            return
        self.asked = frame["data"]
        for one in self.answer:
            await ws.send_json(json.loads(json.dumps(one).replace('"ID"', str(frame["id"]))))


def events(*names, first=8):
    return [{"event": name, "data": {}, "seq": number} for number, name in enumerate(names, first)]


def resumed(**data):
    return {"event": "resumed", "data": data}


REFUSED = {"event": "error", "id": "ID", "data": {"code": "UNKNOWN_EVENT", "message": "What?"}}


@pytest.fixture
def climbed(aiohttp_client, tmp_path):
    async def climb_to(answer):
        server = Forgetful(answer)
        client = await aiohttp_client(server.application())
        (tmp_path / "keys").write_text("east one\nwest two\n")
        skipped = "socket-rtt,ice-servers,ice,call"
        url = str(client.make_url("")).rstrip("/")
        return server, await climb(url, "--keys", tmp_path / "keys", "--skip", skipped, *PATIENT)

    return climb_to


@pytest.mark.parametrize(
    "answer",
    [
        [*events(*MISSED), resumed(recovered=True, replayed=3)],
        [resumed(recovered=True, replayed=3), *events(*MISSED)],
        [*events(*MISSED, "match"), resumed(recovered=True, replayed=4)],
    ],
    ids=["events first", "word first", "more than ours"],
)
async def test_all_that_was_missed_comes_in_order(climbed, answer):
    server, found = await climbed(answer)

    assert (found.code, found.rungs["resume"].outcome) == (OK, "ok")
    assert "events replayed in order" in found.rungs["resume"].facts
    assert server.asked["epoch"] == "e"
    assert server.asked["seq"] == 7
    assert server.asked["sessionId"] in ("s1", "s2")  # the one that was lost, not the new one


@pytest.mark.parametrize(
    ("answer", "code", "outcome", "cause"),
    [
        ([REFUSED], WARNING, "warn", "the server does not resume: UNKNOWN_EVENT"),
        ([resumed(recovered=False, reason="window_exceeded")], WARNING, "warn", "nothing was replayed: window_exceeded"),
        ([*events("balance", "balance"), resumed(recovered=True, replayed=2)], CRITICAL, "fail", "missed: call-rejected"),
        ([resumed(recovered=True, replayed=0)], CRITICAL, "fail", "missed: balance, call-rejected"),
        (
            [*reversed(events(*MISSED)), resumed(recovered=True, replayed=3)],
            CRITICAL, "fail", "replayed out of order: [10, 9, 8] after 7",
        ),
        ([*events(*MISSED, first=6), resumed(recovered=True, replayed=3)], CRITICAL, "fail", "replayed out of order"),
    ],
    ids=["unknown event", "not recovered", "one is missing", "all are missing", "reversed", "known already"],
)  # fmt: skip
async def test_what_is_not_resumed_is_said(climbed, answer, code, outcome, cause):
    _, found = await climbed(answer)

    assert (found.code, found.rungs["resume"].outcome) == (code, outcome)
    assert found.rungs["resume"].cause.startswith(cause)
    assert found.rungs["resume"].advice
