"""GET /api/preferences/statistics"""

from datetime import datetime

import pytest

PATH = "/api/preferences/statistics"


async def like(person, other):
    response = await person.post("/api/users/like", {"targetUserId": other.id})
    assert response.status == 200


async def test_a_new_account_has_nothing_yet(make_person, sql):
    ann = await make_person()

    data = await ann.data(PATH)

    assert data == {
        "totalMatches": 0,
        "totalLikes": 0,
        "totalViews": 0,
        "accountAge": "0 days",
        "accountAgeDays": 0,
        "lastActive": "just now",
        "lastActiveAt": data["lastActiveAt"],
        "profileCompleteness": 40,
    }


async def test_likes_received_matches_and_views_are_counted(make_person, sql):
    ann, bob, eve = [await make_person(name) for name in ("Ann", "Bob", "Eve")]
    await like(bob, ann)
    await like(eve, ann)
    await like(ann, bob)
    for viewer in (bob, bob, eve):
        await viewer.data(f"/api/users/{ann.id}")
    sql("INSERT INTO profile_views VALUES (%s, %s, current_date - 1)", bob.id, ann.id)

    data = {person.id: await person.data(PATH) for person in (ann, bob, eve)}

    counts = {who: (one["totalMatches"], one["totalLikes"], one["totalViews"]) for who, one in data.items()}
    assert counts == {ann.id: (1, 2, 3), bob.id: (1, 1, 0), eve.id: (0, 0, 0)}


@pytest.mark.parametrize(
    ("age", "words", "days"),
    [("23 hours", "0 days", 0), ("25 hours", "1 days", 1), ("30 days 5 hours", "30 days", 30)],
)
async def test_the_account_age_is_in_whole_days(make_person, sql, age, words, days):
    ann = await make_person()
    sql("UPDATE users SET created_at = now() - %s::interval WHERE id = %s", age, ann.id)

    data = await ann.data(PATH)

    assert (data["accountAge"], data["accountAgeDays"]) == (words, days)


async def test_last_active_is_when_the_last_socket_left(make_person, sql):
    ann = await make_person()
    sql("UPDATE users SET last_seen = now() - interval '150 seconds' WHERE id = %s", ann.id)
    ((seen,),) = sql("SELECT last_seen FROM users WHERE id = %s", ann.id)

    data = await ann.data(PATH)

    assert data["lastActive"] == "2 min ago"
    assert datetime.fromisoformat(data["lastActiveAt"]) == seen.replace(microsecond=0)


async def test_whoever_has_a_socket_is_active_now(make_person, sql):
    ann = await make_person()
    sql("UPDATE users SET last_seen = now() - interval '3 hours', is_online = TRUE WHERE id = %s", ann.id)

    assert (await ann.data(PATH))["lastActive"] == "just now"


@pytest.mark.parametrize(
    ("profile", "completeness"),
    [
        ("bio = NULL, location = NULL, profile_image_url = NULL, is_verified = FALSE", 30),
        ("bio = '  ', location = '', profile_image_url = '', is_verified = FALSE", 30),
        ("bio = 'Hi', location = NULL, profile_image_url = NULL, is_verified = FALSE", 50),
        ("bio = NULL, location = 'Paris', profile_image_url = NULL, is_verified = FALSE", 45),
        ("bio = NULL, location = NULL, profile_image_url = 'https://cdn/1.jpg', is_verified = FALSE", 55),
        ("bio = 'Hi', location = NULL, profile_image_url = 'https://cdn/1.jpg', is_verified = TRUE", 85),
        ("bio = 'Hi', location = 'Paris', profile_image_url = 'https://cdn/1.jpg', is_verified = TRUE", 100),
    ],
)
async def test_completeness_adds_up_what_is_filled_in(make_person, sql, profile, completeness):
    ann = await make_person()
    sql(f"UPDATE users SET {profile} WHERE id = %s", ann.id)

    assert (await ann.data(PATH))["profileCompleteness"] == completeness
