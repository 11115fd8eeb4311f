"""The JSON of the moderators' endpoints."""

from typing import Any

from marshmallow import fields, validate

from romantic.db import Row
from romantic.http import PageQuery, PhoneText, Schema, WholeNumber, Words
from romantic.http.envelope import camel

REPORT_STATES = ("pending", "investigating", "resolved", "dismissed")
ADJUSTMENTS = ("goodwill", "correction", "fraud", "test")
ACTIONS = ("none", "warn", "suspend", "ban", "remove_photo")
USER_STATES = ("active", "suspended", "banned", "deleted")


class LoginBody(Schema):
    phone_number = PhoneText(required=True)
    otp_code = fields.Str(required=True, validate=validate.Regexp(r"[0-9]{6}\Z", error="Six digits."))


class ReportsQuery(PageQuery):
    status = fields.Str(load_default=None, validate=validate.OneOf(REPORT_STATES))


class ReportBody(Schema):
    """`version`, where given, must be the one that was read: nobody decides over somebody else's decision."""

    status = fields.Str(required=True, validate=validate.OneOf(REPORT_STATES[1:]))
    admin_notes = Words(load_default=None, most=4000, allow_none=True)
    action = fields.Str(load_default=None, validate=validate.OneOf(ACTIONS))
    days = WholeNumber(load_default=None, validate=validate.Range(min=1, max=3650))
    version = WholeNumber(load_default=None, validate=validate.Range(min=1))


class UsersQuery(PageQuery):
    status = fields.Str(load_default=None, validate=validate.OneOf(USER_STATES))
    phone_number = fields.Str(load_default=None, validate=validate.Length(max=20))
    user_id = fields.UUID(load_default=None)
    name = fields.Str(load_default=None, validate=validate.Length(min=1, max=100))


class DaysQuery(Schema):
    days = fields.Int(load_default=14, validate=validate.Range(min=1, max=90))


class ReasonBody(Schema):
    reason = Words(required=True, least=3, most=500)


class SuspendBody(ReasonBody):
    days = WholeNumber(load_default=7, validate=validate.Range(min=1, max=3650))


class AdjustBody(Schema):
    """Coins by hand: a signed amount, the kind of reason, and the story."""

    user_id = fields.UUID(required=True)
    amount = WholeNumber(
        required=True,
        validate=[validate.Range(min=-1_000_000, max=1_000_000), validate.NoneOf([0])],
        metadata={"not": {"enum": [0]}},
    )
    reason = fields.Str(required=True, validate=validate.OneOf(ADJUSTMENTS))
    note = Words(required=True, least=3, most=500)
    reference_id = fields.UUID(required=True)


class AuditQuery(PageQuery):
    target_id = fields.UUID(load_default=None)
    actor_id = fields.UUID(load_default=None)


def report_view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "reporterId": row["reporter_id"],
        "reporterName": row["reporter_name"],
        "reportedUserId": row["reported_user_id"],
        "reportedName": row["reported_name"],
        "reason": row["reason"],
        "description": row["description"],
        "status": row["status"],
        "adminNotes": row["admin_notes"],
        "action": row["action"],
        "decidedBy": row["decided_by"],
        "version": row["version"],
        "snapshot": row["snapshot"],
        "messageCount": row["message_count"],
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
    }


def user_view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "fullName": row["full_name"],
        "age": row["age"],
        "gender": row["gender"],
        "role": row["role"],
        "status": row["status"],
        "suspendedUntil": row["suspended_until"],
        "isVerified": row["is_verified"],
        "isSuperLover": row["is_super_lover"],
        "coins": row["coins_balance"],
        "lastSeen": row["last_seen"],
        "createdAt": row["created_at"],
    }


def live_call_view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "callerId": row["caller_id"],
        "callerName": row["caller_name"],
        "receiverId": row["receiver_id"],
        "receiverName": row["receiver_name"],
        "callType": row["call_type"],
        "status": row["status"],
        "billing": row["billing"],
        "coinsCharged": row["coins_charged"],
        "evidenceLevel": row["evidence_level"],
        "gaps": row["gaps"],
        "mos": row["mos"],
        "answeredAt": row["answered_at"],
        "startedAt": row["started_at"],
        "createdAt": row["created_at"],
    }


def audit_view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "actorId": row["actor_id"],
        "actorName": row["actor_name"],
        "operator": row["operator"],
        "action": row["action"],
        "targetType": row["target_type"],
        "targetId": row["target_id"],
        "targetKey": row["target_key"],
        "reason": row["reason"],
        "before": row["before"],
        "after": row["after"],
        "requestId": row["request_id"],
        "createdAt": row["created_at"],
    }


EXPLAINED = (
    "id",
    "caller_id",
    "receiver_id",
    "call_type",
    "status",
    "end_reason",
    "ended_by",
    "duration_seconds",
    "client_duration_seconds",
    "billing",
    "price",
    "share",
    "coins_charged",
    "coins_refunded",
    "coins_spent",
    "coins_earned",
    "metered_by",
    "evidence_level",
    "gaps",
    "quality_score",
    "created_at",
    "answered_at",
    "started_at",
    "ended_at",
)
TIMELINE = ("event", "user_id", "detail", "created_at")
LEDGER = (
    "id",
    "user_id",
    "transaction_type",
    "signed_amount",
    "balance_after",
    "description",
    "created_at",
)


PERSON = (
    "id",
    "full_name",
    "age",
    "gender",
    "bio",
    "location",
    "profile_image_url",
    "role",
    "status",
    "suspended_until",
    "is_verified",
    "is_super_lover",
    "is_online",
    "last_seen",
    "created_at",
    "reports_about",
    "reports_open",
    "warnings",
    "exclusions",
    "reports_made",
    "reports_made_in_vain",
)
DAY = ("new_users", "answered", "unanswered", "failed", "coins_spent", "mos", "reports")


def person_view(row: Row) -> dict[str, Any]:
    """Somebody with their history of reports and decisions; of the phone number nothing but its end."""
    plain = {camel(name): row[name] for name in PERSON}
    return plain | {"phone": row["phone_ends"] and f"+***{row['phone_ends']}", "coins": row["coins_balance"]}


def message_view(message: dict[str, Any]) -> dict[str, Any]:
    """A message of a report's snapshot, as it was kept."""
    return {camel(name): value for name, value in message.items()}


def day_view(row: Row) -> dict[str, Any]:
    return {"day": row["day"].isoformat()} | {camel(name): row[name] for name in DAY}


def explained_view(row: Row) -> dict[str, Any]:
    """A call as an operator needs it: the true end reason, the claim of the client, the evidence."""
    return {camel(name): row[name] for name in EXPLAINED}


def timeline_view(row: Row) -> dict[str, Any]:
    return {camel(name): row[name] for name in TIMELINE}


def ledger_view(row: Row) -> dict[str, Any]:
    return {camel(name): row[name] for name in LEDGER}
