"""PUT /api/super-lover/status, and how long a status holds."""

import pytest

from tests.devices.conftest import register
from tests.super_lover.conftest import eventually, put, refusal


async def status_of(viewer, person):
    """What somebody else is shown."""
    return (await viewer.data(f"/api/users/{person.id}"))["user"]["superLoverStatus"]


@pytest.mark.parametrize("status", ["online", "ready", "offline"])
async def test_a_status_is_stored_and_shown(make_person, status):
    ann, bob = await make_person(super_lover=True), await make_person("Bob")

    response = await put(ann, "/api/super-lover/status", {"status": status})

    answer = await response.json()
    assert answer == {
        "success": True,
        "data": {"status": status},
        "message": f"Status updated to: {status.upper()}",
    }
    assert await status_of(bob, ann) == status


async def test_only_super_lovers_have_one(make_person):
    ann = await make_person()

    assert await refusal(await put(ann, "/api/super-lover/status", {"status": "ready"})) == (
        403,
        "NOT_SUPER_LOVER",
    )


@pytest.mark.parametrize(
    "body",
    [{}, {"status": "busy"}, {"status": "READY"}, {"status": None}, {"status": "ready", "rating": 5}],
    ids=str,
)
async def test_other_values_are_refused(make_person, body):
    ann = await make_person(super_lover=True)

    assert await refusal(await put(ann, "/api/super-lover/status", body)) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("is_online", "away", "shown"),
    [
        (False, "14 minutes", "ready"),
        (False, "15 minutes 1 second", "offline"),
        (True, "3 hours", "ready"),
    ],
)
async def test_a_quarter_of_an_hour_without_a_socket_is_offline(make_person, sql, is_online, away, shown):
    ann, bob = await make_person(super_lover=True), await make_person("Bob")
    sql(
        "UPDATE users SET is_online = %s, last_seen = now() - %s::interval WHERE id = %s",
        is_online, away, ann.id,
    )  # fmt: skip

    assert await status_of(bob, ann) == shown


async def test_a_phone_that_can_be_rung_keeps_a_status_that_no_socket_holds(make_person, sql):
    """As long as its owner wants pushes, and stays signed in on it."""
    ann, bob = await make_person(super_lover=True), await make_person("Bob")
    await register(ann)
    sql("UPDATE users SET last_seen = now() - interval '3 hours' WHERE id = %s", ann.id)
    shown = [await status_of(bob, ann)]

    for wants in (False, True):
        await put(ann, "/api/preferences", {"notifications": {"push": wants}})
        shown.append(await status_of(bob, ann))
    await ann.post("/api/auth/logout")
    shown.append(await status_of(bob, ann))

    assert shown == ["ready", "offline", "ready", "offline"]


@pytest.mark.parametrize(("has_phone", "found"), [(True, True), (False, False)])
async def test_who_can_be_rung_is_found_among_the_available(make_person, sql, has_phone, found):
    ann, bob = await make_person(super_lover=True), await make_person("Bob")
    if has_phone:
        await register(ann)
    sql("UPDATE users SET last_seen = now() - interval '3 hours' WHERE id = %s", ann.id)

    available = (await bob.data("/api/super-lover/available"))["superLovers"]
    ready = (await bob.data("/api/super-lover/available?status=ready"))["superLovers"]

    assert [[person["id"] for person in page] for page in (available, ready)] == [[ann.id] * found] * 2


async def test_watchers_see_that_a_phone_makes_somebody_callable(make_person, connect, sql):
    ann, bob = await make_person(super_lover=True), await make_person("Bob")
    sql("UPDATE users SET last_seen = now() - interval '3 hours' WHERE id = %s", ann.id)
    phone = await connect(bob)
    (before,) = (await phone.ask("presence-subscribe", userIds=[ann.id]))["presences"]

    await register(ann)

    assert before["superLoverStatus"] == "offline"
    assert (await phone.expect("presence"))["superLoverStatus"] == "ready"


async def test_the_offline_that_was_chosen_stays_with_a_socket(make_person, connect, sql):
    ann, bob = await make_person(super_lover=True), await make_person("Bob")
    await connect(ann)

    await put(ann, "/api/super-lover/status", {"status": "offline"})

    assert await status_of(bob, ann) == "offline"


async def test_setting_a_status_counts_as_being_there(make_person, sql):
    ann, bob = await make_person(super_lover=True), await make_person("Bob")
    sql("UPDATE users SET last_seen = now() - interval '1 day' WHERE id = %s", ann.id)

    await put(ann, "/api/super-lover/status", {"status": "ready"})

    assert await status_of(bob, ann) == "ready"


async def test_a_phone_that_went_away_is_offline_after_the_idle_time_until_it_is_back(
    make_person, connect, sql
):
    ann, bob = await make_person(super_lover=True), await make_person("Bob")
    phone = await connect(ann)
    await eventually(lambda: _is_online(sql, ann, True))
    await phone.close()
    await eventually(lambda: _is_online(sql, ann, False))
    soon = await status_of(bob, ann)
    sql("UPDATE users SET last_seen = last_seen - interval '16 minutes' WHERE id = %s", ann.id)
    later = await status_of(bob, ann)

    await connect(ann)
    await eventually(lambda: _is_online(sql, ann, True))

    assert (soon, later, await status_of(bob, ann)) == ("ready", "offline", "ready")


async def _is_online(sql, person, wanted):
    return sql("SELECT is_online FROM users WHERE id = %s", person.id) == [(wanted,)]
