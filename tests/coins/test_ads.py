"""POST /api/coins/ad-session, POST /api/coins/earn-ad, GET /api/webhooks/admob"""

import asyncio

import pytest

from romantic.coins import service
from romantic.integrations.admob import ADMOB

REWARDED = {"adType": "rewarded", "adProvider": "admob"}


@pytest.fixture(autouse=True)
async def proof(conn):
    """The ledger holds after every test here."""
    yield

    found = await service.audit(conn)
    assert found["drifting_users"] == []


@pytest.fixture
async def client(make_client):
    return await make_client(ad_min_gap=0, ads_trust_mode="ssv")


@pytest.fixture
def call(client, outside):
    """Google calls back: the status of our answer."""

    async def send(nonce, transaction_id="t1", **more):
        query = outside.admob.query(nonce, transaction_id=transaction_id, **more)
        return await send_raw(query)

    async def send_raw(query):
        return (await client.get(f"/api/webhooks/admob?{query}")).status

    send.raw = send_raw
    return send


async def nonce_of(person):
    return (await (await person.post("/api/coins/ad-session")).json())["data"]["nonce"]


async def earn(person, **body):
    response = await person.post("/api/coins/earn-ad", REWARDED | body)
    return (await response.json())["data"]


async def test_proven_ad_pays_and_tells_the_phone(call, make_person, connect, sql):
    person = await make_person()
    phone = await connect(person)
    nonce = await nonce_of(person)

    status = await call(nonce)

    news = await phone.expect("balance")
    assert (status, news["balance"], news["delta"], news["referenceType"]) == (200, 55, 5, "ad_watch")
    assert await earn(person, nonce=nonce) == {"coinsEarned": 5, "newBalance": 55}
    assert sql("SELECT count(*) FROM coin_transactions WHERE idempotency_key = 'ad:t1'") == [(1,)]


async def test_earn_waits_for_a_callback_that_is_on_its_way(call, make_person):
    person = await make_person()
    nonce = await nonce_of(person)

    answer, _ = await asyncio.gather(earn(person), call(nonce))

    assert answer == {"coinsEarned": 5, "newBalance": 55}


async def test_without_a_callback_the_reward_is_pending(make_person):
    person = await make_person()
    nonce = await nonce_of(person)

    answer = await earn(person, nonce=nonce)

    assert answer == {"coinsEarned": 0, "newBalance": 50, "pending": True}


async def test_without_a_session_there_is_nothing_to_wait_for(make_person):
    assert await earn(await make_person()) == {"coinsEarned": 0, "newBalance": 50}


async def test_nonce_of_somebody_else_tells_and_pays_nothing(call, make_person):
    person, other = await make_person(), await make_person()
    nonce = await nonce_of(other)
    await call(nonce)

    answer = await earn(person, nonce=nonce)

    assert answer == {"coinsEarned": 0, "newBalance": 50}
    assert await other.balance() == 55


async def test_callback_that_names_another_user_than_the_nonce_pays_nobody(call, make_person):
    person, other = await make_person(), await make_person()
    nonce = await nonce_of(other)

    status = await call(nonce, user_id=str(person.id))

    assert (status, await person.balance(), await other.balance()) == (200, 50, 50)


async def test_fifty_callbacks_of_one_transaction_pay_once(call, make_person):
    person = await make_person()
    nonces = [await nonce_of(person) for _ in range(5)]

    statuses = await asyncio.gather(*(call(nonce) for nonce in nonces * 10))

    assert set(statuses) == {200}
    assert await person.balance() == 55


async def test_one_transaction_pays_one_person(call, make_person):
    people = [await make_person() for _ in range(4)]
    nonces = [await nonce_of(person) for person in people]

    await asyncio.gather(*(call(nonce) for nonce in nonces))

    assert sum([await person.balance() for person in people]) == 4 * 50 + 5


