"""The JSON of the device endpoints."""

from typing import Any

from marshmallow import fields, validate

from romantic.db import Row
from romantic.http import Schema
from romantic.integrations.push import PLATFORMS

#: As FCM gives them: printable ASCII without spaces. Their length is not promised; today's have 163.
REGISTRATION = r"[!-~]{20,2000}\Z"


class DeviceBody(Schema):
    token = fields.Str(required=True, validate=validate.Regexp(REGISTRATION, error="Not a token of FCM."))
    platform = fields.Str(required=True, validate=validate.OneOf(PLATFORMS))


def device_view(row: Row) -> dict[str, Any]:
    """Without the token: whoever has it can have the device's pushes moved to an account of theirs."""
    return {
        "id": row["id"],
        "platform": row["platform"],
        "lastSeenAt": row["last_seen"],
        "createdAt": row["created_at"],
    }
