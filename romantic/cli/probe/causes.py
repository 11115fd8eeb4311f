"""From what went wrong in code to a cause and an advice in words."""

import errno
import json
import ssl

from aiohttp import ClientError, ContentTypeError, ServerDisconnectedError, WSServerHandshakeError

from romantic.cli.phone import Refused
from romantic.cli.probe.outcome import Trouble

#: What OpenSSL calls the faults of a certificate (x509_vfy.h).
EXPIRED, WRONG_NAMES = 10, (62, 64)
STRANGERS = (18, 19, 20, 21)
LOST = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)

ADVICE = {
    "UNAUTHORIZED": "Make a new key: run.py admin probe-account rotate NAME.",
    "FORBIDDEN": "The account may not do this. Is it a probe account, or a person who may call?",
    "OTP_INVALID": "Give a code that is still good, or use a probe account: --keys FILE.",
    "OTP_LOCKED": "Too many wrong codes: run.py admin otp unlock NUMBER.",
    "OTP_NOT_SENT": "No provider took the code: look for otp.send in the server's log.",
    "REGISTRATION_REQUIRED": "Register this number in the app first, or use a probe account.",
    "INSUFFICIENT_COINS": "A call costs more than the probe account has: create another with --coins.",
    "USER_UNAVAILABLE": "Both keys must be those of probe accounts of this server, and two different ones.",
    "USER_BUSY": "Another run is in a call with these accounts: give each robot a pair of its own.",
    "CALL_GLARE": "Another run is in a call with these accounts: give each robot a pair of its own.",
    "RATE_LIMITED": "Probe less often, or give each robot a pair of accounts of its own.",
    "MONITOR_BUSY": "The server has as many peers as it takes: RTC_MAX_PEERS.",
    "PROBE_BUSY": "Four probes run at once at most; spread the robots over the minute.",
    "PROBE_NO_CANDIDATES": "This machine has no address but its own loopback: probe from elsewhere.",
    "CALL_UNLIKELY": "By both probes a call needs a relay, and there is none: WEBRTC_TURN_SERVERS.",
    "INTERNAL": "Look for the request in the server's log.",
}


def explain(error: BaseException) -> Trouble:
    """The trouble behind an exception; one of ours passes through."""
    if isinstance(error, Trouble):
        return error
    if isinstance(error, Refused):
        advice = ADVICE.get(error.code, "The server's documentation explains the code.")
        return Trouble(f"the server refused: {error}", advice)
    if isinstance(error, ssl.SSLError):
        return _of_tls(error)
    if isinstance(error, TimeoutError):
        return Trouble(
            str(error) or "no answer in time", "Is the server overloaded, or does something swallow packets?"
        )
    if isinstance(error, ContentTypeError | json.JSONDecodeError | KeyError | TypeError):
        return Trouble(
            f"the answer is not one of Romantic's ({type(error).__name__}: {error})",
            "Is this the right address? A proxy or another program may be answering.",
        )
    if isinstance(error, WSServerHandshakeError):
        advice = "Does the proxy pass WebSockets on (Upgrade and Connection)?"
        return Trouble(f"the socket was refused with status {error.status}", advice)
    if isinstance(error, OSError | ClientError):
        return _of_network(error)
    return Trouble(
        f"the probe itself failed: {type(error).__name__}: {error}", "Please report this as a bug."
    )


def _of_network(error: OSError | ClientError) -> Trouble:
    inner = getattr(error, "os_error", error)
    if isinstance(inner, ConnectionRefusedError):
        return Trouble(
            "connection refused: nothing listens there", "Is the server running, and on this port?"
        )
    if isinstance(inner, ConnectionError | ServerDisconnectedError) or getattr(inner, "errno", None) in LOST:
        return Trouble(f"the connection was lost: {error}", "Did the server or a proxy restart just now?")
    return Trouble(f"{error or type(error).__name__}", "Is there a way to this network from here?")


def _of_tls(error: ssl.SSLError) -> Trouble:
    code = getattr(error, "verify_code", None)
    if code == EXPIRED:
        return Trouble("the certificate has expired", "Renew it now: no phone connects until then.")
    if code in WRONG_NAMES:
        return Trouble(
            "the certificate is for another name", "Probe by the name it was made for, or make another."
        )
    if code in STRANGERS:
        advice = "Send the whole chain; for a private authority give --ca FILE."
        return Trouble("the certificate is signed by nobody this machine trusts", advice)
    if code is not None:
        return Trouble(f"the certificate is not valid: {error.verify_message}", "Make another one.")  # type: ignore[attr-defined]
    return Trouble(f"no TLS: {error.reason or error}", "Does this port speak TLS at all? Try http://.")
