"""The protocol document and the server cannot drift: what the page shows is sent, and what is heard is compared with it."""

import asyncio
from collections import defaultdict

import pytest

from romantic.app import EVENTS
from romantic.rtc.client import ProbeClient
from tests.calls.real_phone import LOOPBACK, RealPhone
from tests.calls.stage import Call, alive
from tests.phone import Phone
from tests.realtime import protocol
from tests.realtime.conftest import another_device

ASKED, SHOWN = protocol.client_events(), protocol.server_events()
#: A token that is about to run out from its first second, a ring that nobody hears for long, a call with an end.
SETTINGS = {
    "jwt_access_ttl": 59,
    "call_ring_seconds": 1.0,
    "call_max_seconds": 59.0,
    "call_meter": "evidence",
    "call_suspect_seconds": 0.6,
    "call_disconnect_seconds": 20.0,
    "messaging_policy": "open",
}


def keys_of_the_example_with(key):
    return next(set(example) for example in protocol.examples() if key in example)


#: Acks that the table describes in words.
ACKS = {
    "join-room": keys_of_the_example_with("shouldOffer"),
    "call-end": set(SHOWN["call-ended"].data[0]) | {"newBalance"},
    "monitor-offer": set(SHOWN["monitor-answer"].data[0]) - {"callId"},
}


class Story:
    """Sockets whose every frame is written down, and frames as the page shows them."""

    def __init__(self, connect):
        self.heard = defaultdict(list)
        self.acks = defaultdict(list)
        self._connect = connect

    async def phone(self, person, **kwargs):
        """A socket signed in by its first frame."""
        ws = await person.client.ws_connect("/ws", headers=kwargs)
        phone = self.record(Phone(person, ws))
        await self.say(phone, "auth", token=person.access_token)
        phone.ready = await phone.expect("ready")
        return phone

    def record(self, phone):
        receive = phone.ws.receive_json

        async def receive_json():
            frame = await receive()
            self.heard[frame["event"]].append(frame)
            return frame

        phone.ws.receive_json = receive_json
        ask = phone.ask

        async def noted(event, **data):
            answer = await ask(event, **data)
            self.acks[event].append(answer)
            return answer

        phone.ask = noted
        return phone

    async def say(self, phone, name, **values):
        """Send the page's own frame with ids of ours; nothing else is changed or added."""
        shown = ASKED[name].data
        assert values.keys() <= shown.keys(), name
        answer = await phone.ask(name, **(shown | values))
        assert "error" not in answer, (name, answer)
        return answer


@pytest.fixture
async def story(connect):
    return Story(connect)


async def people_meet(story, client, make_person, outside, sql):
    """Watching, liking, writing; a warning, and the end of a session."""
    ann, bea = await make_person("Ann", at=client), await make_person("Bea", at=client)
    a, b = await story.phone(ann), await story.phone(bea)
    await story.say(a, "ping")
    await a.expect("pong")
    await a.expect("token-expiring")
    await story.say(a, "app-state")
    await story.say(a, "presence-subscribe", userIds=[bea.id])
    await bea.client.put("/api/preferences", json={"privacy": {"showLastSeen": False}}, headers=bea.auth)
    await bea.post("/api/users/like", {"targetUserId": ann.id})
    await ann.post("/api/users/like", {"targetUserId": bea.id})
    await a.expect("match")
    await story.say(a, "typing", userId=bea.id)
    sent = await story.say(a, "message-send", receiverId=bea.id)
    await b.expect("typing")
    await b.expect("message")
    await story.say(b, "message-read", userId=ann.id)
    await a.expect("message-read")
    await ann.client.delete(f"/api/messages/{sent['message']['id']}", headers=ann.auth)
    await b.expect("message-deleted")
    await bea.client.put("/api/preferences", json={"privacy": {"showOnlineStatus": False}}, headers=bea.auth)
    await a.expect("presence")
    await story.say(a, "presence-unsubscribe", userIds=[bea.id])
    await warned(ann, bea, client, make_person, outside, sql)
    await b.expect("notice")
    await bea.post("/api/auth/logout")
    await b.expect("session-revoked")
    assert sent["coinsSpent"] > 0


