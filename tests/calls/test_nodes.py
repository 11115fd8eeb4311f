"""Calls across nodes: phones at different ones, one keeper, and what happens when it dies, hangs or stops."""

import asyncio
from time import monotonic
from uuid import UUID

import pytest

from romantic.calls import service
from romantic.calls.keeping import KEEPING
from romantic.calls.live import LIVE
from romantic.calls.metering import LOOPS
from romantic.db import connection
from romantic.realtime import BUS, NODE
from romantic.realtime.bus import channel_of_node
from tests.calls.stage import ANSWER, OFFER, alive, connected, negotiate, until
from tests.realtime.conftest import another_device, elsewhere

#: Where a node dies, it must not take long; elsewhere a busy machine must not look like a dead one.
MORTAL = {"call_keeper_seconds": 1.0}


@pytest.fixture
async def make_nodes(make_stage):
    """Several nodes on one database and one Redis, that have heard of each other."""

    async def make(count=2, each=(), **settings):
        own = each or [{}] * count
        stages = [await make_stage(**settings | one) for one in own]
        buses = [stage.app[BUS] for stage in stages]
        await until(lambda: all(len(bus.peers) >= count - 1 for bus in buses))
        return stages

    return make


@pytest.fixture
async def make_line(make_nodes, connect):
    """An answered call: the caller at the first node, the receiver at the second."""

    async def make(**settings):
        stages = await make_nodes(**settings)
        ann, bea = await stages[0].pair()
        bea.client = stages[1].host
        phones = await connect(ann), await connect(bea)
        return stages, await stages[0].answered(ann, bea), *phones

    return make


def kept_by(call, *stages):
    """The nodes that keep the call, as they see it themselves."""
    return [stage for stage in stages if stage.live(call) is not None]


def known_at(call, stage):
    return stage.app[LIVE].known(UUID(call.id))


async def die(stage):
    """As after kill -9: no loop turns and nobody answers."""
    for task in stage.app[LOOPS]:
        task.cancel()
    await asyncio.wait(stage.app[LOOPS])
    bus = stage.app[BUS]
    bus._subscription.send("SUNSUBSCRIBE", channel_of_node(bus.node))
    bus._handle = lambda *_: None
    for known in [*stage.app[LIVE], *stage.app[LIVE].outposts]:
        stage.app[LIVE].forget(known.id)


async def test_call_between_phones_at_two_nodes_from_ring_to_money(make_nodes, connect):
    one, other = await make_nodes()
    ann, bea = await one.pair()
    bea.client = other.host
    caller, receiver = await connect(ann), await connect(bea)

    call = await one.ring(ann, bea)
    rung = await receiver.expect("incoming-call")
    await receiver.ask("call-ringing", callId=call.id)
    ringing = await caller.expect("call-ringing")
    await receiver.ask("call-accept", callId=call.id)
    accepted = await caller.expect("call-accepted")
    started = await connected(call, caller, receiver)
    heard = await receiver.expect("call-connected")
    ended = await receiver.ask("call-end", roomId=call.room_id)
    told = await caller.expect("call-ended")

    assert rung["callId"] == accepted["callId"] == call.id
    assert ringing["deviceCount"] == 1
    assert started == heard
    assert (ended["callId"], ended["duration"]) == (call.id, told["duration"])
    assert call.outcome == ("ended", "user_hangup")
    assert call.money == (50, 0, 25)
    await until(lambda: known_at(call, one) is known_at(call, other) is None)


async def test_one_node_keeps_a_call_and_the_other_knows_it(make_line):
    (one, other), call, caller, receiver = await make_line()

    await connected(call, caller, receiver)

    assert kept_by(call, one, other) == [one]
    assert call.column("meter_node") == known_at(call, other).keeper == one.app[NODE]
    assert call.column("meter_term") == 1


