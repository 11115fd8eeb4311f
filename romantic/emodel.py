"""How good a path is for speech: the transmission part of the E-model, ITU-T G.107, as estimated MOS.

It is here once: monitors, probes and the command line ask it, pages show what they are told.
An estimate, with the constants of G.711, since Opus has no entry in G.113.
"""

from math import log2
from typing import Final, Literal

Level = Literal["excellent", "good", "poor", "lost"]

# G.107 section 7.7: R of a connection with every parameter at its default and no delay, loss or codec.
BEST_R: Final = 93.2
# G.113 appendix I: robustness of G.711 with loss concealment against random loss. Opus has no entry there;
# it does better, so the estimate is careful.
LOSS_ROBUSTNESS: Final = 25.1

CODEC_MS: Final = 25.0  # a 20 ms frame and its look-ahead
SMALLEST_BUFFER_MS: Final = 40.0  # a receiver's jitter buffer holds at least two frames

# The rating bands of G.107 annex B, R = 80, 70 and 50, rounded to one decimal.
EXCELLENT: Final = 4.0
GOOD: Final = 3.6
POOR: Final = 2.6


def estimated_mos(*, rtt_ms: float, jitter_ms: float, loss: float) -> float:
    """Return 1.0 to 4.5 for a round trip, its jitter and the one-way loss as a fraction of 1."""
    one_way_ms = rtt_ms / 2 + max(SMALLEST_BUFFER_MS, 2 * jitter_ms) + CODEC_MS
    return mos_of(r=BEST_R - _delay_impairment(one_way_ms) - _loss_impairment(100 * loss))


def one_way(*, round_trip_loss: float) -> float:
    """Return the loss of one direction where both lose alike, which is all that echoed beats can tell."""
    return float(1 - (1 - round_trip_loss) ** 0.5)


def level(mos: float) -> Level:
    """Return the word people see for an estimated MOS."""
    if mos >= EXCELLENT:
        return "excellent"
    if mos >= GOOD:
        return "good"
    return "poor" if mos >= POOR else "lost"


def mos_of(*, r: float) -> float:
    """Turn a transmission rating into MOS (G.107 annex B); the cubic dips below 1 near R = 0."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def _delay_impairment(one_way_ms: float) -> float:
    """Idd of G.107 section 7.4: nothing up to 100 ms of absolute delay."""
    if one_way_ms <= 100:
        return 0.0
    x = log2(one_way_ms / 100)
    return float(25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2))


def _loss_impairment(percent: float) -> float:
    """Ie-eff of G.107 section 7.5 with Ie = 0 and random loss (BurstR = 1)."""
    return 95 * percent / (percent + LOSS_ROBUSTNESS)
