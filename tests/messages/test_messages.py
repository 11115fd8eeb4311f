"""/api/messages: charged once, told at once, read, deleted, and gone with a block"""

import asyncio
from uuid import uuid4

import pytest


async def send(person, other, text="Hello! How are you?", **extra):
    body = {"receiverId": str(other.id), "messageText": text, "messageType": "text", **extra}
    response = await person.post("/api/messages/send", body)
    return response.status, await response.json()


async def test_a_message_costs_five_coins_and_arrives(make_person, connect):
    ann, ben = await make_person("Ann", coins=145), await make_person("Ben")
    phone = await connect(ben)

    status, answer = await send(ann, ben)

    message = answer["data"]["message"]
    assert status == 200
    assert (answer["data"]["coinsSpent"], answer["data"]["newBalance"]) == (5, 140)
    assert message | {"id": 0, "createdAt": 0} == {
        "id": 0, "senderId": ann.id, "receiverId": ben.id, "messageText": "Hello! How are you?",
        "messageType": "text", "isRead": False, "createdAt": 0,
    }  # fmt: skip
    assert await phone.expect("message") == message


async def test_the_same_client_id_is_one_message_and_one_charge_over_rest_and_socket(
    make_person, connect, sql
):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    phone = await connect(ann)
    body = {"receiverId": ben.id, "messageText": "Once", "clientMessageId": "tap-1"}

    answers = await asyncio.gather(
        *(send(ann, ben, "Once", clientMessageId="tap-1") for _ in range(10)),
        phone.ask("message-send", **body),
    )

    ids = {answer[1]["data"]["message"]["id"] for answer in answers[:10]} | {answers[10]["message"]["id"]}
    assert len(ids) == 1
    assert await ann.balance() == 45
    assert sql("SELECT count(*) FROM messages") == [(1,)]


async def test_client_ids_of_two_people_do_not_meet(make_person, sql):
    ann, ben = await make_person("Ann"), await make_person("Ben")

    await send(ann, ben, clientMessageId="tap-1")
    await send(ben, ann, clientMessageId="tap-1")

    assert sql("SELECT count(*) FROM messages") == [(2,)]


async def test_too_few_coins_write_nothing(make_person, sql):
    ann, ben = await make_person("Ann", coins=4), await make_person("Ben")

    status, answer = await send(ann, ben)

    assert (status, answer["error"]["code"]) == (402, "INSUFFICIENT_COINS")
    assert sql("SELECT count(*) FROM messages") == [(0,)]
    assert await ann.balance() == 4


async def test_the_last_coins_buy_one_message_however_many_race(make_person, sql):
    ann, ben = await make_person("Ann", coins=9), await make_person("Ben")

    answers = await asyncio.gather(*(send(ann, ben, f"m{n}") for n in range(12)))

    assert sorted(status for status, _ in answers) == [200] + [402] * 11
    assert sql("SELECT count(*) FROM messages") == [(1,)]
    assert await ann.balance() == 4


async def test_a_stranger_a_blocked_person_and_oneself_are_the_same_refusal(make_person):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await ben.post("/api/users/block", {"targetUserId": ann.id})

    class Ghost:
        id = uuid4()

    refusals = [await send(ann, other) for other in (ben, Ghost, ann)]

    assert {(status, answer["error"]["code"]) for status, answer in refusals} == {(409, "USER_UNAVAILABLE")}
    assert await ann.balance() == 50


async def test_where_a_match_is_required_only_matched_people_write(make_client, make_person):
    client = await make_client(messaging_policy="matched")
    ann, ben = await make_person("Ann", at=client), await make_person("Ben", at=client)
    before = await send(ann, ben)
    for one, other in ((ann, ben), (ben, ann)):
        await one.post("/api/users/like", {"targetUserId": other.id})

    after = await send(ann, ben)

    assert (before[0], before[1]["error"]["code"], after[0]) == (403, "MATCH_REQUIRED", 200)


@pytest.mark.parametrize("body", [
    {"messageText": ""}, {"messageText": "   "}, {"messageText": "x" * 2001}, {"messageType": "image"},
    {"clientMessageId": "x" * 65}, {"mediaUrl": "https://evil.example/x.jpg"}, {"messageText": 5}, {"receiverId": "x"},
])  # fmt: skip
async def test_bad_messages_cost_nothing(make_person, body):
    ann, ben = await make_person("Ann"), await make_person("Ben")

    response = await ann.post("/api/messages/send", {"receiverId": ben.id, "messageText": "Hi"} | body)

    assert response.status == 400
    assert await ann.balance() == 50


async def test_a_conversation_is_read_newest_first_page_by_page(make_person):
    ann, ben = await make_person("Ann", coins=500), await make_person("Ben", coins=500)
    for number in range(7):
        await send(ann if number % 2 else ben, ben if number % 2 else ann, f"m{number}")

    first = await ann.data(f"/api/messages/conversation/{ben.id}?page=1&limit=3")
    second = await ann.data(f"/api/messages/conversation/{ben.id}?limit=10&before={first['nextCursor']}")

    assert [message["messageText"] for message in first["messages"]] == ["m6", "m5", "m4"]
    assert [message["messageText"] for message in second["messages"]] == ["m3", "m2", "m1", "m0"]
    assert first["pagination"] == {"page": 1, "limit": 3, "total": 7, "hasNext": True}


