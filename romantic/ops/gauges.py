"""Gauges of one application, read at the moment of the scrape."""

import platform
from collections import Counter
from collections.abc import Iterator

from aiohttp import web
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from romantic import __version__
from romantic.calls.live import LIVE
from romantic.db import DATABASE
from romantic.http.health import LIFECYCLE
from romantic.realtime import HUB
from romantic.rtc import PEERS


class AppGauges(Collector):
    """Sockets, rooms, calls, server-side peers and database connections of this process."""

    def __init__(self, app: web.Application) -> None:
        self._app = app

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One family after the other; no family waits for anything."""
        hub, live, database = self._app[HUB], self._app[LIVE], self._app[DATABASE]
        sockets = [socket for user_id in hub.online() for socket in hub.sockets_of(user_id)]
        clients = Counter(socket.client for socket in sockets)
        yield _family("ws_connections", "Open sockets.", "client", clients)
        waiting = sum(socket.waiting_frames for socket in sockets)
        yield _plain("ws_send_queue_events", "Frames waiting for slow readers.", waiting)
        yield _plain(
            "rooms", "Rooms with somebody inside.", sum(bool(call.room.participants) for call in live)
        )
        answered = Counter({"audio": 0, "video": 0})
        answered.update(call.call_type for call in live if call.answered)
        yield _family("calls_active", "Answered calls this process holds.", "call_type", answered)
        peers = self._app[PEERS].open_count
        yield _plain("monitor_peers", "Server-side peers, those being set up included.", peers)
        yield _family("db_pool_connections", "Connections to PostgreSQL.", "state", database.connections())
        draining = self._app[LIFECYCLE].draining
        yield _plain("draining", "1 while this process sends everybody elsewhere.", draining)
        build = GaugeMetricFamily("romantic_build_info", "Always 1; what runs.", labels=["version", "python"])
        build.add_metric([__version__, platform.python_version()], 1)
        yield build


def _plain(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"romantic_{name}", text, value=float(value))


def _family(name: str, text: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"romantic_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
