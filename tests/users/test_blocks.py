"""POST /api/users/block: nothing passes between the two, and the blocked side cannot tell"""

from uuid import uuid4

import pytest


async def block(person, other):
    return await person.post("/api/users/block", {"targetUserId": str(other.id)})


async def refusal(response):
    answer = await response.json()
    answer["error"].pop("requestId")
    return response.status, answer


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/users/{id}", None),
        ("POST", "/api/users/like", {"targetUserId": "{id}"}),
        ("POST", "/api/users/pass", {"targetUserId": "{id}"}),
        ("POST", "/api/calls/initiate", {"receiverId": "{id}", "callType": "audio"}),
    ],
)
async def test_a_blocked_person_sees_what_they_would_of_nobody(make_person, method, path, body):
    """The refusal is the same, to the letter, as for an id that never existed; and so for the blocker."""
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await block(ann, ben)

    async def attempt(person, target):
        filled = {key: value.replace("{id}", str(target)) for key, value in (body or {}).items()}
        return await refusal(
            await person.client.request(
                method, path.replace("{id}", str(target)), json=filled or None, headers=person.auth
            )
        )

    ghost = uuid4()
    assert await attempt(ben, ann.id) == await attempt(ben, ghost)
    assert await attempt(ann, ben.id) == await attempt(ann, ghost)


async def test_a_block_ends_match_and_likes(make_person, sql):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await ann.post("/api/users/like", {"targetUserId": ben.id})
    await ben.post("/api/users/like", {"targetUserId": ann.id})

    await block(ann, ben)

    assert (await ben.data("/api/users/matches"))["matches"] == []
    assert sql("SELECT interaction_type FROM user_interactions") == [("block",)]


async def test_a_block_ends_the_live_call_and_does_not_say_why(make_person, connect):
    ann, ben = await make_person("Ann", super_lover=True), await make_person("Ben", coins=100)
    phones = await connect(ann), await connect(ben)
    call = (
        await (await ben.post("/api/calls/initiate", {"receiverId": ann.id, "callType": "audio"})).json()
    )["data"]
    await phones[0].ask("call-accept", callId=call["callId"])
    for phone in phones:
        await phone.ask("join-room", roomId=call["roomId"])

    await block(ann, ben)

    ended = await phones[1].expect("call-ended")
    told = await ben.data(f"/api/calls/{call['callId']}")
    assert "block" not in str(ended)
    assert "block" not in str(told)
    assert (await phones[1].ask("ice-candidate", roomId=call["roomId"], candidate=None))["error"][
        "code"
    ] == "NOT_IN_CALL"
    assert await ben.balance() == 100


async def test_a_block_stops_the_ringing_and_refunds(make_person, connect):
    ann, ben = await make_person("Ann"), await make_person("Ben", coins=100)
    phone = await connect(ann)
    await ben.post("/api/calls/initiate", {"receiverId": ann.id, "callType": "audio"})
    await phone.expect("incoming-call")

    await block(ann, ben)

    await phone.expect("call-cancelled")
    assert await ben.balance() == 100


async def test_blocking_twice_is_fine_and_unblocking_restores(make_person):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await block(ann, ben)

    assert (await block(ann, ben)).status == 200
    listed = await ann.data("/api/users/blocked")
    lifted = await ann.client.delete(f"/api/users/block/{ben.id}", headers=ann.auth)
    again = await ann.client.delete(f"/api/users/block/{ben.id}", headers=ann.auth)

    assert [person["id"] for person in listed["users"]] == [ben.id]
    assert (lifted.status, again.status) == (200, 404)
    assert (await ben.get(f"/api/users/{ann.id}")).status == 200


async def test_the_blocked_cannot_lift_the_block(make_person):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await block(ann, ben)

    response = await ben.client.delete(f"/api/users/block/{ann.id}", headers=ben.auth)

    assert response.status == 404
    assert (await ben.get(f"/api/users/{ann.id}")).status == 404


async def test_a_report_keeps_what_moderators_need(make_person, sql):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    for number in range(25):
        sql(
            "INSERT INTO messages (sender_id, receiver_id, message_text) VALUES (%s, %s, %s)",
            ben.id,
            ann.id,
            f"m{number}",
        )
    await block(ann, ben)

    body = {
        "targetUserId": ben.id,
        "reason": "Inappropriate behavior",
        "description": "He sent inappropriate messages",
    }
    first = await ann.post("/api/users/report", body)
    second = await ann.post("/api/users/report", body)

    [(snapshot,)] = sql("SELECT snapshot FROM reports")
    assert (first.status, second.status) == (200, 429)
    assert snapshot["profile"]["fullName"] == "Ben"
    assert len(snapshot["messages"]) == 20
