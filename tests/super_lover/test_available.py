"""GET /api/super-lover/available"""

from dataclasses import replace

import pytest

from romantic.super_lover.service import sql as queries
from tests.super_lover.conftest import put, refusal

PATH = "/api/super-lover/available"


async def names(person, query=""):
    """Whom the person is shown, in order."""
    return [one["fullName"] for one in (await person.data(f"{PATH}{query}"))["superLovers"]]


async def block(person, other):
    response = await person.post("/api/users/block", {"targetUserId": other.id})
    assert response.status == 200


async def hide(person, visibility):
    response = await put(person, "/api/preferences", {"privacy": {"profileVisibility": visibility}})
    assert response.status == 200


async def test_a_super_lover_is_shown_as_documented(make_person, sql):
    me, ann = await make_person("Me"), await make_person("Ann", super_lover=True)
    sql(
        "UPDATE users SET super_lover_bio = 'Hi', super_lover_rating = 4.83, super_lover_call_count = 127"
        " WHERE id = %s",
        ann.id,
    )

    data = await me.data(PATH)

    assert data["superLovers"] == [
        {
            "id": ann.id,
            "fullName": "Ann",
            "age": 25,
            "gender": "female",
            "superLoverBio": "Hi",
            "superLoverRating": 4.83,
            "superLoverCallCount": 127,
            "superLoverStatus": "ready",
            "isBusy": False,
            "profileImageUrl": None,
            "isVerified": True,
        }
    ]
    assert data["pagination"] == {"page": 1, "limit": 10, "total": 1, "hasNext": False}


async def test_statuses_are_filtered_as_they_hold_now(make_person, sql):
    me = await make_person("Me")
    for name, status, away in [
        ("Ready", "ready", "1 minute"),
        ("Online", "online", "1 minute"),
        ("Off", "offline", "1 minute"),
        ("Gone", "ready", "16 minutes"),
    ]:
        person = await make_person(name, super_lover=True)
        sql(
            "UPDATE users SET super_lover_status = %s, last_seen = now() - %s::interval WHERE id = %s",
            status, away, person.id,
        )  # fmt: skip

    shown = {
        query: set(await names(me, query))
        for query in ("", "?status=ready", "?status=online", "?status=offline")
    }
    offline = (await me.data(f"{PATH}?status=offline"))["superLovers"]

    assert shown == {
        "": {"Ready", "Online"},
        "?status=ready": {"Ready"},
        "?status=online": {"Online"},
        "?status=offline": {"Off", "Gone"},
    }
    assert {one["superLoverStatus"] for one in offline} == {"offline"}


async def test_the_best_rated_come_first_then_the_most_called(make_person, sql):
    me = await make_person("Me")
    for name, rating, calls in [("Low", 3.5, 900), ("Few", 4.5, 1), ("Top", 4.51, 0), ("Many", 4.5, 2)]:
        person = await make_person(name, super_lover=True)
        sql(
            "UPDATE users SET super_lover_rating = %s, super_lover_call_count = %s WHERE id = %s",
            rating, calls, person.id,
        )  # fmt: skip

    assert await names(me) == ["Top", "Many", "Few", "Low"]


async def test_pages_show_everybody_once(make_person):
    me = await make_person("Me")
    everybody = {(await make_person(f"Ann {number}", super_lover=True)).id for number in range(5)}

    pages = [await me.data(f"{PATH}?limit=2&page={page}") for page in (1, 2, 3, 4)]

    seen = [one["id"] for page in pages for one in page["superLovers"]]
    assert sorted(seen) == sorted(everybody)
    assert [page["pagination"]["hasNext"] for page in pages] == [True, True, False, False]
    assert {page["pagination"]["total"] for page in pages} == {5}


async def test_nobody_is_shown_to_themselves(make_person):
    me = await make_person("Me", super_lover=True)

    assert await names(me) == []


async def test_ordinary_people_are_not_shown(make_person):
    me, _ = await make_person("Me"), await make_person("Bob")

    assert await names(me) == []


@pytest.mark.parametrize("status", ["suspended", "banned"])
async def test_people_who_are_not_active_are_not_shown(make_person, sql, status):
    me, ann = await make_person("Me"), await make_person("Ann", super_lover=True)
    sql("UPDATE users SET status = %s WHERE id = %s", status, ann.id)

    assert await names(me) == []


async def test_a_block_hides_both_ways(make_person):
    me = await make_person("Me", super_lover=True)
    ann, eve = await make_person("Ann", super_lover=True), await make_person("Eve", super_lover=True)
    await block(me, ann)
    await block(eve, me)

    data = await me.data(PATH)

    assert (data["superLovers"], data["pagination"]["total"]) == ([], 0)
    assert await names(ann) == ["Eve"]
    assert await names(eve) == ["Ann"]


async def test_a_hidden_profile_is_shown_to_nobody_at_once(make_person):
    me, ann = await make_person("Me"), await make_person("Ann", super_lover=True)
    before = await names(me)

    await hide(ann, "hidden")
    hidden = await names(me)
    await hide(ann, "public")

    assert (before, hidden, await names(me)) == (["Ann"], [], ["Ann"])


async def test_a_profile_for_matches_is_shown_to_them_only(make_person, sql):
    me, stranger = await make_person("Me"), await make_person("Stranger")
    ann = await make_person("Ann", super_lover=True)
    sql(
        "INSERT INTO matches SELECT least(%s, %s)::uuid, greatest(%s, %s)::uuid", me.id, ann.id, me.id, ann.id
    )

    await hide(ann, "matches")

    assert (await names(me), await names(stranger)) == (["Ann"], [])


async def test_busy_from_the_first_ring_to_the_end_of_the_call(make_person):
    me, ann = await make_person("Me", coins=50), await make_person("Ann", super_lover=True)
    call = await me.post("/api/calls/initiate", {"receiverId": ann.id, "callType": "audio"})
    call_id = (await call.json())["data"]["callId"]
    ringing = (await me.data(PATH))["superLovers"][0]["isBusy"]
    await ann.post(f"/api/calls/{call_id}/accept")
    talking = (await me.data(PATH))["superLovers"][0]["isBusy"]

    await ann.post(f"/api/calls/{call_id}/end")

    over = (await me.data(PATH))["superLovers"][0]["isBusy"]
    assert (ringing, talking, over) == (True, True, False)


@pytest.mark.parametrize(
    "query",
    [
        "?status=busy",
        "?limit=0",
        "?limit=101",
        "?page=0",
        "?page=x",
        "?sort=age",
        "?status=ready&status=online",
    ],
)
async def test_other_queries_are_refused(make_person, query):
    me = await make_person("Me")

    assert await refusal(await me.get(f"{PATH}{query}")) == (400, "VALIDATION_ERROR")


async def test_a_page_is_read_from_the_index_in_its_order(make_person, sql, conn):
    me = await make_person("Me")
    sql(
        """
        INSERT INTO users (
            phone_number, phone_hash, full_name, age, gender, is_super_lover, super_lover_status
        )
        SELECT '+9' || n, sha256(n::text::bytea), 'Ann', 25, 'female', n % 5 = 0, 'ready'
        FROM generate_series(1, 5000) AS n
        """
    )
    sql("ANALYZE users")
    explain = replace(queries.list_available, statement=f"EXPLAIN {queries.list_available.statement}")

    plan = await conn.all(explain, user_id=me.id, status="ready", page_size=10, page_offset=0)

    text = "\n".join(line["QUERY PLAN"] for line in plan)
    assert "Index Scan using super_lovers_by_rating" in text
    assert "Sort" not in text
    assert "Function Scan" not in text
