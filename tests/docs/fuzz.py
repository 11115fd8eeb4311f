"""Schemathesis over the description of the API, against a running server.

What is sent is made from the document: half of it as described, half of it broken on purpose. What comes back
must be described too: no 5xx, no status, header or shape the document does not know, nothing refused that it
allows and nothing taken that it forbids.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.transport import Response
from schemathesis.schemas import APIOperation

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
#: The one by our codes instead: 400 is also what a wrong one-time code or price is answered with. The other
#: sends everything thrice: tests/test_access.py knocks at every door with every kind of token.
NOT_OURS = ("positive_data_acceptance", "ignored_auth")
TRIES = 6
MALFORMED = {"BAD_REQUEST", "VALIDATION_ERROR", "UNSUPPORTED_MEDIA_TYPE"}
#: What no schema can say: a cursor comes from an earlier answer, two ages are in order, a room is that of the call.
BEYOND_SCHEMA = {"cursor", "ageMin", "roomId", "receiverId", "mapped"}


@dataclass
class Fuzz:
    """Where the server is and who asks.

    `token_for` gives the token for a security scheme and an operation's label; `known` are values that exist,
    under the names of the parameters and body fields they may stand in.
    """

    url: str
    document: dict[str, Any]
    token_for: Callable[[str, str], str]
    known: dict[str, list[str]]
    examples: int
    sent: dict[str, int] = field(default_factory=dict)
    findings: set[str] = field(default_factory=set)

    def run(self, only: str | None = None, *, at_least: int = 1) -> set[str]:
        """The findings in every operation, or in the one with that label, each asked at least so many times."""
        load_all_checks()
        schema = schemathesis.openapi.from_dict(self.document)
        schema.config.generation.allow_x00 = False
        schema.config.generation.with_security_parameters = False
        refusals = [str(status) for status in range(400, 500)]
        schema.config.checks.negative_data_rejection.expected_statuses = refusals
        with requests.Session() as session:
            for operation in _operations(schema):
                if only in (None, operation.label):
                    for round_ in itertools.count():
                        for mode in MODES:
                            self._search(operation, mode, round_, session)
                        if self.sent[operation.label] >= at_least:
                            break
        return self.findings

    def _search(
        self, operation: APIOperation, mode: GenerationMode, round_: int, session: requests.Session
    ) -> None:
        @seed(20_240_115 + round_)
        @settings(
            max_examples=self.examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(mode), st.integers(0, 2**16))
        def search(case: Case, choice: int) -> None:
            if mode is GenerationMode.POSITIVE:
                case.body = _written(case.body)
                if choice % 2:
                    self._put_known(case, choice // 2)
            self._send(case, session)

        try:
            search()
        except Unsatisfiable:  # nothing of this operation can be broken
            assert mode is GenerationMode.NEGATIVE

    def _put_known(self, case: Case, choice: int) -> None:
        for values in (case.path_parameters, case.body, case.query):
            for name in values if isinstance(values, dict) else ():
                if name in self.known:
                    values[name] = self.known[name][choice % len(self.known[name])]

    def _send(self, case: Case, session: requests.Session) -> None:
        label = case.operation.label
        self.sent[label] = self.sent.get(label, 0) + 1
        schemes = [name for one in case.operation.definition.raw.get("security", []) for name in one]
        headers = {"Authorization": f"Bearer {self.token_for(schemes[0], label)}"} if schemes else {}
        checks = [check for check in CHECKS.get_all() if check.__name__ not in NOT_OURS]
        response = _answer(lambda: case.call(self.url, session, headers, timeout=30))
        try:
            case.validate_response(response, checks, additional_checks=[is_taken], headers=headers)
        except FailureGroup as group:
            # Where nothing could be broken Schemathesis sends what it allows, and expects a refusal.
            found = [one for one in group.exceptions if not str(one).endswith("positive test case")]
            self.findings |= {f"{label}: {type(one).__name__}: {one}" for one in found}


def _written(value: Any) -> Any:
    """Whole numbers as people write them: JSON Schema takes 1.0 for an integer, coins do not."""
    if isinstance(value, dict):
        return {key: _written(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_written(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _answer(call: Callable[[], Response]) -> Response:
    """What the page of UNAVAILABLE tells an app to do, where a store of a busy machine is late."""
    for _ in range(TRIES):
        response = call()
        if response.status_code != 503 or response.json()["error"]["code"] != "UNAVAILABLE":
            break
        time.sleep(response.json()["error"].get("retryAfterMs", 1000) / 1000)
    return response


def _operations(schema: Any) -> Iterator[APIOperation]:
    for result in schema.get_all_operations():
        yield result.ok()


def is_taken(_: Any, response: Response, case: Case) -> bool | None:
    """What the document allows is never called malformed."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code < 400:
        return None
    error = response.json()["error"]
    paths = {fault["path"].partition(".")[0] for fault in error.get("fields", [])}
    is_file = case.media_type == "multipart/form-data" and error["code"] == "UNSUPPORTED_MEDIA_TYPE"
    if error["code"] in MALFORMED and not is_file and not (paths and paths <= BEYOND_SCHEMA):
        raise Failure(operation=case.operation.label, title="Refused as malformed", message=str(error))
    return None
