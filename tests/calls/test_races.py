"""Everything at once: however moves interleave, a call ends as exactly one row of its table."""

import asyncio
import random

from romantic.calls import conduct
from romantic.calls.service import Ending
from tests.calls.stage import initiate

ROUNDS = 25
AT_ONCE = 4

#: Outcome of a call and what it may have cost: (charged, refunded, earned).
LEGAL = {
    ("rejected", "rejected"): (50, 50, 0),
    ("missed", "caller_cancelled"): (50, 50, 0),
    ("missed", "timeout"): (50, 50, 0),
    ("missed", "blocked"): (50, 50, 0),
    ("ended", "user_hangup"): (50, 0, 25),
    ("ended", "blocked"): (50, 0, 25),
}


async def fire(stage, call):
    """Accept, reject, cancel, the ring timer, a block and a hang-up of both sides, in any order."""
    block = conduct.end(stage.app, call_id=call.id, ending=Ending("blocked"))
    moves = [call.accept(), call.reject(), call.end(), call.end(by=call.receiver), block, due(stage, call)]
    random.shuffle(moves)
    await asyncio.gather(*moves)


async def due(stage, call):
    """The ring deadline comes; the sweeper looks every tick."""
    await asyncio.to_thread(
        stage.sql, "UPDATE calls SET ring_deadline = now() WHERE id = %s AND ended_at IS NULL", call.id
    )


async def test_hundred_calls_raced_by_everybody_settle_once_and_legally(stage):
    pairs = [await stage.pair(coins=5_000) for _ in range(AT_ONCE)]
    calls = []

    for _ in range(ROUNDS):
        stage.sql("SET session_replication_role = replica")
        stage.sql("UPDATE calls SET created_at = created_at - interval '1 hour'")
        stage.sql("SET session_replication_role = DEFAULT")
        fresh = [await stage.ring(*pair) for pair in pairs]
        calls += fresh
        await asyncio.gather(*(fire(stage, call) for call in fresh))
        await asyncio.gather(*(call.end() for call in fresh))

    assert len(calls) == 100
    assert {call.outcome for call in calls} <= LEGAL.keys()
    assert [call.money for call in calls] == [LEGAL[call.outcome] for call in calls]
    twice = (
        "SELECT reference_id FROM coin_transactions"
        " WHERE reference_type = 'call' AND transaction_type <> 'spend' GROUP BY 1 HAVING count(*) > 1"
    )
    assert stage.sql(twice) == []


async def test_both_ends_and_the_sweeper_at_once_settle_once(make_stage):
    stage = await make_stage(call_max_seconds=0.2)
    pairs = [await stage.pair() for _ in range(5)]
    calls = [await stage.answered(*pair) for pair in pairs for _ in range(1)]

    answers = await asyncio.gather(
        *(call.end(by=who) for call in calls for who in (call.caller, call.receiver))
    )

    assert {answer.status for answer in answers} == {200}
    numbers = {
        (a.data["callId"], a.data["duration"], a.data["coinsEarned"], a.data["endReason"]) for a in answers
    }
    assert len(numbers) == len(calls)
    assert [call.money for call in calls] == [(50, 0, 25)] * 5


async def test_fifty_initiates_among_ten_people_leave_nobody_in_two_calls(stage):
    people = [await stage.person(coins=500) for _ in range(10)]
    choices = [random.sample(people, 2) for _ in range(50)]

    answers = await asyncio.gather(*(initiate(caller, receiver) for caller, receiver in choices))

    placed = [answer for answer in answers if answer.status == 200]
    assert {answer.code for answer in answers} <= {None, "USER_BUSY", "CALL_GLARE"}
    assert stage.sql("SELECT count(*) FROM live_calls") == [(2 * len(placed),)]
    assert stage.sql("SELECT sum(amount) FROM coin_transactions WHERE reference_type = 'call'") == [
        (50 * len(placed),)
    ]


async def test_two_calling_each_other_at_once_share_one_call_and_one_charge(stage):
    pairs = [(await stage.person(), await stage.person()) for _ in range(10)]

    answers = await asyncio.gather(*(initiate(*way) for pair in pairs for way in (pair, pair[::-1])))

    of_pairs = list(zip(answers[::2], answers[1::2], strict=True))
    assert [sorted(one.status for one in pair) for pair in of_pairs] == [[200, 409]] * 10
    assert {one.code for pair in of_pairs for one in pair} == {None, "CALL_GLARE"}
    assert sorted(stage.moved(a) + stage.moved(b) for a, b in pairs) == [350] * 10


async def test_ring_timer_never_ends_a_call_that_was_answered(stage):
    """The sweeper saw the call as due, and it was answered before the sweeper held it."""
    call = await stage.ring(*await stage.pair())
    await call.accept()

    ending = Ending("timeout")
    await conduct.end_if(stage.app, call_id=call.id, judge=lambda row: ending if row["is_ring_due"] else None)

    assert call.outcome == ("answered", None)


async def test_accept_against_the_deadline_is_either_answered_or_missed(stage):
    calls = [await stage.ring(*await stage.pair()) for _ in range(6)]
    stage.sql("UPDATE calls SET ring_deadline = now() + interval '0.1 seconds'")

    async def late(call, wait):
        await asyncio.sleep(wait)
        return await call.accept()

    answers = await asyncio.gather(*(late(call, 0.035 * turn) for turn, call in enumerate(calls)))

    await asyncio.gather(*(call.end() for call in calls))
    ends = {200: ("ended", (50, 0, 25)), 409: ("missed", (50, 50, 0))}
    assert [(call.outcome[0], call.money) for call in calls] == [ends[answer.status] for answer in answers]


async def test_two_nodes_sweeping_the_same_deadlines_settle_once(make_stage):
    one, _ = await make_stage(call_ring_seconds=0.4), await make_stage(call_ring_seconds=0.4)
    calls = [await one.ring(*await one.pair()) for _ in range(6)]

    outcomes = [await call.over() for call in calls]

    assert outcomes == [("missed", "timeout")] * 6
    assert [call.money for call in calls] == [(50, 50, 0)] * 6
