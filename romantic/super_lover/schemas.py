"""The JSON of the super lover endpoints."""

from typing import Any

from marshmallow import fields, validate

from romantic.db import Row
from romantic.http import PageQuery, Schema, WholeNumber, Words

STATUSES = ("online", "ready", "offline")


class BecomeBody(Schema):
    super_lover_bio = Words(required=True, least=1, most=1000)


class StatusBody(Schema):
    status = fields.Str(required=True, validate=validate.OneOf(STATUSES))


class BioBody(Schema):
    bio = Words(required=True, least=1, most=1000)


class AvailableQuery(PageQuery):
    """Without a status: everybody who is not offline."""

    default_limit = 10

    status = fields.Str(load_default=None, validate=validate.OneOf(STATUSES))


class RateBody(Schema):
    super_lover_id = fields.UUID(required=True)
    rating = WholeNumber(required=True, validate=validate.Range(min=1, max=5))
    comment = Words(load_default=None, most=500, allow_none=True)
    call_id = fields.UUID(load_default=None)


def stats_view(row: Row) -> dict[str, Any]:
    """Durations in minutes, and once more in seconds."""
    return {
        "rating": row["rating"],
        "totalCalls": row["calls"],
        "totalEarnings": row["earned"],
        "totalDuration": row["minutes"],
        "averageCallDuration": row["average_minutes"],
        "monthlyEarnings": row["earned_this_month"],
        "totalDurationSeconds": row["seconds"],
        "averageCallDurationSeconds": row["average_seconds"],
    }


def super_lover_view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "fullName": row["full_name"],
        "age": row["age"],
        "gender": row["gender"],
        "superLoverBio": row["super_lover_bio"],
        "superLoverRating": row["super_lover_rating"],
        "superLoverCallCount": row["super_lover_call_count"],
        "superLoverStatus": row["super_lover_status"],
        "isBusy": row["is_busy"],
        "profileImageUrl": row["profile_image_url"],
        "isVerified": row["is_verified"],
    }
