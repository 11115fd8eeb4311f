"""What kind of address translation stands between a client and us, told from the addresses of its checks."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Address = tuple[str, int]
NatMapping = Literal["none", "cone", "symmetric", "unknown"]
CandidateType = Literal["host", "srflx", "prflx", "relay"]

MAX_CANDIDATES: Final = 100  # of one offer; the rest is not looked at
#: Loopback, link-local, and the ranges of RFC 1918 and RFC 4193: no source from beyond a router.
PRIVATE: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
        "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
_FIELDS: Final = 8  # foundation component transport priority address port "typ" type


@dataclass(frozen=True, slots=True)
class Candidate:
    """One UDP candidate of an offer (RFC 8839 section 5.1). `base_port` is 0 where the client hides it."""

    kind: str
    host: str  # an address, or a name under .local
    port: int
    base_port: int = 0


def candidates_of(sdp: str) -> list[Candidate]:
    """The UDP candidates of an offer; what cannot be read is not there."""
    lines = (line for line in sdp.splitlines() if line.startswith("a=candidate:"))
    found = (
        _read(line.removeprefix("a=candidate:").split())
        for line, _ in zip(lines, range(MAX_CANDIDATES), strict=False)
    )
    return [candidate for candidate in found if candidate is not None]


def usable(candidates: Iterable[Candidate], *, loopback: bool) -> list[Candidate]:
    """Those from which anything could come: no loopback (unless asked for), multicast or empty address."""
    return [candidate for candidate in candidates if _is_usable(candidate.host, loopback=loopback)]


def nat_mapping(
    candidates: Sequence[Candidate], seen: Sequence[Address], *, mapped: Iterable[tuple[int, str, int]] = ()
) -> NatMapping:
    """Compare the sources of a client's checks with the addresses it has from itself and from STUN servers.

    `seen` are the addresses our own socket saw, `mapped` further bindings (base port, address, port) a client
    has from more than one STUN server. A source that is the client's own address: no translation. Equal to
    what a STUN server saw: the mapping does not depend on the destination (cone); different: it does.
    """
    relayed = {(c.host, c.port) for c in candidates if c.kind == "relay"}
    direct = [source for source in seen if source not in relayed]
    if not direct:
        return "unknown"
    own = {c.host for c in candidates if c.kind == "host"}
    if any(host in own for host, _ in direct):
        return "none"
    bindings: dict[int, set[Address]] = {}
    for candidate in candidates:
        if candidate.kind == "srflx":
            bindings.setdefault(candidate.base_port, set()).add((candidate.host, candidate.port))
    for base_port, host, port in mapped:
        bindings.setdefault(base_port, set()).add((host, port))
    if any(base_port and _is_ambiguous(found) for base_port, found in bindings.items()):
        return "symmetric"
    reflexive = set().union(*bindings.values())
    if reflexive:
        return "cone" if reflexive & set(direct) else "symmetric"
    # Nobody to compare with; a private source can only come from a network we are part of.
    return "none" if all(_is_private(host) for host, _ in direct) else "unknown"


def candidate_type(candidates: Sequence[Candidate], source: Address | None) -> CandidateType | None:
    """What the client itself calls the address it reached us from; one it does not know is peer-reflexive."""
    if source is None:
        return None
    kinds: tuple[CandidateType, ...] = ("host", "srflx", "relay")
    for kind in kinds:
        if any((c.host, c.port) == source for c in candidates if c.kind == kind):
            return kind
    return "prflx"


def _read(parts: Sequence[str]) -> Candidate | None:
    if len(parts) < _FIELDS or parts[2].lower() != "udp" or parts[6] != "typ":
        return None
    attributes = dict(zip(parts[8::2], parts[9::2], strict=False))
    port, base = _port(parts[5]), _port(attributes.get("rport", "0"))
    if not port or base is None or parts[7] not in ("host", "srflx", "prflx", "relay"):
        return None
    host = parts[4].lower()
    address = _parsed(host)
    if address is None and not host.endswith(".local"):
        return None
    return Candidate(parts[7], str(address or host), port, base)


def _port(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    return int(text) if int(text) < 2**16 else None


def _is_ambiguous(found: set[Address]) -> bool:
    """One socket with two mappings; of one address family, since a socket has one."""
    return any(
        len({address for address in found if (":" in address[0]) == is_v6}) > 1 for is_v6 in (False, True)
    )


def _is_usable(host: str, *, loopback: bool) -> bool:
    address = _parsed(host)
    if address is None:
        return True  # a name under .local: a browser that hides the address of its machine
    if address.is_loopback:
        return loopback
    return not (address.is_unspecified or address.is_multicast)


def _is_private(host: str) -> bool:
    address = _parsed(host)
    return address is not None and any(address in network for network in PRIVATE)


def _parsed(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
