"""GET /api/super-lover/stats"""

import random
from datetime import UTC, datetime, timedelta

import pytest

from tests.super_lover.conftest import add_entry, refusal


async def test_without_calls_everything_is_zero(make_person):
    ann = await make_person(super_lover=True)

    assert await ann.data("/api/super-lover/stats") == {
        "rating": 0.0,
        "totalCalls": 0,
        "totalEarnings": 0,
        "totalDuration": 0,
        "averageCallDuration": 0,
        "monthlyEarnings": 0,
        "totalDurationSeconds": 0,
        "averageCallDurationSeconds": 0,
    }


async def test_a_real_call_counts_and_earns(make_person):
    ann, bob = await make_person(super_lover=True), await make_person("Bob", coins=50)
    started = await bob.post("/api/calls/initiate", {"receiverId": ann.id, "callType": "video"})
    call_id = (await started.json())["data"]["callId"]
    await ann.post(f"/api/calls/{call_id}/accept")
    await bob.post(f"/api/calls/{call_id}/end", {"duration": 9999})

    stats = await ann.data("/api/super-lover/stats")

    assert (stats["totalCalls"], stats["totalEarnings"], stats["monthlyEarnings"]) == (1, 25, 25)
    assert stats["totalDurationSeconds"] < 60


async def test_durations_are_minutes_and_seconds_rounded(make_person, had_call):
    ann, bob = await make_person(super_lover=True), await make_person("Bob")
    had_call(bob, ann, seconds=100)
    had_call(bob, ann, seconds=101)

    stats = await ann.data("/api/super-lover/stats")

    assert (stats["totalDurationSeconds"], stats["averageCallDurationSeconds"]) == (201, 101)
    assert (stats["totalDuration"], stats["averageCallDuration"]) == (3, 2)


async def test_only_calls_that_came_about_and_were_shared_count(make_person, had_call):
    ann, bob = await make_person(super_lover=True), await make_person("Bob", super_lover=True)
    had_call(bob, ann, seconds=30)
    had_call(bob, ann, seconds=0, connected=False)
    had_call(bob, ann, seconds=50, share=0)
    had_call(ann, bob, seconds=70)

    stats = await ann.data("/api/super-lover/stats")

    assert (stats["totalCalls"], stats["totalDurationSeconds"]) == (1, 30)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_totals_equal_the_ledger_for_random_histories(make_person, had_call, sql, seed):
    dice = random.Random(seed)
    ann, bob = await make_person(super_lover=True), await make_person("Bob", super_lover=True)
    month_start = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    calls = []
    for _ in range(40):
        hours = dice.choice((1, 30, 24 * 40, 24 * 400))
        at = datetime.now(UTC) - timedelta(hours=hours)
        calls.append((dice.randrange(0, 4000), dice.choice((0, 25, 25, 50)), at >= month_start))
        had_call(bob, ann, seconds=calls[-1][0], earned=calls[-1][1], ago=f"{hours} hours")
    had_call(ann, bob, seconds=500, earned=25)
    add_entry(sql, ann, "earn", 5, ago="1 hour", reference="ad")
    add_entry(sql, ann, "refund", 50, ago="1 hour", reference="call")
    add_entry(sql, ann, "spend", 20, ago="1 hour", reference="call")

    stats = await ann.data("/api/super-lover/stats")

    assert stats["totalCalls"] == 40
    assert stats["totalDurationSeconds"] == sum(seconds for seconds, _, _ in calls)
    assert stats["totalEarnings"] == sum(earned for _, earned, _ in calls)
    assert stats["monthlyEarnings"] == sum(earned for _, earned, is_recent in calls if is_recent)


async def test_months_begin_in_utc(make_person, sql):
    ann = await make_person(super_lover=True)
    (since,) = sql("SELECT now() - date_trunc('month', now(), 'UTC')")[0]
    add_entry(sql, ann, "earn", 7, ago=f"{since.total_seconds() + 3600} seconds", reference="call")
    add_entry(sql, ann, "earn", 11, ago=f"{since.total_seconds()} seconds", reference="call")

    stats = await ann.data("/api/super-lover/stats")

    assert (stats["totalEarnings"], stats["monthlyEarnings"]) == (18, 11)


async def test_only_super_lovers_have_them(make_person):
    ann = await make_person()

    assert await refusal(await ann.get("/api/super-lover/stats")) == (403, "NOT_SUPER_LOVER")
