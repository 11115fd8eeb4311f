"""What is known of people's networks: results by person and network, for a day."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from romantic.db import Connection, Row, load_queries
from romantic.errors import RateLimited
from romantic.logs import cut_address
from romantic.probe.errors import ProbeNotFound
from romantic.probe.verdict import ADVICE, Connectivity, forecast

sql = load_queries("probe")

#: A probe that has not ended by then has lost its process.
LIFE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A person and the ids of the networks they are on now; None: wherever they were last."""

    user_id: UUID
    networks: list[str] | None


def network_id(address: str, *, pepper: str) -> str:
    """A keyed hash of the network an address belongs to, useless without the pepper.

    By /24 and /48: the addresses of one carrier or household change, what stands between does not.
    """
    message = b"network|" + cut_address(address).encode()
    return hmac.digest(pepper.encode(), message, hashlib.sha256).hex()[:16]


async def start(
    conn: Connection,
    *,
    probe_id: UUID,
    user_id: UUID,
    network_id: str,
    network_kind: str | None,
    gap_seconds: float,
) -> None:
    """Write down that a probe runs; raises RateLimited before the gap is over. Needs a transaction."""
    await conn.one(sql.lock_prober, user_id=user_id)
    wait = await conn.value(sql.seconds_to_wait, user_id=user_id, gap_seconds=gap_seconds)
    if wait is not None and wait > 0:
        raise RateLimited("One probe at a time, and a pause in between.", retry_after=wait)
    await conn.run(
        sql.add_probe, probe_id=probe_id, user_id=user_id, network_id=network_id, network_kind=network_kind
    )


async def drop(conn: Connection, *, probe_id: UUID) -> None:
    await conn.run(sql.drop_probe, probe_id=probe_id)


async def finish(
    conn: Connection, *, probe_id: UUID, verdict: str, nat_mapping: str, result: dict[str, Any]
) -> Row | None:
    """Store what was found; None if the probe is unknown or has its result."""
    return await conn.one(
        sql.set_result, probe_id=probe_id, verdict=verdict, nat_mapping=nat_mapping, result=result
    )


async def get(conn: Connection, *, probe_id: UUID, user_id: UUID) -> Row:
    """A probe of this person; one whose process has died told nothing. Raises ProbeNotFound."""
    row = await conn.one(sql.find_probe, probe_id=probe_id, user_id=user_id)
    if row is not None and row["verdict"] is None and row["age_seconds"] > LIFE_SECONDS:
        advice = ADVICE["inconclusive"]
        await finish(
            conn,
            probe_id=probe_id,
            verdict="inconclusive",
            nat_mapping="unknown",
            result=empty_result(advice),
        )
        row = await conn.one(sql.find_probe, probe_id=probe_id, user_id=user_id)
    if row is None:
        raise ProbeNotFound
    return row


async def get_latest(conn: Connection, *, user_id: UUID) -> Row | None:
    return await conn.one(sql.find_latest, user_id=user_id)


async def forecast_pair(
    conn: Connection, one: Whereabouts, other: Whereabouts, *, has_relay: bool
) -> Connectivity | None:
    """Whether two people reach each other; None where nobody knows, or they may not meet at all."""
    rows = await conn.all(
        sql.find_pair,
        one_id=one.user_id,
        one_networks=one.networks,
        other_id=other.user_id,
        other_networks=other.networks,
    )
    found = {row["side"]: row for row in rows}
    return forecast(found.get("one"), found.get("other"), has_relay=has_relay)


def empty_result(advice: str) -> dict[str, Any]:
    """The figures of a probe that measured nothing."""
    phases = dict.fromkeys(("wsRttMs", "gatherMs", "udpMs", "iceMs", "dtlsMs", "channelMs"))
    figures = dict.fromkeys(
        ("rttMs", "rttP95Ms", "jitterMs", "lossPct", "lossUpPct", "lossDownPct", "mos", "candidateType")
    )
    return {"udp": False, "phases": phases, **figures, "loopLagMs": None, "advice": advice}
