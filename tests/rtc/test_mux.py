"""One port for all: who gets through to whose connection."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable

import pytest
from aioice import stun

from romantic.rtc import mux as module

from .conftest import until


class Stranger(asyncio.DatagramProtocol):
    """A UDP socket that speaks STUN at the port."""

    def __init__(self, port: int) -> None:
        self.heard: list[bytes] = []
        self._target = ("127.0.0.1", port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.heard.append(data)

    @property
    def address(self) -> tuple[str, int]:
        return self.transport.get_extra_info("sockname")

    def send(self, data: bytes) -> None:
        self.transport.sendto(data, self._target)

    def check(self, *, username: str | None = None, password: str | None = None) -> None:
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        if username is not None:
            request.attributes["USERNAME"] = username
            request.attributes["PRIORITY"] = 1
        if password is not None:
            request.add_message_integrity(password.encode())
        self.send(bytes(request))


@pytest.fixture
async def stranger(peers) -> AsyncIterator[Stranger]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: Stranger(peers.port), local_addr=("127.0.0.1", 0)
    )
    yield protocol
    transport.close()


def ignore(_: object) -> None:
    return None


@pytest.fixture
async def leg(peers, offer):
    peer = await peers.answer(offer, on_beat=ignore, on_state=ignore)
    return peer._leg


def username(leg, offer: str) -> str:
    theirs = next(line for line in offer.splitlines() if line.startswith("a=ice-ufrag:"))
    return f"{leg.connection.local_username}:{theirs.removeprefix('a=ice-ufrag:')}"


async def test_source_is_learned_from_a_signed_check(peers, stranger, leg, offer):
    stranger.check(username=username(leg, offer), password=leg.connection.local_password)
    await until(lambda: stranger.heard)

    assert list(leg.sources) == [stranger.address]


async def test_nothing_is_sent_to_an_address_that_is_not_proven(stranger, leg, offer):
    leg.sendto(b"early", stranger.address)
    stranger.check(username=username(leg, offer), password=leg.connection.local_password)
    await until(lambda: stranger.heard)
    leg.sendto(b"late", stranger.address)
    await until(lambda: b"late" in stranger.heard)

    assert b"early" not in stranger.heard


@pytest.mark.parametrize("password", [None, "x" * 22])
async def test_unsigned_or_forged_check_is_neither_learned_nor_answered(
    peers, stranger, leg, offer, password
):
    stranger.check(username=username(leg, offer), password=password)
    await until(lambda: peers.mux.dropped == 1)

    assert (stranger.heard, leg.sources, peers.mux.sources) == ([], {}, 0)


async def test_names_of_connections_are_long_enough_not_to_collide(leg):
    assert len(leg.connection.local_username) == module.UFRAG_LENGTH


async def test_packets_of_strangers_are_dropped(peers, stranger):
    packets = [
        b"\x00",
        b"\x16\xfe\xfd" + bytes(40),
        bytes(20),
        b"\x00\x01" + bytes(2000),
        secrets.token_bytes(600),
    ]

    for packet in packets:
        stranger.send(packet)
    stranger.check(username="nobody:here", password="x" * 22)

    await until(lambda: peers.mux.dropped == len(packets) + 1)
    assert stranger.heard == []


async def test_one_connection_learns_a_bounded_number_of_sources(peers, leg, offer, stranger):
    leg.sources.update({("192.0.2.1", port): 0.0 for port in range(module.MAX_SOURCES)})

    stranger.check(username=username(leg, offer), password=leg.connection.local_password)
    await until(lambda: peers.mux.dropped == 1)

    assert len(leg.sources) == module.MAX_SOURCES


async def test_flood_of_one_connection_is_cut_at_its_rate(peers, leg, offer, stranger, monkeypatch):
    monkeypatch.setattr(module, "monotonic", lambda: 5.0)

    for _ in range(module.LEG_RATE + 50):
        stranger.check(username=username(leg, offer), password=leg.connection.local_password)

    await until(lambda: peers.mux.dropped == 50)


async def test_plain_binding_is_answered_with_the_address_it_came_from(stranger):
    stranger.check()
    await until(lambda: stranger.heard)

    answer = stun.parse_message(stranger.heard[0])
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == stranger.address


async def test_plain_bindings_are_answered_within_a_rate(peers, stranger, monkeypatch):
    monkeypatch.setattr(module, "monotonic", lambda: 5.0)

    for _ in range(module.BINDING_RATE + 20):
        stranger.check()
    await until(lambda: peers.mux.dropped == module.BINDING_RATE + 20)
    await until(lambda: len(stranger.heard) >= module.BINDING_RATE)

    assert len(stranger.heard) == module.BINDING_RATE


@pytest.mark.parametrize(
    ("host", "advertise", "expected"),
    [
        ("10.1.2.3", None, ("10.1.2.3",)),
        ("10.1.2.3", "", ("10.1.2.3",)),
        ("0.0.0.0", "203.0.113.9", ("203.0.113.9",)),
        ("0.0.0.0", "", ("192.0.2.1", "192.0.2.2")),
    ],
)
def test_clients_are_told_an_address_they_can_reach(monkeypatch, host, advertise, expected):
    monkeypatch.setattr(module, "get_host_addresses", lambda **_: ["192.0.2.1", "192.0.2.2"])

    assert tuple(module._reachable_at(host, advertise)) == expected


def test_a_machine_without_network_is_told_the_loopback(monkeypatch):
    none: Callable[..., list[str]] = lambda **_: []  # noqa: E731
    monkeypatch.setattr(module, "get_host_addresses", none)

    assert tuple(module._reachable_at("0.0.0.0", None)) == ("127.0.0.1",)
