"""The process that decodes: jobs come on stdin, answers leave on stdout, and it ends when its server does."""

import os
import signal
import sys
import warnings
from contextlib import suppress
from typing import BinaryIO

from romantic.decoding import frames
from romantic.errors import RomanticError

#: What 40 million pixels need at most (WebP, whose decoder holds its canvas three times), and a fifth more.
MEMORY_BYTES = 1024 * 1024 * 1024


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the server says when
    warnings.simplefilter("ignore")  # about damaged files; stderr is for our own faults
    _restrict()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    while (job := _job(sys.stdin.buffer)) is not None:
        answers.write(_answer(*job))
        answers.flush()


def _restrict() -> None:
    with suppress(ImportError, ValueError, OSError):  # not every system has such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        os.nice(5)  # the event loop goes first


def _job(jobs: BinaryIO) -> tuple[str, bytes] | None:
    header = jobs.read(frames.JOB.size)
    if len(header) < frames.JOB.size:
        return None
    task, length = frames.job_in(header)
    body = jobs.read(length)
    return (task, body) if len(body) == length else None


def _answer(task: str, body: bytes) -> bytes:
    try:
        return frames.accepted(_done(task, body))
    except RomanticError as refusal:
        return frames.refused(refusal)


def _done(task: str, body: bytes) -> frames.Encoded:
    # Each imports its own decoders: what a worker never uses takes no memory from what it does.
    if task == frames.PICTURE:
        from romantic.decoding.images import encode

        return encode(body)
    from romantic.decoding.recordings import probe

    return frames.Encoded(probe(body, task).encode(), b"")


if __name__ == "__main__":
    main()