async def test_offer_and_its_candidates_arrive_in_their_order_from_a_node_that_does_not_keep_the_call(
    make_line,
):
    _, call, caller, receiver = await make_line()
    await negotiate(call, caller, receiver)
    candidates = [{"candidate": f"candidate:{n}", "sdpMid": "0", "sdpMLineIndex": 0} for n in range(40)]

    await receiver.emit("webrtc-offer", roomId=call.room_id, offer=OFFER)
    for candidate in candidates:
        await receiver.emit("ice-candidate", roomId=call.room_id, candidate=candidate)
    await until_heard(caller, "ice-candidate", 40)

    frames = [frame for frame in caller.heard if frame["event"] in ("webrtc-offer", "ice-candidate")]
    assert [frame["event"] for frame in frames] == ["webrtc-offer"] + ["ice-candidate"] * 40
    assert [frame["data"]["candidate"] for frame in frames[1:]] == candidates


async def until_heard(phone, event, count):
    """Read until so many events of the name have come; they stay to be looked at."""
    while sum(frame["event"] == event for frame in phone.heard) < count:
        frame = await asyncio.wait_for(phone.ws.receive_json(), 5)
        phone.heard.append(frame)


async def test_refusals_of_the_keeper_reach_the_phone_at_another_node(make_line):
    _, call, caller, receiver = await make_line()
    await caller.ask("join-room", roomId=call.room_id)
    early = await receiver.ask("webrtc-offer", roomId=call.room_id, offer=OFFER)
    await receiver.ask("join-room", roomId=call.room_id)

    answered = await receiver.ask("webrtc-answer", roomId=call.room_id, answer=ANSWER)
    stranger = await receiver.ask(
        "webrtc-offer", roomId=call.room_id, offer=OFFER, targetUserId=str(receiver.person.id)
    )

    assert early["error"]["code"] == "NOT_IN_CALL"
    assert (answered["error"]["code"], answered["error"]["meta"]) == (
        "INVALID_CALL_STATE",
        {"status": "answered"},
    )
    assert stranger["error"]["code"] == "TARGET_NOT_IN_CALL"


async def test_offer_and_answer_over_rest_at_a_third_node_reach_both_sockets(make_nodes, connect):
    one, other, third = await make_nodes(3)
    ann, bea = await one.pair()
    bea.client = other.host
    caller, receiver = await connect(ann), await connect(bea)
    call = await one.answered(ann, bea)
    await caller.ask("join-room", roomId=call.room_id)
    await receiver.ask("join-room", roomId=call.room_id)

    for person, kind, hears in ((ann, "offer", receiver), (bea, "answer", caller)):
        path, body = f"/api/calls/{call.id}/webrtc/{kind}", {"sdp": "v=0", "roomId": call.room_id}
        response = await elsewhere(person, third.host).post(path, body)
        assert response.status == 200, await response.text()
        assert (await hears.expect(f"webrtc-{kind}"))[kind] == {"type": kind, "sdp": "v=0"}

    await caller.expect("call-connected")
    assert kept_by(call, third) == []


async def test_phone_that_comes_late_to_another_node_finds_what_was_sent_before(make_line):
    _, call, caller, receiver = await make_line()
    await caller.ask("join-room", roomId=call.room_id)
    await caller.ask("webrtc-offer", roomId=call.room_id, offer=OFFER)
    await caller.ask("ice-candidate", roomId=call.room_id, candidate={"candidate": "candidate:1"})

    joined = await receiver.ask("join-room", roomId=call.room_id)

    assert [event["event"] for event in joined["pending"]] == ["webrtc-offer", "ice-candidate"]
    assert [one["userId"] for one in joined["participants"]] == [str(caller.person.id)]
    assert joined["polite"] is True


async def test_end_at_another_node_bills_what_the_keepers_meter_says(make_line):
    """The row is far behind the meter: had it been settled from there, nothing would have been billed."""
    (one, _), call, caller, receiver = await make_line(call_snapshot_seconds=60)
    await connected(call, caller, receiver)
    async with alive(caller, receiver):
        await until(lambda: one.live(call).meter.billable(at=0.0) > 2.0)

    ended = await call.end(by=receiver.person)

    assert ended.data["duration"] >= 2
    assert call.column("(meter ->> 'billed_seconds')::float") < 1
    assert call.money == (50, 0, 25)