async def a_phone_comes_back(story, client, make_person, outside, sql):
    """With what it missed, and without."""
    hal, ida = await make_person("Hal", at=client), await make_person("Ida", at=client)
    h, i = await story.phone(hal), await story.phone(ida)
    for epoch in (h.ready["epoch"], "another"):
        place = {"sessionId": h.ready["sessionId"], "epoch": epoch, "seq": h.ready["seq"]}
        h.ws._response.connection.transport.abort()
        await story.say(i, "message-send", receiverId=hal.id, clientMessageId=epoch)
        h = await story.phone(hal)
        await story.say(h, "resume", **place)
        await h.expect("resumed")
        await h.expect("message" if epoch != "another" else "sync")


async def warned(reporter, person, client, make_person, outside, sql):
    boss = await make_person("Boss", at=client)
    sql("UPDATE users SET role = 'admin' WHERE id = %s", boss.id)
    await client.post("/api/auth/send-otp", json={"phoneNumber": boss.phone_number})
    body = {"phoneNumber": boss.phone_number, "otpCode": outside.code_for(boss.phone_number)}
    tokens = (await (await client.post("/api/admin/auth/login", json=body)).json())["data"]
    await reporter.post("/api/users/report", {"targetUserId": person.id, "reason": "spam"})
    [(report_id,)] = sql("SELECT id FROM reports")
    answer = await client.put(
        f"/api/admin/reports/{report_id}",
        json={"status": "resolved", "action": "warn"},
        headers={"Authorization": f"Bearer {tokens['accessToken']}"},
    )
    assert answer.status == 200, await answer.text()


async def ring(caller, receiver, sql):
    answer = await caller.post("/api/calls/initiate", {"receiverId": receiver.id, "callType": "video"})
    assert answer.status == 200, await answer.text()
    return Call(caller, receiver, (await answer.json())["data"]["callId"], sql)


async def calls_fail(story, client, make_person, outside, sql):
    """Rejected, cancelled, missed."""
    cat, dan = await make_person("Cat", coins=500, at=client), await make_person("Dan", at=client)
    c, d = await story.phone(cat), await story.phone(dan)
    call = await ring(cat, dan, sql)
    await d.expect("incoming-call")
    await story.say(d, "call-ringing", callId=call.id)
    await c.expect("call-ringing")
    await story.say(d, "call-reject", callId=call.id)
    await c.expect("call-rejected")
    call = await ring(cat, dan, sql)
    await call.end()
    await d.expect("call-cancelled")
    await ring(cat, dan, sql)
    await c.expect("call-missed")
    await d.expect("call-missed")


async def a_call_succeeds(story, client, make_person, outside, sql):
    """From the ring to the last coin, with monitors, a lost socket and real media."""
    eve, finn = (
        await make_person("Eve", coins=500, at=client),
        await make_person("Finn", at=client, super_lover=True),
    )
    e, f = await story.phone(eve), await story.phone(finn)
    tablet = await story.phone(await another_device(client, outside, finn))
    call = await ring(eve, finn, sql)
    await f.expect("incoming-call")
    await story.say(f, "call-accept", callId=call.id)
    await e.expect("call-accepted")
    await tablet.expect("call-cancelled")
    for phone in (e, f):
        person = phone.person
        await story.say(phone, "join-room", roomId=call.room_id, userId=person.id)
    await e.expect("user-joined")
    own, other = RealPhone(e, call), RealPhone(f, call)
    try:
        await negotiated(story, call, own, other)
        await e.expect("call-connected", within=15)
        await e.expect("call-warning")
        f.ws._response.connection.transport.abort()
        async with alive(e):
            await e.expect("peer-reconnecting", within=15)
        other.socket = f = await story.phone(finn)
        await story.say(f, "join-room", roomId=call.room_id, userId=finn.id)
        async with alive(e, f):
            await e.expect("peer-reconnected", within=15)
            await monitored(story, call, own, other)
            await story.say(e, "call-stats", callId=call.id)
            await story.say(f, "leave-room", roomId=call.room_id)
            await e.expect("user-left", within=15)
            await story.say(e, "call-end", roomId=call.room_id)
        await e.expect("call-ended")
        await e.expect("balance")
    finally:
        await asyncio.gather(own.close(), other.close())