async def test_one_nonce_pays_once(call, make_person):
    person = await make_person()
    nonce = await nonce_of(person)

    await asyncio.gather(*(call(nonce, f"t{number}") for number in range(10)))

    assert await person.balance() == 55


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("reward_amount=1000000", "reward_amount=1000001"),
        ("key_id=1", "key_id=2"),
        ("&signature=", "&signature=AA"),
    ],
)
async def test_tampered_query_is_refused(call, make_person, outside, old, new):
    person = await make_person()
    query = outside.admob.query(await nonce_of(person), transaction_id="t1")

    assert await call.raw(query.replace(old, new)) == 400
    assert await person.balance() == 50


async def test_reordered_query_is_refused(call, make_person, outside):
    person = await make_person()
    query = outside.admob.query(await nonce_of(person), transaction_id="t1")
    first, second, rest = query.split("&", 2)

    assert await call.raw(f"{second}&{first}&{rest}") == 400


@pytest.mark.parametrize("query", ["", "signature=AA&key_id=1", "a=1&signature=&key_id=1", "a=1&key_id=1"])
async def test_query_without_proof_is_refused(call, query):
    assert await call.raw(query) == 400


async def test_console_test_callback_without_a_nonce_is_taken(call):
    assert await call(None) == 200


async def test_new_key_is_fetched_at_most_once_a_minute(call, client, make_person, outside, monkeypatch):
    person = await make_person()
    first, second = await nonce_of(person), await nonce_of(person)
    await call(first, "t1")
    outside.admob.add_key(7)

    too_soon = await call(second, "t2", key_id=7)
    monkeypatch.setattr(client.app[ADMOB], "_tried_at", float("-inf"))  # a minute goes by
    later = await call(second, "t2", key_id=7)

    assert (too_soon, later, outside.admob.asked) == (400, 200, 2)
    assert await person.balance() == 60


async def test_keys_that_cannot_be_fetched_make_google_come_again(call, make_person, outside):
    nonce = await nonce_of(await make_person())
    outside.admob.is_down = True

    assert await call(nonce) == 503


async def test_keys_are_kept_for_a_day_and_no_longer(call, client, make_person, outside, monkeypatch):
    person = await make_person()
    await call(await nonce_of(person), "t1")
    await call(await nonce_of(person), "t2")
    asked = outside.admob.asked
    for name in ("_fetched_at", "_tried_at"):
        monkeypatch.setattr(client.app[ADMOB], name, float("-inf"))
    outside.admob.is_down = True

    assert asked == 1
    assert await call(await nonce_of(person), "t3") == 503


async def test_twenty_first_ad_of_a_day_pays_nothing(call, make_person):
    person = await make_person()
    nonces = [await nonce_of(person) for _ in range(21)]

    await asyncio.gather(*(call(nonce, f"t{number}") for number, nonce in enumerate(nonces)))

    assert await person.balance() == 50 + 20 * 5


async def test_cap_opens_again_after_a_day(call, make_person, sql):
    person = await make_person()
    sql(
        "INSERT INTO ad_views (user_id, ad_type, coins_earned, created_at) "
        "SELECT %s, 'rewarded', 5, now() - interval '25 hours' FROM generate_series(1, 20)",
        person.id,
    )

    await call(await nonce_of(person))

    assert await person.balance() == 55


async def test_second_ad_within_the_gap_pays_nothing(make_client, make_person):
    client = await make_client(ads_trust_mode="client")
    person = await make_person(at=client)

    answers = await asyncio.gather(*(earn(person) for _ in range(5)))

    assert sorted(answer["coinsEarned"] for answer in answers) == [0, 0, 0, 0, 5]
    assert await person.balance() == 55


@pytest.mark.parametrize("kind", ["interstitial", "banner"])
async def test_only_rewarded_ads_pay(make_client, make_person, kind):
    client = await make_client(ads_trust_mode="client")
    person = await make_person(at=client)

    assert await earn(person, adType=kind) == {"coinsEarned": 0, "newBalance": 50}


@pytest.mark.parametrize("body", [{"amount": 500}, {"coinsEarned": 5}, {"adType": "popup"}, {"nonce": "x y"}])
async def test_client_names_no_reward(make_person, body):
    person = await make_person()

    response = await person.post("/api/coins/earn-ad", REWARDED | body)

    assert (response.status, await person.balance()) == (400, 50)
