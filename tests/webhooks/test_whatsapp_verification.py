"""GET /api/webhooks/whatsapp"""

import pytest

from tests.webhooks.meta import TOKEN, URL

ASKED = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": TOKEN}


@pytest.mark.parametrize(
    "challenge", ["1158201444", "<img src=x onerror=alert(1)>", "ä 😀 \n%00", "x" * 256, "%ff\0"], ids=ascii
)
async def test_challenge_comes_back_as_bare_text(client, challenge):
    response = await client.get(URL, params=ASKED | {"hub.challenge": challenge})

    assert (response.status, await response.read()) == (200, challenge.encode())
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "accept", ["*/*", "text/html", "application/*", "application/jsonp", "application/json;q=0", ""]
)
async def test_who_does_not_ask_for_json_by_name_gets_text(client, accept):
    response = await client.get(URL, params=ASKED, headers={"Accept": accept})

    assert await response.read() == b"1158201444"


@pytest.mark.parametrize(
    "accept",
    ["application/json", "text/html, Application/JSON;q=0.9, */*", "application/json; charset=utf-8"],
)
async def test_who_asks_for_json_by_name_gets_the_envelope(client, accept):
    response = await client.get(URL, params=ASKED, headers={"Accept": accept})

    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert await response.json() == {
        "success": True,
        "data": {"challenge": "1158201444"},
        "message": "Webhook verified successfully",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"hub.verify_token": "another"},
        {"hub.verify_token": ""},
        {"hub.verify_token": TOKEN + "é"},
        {"hub.mode": "unsubscribe"},
        {"hub.mode": "", "hub.challenge": ""},
    ],
    ids=str,
)
async def test_wrong_token_or_mode_is_refused(client, wrong):
    response = await client.get(URL, params=ASKED | wrong)

    assert (response.status, (await response.json())["error"]["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize("challenge", ["", "x" * 257])
async def test_challenge_out_of_bounds_is_refused(client, challenge):
    response = await client.get(URL, params=ASKED | {"hub.challenge": challenge})

    assert (response.status, (await response.json())["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_challenge_that_is_no_text_is_never_our_fault(client):
    query = f"hub.mode=subscribe&hub.verify_token={TOKEN}&hub.challenge=%ff%fe"

    response = await client.get(f"{URL}?{query}")

    assert response.status in (200, 400)


async def test_without_a_token_of_ours_nobody_is_verified(make_client):
    client = await make_client(whatsapp_webhook_verify_token="")

    response = await client.get(URL, params=ASKED | {"hub.verify_token": ""})

    assert response.status == 503
