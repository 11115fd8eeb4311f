"""Watching who is online: what is shown, to whom, and when it changes."""

import asyncio
from uuid import uuid4

import pytest

from romantic.users.watching import WATCHING
from tests.phone import Phone
from tests.realtime.conftest import elsewhere
from tests.waiting import until

NOTHING = {"isOnline": False, "lastSeenAt": None, "superLoverStatus": "offline", "isBusy": False}


@pytest.fixture
async def scene(make_person, connect, sql):
    """Ann watches Ben, who is online, and whose coming has been told: no test hears of it in the middle."""
    ann, ben = await make_person("Ann"), await make_person("Ben", super_lover=True)
    eyes = await connect(ann)
    await eyes.ask("presence-subscribe", userIds=[ben.id])
    phone = await connect(ben)
    assert (await eyes.expect("presence"))["isOnline"] is True
    await shown_online(sql, ben)
    first = (await eyes.ask("presence-subscribe", userIds=[ben.id]))["presences"]
    return ann, ben, eyes, phone, first


async def shown_online(sql, person):
    async def holds():
        return sql("SELECT is_online FROM users WHERE id = %s", person.id) == [(True,)]

    await until(holds)


async def test_the_ack_shows_them_as_they_are(scene):
    _, ben, _, _, first = scene

    assert [(one["userId"], one["isOnline"], one["superLoverStatus"], one["isBusy"]) for one in first] == [
        (ben.id, True, "ready", False)
    ]
    assert first[0]["lastSeenAt"].endswith("Z")


async def test_going_and_coming_are_told(scene, connect):
    _, ben, eyes, phone, _ = scene

    await phone.close()
    went = await eyes.expect("presence")
    await connect(ben)
    came = await eyes.expect("presence")

    assert [event["isOnline"] for event in (went, came)] == [False, True]


async def test_the_status_of_a_super_lover_is_told(scene):
    _, ben, eyes, _, _ = scene

    await ben.client.put("/api/super-lover/status", json={"status": "online"}, headers=ben.auth)

    assert (await eyes.expect("presence"))["superLoverStatus"] == "online"


async def test_busy_is_told_and_ends_with_the_call(scene, make_person):
    _, ben, eyes, _, _ = scene
    cat = await make_person("Cat")

    answer = await cat.post("/api/calls/initiate", {"receiverId": ben.id, "callType": "audio"})
    call_id = (await answer.json())["data"]["callId"]
    busy = await eyes.expect("presence")
    await cat.post(f"/api/calls/{call_id}/end", {"duration": 0})
    free = await eyes.expect("presence")

    assert [event["isBusy"] for event in (busy, free)] == [True, False]


async def privacy(person, **flags):
    answer = await person.client.put("/api/preferences", json={"privacy": flags}, headers=person.auth)
    assert answer.status == 200, await answer.text()


async def test_hiding_takes_effect_at_once_and_then_there_are_no_events(scene, connect):
    _, ben, eyes, phone, _ = scene

    await privacy(ben, showOnlineStatus=False)
    hidden = await eyes.expect("presence")
    await phone.close()
    await connect(ben)
    await ben.client.put("/api/super-lover/status", json={"status": "online"}, headers=ben.auth)
    await privacy(ben, showOnlineStatus=True)
    back = await eyes.expect("presence")

    assert hidden == {"userId": ben.id} | NOTHING
    assert (back["isOnline"], back["superLoverStatus"]) == (True, "online")


async def test_last_seen_is_hidden_on_its_own(scene):
    _, ben, eyes, phone, _ = scene

    await privacy(ben, showLastSeen=False)
    await phone.close()

    assert await eyes.expect("presence") == {"userId": ben.id} | NOTHING | {"superLoverStatus": "ready"}


@pytest.mark.parametrize("blocker", ["watcher", "watched"])
async def test_a_block_either_way_shows_nothing_and_its_end_shows_again(scene, blocker):
    ann, ben, eyes, _, _ = scene
    one, other = (ann, ben) if blocker == "watcher" else (ben, ann)

    await one.post("/api/users/block", {"targetUserId": other.id})
    gone = await eyes.expect("presence")
    asked = await eyes.ask("presence-subscribe", userIds=[ben.id])
    await one.client.delete(f"/api/users/block/{other.id}", headers=one.auth)
    back = await eyes.expect("presence")

    assert gone == asked["presences"][0] == {"userId": ben.id} | NOTHING
    assert back["isOnline"] is True


