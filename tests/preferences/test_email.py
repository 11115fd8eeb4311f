"""/api/preferences/email: an address is proven by a code, and written to only if its owner wants that."""

import asyncio

import pytest

from tests.coins.shop import Shop
from tests.waiting import until

URL = "/api/preferences/email"


@pytest.fixture
async def client(make_client, outside):
    return await make_client(**outside.aws.settings)


@pytest.fixture
def mailed(outside):
    """The text of the n-th e-mail, once it is there."""

    async def nth(number=1):
        async def is_there():
            return len(outside.aws.mails) >= number

        await until(is_there)
        mail = outside.aws.mails[number - 1]
        return mail["Destination"]["ToAddresses"], mail["Content"]["Simple"]["Body"]["Text"]["Data"]

    return nth


async def give(person, address="ann@example.com"):
    response = await person.client.put(URL, json={"email": address}, headers=person.auth)
    return response.status, await response.json()


async def prove(person, code):
    return (await person.post(f"{URL}/verify", {"code": code})).status


async def address_of(person):
    return (await (await person.get(URL)).json())["data"]


async def test_address_is_proven_by_the_code_it_is_sent(client, make_person, mailed, sql):
    ann = await make_person()

    _, given = await give(ann)
    to, text = await mailed()
    proven = await prove(ann, text[:6])

    assert given["data"] == {"email": "ann@example.com", "isVerified": False}
    assert (to, proven) == (["ann@example.com"], 200)
    assert await address_of(ann) == {"email": "ann@example.com", "isVerified": True}


async def test_five_wrong_guesses_are_the_end_of_a_code_even_at_once(client, make_person, mailed):
    ann = await make_person()
    await give(ann)
    code = (await mailed())[1][:6]
    wrong = f"{(int(code) + 1) % 10**6:06d}"

    statuses = await asyncio.gather(*(prove(ann, wrong) for _ in range(8)))

    assert statuses == [400] * 8
    assert await prove(ann, code) == 400


async def test_code_of_one_address_proves_no_other(client, make_person, mailed):
    ann = await make_person()
    await give(ann)
    code = (await mailed())[1][:6]
    await give(ann, "else@example.com")

    assert await prove(ann, code) == 400
    assert await prove(ann, (await mailed(2))[1][:6]) == 200


async def test_address_that_is_taken_back_is_gone(client, make_person, mailed, sql):
    ann = await make_person()
    await give(ann)
    code = (await mailed())[1][:6]

    response = await ann.client.delete(URL, headers=ann.auth)

    assert response.status == 200
    assert await prove(ann, code) == 400
    assert await address_of(ann) == {"email": None, "isVerified": False}


@pytest.mark.parametrize(
    "address",
    ["", "ann", "a@b", "ann@example.com\r\nBcc: x@y.example", "ä@example.com", f"{'a' * 250}@x.example", 5],
)
async def test_what_is_no_address_is_refused(client, make_person, address, outside):
    status, _ = await give(await make_person(), address)

    assert (status, outside.aws.mails) == (400, [])


async def test_without_a_sender_no_address_is_taken(make_client, make_person):
    host = await make_client()

    status, answer = await give(await make_person("Ann", at=host))

    assert (status, answer["error"]["code"]) == (503, "EMAIL_UNAVAILABLE")


@pytest.mark.parametrize(("wants", "mails"), [(True, 2), (False, 1)])
async def test_purchase_is_confirmed_to_who_wants_e_mail_and_to_nobody_else(
    client, make_person, outside, mailed, sql, wants, mails
):
    ann, shop = await make_person(), Shop(client, outside.stripe, sql)
    await give(ann)
    await prove(ann, (await mailed())[1][:6])
    body = {"notifications": {"email": wants}}
    await ann.client.put("/api/preferences", json=body, headers=ann.auth)

    bought, _ = await shop.buy(ann)

    async def is_done():
        return sql("SELECT status FROM jobs WHERE kind = 'email.receipt'") == [("done",)]

    await until(is_done)
    assert len(outside.aws.mails) == mails
    if wants:
        to, text = await mailed(2)
        assert to == ["ann@example.com"]
        assert bought["purchaseId"] in text
        assert "100 coins for 9.99 USD" in text


async def test_receipt_waits_for_a_provider_that_is_away_and_delays_no_purchase(
    client, make_person, outside, mailed, sql
):
    ann, shop = await make_person(), Shop(client, outside.stripe, sql)
    sql(
        "UPDATE user_preferences SET email_address = 'ann@example.com', email_verified_at = now(),"
        " notifications_email = TRUE WHERE user_id = %s",
        ann.id,
    )
    outside.aws.mood = "broken"

    await shop.buy(ann)
    balance = await ann.balance()

    async def was_tried():
        job = "SELECT status, attempts > 0 FROM jobs WHERE kind = 'email.receipt'"
        return sql(job) == [("waiting", True)]

    await until(was_tried)
    outside.aws.mood = "ok"
    sql("UPDATE jobs SET run_at = now() WHERE status = 'waiting'")
    assert balance == 150
    assert (await mailed())[0] == ["ann@example.com"]


async def test_account_that_is_deleted_leaves_no_address(client, make_person, outside, mailed, sql):
    ann = await make_person()
    await give(ann)
    await mailed()
    await client.post("/api/auth/send-otp", json={"phoneNumber": ann.phone_number})

    body = {"otpCode": outside.code_for(ann.phone_number)}
    response = await ann.client.delete("/api/auth/account", json=body, headers=ann.auth)

    assert response.status == 200
    assert sql("SELECT email_address FROM user_preferences") == [(None,)]
