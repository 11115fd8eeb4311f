"""The rules of calls as PostgreSQL keeps them, whatever the code above it does."""

import psycopg2
import pytest

from tests.calls.stage import Call

STATES = ("initiated", "ringing", "answered", "ended", "missed", "rejected")
LEGAL = {
    ("initiated", "ringing"), ("initiated", "answered"), ("initiated", "missed"), ("initiated", "rejected"),
    ("ringing", "answered"), ("ringing", "missed"), ("ringing", "rejected"), ("answered", "ended"),
}  # fmt: skip
ILLEGAL = sorted({(a, b) for a in STATES for b in STATES if a != b} - LEGAL)


async def bring(call: Call, state: str) -> None:
    """Straight into a state, with every trigger asleep."""
    over = state in ("ended", "missed", "rejected")
    call.sql("SET session_replication_role = replica")
    call.sql(
        "UPDATE calls SET status = %s, answered_at = now(), ended_at = CASE WHEN %s THEN now() END,"
        " end_reason = CASE WHEN %s THEN 'admin' END,"
        " coins_refunded = CASE WHEN %s THEN coins_charged ELSE 0 END"
        " WHERE id = %s",
        state, over, over, over, call.id,
    )  # fmt: skip
    call.sql("DELETE FROM live_calls WHERE %s", over)
    call.sql("SET session_replication_role = DEFAULT")
    if over:
        call.sql(
            "SELECT id FROM add_entry(%s, 'refund', 50, %s, 'test', 'call', %s)",
            call.caller.id, f"call:{call.id}:refund", call.id,
        )  # fmt: skip


async def test_moves_the_state_machine_does_not_know_are_refused(stage):
    ann, bea = await stage.pair(coins=5_000)
    refused = []

    for before, after in ILLEGAL:
        call = await stage.ring(ann, bea)
        await bring(call, before)
        refused.append(refuses(call, f"status = '{after}', answered_at = now()"))
        await bring_home(call)

    assert refused == [True] * len(ILLEGAL)


def refuses(call: Call, assignment: str) -> bool:
    try:
        call.set(assignment)
    except psycopg2.errors.CheckViolation:
        return True
    return False


async def bring_home(call: Call) -> None:
    await call.end()
    call.sql("SET session_replication_role = replica")
    call.sql("UPDATE calls SET created_at = created_at - interval '1 hour'")
    call.sql("SET session_replication_role = DEFAULT")


@pytest.mark.parametrize(
    "assignment",
    [
        "coins_refunded = 0",
        "coins_earned = 1",
        "coins_charged = 60",
        "duration_seconds = 9999",
        "ended_at = now()",
        "end_reason = 'admin'",
        "ended_by = receiver_id",
        "started_at = NULL",
        "webrtc_offer = 'v=0'",
        "gaps = 3",
        "status = 'answered', ended_at = NULL, end_reason = NULL",
    ],
)
async def test_finished_call_is_immutable(stage, assignment):
    call = await stage.ring(*await stage.pair())
    await call.end()

    assert refuses(call, assignment)


async def test_finished_call_cannot_be_deleted(stage):
    call = await stage.ring(*await stage.pair())
    await call.end()

    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        stage.sql("DELETE FROM calls WHERE id = %s", call.id)


@pytest.mark.parametrize(
    "assignment", ["price = 1", "share = 1", "billing = 'metered'", "receiver_id = caller_id"]
)
async def test_what_was_agreed_does_not_change(stage, assignment):
    call = await stage.answered(*await stage.pair())

    assert refuses(call, assignment)


@pytest.mark.parametrize(
    "assignment",
    [
        "coins_earned = 26, coins_refunded = 25, status = 'ended', ended_at = now(), end_reason = 'admin'",
        "coins_refunded = 51, status = 'ended', ended_at = now(), end_reason = 'admin'",
        "coins_refunded = 50",
        "duration_seconds = -1",
        "status = 'ended', end_reason = 'admin'",
        "status = 'ended', ended_at = now()",
        "status = 'ended', ended_at = now(), end_reason = 'boredom'",
        "status = 'ended', ended_at = now(), end_reason = 'admin', webrtc_offer = 'v=0'",
    ],
)
async def test_impossible_numbers_are_refused(stage, assignment):
    call = await stage.answered(*await stage.pair())

    assert refuses(call, assignment)


async def test_unanswered_call_cannot_end_without_its_refund(stage):
    call = await stage.ring(*await stage.pair())

    assert refuses(call, "status = 'missed', ended_at = now(), end_reason = 'timeout'")


async def test_live_calls_follow_the_call(stage):
    ann, bea = await stage.pair()
    rows = "SELECT user_id::text FROM live_calls WHERE call_id = %s ORDER BY 1"

    call = await stage.ring(ann, bea)
    while_live = stage.sql(rows, call.id)
    await call.end()

    assert while_live == sorted([(str(ann.id),), (str(bea.id),)])
    assert stage.sql(rows, call.id) == []


async def test_second_live_call_of_a_person_is_refused_in_either_role(stage):
    ann, bea = await stage.pair()
    await stage.ring(ann, bea)
    cleo = await stage.person("Cleo")
    insert = (
        "INSERT INTO calls (caller_id, receiver_id, call_type, billing, price, coins_charged, share,"
        " block_seconds, max_seconds, ring_deadline) VALUES (%s, %s, 'video', 'flat', 0, 0, 0, 60, 60, now())"
    )

    for pair in ((ann, cleo), (cleo, ann), (bea, cleo), (cleo, bea)):
        with pytest.raises(psycopg2.errors.UniqueViolation):
            stage.sql(insert, pair[0].id, pair[1].id)


async def test_descriptions_are_gone_when_the_call_is(stage):
    call = await stage.answered(*await stage.pair())
    path = f"/api/calls/{call.id}/webrtc"
    await call.caller.post(f"{path}/offer", {"sdp": "v=0 o", "roomId": call.room_id})
    await call.receiver.post(f"{path}/answer", {"sdp": "v=0 a", "roomId": call.room_id})
    while_live = call.column("webrtc_offer"), call.column("webrtc_answer")

    await call.end()

    assert while_live == ("v=0 o", "v=0 a")
    assert (call.column("webrtc_offer"), call.column("webrtc_answer")) == (None, None)


async def test_timeline_tells_every_status(stage):
    call = await stage.answered(*await stage.pair())
    await call.end()

    timeline = stage.sql(
        "SELECT event, detail ->> 'reason' FROM call_events WHERE call_id = %s ORDER BY id", call.id
    )

    assert timeline == [("initiated", None), ("answered", None), ("ended", "user_hangup")]
