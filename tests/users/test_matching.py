"""Likes, passes, matches: POST /api/users/like and what follows from it"""

import asyncio
from uuid import uuid4

import pytest


async def like(person, other):
    response = await person.post("/api/users/like", {"targetUserId": str(other.id)})
    return await response.json()


async def test_a_like_alone_is_no_match(make_person):
    ann, ben = await make_person("Ann"), await make_person("Ben")

    answer = await like(ann, ben)

    assert answer["data"] == {"isMatch": False, "matchUser": None}


async def test_the_second_like_makes_the_match_and_tells_both(make_person, connect):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    phones = await connect(ann), await connect(ben)
    await like(ann, ben)

    answer = await like(ben, ann)

    assert answer["message"] == "It's a match! 🎉"
    assert answer["data"]["matchUser"] == {"id": ann.id, "fullName": "Ann", "profileImageUrl": None}
    assert (await phones[0].expect("match"))["matchUser"]["id"] == ben.id
    assert (await phones[1].expect("match"))["matchUser"]["id"] == ann.id


async def test_simultaneous_likes_make_exactly_one_match(make_person, connect, sql):
    people = [await make_person(f"P{n}") for n in range(12)]
    pairs = [(one, other) for index, one in enumerate(people) for other in people[index + 1 :]]
    phones = {person.id: await connect(person) for person in people}

    answers = await asyncio.gather(
        *(like(a, b) for one, other in pairs for a, b in ((one, other), (other, one)))
    )

    matched = [answer["data"]["isMatch"] for answer in answers]
    told = []
    for phone in phones.values():
        told += [await phone.expect("match") for _ in range(11)]
    assert sql("SELECT count(*) FROM matches") == [(len(pairs),)]
    assert all(first or second for first, second in zip(matched[::2], matched[1::2], strict=True))
    assert len(told) == 2 * len(pairs)
    for phone in phones.values():
        await phone.hears_nothing_of("match")


async def test_liking_again_is_harmless_and_announces_nothing_new(make_person, connect, sql):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await like(ann, ben)
    await like(ben, ann)
    phone = await connect(ann)

    answer = await like(ben, ann)

    assert answer["data"]["isMatch"] is True
    await phone.hears_nothing_of("match")
    assert sql("SELECT count(*) FROM user_interactions") == [(2,)]


async def test_the_last_word_counts(make_person, sql):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await like(ann, ben)
    await like(ben, ann)

    await ann.post("/api/users/pass", {"targetUserId": ben.id})

    assert sql("SELECT interaction_type FROM user_interactions WHERE user_id = %s", ann.id) == [("pass",)]
    assert sql("SELECT count(*) FROM matches") == [(0,)]


async def test_a_like_after_a_pass_takes_the_pass_back(make_person, sql):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await ann.post("/api/users/pass", {"targetUserId": ben.id})

    await like(ann, ben)

    assert sql("SELECT interaction_type FROM user_interactions") == [("like",)]


@pytest.mark.parametrize("verb", ["like", "pass", "block", "report"])
async def test_nobody_judges_themselves_or_a_ghost(make_person, verb):
    ann = await make_person("Ann")
    extra = {"reason": "Spam"} if verb == "report" else {}

    statuses = [
        (await ann.post(f"/api/users/{verb}", {"targetUserId": str(target), **extra})).status
        for target in (ann.id, uuid4())
    ]

    assert statuses == [404, 404]


async def test_matches_come_with_their_last_message_and_what_is_unread(make_person, sql):
    ann, ben, cleo = [await make_person(name) for name in ("Ann", "Ben", "Cleo")]
    for other in (ben, cleo):
        await like(ann, other)
        await like(other, ann)
    sql(
        "INSERT INTO messages (sender_id, receiver_id, message_text, created_at) VALUES "
        "(%s, %s, 'first', now() - interval '2 minutes'), (%s, %s, 'Hey there!', now() + interval '1 minute')",
        ann.id, ben.id, ben.id, ann.id,
    )  # fmt: skip

    data = await ann.data("/api/users/matches")

    assert [match["id"] for match in data["matches"]] == [ben.id, cleo.id]
    assert (data["matches"][0]["lastMessage"], data["matches"][0]["unreadCount"]) == ("Hey there!", 1)
    assert (data["matches"][1]["lastMessage"], data["matches"][1]["unreadCount"]) == (None, 0)
    assert data["pagination"]["total"] == 2


async def test_unmatching_parts_both_until_both_like_again(make_person, sql):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await like(ann, ben)
    await like(ben, ann)

    gone = await ann.client.delete(f"/api/users/matches/{ben.id}", headers=ann.auth)
    again = await ann.client.delete(f"/api/users/matches/{ben.id}", headers=ann.auth)

    assert (gone.status, again.status) == (200, 404)
    assert (await ben.data("/api/users/matches"))["matches"] == []
    assert (await like(ann, ben))["data"]["isMatch"] is True


async def test_likes_received_show_who_waits_for_an_answer(make_person):
    ann, ben, cleo = [await make_person(name) for name in ("Ann", "Ben", "Cleo")]
    await like(ben, ann)
    await like(cleo, ann)
    await ann.post("/api/users/pass", {"targetUserId": cleo.id})

    data = await ann.data("/api/users/likes")

    assert [person["id"] for person in data["likes"]] == [ben.id]


async def test_an_undone_pass_brings_the_person_back(make_person):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await ann.post("/api/users/pass", {"targetUserId": ben.id})

    undone = await ann.client.delete(f"/api/users/pass/{ben.id}", headers=ann.auth)

    assert undone.status == 200
    assert [one["id"] for one in (await ann.data("/api/users/discover"))["profiles"]] == [ben.id]


async def test_the_like_after_the_daily_two_hundred_is_refused(make_client, make_person, sql):
    client = await make_client(rate_limits="on")
    ann = await make_person("Ann", at=client)
    ben = await make_person("Ben", at=client)

    statuses = [(await ann.post("/api/users/like", {"targetUserId": ben.id})).status for _ in range(201)]

    assert statuses == [200] * 200 + [429]
