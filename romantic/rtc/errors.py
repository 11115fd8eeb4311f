"""What the server's own peers refuse."""

from http import HTTPStatus

from romantic.errors import RomanticError


class BadSdp(RomanticError):
    """The description is not an offer of exactly one data-channel section within the size limit."""

    code = "BAD_SDP"
    message = "Send an offer with one data channel section and nothing else."


class MonitorBusy(RomanticError):
    """Every place for a peer of this process is taken; the same beats can go over the socket."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "MONITOR_BUSY"
    message = "No monitor is free right now. Send the beats over the socket."
    retryable = True
