"""Address translation, told from candidates as browsers and aiortc write them."""

import pytest

from romantic.rtc.nat import Candidate, candidate_type, candidates_of, nat_mapping, usable

HOST = Candidate("host", "10.0.0.7", 50000)
SRFLX = Candidate("srflx", "203.0.113.9", 61000, 50000)
MAPPED = ("203.0.113.9", 61000)


def line(text):
    return f"v=0\r\na=candidate:{text}\r\n"


def test_candidates_are_read_from_the_offer():
    sdp = (
        line("1 1 udp 2113937151 10.0.0.7 50000 typ host generation 0")
        + line("2 1 UDP 1677729535 203.0.113.9 61000 typ srflx raddr 10.0.0.7 rport 50000")
        + line("3 1 udp 2113937151 0a1b.local 50001 typ host")
        + line("4 1 udp 2113937151 2001:DB8::1 50002 typ host")
    )

    assert candidates_of(sdp) == [
        HOST,
        SRFLX,
        Candidate("host", "0a1b.local", 50001),
        Candidate("host", "2001:db8::1", 50002),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "1 1 tcp 1518280447 10.0.0.7 9 typ host tcptype active",
        "1 1 udp 1 10.0.0.7 0 typ host",
        "1 1 udp 1 10.0.0.7 65536 typ host",
        "1 1 udp 1 10.0.0.7 ٣ typ host",
        "1 1 udp 1 example.org 5000 typ host",
        "1 1 udp 1 10.0.0.7 5000 typ magic",
        "1 1 udp 1 10.0.0.7 5000 typ srflx raddr 10.0.0.7 rport x",
        "1 1 udp",
        "",
    ],
)
def test_what_is_no_udp_candidate_is_not_there(text):
    assert candidates_of(line(text)) == []


def test_an_offer_full_of_candidates_is_read_to_a_limit():
    assert len(candidates_of(line("1 1 udp 1 10.0.0.7 5000 typ host") * 5000)) == 100


def test_nothing_can_come_from_loopback_multicast_or_nowhere():
    hosts = ("127.0.0.1", "::1", "0.0.0.0", "224.0.0.1", "ff02::1", "10.0.0.7", "x.local")
    candidates = [Candidate("host", host, 5000) for host in hosts]

    assert [c.host for c in usable(candidates, loopback=False)] == ["10.0.0.7", "x.local"]
    assert {c.host for c in usable(candidates, loopback=True)} >= {"127.0.0.1", "::1"}


@pytest.mark.parametrize(
    ("candidates", "seen", "mapped", "expected"),
    [
        ([HOST], [("10.0.0.7", 50000)], (), "none"),
        ([HOST, SRFLX], [MAPPED], (), "cone"),
        ([HOST, SRFLX], [("203.0.113.9", 61001)], (), "symmetric"),
        ([HOST, SRFLX], [("203.0.113.9", 61001), MAPPED], (), "cone"),
        ([HOST], [("203.0.113.9", 61000)], (), "unknown"),
        ([Candidate("host", "x.local", 1)], [("192.168.1.5", 1)], (), "none"),
        ([HOST, SRFLX], [], (), "unknown"),
        ([HOST], [MAPPED], [(50000, *MAPPED)], "cone"),
        # Two STUN servers saw two bindings of one socket.
        ([HOST, SRFLX], [MAPPED], [(50000, "203.0.113.9", 61005)], "symmetric"),
        # One binding in each address family is one binding.
        ([HOST, SRFLX], [MAPPED], [(50000, "2001:db8::1", 50000)], "cone"),
        # Two interfaces behind hidden base ports are two sockets.
        (
            [HOST, Candidate("srflx", *MAPPED), Candidate("srflx", "198.51.100.4", 70)],
            [MAPPED],
            (),
            "cone",
        ),
        # A relay's address says nothing about the network behind it.
        ([HOST, SRFLX, Candidate("relay", "192.0.2.1", 9)], [("192.0.2.1", 9)], (), "unknown"),
    ],
)
def test_mapping(candidates, seen, mapped, expected):
    assert nat_mapping(candidates, seen, mapped=mapped) == expected


def test_candidate_is_called_what_the_client_calls_it():
    candidates = [HOST, SRFLX, Candidate("relay", "192.0.2.1", 9)]

    found = [
        candidate_type(candidates, source)
        for source in [("10.0.0.7", 50000), MAPPED, ("192.0.2.1", 9), ("203.0.113.9", 1), None]
    ]

    assert found == ["host", "srflx", "relay", "prflx", None]
