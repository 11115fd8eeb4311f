"""Accounts that test the service: what they may, whom they meet, and that they count nowhere."""

import pytest

from romantic.db import DATABASE, load_queries

ROBOTS_MAY = {
    ("POST", "/api/probe"),
    ("GET", "/api/probe/latest"),
    ("GET", "/api/calls/ice-servers"),
    ("GET", "/api/calls/active"),
    ("GET", "/api/coins/balance"),
    ("GET", "/api/coins/transactions"),
    ("GET", "/api/auth/profile"),
}


async def test_a_robot_may_only_test(make_client, make_person, sql):
    client = await make_client(session_cache_seconds=0)
    robot = await make_person("Robot", at=client)
    sql("UPDATE users SET role = 'probe' WHERE id = %s", robot.id)

    async def knock(method, path):
        return (await client.request(method, path, headers=robot.auth)).status

    assert {door: await knock(*door) for door in ROBOTS_MAY if await knock(*door) == 403} == {}
    assert await knock("GET", "/api/users/discover") == 403
    assert await knock("POST", "/api/messages/send") == 403
    assert await knock("POST", "/api/coins/spend") == 403
    assert await knock("PUT", "/api/users/profile") == 403


@pytest.mark.parametrize(("caller", "receiver", "status"), [
    ("probe", "user", 409), ("user", "probe", 409), ("probe", "probe", 200),
])  # fmt: skip
async def test_robots_meet_only_robots(make_client, make_person, sql, caller, receiver, status):
    client = await make_client(session_cache_seconds=0)
    one, other = await make_person("One", at=client), await make_person("Other", at=client)
    for person, role in ((one, caller), (other, receiver)):
        sql("UPDATE users SET role = %s WHERE id = %s", role, person.id)

    response = await one.post("/api/calls/initiate", {"receiverId": str(other.id), "callType": "audio"})

    assert response.status == status, await response.text()


async def test_robots_are_in_no_list_and_no_statistic(make_client, make_person, sql):
    client = await make_client(session_cache_seconds=0)
    ann = await make_person("Ann", at=client)
    robots = [await make_person(name, super_lover=True, at=client) for name in ("One", "Other")]
    for robot in robots:
        sql("UPDATE users SET role = 'probe', is_online = TRUE, last_seen = now() WHERE id = %s", robot.id)
    call = await robots[0].post("/api/calls/initiate", {"receiverId": str(robots[1].id), "callType": "audio"})
    assert call.status == 200

    async with client.app[DATABASE].connection() as conn:
        counted = await conn.one(load_queries("admin").get_statistics)
    found = await ann.data("/api/users/discover?limit=50")
    callable_now = await ann.data("/api/super-lover/available")

    assert (found["profiles"], callable_now["superLovers"]) == ([], [])
    assert (counted["total_users"], counted["total_super_lovers"], counted["total_calls"]) == (1, 0, 0)