async def test_silence_at_the_other_node_stops_the_clock_at_the_last_byte(make_line):
    (one, _), call, caller, receiver = await make_line(call_suspect_seconds=1.5, call_disconnect_seconds=3.0)
    began = monotonic()
    await connected(call, caller, receiver)
    async with alive(caller):
        async with alive(receiver):
            await until(lambda: one.live(call).meter.billable(at=0.0) > 1.0)
        await receiver.close()
        silent_after = monotonic() - began
        suspect = await caller.expect("peer-reconnecting")
        outcome = await call.over()

    assert suspect["userId"] == str(receiver.person.id)
    assert outcome == ("ended", "disconnected")
    assert 1 <= call.column("duration_seconds") <= silent_after
    assert call.money == (50, 0, 25)


async def test_phone_that_comes_back_at_the_other_node_leaves_nothing_but_a_gap(make_line, connect):
    (one, other), call, caller, receiver = await make_line(
        call_suspect_seconds=0.6, call_disconnect_seconds=20.0
    )
    await connected(call, caller, receiver)
    async with alive(receiver):
        await caller.close()
        away = await receiver.expect("peer-reconnecting")
        ann = elsewhere(caller.person, other.host)
        again = await connect(ann)
        await again.ask("join-room", roomId=call.room_id)
        back = await receiver.expect("peer-reconnected")
        async with alive(again):
            await receiver.ask("webrtc-offer", roomId=call.room_id, offer=OFFER)
            await again.expect("webrtc-offer")
            ended = await call.end(by=ann)

    assert again.ready["activeCall"]["callId"] == call.id
    assert away["userId"] == back["userId"] == str(ann.id)
    assert [frame["event"] for frame in receiver.heard if frame["event"].startswith("peer-reconn")] == []
    assert kept_by(call, one, other) in ([one], [])
    assert (ended.data["endReason"], call.column("gaps")) == ("user_hangup", 1)
    assert call.money == (50, 0, 25)


async def test_phone_resumed_at_the_other_node_has_its_seat_and_what_was_sent_meanwhile(make_line, connect):
    """It never joined again: nobody heard that it was away, and what it missed it has."""
    _, call, caller, receiver = await make_line()
    await negotiate(call, caller, receiver)
    first = caller.ready
    await caller.close()
    await receiver.ask("webrtc-offer", roomId=call.room_id, offer=OFFER)
    ann = elsewhere(caller.person, receiver.person.client)

    again = await connect(ann)
    await again.emit("resume", sessionId=first["sessionId"], epoch=first["epoch"], seq=first["seq"])
    resumed = await again.expect("resumed")
    missed = await again.expect("webrtc-offer")
    await until_delivered(receiver, call)
    echoed = await again.ask("ice-candidate", roomId=call.room_id, candidate=None)

    assert resumed["recovered"] is True
    assert missed["offer"] == OFFER
    assert echoed == {"delivered": True}
    await receiver.hears_nothing_of("user-left", "user-joined")


async def until_delivered(phone, call):
    """Until what the phone sends reaches the other one in its seat."""
    async with asyncio.timeout(5):
        while not (await phone.ask("ice-candidate", roomId=call.room_id, candidate=None))["delivered"]:
            await asyncio.sleep(0.05)


async def test_three_devices_at_two_nodes_ring_and_the_first_answer_silences_the_others(
    make_nodes, connect, outside
):
    one, other = await make_nodes()
    ann, bea = await one.pair()
    people = [bea, *[await another_device(one.host, outside, bea) for _ in range(2)]]
    people[1].client = people[2].client = other.host
    caller, devices = await connect(ann), [await connect(person) for person in people]
    call = await one.ring(ann, bea)
    rings = [await device.expect("incoming-call") for device in devices]

    await devices[1].ask("call-accept", callId=call.id)
    silenced = [await device.expect("call-cancelled") for device in (devices[0], devices[2])]

    assert {ring["callId"] for ring in rings} == {call.id}
    assert silenced == [{"callId": call.id, "reason": "answered_elsewhere"}] * 2
    assert (await caller.expect("call-accepted"))["byDevice"]
    await devices[1].hears_nothing_of("call-cancelled")
    late = await devices[2].ask("call-accept", callId=call.id)
    assert late["error"]["code"] == "INVALID_CALL_STATE"


