"""Becoming somebody who is paid for calls, and being rated."""

from romantic.docs.operation import Operation
from romantic.docs.operations.users import PHOTO
from romantic.docs.shapes import (
    ADA,
    BEN,
    Answer,
    Pagination,
    flag,
    many,
    number,
    one,
    text,
    uid,
    whole,
)

BIO = "Professional Super Lover with 5+ years experience"


class Joined(Answer):
    """The person after the fee."""

    id = uid(BEN)
    is_super_lover = flag(True)
    super_lover_bio = text(BIO)
    super_lover_status = text("offline")
    coins_balance = whole(500)


class JoinedUser(Answer):
    """Wraps the person."""

    user = one(Joined)


class Status(Answer):
    """The status as it is now."""

    status = text("ready")


class Bio(Answer):
    """The bio as it is now."""

    bio = text("Updated Super Lover bio")


class Stats(Answer):
    """Durations in minutes, and once more in seconds."""

    rating = number(4.8, null=True)
    total_calls = whole(127)
    total_earnings = whole(6350)
    total_duration = whole(2540)
    average_call_duration = whole(20)
    monthly_earnings = whole(1250)
    total_duration_seconds = whole(152_400)
    average_call_duration_seconds = whole(1200)


class SuperLover(Answer):
    """Somebody who may be called."""

    id = uid(ADA)
    full_name = text("Sarah Johnson")
    age = whole(25)
    gender = text("female")
    super_lover_bio = text(BIO, null=True)
    super_lover_rating = number(4.8, null=True)
    super_lover_call_count = whole(127)
    super_lover_status = text("ready")
    is_busy = flag(False)
    profile_image_url = text(PHOTO, null=True)
    is_verified = flag(True)


class Available(Answer):
    """A page of super lovers."""

    super_lovers = many(SuperLover)
    pagination = one(Pagination)


class Standing(Answer):
    """What it takes and what one has."""

    is_verified = flag(True)
    minimum_age = whole(18)
    user_age = whole(25)
    coins_required = whole(1000)
    user_coins = whole(1500)


class Check(Answer):
    """Whether one can become a super lover now."""

    can_become = flag(True)
    is_super_lover = flag(False)
    requirements = one(Standing)


class Requirements(Answer):
    """What it takes."""

    coins_required = whole(1000)
    verification_required = flag(True)
    minimum_age = whole(18)
    description = text("Become a Super Lover to receive calls and earn coins!")


OPERATIONS = {
    "POST /api/super-lover/become": Operation(
        "Become a super lover", "Congratulations! You are now a Super Lover!", JoinedUser,
        "INSUFFICIENT_COINS REQUIREMENTS_NOT_MET ALREADY_SUPER_LOVER",
        "The fee is taken once, however often this is sent.", body={"superLoverBio": BIO},
    ),
    "PUT /api/super-lover/status": Operation(
        "Say whether one takes calls", "Status updated to: READY", Status, "NOT_SUPER_LOVER",
        body={"status": "ready"},
    ),
    "PUT /api/super-lover/bio": Operation(
        "Change one's bio", "Bio updated successfully", Bio, "NOT_SUPER_LOVER",
        body={"bio": "Updated Super Lover bio"},
    ),
    "GET /api/super-lover/stats": Operation(
        "Calls, earnings and rating", "Statistics retrieved successfully", Stats, "NOT_SUPER_LOVER"
    ),
    "GET /api/super-lover/available": Operation(
        "Who takes calls", "Super Lovers retrieved successfully", Available,
        about="Without a status: everybody who is not offline.",
    ),
    "GET /api/super-lover/can-become": Operation(
        "Whether one meets the requirements", "Requirements checked successfully", Check
    ),
    "GET /api/super-lover/requirements": Operation(
        "What becoming a super lover takes", "Requirements retrieved successfully", Requirements
    ),
    "POST /api/super-lover/rate": Operation(
        "Rate a call", "Rating submitted successfully", None, "NO_RATEABLE_CALL",
        "Once per call of at least ten seconds within the last seven days. Without `callId` it is the "
        "newest.",
        body={"superLoverId": ADA, "rating": 5, "comment": "Great conversation!"},
    ),
}  # fmt: skip