async def test_a_profile_for_matches_is_seen_by_matches_only(scene):
    ann, ben, eyes, _, _ = scene

    await privacy(ben, profileVisibility="matches")
    hidden = await eyes.expect("presence")
    await privacy(ben, profileVisibility="public")
    await eyes.expect("presence")
    await ann.post("/api/users/like", {"targetUserId": ben.id})
    await ben.post("/api/users/like", {"targetUserId": ann.id})
    await privacy(ben, profileVisibility="matches")
    await eyes.expect("match")
    seen = (await eyes.ask("presence-subscribe", userIds=[ben.id]))["presences"]
    await ben.client.delete(f"/api/users/matches/{ann.id}", headers=ben.auth)
    parted = await eyes.expect("presence")

    assert seen[0]["isOnline"] is True
    assert hidden == parted == {"userId": ben.id} | NOTHING


async def test_strangers_nobody_and_the_banned_look_alike(make_person, connect, sql):
    ann, banned, deleted, hidden = [await make_person() for _ in range(4)]
    eyes = await connect(ann)
    sql("UPDATE users SET status = 'banned', is_online = TRUE WHERE id = %s", banned.id)
    sql(
        "UPDATE users SET status = 'deleted', deleted_at = now(), phone_number = NULL, is_online = TRUE "
        "WHERE id = %s",
        deleted.id,
    )
    sql("UPDATE users SET is_online = TRUE WHERE id = %s", hidden.id)
    await privacy(hidden, profileVisibility="hidden")
    ids = [banned.id, deleted.id, hidden.id, str(uuid4()), ann.id]

    answer = await eyes.ask("presence-subscribe", userIds=ids)

    assert answer["presences"] == [{"userId": user_id} | NOTHING for user_id in ids]


async def test_a_deleted_account_is_told_as_offline(scene, outside):
    _, ben, eyes, _, _ = scene
    await ben.client.post("/api/auth/send-otp", json={"phoneNumber": ben.phone_number})
    code = outside.code_for(ben.phone_number)
    answer = await ben.client.delete("/api/auth/account", json={"otpCode": code}, headers=ben.auth)
    assert answer.status == 200

    assert await eyes.expect("presence") == {"userId": ben.id} | NOTHING


async def test_unsubscribing_ends_it_and_repeats_are_fine(scene, client):
    _, ben, eyes, phone, _ = scene

    answers = [await eyes.ask("presence-unsubscribe", userIds=[ben.id, ben.id]) for _ in range(2)]
    await ben.client.put("/api/super-lover/status", json={"status": "online"}, headers=ben.auth)
    await phone.close()
    again = await eyes.ask("presence-subscribe", userIds=[ben.id, ben.id])

    assert answers == [{"presences": []}] * 2
    assert len(again["presences"]) == 1
    await eyes.close()
    await until(lambda: nothing_watched(client))


async def nothing_watched(client):
    own = client.app[WATCHING]
    return (own._watchers, own._watched) == ({}, {})


async def test_limits_a_hundred_per_frame_and_two_hundred_per_socket(make_person, connect):
    eyes = await connect(await make_person())
    many = [[str(uuid4()) for _ in range(100)] for _ in range(3)]

    refused = await eyes.ask("presence-subscribe", userIds=[*many[0], str(uuid4())])
    full = [len((await eyes.ask("presence-subscribe", userIds=ids))["presences"]) for ids in many[:2]]
    over = await eyes.ask("presence-subscribe", userIds=many[2][:1])
    same = await eyes.ask("presence-subscribe", userIds=many[0][:1])

    assert full == [100, 100]
    assert (refused["error"]["code"], over["error"]["code"]) == ("VALIDATION_ERROR", "VALIDATION_ERROR")
    assert over["error"]["fields"][0]["code"] == "too_many"
    assert len(same["presences"]) == 1
    assert await eyes.ask("presence-subscribe", userIds=[]) == {"presences": []}


