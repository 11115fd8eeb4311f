"""The JSON of the coin endpoints."""

import base64
import binascii
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from romantic.db import Row
from romantic.http import PageQuery, Schema, WholeNumber

ACTIONS = ("call", "chat", "boost", "gift")
ENTRY_TYPES = ("earn", "spend", "purchase", "refund")


class SpendBody(Schema):
    amount = WholeNumber(required=True, validate=validate.Range(min=1, max=1_000_000))
    action = fields.Str(required=True, validate=validate.OneOf(ACTIONS))
    reference_id = fields.UUID(required=True)


class Cursor(fields.Field[int]):
    """An opaque place in a list: the sequence number of the last row seen."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> int:  # noqa: ARG002
        try:
            seq = int(base64.urlsafe_b64decode(str(value)).decode())
        except (ValueError, binascii.Error):
            seq = 0
        if not 0 < seq < 2**63:
            raise ma.ValidationError("Not a cursor of this list.")
        return seq

    @staticmethod
    def of(seq: int) -> str:
        return base64.urlsafe_b64encode(str(seq).encode()).decode()


class EntriesQuery(PageQuery):
    transaction_type = fields.Str(data_key="type", load_default=None, validate=validate.OneOf(ENTRY_TYPES))
    cursor = Cursor(load_default=None)


def entry_view(row: Row) -> dict[str, Any]:
    """Amounts are positive; the direction follows from the type."""
    return {
        "id": row["id"],
        "type": row["transaction_type"],
        "amount": row["amount"],
        "description": row["description"],
        "balanceAfter": row["balance_after"],
        "referenceType": row["reference_type"],
        "referenceId": row["reference_id"],
        "createdAt": row["created_at"],
    }
