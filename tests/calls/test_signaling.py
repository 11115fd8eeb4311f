"""The socket events of a call: join-room, leave-room, webrtc-offer, webrtc-answer, ice-candidate, call-end,
and what the phones hear of each other."""

import asyncio

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp

from romantic.realtime import HUB
from romantic.rtc.client import gather_from
from tests.calls.stage import ANSWER, OFFER, negotiate, send, until
from tests.realtime.conftest import another_device

CANDIDATE = {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}


@pytest.fixture
async def line(stage, connect):
    """An answered call, and both phones on their sockets."""
    caller, receiver = await stage.pair()
    phones = await connect(caller), await connect(receiver)
    call = await stage.answered(caller, receiver)
    return call, *phones


@pytest.fixture
async def talk(line):
    """The same with both in the room."""
    call, ann, bea = line
    await ann.ask("join-room", roomId=call.room_id, userId=ann.person.id)
    await bea.ask("join-room", roomId=call.room_id)
    return line


async def code(phone, event, **data):
    return (await phone.ask(event, **data))["error"]["code"]


async def test_join_tells_a_phone_all_it_needs(line):
    call, ann, bea = line

    first = await ann.ask("join-room", roomId=call.room_id, userId=ann.person.id)
    second = await bea.ask("join-room", roomId=call.room_id)

    assert set(first) == {
        "roomId", "callId", "callType", "status", "polite", "shouldOffer", "participants", "iceServers",
        "pending", "monitor",
    }  # fmt: skip
    assert (first["callId"], first["callType"], first["status"]) == (call.id, "video", "answered")
    assert [(ack["polite"], ack["shouldOffer"]) for ack in (first, second)] == [(False, True), (True, False)]
    assert first["participants"] == []
    assert [one["userId"] for one in second["participants"]] == [ann.person.id]
    assert first["iceServers"][0]["urls"]
    assert first["monitor"]["required"] is False


async def test_user_joined_goes_to_those_inside_and_once_per_join(line):
    call, ann, bea = line
    await ann.ask("join-room", roomId=call.room_id)
    await bea.ask("join-room", roomId=call.room_id)
    await bea.ask("join-room", roomId=call.room_id)

    joined = await ann.expect("user-joined")

    assert joined == {"userId": bea.person.id, "roomId": call.room_id, "callId": call.id}
    await ann.hears_nothing_of("user-joined")
    await bea.hears_nothing_of("user-joined")


async def test_offer_answer_and_candidates_arrive_verbatim_and_stamped(talk):
    call, ann, bea = talk
    stamp = {"roomId": call.room_id, "callId": call.id}
    odd = OFFER | {"extra": [1, {"a": None}]}

    sent = [
        await ann.ask("webrtc-offer", roomId=call.room_id, offer=odd, targetUserId=bea.person.id),
        await bea.ask("webrtc-answer", roomId=call.room_id, answer="v=0 bare text"),
    ]
    for candidate in (CANDIDATE, CANDIDATE["candidate"], [CANDIDATE, None], None):
        sent.append(await ann.ask("ice-candidate", roomId=call.room_id, candidate=candidate))

    assert sent == [{"delivered": True}] * 6
    assert await bea.expect("webrtc-offer") == stamp | {"offer": odd, "fromUserId": ann.person.id}
    assert await ann.expect("webrtc-answer") == stamp | {
        "answer": "v=0 bare text",
        "fromUserId": bea.person.id,
    }
    heard = [(await bea.expect("ice-candidate"))["candidate"] for _ in range(4)]
    assert heard == [CANDIDATE, CANDIDATE["candidate"], [CANDIDATE, None], None]


async def test_leaving_is_told_and_is_no_hang_up(talk):
    call, ann, bea = talk

    await bea.ask("leave-room", roomId=call.room_id)

    left = {"userId": bea.person.id, "roomId": call.room_id, "callId": call.id}
    assert await ann.expect("user-left") == left
    assert call.outcome == ("answered", None)
    assert await code(bea, "ice-candidate", roomId=call.room_id, candidate=None) == "NOT_IN_CALL"


