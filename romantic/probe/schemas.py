"""The JSON of probes."""

import ipaddress
from datetime import UTC, datetime
from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields, validate

from romantic.db import Row
from romantic.http import Schema
from romantic.realtime.schemas import EventData

MOST_MS = 60_000
MOST_MAPPED = 16
MAX_OFFER = 64 * 1024  # the stack's own guard is stricter and has the better words
KIND_OF_NETWORK = r"^[a-z0-9-]{1,20}\Z"  # wifi, cellular, vpn: it goes into the log


class Binding(fields.Field[tuple[int, str, int]]):
    """[base port, address, port]: what one more STUN server says of a local socket."""

    described: ClassVar = {"type": "array", "items": {}, "minItems": 3, "maxItems": 3}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> tuple[int, str, int]:
        try:
            base, host, port = value
            address = str(ipaddress.ip_address(host))
        except (TypeError, ValueError):
            raise ma.ValidationError("A binding is [base port, address, port].") from None
        if not all(type(number) is int and 0 < number < 2**16 for number in (base, port)):
            raise ma.ValidationError("A port is between 1 and 65535.")
        return base, address, port


def _milliseconds() -> fields.Float:
    return fields.Float(
        load_default=None, allow_none=True, allow_nan=False, validate=validate.Range(min=0, max=MOST_MS)
    )


class _Request(ma.Schema):
    sdp = fields.Str(required=True, validate=validate.Length(max=MAX_OFFER))
    ws_rtt_ms = _milliseconds()
    gather_ms = _milliseconds()
    mapped = fields.List(Binding(), load_default=list, validate=validate.Length(max=MOST_MAPPED))
    network = fields.Str(
        load_default=None,
        allow_none=True,
        validate=[validate.Length(max=20), validate.Regexp(KIND_OF_NETWORK)],
    )


class ProbeBody(Schema, _Request):
    """An offer of one data channel `probe`, made after gathering with STUN servers.

    `wsRttMs` and `gatherMs` are what the client measured itself, `network` its word for the network.
    """


class ProbeOffer(EventData, _Request):
    """The same on the socket."""


def probe_view(row: Row) -> dict[str, Any]:
    """`status` running or done; `result` is null until it is done."""
    result = None if row["result"] is None else result_view(row)
    status = "running" if result is None else "done"
    return {"probeId": row["id"], "status": status, "result": result}


def result_view(row: Row) -> dict[str, Any]:
    """A stored result: the figures as they were written, with what has columns of its own."""
    finished_at: datetime = row["finished_at"].astimezone(UTC)
    return {
        "verdict": row["verdict"],
        "natMapping": row["nat_mapping"],
        **row["result"],
        "networkId": row["network_id"],
        "at": finished_at,
    }
