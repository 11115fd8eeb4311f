"""Conversations follow from their messages, whatever comes and goes at once; what was taken back goes in the end."""

import asyncio

import pytest

from romantic.jobs import janitor
from romantic.messages import service


async def send(person, other, text="Hi"):
    body = {"receiverId": str(other.id), "messageText": text}
    response = await person.post("/api/messages/send", body)
    return (await response.json())["data"]["message"]["id"]


async def take_back(person, message_id):
    return await person.client.delete(f"/api/messages/{message_id}", headers=person.auth)


async def conversation_of(person):
    (conversation,) = (await person.data("/api/messages/conversations"))["conversations"]
    return conversation


@pytest.fixture
async def pair(make_person):
    return await make_person("Ann", coins=500), await make_person("Ben", coins=500)


async def test_two_last_messages_taken_back_at_once_leave_the_one_before(pair, database, sql):
    """The second deletion began before the first was committed: it must not bring the first's message back."""
    ann, ben = pair
    first, second, third = [await send(ann, ben, text) for text in ("one", "two", "three")]

    async with database.transaction() as conn:
        await service.delete(conn, user_id=ann.id, message_id=third)
        other = asyncio.create_task(take_back(ann, second))
        while sql("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(0,)]:
            await asyncio.sleep(0.01)
    assert (await other).status == 200

    assert sql("SELECT last_message_id::text, message_count FROM conversations") == [(first, 1)]
    assert (await conversation_of(ben))["lastMessage"] == "one"


async def test_message_committed_late_is_not_the_last_one(pair, database, sql):
    ann, ben = pair
    async with database.transaction() as conn:
        await service.list_conversations(conn, user_id=ann.id, page_size=1, page_offset=0)  # its time is now
        await send(ben, ann, "newer")
        terms = {
            "text": "older",
            "message_type": "text",
            "cost": 0,
            "policy": "open",
            "client_message_id": None,
        }
        await service.send(conn, sender_id=ann.id, receiver_id=ben.id, **terms)

    messages = (await ben.data(f"/api/messages/conversation/{ann.id}"))["messages"]
    assert [message["messageText"] for message in messages] == ["newer", "older"]
    assert (await conversation_of(ben))["lastMessage"] == "newer"


async def test_matches_show_nothing_that_was_taken_back(pair):
    ann, ben = pair
    await ann.post("/api/users/like", {"targetUserId": str(ben.id)})
    await ben.post("/api/users/like", {"targetUserId": str(ann.id)})
    await send(ann, ben, "one")
    await take_back(ann, await send(ann, ben, "a slip"))

    (match,) = (await ben.data("/api/users/matches"))["matches"]

    assert (match["lastMessage"], match["unreadCount"]) == ("one", 1)


async def test_report_carries_what_was_taken_back_among_the_newest(pair, sql):
    ann, ben = pair
    for number in range(25):
        await send(ann, ben, f"m{number}")
    await take_back(ann, await send(ann, ben, "an insult"))

    body = {"targetUserId": str(ann.id), "reason": "Insults", "description": "Taken back at once"}
    assert (await ben.post("/api/users/report", body)).status == 200

    [(snapshot,)] = sql("SELECT snapshot FROM reports")
    assert [row["message_text"] for row in snapshot["messages"]] == [f"m{n}" for n in range(6, 25)] + [
        "an insult"
    ]


async def test_messages_taken_back_go_after_ninety_days_and_reports_keep_theirs(pair, client, sql):
    ann, ben = pair
    old, young = [await send(ann, ben, text) for text in ("old", "young")]
    for message in (old, young):
        await take_back(ann, message)
    await send(ann, ben, "stays")
    body = {"targetUserId": str(ann.id), "reason": "Insults", "description": "Taken back at once"}
    await ben.post("/api/users/report", body)
    sql("UPDATE messages SET deleted_at = now() - interval '90 days 1 minute' WHERE id = %s", old)
    sql("UPDATE messages SET created_at = now() - interval '1 year'")

    await janitor.clean(client.app)

    assert sql("SELECT message_text FROM messages ORDER BY 1") == [("stays",), ("young",)]
    [(snapshot,)] = sql("SELECT snapshot FROM reports")
    assert {row["message_text"] for row in snapshot["messages"]} == {"old", "young", "stays"}
    assert sql("SELECT count(*) FROM coin_transactions WHERE reference_type = 'chat'") == [(3,)]


async def test_purge_takes_bounded_batches_until_nothing_is_left(pair, client, sql, monkeypatch):
    ann, ben = pair
    sql(
        "INSERT INTO messages (sender_id, receiver_id, message_text)"
        " SELECT %s, %s, 'x' FROM generate_series(1, 2500)",
        ann.id, ben.id,
    )  # fmt: skip
    sql("UPDATE messages SET deleted_at = now() - interval '91 days'")
    monkeypatch.setattr(janitor, "MOST_BATCHES", 2)

    left = []
    for _ in range(2):
        await janitor.clean(client.app)
        left += sql("SELECT count(*) FROM messages")

    assert left == [(500,), (0,)]


def test_batch_of_the_purge_is_one_whatever_the_plan(postgres, sql, pair):
    """A nested loop, which the planner takes when it expects few rows, once ran the inner query again and again."""
    ann, ben = pair
    sql(
        "INSERT INTO messages (sender_id, receiver_id, message_text, deleted_at)"
        " SELECT %s, %s, 'x', now() - interval '91 days' FROM generate_series(1, 2500)",
        ann.id, ben.id,
    )  # fmt: skip
    for join in ("hashjoin", "mergejoin", "material", "hashagg", "sort"):
        sql(f"SET enable_{join} = off")

    sql(service.sql.delete_taken_back.statement)

    assert sql("SELECT count(*) FROM messages") == [(1500,)]


def test_purge_and_history_walk_their_indexes(postgres, sql):
    """Asked of the planner while sequential scans are forbidden: what is left is whether an index will do."""
    sql("SET enable_seqscan = off")
    purge = service.sql.delete_taken_back.statement
    page = (
        "SELECT * FROM messages WHERE least(sender_id, receiver_id) = %s AND greatest(sender_id, receiver_id) = %s"
        " AND deleted_at IS NULL AND (created_at, id) < ('infinity', %s) ORDER BY created_at DESC, id DESC LIMIT 50"
    )
    nobody = "00000000-0000-0000-0000-000000000000"

    plans = [
        "\n".join(row[0] for row in rows)
        for rows in (sql(f"EXPLAIN {purge}"), sql(f"EXPLAIN {page}", nobody, nobody, nobody))
    ]

    assert "messages_taken_back" in plans[0]
    assert "messages_of_pair" in plans[1]
