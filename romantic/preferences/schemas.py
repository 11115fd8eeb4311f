"""The JSON of the preference endpoints."""

from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields, validate

from romantic.db import Row
from romantic.http import Schema
from romantic.http.relative_time import relative

VISIBILITIES = ("public", "matches", "hidden")
THEMES = ("light", "dark", "system")
LANGUAGE = r"[a-z]{2}(-[A-Z]{2})?\Z"


class Flag(fields.Field[bool]):
    """JSON true or false; nothing that merely looks like one."""

    described: ClassVar = {"type": "boolean"}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if not isinstance(value, bool):
            raise ma.ValidationError("Must be true or false.")
        return value


class Group(Schema):
    """One group of preferences; its faults are reported under the group's name."""

    def handle_error(self, error: ma.ValidationError, *_: Any, **__: Any) -> None:
        raise error


class Notifications(Group):
    push = Flag()
    email = Flag()
    sms = Flag()


class Privacy(Group):
    profile_visibility = fields.Str(validate=validate.OneOf(VISIBILITIES))
    show_online_status = Flag()
    show_last_seen = Flag()


class AppLook(Group):
    theme = fields.Str(validate=validate.OneOf(THEMES))
    language = fields.Str(validate=validate.Regexp(LANGUAGE))
    auto_play_videos = Flag()


class PreferencesBody(Schema):
    """Any part of the whole; loads as the names of the columns."""

    notifications = fields.Nested(Notifications)
    privacy = fields.Nested(Privacy)
    app = fields.Nested(AppLook)

    @ma.post_load
    def _to_columns(self, groups: dict[str, dict[str, Any]], **_: Any) -> dict[str, Any]:
        return {
            f"{group}_{name}": value for group, values in groups.items() for name, value in values.items()
        }


class EmailBody(Schema):
    """An address as RFC 5321 bounds it, and in ASCII: what follows is proven by the code it is sent."""

    email = fields.Email(required=True, validate=(validate.Length(max=254), validate.Regexp(r"[!-~]+\Z")))


class EmailCodeBody(Schema):
    code = fields.Str(required=True, validate=validate.Regexp(r"[0-9]{6}\Z", error="Six digits."))


def preferences_view(row: Row) -> dict[str, Any]:
    return {
        "notifications": {
            "push": row["notifications_push"],
            "email": row["notifications_email"],
            "sms": row["notifications_sms"],
        },
        "privacy": {
            "profileVisibility": row["privacy_profile_visibility"],
            "showOnlineStatus": row["privacy_show_online_status"],
            "showLastSeen": row["privacy_show_last_seen"],
        },
        "app": {
            "theme": row["app_theme"],
            "language": row["app_language"],
            "autoPlayVideos": row["app_auto_play_videos"],
        },
    }


def statistics_view(row: Row) -> dict[str, Any]:
    return {
        "totalMatches": row["matches"],
        "totalLikes": row["likes"],
        "totalViews": row["views"],
        "accountAge": f"{row['account_age_days']} days",
        "accountAgeDays": row["account_age_days"],
        "lastActive": relative(row["last_active_at"], row["as_of"]),
        "lastActiveAt": row["last_active_at"],
        "profileCompleteness": row["profile_completeness"],
    }