async def test_conversations_come_latest_first_with_what_is_unread(make_person):
    ann, ben, cleo = [await make_person(name, coins=500) for name in ("Ann", "Ben", "Cleo")]
    await send(ben, ann, "one")
    await send(ben, ann, "two")
    await send(ann, cleo, "hello")

    mine = (await ann.data("/api/messages/conversations"))["conversations"]
    theirs = (await ben.data("/api/messages/conversations"))["conversations"]

    assert [(c["user"]["id"], c["lastMessage"], c["unreadCount"]) for c in mine] == [
        (cleo.id, "hello", 0),
        (ben.id, "two", 2),
    ]
    assert theirs[0]["id"] == mine[1]["id"]


async def test_reading_tells_the_sender_how_far(make_person, connect):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    phone = await connect(ann)
    await send(ann, ben, "one")
    _, last = await send(ann, ben, "two")

    response = await ben.client.put(f"/api/messages/read/{ann.id}", headers=ben.auth)
    again = await ben.client.put(f"/api/messages/read/{ann.id}", headers=ben.auth)

    assert (await response.json())["data"] == {"readCount": 2}
    assert (await again.json())["data"] == {"readCount": 0}
    assert await phone.expect("message-read") == {
        "byUserId": ben.id, "upToMessageId": last["data"]["message"]["id"], "readCount": 2,
    }  # fmt: skip
    assert (await ben.data("/api/messages/conversations"))["conversations"][0]["unreadCount"] == 0


async def test_the_sender_cannot_mark_their_own_as_read(make_person):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await send(ann, ben)

    response = await ann.client.put(f"/api/messages/read/{ben.id}", headers=ann.auth)

    assert (await response.json())["data"] == {"readCount": 0}
    assert (await ben.data("/api/messages/conversations"))["conversations"][0]["unreadCount"] == 1


async def test_only_the_sender_deletes_and_it_is_gone_for_both(make_person, connect, sql):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    phone = await connect(ben)
    await send(ann, ben, "first")
    _, answer = await send(ann, ben, "oops")
    message_id = answer["data"]["message"]["id"]

    async def delete(person):
        return (await person.client.delete(f"/api/messages/{message_id}", headers=person.auth)).status

    assert [await delete(ben), await delete(ann), await delete(ann)] == [404, 200, 200]
    assert await phone.expect("message-deleted") == {"messageId": message_id, "byUserId": ann.id}
    for person, other in ((ann, ben), (ben, ann)):
        data = await person.data(f"/api/messages/conversation/{other.id}")
        assert [message["messageText"] for message in data["messages"]] == ["first"]
        [conversation] = (await person.data("/api/messages/conversations"))["conversations"]
        assert conversation["lastMessage"] == "first"
    assert (await ben.data("/api/messages/conversations"))["conversations"][0]["unreadCount"] == 1
    assert sql("SELECT count(*) FROM messages") == [(2,)]
    assert await ann.balance() == 40


async def test_after_a_block_nothing_of_the_conversation_is_left_to_see(make_person, connect):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await send(ann, ben)
    phones = await connect(ann), await connect(ben)
    await ann.post("/api/users/block", {"targetUserId": ben.id})

    await phones[1].emit("typing", userId=ann.id, isTyping=True)
    refused = await phones[1].ask("message-send", receiverId=ann.id, messageText="Hi")
    read = await ben.client.put(f"/api/messages/read/{ann.id}", headers=ben.auth)

    assert refused["error"]["code"] == "USER_UNAVAILABLE"
    assert (await read.json())["data"] == {"readCount": 0}
    for person, other in ((ann, ben), (ben, ann)):
        assert (await person.get(f"/api/messages/conversation/{other.id}")).status == 404
        assert (await person.data("/api/messages/conversations"))["conversations"] == []
    await phones[0].hears_nothing_of("typing", "message", "message-read")


async def test_typing_is_told_and_never_stored(make_person, connect):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    phones = await connect(ann), await connect(ben)

    await phones[0].emit("typing", userId=ben.id, isTyping=True)

    assert await phones[1].expect("typing") == {"userId": ann.id, "isTyping": True}


async def test_the_own_other_phones_see_what_was_sent(make_person, connect, outside):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await ann.client.post("/api/auth/send-otp", json={"phoneNumber": ann.phone_number})
    body = {"phoneNumber": ann.phone_number, "otpCode": outside.code_for(ann.phone_number)}
    tokens = (await (await ann.client.post("/api/auth/verify-otp", json=body)).json())["data"]
    other_phone = await connect(ann, headers={"Authorization": f"Bearer {tokens['accessToken']}"})

    _, answer = await send(ann, ben)

    assert (await other_phone.expect("message"))["id"] == answer["data"]["message"]["id"]


async def test_a_stranger_reads_and_deletes_nothing(make_person):
    ann, ben, eve = [await make_person(name) for name in ("Ann", "Ben", "Eve")]
    _, answer = await send(ann, ben)
    message_id = answer["data"]["message"]["id"]

    deleted = await eve.client.delete(f"/api/messages/{message_id}", headers=eve.auth)
    listed = await eve.data(f"/api/messages/conversation/{ben.id}")
    peeked = await eve.get(f"/api/messages/conversation/{ben.id}?before={message_id}")

    assert (deleted.status, listed["messages"], peeked.status) == (404, [], 404)


async def test_spending_for_a_chat_returns_the_charge_of_its_message(make_person):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    _, answer = await send(ann, ben)
    body = {"amount": 5, "action": "chat", "referenceId": answer["data"]["message"]["id"]}

    response = await ann.post("/api/coins/spend", body)

    assert (await response.json())["data"] == {"coinsSpent": 5, "newBalance": 45}
    assert await ann.balance() == 45
