"""What REST, sockets and sweepers do with a call, at any node: one transaction, then the phones are told."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from romantic.calls import news, service
from romantic.calls.errors import CallNotFound, CallUnlikely
from romantic.calls.keeping import KEEPING, tell_changed
from romantic.calls.known import KnownCall
from romantic.calls.live import LIVE, LiveCall
from romantic.calls.service import Ending
from romantic.calls.summary import log_summary
from romantic.coins import service as coins
from romantic.coins.news import tell_entry
from romantic.db import Connection, Row, connection, transaction
from romantic.errors import RomanticError
from romantic.probe import service as probe
from romantic.probe.service import Whereabouts
from romantic.realtime import HUB, Event, Kind
from romantic.realtime.presence import PRESENCE, is_connected
from romantic.rtc import ice_servers
from romantic.rtc.beats import quality_of
from romantic.settings import SETTINGS
from romantic.signals import announce_changed

log = structlog.get_logger()

#: Judges a locked call: how it ends now, or None if it goes on.
Judge = Callable[[Row], Ending | None]


@dataclass(frozen=True, slots=True)
class Over:
    """A call that is over, with the balance of whoever asked."""

    call: Row
    balance: int


def servers_for(app: web.Application, user_id: UUID) -> list[dict[str, Any]]:
    """RTCConfiguration.iceServers for one person, TURN credentials dated."""
    settings = app[SETTINGS]
    return ice_servers(
        stun=settings.webrtc_stun_servers,
        turn=settings.webrtc_turn_servers,
        turn_secret=settings.webrtc_turn_secret or None,
        turn_username=settings.webrtc_turn_username or None,
        turn_credential=settings.webrtc_turn_credential or None,
        ttl=settings.webrtc_turn_ttl,
        user_id=user_id,
        now=time.time(),
    )


async def _by_evidence(app: web.Application, *users: UUID) -> bool:
    """Whether the call is metered by evidence: as soon as either side has a socket, at any node."""
    meter = app[SETTINGS].call_meter
    if meter == "auto" and app[SETTINGS].call_billing == "flat":
        return any([await is_connected(app, user) for user in users])
    return meter != "wallclock"


async def initiate(
    app: web.Application, *, caller_id: UUID, receiver_id: UUID, call_type: str, address: str
) -> Row:
    """Charge the caller and ring every device of the receiver; `address` is where the caller calls from.

    The row also says what the probes of both forecast (`connectivity`), looked up before coins move.
    """
    settings = app[SETTINGS]
    is_reachable = not settings.call_require_reachable or await is_connected(app, receiver_id)
    by_evidence = await _by_evidence(app, caller_id, receiver_id)
    async with connection(app) as conn:
        if not is_reachable:
            await service.require_pushable(conn, user_id=receiver_id)
        connectivity = await _forecast(app, conn, caller_id, receiver_id, address)
        if connectivity == "unlikely" and settings.refuse_unlikely_calls:
            raise CallUnlikely(connectivity=connectivity)
        call = await service.initiate(
            conn,
            settings,
            caller_id=caller_id,
            receiver_id=receiver_id,
            call_type=call_type,
            by_evidence=by_evidence,
        )
    announce_changed(app, caller_id, receiver_id)
    news.tell_incoming(app, call)
    news.tell_charge(app, call)
    return call | {"connectivity": connectivity}


async def _forecast(
    app: web.Application, conn: Connection, caller_id: UUID, receiver_id: UUID, address: str
) -> str | None:
    """Whether the two reach each other, from where the caller is and where the receiver's phones are."""
    settings, phones = app[SETTINGS], app[HUB].sockets_of(receiver_id)

    def known(places: Iterable[str]) -> list[str]:
        return sorted({probe.network_id(place, pepper=settings.otp_pepper) for place in places})

    caller = Whereabouts(caller_id, known([address]))
    receiver = Whereabouts(receiver_id, known(phone.address for phone in phones) or None)
    has_relay = any("credential" in server for server in servers_for(app, caller_id))
    return await probe.forecast_pair(conn, caller, receiver, has_relay=has_relay)


async def ring(app: web.Application, *, call_id: UUID, user_id: UUID) -> None:
    """A device of the receiver shows the call."""
    async with connection(app) as conn:
        row = await service.ring(conn, call_id=call_id, user_id=user_id)
        if row is None:
            await service.get_call_of(conn, call_id=call_id, user_id=user_id)
            return
    devices = len(await app[PRESENCE].states_of(user_id))
    app[HUB].send(
        row["caller_id"], Event("call-ringing", {"callId": call_id, "deviceCount": devices}, Kind.WITH_CALL)
    )


