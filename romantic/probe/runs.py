"""The probes of this process: each answers, measures in the background, is judged, stored and told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import structlog
from aiohttp import web

from romantic.db import DatabaseBusy, connection, transaction
from romantic.emodel import estimated_mos
from romantic.probe import service
from romantic.probe.errors import ProbeBusy, ProbeNoCandidates
from romantic.probe.schemas import result_view
from romantic.probe.verdict import ADVICE, Findings, judge
from romantic.realtime import HUB, Event, Kind
from romantic.rtc import PEERS, MonitorBusy, ProbePeer, State, passive_offer
from romantic.rtc.nat import Candidate, candidate_type, candidates_of, nat_mapping, usable
from romantic.settings import SETTINGS

log = structlog.get_logger()

AT_ONCE = 4  # per process: more would measure each other
UDP_SECONDS = 5.0  # from the answer to the first check
CHANNEL_SECONDS = 5.0  # from there to the open channel
DEADLINE_SECONDS = 11.0  # for all of it
STORE_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asks to be measured: their offer, and what they know of their own side."""

    user_id: UUID
    network_id: str
    sdp: str
    ws_rtt_ms: float | None = None
    gather_ms: float | None = None
    mapped: Sequence[tuple[int, str, int]] = ()
    network: str | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A probe that has answered and measures now."""

    probe_id: UUID
    sdp: str


class Probes:
    """Starts probes within the limits of this process, and sees each to its end."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting = 0

    async def start(self, request: Request) -> Started:
        """Answer the offer; refuses with BadSdp, ProbeNoCandidates, ProbeBusy or RateLimited."""
        passive_offer(request.sdp)
        is_development = self._app[SETTINGS].romantic_env != "production"
        candidates = usable(candidates_of(request.sdp), loopback=is_development)
        if not candidates:
            raise ProbeNoCandidates
        if len(self._tasks) + self._starting >= AT_ONCE:
            raise ProbeBusy(retry_after=5)
        self._starting += 1
        try:
            probe_id, peer = await self._admit(request)
            task = asyncio.create_task(self._run(probe_id, request, candidates, peer))
        finally:
            self._starting -= 1
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Started(probe_id, peer.answer_sdp)

    async def _admit(self, request: Request) -> tuple[UUID, ProbePeer]:
        probe_id = uuid4()
        async with transaction(self._app) as conn:
            await service.start(
                conn,
                probe_id=probe_id,
                user_id=request.user_id,
                network_id=request.network_id,
                network_kind=request.network,
                gap_seconds=self._app[SETTINGS].probe_min_gap,
            )
        make = partial(ProbePeer, on_state=_ignore, setup_timeout=UDP_SECONDS + CHANNEL_SECONDS)
        try:
            return probe_id, await self._app[PEERS].admit(request.sdp, make)
        except BaseException as refusal:
            async with connection(self._app) as conn:
                await service.drop(conn, probe_id=probe_id)
            if isinstance(refusal, MonitorBusy):
                raise ProbeBusy(retry_after=5) from None
            raise

    async def _run(
        self, probe_id: UUID, request: Request, candidates: Sequence[Candidate], peer: ProbePeer
    ) -> None:
        """Measure within the deadline, then store and tell; what was measured until then counts."""
        began = monotonic()
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await _measure(peer)
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            await peer.close()
            raise
        except Exception:
            log.exception("probe.crashed", probe_id=str(probe_id))
        found = _findings(peer, candidates, request)
        result = _result(peer, candidates, request, found)
        await peer.close()
        await self._finish(probe_id, request, found, result, seconds=monotonic() - began)

    async def _finish(
        self, probe_id: UUID, request: Request, found: Findings, result: dict[str, Any], *, seconds: float
    ) -> None:
        verdict = judge(found)
        result["advice"] = ADVICE[verdict]
        log.info(
            "probe.result",
            probe_id=str(probe_id),
            user_id=str(request.user_id),
            network_id=request.network_id,
            network_kind=request.network,
            verdict=verdict,
            nat_mapping=found.nat_mapping,
            udp=found.udp,
            candidate_type=result["candidateType"],
            rtt_ms=result["rttMs"],
            rtt_p95_ms=result["rttP95Ms"],
            jitter_ms=result["jitterMs"],
            loss_up_pct=result["lossUpPct"],
            loss_down_pct=result["lossDownPct"],
            mos=result["mos"],
            loop_lag_ms=result["loopLagMs"],
            duration_ms=round(1000 * seconds),
        )
        for attempt in range(1, STORE_TRIES + 1):
            try:
                async with connection(self._app) as conn:
                    row = await service.finish(
                        conn, probe_id=probe_id, verdict=verdict, nat_mapping=found.nat_mapping, result=result
                    )
            except DatabaseBusy as error:
                log.warning("probe.not_stored", reason=str(error), attempt=attempt)
                await asyncio.sleep(0.2 * attempt)
            else:
                if row is not None:
                    data = {"probeId": probe_id, **result_view(row)}
                    self._app[HUB].send(request.user_id, Event("probe-result", data, Kind.VOLATILE))
                return

    async def stop(self) -> None:
        """End what runs; whoever asks for it later reads that it told nothing."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CHANNEL_SECONDS)


PROBES = web.AppKey("PROBES", Probes)


async def probes(app: web.Application) -> AsyncIterator[None]:
    """Probes while the application runs; they end before the peers and the database do."""
    app[PROBES] = Probes(app)
    yield
    await app[PROBES].stop()


def _ignore(_: State) -> None:
    return None


async def _measure(peer: ProbePeer) -> None:
    if await peer.wait_reached(UDP_SECONDS) and await peer.wait_open(CHANNEL_SECONDS):
        await peer.ride()


def _findings(peer: ProbePeer, candidates: Sequence[Candidate], request: Request) -> Findings:
    figures = peer.train.figures()
    worst = max((part for part in (figures.loss_up, figures.loss_down) if part is not None), default=None)
    mos = None
    if figures.rtt_ms is not None and figures.jitter_ms is not None and worst is not None:
        mos = estimated_mos(rtt_ms=figures.rtt_ms, jitter_ms=figures.jitter_ms, loss=worst)
    return Findings(
        answered="answered" in peer.marks,
        udp="reached" in peer.marks,
        channel="channel" in peer.marks,
        nat_mapping=nat_mapping(candidates, peer.sources, mapped=request.mapped),
        rtt_ms=figures.rtt_ms,
        jitter_ms=figures.jitter_ms,
        loss_up=figures.loss_up,
        loss_down=figures.loss_down,
        mos=mos,
        lag_ms=peer.worst_lag_ms,
    )


def _result(
    peer: ProbePeer, candidates: Sequence[Candidate], request: Request, found: Findings
) -> dict[str, Any]:
    figures, marks = peer.train.figures(), peer.marks
    phases = {
        "wsRttMs": request.ws_rtt_ms,
        "gatherMs": request.gather_ms,
        "udpMs": _between(marks, "answered", "reached"),
        "iceMs": _between(marks, "answered", "ice"),
        "dtlsMs": _between(marks, "ice", "dtls"),
        "channelMs": _between(marks, "dtls", "channel"),
    }
    return {
        "udp": found.udp,
        "phases": phases,
        "rttMs": _rounded(figures.rtt_ms, 1),
        "rttP95Ms": _rounded(figures.rtt_p95_ms, 1),
        "jitterMs": _rounded(figures.jitter_ms, 1),
        "lossPct": _percent(found.loss),
        "lossUpPct": _percent(figures.loss_up),
        "lossDownPct": _percent(figures.loss_down),
        "mos": _rounded(found.mos, 2),
        "candidateType": candidate_type(candidates, peer.source),
        "loopLagMs": round(peer.worst_lag_ms, 1) if peer.train.sent else None,
    }


def _between(marks: dict[str, float], first: str, then: str) -> float | None:
    if first not in marks or then not in marks:
        return None
    return round(1000 * max(0.0, marks[then] - marks[first]), 1)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else round(100 * fraction, 1)
