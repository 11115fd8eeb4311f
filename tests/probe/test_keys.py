"""API keys: what opens doors for a robot, and what no longer does."""

import json

import pytest

from romantic.auth.keys import Key
from tests.robots import make_robot, rotate


@pytest.fixture
async def watchful(make_client):
    """A server that remembers no session."""
    return await make_client(session_cache_seconds=0)


async def profile_status(robot):
    return (await robot.get("/api/auth/profile")).status


async def test_a_key_opens_rest_and_the_socket_without_any_sign_in(client, connect):
    robot = await make_robot(client)

    phone = await connect(robot)

    assert phone.ready["userId"] == str(robot.id)
    assert (await robot.data("/api/auth/profile"))["id"] == str(robot.id)
    assert await robot.balance() == 1000


async def test_a_text_that_only_looks_like_the_key_opens_nothing(client):
    robot = await make_robot(client)
    key = Key.read(robot.access_token)
    likenesses = [
        str(Key.new()),
        str(Key(key.session_id, Key.new().secret)),
        robot.access_token[:-1],
        robot.access_token + "x",
        robot.access_token.upper(),
        f" {robot.access_token}_",
    ]

    answers = []
    for text in likenesses:
        robot.access_token = text
        answers.append(await profile_status(robot))

    assert answers == [401] * len(likenesses)


async def test_the_database_holds_no_key(client, sql):
    robot = await make_robot(client)
    secret = Key.read(robot.access_token).secret

    rows = sql("SELECT to_jsonb(user_sessions)::text FROM user_sessions")
    rows += sql("SELECT to_jsonb(users)::text FROM users")

    assert rows
    assert secret not in json.dumps(rows)


async def test_a_new_key_ends_the_old_one_also_on_a_socket_that_renews(watchful, connect):
    robot = await make_robot(watchful)
    phone = await connect(robot)
    assert "expiresAt" in await phone.ask("auth", token=robot.access_token)

    again = await rotate(watchful, robot)

    assert (await profile_status(robot), await profile_status(again)) == (401, 200)
    assert (await phone.ask("auth", token=robot.access_token))["error"]["code"] == "UNAUTHORIZED"


async def test_a_key_ends_with_its_days(watchful, sql):
    robot = await make_robot(watchful, days=1)
    sql("UPDATE user_sessions SET expires_at = now() - interval '1 second' WHERE user_id = %s", robot.id)

    assert await profile_status(robot) == 401


@pytest.mark.parametrize("fate", ["role = 'user'", "status = 'suspended'", "role = 'admin'"])
async def test_a_key_is_good_for_an_active_robot_only(watchful, sql, fate):
    robot = await make_robot(watchful)
    before = await profile_status(robot)
    sql(f"UPDATE users SET {fate} WHERE id = %s", robot.id)

    assert (before, await profile_status(robot)) == (200, 401)


async def test_a_key_is_never_turned_into_an_ordinary_session(client, sql):
    robot = await make_robot(client)
    [(number,)] = sql("SELECT phone_number FROM users WHERE id = %s", robot.id)

    login = await robot.post("/api/auth/login", {"phoneNumber": number})
    code = await robot.post("/api/auth/send-otp", {"phoneNumber": number})
    ticket = await robot.post("/api/realtime/ticket")

    assert [response.status for response in (login, code, ticket)] == [400, 400, 403]
