"""Every ICE connection of a process on one UDP port, over stock aioice."""

import asyncio
import socket
from collections.abc import Sequence
from time import monotonic
from typing import Any, Final

import structlog
from aioice import Candidate, Connection, stun
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import StunProtocol, get_host_addresses
from aioice.utils import random_string

log = structlog.get_logger()

Address = tuple[str, int]

UFRAG_LENGTH: Final = 10  # aioice's own four characters would collide behind one port
RECEIVE_BUFFER: Final = 4 << 20
MAX_SOURCES: Final = 32  # addresses one connection may be reached from in its life
LEG_RATE: Final = 400  # datagrams a second one connection may send us
BINDING_RATE: Final = 100  # plain STUN bindings a second we answer, all askers together
WILDCARDS: Final = ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound


class Budget:
    """At most so many of something in any second of the clock."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = 0
        self._spent = 0

    def spend(self) -> bool:
        second = int(monotonic())
        if second != self._second:
            self._second, self._spent = second, 0
        self._spent += 1
        return self._spent <= self._per_second


class Leg(asyncio.DatagramTransport):
    """What one ICE connection takes for its own UDP socket."""

    def __init__(self, mux: "UdpMux", connection: Connection) -> None:
        super().__init__({"sockname": (mux.hosts[0], mux.port)})
        self.connection = connection
        self.protocol = StunProtocol(connection)
        self.protocol.connection_made(self)
        self.sources: dict[Address, float] = {}  # proven addresses and when they first were
        self.reached = asyncio.Event()  # a signed check has come in
        self.budget = Budget(LEG_RATE)
        self._mux = mux
        self._closed = False

    async def gather(self) -> None:
        """Stand in for aioice's gathering, which would open a socket per address and ask STUN servers."""
        candidates = [_candidate(host, self._mux.port) for host in self._mux.hosts]
        self.protocol.local_candidate = candidates[0]
        self._mux.add(self)
        self.connection._protocols.append(self.protocol)
        self.connection._local_candidates.extend(candidates)
        self.connection._local_candidates_start = self.connection._local_candidates_end = True

    def sendto(self, data: Any, addr: Any = None) -> None:
        # The second lock after the stripped offers: nobody gets a packet who has not proven an address.
        if not self._closed and addr in self.sources:
            self._mux.send(data, addr)

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._mux.forget(self)
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()


class UdpMux(asyncio.DatagramProtocol):
    """One UDP socket; tells connections apart by ICE user name first and by proven source address then.

    Nothing of aioice is replaced process-wide: a connection is attached one by one, so several of these
    and ordinary connections live side by side.
    """

    def __init__(self, *, answer_plain_stun: bool = True) -> None:
        self.hosts: Sequence[str] = ()
        self.port = 0
        self.dropped = 0
        self._answer_plain_stun = answer_plain_stun
        self._bindings = Budget(BINDING_RATE)
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = asyncio.Event()
        self._by_ufrag: dict[str, Leg] = {}
        self._by_source: dict[Address, Leg] = {}

    async def listen(self, host: str, port: int = 0, advertise: str | None = None) -> None:
        """Open the port; `advertise` is the address clients see behind a 1:1 NAT. OSError if it is taken."""
        sock = _bound_socket(host, port)
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=sock)
        self.port = sock.getsockname()[1]
        self.hosts = _reachable_at(host, advertise)

    async def close(self) -> None:
        """Free the port; it is free on return."""
        if self._transport is not None:
            self._transport.close()
            await self._closed.wait()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio passes it
        self._closed.set()

    def attach(self, connection: Connection) -> Leg:
        """Make this socket the only one of a connection that has not gathered yet."""
        connection._local_username = random_string(UFRAG_LENGTH)
        leg = Leg(self, connection)
        connection.gather_candidates = leg.gather  # type: ignore[method-assign]
        return leg

    @property
    def legs(self) -> int:
        return len(self._by_ufrag)

    @property
    def sources(self) -> int:
        return len(self._by_source)

    def add(self, leg: Leg) -> None:
        self._by_ufrag[leg.connection.local_username] = leg

    def forget(self, leg: Leg) -> None:
        self._by_ufrag.pop(leg.connection.local_username, None)
        for source in leg.sources:
            if self._by_source.get(source) is leg:
                del self._by_source[source]

    def send(self, data: bytes, addr: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, addr)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        source = (addr[0], addr[1])  # IPv6 brings four
        leg = self._leg_of_request(data, source) if _is_request(data) else self._by_source.get(source)
        if leg is None or not leg.budget.spend():
            self.dropped += 1
            return
        try:
            leg.protocol.datagram_received(data, source)
        except Exception:
            log.exception("rtc.datagram_failed")

    def _leg_of_request(self, data: bytes, source: Address) -> Leg | None:
        try:
            message = stun.parse_message(data)
        except Exception:  # the parser is strict, but strangers write these bytes
            return None
        username = message.attributes.get("USERNAME")
        if username is None:
            self._answer_binding(message, source)
            return None
        leg = self._by_ufrag.get(username.partition(":")[0])
        if leg is None or self._by_source.get(source) is leg:
            return leg
        return leg if self._learn(leg, message, source) else None

    def _learn(self, leg: Leg, message: stun.Message, source: Address) -> bool:
        """Believe a new source address only if its check carries the password of the answer."""
        if not message.check_message_integrity(leg.connection.local_password.encode()):
            return False
        if source not in leg.sources and len(leg.sources) >= MAX_SOURCES:
            return False
        leg.sources.setdefault(source, monotonic())
        leg.reached.set()
        self._by_source[source] = leg
        return True

    def _answer_binding(self, request: stun.Message, source: Address) -> None:
        """Be a STUN server for ordinary bindings, within a rate that makes reflection pointless."""
        if request.message_method != stun.Method.BINDING or not self._answer_plain_stun:
            return
        if not self._bindings.spend():
            return
        answer = stun.Message(
            message_method=stun.Method.BINDING,
            message_class=stun.Class.RESPONSE,
            transaction_id=request.transaction_id,
        )
        answer.attributes["XOR-MAPPED-ADDRESS"] = source
        answer.add_fingerprint()
        self.send(bytes(answer), source)


def _is_request(data: bytes) -> bool:
    # RFC 7983: STUN begins with 0 to 3, DTLS with 20 to 63; 0x0001 is a binding request. Its answers come
    # from addresses that are proven already, since we send to no others.
    return len(data) >= 20 and data[0] == 0 and data[1] == 1


def _candidate(host: str, port: int) -> Candidate:
    return Candidate(
        foundation=candidate_foundation("host", "udp", host),
        component=1,
        transport="udp",
        priority=candidate_priority(1, "host"),
        host=host,
        port=port,
        type="host",
    )


def _reachable_at(host: str, advertise: str | None) -> Sequence[str]:
    """The addresses clients are told. A wildcard stands for all of this machine's."""
    if advertise:
        return (advertise,)
    if host not in WILDCARDS:
        return (host,)
    is_ipv6 = host == "::"
    found = get_host_addresses(use_ipv4=not is_ipv6, use_ipv6=is_ipv6)
    return found or ("::1" if is_ipv6 else "127.0.0.1",)  # a machine without a network still has itself


def _bound_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
