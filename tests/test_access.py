"""Who may knock at which door: every route against every kind of stranger, and every object against every other person."""

from uuid import uuid4

import pytest

from romantic.admin.session import admin, moderator
from romantic.app import ROUTES
from romantic.http import anyone, person_or_robot, proven, signed_in
from tests.conftest import new_number, prove

#: What lets the users of the app in.
INSIDE = (person_or_robot, proven, signed_in)
GUARDED = [route for route in ROUTES if route.guard is not anyone]


def name_of(route):
    return f"{route.method} {route.path}"


def path_of(route):
    path = route.path
    while "{" in path:
        start, end = path.index("{"), path.index("}")
        path = path[:start] + str(uuid4()) + path[end + 1 :]
    return path


async def knock(client, route, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    response = await client.request(route.method, path_of(route), headers=headers)
    answer = await response.json()
    return response.status, answer["error"]["code"] if not answer["success"] else None


@pytest.fixture
async def strangers(client, make_person, outside, sql):
    """A token of every kind that is not an ordinary person's."""
    number = new_number()
    unregistered = (await prove(client, outside, number))["accessToken"]
    banned = await make_person("Banned")
    sql("UPDATE users SET status = 'banned' WHERE id = %s", banned.id)
    gone = await make_person("Gone")
    await gone.post("/api/auth/logout")
    boss = await make_person("Boss")
    sql("UPDATE users SET role = 'admin' WHERE id = %s", boss.id)
    await client.post("/api/auth/send-otp", json={"phoneNumber": boss.phone_number})
    body = {"phoneNumber": boss.phone_number, "otpCode": outside.code_for(boss.phone_number)}
    staff = (await (await client.post("/api/admin/auth/login", json=body)).json())["data"]["accessToken"]
    return {
        "nobody": None,
        "garbage": "x.y.z",
        "a refresh token": boss.refresh_token,
        "unregistered": unregistered,
        "banned": banned.access_token,
        "logged out": gone.access_token,
        "staff": staff,
        "person": boss.access_token,
    }


async def test_no_door_opens_without_a_live_session(client, strangers):
    refused = {
        (name_of(route), kind): await knock(client, route, strangers[kind])
        for route in GUARDED
        for kind in ("nobody", "garbage", "a refresh token", "logged out")
        if kind != "logged out" or route.guard in INSIDE
    }

    assert {key: outcome for key, outcome in refused.items() if outcome != (401, "UNAUTHORIZED")} == {}
    assert len(refused) > 150


async def test_a_banned_person_is_outside_within_the_memory_of_a_session(make_client, make_person, sql):
    client = await make_client(session_cache_seconds=0)
    banned = await make_person("Banned", at=client)
    sql("UPDATE users SET status = 'banned' WHERE id = %s", banned.id)

    outcomes = {
        name_of(route): await knock(client, route, banned.access_token)
        for route in GUARDED
        if route.guard in INSIDE
    }

    assert {key: outcome for key, outcome in outcomes.items() if outcome[0] != 401} == {}


async def test_an_unregistered_number_reaches_only_what_leads_to_registration(client, strangers):
    outcomes = {
        name_of(route): await knock(client, route, strangers["unregistered"])
        for route in GUARDED
        if route.guard in (person_or_robot, signed_in)
    }

    assert {
        key: outcome for key, outcome in outcomes.items() if outcome != (404, "REGISTRATION_REQUIRED")
    } == {}


async def test_an_admin_token_opens_no_door_of_the_app(client, strangers):
    outcomes = {
        name_of(route): await knock(client, route, strangers["staff"])
        for route in GUARDED
        if route.guard in INSIDE
    }

    assert {key: outcome for key, outcome in outcomes.items() if outcome != (401, "UNAUTHORIZED")} == {}


async def test_an_app_token_opens_no_door_of_the_staff_even_for_an_admin(client, strangers):
    outcomes = {
        name_of(route): await knock(client, route, strangers["person"])
        for route in GUARDED
        if route.guard in (moderator, admin)
    }

    assert {key: outcome for key, outcome in outcomes.items() if outcome != (403, "STAFF_ONLY")} == {}
    assert len(outcomes) > 10


def call_doors(call):
    room = {"sdp": "v=0", "roomId": call["roomId"]}
    path = f"/api/calls/{call['callId']}"
    return [
        ("GET", path, None),
        ("GET", f"{path}/quality", None),
        ("POST", f"{path}/stats", {"sample": {}}),
        ("POST", f"{path}/accept", None),
        ("POST", f"{path}/reject", None),
        ("POST", f"{path}/end", {}),
        ("POST", f"{path}/webrtc/offer", room),
        ("POST", f"{path}/webrtc/answer", room),
    ]


@pytest.mark.parametrize("relation", ["other", "matched", "blocked", "blocker"])
async def test_a_call_is_known_to_its_two_people_only(make_person, relation):
    ann, ben, eve = [await make_person(name, coins=100) for name in ("Ann", "Ben", "Eve")]
    if relation == "matched":
        for one, other in ((ann, eve), (eve, ann)):
            await one.post("/api/users/like", {"targetUserId": other.id})
    if relation == "blocked":
        await ann.post("/api/users/block", {"targetUserId": eve.id})
    if relation == "blocker":
        await eve.post("/api/users/block", {"targetUserId": ann.id})
    body = {"receiverId": ben.id, "callType": "audio"}
    call = (await (await ann.post("/api/calls/initiate", body)).json())["data"]
    before = (await ann.data(f"/api/calls/{call['callId']}"))["call"]

    outcomes = [
        (await eve.client.request(method, path, json=body, headers=eve.auth)).status
        for method, path, body in call_doors(call)
    ]

    assert outcomes == [404] * len(outcomes)
    assert (await ann.data(f"/api/calls/{call['callId']}"))["call"] == before


async def test_a_session_is_ended_by_its_owner_only(make_person):
    ann, eve = await make_person("Ann"), await make_person("Eve")
    [session] = (await ann.data("/api/auth/sessions"))["sessions"]

    stranger = await eve.client.delete(f"/api/auth/sessions/{session['id']}", headers=eve.auth)
    after = await ann.get("/api/auth/profile")
    owner = await ann.client.delete(f"/api/auth/sessions/{session['id']}", headers=ann.auth)

    assert (stranger.status, after.status, owner.status) == (404, 200, 200)
    assert (await ann.get("/api/auth/profile")).status == 401
