"""Which codes an endpoint may answer with: what its row brings along, and what its operation names."""

from collections.abc import Iterator

from romantic.docs.operation import Operation
from romantic.errors import RomanticError
from romantic.http.guards import anyone
from romantic.http.limits import UNLIMITED
from romantic.http.routing import Route

#: What each guard refuses with, by its name: guards live in rooms this one does not know.
GUARDS = {
    "anyone": "",
    "proven": "UNAUTHORIZED",
    "person_or_robot": "UNAUTHORIZED REGISTRATION_REQUIRED",
    "signed_in": "UNAUTHORIZED REGISTRATION_REQUIRED FORBIDDEN",
    "moderator": "UNAUTHORIZED STAFF_ONLY",
    "admin": "UNAUTHORIZED STAFF_ONLY ADMIN_ONLY",
}
BODY = "BAD_REQUEST REQUEST_TIMEOUT PAYLOAD_TOO_LARGE UNSUPPORTED_MEDIA_TYPE"
IDEMPOTENT = "IDEMPOTENCY_KEY_REUSED REQUEST_IN_FLIGHT"
#: Codes no operation names: they are answered before a request has found one.
ANYWHERE = ("EXPECTATION_FAILED", "METHOD_NOT_ALLOWED")

Refusals = dict[int, list[type[RomanticError]]]


def catalogue() -> dict[str, type[RomanticError]]:
    """Every code a client may meet, in order. Development's own are no client's business."""
    return {
        code: error
        for code, error in sorted(RomanticError.registry.items())
        if not error.__module__.startswith("romantic.dev.")
    }


def is_idempotent(route: Route) -> bool:
    """Whether it honours an Idempotency-Key."""
    return route.method == "POST" and route.guard is not anyone and not route.raw


def refusals_of(route: Route, operation: Operation) -> Refusals:
    """Status to the refusals it stands for, both in order."""
    found: Refusals = {}
    for name in dict.fromkeys((*_by_row(route, operation), *operation.errors.split())):
        status, _, code = name.rpartition(":")
        refusal = RomanticError.registry[code]
        found.setdefault(int(status or refusal.status), []).append(refusal)
    return {status: sorted(found[status], key=lambda refusal: refusal.code) for status in sorted(found)}


def _by_row(route: Route, operation: Operation) -> Iterator[str]:
    yield from (error.code for error in route.errors)
    yield "INTERNAL"
    if operation.in_envelope and route.limit is not UNLIMITED:
        yield "UNAVAILABLE"  # whatever asks the database
    yield from GUARDS[route.guard.__name__].split()
    if "{" in route.path:
        yield "NOT_FOUND"
    if route.limit is not UNLIMITED:
        yield "RATE_LIMITED"
    if route.method != "GET":
        yield from BODY.split()
    if route.query is not None or (route.method != "GET" and (not route.raw or operation.file)):
        yield "VALIDATION_ERROR"
    if is_idempotent(route):
        yield from IDEMPOTENT.split()
