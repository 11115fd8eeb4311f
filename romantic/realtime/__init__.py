"""The socket shell: sockets, who is connected, and the dispatch of named events. It knows no product noun."""

from romantic.realtime.asking import ASKING, Asking, NodeAway
from romantic.realtime.bus import BUS, NODE, Bus
from romantic.realtime.dispatch import DISPATCHER, Dispatcher, EventRoute, on
from romantic.realtime.events import CloseCode, Event, Kind
from romantic.realtime.hub import HUB, Hub
from romantic.realtime.socket import Socket

__all__ = [
    "ASKING",
    "BUS",
    "DISPATCHER",
    "HUB",
    "NODE",
    "Asking",
    "Bus",
    "CloseCode",
    "Dispatcher",
    "Event",
    "EventRoute",
    "Hub",
    "Kind",
    "NodeAway",
    "Socket",
    "on",
]