async def test_call_end_says_the_same_numbers_to_both(talk):
    call, ann, bea = talk

    ack = await ann.ask("call-end", roomId=call.room_id, userId=ann.person.id)

    heard = [await phone.expect("call-ended") for phone in (ann, bea)]
    assert heard[0] == heard[1]
    assert set(heard[0]) >= {
        "roomId", "callId", "status", "endReason", "duration", "coinsSpent", "coinsEarned", "refunded",
        "endedBy",
    }  # fmt: skip
    assert {name: ack[name] for name in heard[0]} == heard[0]
    assert (ack["roomId"], ack["endedBy"], ack["status"]) == (call.room_id, ann.person.id, "ended")
    assert await ann.ask("call-end", roomId=call.room_id) | {"newBalance": ack["newBalance"]} == ack


async def test_nobody_speaks_for_somebody_else(talk):
    call, ann, bea = talk

    codes = [
        await code(ann, event, roomId=call.room_id, userId=bea.person.id)
        for event in ("join-room", "leave-room", "call-end")
    ]

    assert codes == ["IDENTITY_MISMATCH"] * 3
    assert call.outcome == ("answered", None)


async def test_stranger_is_kept_out_of_everything(stage, talk, connect):
    call, _ann, bea = talk
    eve = await connect(await stage.person("Eve"))
    room = {"roomId": call.room_id}

    codes = [
        await code(eve, "join-room", **room),
        await code(eve, "leave-room", **room),
        await code(eve, "webrtc-offer", **room, offer=OFFER),
        await code(eve, "webrtc-answer", **room, answer=ANSWER),
        await code(eve, "ice-candidate", **room, candidate=CANDIDATE),
        await code(eve, "call-end", **room),
        await code(eve, "monitor-offer", callId=call.id, sdp="v=0"),
        await code(eve, "monitor-beat", callId=call.id, n=1),
        await code(eve, "call-stats", callId=call.id, sample={}),
    ]
    moves = [
        await code(eve, event, callId=call.id) for event in ("call-ringing", "call-accept", "call-reject")
    ]

    assert codes == ["NOT_IN_CALL"] * 9
    assert moves == ["CALL_NOT_FOUND"] * 3
    assert call.outcome == ("answered", None)
    await bea.hears_nothing_of("webrtc-offer", "webrtc-answer", "ice-candidate", "user-left", "call-ended")


@pytest.mark.parametrize(
    "room",
    [
        "room_nonsense",
        "nonsense",
        "",
        "room_6f1d1d0c-6d2f-4b59-9a3e-2f3c5d7e9b11",
        "other_6f1d1d0c-6d2f-4b59-9a3e-2f3c5d7e9b11",
    ],
)
async def test_room_that_is_none_cannot_be_joined(stage, connect, room):
    phone = await connect(await stage.person())

    assert await code(phone, "join-room", roomId=room) == "NOT_IN_CALL"


async def test_party_that_has_not_joined_relays_nothing(line):
    call, ann, _ = line

    assert await code(ann, "webrtc-offer", roomId=call.room_id, offer=OFFER) == "NOT_IN_CALL"


async def test_target_must_be_the_other_party(stage, talk):
    call, ann, _ = talk
    third = await stage.person()

    codes = [
        await code(ann, "webrtc-offer", roomId=call.room_id, offer=OFFER, targetUserId=target)
        for target in (third.id, ann.person.id)
    ]

    assert codes == ["TARGET_NOT_IN_CALL"] * 2


async def test_what_came_before_the_peer_is_pending_for_it(line):
    call, ann, bea = line
    await ann.ask("join-room", roomId=call.room_id)
    await ann.ask("webrtc-offer", roomId=call.room_id, offer={"type": "offer", "sdp": "v=0 stale"})
    await ann.ask("ice-candidate", roomId=call.room_id, candidate="stale")
    sent = await ann.ask("webrtc-offer", roomId=call.room_id, offer=OFFER)
    await ann.ask("ice-candidate", roomId=call.room_id, candidate=CANDIDATE)

    joined, again = [await bea.ask("join-room", roomId=call.room_id) for _ in range(2)]

    stamp = {"fromUserId": ann.person.id, "roomId": call.room_id, "callId": call.id}
    assert sent == {"delivered": False}
    assert joined["pending"] == [
        {"event": "webrtc-offer", "data": {"offer": OFFER} | stamp},
        {"event": "ice-candidate", "data": {"candidate": CANDIDATE} | stamp},
    ]
    assert again["pending"] == []


