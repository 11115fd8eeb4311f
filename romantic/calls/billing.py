"""What a call that was answered costs and earns: pure arithmetic in whole coins."""

import math
from dataclasses import dataclass
from decimal import Decimal

from romantic.db import Row


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of a call in numbers: seconds, coins given back to the caller, coins for the receiver."""

    duration: int
    refunded: int
    earned: int


def settle(call: Row, *, seconds: float, least_seconds: float, lenient: bool) -> Settlement:
    """Settle `seconds` of mutual evidence.

    `lenient`: a call below `least_seconds` is given back in full, as long as the pair has not used that up.
    Flat: the price stays, whatever the length. Metered: blocks that never started are given back.
    """
    duration = math.floor(seconds)
    if lenient and seconds < least_seconds:
        return Settlement(duration, call["coins_charged"], 0)
    refunded = _unused_blocks(call, seconds) * call["price"] if call["billing"] == "metered" else 0
    earned = math.floor((call["coins_charged"] - refunded) * Decimal(call["share"]))
    return Settlement(duration, refunded, earned)


def give_back(call: Row, *, seconds: float = 0.0) -> Settlement:
    """Everything is refunded and nobody earns."""
    return Settlement(math.floor(seconds), call["coins_charged"], 0)


def _unused_blocks(call: Row, seconds: float) -> int:
    """Blocks charged ahead whose first second never came; the first block always counts."""
    started = max(1, math.ceil(seconds / call["block_seconds"]))
    unused: int = max(0, call["blocks_charged"] - started)
    return unused
