"""The fields of answers, each with the value it has in examples.

A word that is one of a list (a status, a kind) is plain text here: apps must take words they do not know.
"""

from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields

from romantic.http import Schema

#: Who and what the examples talk about; the words of the original specification where it has them.
BEN, ADA = "0b9f2a54-3c1d-4f6e-9a57-2d8e6c1b7f10", "7c4e1d92-8f3b-4a60-b1d5-95e0f6a2c3d4"
CALL, MOMENT = "5c1e7a30-64b2-4d8f-a9c3-1f0e2d3c4b5a", "2024-01-15T10:30:00Z"
ANY = "3f8a6b1c-9d2e-4c7f-8e5a-6b4d3c2f1a09"


class Answer(Schema):
    """What is sent. Every field is there, whatever its value, but those that are named as optional."""

    class Meta:
        unknown = ma.EXCLUDE

    sometimes: ClassVar[tuple[str, ...]] = ()

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        super().on_bind_field(field_name, field_obj)
        field_obj.required = field_name not in self.sometimes


def text(example: str | None, *, about: str = "", null: bool = False) -> fields.Field[Any]:
    return fields.Str(allow_none=null, metadata=_metadata(example, about))


def whole(example: int | None, *, about: str = "", null: bool = False) -> fields.Field[Any]:
    return fields.Int(allow_none=null, metadata=_metadata(example, about))


def number(example: float | None, *, about: str = "", null: bool = False) -> fields.Field[Any]:
    return fields.Float(allow_none=null, metadata=_metadata(example, about))


def flag(example: bool, *, about: str = "") -> fields.Field[Any]:
    return fields.Bool(metadata=_metadata(example, about))


def uid(example: str | None = ANY, *, about: str = "", null: bool = False) -> fields.Field[Any]:
    return fields.UUID(allow_none=null, metadata=_metadata(example, about))


def moment(example: str | None = MOMENT, *, about: str = "", null: bool = False) -> fields.Field[Any]:
    """UTC, whole seconds: `YYYY-MM-DDTHH:MM:SSZ`."""
    return fields.DateTime(allow_none=null, metadata=_metadata(example, about))


def anything(example: Any, *, about: str = "", null: bool = False) -> fields.Field[Any]:
    """An object whose keys are not ours to promise."""
    return fields.Dict(allow_none=null, metadata=_metadata(example, about))


def one(shape: type[Answer], *, null: bool = False, about: str = "") -> fields.Field[Any]:
    return fields.Nested(shape, allow_none=null, metadata={"description": about} if about else {})


def many(shape: "type[Answer] | fields.Field[Any]", *, about: str = "") -> fields.Field[Any]:
    inner = shape if isinstance(shape, fields.Field) else fields.Nested(shape)
    return fields.List(inner, metadata={"description": about} if about else {})


def _metadata(example: Any, about: str) -> dict[str, Any]:
    return {"example": example} | ({"description": about} if about else {})


class Pagination(Answer):
    """Where a page stands in its list."""

    page = whole(1)
    limit = whole(20)
    total = whole(1)
    has_next = flag(False)


def example_of(shape: type[Answer]) -> dict[str, Any]:
    """An answer of this shape, put together from the examples of its fields."""
    return {str(field.data_key): _example(field) for field in shape().fields.values()}


def _example(field: fields.Field[Any]) -> Any:
    if isinstance(field, fields.Nested):
        nested = field.nested
        assert isinstance(nested, type)
        assert issubclass(nested, Answer)
        return example_of(nested)
    if isinstance(field, fields.List):
        return [_example(field.inner)]
    return field.metadata["example"]