async def test_call_of_a_dead_keeper_goes_on_where_the_other_phone_is(make_line, connect):
    (one, other), call, caller, receiver = await make_line(**MORTAL)
    await connected(call, caller, receiver)
    async with alive(caller, receiver):
        await until(lambda: call.column("(meter ->> 'billed_seconds')::float") > 0.5)
    await die(one)
    await caller.close()
    written, gap_began = call.column("(meter ->> 'billed_seconds')::float"), monotonic()

    await until(lambda: kept_by(call, other) == [other])
    async with alive(receiver):
        await until(lambda: monotonic() - gap_began > 2.0)
        back = monotonic()
        ann = elsewhere(caller.person, other.host)
        again = await connect(ann)
        await again.ask("join-room", roomId=call.room_id)
        await again.expect("peer-reconnected")
        offered = await receiver.ask("webrtc-offer", roomId=call.room_id, offer=OFFER)
        ended = await call.end(by=ann)

    assert offered == {"delivered": True}  # its seat was remembered by its own node
    assert ended.data["endReason"] == "user_hangup"
    assert ended.data["duration"] <= written + (monotonic() - back)
    assert call.money == (50, 0, 25)


async def test_call_of_a_dead_keeper_is_settled_at_the_last_proof_if_one_stays_away(make_line):
    (one, other), call, caller, receiver = await make_line(
        **MORTAL, call_rejoin_seconds=2.5, call_suspect_seconds=0.5, call_disconnect_seconds=0.6
    )
    await connected(call, caller, receiver)
    async with alive(caller, receiver):
        await until(lambda: call.column("(meter ->> 'billed_seconds')::float") > 1.0)
    await die(one)
    await caller.close()
    written = call.column("(meter ->> 'billed_seconds')::float")

    async with alive(receiver):
        await until(lambda: kept_by(call, other) == [other])
        outcome = await call.over()

    assert outcome == ("ended", "disconnected")
    assert call.column("duration_seconds") == int(written)
    assert call.money == (50, 0, 25)


async def test_keeper_that_only_seemed_dead_finds_out_and_stops_its_meter(make_line):
    """It could not say that it lives; all else of it ran on, and for a moment two meters did."""
    (one, other), call, caller, receiver = await make_line(**MORTAL)
    await connected(call, caller, receiver)
    async with alive(caller, receiver):
        one.app[KEEPING].say_alive = other.app[KEEPING].say_alive
        await until(lambda: kept_by(call, other) == [other])
        await until(lambda: kept_by(call, one) == [])
        await until(lambda: known_at(call, one).keeper == other.app[NODE])
        billed = other.live(call).meter.billable(at=0.0)
        await until(lambda: other.live(call).meter.billable(at=0.0) > billed + 0.5)  # by what one tells it
        delivered = await caller.ask("webrtc-offer", roomId=call.room_id, offer=OFFER)
        ended = await call.end()

    assert delivered == {"delivered": True}
    assert call.column("meter_term") == 2
    assert ended.data["endReason"] == "user_hangup"
    assert call.money == (50, 0, 25)


async def test_meter_that_was_overtaken_ends_nothing(make_line):
    """It heard nothing of the new keeper, and nothing of the other phone: by its own light that one is gone."""
    (one, other), call, caller, receiver = await make_line(
        call_snapshot_seconds=60, call_suspect_seconds=2.0, call_disconnect_seconds=2.5
    )
    await connected(call, caller, receiver)
    overtaken = one.live(call)

    async with alive(caller, receiver):
        one.app[BUS]._handle = lambda *_: None
        await steal(call, other)
        await until(lambda: overtaken.meter.state == "suspect")
        await until(lambda: kept_by(call, one, other) == [other])
        await receiver.expect("peer-reconnected")

    assert call.outcome == ("answered", None)
    assert (await call.end(by=receiver.person)).data["endReason"] == "user_hangup"
    assert call.money == (50, 0, 25)


