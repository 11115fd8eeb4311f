"""What the server hands out for calls between networks: STUN that answers, relays that really allocate."""

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from aioice import stun, turn
from aiortc.rtcicetransport import parse_stun_turn_uri

from romantic.cli.probe.ground import addresses_of
from romantic.cli.probe.outcome import Found, LeftOut, Outcome, Trouble
from romantic.cli.probe.people import People

STUN_SECONDS, TURN_SECONDS = 3.0, 4.0
MOST = 8  # servers of a kind that are looked at

_CREDENTIALS = (
    "it does not take our credentials",
    "WEBRTC_TURN_SECRET must be coturn's static-auth-secret, and the clocks must agree.",
)
#: What a relay answers (RFC 8656), in words.
TURN_FAULTS = {
    401: _CREDENTIALS,
    403: ("it forbids us", "Look at the relay's allowed and denied addresses."),
    437: ("it knows another allocation of this port", "Try again in a minute."),
    441: _CREDENTIALS,
    486: ("this user has as many allocations as it may", "Raise coturn's user-quota; who holds them?"),
    508: ("it has no ports left", "Widen coturn's min-port and max-port, or add a relay."),
}


class Relays:
    """The list of ICE servers, and each of them put to the test. `stun_ready` are those that answered."""

    def __init__(self, people: People) -> None:
        self.stun_ready: list[str] = []
        self._people = people
        self._stun: list[str] = []
        self._turn: list[tuple[str, Mapping[str, Any]]] = []

    @property
    def has_turn(self) -> bool:
        return bool(self._turn)

    async def ask(self) -> Found:
        """ice-servers: what the server tells phones to use."""
        servers = (await self._people.caller.get("/api/calls/ice-servers"))["iceServers"]
        for server in servers:
            urls = [server["urls"]] if isinstance(server["urls"], str) else server["urls"]
            self._stun += [url for url in urls if url.startswith("stun:")]
            self._turn += [(url, server) for url in urls if url.startswith(("turn:", "turns:"))]
        facts = f"{len(self._stun)} STUN and {len(self._turn)} TURN addresses"
        if servers and not self._stun and not self._turn:
            raise Trouble("no address in the list is one of STUN or TURN", "See WEBRTC_STUN_SERVERS.")
        return Found(facts)

    async def bind(self) -> Found:
        """stun: each answers with the address it sees us at."""
        if not self._stun:
            raise LeftOut("no STUN server is configured (WEBRTC_STUN_SERVERS)", harmless=True)
        urls = self._stun[:MOST]
        seen = await asyncio.gather(*(_bind(url) for url in urls), return_exceptions=True)
        good = [(url, answer) for url, answer in zip(urls, seen, strict=True) if isinstance(answer, str)]
        self.stun_ready = [url for _, url in ((one, answer.split()[0]) for one, answer in good)]
        silent = [url for url, answer in zip(urls, seen, strict=True) if not isinstance(answer, str)]
        advice = "Remove what is dead from WEBRTC_STUN_SERVERS; if all are silent, UDP may be blocked here."
        if not good:
            raise Trouble(f"no answer from {_listed(silent)}", advice, outcome=Outcome.WARN)
        facts = f"{len(good)} of {len(urls)} answer, the first within {good[0][1].split()[1]} ms"
        return Found(
            facts,
            cause=f"no answer from {_listed(silent)}" if silent else "",
            advice=advice if silent else "",
        )

    async def allocate(self) -> Found:
        """turn: each gives us a relay address of our own, with the credentials phones get."""
        if not self._turn:
            raise LeftOut("no TURN server is configured (WEBRTC_TURN_SERVERS)", harmless=True)
        pairs = self._turn[:MOST]
        ends = await asyncio.gather(*(_allocate(url, server) for url, server in pairs))
        failed = [
            (url, trouble)
            for (url, _), trouble in zip(pairs, ends, strict=True)
            if isinstance(trouble, Trouble)
        ]
        good = [end for end in ends if not isinstance(end, Trouble)]
        cause = "; ".join(f"{url}: {trouble.cause}" for url, trouble in failed)
        advice = " ".join(dict.fromkeys(trouble.advice for _, trouble in failed))
        if not good:
            raise Trouble(cause, advice)
        facts = f"{len(good)} of {len(pairs)} allocate, the first in {good[0]:.0f} ms"
        return Found(facts, cause=cause, advice=advice)


async def _bind(url: str) -> str:
    """ "stun:address:port milliseconds" of a server that answered; raises OSError, TimeoutError."""
    server = parse_stun_turn_uri(url)
    address = (await addresses_of(server["host"]))[0]
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_Client, remote_addr=(address, server["port"]))
    began = monotonic()
    try:
        async with asyncio.timeout(STUN_SECONDS):
            await protocol.ask()
    finally:
        transport.close()
    return f"stun:{address}:{server['port']} {1000 * (monotonic() - began):.1f}"


class _Client(asyncio.DatagramProtocol):
    """One binding request (RFC 8489), sent again until it is answered."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def ask(self) -> None:
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        self._transaction = stun.Transaction(request, ("", 0), self)
        answer = asyncio.ensure_future(self._transaction.run())
        either: set[asyncio.Future[Any]] = {answer, self._lost}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._lost.done():
                self._lost.result()
            answer.result()
        finally:
            answer.cancel()

    def send_stun(self, message: stun.Message, _: tuple[str, int]) -> None:
        self._transport.sendto(bytes(message))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            self._transaction.response_received(stun.parse_message(data), addr)
        except ValueError:
            return

    def error_received(self, exc: Exception) -> None:
        if not self._lost.done():
            self._lost.set_exception(exc)


async def _allocate(url: str, server: Mapping[str, Any]) -> float | Trouble:
    """Milliseconds to a relay address, given back at once; or why there was none."""
    began = monotonic()
    try:
        parsed = parse_stun_turn_uri(url)
        async with asyncio.timeout(TURN_SECONDS):
            transport = await _endpoint(parsed, server)
    except ValueError:
        return Trouble("no address of a relay", "Look for a typing error in WEBRTC_TURN_SERVERS.")
    except TimeoutError:
        return Trouble("no answer", f"Is {parsed['transport'].upper()} let through to port {parsed['port']}?")
    except stun.TransactionFailed as refused:
        code = int(refused.response.attributes.get("ERROR-CODE", (0, ""))[0])
        cause, advice = TURN_FAULTS.get(code, (f"it refused with {code}", "Look into the relay's log."))
        return Trouble(cause, advice)
    except (OSError, stun.TransactionError) as error:
        return Trouble(str(error) or type(error).__name__, "Is the relay running, and on this port?")
    took = 1000 * (monotonic() - began)
    transport.close()
    return took


async def _endpoint(parsed: Mapping[str, Any], server: Mapping[str, Any]) -> turn.TurnTransport:
    is_tls = parsed["scheme"] == "turns"
    address = (await addresses_of(parsed["host"]))[0]
    # A certificate is for the name; everything else goes where our own resolver says.
    host = parsed["host"] if is_tls else address
    transport, _ = await turn.create_turn_endpoint(
        asyncio.DatagramProtocol,
        server_addr=(host, parsed["port"]),
        username=server["username"],
        password=server["credential"],
        ssl=True if is_tls else None,
        transport=parsed["transport"],
    )
    return transport


def _listed(urls: Sequence[str]) -> str:
    return ", ".join(urls[:3]) + (f" and {len(urls) - 3} more" if len(urls) > 3 else "")
