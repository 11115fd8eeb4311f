"""POST /api/calls/initiate: who may ring whom, and that no refusal moves a coin."""

import asyncio
from uuid import uuid4

import pytest

from tests.calls.stage import initiate, until


async def test_answer_tells_price_terms_and_balance(stage):
    ann, bea = await stage.pair(coins=140)

    answer = await initiate(ann, bea, "audio")

    data = answer.data
    assert (data["coinsSpent"], data["newBalance"], data["billing"]) == (50, 90, "flat")
    assert (data["maxSeconds"], data["pricePerMinute"], data["ringSecondsLeft"]) == (3600, None, 45)
    assert data["iceServers"]


async def test_receiver_rings_and_caller_hears_of_the_charge(stage, connect):
    ann, bea = await stage.pair()
    ringing, paying = await connect(bea), await connect(ann)

    call = await stage.ring(ann, bea)

    incoming, balance = await ringing.expect("incoming-call"), await paying.expect("balance")
    assert (incoming["callId"], incoming["caller"]["id"]) == (call.id, ann.id)
    assert balance == {
        "balance": 150, "delta": -50, "type": "spend", "referenceType": "call", "referenceId": call.id,
    }  # fmt: skip


def self_call(ann, bea):
    return str(ann.id)


def unknown(ann, bea):
    return str(uuid4())


def malformed(ann, bea):
    return "nobody"


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        (self_call, 400, "VALIDATION_ERROR"),
        (malformed, 400, "VALIDATION_ERROR"),
        (unknown, 409, "USER_UNAVAILABLE"),
    ],
)
async def test_nobody_to_call_is_refused(stage, target, status, code):
    ann, bea = await stage.pair()

    response = await ann.post("/api/calls/initiate", {"receiverId": target(ann, bea), "callType": "video"})

    answer = await response.json()
    assert (response.status, answer["error"]["code"]) == (status, code)
    assert stage.moved(ann) == 200


@pytest.mark.parametrize("standing", ["banned", "suspended"])
async def test_banned_receiver_looks_unavailable(stage, standing):
    ann, bea = await stage.pair()
    stage.sql("UPDATE users SET status = %s WHERE id = %s", standing, bea.id)

    answer = await initiate(ann, bea)

    assert (answer.status, answer.code, stage.moved(ann)) == (409, "USER_UNAVAILABLE", 200)


@pytest.mark.parametrize("blocker", [0, 1])
async def test_block_of_either_side_looks_like_absence(stage, blocker):
    people = await stage.pair()
    stage.sql(
        "INSERT INTO user_interactions (user_id, target_user_id, interaction_type) VALUES (%s, %s, 'block')",
        people[blocker].id, people[1 - blocker].id,
    )  # fmt: skip

    answer = await initiate(*people)

    assert (answer.status, answer.code, stage.moved(people[0])) == (409, "USER_UNAVAILABLE", 200)


async def test_too_few_coins_are_refused_with_price_and_balance(stage):
    ann, bea = await stage.pair(coins=49)

    answer = await initiate(ann, bea)

    assert (answer.status, answer.code) == (402, "INSUFFICIENT_COINS")
    assert answer.meta == {"required": 50, "balance": 49}
    assert stage.sql("SELECT count(*) FROM calls") == [(0,)]


async def test_busy_caller_learns_of_their_own_call(stage):
    ann, bea = await stage.pair()
    call = await stage.ring(ann, bea)
    cleo = await stage.person("Cleo")

    answer = await initiate(ann, cleo)

    assert (answer.status, answer.code, answer.meta) == (409, "USER_BUSY", {"callId": call.id})
    assert stage.moved(ann) == 150


async def test_busy_receiver_is_refused_without_naming_their_call(stage):
    await stage.ring(*(people := await stage.pair()))
    cleo = await stage.person("Cleo")

    answers = [await initiate(cleo, busy) for busy in people]

    assert [(one.status, one.code, one.meta) for one in answers] == [(409, "USER_BUSY", {})] * 2
    assert stage.moved(cleo) == 200


