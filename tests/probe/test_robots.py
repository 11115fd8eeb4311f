"""Accounts that test the service: what they may, whom they meet, and that they count nowhere."""

import pytest
import redis

from romantic.app import EVENTS
from romantic.db import DATABASE, load_queries
from romantic.http.limits import CALLS, Limit
from tests.robots import make_robot

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


#: What a robot may say on its socket: nothing that reaches a person or looks for one.
ROBOTS_SAY = {
    "auth", "ping", "app-state", "join-room", "leave-room", "webrtc-offer", "webrtc-answer", "ice-candidate",
    "call-end", "call-ringing", "call-accept", "call-reject", "call-stats", "monitor-offer", "monitor-beat",
    "probe-offer",
}  # fmt: skip
PEOPLE_SAY = {
    "message-send": {"receiverId": "", "messageText": "Hi", "messageType": "text", "clientMessageId": "m1"},
    "message-read": {"userId": ""},
    "typing": {"userId": "", "isTyping": True},
    "presence-subscribe": {"userIds": []},
    "presence-unsubscribe": {"userIds": []},
}


async def test_a_robots_socket_speaks_of_calls_only(client, make_person, connect):
    robot, ann = await make_robot(client), await make_person("Ann")
    phone = await connect(robot)

    answers = {
        name: await phone.ask(name, **{key: ann.id if value == "" else value for key, value in data.items()})
        for name, data in PEOPLE_SAY.items()
    }

    codes = {name: answer.get("error", {}).get("code") for name, answer in answers.items()}
    assert codes == dict.fromkeys(PEOPLE_SAY, "FORBIDDEN")
    assert {event.name for event in EVENTS if event.people} == set(PEOPLE_SAY)
    assert {event.name for event in EVENTS if not event.people} - {"resume"} == ROBOTS_SAY


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/users/like", {"targetUserId": "{id}"}),
        ("POST", "/api/users/pass", {"targetUserId": "{id}"}),
        ("POST", "/api/users/block", {"targetUserId": "{id}"}),
        ("POST", "/api/users/report", {"targetUserId": "{id}", "reason": "spam"}),
        ("GET", "/api/users/{id}", None),
        ("POST", "/api/messages/send", {"receiverId": "{id}", "messageText": "Hi", "messageType": "text"}),
        ("POST", "/api/calls/initiate", {"receiverId": "{id}", "callType": "audio"}),
        ("POST", "/api/super-lover/rate", {"superLoverId": "{id}", "rating": 5}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_people_and_robots_never_meet(client, make_person, sql, method, path, body):
    """Whoever of the two tries it, with whatever they have: nothing happens, and nobody hears of it."""
    robot, ann = await make_robot(client), await make_person("Ann")

    answers = []
    for me, you in ((ann, robot), (robot, ann)):
        aimed = {
            key: str(value).replace("{id}", str(you.id)) if value == "{id}" else value
            for key, value in (body or {}).items()
        }
        response = await client.request(
            method, path.replace("{id}", str(you.id)), json=aimed if body else None, headers=me.auth
        )
        answers.append(response.status)

    assert answers[0] in (403, 404, 409)
    assert answers[1] in (403, 409)
    for table in ("user_interactions", "reports", "messages", "calls", "profile_views"):
        assert sql(f"SELECT count(*) FROM {table}") == [(0,)]
    assert await robot.balance() == 1000


async def test_a_robot_calls_as_often_as_monitoring_does_within_one_budget(make_client, valkey, monkeypatch):
    with redis.Redis.from_url(valkey) as store:
        store.flushall()
    monkeypatch.setattr("romantic.http.limits.ROBOT", Limit("robot", 40, 60))
    client = await make_client(rate_limits="on")
    east, west = await make_robot(client), await make_robot(client)

    async def call():
        rung = await east.post("/api/calls/initiate", {"receiverId": str(west.id), "callType": "audio"})
        if rung.status == 200:
            call_id = (await rung.json())["data"]["callId"]
            await west.post(f"/api/calls/{call_id}/reject", {})
        return rung

    statuses = [(await call()).status for _ in range(CALLS.hits + 5)]
    reads = [(await east.get("/api/coins/balance")).status for _ in range(40)]
    refused = await call()

    assert statuses == [200] * (CALLS.hits + 5)
    assert reads[:25].count(200) == 25
    assert reads[-1] == 429
    assert (refused.status, refused.headers["RateLimit-Policy"]) == (429, '"robot";q=40;w=60')


async def test_a_robot_with_a_socket_is_seen_by_nobody(client, make_person, connect):
    robot, ann = await make_robot(client), await make_person("Ann")
    watcher = await connect(ann)

    await connect(robot)
    seen = await watcher.ask("presence-subscribe", userIds=[str(robot.id)])

    [shown] = seen["presences"]
    assert (shown["isOnline"], shown["lastSeenAt"], shown["isBusy"]) == (False, None, False)
    await watcher.hears_nothing_of("presence")
