"""The canonical line of a call: every coin of it explained in one place."""

from datetime import datetime
from typing import Any

import structlog

from romantic.calls.known import KnownCall
from romantic.db import Row

log = structlog.get_logger()

DISPUTED_SECONDS = 5


def log_summary(call: Row, entries: list[Row], known: KnownCall | None) -> None:
    """Write `call.summary`; what was not measured is null, never 0. Call after the commit."""
    claimed = call["client_duration_seconds"]
    gap = None if claimed is None else claimed - call["duration_seconds"]
    log.info(
        "call.summary",
        call_id=str(call["id"]),
        room_id=call["webrtc_room_id"],
        caller_id=str(call["caller_id"]),
        receiver_id=str(call["receiver_id"]),
        call_type=call["call_type"],
        is_test=call["is_test"],
        outcome=call["status"],
        end_reason=call["end_reason"],
        ended_by=str(call["ended_by"]) if call["ended_by"] else None,
        initiated_at=_iso(call["created_at"]),
        answered_at=_iso(call["answered_at"]),
        connected_at=_iso(call["started_at"]),
        ended_at=_iso(call["ended_at"]),
        ring_ms=_ms(call["ring_seconds"]),
        setup_ms=_ms(call["setup_seconds"]),
        duration_s=call["duration_seconds"],
        metered_by=call["metered_by"],
        client_duration_s=claimed,
        duration_gap_s=gap,
        billing=call["billing"],
        price=call["price"],
        blocks_charged=call["blocks_charged"],
        share=float(call["share"]),
        coins_charged=call["coins_charged"],
        coins_spent=call["coins_spent"],
        coins_refunded=call["coins_refunded"],
        coins_earned=call["coins_earned"],
        ledger_ids=[str(entry["id"]) for entry in entries],
        gaps=call["gaps"] if call["evidence_level"] else None,
        evidence_level=call["evidence_level"],
        **_sides(known),
    )
    if gap is not None and abs(gap) > DISPUTED_SECONDS:
        log.warning(
            "call.duration_disputed",
            call_id=str(call["id"]),
            claimed_s=claimed,
            duration_s=call["duration_seconds"],
        )


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _sides(known: KnownCall | None) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for side in ("caller", "receiver"):
        leg = known.legs[known.caller_id if side == "caller" else known.receiver_id] if known else None
        measured = leg.summary() if leg else dict.fromkeys(("rtt_ms", "jitter_ms", "loss_pct", "mos"))
        fields |= {f"{name}_{side}": value for name, value in measured.items()}
        fields[f"ice_pair_{side}"] = leg.pair if leg else None
        fields[f"reconnects_{side}"] = leg.reconnects if leg else None
    return fields
