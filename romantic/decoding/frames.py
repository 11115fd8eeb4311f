"""What the server and a worker say to each other over two pipes: length, then bytes."""

import struct
from typing import Any, NamedTuple

import orjson

from romantic.errors import RomanticError


class Encoded(NamedTuple):
    """One photo as we keep it: two JPEGs."""

    image: bytes
    thumbnail: bytes


#: What a job is: PICTURE, or the container of a recording.
PICTURE = "picture"
#: What a recording is.
AUDIO, VIDEO = "audio", "video"
#: Before a job: what it is, its length.
JOB = struct.Struct("!8sI")
#: Before an answer: accepted or not, the length of the image, the length of the thumbnail.
#: For a recording the image is the word for what it is.
#: Where the job was not accepted, the image is a refusal in JSON.
ANSWER = struct.Struct("!?II")


def job(task: str, length: int) -> bytes:
    return JOB.pack(task.encode(), length)


def job_in(header: bytes) -> tuple[str, int]:
    task, length = JOB.unpack(header)
    return task.rstrip(b"\0").decode(), length


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
