"""What a phone that comes back finds as it was: its answers, its seat, and its place when Redis is gone."""

import os
import signal

from romantic.realtime import BUS
from romantic.redis import REDIS
from tests.calls.stage import Call, initiate
from tests.conftest import pid_of
from tests.realtime.comeback import PATIENCE, back, gone, gone_one, numbered, send, values
from tests.realtime.conftest import another_device, elsewhere
from tests.waiting import until


async def test_a_socket_the_server_still_believes_in_gives_way(make_client, make_person, connect):
    a, b = await make_client(), await make_client()

    async def know_each_other():
        return all(node.app[BUS].has_peers for node in (a, b))

    await until(know_each_other)
    ann = await make_person(at=a)
    here, there = await connect(ann), await connect(ann)

    _, one = await back(here, seq=here.ready["seq"])
    _, other = await back(there, seq=there.ready["seq"], person=elsewhere(ann, b))

    assert one["recovered"] is other["recovered"] is True
    assert await here.closed() == await there.closed() == 4409


async def test_a_secret_of_another_session_closes_nothing_at_another_node(
    make_client, make_person, connect, outside
):
    a, b = await make_client(), await make_client()

    async def know_each_other():
        return all(node.app[BUS].has_peers for node in (a, b))

    await until(know_each_other)
    ann = await make_person(at=a)
    tablet = await another_device(a, outside, ann)
    phone = await connect(ann)

    _, answer = await back(phone, seq=phone.ready["seq"], person=elsewhere(tablet, b))

    assert (answer["recovered"], answer["reason"]) == (False, "unknown_session")
    assert await phone.ask("app-state", state="background") == {}


async def test_an_emptied_redis_is_another_epoch_for_who_was_away_and_for_who_was_not(
    make_client, make_person, connect, own_valkey
):
    node = await make_client(redis_url=own_valkey.url)
    ann = await make_person(at=node)
    away, here = await connect(ann), await connect(ann)
    await gone_one(away, node)
    await node.app[REDIS].run([("FLUSHALL",), ("SCRIPT", "FLUSH")])
    send(node, ann, 1)

    lapsed = await here.expect("resumed", within=PATIENCE)
    await here.expect("sync")
    assert (lapsed["recovered"], lapsed["reason"]) == (False, "epoch_changed")
    [frame] = await numbered(here, 1, "balance")
    assert frame["seq"] > lapsed["seq"] - 1
    again, answer = await back(away, seq=away.ready["seq"])
    assert (answer["recovered"], answer["reason"]) == (False, "epoch_changed")
    await again.expect("sync")


async def test_without_redis_a_node_replays_from_memory_and_afterwards_says_what_it_cannot_know(
    make_client, make_person, connect, own_valkey
):
    node = await make_client(redis_url=own_valkey.url)
    ann = await make_person(at=node)
    before = await connect(ann)
    os.kill(pid_of(own_valkey), signal.SIGSTOP)
    send(node, ann, 0)
    assert values(await numbered(before, 1)) == [0]
    phone = await connect(ann)
    await gone_one(phone, node)
    await gone_one(before, node)
    for n in range(1, 40):
        send(node, ann, n)

    again, answer = await back(phone, seq=phone.ready["seq"])
    _, older = await back(before, seq=before.ready["seq"])

    assert (answer["recovered"], answer["replayed"]) == (True, 39)
    assert values(await numbered(again, 39)) == list(range(1, 40))
    assert (older["recovered"], older["reason"]) == (False, "epoch_changed")
    os.kill(pid_of(own_valkey), signal.SIGCONT)
    healed = await again.expect("resumed", within=PATIENCE)
    await again.expect("sync")
    assert (healed["recovered"], healed["reason"]) == (False, "epoch_changed")
    send(node, ann, 40)
    [frame] = await numbered(again, 1, "balance")
    assert frame["seq"] > healed["seq"] > answer["seq"]


async def test_a_frame_sent_again_on_the_new_socket_gets_its_first_answer(
    make_client, make_person, connect, sql
):
    client = await make_client(messaging_policy="open")
    ann, bob = await make_person("Ann", at=client), await make_person("Bob", at=client)
    phone = await connect(ann)
    message = {"receiverId": str(bob.id), "messageText": "Hi", "messageType": "text"}
    first = await phone.ask("message-send", **message)
    await gone(phone, client)

    again, answer = await back(phone, seq=phone.ready["seq"])
    same = await again.ask("message-send", **message)  # under the same id
    again._next_id = 0
    other = await again.ask("message-send", **(message | {"messageText": "Ho"}))

    assert answer["recovered"] is True
    assert same == first
    assert other["message"]["messageText"] == "Hi"
    assert sql("SELECT count(*) FROM messages") == [(1,)]


async def test_another_frame_under_a_number_the_old_socket_used_is_served(
    make_client, make_person, connect, sql
):
    client = await make_client(messaging_policy="open")
    ann, bob = await make_person("Ann", at=client), await make_person("Bob", at=client)
    phone = await connect(ann)
    message = {"receiverId": str(bob.id), "messageText": "Hi", "messageType": "text"}
    await phone.ask("message-send", **message)
    await phone.ask("presence-subscribe", userIds=[str(bob.id)])
    await gone(phone, client)

    again, _ = await back(phone, seq=phone.ready["seq"])
    sent = await again.ask("message-send", **(message | {"messageText": "Ho"}))
    await again.ask("presence-subscribe", userIds=[str(bob.id)])
    watcher = await connect(bob)

    assert sent["message"]["messageText"] == "Ho"
    assert (await again.expect("presence", within=PATIENCE))["isOnline"] is True
    await watcher.close()


async def test_a_phone_that_comes_back_sits_in_its_room_again_and_nobody_notices(
    client, make_person, connect, sql
):
    ann, bob = await make_person("Ann"), await make_person("Bob", coins=500)
    a, b = await connect(ann), await connect(bob)
    call = Call(bob, ann, (await initiate(bob, ann)).data["callId"], sql)
    await a.ask("call-accept", callId=call.id)
    for phone in (a, b):
        await phone.ask("join-room", roomId=call.room_id)
    await b.expect("call-accepted")
    offer = {"type": "offer", "sdp": "v=0"}
    last = a.ready["seq"]
    a.heard.clear()
    b.heard.clear()
    await gone(a, client)
    early = await b.ask("webrtc-offer", roomId=call.room_id, offer=offer)

    again, answer = await back(a, seq=last)
    late = await b.ask("ice-candidate", roomId=call.room_id, candidate={"candidate": "c"})
    told = await again.ask("webrtc-answer", roomId=call.room_id, answer={"type": "answer", "sdp": "v=0"})

    assert answer["recovered"] is True
    assert early == {"delivered": False}
    assert late == told == {"delivered": True}
    assert (await again.expect("webrtc-offer"))["offer"] == offer
    await again.expect("ice-candidate")
    await b.expect("webrtc-answer")
    await b.hears_nothing_of("user-joined", "user-left")
