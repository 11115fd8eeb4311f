"""Tests of a network before a call."""

from romantic.docs.operation import Operation
from romantic.docs.shapes import Answer, flag, moment, number, one, text, uid


class Started(Answer):
    """The answer to the offer; the measuring begins with the connection."""

    probe_id = uid()
    sdp = text("v=0…")


class Phases(Answer):
    """How long each step took, in milliseconds; null where it was not reached or not told."""

    ws_rtt_ms = number(41.0, null=True)
    gather_ms = number(120.0, null=True)
    udp_ms = number(35.5, null=True)
    ice_ms = number(82.0, null=True)
    dtls_ms = number(95.3, null=True)
    channel_ms = number(40.1, null=True)


class Result(Answer):
    """What a network is good for."""

    sometimes = ("advice",)

    verdict = text("direct", about="direct, degraded, relay-needed, unusable, udp-blocked or inconclusive.")
    nat_mapping = text("independent")
    udp = flag(True)
    phases = one(Phases)
    rtt_ms = number(42.0, null=True)
    rtt_p95_ms = number(55.1, null=True)
    jitter_ms = number(1.9, null=True)
    loss_pct = number(0.0, null=True)
    loss_up_pct = number(0.0, null=True)
    loss_down_pct = number(0.0, null=True)
    mos = number(4.38, null=True, about="Estimated (ITU-T G.107).")
    candidate_type = text("srflx", null=True)
    loop_lag_ms = number(1.2, null=True)
    advice = text("Calls work from here.")
    network_id = text("9f2c5a")
    at = moment()


class Probe(Answer):
    """`result` is null while the probe runs."""

    probe_id = uid()
    status = text("done", about="running or done.")
    result = one(Result, null=True)


class Latest(Answer):
    """The newest probe of the last day; null where there is none."""

    probe = one(Probe, null=True)


OFFER = (
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n…"
)

OPERATIONS = {
    "POST /api/probe": Operation(
        "Test one's network", "Probe started successfully", Started, "BAD_SDP PROBE_NO_CANDIDATES PROBE_BUSY",
        "The offer has one data channel `probe` and is made after gathering with STUN servers. The server "
        "answers, sends a train of packets and judges. The result also comes as the event `probe-result`.",
        body={"sdp": OFFER, "wsRttMs": 41.0, "gatherMs": 120.0, "network": "wifi"},
    ),
    "GET /api/probe/latest": Operation("The latest probe", "Latest probe retrieved successfully", Latest),
    "GET /api/probe/{probe_id}": Operation(
        "A probe", "Probe retrieved successfully", Probe, "PROBE_NOT_FOUND"
    ),
}  # fmt: skip
