"""POST /api/super-lover/rate"""

import asyncio
import random
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from uuid import uuid4

import pytest

from tests.super_lover.conftest import refusal

PATH = "/api/super-lover/rate"


def about(person, rating=5, **more):
    return {"superLoverId": person.id, "rating": rating, **more}


def average(ratings):
    exact = Decimal(sum(ratings)) / len(ratings)
    return exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


@pytest.fixture
async def ann(make_person):
    return await make_person("Ann", super_lover=True)


@pytest.fixture
async def bob(make_person):
    return await make_person("Bob", coins=50)


async def test_the_caller_of_a_call_may_rate_it(ann, bob, had_call, sql):
    call_id = had_call(bob, ann)

    response = await bob.post(PATH, about(ann, 4, comment=" Great conversation! "))

    assert await response.json() == {"success": True, "message": "Rating submitted successfully"}
    rows = sql(
        "SELECT call_id::text, rater_id::text, super_lover_id::text, rating, comment FROM super_lover_ratings"
    )
    assert rows == [(call_id, bob.id, ann.id, 4, "Great conversation!")]
    assert (await bob.data(f"/api/users/{ann.id}"))["user"]["superLoverRating"] == 4.0


async def test_without_a_call_there_is_nothing_to_rate(ann, bob, sql):
    response = await bob.post(PATH, about(ann))

    assert await refusal(response) == (403, "NO_RATEABLE_CALL")
    assert sql("SELECT count(*) FROM super_lover_ratings") == [(0,)]


async def test_a_call_is_rated_once(ann, bob, had_call, sql):
    call_id = had_call(bob, ann)
    await bob.post(PATH, about(ann, 2))

    again = await bob.post(PATH, about(ann, 5))
    by_name = await bob.post(PATH, about(ann, 5, callId=call_id))

    assert await refusal(again) == (403, "NO_RATEABLE_CALL")
    assert await refusal(by_name) == (403, "NO_RATEABLE_CALL")
    assert sql("SELECT super_lover_rating FROM users WHERE id = %s", ann.id) == [(Decimal("2.00"),)]


async def test_the_newest_unrated_call_is_taken_unless_one_is_named(ann, bob, had_call, sql):
    oldest, middle, newest = (had_call(bob, ann, ago=f"{hours} hours") for hours in (3, 2, 1))

    await bob.post(PATH, about(ann, 5, callId=middle))
    await bob.post(PATH, about(ann, 4))
    await bob.post(PATH, about(ann, 3))

    rows = sql("SELECT call_id::text, rating FROM super_lover_ratings")
    assert dict(rows) == {middle: 5, newest: 4, oldest: 3}


@pytest.mark.parametrize(
    "call",
    [
        {"seconds": 9},
        {"ago": "7 days 1 minute"},
    ],
    ids=["shorter than ten seconds", "longer ago than a week"],
)
async def test_some_calls_do_not_count(ann, bob, had_call, call):
    call_id = had_call(bob, ann, **call)

    assert await refusal(await bob.post(PATH, about(ann))) == (403, "NO_RATEABLE_CALL")
    assert await refusal(await bob.post(PATH, about(ann, callId=call_id))) == (403, "NO_RATEABLE_CALL")


@pytest.mark.parametrize(
    "call", [{"seconds": 10}, {"ago": "6 days 23 hours"}], ids=["ten seconds", "almost a week"]
)
async def test_the_edges_count(ann, bob, had_call, call):
    had_call(bob, ann, **call)

    assert (await bob.post(PATH, about(ann))).status == 200


async def test_a_call_still_going_on_does_not_count(ann, bob):
    call = await bob.post("/api/calls/initiate", {"receiverId": ann.id, "callType": "video"})
    call_id = (await call.json())["data"]["callId"]
    await ann.post(f"/api/calls/{call_id}/accept")

    assert await refusal(await bob.post(PATH, about(ann, callId=call_id))) == (403, "NO_RATEABLE_CALL")


async def test_a_missed_call_does_not_count(ann, bob):
    call = await bob.post("/api/calls/initiate", {"receiverId": ann.id, "callType": "video"})
    call_id = (await call.json())["data"]["callId"]
    await bob.post(f"/api/calls/{call_id}/end")

    assert await refusal(await bob.post(PATH, about(ann, callId=call_id))) == (403, "NO_RATEABLE_CALL")


async def test_the_called_side_does_not_rate_back(ann, make_person, had_call):
    eve = await make_person("Eve", super_lover=True)
    had_call(eve, ann)

    assert await refusal(await ann.post(PATH, about(eve))) == (403, "NO_RATEABLE_CALL")


