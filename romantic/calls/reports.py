"""Evidence on its way to the keeper: what the phones of this node have shown, told every moment.

Instants travel on the keeper's own monotonic clock, as far as its messages have told it: never too late, so
what is slow, lost or out of order can only shorten a bill.
"""

import asyncio
from collections import defaultdict
from dataclasses import astuple
from time import monotonic
from typing import Any
from uuid import UUID

from aiohttp import web

from romantic.calls.known import Outpost
from romantic.calls.live import LIVE, LiveCall
from romantic.calls.quality import Quality
from romantic.calls.room import Phone
from romantic.realtime import BUS, HUB
from romantic.rtc import Beat
from romantic.settings import SETTINGS

GATHER_SECONDS = 0.1
MOST_REPORTS = 200  # in one message


class Reporter:
    """Tells each keeper of the calls this node has phones of, and hears what others tell of its own."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._bus = app[BUS]
        self._pause = min(GATHER_SECONDS, app[SETTINGS].call_tick_seconds)
        self._bus.on("call.evidence", self._hear)
        self._bus.on("call.gone", self._left)

    async def run(self) -> None:
        """For ever; beats wait no longer than evidence does to become old."""
        while True:
            await asyncio.sleep(self._pause)
            self.tell()

    def tell(self) -> None:
        """Send what is new. What Redis does not take is told again, as old as it is by then."""
        news: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for outpost in self._app[LIVE].outposts:
            if outpost.keeper is not None:
                news[outpost.keeper] += self._news_of(outpost, outpost.keeper)
        for keeper, reports in news.items():
            for first in range(0, len(reports), MOST_REPORTS):
                self._bus.publish(
                    "call.evidence", {"reports": reports[first : first + MOST_REPORTS]}, to=keeper
                )

    def _news_of(self, outpost: Outpost, keeper: str) -> list[dict[str, Any]]:
        shift = self._bus.on_clock_of(keeper, 0.0)
        if shift is None or not self._bus.is_connected:
            return []
        reports = [self._report(outpost, party, shift) for party in outpost.parties]
        outpost.beats.clear()
        outpost.touched.clear()
        return [report for report in reports if len(report) > len(("callId", "userId"))]

    def _report(self, outpost: Outpost, party: UUID, shift: float) -> dict[str, Any]:
        """What one party has shown since the last report, on the keeper's clock."""
        report: dict[str, Any] = {"callId": outpost.id, "userId": party}
        seen = {str(one.session_id): one.last_seen for one in self._app[HUB].sockets_of(party)}
        if seen != outpost.seen.get(party, {}):
            outpost.seen[party] = seen
            report["seen"] = {session: at + shift for session, at in seen.items()}
        if party in outpost.touched:
            report["touched"] = outpost.touched[party] + shift
        beats = [
            (beat.at + shift, beat.rx, beat.quality, via) for one, beat, via in outpost.beats if one == party
        ]
        if beats:
            report["beats"] = beats
            quality = outpost.legs[party].quality()
            report["path"] = astuple(quality) if quality is not None else None
        return report

    def gone(self, outpost: Outpost, phone: Phone, *, at: float) -> None:
        """A phone's socket at this node closed; its last byte was at this instant."""
        if outpost.keeper is not None:
            seen_at = self._bus.on_clock_of(outpost.keeper, at)
            news = {"callId": outpost.id, "phone": phone.plain(), "at": seen_at}
            self._bus.publish("call.gone", news, to=outpost.keeper)

    def _left(self, news: dict[str, Any]) -> None:
        live, phone = self._app[LIVE].get(UUID(news["callId"])), Phone.of(news["phone"])
        if live is None or live.room.session_of(phone.user_id) not in (None, phone.session_id):
            return
        if news["at"] is not None:
            live.touch(phone.user_id, at=min(news["at"], monotonic()))
        live.room.vacate(phone)

    def _hear(self, message: dict[str, Any]) -> None:
        for report in message["reports"]:
            live = self._app[LIVE].get(UUID(report["callId"]))
            party = UUID(report["userId"])
            if live is not None and party in live.parties:
                _take(live, party, report)


def _take(live: LiveCall, party: UUID, report: dict[str, Any]) -> None:
    """Evidence for a meter, from the node of the phone: nothing of it can lie in the future."""
    now = monotonic()
    for session, at in report.get("seen", {}).items():
        live.seen_elsewhere(party, UUID(session), at=min(at, now))
    if "touched" in report:
        live.touch(party, at=min(report["touched"], now))
    if report.get("path") is not None:
        live.legs[party].reported = Quality(*report["path"])
    for at, rx, quality, via in report.get("beats", ()):
        live.monitor.beat(party, Beat(n=0, at=min(at, now), rx=rx, quality=quality), via)


REPORTER = web.AppKey("REPORTER", Reporter)