async def accept(app: web.Application, *, call_id: UUID, user_id: UUID, session_id: UUID) -> KnownCall:
    """Answer; the receiver's other devices stop ringing, and every node with a phone of it hears of it."""
    async with connection(app) as conn:
        call = await service.get_call_of(conn, call_id=call_id, user_id=user_id)
    by_evidence = await _by_evidence(app, call["caller_id"], call["receiver_id"])
    async with connection(app) as conn:
        call |= await service.accept(
            conn,
            app[SETTINGS],
            call_id=call_id,
            user_id=user_id,
            session_id=session_id,
            by_evidence=by_evidence,
        )
    known = app[LIVE].know(call)
    known.metered_by = call["metered_by"]
    if not app[LIVE].answered(known):
        return known  # it ended a moment ago, and everybody was told
    tell_changed(app, call)
    accepted = {
        "callId": call_id,
        "roomId": known.room_id,
        "iceServers": servers_for(app, known.caller_id),
        "byDevice": str(session_id),
    }
    app[HUB].send(known.caller_id, Event("call-accepted", accepted))
    elsewhere = Event("call-cancelled", {"callId": call_id, "reason": "answered_elsewhere"})
    app[HUB].send(known.receiver_id, elsewhere, but_session=session_id)
    return known


async def reject(
    app: web.Application, *, call_id: UUID, user_id: UUID, session_id: UUID, reason: str | None
) -> None:
    """Decline; the caller has every coin back."""
    async with transaction(app) as conn:
        await service.reject(conn, call_id=call_id, user_id=user_id, session_id=session_id)
        call, entries = await _result(conn, call_id)
    news.tell_rejected(app, call, entries, reason=reason or "declined")
    elsewhere = Event("call-cancelled", {"callId": call_id, "reason": "declined_elsewhere"})
    app[HUB].send(user_id, elsewhere, but_session=session_id)
    await _part(app, call, entries)


async def end(app: web.Application, *, call_id: UUID, ending: Ending) -> Over:
    """End the call in whatever state it is, once; whoever comes second gets the same numbers.

    A party hangs up, cancels or declines; `ending.by` None is the server. A call that another node keeps is
    ended there, by its meter; without an answer it is settled here, at what was last proven.
    Raises CallNotFound.
    """
    await app[KEEPING].end_at_keeper(call_id, ending)
    async with transaction(app) as conn:
        call = await service.lock_call(conn, call_id=call_id)
        if ending.by is not None and ending.by not in (call["caller_id"], call["receiver_id"]):
            raise CallNotFound
        was_live = call["status"] in service.LIVE_STATES
        if was_live:
            await _finish(app, conn, call, ending)
        call, entries = await _result(conn, call_id)
        balance = await coins.get_balance(conn, user_id=ending.by or call["caller_id"])
    if was_live:
        news.tell_over(app, call, entries)
        await _part(app, call, entries)
    return Over(call, balance["coins_balance"])


async def end_if(app: web.Application, *, call_id: UUID, judge: Judge) -> None:
    """End the call if the judge, who sees it locked, says so: nothing can come in between."""
    async with transaction(app) as conn:
        call = await service.lock_call(conn, call_id=call_id)
        ending = judge(call)
        if ending is None:
            return
        await _finish(app, conn, call, ending)
        call, entries = await _result(conn, call_id)
    news.tell_over(app, call, entries)
    await _part(app, call, entries)


async def bury(app: web.Application, *, call_id: UUID) -> None:
    """A call this node keeps is over and nobody said so: who ended it died, or never heard of its commit."""
    if app[LIVE].get(call_id) is not None:
        async with connection(app) as conn:
            call, entries = await _result(conn, call_id)
        if app[LIVE].get(call_id) is not None:
            news.tell_over(app, call, entries)
    await forget(app, call_id=call_id)


async def forget(app: web.Application, *, call_id: UUID) -> None:
    """A call is over, and everybody was told."""
    known = app[LIVE].forget(call_id)
    if known is not None:
        await _close(known)


async def _finish(app: web.Application, conn: Connection, call: Row, ending: Ending) -> None:
    live = app[LIVE].get(call["id"])
    if live is not None and live.term != call["meter_term"]:
        live = None  # another node keeps it by now: what our meter says does not count
    if call["status"] == "answered":
        await _conclude_quality(conn, live)
        await service.end_answered(conn, app[SETTINGS], call, _measured(ending, live))
    else:
        await _end_unanswered(conn, call, ending)


