"""Who calls, as far as the connection and the headers say: address, network, free text."""

import ipaddress
from functools import lru_cache

from aiohttp import web

from romantic.settings import SETTINGS

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_ip(request: web.Request) -> str:
    """The client's address: X-Forwarded-For only as far as it was written by proxies we trust."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    address = _parsed(str(peer[0])) if isinstance(peer, tuple) else None
    trusted = _networks(request.app[SETTINGS].trusted_proxies)
    hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
    for hop in reversed(hops):
        named = _parsed(hop.strip())
        if named is None or address is None or not any(address in network for network in trusted):
            break
        address = named
    return str(address or "unknown")


def network_of(address: str) -> str:
    """What counts as one caller: an IPv4 address, an IPv6 household (/64)."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed or "unknown")


def header_text(request: web.Request, name: str, *, most: int) -> str | None:
    """A header somebody may have filled with anything, as text the database and the logs can hold."""
    text = "".join(filter(str.isprintable, request.headers.get(name, "")))
    return text[:most] or None


#: The kinds of clients operators tell apart; every other is "other".
KINDS = ("ios", "android", "web", "probe")


def kind_of_client(request: web.Request) -> str:
    """As the app names itself in `X-Client: ios/2.4.1`, else as its User-Agent looks."""
    named = request.headers.get("X-Client", "").partition("/")[0].strip().lower()
    return named if named in KINDS else _kind_by_agent(request.headers.get("User-Agent", "")[:300])


@lru_cache(1024)
def _kind_by_agent(agent: str) -> str:
    words = agent.lower()
    for word, kind in _AGENTS:
        if word in words:
            return kind
    return "other"


#: A browser on a phone is the web; an app there names its HTTP library.
_AGENTS = (
    ("romantic-probe", "probe"),
    ("mozilla", "web"),
    ("cfnetwork", "ios"),
    ("okhttp", "android"),
    ("dalvik", "android"),
)


@lru_cache(1024)
def _parsed(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A dual-stack socket shows IPv4 callers as ::ffff:192.0.2.1, all of them in one /64.
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(8)
def _networks(names: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(name) for name in names)