async def test_a_stranger_cannot_rate_somebody_elses_call(ann, bob, make_person, had_call):
    call_id = had_call(bob, ann)
    stranger = await make_person("Stranger")

    assert await refusal(await stranger.post(PATH, about(ann, callId=call_id))) == (403, "NO_RATEABLE_CALL")


async def test_a_call_with_somebody_else_does_not_count(ann, bob, make_person, had_call):
    eve = await make_person("Eve", super_lover=True)
    call_id = had_call(bob, eve)

    assert await refusal(await bob.post(PATH, about(ann, callId=call_id))) == (403, "NO_RATEABLE_CALL")


async def test_nobody_rates_themselves(ann, bob, had_call):
    had_call(bob, ann)

    assert await refusal(await ann.post(PATH, about(ann))) == (403, "NO_RATEABLE_CALL")


async def test_ordinary_people_are_not_rated(bob, make_person, had_call):
    eve = await make_person("Eve")
    had_call(bob, eve, share=0)

    assert await refusal(await bob.post(PATH, about(eve))) == (403, "NO_RATEABLE_CALL")


async def test_people_who_do_not_exist_look_like_people_never_called(bob):
    body = {"superLoverId": str(uuid4()), "rating": 5}

    assert await refusal(await bob.post(PATH, body)) == (403, "NO_RATEABLE_CALL")


async def test_a_block_ends_rating_too(ann, bob, had_call):
    had_call(bob, ann)
    await ann.post("/api/users/block", {"targetUserId": bob.id})

    assert await refusal(await bob.post(PATH, about(ann))) == (403, "NO_RATEABLE_CALL")


@pytest.mark.parametrize(
    "change",
    [
        {"rating": 0},
        {"rating": 6},
        {"rating": 4.5},
        {"rating": True},
        {"rating": None},
        {"rating": "five"},
        {"superLoverId": "me"},
        {"callId": "last"},
        {"comment": "x" * 501},
        {"comment": 7},
        {"userId": "0b0e7a62-58a5-4f0c-a1f7-0a1d0a8ad8a1"},
        {"superLoverRating": 5},
    ],
    ids=str,
)
async def test_other_values_are_refused(ann, bob, had_call, sql, change):
    had_call(bob, ann)

    response = await bob.post(PATH, about(ann) | change)

    assert await refusal(response) == (400, "VALIDATION_ERROR")
    assert sql("SELECT count(*) FROM super_lover_ratings") == [(0,)]


@pytest.mark.parametrize("field", ["superLoverId", "rating"])
async def test_both_fields_are_required(ann, bob, field):
    body = about(ann)
    del body[field]

    error = (await (await bob.post(PATH, body)).json())["error"]

    assert [(fault["path"], fault["code"]) for fault in error["fields"]] == [(field, "required")]


async def test_fifty_ratings_at_once_give_the_exact_average(make_person, patient, had_call, sql):
    dice = random.Random(7)
    ann = await make_person("Ann", super_lover=True, at=patient)
    callers = [await make_person(f"Bob {number}", at=patient) for number in range(5)]
    for caller in callers:
        for _ in range(10):
            had_call(caller, ann, ago=f"{dice.randrange(1, 100)} minutes")
    ratings = [dice.randint(1, 5) for _ in range(50)]

    responses = await asyncio.gather(
        *(callers[turn % 5].post(PATH, about(ann, rating)) for turn, rating in enumerate(ratings))
    )

    assert Counter(response.status for response in responses) == {200: 50}
    (stored,) = sql("SELECT super_lover_rating, super_lover_rating_count FROM users WHERE id = %s", ann.id)
    (recount,) = sql(
        "SELECT round(avg(rating), 2), count(*) FROM super_lover_ratings WHERE super_lover_id = %s", ann.id
    )
    assert stored == recount == (average(ratings), 50)
    assert (await ann.data("/api/super-lover/stats"))["rating"] == float(average(ratings))


async def test_one_call_rated_ten_times_at_once_counts_once(ann, make_person, patient, had_call, sql):
    bob = await make_person("Bob", at=patient)
    call_id = had_call(bob, ann)

    responses = await asyncio.gather(*(bob.post(PATH, about(ann, 3, callId=call_id)) for _ in range(10)))

    assert Counter(response.status for response in responses) == {200: 1, 403: 9}
    assert sql("SELECT super_lover_rating, super_lover_rating_count FROM users WHERE id = %s", ann.id) == [
        (Decimal("3.00"), 1)
    ]


async def test_the_database_takes_one_rating_per_call(ann, bob, had_call, sql):
    call_id = had_call(bob, ann)
    await bob.post(PATH, about(ann))

    with pytest.raises(Exception, match="super_lover_ratings_pkey"):
        sql("INSERT INTO super_lover_ratings VALUES (%s, %s, %s, 5, NULL)", call_id, bob.id, ann.id)