async def _conclude_quality(conn: Connection, live: LiveCall | None) -> None:
    """The last samples, in the transaction that ends the call: its score is drawn from what is stored."""
    if live is not None:
        live.monitor.conclude(at=monotonic())
        await write_quality(conn, live)


async def write_quality(conn: Connection, live: LiveCall) -> None:
    """Write what is known of the paths since the last time; what cannot be written waits for the next."""
    samples = live.monitor.quality.take()
    try:
        await service.add_quality_samples(conn, samples, call_id=live.id, now=monotonic())
    except BaseException:
        live.monitor.quality.put_back(samples)
        raise


async def take_sample(app: web.Application, live: LiveCall, user_id: UUID, sample: dict[str, Any]) -> None:
    """A client's view of its leg to the other person: quality, never money. What cannot be is not read."""
    at, monitor = monotonic(), live.monitor
    monitor.hear(user_id, quality_of(sample) or {}, at=at)
    is_connected = sample.get("iceConnectionState") in ("connected", "completed")
    monitor.p2p_claimed = monitor.p2p_claimed or is_connected or sample.get("connected") is True
    # Nobody ticks a call by the wall clock; with evidence the meter's loop looks, tells and writes.
    if live.answered and live.metered_by == "wallclock" and monitor.look(user_id, at=at):
        async with connection(app) as conn:
            await write_quality(conn, live)


def _measured(ending: Ending, live: LiveCall | None) -> Ending:
    """The ending with what this process's meter and monitor know."""
    if live is None or live.metered_by == "wallclock":
        return ending
    return replace(
        ending,
        seconds=None if live.meter.started_at is None else live.meter.billable(at=monotonic()),
        p2p_claimed=live.monitor.p2p_claimed,
        evidence_level=live.evidence_level,
        gaps=live.meter.gaps,
    )


async def _end_unanswered(conn: Connection, call: Row, ending: Ending) -> None:
    status, reason = "missed", ending.reason
    if reason in service.DECREED:
        pass
    elif ending.by == call["caller_id"]:
        reason = "caller_cancelled"
    elif ending.by == call["receiver_id"]:
        status = reason = "rejected"
    await service.end_unanswered(conn, call_id=call["id"], status=status, reason=reason, by=ending.by)


async def _result(conn: Connection, call_id: UUID) -> tuple[Row, list[Row]]:
    call = await service.get_call(conn, call_id=call_id)
    return call, await coins.list_entries_of(conn, reference_id=call_id)


async def _part(app: web.Application, call: Row, entries: list[Row]) -> None:
    """The call is over and committed: tell balances, write the summary, close room and monitors."""
    known = app[LIVE].forget(call["id"])
    announce_changed(app, call["caller_id"], call["receiver_id"])
    tell_changed(app, call)
    for entry in entries:
        # Of the charges the caller knows by now.
        if entry["transaction_type"] != "spend" or entry["reference_type"] != "call":
            tell_entry(app, entry)
    log_summary(call, entries, known)
    if known is not None:
        await _close(known)


async def _close(known: KnownCall) -> None:
    with suppress(Exception):
        await known.legs.close()


def touch(app: web.Application, call: Row, *, user_id: UUID) -> None:
    """A party asked about the call over REST: evidence E1 that it is there."""
    if call["status"] in service.LIVE_STATES:
        app[LIVE].know(call).touch(user_id, at=monotonic())


async def switch_to_evidence(app: web.Application, *, user_id: UUID) -> KnownCall | None:
    """Somebody opened a socket: their live call, metered by evidence of both from now on."""
    has_switched = False
    async with connection(app) as conn:
        if app[SETTINGS].call_meter == "auto":
            has_switched = await service.require_evidence(conn, app[SETTINGS], user_id=user_id)
        call_id = await service.find_active_call(conn, user_id=user_id)
        if call_id is None:
            return None
        call = await service.get_call(conn, call_id=call_id)
    try:
        known = await app[KEEPING].find(call_id=call_id, user_id=user_id)
    except RomanticError:
        return None  # it ended a moment ago
    if call["metered_by"] == "evidence" and isinstance(known, LiveCall):
        known.meter_by_evidence(call)
    elif has_switched:
        tell_changed(app, call)
    return known
