"""Who may call /api/super-lover at all."""

import pytest

from romantic.super_lover.routes import ROUTES
from tests.conftest import new_number, prove
from tests.super_lover.conftest import refusal


def name_of(route):
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
async def test_nobody_without_a_token(client, route):
    response = await client.request(route.method, route.path)

    assert await refusal(response) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
async def test_nobody_who_has_yet_to_register(client, outside, route):
    token = (await prove(client, outside, new_number()))["accessToken"]

    response = await client.request(route.method, route.path, headers={"Authorization": f"Bearer {token}"})

    assert await refusal(response) == (404, "REGISTRATION_REQUIRED")
