"""Marshmallow with the habits of this API: camelCase on the wire, no unknown fields, one shape of fault.

`described` on a field is what the API's description says of it beside what marshmallow knows.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields, validate

from romantic.errors import InvalidInput
from romantic.http.envelope import camel

_CODES = {"Missing data for required field.": "required", "Unknown field.": "unknown"}


class Schema(ma.Schema):
    """snake_case in Python, camelCase in JSON."""

    class Meta:
        unknown = ma.RAISE

    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field[Any]) -> None:
        if field_obj.data_key is None:
            field_obj.data_key = camel(field_name)

    def handle_error(self, error: ma.ValidationError, data: Any, *, many: bool, **_: Any) -> None:  # noqa: ARG002
        raise InvalidInput(fields=list(_faults(error.messages))) from None


def _faults(messages: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Flatten marshmallow's tree into {path, code, message} rows."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _faults(inner, f"{path}.{key}" if path else str(key))
        return
    for message in messages:
        yield {"path": path, "code": _CODES.get(message, "invalid"), "message": message}


#: What str.strip leaves: ECMA-262 does not count the separators of ASCII and NEL among white space.
_VISIBLE = r"[^\s\x1c-\x1f\x85]"


class Words(fields.String):
    """Text a person wrote: trimmed, and never empty when `least` is above zero."""

    def __init__(self, *, least: int = 0, most: int, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(min=least, max=most), **kwargs)
        if least:  # the length counts once the ends are trimmed
            middle = "" if least == 1 else rf"[\s\S]{{{least - 2},}}{_VISIBLE}"
            self.described = {"pattern": _VISIBLE + middle}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return str(super()._deserialize(value, attr, data, **kwargs)).strip()


class PhoneText(fields.String):
    """A phone number as people write it; whether it is one is judged where it is normalised."""

    described: ClassVar = {"pattern": r"^[ ().-]*\+[ ().-]*[1-9]([ ().-]*[0-9]){7,14}[ ().-]*$"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(max=40), **kwargs)


class WholeNumber(fields.Integer):
    """A JSON integer; nothing that merely looks like one."""

    def _validated(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid", input=value)
        return int(super()._validated(value))


class Digits(WholeNumber):
    """A whole number in a query string, in ASCII digits."""

    def _validated(self, value: Any) -> int:
        if not (isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit()):
            raise self.make_error("invalid", input=value)
        return super()._validated(int(value[:12]))


class PageQuery(Schema):
    """`page` and `limit` as every list takes them; loads as page, page_size and page_offset."""

    default_limit = 20

    page = Digits(load_default=1, validate=validate.Range(min=1, max=1_000_000))
    limit = Digits(load_default=None, validate=validate.Range(min=1, max=100))

    @ma.post_load
    def _to_window(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        page, limit = data.pop("page"), data.pop("limit") or self.default_limit
        return data | {"page": page, "page_size": limit, "page_offset": (page - 1) * limit}
