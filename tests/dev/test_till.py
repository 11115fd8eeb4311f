"""/dev/stripe and /dev/pay: a purchase from the first request to the coins, on a development server."""

import socket
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from romantic.app import create_app
from romantic.http.hardening import RUNNER_OPTIONS
from tests.coins.shop import Shop
from tests.conftest import settings_with


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def client(postgres, valkey, outside) -> Any:
    """A development server that is its own Stripe."""
    port = free_port()
    settings = settings_with(
        postgres,
        valkey,
        outside,
        romantic_env="development",
        stripe_api_base=f"http://127.0.0.1:{port}/dev/stripe",
        stripe_secret_key="development-only",
        stripe_webhook_secret="development-only-webhook-secret",
    )
    options = {name: value for name, value in RUNNER_OPTIONS.items() if name != "access_log"}
    client: TestClient[Any, Any] = TestClient(TestServer(create_app(settings), port=port))
    await client.server.start_server(shutdown_timeout=1.0, **options)
    yield client
    await client.close()


@pytest.fixture
def shop(client, outside, sql):
    return Shop(client, outside.stripe, sql)


async def test_person_pays_and_the_coins_arrive_over_the_socket(client, shop, make_person, connect):
    person = await make_person()
    phone = await connect(person)
    bought = await shop.open(person)

    response = await client.post(f"/dev/pay/{bought['paymentIntent']}/pay")

    news = await phone.expect("balance")
    assert response.status == 200
    assert (news["balance"], news["delta"]) == (150, 100)


async def test_declined_payment_can_be_paid_after_all(client, shop, make_person):
    person = await make_person()
    bought = await shop.open(person)
    path = f"/dev/pay/{bought['paymentIntent']}"

    declined = (await client.post(f"{path}/decline")).status, shop.status_of(bought)
    paid = (await client.post(f"{path}/pay")).status, shop.status_of(bought)
    again = (await client.post(f"{path}/pay")).status

    assert (declined, paid, again) == ((200, "failed"), (200, "paid"), 400)
    assert await person.balance() == 150


async def test_pay_page_lists_what_is_open_and_runs_nothing_inline(client, shop, make_person):
    bought = await shop.open(await make_person())

    page = await client.get(f"/dev/pay/{bought['paymentIntent']}")
    listed = (await (await client.get("/dev/pay.json")).json())["data"]["intents"]

    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert b'src="/web/pay.js"' in await page.read()
    assert [(row["id"], row["amount"], row["state"]) for row in listed] == [
        (bought["paymentIntent"], 999, "open")
    ]


async def test_none_of_it_exists_outside_development(make_client):
    client = await make_client()

    paths = ("/dev/pay", "/dev/pay.json", "/dev/stripe/v1/payment_intents/pi_1")
    assert [(await client.get(path)).status for path in paths] == [404] * 3
