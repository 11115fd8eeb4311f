"""POST /api/devices, DELETE /api/devices/{id}: which phones are known, and when they are forgotten."""

import asyncio
from uuid import uuid4

import pytest

from romantic.jobs.janitor import clean
from tests.admin.conftest import make_staff  # noqa: F401 - a fixture
from tests.devices.conftest import devices_of, new_token, register
from tests.realtime.conftest import another_device
from tests.waiting import until


async def remove(person, device_id):
    response = await person.client.delete(f"/api/devices/{device_id}", headers=person.auth)
    return response.status, await response.json()


def forgotten(sql, person):
    async def holds():
        return devices_of(sql, person) == []

    return until(holds)


@pytest.mark.parametrize("platform", ["android", "ios", "web"])
async def test_device_is_registered_and_its_token_never_shown(make_person, platform):
    ann = await make_person()

    response = await ann.post("/api/devices", {"token": new_token(), "platform": platform})

    answer = await response.json()
    assert response.status == 200
    assert set(answer["data"]["device"]) == {"id", "platform", "lastSeenAt", "createdAt"}
    assert answer["data"]["device"]["platform"] == platform


async def test_same_token_again_is_the_same_device_seen_anew(make_person, sql):
    ann = await make_person()
    first = await register(ann)
    sql("UPDATE device_tokens SET last_seen = now() - interval '1 day'")

    again = await register(ann, first["token"])

    assert again["id"] == first["id"]
    assert again["lastSeenAt"] >= first["lastSeenAt"]
    assert devices_of(sql, ann) == [first["token"]]


async def test_newer_token_of_the_same_phone_takes_the_place_of_the_older(make_person, sql):
    ann = await make_person()
    await register(ann)
    newer = await register(ann)

    assert devices_of(sql, ann) == [newer["token"]]


async def test_token_moves_to_whoever_signed_in_on_the_phone_last(make_person, sql):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    hers = await register(ann)
    his = await register(ben, hers["token"])

    refused, _ = await remove(ann, his["id"])
    old, _ = await remove(ann, hers["id"])

    assert (devices_of(sql, ann), devices_of(sql, ben)) == ([], [hers["token"]])
    assert (refused, old) == (404, 404)
    assert sql(
        "SELECT is_pushable FROM users WHERE id IN (%s, %s) ORDER BY id = %s", ann.id, ben.id, ben.id
    ) == [
        (False,),
        (True,),
    ]


