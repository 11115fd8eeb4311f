"""The JSON of the authentication endpoints."""

from typing import Any

from marshmallow import fields, validate

from romantic.db import Row
from romantic.http import PhoneText, Schema, WholeNumber, Words

_CODE = validate.Regexp(r"[0-9]{6}\Z", error="Six digits.")
GENDERS = ("male", "female", "other")


class SendOtpBody(Schema):
    phone_number = PhoneText(required=True)
    delivery_method = fields.Str(
        load_default="whatsapp", validate=validate.OneOf(("whatsapp", "sms", "email"))
    )


class VerifyOtpBody(Schema):
    phone_number = PhoneText(required=True)
    otp_code = fields.Str(required=True, validate=_CODE)
    whatsapp_message_id = fields.Str(load_default=None, validate=validate.Length(max=100))


class RegisterBody(Schema):
    phone_number = PhoneText(required=True)
    full_name = Words(required=True, least=1, most=100)
    age = WholeNumber(required=True, validate=validate.Range(min=18, max=120))
    gender = fields.Str(required=True, validate=validate.OneOf(GENDERS))
    bio = Words(load_default=None, most=1000, allow_none=True)
    location = Words(load_default=None, most=100, allow_none=True)


class LoginBody(Schema):
    phone_number = PhoneText(required=True)
    otp_code = fields.Str(load_default=None, validate=_CODE)
    refresh_token = fields.Str(load_default=None, validate=validate.Length(max=200))


class RefreshBody(Schema):
    refresh_token = fields.Str(required=True, validate=validate.Length(max=200))


class DeleteAccountBody(Schema):
    otp_code = fields.Str(required=True, validate=_CODE)


def signed_in_user(row: Row) -> dict[str, Any]:
    """The `user` of register and login."""
    return {
        "id": row["id"],
        "phoneNumber": row["phone_number"],
        "fullName": row["full_name"],
        "age": row["age"],
        "gender": row["gender"],
        "bio": row["bio"],
        "location": row["location"],
        "coins": row["coins_balance"],
        "createdAt": row["created_at"],
    }


def own_profile(row: Row) -> dict[str, Any]:
    return signed_in_user(row) | {
        "profileImageUrl": row["profile_image_url"],
        "isVerified": row["is_verified"],
        "isSuperLover": row["is_super_lover"],
        "lastSeen": row["last_seen"],
        "isOnline": row["is_online"],
    }


def session_view(row: Row, *, current: bool) -> dict[str, Any]:
    return {
        "id": row["id"],
        "deviceId": row["device_id"],
        "userAgent": row["user_agent"],
        "createdAt": row["created_at"],
        "lastUsedAt": row["last_used_at"],
        "expiresAt": row["expires_at"],
        "isCurrent": current,
    }
