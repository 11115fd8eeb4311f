"""GET and PUT /api/preferences"""

import pytest

from romantic.preferences.routes import ROUTES
from tests.conftest import new_number, prove

PATH = "/api/preferences"

DEFAULTS = {
    "notifications": {"push": True, "email": False, "sms": True},
    "privacy": {"profileVisibility": "public", "showOnlineStatus": True, "showLastSeen": True},
    "app": {"theme": "light", "language": "en", "autoPlayVideos": True},
}


async def put(person, body):
    return await person.client.put(PATH, json=body, headers=person.auth)


async def test_everybody_begins_with_the_documented_defaults(make_person):
    ann = await make_person()

    answer = await (await ann.get(PATH)).json()

    assert answer == {"success": True, "data": DEFAULTS, "message": "Preferences retrieved successfully"}


async def test_one_change_leaves_everything_else_as_it_was(make_person):
    ann = await make_person()
    await put(ann, {"app": {"theme": "dark"}, "notifications": {"sms": False}})

    answer = await (await put(ann, {"app": {"language": "pt-BR"}})).json()

    expected = {
        "notifications": {"push": True, "email": False, "sms": False},
        "privacy": DEFAULTS["privacy"],
        "app": {"theme": "dark", "language": "pt-BR", "autoPlayVideos": True},
    }
    assert answer == {
        "success": True,
        "data": {"preferences": expected},
        "message": "Preferences updated successfully",
    }
    assert await ann.data(PATH) == expected


async def test_every_value_can_be_changed(make_person):
    ann = await make_person()
    opposite = {
        "notifications": {"push": False, "email": True, "sms": False},
        "privacy": {"profileVisibility": "matches", "showOnlineStatus": False, "showLastSeen": False},
        "app": {"theme": "system", "language": "de", "autoPlayVideos": False},
    }

    answer = await (await put(ann, opposite)).json()

    assert answer["data"]["preferences"] == opposite
    assert await ann.data(PATH) == opposite


@pytest.mark.parametrize(
    "body", [{}, {"privacy": {}}, {"privacy": {}, "app": {}, "notifications": {}}], ids=str
)
async def test_nothing_given_changes_nothing(make_person, body):
    ann = await make_person()

    answer = await (await put(ann, body)).json()

    assert answer["data"]["preferences"] == DEFAULTS


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"theme": "dark"}, "theme"),
        ({"userId": "somebody"}, "userId"),
        ({"app": {"theme": "dark", "isAdmin": True}}, "app.isAdmin"),
        ({"privacy": {"profile_visibility": "hidden"}}, "privacy.profile_visibility"),
        ({"privacy": {"profileVisibility": "friends"}}, "privacy.profileVisibility"),
        ({"privacy": {"profileVisibility": None}}, "privacy.profileVisibility"),
        ({"privacy": {"showLastSeen": "false"}}, "privacy.showLastSeen"),
        ({"notifications": {"push": 1}}, "notifications.push"),
        ({"notifications": {"email": None}}, "notifications.email"),
        ({"app": {"theme": "blue"}}, "app.theme"),
        ({"app": {"language": "english"}}, "app.language"),
        ({"app": {"language": "EN"}}, "app.language"),
        ({"app": {"language": "en\n"}}, "app.language"),
        ({"app": None}, "app"),
        ({"app": []}, "app._schema"),
    ],
    ids=str,
)
async def test_anything_else_is_refused_by_name_and_changes_nothing(make_person, body, path):
    ann = await make_person()

    response = await put(ann, {"notifications": {"sms": False}} | body)

    error = (await response.json())["error"]
    assert (response.status, error["code"]) == (400, "VALIDATION_ERROR")
    assert [fault["path"] for fault in error["fields"]] == [path]
    assert await ann.data(PATH) == DEFAULTS


async def test_every_fault_is_named_at_once(make_person):
    ann = await make_person()

    response = await put(ann, {"app": {"theme": "blue"}, "privacy": {"showLastSeen": 0}})

    fields = (await response.json())["error"]["fields"]
    assert {fault["path"] for fault in fields} == {"app.theme", "privacy.showLastSeen"}


async def test_preferences_are_ones_own(make_person):
    ann, bob = await make_person(), await make_person("Bob")

    await put(ann, {"app": {"theme": "dark"}})

    assert await bob.data(PATH) == DEFAULTS


async def test_privacy_holds_from_the_next_look(make_person):
    ann, bob = await make_person(), await make_person("Bob")
    before = (await bob.data(f"/api/users/{ann.id}"))["user"]["lastSeenAt"]
    await put(ann, {"privacy": {"showLastSeen": False}})
    after = (await bob.data(f"/api/users/{ann.id}"))["user"]["lastSeenAt"]

    await put(ann, {"privacy": {"profileVisibility": "hidden"}})

    assert before is not None
    assert after is None
    assert (await bob.get(f"/api/users/{ann.id}")).status == 404


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_nobody_without_a_token(client, route):
    response = await client.request(route.method, route.path)

    assert response.status == 401


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_nobody_who_has_yet_to_register(client, outside, route):
    token = (await prove(client, outside, new_number()))["accessToken"]

    response = await client.request(route.method, route.path, headers={"Authorization": f"Bearer {token}"})

    assert response.status == 404
    assert (await response.json())["error"]["code"] == "REGISTRATION_REQUIRED"
