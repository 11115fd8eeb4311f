"""What is let through to the WebRTC stack: offers of one data-channel section, without addresses."""

from collections.abc import Mapping
from typing import Final

from romantic.rtc.errors import BadSdp

MAX_OFFER_BYTES: Final = 16 * 1024

# Candidates are an order to send UDP to addresses of the sender's choice: port scans, metadata services,
# look-ups of .local names. An early check from our side also costs clients behind some NATs their port.
# End-of-candidates goes too: with an empty check list it would make ICE fail at once.
ADDRESSES: Final = ("a=candidate", "a=remote-candidates", "a=end-of-candidates")


def passive_offer(offer: object) -> str:
    """Return the offer without its candidates, or refuse it with `BadSdp`.

    Takes the SDP itself or `{"type": "offer", "sdp": …}`. Runs before the stack sees a byte: each media
    section it accepts would cost a decoder thread.
    """
    sdp = _sdp_of(offer)
    lines = sdp.splitlines()
    sections = [line[2:].split(" ", 1)[0] for line in lines if line.startswith("m=")]
    if sections != ["application"]:
        raise BadSdp(sections=sections[:8])
    if "a=setup:actpass" not in lines:
        raise BadSdp("This is not an offer: it does not leave the DTLS roles open.")
    return "".join(f"{line}\r\n" for line in lines if not line.startswith(ADDRESSES))


def _sdp_of(offer: object) -> str:
    if isinstance(offer, Mapping):
        if offer.get("type") != "offer":
            raise BadSdp("This is not an offer.")
        offer = offer.get("sdp")
    if not isinstance(offer, str):
        raise BadSdp()
    # JSON can carry lone surrogates, which have no bytes at all.
    size = len(offer.encode(errors="replace"))
    if size > MAX_OFFER_BYTES or not offer.startswith("v=0"):
        raise BadSdp()
    return offer
