"""History, active call, one call, and the ICE servers a phone may use."""

import base64
import hashlib
import hmac
import time

from tests.calls.stage import send

SEED_KEYS = {
    "id",
    "callerId",
    "receiverId",
    "callType",
    "status",
    "duration",
    "coinsSpent",
    "startedAt",
    "endedAt",
}


async def test_history_has_both_roles_newest_first_in_the_shape_of_the_seed(stage):
    ann, bea = await stage.person(), await stage.person("Bea")
    first = await stage.answered(ann, bea)
    await first.end()
    second = await stage.ring(bea, ann)
    await second.end()

    history = await ann.data("/api/calls/history?page=1&limit=20")

    assert [call["id"] for call in history["calls"]] == [second.id, first.id]
    assert history["calls"][0].keys() >= SEED_KEYS
    assert history["calls"][1].items() >= {"status": "ended", "coinsSpent": 50, "duration": 0}.items()
    assert history["calls"][0].items() >= {"status": "missed", "coinsSpent": 0, "startedAt": None}.items()
    assert history["pagination"] == {"page": 1, "limit": 20, "total": 2, "hasNext": False}


async def test_history_pages_through_every_call_once(stage):
    ann, bea = await stage.person(coins=1000), await stage.person("Bea", coins=1000)
    for caller, receiver in ((ann, bea), (bea, ann)) * 3:
        await (await stage.answered(caller, receiver)).end()

    pages = [await ann.data(f"/api/calls/history?page={page}&limit=2") for page in (1, 2, 3, 4)]

    seen = [call["id"] for page in pages for call in page["calls"]]
    assert len(seen) == len(set(seen)) == 6
    assert [page["pagination"]["hasNext"] for page in pages] == [True, True, False, False]


async def test_history_of_a_stranger_is_empty(stage):
    await (await stage.ring(*await stage.pair())).end()
    eve = await stage.person("Eve")

    assert (await eve.data("/api/calls/history"))["calls"] == []


async def test_limits_of_a_page_are_checked(stage):
    ann = await stage.person()

    answers = [
        await ann.get(f"/api/calls/history?{query}") for query in ("limit=101", "limit=0", "page=0", "page=x")
    ]

    assert [answer.status for answer in answers] == [400] * 4


async def test_active_call_is_there_for_both_while_it_lives(stage):
    call = await stage.answered(*await stage.pair())

    active = [(await who.data("/api/calls/active"))["call"] for who in (call.caller, call.receiver)]
    await call.end()
    after = await call.caller.data("/api/calls/active")

    assert [one["id"] for one in active] == [call.id] * 2
    assert active[0].items() >= {"status": "answered", "roomId": call.room_id, "price": 50}.items()
    assert after == {"call": None}


async def test_one_call_is_for_its_two_people(stage):
    call = await stage.ring(*await stage.pair())
    eve = await stage.person("Eve")

    answers = [await who.get(f"/api/calls/{call.id}") for who in (call.caller, call.receiver, eve)]

    assert [answer.status for answer in answers] == [200, 200, 404]


async def test_stranger_can_do_nothing_with_a_call(stage, connect):
    call = await stage.answered(*await stage.pair())
    eve = await stage.person("Eve")
    phone = await connect(eve)
    body = {"sdp": "v=0", "roomId": call.room_id}

    rest = [await send(eve, f"/api/calls/{call.id}/webrtc/{kind}", body) for kind in ("offer", "answer")]
    joined = await phone.ask("join-room", roomId=call.room_id)
    ended = await phone.ask("call-end", roomId=call.room_id)

    assert [(answer.status, answer.code) for answer in rest] == [(404, "CALL_NOT_FOUND")] * 2
    assert [joined["error"]["code"], ended["error"]["code"]] == ["NOT_IN_CALL"] * 2
    assert call.outcome == ("answered", None)


async def test_turn_credentials_are_dated_and_never_the_secret(make_stage):
    secret = "a-secret-of-the-relay-nobody-may-see"
    stage = await make_stage(
        webrtc_turn_servers="turn:turn.example.com:3478", webrtc_turn_secret=secret, webrtc_turn_ttl=600
    )
    ann = await stage.person()

    response = await ann.get("/api/calls/ice-servers")

    text = await response.text()
    turn = next(one for one in (await response.json())["data"]["iceServers"] if "username" in one)
    expiry, _, user_id = turn["username"].partition(":")
    digest = hmac.new(secret.encode(), turn["username"].encode(), hashlib.sha1).digest()
    assert secret not in text
    assert user_id == str(ann.id)
    assert 590 <= int(expiry) - time.time() <= 601
    assert turn["credential"] == base64.b64encode(digest).decode()
