"""Settings of a person, their statistics and their e-mail address."""

from romantic.docs.operation import Operation
from romantic.docs.shapes import Answer, flag, moment, one, text, whole

EMAIL = "john@example.com"


class NotificationsView(Answer):
    """What one wants to be told, and how."""

    push = flag(True)
    email = flag(False)
    sms = flag(True)


class PrivacyView(Answer):
    """Who sees what."""

    profile_visibility = text("public", about="public, matches or hidden.")
    show_online_status = flag(True)
    show_last_seen = flag(True)


class AppLookView(Answer):
    """How the app looks."""

    theme = text("light")
    language = text("en")
    auto_play_videos = flag(True)


class Preferences(Answer):
    """All settings."""

    notifications = one(NotificationsView)
    privacy = one(PrivacyView)
    app = one(AppLookView)


class PreferencesUpdated(Answer):
    """Wraps the settings."""

    preferences = one(Preferences)


class Statistics(Answer):
    """Text for people, with the same as numbers and times beside it."""

    total_matches = whole(45)
    total_likes = whole(128)
    total_views = whole(567)
    account_age = text("30 days")
    account_age_days = whole(30)
    last_active = text("2 min ago")
    last_active_at = moment()
    profile_completeness = whole(85)


class Email(Answer):
    """The address, null where there is none."""

    email = text(EMAIL, null=True)
    is_verified = flag(True)


OPERATIONS = {
    "GET /api/preferences": Operation("One's settings", "Preferences retrieved successfully", Preferences),
    "PUT /api/preferences": Operation(
        "Change settings", "Preferences updated successfully", PreferencesUpdated,
        about="Any part of the whole.",
        body={
            "notifications": {"push": True, "email": False, "sms": True},
            "privacy": {"profileVisibility": "public", "showOnlineStatus": True, "showLastSeen": True},
        },
    ),
    "GET /api/preferences/statistics": Operation(
        "One's statistics", "Statistics retrieved successfully", Statistics
    ),
    "GET /api/preferences/email": Operation(
        "One's e-mail address", "E-mail address retrieved successfully", Email
    ),
    "PUT /api/preferences/email": Operation(
        "Set one's e-mail address", "E-mail address saved", Email, "EMAIL_UNAVAILABLE",
        "An address that is not verified yet is sent a code.", body={"email": EMAIL},
    ),
    "POST /api/preferences/email/verify": Operation(
        "Verify one's e-mail address", "E-mail address verified", Email, "EMAIL_CODE_INVALID",
        body={"code": "123456"},
    ),
    "DELETE /api/preferences/email": Operation("Remove one's e-mail address", "E-mail address removed"),
}  # fmt: skip
