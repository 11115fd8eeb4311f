"""The detector of secrets: what the tests know to be secret, and what gives itself away by its shape.

Everything the application logs while the tests run passes here, rendered as in production. A test in which a
one-time code, a token, a phone number, a session description, a candidate or the words of a person reach a line
fails, whatever it is about.
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from romantic import logs

#: Secrets of any kind, by their shape: JWT, E.164, SDP lines, candidates, bearer headers, keys of providers.
SHAPES = re.compile(
    r"eyJ[\w-]{10,}\.[\w-]+\.[\w-]+|\+[1-9]\d{9,14}\b|a=(?:candidate|ice-pwd|ice-ufrag|fingerprint):"
    r"|candidate:\S+ \d+ (?:udp|tcp|UDP|TCP) |\bv=0\\r\\n|[Bb]earer [\w.-]{12,}|\bsk_(?:live|test)_\w+"
)
#: Where clients put secrets in what they send.
KEYS = {
    "otpCode",
    "phoneNumber",
    "refreshToken",
    "accessToken",
    "token",
    "messageText",
    "sdp",
    "candidate",
    "email",
}
SHORTEST = 6


class Detector:
    """Hears every line, and knows what must not stand in one. One per process of the test run."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.known: set[str] = set()

    def begin(self) -> None:
        """A new test: it answers for its own secrets and lines."""
        self.lines.clear()
        self.known.clear()

    def tell(self, *secrets: str) -> None:
        """What must not be logged from now on; too short a text is found anywhere by chance."""
        for secret in secrets:
            if len(secret := secret.removeprefix("+")) >= SHORTEST:
                self.known.add(secret)

    def tell_body(self, body: Any) -> None:
        """The secrets in what a client sends, however deep."""
        if isinstance(body, dict):
            for key, value in body.items():
                if isinstance(value, str) and key in KEYS:
                    self.tell(value)
                else:
                    self.tell_body(value)
        elif isinstance(body, list):
            for item in body:
                self.tell_body(item)

    def hear(self, line: str) -> None:
        self.lines.append(line)

    def leaks(self) -> list[str]:
        """Each secret that was logged, with its line."""
        found = []
        codes = {secret for secret in self.known if re.fullmatch(r"\d{6}", secret)}
        texts = self.known - codes
        for line in self.lines:
            if match := SHAPES.search(line):
                found.append(f"{match[0]!r} in {line}")
            found += [f"{secret!r} in {line}" for secret in texts if secret in line]
            if codes:
                words = {word for text in _strings(line) for word in re.findall(r"\b\d{6}\b", text)}
                found += [f"{code!r} in {line}" for code in codes & words]
        return found


def _strings(line: str) -> Iterator[str]:
    """Every text of a line: a code is one, a count of six digits is not."""
    try:
        waiting = [json.loads(line)]
    except ValueError:
        yield line
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value


DETECTOR = Detector()


class Tee:
    """Where the lines of an application under test go: to the detector, and to pytest's capture."""

    def msg(self, line: str) -> None:
        DETECTOR.hear(line)
        sys.stdout.write(f"{line}\n")

    debug = info = warning = error = critical = exception = log = msg


TEE = Tee()


class HeardSink(logs._Sink):
    """A sink of a test that reads lines itself: they are heard here as well."""

    def msg(self, line: str) -> None:
        DETECTOR.hear(line)
        super().msg(line)

    debug = info = warning = error = critical = exception = log = msg
