"""Idempotency-Key: the first answer under a key is the answer to every retry."""

import asyncio
from uuid import uuid4

import pytest

URL = "/api/coins/spend"


def boost(amount=20):
    return {"amount": amount, "action": "boost", "referenceId": str(uuid4())}


def under(key):
    return {"Idempotency-Key": key}


async def test_twenty_parallel_posts_are_one_entry_and_one_answer(make_person, sql):
    person, body = await make_person(), boost()

    answers = await asyncio.gather(*(person.post(URL, body, headers=under("tap")) for _ in range(20)))
    texts = {response.status: set() for response in answers}
    for response in answers:
        texts[response.status].add((await response.json()).get("data") and await response.text())

    assert set(texts) <= {200, 409}
    assert len(texts[200]) == 1
    assert sql("SELECT count(*) FROM coin_transactions WHERE transaction_type = 'spend'") == [(1,)]


async def test_request_still_running_is_a_409_to_come_back_to(make_person, sql):
    person = await make_person()
    sql(
        "INSERT INTO idempotency_keys (subject, route, key, fingerprint, locked_until)"
        " VALUES (%s, 'POST /api/coins/spend', 'tap', '', now() + interval '60 seconds')",
        person.id,
    )
    body = boost()
    sql("UPDATE idempotency_keys SET fingerprint = %s", await fingerprint_of(person, body, sql))

    response = await person.post(URL, body, headers=under("tap"))

    assert (response.status, (await response.json())["error"]["code"]) == (409, "REQUEST_IN_FLIGHT")
    assert response.headers["Retry-After"] == "1"


async def fingerprint_of(person, body, sql):
    """What the server notes about this body, learned from a request under another key."""
    await person.post(URL, body, headers=under("learn"))
    return sql("SELECT fingerprint FROM idempotency_keys WHERE key = 'learn'")[0][0]


async def test_retry_gets_the_same_bytes_and_is_marked(make_person):
    person, body = await make_person(), boost()

    first = await person.post(URL, body, headers=under("tap"))
    again = await person.post(URL, body, headers=under("tap"))

    assert (await first.read(), first.status) == (await again.read(), again.status)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await person.balance() == 30


async def test_order_of_the_keys_of_a_body_does_not_matter(make_person):
    person, body = await make_person(), boost()
    await person.post(URL, body, headers=under("tap"))

    again = await person.post(URL, dict(reversed(body.items())), headers=under("tap"))

    assert again.headers["Idempotent-Replayed"] == "true"


async def test_refusal_is_replayed_although_coins_came_meanwhile(make_person, sql):
    person, body = await make_person(coins=5), boost()
    first = await person.post(URL, body, headers=under("tap"))
    sql("SELECT add_entry(%s, 'earn', 100, 'gift', '', NULL, NULL)", person.id)

    again = await person.post(URL, body, headers=under("tap"))

    assert (first.status, again.status) == (402, 402)
    assert await first.read() == await again.read()


async def test_key_with_another_body_is_a_422(make_person):
    person = await make_person()
    await person.post(URL, boost(), headers=under("tap"))

    response = await person.post(URL, boost(), headers=under("tap"))

    assert (response.status, (await response.json())["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert await person.balance() == 30


async def test_users_and_routes_do_not_share_keys(make_person):
    one, other = await make_person(), await make_person()

    answers = [
        await one.post(URL, boost(), headers=under("tap")),
        await other.post(URL, boost(), headers=under("tap")),
        await one.post("/api/realtime/ticket", headers=under("tap")),
    ]

    assert [response.status for response in answers] == [200] * 3
    assert not [response for response in answers if "Idempotent-Replayed" in response.headers]


async def test_body_that_is_not_valid_uses_no_key_up(make_person):
    person = await make_person()
    await person.post(URL, {"amount": "x"}, headers=under("tap"))

    response = await person.post(URL, boost(), headers=under("tap"))

    assert response.status == 200


async def test_fault_of_ours_is_not_stored(make_person, sql):
    person, body = await make_person(), boost()
    sql("ALTER TABLE coin_transactions RENAME TO gone")
    broken = await person.post(URL, body, headers=under("tap"))
    sql("ALTER TABLE gone RENAME TO coin_transactions")

    again = await person.post(URL, body, headers=under("tap"))

    assert (broken.status, again.status) == (500, 200)
    assert "Idempotent-Replayed" not in again.headers
    assert await person.balance() == 30


async def test_key_whose_request_died_is_taken_over_after_a_minute(make_person, sql):
    person, body = await make_person(), boost()
    await person.post(URL, body, headers=under("tap"))
    sql("UPDATE idempotency_keys SET response_status = NULL, response_body = NULL, locked_until = now()")

    again = await person.post(URL, body, headers=under("tap"))

    assert again.status == 200
    assert await person.balance() == 30  # the ledger's own key saw to it


async def test_key_is_forgotten_after_a_day(make_person, sql):
    person = await make_person()
    await person.post(URL, boost(), headers=under("tap"))
    sql("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")

    response = await person.post(URL, boost(), headers=under("tap"))

    assert (response.status, await person.balance()) == (200, 10)


@pytest.mark.parametrize("key", ["", " ", '""', "x" * 256, f'"{"x" * 254}"', '""x""', "\udcff", "a\tb"])
async def test_key_out_of_bounds_is_a_400(make_person, key):
    person = await make_person()

    response = await person.post(URL, boost(), headers=under(key))

    assert response.status == 400
    assert await person.balance() == 50


async def test_longest_key_is_taken(make_person):
    person = await make_person()

    response = await person.post(URL, boost(), headers=under("x" * 255))

    assert response.status == 200