async def test_offers_for_somebody_who_never_comes_do_not_pile_up(stage, line):
    call, ann, bea = line
    await ann.ask("join-room", roomId=call.room_id)
    big = {"type": "offer", "sdp": "x" * 48 * 1024}

    for _ in range(10):
        await ann.ask("webrtc-offer", roomId=call.room_id, offer=big)

    assert len((await bea.ask("join-room", roomId=call.room_id))["pending"]) == 1


async def test_answer_needs_an_offer(talk):
    call, _, bea = talk

    assert await code(bea, "webrtc-answer", roomId=call.room_id, answer=ANSWER) == "INVALID_CALL_STATE"


async def test_rest_offer_reaches_the_socket_and_the_answer_goes_back(talk):
    call, ann, bea = talk
    path = f"/api/calls/{call.id}/webrtc"

    offered = await send(ann.person, f"{path}/offer", {"sdp": OFFER["sdp"], "roomId": call.room_id})
    heard = await bea.expect("webrtc-offer")
    await bea.ask("webrtc-answer", roomId=call.room_id, answer=ANSWER)

    assert (offered.status, heard["offer"]) == (200, OFFER)
    assert (await ann.expect("webrtc-answer"))["answer"] == ANSWER
    await until(lambda: call.column("webrtc_answer") == ANSWER["sdp"])
    assert call.column("webrtc_offer") == OFFER["sdp"]


async def test_rest_answer_reaches_the_socket(talk):
    call, ann, bea = talk
    await ann.ask("webrtc-offer", roomId=call.room_id, offer=OFFER)

    body = {"sdp": ANSWER["sdp"], "roomId": call.room_id}
    answered = await send(bea.person, f"/api/calls/{call.id}/webrtc/answer", body)

    assert (answered.status, (await ann.expect("webrtc-answer"))["answer"]) == (200, ANSWER)


async def test_descriptions_and_candidates_have_sizes(talk):
    call, ann, _bea = talk
    room = {"roomId": call.room_id}
    within = await ann.ask("webrtc-offer", **room, offer="x" * 48 * 1024)

    codes = [
        await code(ann, "webrtc-offer", **room, offer="x" * (48 * 1024 + 1)),
        await code(ann, "webrtc-offer", **room, offer=""),
        await code(ann, "webrtc-offer", **room, offer={"type": "offer"}),
        await code(ann, "webrtc-offer", **room, offer=7),
        await code(ann, "ice-candidate", **room, candidate="x" * 2047),
        await code(ann, "ice-candidate", **room, candidate=7),
        await code(ann, "ice-candidate", **room),
        await code(ann, "ice-candidate", **room, candidate=[[CANDIDATE]]),
    ]

    assert within == {"delivered": True}
    big, invalid = "PAYLOAD_TOO_LARGE", "VALIDATION_ERROR"
    assert codes == [big, invalid, invalid, invalid, big, invalid, invalid, invalid]


async def test_three_hundred_candidates_are_enough_for_one_side(talk):
    call, ann, bea = talk
    room = {"roomId": call.room_id}
    for _ in range(10):
        await ann.ask("ice-candidate", **room, candidate=["c"] * 30)

    assert await code(ann, "ice-candidate", **room, candidate="c") == "RATE_LIMITED"
    assert await bea.ask("ice-candidate", **room, candidate="c") == {"delivered": True}


async def test_second_device_takes_the_seat(client, talk, connect, outside):
    call, ann, bea = talk
    tablet = await connect(await another_device(client, outside, bea.person))

    joined = await tablet.ask("join-room", roomId=call.room_id)
    await ann.ask("webrtc-offer", roomId=call.room_id, offer=OFFER)

    assert [one["userId"] for one in joined["participants"]] == [ann.person.id]
    assert (await tablet.expect("webrtc-offer"))["offer"] == OFFER
    assert await code(bea, "ice-candidate", roomId=call.room_id, candidate=None) == "NOT_IN_CALL"
    await bea.hears_nothing_of("webrtc-offer")


async def test_phone_that_lost_its_socket_finds_what_was_sent_meanwhile(client, stage, talk, connect):
    call, ann, bea = talk
    await bea.close()
    await until(lambda: len(stage.live(call).room.participants) == 1)

    sent = await ann.ask("webrtc-offer", roomId=call.room_id, offer=OFFER)
    again = await connect(bea.person)
    joined = await again.ask("join-room", roomId=call.room_id)

    assert sent == {"delivered": False}
    assert again.ready["activeCall"]["callId"] == call.id
    assert [event["event"] for event in joined["pending"]] == ["webrtc-offer"]
    await ann.hears_nothing_of("user-left")


