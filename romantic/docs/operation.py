"""What the documents say of a route beside what its row says."""

from dataclasses import dataclass, field
from typing import Any

from romantic.docs.shapes import Answer

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint, for who calls it.

    `returns` is the shape of the answer's data and `message` its sentence; `errors` are the codes beside
    those that its guard, its limit and its body bring along, parted by spaces (`401:CODE` where the status
    is not the code's own); `body` is the documented request, `file` the name of a form's file.
    What is no JSON in the envelope: `parameters` and `takes` (content type to schema) of what is read
    without a schema, `gives` (status to response) of what is answered beside or instead of the envelope.
    """

    summary: str
    message: str = ""
    returns: type[Answer] | None = None
    errors: str = ""
    about: str = ""
    body: Spec | None = None
    file: str = ""
    parameters: tuple[Spec, ...] = ()
    takes: Spec = field(default_factory=dict)
    gives: Spec = field(default_factory=dict)
    in_envelope: bool = True
