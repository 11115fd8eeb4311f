"""call.summary: one line that explains every coin of a call."""

import pytest
from structlog.testing import capture_logs

from tests.calls.stage import connected

MEASURED = ("rtt_ms", "jitter_ms", "loss_pct", "mos", "ice_pair", "reconnects")


def summaries(logs):
    return [line for line in logs if line["event"] == "call.summary"]


@pytest.fixture
def logs():
    with capture_logs() as lines:
        yield lines


async def test_line_carries_what_the_call_cost_and_why(stage, logs):
    call = await stage.answered(*await stage.pair())
    call.set("started_at = started_at - interval '62 seconds'")

    await call.end(duration=120)

    (line,) = summaries(logs)
    entries = stage.sql(
        "SELECT id::text FROM coin_transactions WHERE reference_id = %s ORDER BY seq", call.id
    )
    assert line.items() >= {
        "call_id": call.id, "room_id": call.room_id, "caller_id": str(call.caller.id),
        "receiver_id": str(call.receiver.id), "ended_by": str(call.caller.id), "call_type": "video",
        "outcome": "ended", "end_reason": "user_hangup", "duration_s": 62, "client_duration_s": 120,
        "duration_gap_s": 58, "metered_by": "wallclock", "billing": "flat", "price": 50, "share": 0.5,
        "coins_charged": 50, "coins_refunded": 0, "coins_spent": 50, "coins_earned": 25,
    }.items()  # fmt: skip
    assert [(one,) for one in line["ledger_ids"]] == entries
    assert line["initiated_at"] <= line["answered_at"] <= line["ended_at"]


async def test_what_was_not_measured_is_null(stage, logs):
    call = await stage.ring(*await stage.pair())

    await call.end()

    (line,) = summaries(logs)
    unmeasured = [f"{name}_{side}" for name in MEASURED[:5] for side in ("caller", "receiver")]
    nothing = [
        "answered_at",
        "connected_at",
        "setup_ms",
        "client_duration_s",
        "gaps",
        "evidence_level",
        *unmeasured,
    ]
    assert {name: line[name] for name in nothing} == dict.fromkeys(nothing)
    assert line["ring_ms"] >= 0


async def test_evidence_is_named(stage, connect, logs):
    ann, bea = await stage.pair()
    phones = await connect(ann), await connect(bea)
    call = await stage.answered(ann, bea)
    await connected(call, *phones)

    await call.end()

    (line,) = summaries(logs)
    assert (line["metered_by"], line["evidence_level"], line["gaps"]) == ("evidence", "E1", 0)
    assert line["connected_at"] >= line["answered_at"]


async def test_disputed_duration_is_logged_and_small_differences_are_not(stage, logs):
    claims = (5, 6)

    for claim in claims:
        call = await stage.answered(*await stage.pair())
        await call.end(duration=claim)

    assert [line["claimed_s"] for line in logs if line["event"] == "call.duration_disputed"] == [6]


async def test_repeated_end_writes_no_second_line(stage, logs):
    call = await stage.answered(*await stage.pair())

    for _ in range(3):
        await call.end()

    assert len(summaries(logs)) == 1


async def test_every_coin_of_the_line_is_an_entry(stage, logs):
    call = await stage.answered(*await stage.pair())

    await call.end()

    entries = [line for line in logs if line["event"] == "ledger.entry" and line["reference_id"] == call.id]
    assert sorted(entry["amount"] for entry in entries) == [-50, 25]