async def test_idle_tablet_does_not_prove_the_phone_in_the_call(make_stage, connect, outside):
    """Evidence comes from the device that joined: a second one at home would bill for ever."""
    stage = await make_stage(call_suspect_seconds=0.6, call_disconnect_seconds=20)
    caller, receiver = await stage.pair()
    tablet = await connect(await another_device(stage.host, outside, receiver))
    ann, bea = await connect(caller), await connect(receiver)
    call = await stage.answered(caller, receiver)
    await negotiate(call, ann, bea)
    listening = [asyncio.create_task(phone.closed(within=20)) for phone in (tablet, ann)]

    await until(lambda: stage.live(call).meter.state == "suspect")  # bea's phone reads no ping any more

    live = stage.live(call)
    assert live.meter.seen_at(live.receiver_id) < stage.app[HUB].last_seen(live.receiver_id)
    for task in listening:
        task.cancel()


class AiortcPhone:
    """A real peer connection behind a phone's socket; `sdp` over whichever door the test takes."""

    def __init__(self, phone, call):
        self.phone, self.call = phone, call
        self.peer = RTCPeerConnection()
        self.peer.addTransceiver("audio")

    async def describe(self, make):
        gather_from(
            self.peer.getTransceivers()[0].sender.transport.transport._connection, hosts=["127.0.0.1"]
        )
        await self.peer.setLocalDescription(await make())
        return self.peer.localDescription.sdp

    async def take(self, kind, description):
        sdp = description["sdp"] if isinstance(description, dict) else description
        await self.peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type=kind))

    async def is_connected(self):
        await until(lambda: self.peer.connectionState == "connected", 15)


@pytest.fixture
async def peers(talk):
    call, ann, bea = talk
    pair = AiortcPhone(ann, call), AiortcPhone(bea, call)
    yield pair
    await asyncio.gather(*(one.peer.close() for one in pair))


async def test_offer_by_rest_and_answer_by_socket_connect_two_peers(peers):
    ann, bea = peers
    offer = await ann.describe(ann.peer.createOffer)
    body = {"sdp": offer, "roomId": ann.call.room_id}
    await send(ann.phone.person, f"/api/calls/{ann.call.id}/webrtc/offer", body)
    await bea.take("offer", (await bea.phone.expect("webrtc-offer"))["offer"])
    answer = await bea.describe(bea.peer.createAnswer)
    await bea.phone.ask("webrtc-answer", roomId=ann.call.room_id, answer={"type": "answer", "sdp": answer})
    await ann.take("answer", (await ann.phone.expect("webrtc-answer"))["answer"])

    await asyncio.gather(ann.is_connected(), bea.is_connected())


async def test_offer_by_socket_and_answer_by_rest_connect_two_peers_over_trickled_candidates(peers):
    ann, bea = peers
    offer = await ann.describe(ann.peer.createOffer)
    addresses = ("a=candidate", "a=end-of-candidates")
    bare = "\r\n".join(line for line in offer.split("\r\n") if not line.startswith(addresses))
    await ann.phone.ask("webrtc-offer", roomId=ann.call.room_id, offer=bare)
    for line in [line for line in offer.split("\r\n") if line.startswith("a=candidate")]:
        candidate = {"candidate": line.removeprefix("a="), "sdpMid": "0", "sdpMLineIndex": 0}
        await ann.phone.ask("ice-candidate", roomId=ann.call.room_id, candidate=candidate)
    await bea.take("offer", (await bea.phone.expect("webrtc-offer"))["offer"])
    heard = (await bea.phone.expect("ice-candidate"))["candidate"]
    candidate = candidate_from_sdp(heard["candidate"].removeprefix("candidate:"))
    candidate.sdpMid = heard["sdpMid"]
    await bea.peer.addIceCandidate(candidate)
    body = {"sdp": await bea.describe(bea.peer.createAnswer), "roomId": ann.call.room_id}
    await send(bea.phone.person, f"/api/calls/{ann.call.id}/webrtc/answer", body)
    await ann.take("answer", (await ann.phone.expect("webrtc-answer"))["answer"])

    await asyncio.gather(ann.is_connected(), bea.is_connected())