async def test_calling_who_is_calling_me_is_glare(stage):
    ann, bea = await stage.pair()
    call = await stage.ring(ann, bea)
    stage.sql("SELECT id FROM add_entry(%s, 'earn', 100, 'gift', 'test', NULL, NULL)", bea.id)

    answer = await initiate(bea, ann)

    assert (answer.status, answer.code, answer.meta) == (409, "CALL_GLARE", {"callId": call.id})
    assert stage.moved(bea) == 100


async def test_fourth_unanswered_call_in_ten_minutes_is_refused(stage):
    ann, bea = await stage.pair()
    for _ in range(3):
        await (await stage.ring(ann, bea)).end()

    answer = await initiate(ann, bea)

    assert (answer.status, answer.code, stage.moved(ann)) == (429, "RATE_LIMITED", 200)
    assert answer.body["error"]["retryable"] is True


async def test_unanswered_calls_are_forgiven_after_ten_minutes(stage):
    ann, bea = await stage.pair()
    for _ in range(3):
        await (await stage.ring(ann, bea)).end()
    stage.sql("SET session_replication_role = replica")
    stage.sql("UPDATE calls SET created_at = created_at - interval '11 minutes'")

    answer = await initiate(ann, bea)

    assert answer.status == 200


async def test_policy_admits_super_lovers_and_matches_only(make_stage):
    stage = await make_stage(call_policy="superlover_or_match")
    ann, lover = await stage.pair()
    match, stranger = await stage.person("Mia"), await stage.person("Sue")
    low, high = sorted([ann.id, match.id])
    stage.sql("INSERT INTO matches (user_low, user_high) VALUES (%s, %s)", low, high)

    answers = []
    for person in (lover, match, stranger):
        answers.append(await initiate(ann, person))
        stage.sql("UPDATE calls SET ring_deadline = now() WHERE ended_at IS NULL")
        await until(lambda: stage.sql("SELECT count(*) FROM live_calls") == [(0,)])

    assert [(answer.status, answer.code) for answer in answers] == [
        (200, None), (200, None), (409, "USER_UNAVAILABLE"),
    ]  # fmt: skip


async def test_reachable_policy_wants_a_socket(make_stage, connect):
    stage = await make_stage(call_require_reachable="on")
    ann, bea = await stage.pair()

    away = await initiate(ann, bea)
    await connect(bea)
    there = await initiate(ann, bea)

    assert (away.status, away.code) == (409, "USER_UNAVAILABLE")
    assert there.status == 200


async def test_free_call_writes_no_entry(make_stage):
    stage = await make_stage(call_cost_video=0)
    ann, bea = await stage.pair(coins=7)

    call = await stage.answered(ann, bea)
    ended = await call.end()

    assert (ended.data["coinsSpent"], ended.data["coinsEarned"], ended.data["newBalance"]) == (0, 0, 7)
    assert call.money == (0, 0, 0)


async def test_twenty_retries_under_one_key_ring_and_charge_once(stage):
    ann, bea = await stage.pair()
    headers = {"Idempotency-Key": "tap-1"}

    answers = await asyncio.gather(*(initiate(ann, bea, headers=headers) for _ in range(20)))
    replay = await initiate(ann, bea, headers=headers)

    assert {answer.status for answer in answers} <= {200, 409}
    assert {answer.code for answer in answers} <= {None, "REQUEST_IN_FLIGHT"}
    assert replay.status == 200
    assert {answer.data["callId"] for answer in answers if answer.status == 200} <= {replay.data["callId"]}
    assert stage.moved(ann) == 150


async def test_refusal_under_a_key_is_replayed(stage):
    ann, bea = await stage.pair(coins=10)
    headers = {"Idempotency-Key": "tap-2"}

    first = await initiate(ann, bea, headers=headers)
    stage.sql("SELECT id FROM add_entry(%s, 'earn', 100, 'gift', 'test', NULL, NULL)", ann.id)
    second = await initiate(ann, bea, headers=headers)

    assert (first.status, second.status) == (402, 402)
    assert stage.moved(ann) == 110
