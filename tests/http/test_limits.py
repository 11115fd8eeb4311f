"""Rate limits: so many per class and caller, on every node, and what the refused are told."""

import asyncio
import re

import pytest

from romantic.app import ROUTES
from romantic.http.limits import AUTH, MONEY, OTP_SEND, OTP_VERIFY, READ, WRITE

LIMITED = {"rate_limits": "on"}


@pytest.fixture(autouse=True)
def fresh_counters(valkey):
    import redis

    with redis.Redis.from_url(valkey) as client:
        client.flushall()


async def test_last_one_passes_and_the_next_is_told_when_to_return(make_client, make_person):
    client = await make_client(**LIMITED)
    person = await make_person(at=client)
    answers = [await person.post("/api/coins/spend", {}) for _ in range(MONEY.hits)]

    refused = await person.post("/api/coins/spend", {})
    answer = await refused.json()

    assert {response.status for response in answers} == {400}
    assert (refused.status, answer["error"]["code"]) == (429, "RATE_LIMITED")
    assert answer["error"]["retryable"]
    assert answer["error"]["meta"] == {"limit": 20, "windowSeconds": 60}
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 60
    assert refused.headers["RateLimit-Policy"] == '"money";q=20;w=60'
    assert re.fullmatch(rf'"money";r=0;t={wait}', refused.headers["RateLimit"])
    assert refused.headers["X-RateLimit-Remaining"] == "0"


async def test_two_people_do_not_share_and_neither_do_classes(make_client, make_person):
    client = await make_client(**LIMITED)
    one, other = await make_person(at=client), await make_person(at=client)
    for _ in range(MONEY.hits + 1):
        spent = await one.post("/api/coins/spend", {})

    assert spent.status == 429
    assert (await other.post("/api/coins/spend", {})).status == 400
    assert (await one.get("/api/coins/balance")).status == 200


async def test_two_devices_of_a_person_share(make_client, make_person, outside):
    from tests.conftest import prove

    client = await make_client(**LIMITED)
    person = await make_person(at=client)
    for _ in range(MONEY.hits):
        await person.post("/api/coins/spend", {})
    proof = await prove(client, outside, person.phone_number)

    headers = {"Authorization": f"Bearer {proof['accessToken']}"}
    response = await client.post("/api/coins/spend", json={}, headers=headers)

    assert response.status == 429


async def test_parallel_requests_at_the_edge_never_exceed_the_limit(make_client, make_person):
    client = await make_client(**LIMITED)
    person = await make_person(at=client)

    answers = await asyncio.gather(*(person.post("/api/coins/spend", {}) for _ in range(MONEY.hits + 20)))

    assert sorted(response.status for response in answers) == [400] * MONEY.hits + [429] * 20


async def test_nodes_count_together(make_client, make_person):
    nodes = [await make_client(**LIMITED) for _ in range(2)]
    person = await make_person(at=nodes[0])

    answers = [
        await nodes[n % 2].post("/api/coins/spend", json={}, headers=person.auth)
        for n in range(MONEY.hits + 4)
    ]

    assert [response.status for response in answers] == [400] * MONEY.hits + [429] * 4


@pytest.mark.parametrize(
    ("path", "limit"),
    [("/api/auth/login", AUTH), ("/api/auth/verify-otp", OTP_VERIFY), ("/api/auth/send-otp", OTP_SEND)],
)
async def test_without_a_user_the_address_is_counted(make_client, path, limit):
    client = await make_client(**LIMITED)

    answers = [await client.post(path, json={}) for _ in range(limit.hits + 5)]

    assert [response.status for response in answers] == [400] * limit.hits + [429] * 5


async def test_classes_are_those_of_the_contract():
    classes = {
        (limit.name, limit.hits, limit.seconds) for limit in (AUTH, READ, WRITE, MONEY, OTP_SEND, OTP_VERIFY)
    }

    assert classes == {
        ("auth", 20, 60), ("read", 120, 60), ("write", 60, 60), ("money", 20, 60),
        ("otp-send", 60, 3600), ("otp-verify", 30, 60),
    }  # fmt: skip


def test_what_guards_money_codes_and_tokens_is_closed():
    """Without Redis these are counted in PostgreSQL rather than by each process alone."""
    guarded = [
        route
        for route in ROUTES
        if route.path.startswith(("/api/auth", "/api/coins")) and route.method == "POST"
    ]

    assert not [route.path for route in guarded if not route.limit.closed]


async def spend_from(client, address, person):
    headers = person.auth | {"X-Forwarded-For": address}
    return await client.post("/api/auth/login", json={}, headers=headers)


async def test_forwarded_address_of_a_stranger_is_not_believed(make_client, make_person):
    client = await make_client(**LIMITED)
    person = await make_person(at=client)

    answers = [await spend_from(client, f"192.0.2.{n}", person) for n in range(AUTH.hits + 1)]

    assert answers[-1].status == 429


async def test_forwarded_address_of_a_trusted_proxy_is_the_caller(make_client, make_person):
    client = await make_client(**LIMITED, trusted_proxies="127.0.0.0/8")
    person = await make_person(at=client)
    for _ in range(AUTH.hits):
        await spend_from(client, "192.0.2.1", person)

    same, other = await spend_from(client, "192.0.2.1", person), await spend_from(client, "192.0.2.2", person)

    assert (same.status, other.status) == (429, 400)


async def test_only_the_hop_the_proxy_itself_wrote_counts(make_client, make_person):
    """Whatever the client put in front is its own invention."""
    client = await make_client(**LIMITED, trusted_proxies="127.0.0.0/8")
    person = await make_person(at=client)

    answers = [await spend_from(client, f"198.51.100.{n}, 192.0.2.1", person) for n in range(AUTH.hits + 1)]

    assert answers[-1].status == 429


async def test_one_household_of_ipv6_is_one_caller(make_client, make_person):
    client = await make_client(**LIMITED, trusted_proxies="127.0.0.0/8")
    person = await make_person(at=client)

    answers = [await spend_from(client, f"2001:db8::{n:x}", person) for n in range(AUTH.hits + 1)]
    neighbour = await spend_from(client, "2001:db8:0:1::1", person)

    assert (answers[-1].status, neighbour.status) == (429, 400)


async def test_ipv4_callers_of_a_dual_stack_socket_are_not_one_household(make_client, make_person):
    client = await make_client(**LIMITED, trusted_proxies="127.0.0.0/8")
    person = await make_person(at=client)
    for _ in range(AUTH.hits):
        await spend_from(client, "::ffff:192.0.2.1", person)

    same, other = [await spend_from(client, address, person) for address in ("192.0.2.1", "::ffff:192.0.2.2")]

    assert (same.status, other.status) == (429, 400)


@pytest.mark.parametrize(
    "address", ["", "unknown", "x" * 5000, "1.2.3.4:80", ",,,", "127.0.0.1, 127.0.0.1", "\udcff"]
)
async def test_forwarded_nonsense_is_no_fault_of_ours(make_client, make_person, address):
    client = await make_client(**LIMITED, trusted_proxies="127.0.0.0/8")
    person = await make_person(at=client)

    assert (await spend_from(client, address, person)).status == 400