async def test_watchers_at_another_node_are_told(make_client, make_person, connect, sql):
    a, b = await make_client(), await make_client()
    ann, ben = await make_person("Ann", at=a), await make_person("Ben", at=a)
    ws = await b.ws_connect("/ws", headers=ann.auth)
    eyes = Phone(elsewhere(ann, b), ws)
    await eyes.expect("ready")
    await eyes.ask("presence-subscribe", userIds=[ben.id])

    phone = await connect(ben)
    came = await eyes.expect("presence")
    await ben.post("/api/users/block", {"targetUserId": ann.id})
    gone = await eyes.expect("presence")

    assert [event["isOnline"] for event in (came, gone)] == [True, False]
    await phone.close()
    await ws.close()


async def test_a_super_lover_who_is_gone_for_fifteen_minutes_is_offline(
    make_client, make_person, connect, sql
):
    client = await make_client(presence_lease_seconds=1.5)
    ann, ben = await make_person("Ann", at=client), await make_person("Ben", at=client, super_lover=True)
    eyes = await connect(ann)
    first = await eyes.ask("presence-subscribe", userIds=[ben.id])

    sql("UPDATE users SET last_seen = now() - interval '14 minutes 59 seconds' WHERE id = %s", ben.id)

    assert first["presences"][0]["superLoverStatus"] == "ready"
    assert (await eyes.expect("presence"))["superLoverStatus"] == "offline"


async def test_a_crowd_of_watchers_costs_one_look(scene, client, make_person, connect, monkeypatch):
    """However many watch somebody, a change of them is two statements."""
    _, ben, eyes, _, _ = scene
    crowd = [eyes, *[await connect(await make_person()) for _ in range(8)]]
    for one in crowd[1:]:
        await one.ask("presence-subscribe", userIds=[ben.id])
    looks = []
    own = client.app[WATCHING]
    look = own._look

    async def counted(targets):
        looks.append({user_id: len(sockets) for user_id, sockets in targets.items()})
        return await look(targets)

    monkeypatch.setattr(own, "_look", counted)

    for _ in range(5):
        await ben.client.put("/api/super-lover/status", json={"status": "online"}, headers=ben.auth)
    statuses = [(await one.expect("presence"))["superLoverStatus"] for one in crowd]

    assert statuses == ["online"] * 9
    assert [len(one) for one in looks] == [1] * len(looks)
    assert len(looks) <= 5
    assert max(next(iter(one.values())) for one in looks) == 9


async def test_the_gate_of_pairs_is_the_gate_of_one(make_person, sql):
    """What watching asks for many is what profiles, likes and calls ask for one."""
    people = [await make_person(f"P{n}") for n in range(6)]
    await people[0].post("/api/users/block", {"targetUserId": people[1].id})
    await privacy(people[2], profileVisibility="hidden")
    await privacy(people[3], profileVisibility="matches")
    await asyncio.gather(
        people[0].post("/api/users/like", {"targetUserId": people[4].id}),
        people[4].post("/api/users/like", {"targetUserId": people[0].id}),
    )
    await privacy(people[4], profileVisibility="matches")
    sql("UPDATE users SET status = 'suspended' WHERE id = %s", people[5].id)
    pairs = [(one.id, other.id) for one in people for other in people]

    seen = sql(
        "SELECT viewer::text, target::text FROM sights(%s::uuid[], %s::uuid[])",
        [viewer for viewer, _ in pairs],
        [target for _, target in pairs],
    )
    alone = [pair for pair in pairs if sql("SELECT can_see(%s, %s)", *pair) == [(True,)]]
    apart = [pair for pair in pairs if sql("SELECT can_interact(%s, %s)", *pair) == [(False,)]]
    shown = {}
    for one in people[:5]:
        profiles = (await one.data("/api/users/discover?limit=50"))["profiles"]
        shown |= {(one.id, card["id"]): True for card in profiles}

    assert sorted(seen) == sorted(alone)
    assert not set(seen) & set(apart)
    assert set(shown) <= set(seen)
    assert (people[0].id, people[4].id) in seen
    assert (people[0].id, people[2].id) not in seen
