"""GET /api/users/discover"""

import pytest

PEOPLE = """
    WITH made AS (
        INSERT INTO users (phone_number, phone_hash, full_name, age, gender, location, created_at)
        SELECT
            '+1666' || lpad(n::text, 7, '0'), n::text::bytea, 'Person ' || n, 18 + n %% 40,
            (ARRAY['male', 'female', 'other'])[1 + n %% 3],
            (ARRAY['London', 'Paris'])[1 + n %% 2], now() - n * interval '1 minute'
        FROM generate_series(1, %s) AS n
        RETURNING id
    )
    INSERT INTO user_preferences (user_id) SELECT id FROM made
"""


async def page(person, path="/api/users/discover", **query):
    response = await person.get(path, params={name: str(value) for name, value in query.items()})
    answer = await response.json()
    assert response.status == 200, answer
    return answer["data"]


async def everyone(person, **query):
    """All ids, page by page along the cursor, and the pages it took."""
    seen, data = [], await page(person, **query)
    while True:
        seen += [profile["id"] for profile in data["profiles"]]
        if data["nextCursor"] is None:
            return seen
        data = await page(person, **query, cursor=data["nextCursor"])


async def test_swiping_along_the_cursor_shows_everybody_once(make_person, sql):
    ann = await make_person("Ann")
    sql(PEOPLE, 300)
    seen, data = [], await page(ann, limit=20)
    while data["profiles"]:
        for number, profile in enumerate(data["profiles"]):
            verb = "like" if number % 2 else "pass"
            seen.append(profile["id"])
            await ann.post(f"/api/users/{verb}", {"targetUserId": profile["id"]})
        if data["nextCursor"] is None:
            break
        data = await page(ann, limit=20, cursor=data["nextCursor"])

    expected = {str(row[0]) for row in sql("SELECT id FROM users WHERE phone_number LIKE '+1666%'")}
    assert len(seen) == len(set(seen)) == 300
    assert set(seen) == expected
    assert (await page(ann))["profiles"] == []


async def test_pages_without_a_cursor_follow_one_order(make_person, sql):
    ann = await make_person("Ann")
    sql(PEOPLE, 25)

    pages = [await page(ann, page=number, limit=10) for number in (1, 2, 3)]

    ids = [profile["id"] for data in pages for profile in data["profiles"]]
    assert len(set(ids)) == 25
    assert [data["pagination"]["hasNext"] for data in pages] == [True, True, False]
    assert {data["pagination"]["total"] for data in pages} == {25}


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ({"gender": "male"}, "gender = 'male'"),
        ({"ageMin": 20, "ageMax": 30}, "age BETWEEN 20 AND 30"),
        ({"location": "london"}, "location = 'London'"),
        (
            {"gender": "other", "ageMin": 40, "location": "Paris"},
            "gender = 'other' AND age >= 40 AND location = 'Paris'",
        ),
    ],
)
async def test_filters_show_exactly_who_fits(make_person, sql, query, condition):
    ann = await make_person("Ann")
    sql(PEOPLE, 120)

    seen = await everyone(ann, limit=7, **query)

    fitting = sql(f"SELECT id FROM users WHERE phone_number LIKE '+1666%%' AND {condition}")
    assert set(seen) == {str(row[0]) for row in fitting}
    assert len(fitting) > 0


async def test_nobody_shows_who_is_blocked_either_way_banned_hidden_or_a_probe(make_person, sql):
    ann = await make_person("Ann")
    blocked, blocker, banned, hidden, probe, fine = [await make_person(f"P{n}") for n in range(6)]
    await ann.post("/api/users/block", {"targetUserId": blocked.id})
    await blocker.post("/api/users/block", {"targetUserId": ann.id})
    sql("UPDATE users SET status = 'banned' WHERE id = %s", banned.id)
    sql("UPDATE user_preferences SET privacy_profile_visibility = 'hidden' WHERE user_id = %s", hidden.id)
    sql("UPDATE users SET role = 'probe' WHERE id = %s", probe.id)

    data = await page(ann)

    assert [profile["id"] for profile in data["profiles"]] == [fine.id]
    assert data["pagination"]["total"] == 1


async def test_a_pass_returns_after_thirty_days_and_a_like_does_not(make_person, sql):
    ann, passed, liked = await make_person("Ann"), await make_person("Passed"), await make_person("Liked")
    await ann.post("/api/users/pass", {"targetUserId": passed.id})
    await ann.post("/api/users/like", {"targetUserId": liked.id})
    assert (await page(ann))["profiles"] == []

    sql("UPDATE user_interactions SET created_at = now() - interval '31 days'")

    assert [profile["id"] for profile in (await page(ann))["profiles"]] == [passed.id]


async def test_privacy_flags_hide_presence_at_once(make_person, connect, sql):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await connect(ben)
    sql("UPDATE users SET is_online = TRUE WHERE id = %s", ben.id)
    before = (await page(ann))["profiles"][0]
    sql(
        "UPDATE user_preferences SET privacy_show_online_status = FALSE, privacy_show_last_seen = FALSE "
        "WHERE user_id = %s",
        ben.id,
    )

    after = (await page(ann))["profiles"][0]

    assert (before["isOnline"], before["lastSeen"]) == (True, "just now")
    assert (after["isOnline"], after["lastSeen"], after["lastSeenAt"]) == (False, None, None)


@pytest.mark.parametrize(
    "query",
    [
        {"ageMin": 30, "ageMax": 20},
        {"ageMin": 17},
        {"gender": "none"},
        {"limit": 101},
        {"page": 0},
        {"cursor": "nonsense"},
        {"cursor": "MTIz"},
        {"unknown": 1},
    ],
)
async def test_bad_queries_are_named(make_person, query):
    ann = await make_person("Ann")

    response = await ann.get(
        "/api/users/discover", params={name: str(value) for name, value in query.items()}
    )

    assert response.status == 400
    assert (await response.json())["error"]["fields"]


async def test_nothing_private_stands_on_a_card(make_person, sql):
    ann, ben = await make_person("Ann"), await make_person("Ben")

    card = (await page(ann))["profiles"][0]

    assert ben.phone_number not in str(card)
    assert card.keys() == {
        "id", "fullName", "age", "gender", "bio", "location", "profileImageUrl", "isVerified", "isSuperLover",
        "superLoverStatus", "superLoverBio", "superLoverRating", "superLoverCallCount", "lastSeen", "lastSeenAt",
        "isOnline", "isBusy",
    }  # fmt: skip