async def test_of_nodes_that_claim_a_call_at_once_one_keeps_it(make_nodes):
    stages = await make_nodes(3)
    ann, bea = await stages[0].pair(coins=500)
    for round_ in range(5):
        call = await stages[0].answered(ann, bea)
        finds = [
            stage.app[KEEPING].find(call_id=UUID(call.id), user_id=UUID(str(person.id)))
            for stage in stages
            for person in (ann, bea)
        ]

        known = await asyncio.gather(*finds)

        assert len(kept_by(call, *stages)) == 1, round_
        assert {one.term for one in known} == {call.column("meter_term")} == {1}
        assert (await call.end()).status == 200


async def test_node_that_stops_hands_the_running_clock_to_the_node_of_the_phones(make_line, connect):
    (one, other), call, caller, receiver = await make_line(call_snapshot_seconds=60)
    began = monotonic()
    await connected(call, caller, receiver)
    ann = elsewhere(caller.person, other.host)
    again = await connect(ann)
    await again.ask("join-room", roomId=call.room_id)
    async with alive(again, receiver):
        await until(lambda: one.live(call).meter.billable(at=0.0) > 0.5)
        before = one.live(call).meter.billable(at=0.0)
        await caller.close()

        await one.host.close()
        took_over = other.live(call)
        await until(lambda: took_over.meter.billable(at=0.0) > before + 1.0)
        ended = await call.end(by=ann)

    assert call.column("meter_node") == other.app[NODE]
    assert call.column("gaps") == 0
    assert [frame for frame in again.heard + receiver.heard if "reconnect" in frame["event"]] == []
    assert before + 1.0 - 1 < ended.data["duration"] <= monotonic() - began
    assert call.money == (50, 0, 25)


async def test_call_of_a_node_that_stops_waits_for_its_people(make_line, connect):
    (one, other), call, caller, receiver = await make_line()
    await connected(call, caller, receiver)
    await until(lambda: call.column("meter ->> 'state'") == "billing")
    await receiver.close()
    await caller.close()
    room = one.live(call).room
    await until(lambda: [room.seat_of(party) for party in room.parties] == [None, None])

    await one.host.close()

    assert call.column("meter_node") is None
    ann = elsewhere(caller.person, other.host)
    phones = [await connect(person) for person in (ann, receiver.person)]
    for phone in phones:
        assert "error" not in await phone.ask("join-room", roomId=call.room_id)
    await phones[0].expect("peer-reconnected")
    assert kept_by(call, other) == [other]
    assert (await call.end(by=ann)).data["endReason"] == "user_hangup"


async def test_nodes_that_take_a_call_from_each_other_charge_each_block_once(make_line):
    """They meter, charge and end it all at the same time; what an earlier keeper says is refused."""
    stages, call, caller, receiver = await make_line(
        call_billing="metered", call_block_seconds=0.5, call_price_per_minute_video=240
    )
    began = monotonic()
    await connected(call, caller, receiver)
    async with alive(caller, receiver):
        for turn in range(8):
            await steal(call, stages[(turn + 1) % 2])
            blocks = call.column("blocks_charged")
            await until(lambda blocks=blocks, turn=turn: call.column("blocks_charged") > blocks or turn > 5)
        ends = [call.end(), call.end(by=receiver.person), caller.ask("call-end", roomId=call.room_id)]
        first, second, third = await asyncio.gather(*ends)

    took = monotonic() - began
    same = ("duration", "coinsSpent", "coinsEarned")
    assert [first.data[name] for name in same] == [second.data[name] for name in same]
    assert [third[name] for name in same] == [second.data[name] for name in same]
    assert call.column("meter_term") == 9
    spent = "SELECT count(*), count(DISTINCT idempotency_key), sum(amount) FROM coin_transactions"
    rows = call.sql(f"{spent} WHERE reference_id = %s AND transaction_type = 'spend'", call.id)
    blocks = call.column("blocks_charged")
    assert rows == [(blocks, blocks, 2 * blocks)]
    assert first.data["duration"] <= took
    assert (blocks - 1) * 0.5 <= took + 0.5  # none before its time


async def steal(call, stage):
    """Take the call over as if its keeper had agreed."""
    async with connection(stage.app) as conn:
        row = await service.get_call(conn, call_id=UUID(call.id))
    await stage.app[KEEPING].settle(row, is_agreed=True)
