"""No writable body takes a key it does not name: what the client may not set, it cannot even mention."""

import pytest

from romantic.app import ROUTES
from romantic.http.guards import anyone, person_or_robot, proven, signed_in
from tests.test_access import name_of, path_of

FORBIDDEN = (
    "id", "userId_", "coins", "coinsBalance", "coins_balance", "isVerified", "isSuperLover", "role", "status_",
    "phoneHash", "createdAt", "superLoverRating", "__proto__", "duration_seconds",
)  # fmt: skip

WRITABLE = [route for route in ROUTES if route.body is not None]


@pytest.fixture
async def keys(make_person, outside, sql):
    """A token for every guard."""
    boss = await make_person("Boss")
    sql("UPDATE users SET role = 'admin' WHERE id = %s", boss.id)
    await boss.client.post("/api/auth/send-otp", json={"phoneNumber": boss.phone_number})
    body = {"phoneNumber": boss.phone_number, "otpCode": outside.code_for(boss.phone_number)}
    staff = (await (await boss.client.post("/api/admin/auth/login", json=body)).json())["data"]["accessToken"]
    inside = dict.fromkeys((person_or_robot, proven, signed_in), boss.access_token)
    return {anyone: None, **inside, "staff": staff}


async def test_every_writable_body_refuses_every_key_it_does_not_name(client, keys, sql):
    before = sql("SELECT * FROM users ORDER BY id")
    accepted = {}
    for route in WRITABLE:
        token = keys.get(route.guard, keys["staff"])
        named = {field.data_key for field in route.body.fields.values()}
        unknown = {key: 1 for key in FORBIDDEN if key not in named}
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = await client.request(route.method, path_of(route), json=unknown, headers=headers)
        answer = await response.json()
        refused = {fault["path"] for fault in answer["error"].get("fields", ()) if fault["code"] == "unknown"}
        accepted |= {(name_of(route), key): response.status for key in unknown if key not in refused}

    assert accepted == {}
    assert sql("SELECT * FROM users ORDER BY id") == before
    assert len(WRITABLE) > 20


async def test_routes_without_a_body_take_none(client, keys):
    bare = [
        route
        for route in ROUTES
        if route.body is None and not route.raw and route.method != "GET" and "logout" not in route.path
    ]
    outcomes = {}
    for route in bare:
        token = keys.get(route.guard, keys["staff"])
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = await client.request(route.method, path_of(route), json={"coins": 1}, headers=headers)
        outcomes[name_of(route)] = response.status

    assert {name: status for name, status in outcomes.items() if status != 400} == {}
    assert bare
