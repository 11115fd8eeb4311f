"""Profiles, discovery, matches, blocks, reports and photos."""

from typing import Any

from romantic.docs.operation import Operation
from romantic.docs.shapes import (
    ADA,
    BEN,
    Answer,
    Pagination,
    flag,
    many,
    moment,
    number,
    one,
    text,
    uid,
    whole,
)

PHOTO = "https://cdn.example.com/profile-images/photo.jpg"


class Updated(Answer):
    """One's own profile after the change."""

    id = uid(BEN)
    full_name = text("John Doe")
    age = whole(25)
    gender = text("male")
    bio = text("Love traveling and coffee!", null=True)
    location = text("New York, NY", null=True)
    updated_at = moment()


class ProfileUpdated(Answer):
    """Wraps the profile."""

    user = one(Updated)


class Card(Answer):
    """Somebody else's profile. What its owner hides is null or false, never absent."""

    id = uid(ADA)
    full_name = text("Sarah Johnson")
    age = whole(25)
    gender = text("female")
    bio = text("Music and hiking", null=True)
    location = text("Boston, MA", null=True)
    profile_image_url = text(PHOTO, null=True)
    is_verified = flag(True)
    is_super_lover = flag(True)
    super_lover_status = text("ready", null=True)
    super_lover_bio = text("Good listener", null=True)
    super_lover_rating = number(4.8, null=True)
    super_lover_call_count = whole(127)
    last_seen = text("2 min ago", null=True, about="Text for people; `lastSeenAt` is the same as a time.")
    last_seen_at = moment(null=True)
    is_online = flag(True)
    is_busy = flag(False)


class Discovered(Answer):
    """A page of people. Go on with `nextCursor`; null is the end."""

    profiles = many(Card)
    pagination = one(Pagination)
    next_cursor = text("MjAyNC0wMS0xNVQxMDozMDowMCswMDowMHwzZjhhNmIxYw==", null=True)


class Person(Card):
    """A profile, and whether the two match."""

    is_match = flag(True)


class PersonFound(Answer):
    """Wraps the profile."""

    user = one(Person)


class Face(Answer):
    """Who it is."""

    id = uid(ADA)
    full_name = text("Sarah Johnson")
    profile_image_url = text(PHOTO, null=True)


class Liked(Answer):
    """Whether it is mutual. `matchUser` is null while it is not."""

    is_match = flag(True)
    match_user = one(Face, null=True)


class Match(Face):
    """A match with its last message."""

    last_message = text("Hey there! 👋", null=True)
    last_message_time = moment(null=True)
    unread_count = whole(2)
    matched_at = moment()


class Matches(Answer):
    """A page of matches."""

    matches = many(Match)
    pagination = one(Pagination)


class Like(Face):
    """Who liked, and when."""

    age = whole(25)
    liked_at = moment()


class Likes(Answer):
    """A page of likes received."""

    likes = many(Like)
    pagination = one(Pagination)


class BlockedPerson(Face):
    """Who is blocked since when."""

    blocked_at = moment()


class Blocked(Answer):
    """A page of blocked people."""

    users = many(BlockedPerson)
    pagination = one(Pagination)


class Photo(Answer):
    """Where the photo is shown from."""

    image_url = text(PHOTO)
    thumbnail_url = text("https://cdn.example.com/profile-thumbnails/photo.jpg")


PICTURE: dict[str, Any] = {
    "description": "The picture",
    "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
}
TARGET = {"targetUserId": ADA}

OPERATIONS = {
    "PUT /api/users/profile": Operation(
        "Change one's profile", "Profile updated successfully", ProfileUpdated, "USER_NOT_FOUND",
        "Five fields may change, each on its own; anything else is refused by name.",
        body={"fullName": "John Updated", "age": 26, "bio": "Updated bio", "location": "Los Angeles, CA"},
    ),
    "GET /api/users/discover": Operation(
        "People to meet", "Profiles retrieved successfully", Discovered,
        about="Nobody comes twice and nobody is skipped when `cursor` is the `nextCursor` of the page "
        "before.",
    ),
    "POST /api/users/like": Operation(
        "Like somebody", "It's a match! 🎉", Liked, "USER_NOT_FOUND",
        "A mutual like is a match; both are told by the event `match`.", body=TARGET,
    ),
    "POST /api/users/pass": Operation(
        "Pass somebody over", "User passed", None, "USER_NOT_FOUND",
        "They come back after 30 days.", body=TARGET,
    ),
    "GET /api/users/matches": Operation("One's matches", "Matches retrieved successfully", Matches),
    "POST /api/users/block": Operation(
        "Block somebody", "User blocked successfully", None, "USER_NOT_FOUND",
        "Their match and their call end, and neither sees the other again. The other side is not told.",
        body=TARGET,
    ),
    "POST /api/users/report": Operation(
        "Report somebody to the moderators", "User reported successfully", None, "USER_NOT_FOUND",
        "Once a day per person. Their profile and your last messages are kept for the moderators.",
        body={"targetUserId": ADA, "reason": "inappropriate_behavior",
        "description": "User was harassing me"},
    ),
    "GET /api/users/likes": Operation("Who likes one", "Likes retrieved successfully", Likes),
    "GET /api/users/blocked": Operation(
        "Whom one has blocked", "Blocked users retrieved successfully", Blocked
    ),
    "DELETE /api/users/pass/{user_id}": Operation("Take a pass back", "Pass undone"),
    "DELETE /api/users/matches/{user_id}": Operation("End a match", "Match removed"),
    "DELETE /api/users/block/{user_id}": Operation("Unblock somebody", "User unblocked"),
    "GET /api/users/{user_id}": Operation(
        "Somebody's profile", "Profile retrieved successfully", PersonFound, "USER_NOT_FOUND"
    ),
    "POST /api/users/profile-image": Operation(
        "Replace one's photo", "Profile image uploaded successfully", Photo,
        "USER_NOT_FOUND INVALID_IMAGE UNAVAILABLE",
        "JPEG, PNG or WebP, at most 10 MB and 40 megapixels. It is drawn anew at 1080 pixels; where it was "
        "taken is not kept.",
        file="image",
    ),
    "GET /media/profile-images/{user_id}/{image_id}.jpg": Operation(
        "A profile photo", gives={"200": PICTURE}, in_envelope=False,
        about="Where a bucket hands files out, `imageUrl` leads there instead.",
    ),
    "GET /media/profile-thumbnails/{user_id}/{image_id}.jpg": Operation(
        "A small profile photo", gives={"200": PICTURE}, in_envelope=False
    ),
}  # fmt: skip