async def monitored(story, call, own, other):
    """Both open a monitor; one loses it, and its socket takes over."""
    for phone in (own, other):
        sdp = await phone.monitor.offer()
        ack = await story.say(phone.socket, "monitor-offer", callId=call.id, sdp=sdp)
        await phone.monitor.accept(ack["sdp"])
        await phone.monitor.wait_open()
        await phone.socket.expect("monitor-answer")
    await own.socket.expect("call-meter")
    await own.socket.expect("call-quality", within=15)
    await own.monitor.close()
    await own.socket.expect("monitor-ping", within=15)
    await story.say(own.socket, "monitor-beat", callId=call.id)


async def negotiated(story, call, own, other):
    """The page's offer, answer and candidate, with descriptions that two aiortc peers believe."""
    values = {"roomId": call.room_id, "targetUserId": str(call.receiver.id)}
    offer, candidates = await own.describe(own.peer.createOffer)
    await story.say(own.socket, "webrtc-offer", offer={"type": "offer", "sdp": offer}, **values)
    await send_candidate(story, own, call, candidates)
    await other.hear("offer")
    answer, candidates = await other.describe(other.peer.createAnswer)
    description = {"type": "answer", "sdp": answer}
    await story.say(other.socket, "webrtc-answer", roomId=call.room_id, answer=description)
    await send_candidate(story, other, call, candidates)
    await own.hear("answer")


async def send_candidate(story, phone, call, candidates):
    candidate = {"candidate": candidates[0], "sdpMid": "0", "sdpMLineIndex": 0}
    await story.say(phone.socket, "ice-candidate", roomId=call.room_id, candidate=candidate)


async def a_network_is_probed(story, client, make_person, outside, sql):
    gil = await make_person("Gil", at=client)
    g, probe = await story.phone(gil), ProbeClient(hosts=LOOPBACK)
    try:
        answer = await story.say(g, "probe-offer", sdp=await probe.offer())
        await probe.accept(answer["sdp"])
        await g.expect("probe-result", within=20)
    finally:
        await probe.close()


def test_every_event_of_the_tables_is_on_the_page_and_no_other():
    assert {route.name for route in EVENTS} == set(ASKED)


def test_the_page_marks_what_is_served_in_a_call_after_the_token_has_run_out():
    late = {route.name for route in EVENTS if route.in_call or route.name == "auth"}

    assert {name for name, asked in ASKED.items() if asked.in_call} == late


@pytest.mark.timeout(120)
async def test_what_the_page_shows_is_what_is_sent(story, make_client, make_person, outside, sql):
    client = await make_client(**SETTINGS)
    scenes = (people_meet, calls_fail, a_call_succeeds, a_network_is_probed, a_phone_comes_back)

    await asyncio.gather(*(scene(story, client, make_person, outside, sql) for scene in scenes))

    assert set(story.acks) == set(ASKED)
    for name, answers in story.acks.items():
        expected = ACKS.get(name, ASKED[name].ack_keys)
        assert [set(answer) for answer in answers] == [expected] * len(answers), name
    heard = {name: frames for name, frames in story.heard.items() if name not in ("ack", "error")}
    assert set(heard) == set(SHOWN)
    for name, frames in heard.items():
        compare(name, SHOWN[name], frames)


def compare(name, shown, frames):
    """The keys heard are those the page shows, in objects within as well; numbers where the page has them."""
    known = set().union(*map(set, shown.data))
    assert {key for frame in frames for key in frame["data"]} == known, name
    assert {"seq" in frame for frame in frames} == set(shown.numbered), name
    assert all("ts" in frame for frame in frames), name
    for key, example in shown.data[0].items():
        inner = [frame["data"][key] for frame in frames if isinstance(frame["data"].get(key), dict)]
        if isinstance(example, dict) and example and inner and not holds_ids(example):
            assert set().union(*map(set, inner)) == set(example), (name, key)


def holds_ids(example):
    """An object whose keys are people, not names."""
    return all(key.isupper() for key in example)
