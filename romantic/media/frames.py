"""What the server and an image worker say to each other over two pipes: length, then bytes."""

import struct
from typing import Any, NamedTuple

import orjson

from romantic.errors import RomanticError


class Encoded(NamedTuple):
    """One photo as we keep it: two JPEGs."""

    image: bytes
    thumbnail: bytes


#: Before a job: its length.
JOB = struct.Struct("!I")
#: Before an answer: accepted or not, the length of the image, the length of the thumbnail.
#: Where the job was not accepted, the image is a refusal in JSON.
ANSWER = struct.Struct("!?II")


def accepted(encoded: Encoded) -> bytes:
    return ANSWER.pack(True, len(encoded.image), len(encoded.thumbnail)) + encoded.image + encoded.thumbnail


def refused(refusal: RomanticError) -> bytes:
    """The refusal, and the name of the decoder's complaint behind it, for the log."""
    cause = type(refusal.__cause__).__name__ if refusal.__cause__ else None
    told = {"code": refusal.code, "message": str(refusal), "meta": refusal.meta, "cause": cause}
    body = orjson.dumps(told)
    return ANSWER.pack(False, len(body), 0) + body


def refusal_in(body: bytes) -> tuple[RomanticError, str | None]:
    """What `refused` wrote, as an exception again."""
    told: dict[str, Any] = orjson.loads(body)
    return RomanticError.registry[told["code"]](told["message"], **told["meta"]), told["cause"]