async def test_device_is_removed_by_its_owner_only_and_once(make_person, sql):
    ann, eve = await make_person("Ann"), await make_person("Eve")
    device = await register(ann)

    stranger, answer = await remove(eve, device["id"])
    kept = devices_of(sql, ann)
    owner, _ = await remove(ann, device["id"])
    again, _ = await remove(ann, device["id"])

    assert (stranger, answer["error"]["code"], kept) == (404, "DEVICE_NOT_FOUND", [device["token"]])
    assert (owner, again, devices_of(sql, ann)) == (200, 404, [])
    assert (await remove(ann, uuid4()))[0] == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"token": "x" * 40},
        {"platform": "ios"},
        {"token": "short", "platform": "ios"},
        {"token": "x" * 2001, "platform": "ios"},
        {"token": "with a space in it, which none has", "platform": "ios"},
        {"token": "x" * 30 + "\n", "platform": "ios"},
        {"token": "é" * 30, "platform": "ios"},
        {"token": 12345678901234567890, "platform": "ios"},
        {"token": "x" * 40, "platform": "windows"},
        {"token": "x" * 40, "platform": "ios", "userId": "me"},
    ],
    ids=str,
)
async def test_what_is_no_device_is_refused(make_person, sql, body):
    ann = await make_person()

    response = await ann.post("/api/devices", body)

    assert (response.status, (await response.json())["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert devices_of(sql, ann) == []


async def test_retry_under_the_same_key_gets_the_first_answer(make_person, sql):
    ann = await make_person()
    body, headers = {"token": new_token(), "platform": "web"}, {"Idempotency-Key": "start-1"}

    first, again = [await ann.post("/api/devices", body, headers=headers) for _ in "ab"]

    assert await first.json() == await again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert devices_of(sql, ann) == [body["token"]]


async def test_person_has_ten_phones_and_the_one_seen_longest_ago_makes_room(make_person, sql, outside):
    ann = await make_person()
    for number in range(10):
        sql(
            "WITH one AS (INSERT INTO user_sessions (user_id, phone_number, expires_at)"
            " VALUES (%s, %s, now() + interval '1 day') RETURNING id)"
            " INSERT INTO device_tokens (token, user_id, session_id, platform, last_seen)"
            " SELECT %s, %s, id, 'web', now() - %s * interval '1 hour' FROM one",
            ann.id, ann.phone_number, f"an-older-token-of-hers-{number}", ann.id, number + 1,
        )  # fmt: skip

    newest = await register(ann)

    tokens = devices_of(sql, ann)
    assert len(tokens) == 10
    assert tokens[0] == newest["token"]
    assert "an-older-token-of-hers-9" not in tokens


async def test_many_registrations_at_once_leave_one_phone_per_session_and_token(make_person, sql):
    people = [await make_person(f"Person {n}") for n in range(2)]
    tokens = [new_token() for _ in range(2)]

    async def try_one(person, token):
        return (await person.post("/api/devices", {"token": token, "platform": "ios"})).status

    statuses = await asyncio.gather(
        *(try_one(person, token) for person in people for token in tokens for _ in range(4))
    )

    assert set(statuses) <= {200, 503}  # two who swap their phones may have to try again
    assert 200 in statuses
    assert sql("SELECT max(n) FROM (SELECT count(*) AS n FROM device_tokens GROUP BY session_id) AS s") == [
        (1,)
    ]
    assert sql(
        "SELECT count(*) FROM users WHERE is_pushable"
        " IS DISTINCT FROM EXISTS (SELECT FROM device_tokens WHERE user_id = users.id)"
    ) == [(0,)]


async def test_logout_forgets_the_phone_of_this_session_only(make_person, outside, sql):
    ann = await make_person()
    other = await another_device(ann.client, outside, ann)
    await register(ann)
    kept = await register(other)

    await ann.post("/api/auth/logout")

    assert devices_of(sql, ann) == [kept["token"]]


async def test_logout_everywhere_forgets_them_all(make_person, outside, sql):
    ann = await make_person()
    other = await another_device(ann.client, outside, ann)
    await register(ann)
    await register(other)

    await other.post("/api/auth/logout-all")

    assert devices_of(sql, ann) == []
    assert sql("SELECT is_pushable FROM users WHERE id = %s", ann.id) == [(False,)]


async def test_session_that_is_revoked_from_elsewhere_takes_its_phone_along(make_person, outside, sql):
    ann = await make_person()
    other = await another_device(ann.client, outside, ann)
    await register(ann)
    ((session_id,),) = sql("SELECT session_id FROM device_tokens")

    await other.client.delete(f"/api/auth/sessions/{session_id}", headers=other.auth)

    assert devices_of(sql, ann) == []


async def test_stolen_refresh_token_ends_the_phones_pushes_as_well(make_client, make_person, outside, sql):
    client = await make_client(refresh_grace=0)
    ann = await make_person(at=client)
    await register(ann)
    await ann.post("/api/auth/refresh", {"refreshToken": ann.refresh_token})
    sql("UPDATE user_sessions SET rotated_at = now() - interval '1 minute'")

    reused = await ann.post("/api/auth/refresh", {"refreshToken": ann.refresh_token})

    assert reused.status == 401
    assert devices_of(sql, ann) == []


async def test_ban_forgets_every_phone(make_person, make_staff, sql):  # noqa: F811
    ann, staff = await make_person(), await make_staff("admin")
    await register(ann)

    status, _ = await staff.send("POST", f"/api/admin/users/{ann.id}/ban", {"reason": "spam"})

    assert status == 200
    await forgotten(sql, ann)


async def test_end_of_the_account_forgets_every_phone_in_the_same_transaction(make_person, outside, sql):
    ann = await make_person()
    await register(ann)
    await ann.post("/api/auth/send-otp", {"phoneNumber": ann.phone_number})
    body = {"otpCode": outside.code_for(ann.phone_number)}

    response = await ann.client.delete("/api/auth/account", json=body, headers=ann.auth)

    assert response.status == 200
    assert devices_of(sql, ann) == []


async def test_session_that_ended_a_moment_ago_registers_nothing(make_client, make_person, sql):
    """Another process ended it; this one remembers it for a while yet."""
    client = await make_client(session_cache_seconds=60)
    ann = await make_person(at=client)
    await ann.get("/api/auth/profile")
    sql("UPDATE user_sessions SET revoked_at = now() WHERE user_id = %s", ann.id)

    response = await ann.post("/api/devices", {"token": new_token(), "platform": "ios"})

    assert (response.status, devices_of(sql, ann)) == (401, [])


async def test_phone_of_a_session_that_ran_out_is_thrown_away(client, make_person, sql):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await register(ann)
    kept = await register(ben)
    sql("UPDATE user_sessions SET expires_at = now() - interval '1 second' WHERE user_id = %s", ann.id)

    await clean(client.app)

    assert (devices_of(sql, ann), devices_of(sql, ben)) == ([], [kept["token"]])


async def test_export_lists_phones_without_the_tokens_that_would_move_them(make_person):
    ann = await make_person()
    device = await register(ann, platform="ios")

    everything = await ann.data("/api/auth/export")

    (shown,) = everything["devices"]
    assert (shown["id"], shown["platform"]) == (device["id"], "ios")
    assert device["token"] not in str(everything)
