"""GET /demo, /demo/check, /dev/people.json, /dev/outbox and /web/{name}: the pages of a development server."""

from typing import Any

import pytest

from romantic.dev.seed import seed
from romantic.settings import SETTINGS
from tests.conftest import MakeApp


@pytest.fixture
async def client(make_client: MakeApp) -> Any:
    return await make_client(romantic_env="development", otp_test_numbers="+10000000001=000000@2099-12-31")


@pytest.mark.parametrize("path", ["/demo", "/demo/check", "/dev/outbox"])
async def test_pages_run_nothing_inline_and_load_nothing_from_elsewhere(client, path):
    response = await client.get(path)

    policy = response.headers["Content-Security-Policy"]
    assert response.status == 200
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


async def test_only_the_demo_and_the_check_may_ask_for_the_camera(client):
    demo, outbox = await client.get("/demo"), await client.get("/dev/outbox")
    check = await client.get("/demo/check")

    assert demo.headers["Permissions-Policy"] == "camera=(self), microphone=(self)"
    assert check.headers["Permissions-Policy"] == "camera=(self), microphone=(self)"
    assert outbox.headers["Permissions-Policy"] == "camera=(), microphone=()"


@pytest.mark.parametrize(
    "name", ["__init__.py", "..%2Fapp.py", "%2e%2e%2fapp.py", "demo.png", "none.js", "%00.js"]
)
async def test_assets_are_the_pages_own_files_and_nothing_else(client, name):
    response = await client.get(f"/web/{name}")

    assert response.status == 404


async def test_only_people_with_a_test_number_come_with_their_code(client):
    await seed(client.app[SETTINGS])

    response = await client.get("/dev/people.json")

    people = (await response.json())["data"]["people"]
    assert [person["as"] for person in people] == ["ada", None, None, None, None]
    assert [person["code"] for person in people] == ["000000", None, None, None, None]


@pytest.mark.parametrize(
    "path",
    ["/demo", "/demo/check", "/dev/people.json", "/dev/outbox", "/dev/outbox.json", "/web/demo.js"],
)
async def test_none_of_it_exists_outside_development(make_client: MakeApp, path):
    client = await make_client(romantic_env="test")

    response = await client.get(path)

    assert response.status == 404
