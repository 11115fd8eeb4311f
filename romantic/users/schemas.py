"""The JSON of the people endpoints."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import marshmallow as ma
from marshmallow import fields, validate

from romantic.db import Row
from romantic.http import Digits, PageQuery, Schema, WholeNumber, Words
from romantic.http.relative_time import relative
from romantic.realtime.schemas import EventData

GENDERS = ("male", "female", "other")

Place = tuple[datetime, UUID]


class ProfileBody(Schema):
    """Five fields may change, each on its own; anything else is refused by name."""

    full_name = Words(load_default=None, least=1, most=100)
    age = WholeNumber(load_default=None, validate=validate.Range(min=18, max=120))
    gender = fields.Str(load_default=None, validate=validate.OneOf(GENDERS))
    bio = Words(most=1000, allow_none=True)
    location = Words(most=100, allow_none=True)


class PlaceInOrder(fields.Field[Place]):
    """An opaque cursor: the last person seen, in the order of discovery."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Place:
        try:
            at, user_id = base64.urlsafe_b64decode(str(value)).decode().split("|")
            return datetime.fromisoformat(at), UUID(user_id)
        except (ValueError, binascii.Error):
            raise ma.ValidationError("Not a cursor of this list.") from None

    @staticmethod
    def of(row: Row) -> str:
        return base64.urlsafe_b64encode(f"{row['created_at'].isoformat()}|{row['id']}".encode()).decode()


class DiscoverQuery(PageQuery):
    default_limit = 10

    gender = fields.Str(load_default=None, validate=validate.OneOf(GENDERS))
    age_min = Digits(load_default=18, validate=validate.Range(min=18, max=120))
    age_max = Digits(load_default=120, validate=validate.Range(min=18, max=120))
    location = Words(load_default=None, least=1, most=100)
    cursor = PlaceInOrder(load_default=None)

    @ma.validates_schema
    def _ages_in_order(self, data: dict[str, Any], **_: Any) -> None:
        if data["age_min"] > data["age_max"]:
            raise ma.ValidationError("ageMin is above ageMax.", "ageMin")


class TargetBody(Schema):
    target_user_id = fields.UUID(required=True)


class ReportBody(Schema):
    target_user_id = fields.UUID(required=True)
    reason = Words(required=True, least=1, most=100)
    description = Words(load_default=None, most=4000, allow_none=True)


class ListQuery(PageQuery):
    pass


class People(EventData):
    user_ids = fields.List(fields.UUID(), required=True, validate=validate.Length(max=100))


def updated_view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "fullName": row["full_name"],
        "age": row["age"],
        "gender": row["gender"],
        "bio": row["bio"],
        "location": row["location"],
        "updatedAt": row["updated_at"],
    }


def card(row: Row) -> dict[str, Any]:
    """Somebody else's profile; what its owner hides is null or false, never absent."""
    seen = row["last_seen"]
    return {
        "id": row["id"],
        "fullName": row["full_name"],
        "age": row["age"],
        "gender": row["gender"],
        "bio": row["bio"],
        "location": row["location"],
        "profileImageUrl": row["profile_image_url"],
        "isVerified": row["is_verified"],
        "isSuperLover": row["is_super_lover"],
        "superLoverStatus": row["super_lover_status"],
        "superLoverBio": row["super_lover_bio"],
        "superLoverRating": row["super_lover_rating"],
        "superLoverCallCount": row["super_lover_call_count"],
        "lastSeen": relative(seen, datetime.now(UTC)) if seen else None,
        "lastSeenAt": seen,
        "isOnline": row["is_online"],
        "isBusy": row["is_busy"],
    }


def match_view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "fullName": row["full_name"],
        "profileImageUrl": row["profile_image_url"],
        "lastMessage": row["message_text"],
        "lastMessageTime": row["last_message_at"],
        "unreadCount": row["unread"],
        "matchedAt": row["matched_at"],
    }


def person_view(row: Row) -> dict[str, Any]:
    return {"id": row["id"], "fullName": row["full_name"], "profileImageUrl": row["profile_image_url"]}
