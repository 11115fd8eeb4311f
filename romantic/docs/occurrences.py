"""Where a refusal is met: the operations of the document, and the events of the socket."""

import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

API = Path(__file__).parents[2] / "config" / "api"

#: What any frame may be answered with.
ANY_FRAME = "BAD_FRAME INTERNAL PAYLOAD_TOO_LARGE RATE_LIMITED UNAUTHORIZED UNAVAILABLE UNKNOWN_EVENT"
#: What an event may be answered with beside that, and beside VALIDATION_ERROR.
EVENTS = {
    "join-room": "IDENTITY_MISMATCH INVALID_CALL_STATE NOT_IN_CALL",
    "leave-room": "NOT_IN_CALL",
    "webrtc-offer": "NOT_IN_CALL TARGET_NOT_IN_CALL",
    "webrtc-answer": "INVALID_CALL_STATE NOT_IN_CALL TARGET_NOT_IN_CALL",
    "ice-candidate": "NOT_IN_CALL TARGET_NOT_IN_CALL",
    "call-end": "IDENTITY_MISMATCH NOT_IN_CALL",
    "call-ringing": "CALL_NOT_FOUND FORBIDDEN INVALID_CALL_STATE",
    "call-accept": "CALL_NOT_FOUND FORBIDDEN INVALID_CALL_STATE",
    "call-reject": "CALL_NOT_FOUND FORBIDDEN INVALID_CALL_STATE",
    "call-stats": "NOT_IN_CALL",
    "monitor-offer": "BAD_SDP MONITOR_BUSY NOT_IN_CALL",
    "monitor-beat": "NOT_IN_CALL",
    "message-send": "INSUFFICIENT_COINS MATCH_REQUIRED USER_UNAVAILABLE",
    "probe-offer": "BAD_SDP PROBE_BUSY PROBE_NO_CANDIDATES",
}


class Place(NamedTuple):
    """An operation, and where the reference shows it."""

    title: str
    link: str


@lru_cache
def operations() -> dict[str, list[Place]]:
    """Code to the operations that answer with it, read from the description that is kept with the code."""
    document = json.loads((API / "openapi.json").read_text("utf-8"))
    responses = document["components"]["responses"]
    found: dict[str, list[Place]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            link = f"/docs#/{operation['tags'][0]}/{operation['operationId']}"
            for response in operation["responses"].values():
                _, _, name = response.get("$ref", "").rpartition("/")
                for code in responses[name]["content"]["application/json"]["examples"] if name else ():
                    found.setdefault(code, []).append(Place(f"{method.upper()} {path}", link))
    return found


def events(code: str) -> list[str]:
    """The events that are answered with it; every frame where it is named by none."""
    if code in ANY_FRAME.split():
        return ["any frame"]
    return [name for name, codes in EVENTS.items() if code in codes.split()]
