"""The probe on the socket: the answer is the ack, the result comes as an event."""

from typing import Any

from romantic.probe import service
from romantic.probe.runs import PROBES, Request
from romantic.probe.schemas import ProbeOffer
from romantic.realtime import Socket, on
from romantic.settings import SETTINGS


async def probe_offer(socket: Socket, **offer: Any) -> dict[str, Any]:
    """Measure this network: the answer is in the ack, the result comes as `probe-result`."""
    network = service.network_id(socket.address, pepper=socket.app[SETTINGS].otp_pepper)
    started = await socket.app[PROBES].start(Request(user_id=socket.user_id, network_id=network, **offer))
    return {"probeId": started.probe_id, "sdp": started.sdp}


EVENTS = (on("probe-offer", probe_offer, ProbeOffer),)
