"""From figures to a word: what a network is good for, and what two networks can do without a relay."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from romantic.rtc.nat import NatMapping

Verdict = Literal["inconclusive", "udp-blocked", "unusable", "relay-needed", "degraded", "direct"]
Connectivity = Literal["direct", "relay-likely", "relay-needed", "unlikely"]

MOST_LAG_MS: Final = 50.0  # of our own loop: beyond it we measured ourselves
UNUSABLE_LOSS: Final = 0.12
UNUSABLE_MOS: Final = 2.6
DEGRADED_LOSS: Final = 0.03
DEGRADED_RTT_MS: Final = 400.0
DEGRADED_JITTER_MS: Final = 40.0
DEGRADED_MOS: Final = 3.6

ADVICE: Final[Mapping[Verdict, str]] = {
    "inconclusive": "The test could not tell. Try again in half a minute; calls are worth a try.",
    "udp-blocked": (
        "This network lets no UDP through, so calls need a relay over TCP or TLS. "
        "Leave the VPN or the company network, or use mobile data."
    ),
    "unusable": "Too much is lost on the way. Move closer to the router or change the network.",
    "relay-needed": (
        "This network shows every peer another address, so calls need a relay unless the other side is open. "
        "Another Wi-Fi or mobile data usually helps."
    ),
    "degraded": "Calls work, with gaps or delay. Prefer audio, and stop downloads on this network.",
    "direct": "Calls work from here.",
}


@dataclass(frozen=True, slots=True)
class Findings:
    """What one probe found. Losses are fractions of 1 in one direction; None where nothing was measured."""

    answered: bool = False
    udp: bool = False
    channel: bool = False
    nat_mapping: NatMapping = "unknown"
    rtt_ms: float | None = None
    jitter_ms: float | None = None
    loss_up: float | None = None
    loss_down: float | None = None
    mos: float | None = None
    lag_ms: float = 0.0

    @property
    def loss(self) -> float | None:
        """Of the worse direction."""
        return max((part for part in (self.loss_up, self.loss_down) if part is not None), default=None)


def judge(found: Findings) -> Verdict:
    """The first rule that fits. A lag of our own spoils figures, not the fact that nothing came through."""
    if not found.answered:
        return "inconclusive"
    if not found.udp:
        return "udp-blocked"
    if found.channel and found.lag_ms > MOST_LAG_MS:
        return "inconclusive"
    if not found.channel or _is_below(found, loss=UNUSABLE_LOSS, mos=UNUSABLE_MOS):
        return "unusable"
    if found.nat_mapping == "symmetric":
        return "relay-needed"
    if found.nat_mapping == "unknown":
        return "inconclusive"
    is_slow = found.rtt_ms is not None and found.rtt_ms > DEGRADED_RTT_MS
    is_rough = found.jitter_ms is not None and found.jitter_ms > DEGRADED_JITTER_MS
    if is_slow or is_rough or _is_below(found, loss=DEGRADED_LOSS, mos=DEGRADED_MOS):
        return "degraded"
    return "direct"


def forecast(
    one: Mapping[str, Any] | None, other: Mapping[str, Any] | None, *, has_relay: bool
) -> Connectivity | None:
    """Whether two people reach each other without a relay, from their latest `verdict` and `nat_mapping`.

    None where nobody knows: a probe is missing or told nothing, and the other alone does not decide.
    """
    known = [side for side in (one, other) if side is not None]
    symmetric = [side for side in known if side["nat_mapping"] == "symmetric"]
    if any(side["verdict"] == "udp-blocked" for side in known) or len(symmetric) == 2:
        return "relay-needed" if has_relay else "unlikely"
    if symmetric:
        return "relay-likely"
    if len(known) < 2 or any(side["nat_mapping"] == "unknown" for side in known):
        return None
    return "direct"


def _is_below(found: Findings, *, loss: float, mos: float) -> bool:
    is_lossy = found.loss is None or found.loss >= loss
    return is_lossy or found.mos is None or found.mos < mos
