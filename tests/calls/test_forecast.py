"""What the probes of two people say of their call, before coins move."""

from uuid import uuid4

import pytest

from romantic.probe.service import network_id
from romantic.settings import SETTINGS
from tests.calls.stage import initiate

TURN = {"webrtc_turn_servers": "turn:turn.example:3478", "webrtc_turn_secret": "s"}


@pytest.fixture
def probed(sql):
    """Store a result of a person, as a probe would have."""

    def store(person, verdict, nat_mapping, *, address="127.0.0.1", age="1 minute"):
        known = network_id(address, pepper=person.client.app[SETTINGS].otp_pepper)
        sql(
            "INSERT INTO probe_results (id, user_id, network_id, verdict, nat_mapping, result, finished_at, created_at)"
            " VALUES (%s, %s, %s, %s, %s, '{}', now(), now() - %s::interval)",
            str(uuid4()), person.id, known, verdict, nat_mapping, age,
        )  # fmt: skip

    return store


@pytest.fixture
def make_pair(make_stage):
    async def make(**settings):
        return await (await make_stage(**settings)).pair(coins=200)

    return make


@pytest.mark.parametrize(
    ("settings", "one", "other", "connectivity"),
    [
        ({}, None, None, None),
        ({}, ("direct", "cone"), None, None),
        ({}, ("direct", "cone"), ("degraded", "none"), "direct"),
        (TURN, ("relay-needed", "symmetric"), ("direct", "cone"), "relay-likely"),
        (TURN, ("relay-needed", "symmetric"), ("relay-needed", "symmetric"), "relay-needed"),
        ({}, ("relay-needed", "symmetric"), ("relay-needed", "symmetric"), "unlikely"),
        ({}, ("udp-blocked", "unknown"), None, "unlikely"),
    ],
)
async def test_initiate_says_what_to_expect(make_pair, probed, settings, one, other, connectivity):
    ann, bea = await make_pair(**settings)
    for person, found in ((ann, one), (bea, other)):
        if found:
            probed(person, *found)

    assert (await initiate(ann, bea, "audio")).data["connectivity"] == connectivity


async def test_what_told_nothing_does_not_hide_what_did(make_pair, probed):
    ann, bea = await make_pair()
    probed(ann, "udp-blocked", "unknown", age="2 minutes")
    probed(ann, "inconclusive", "unknown")

    assert (await initiate(ann, bea, "audio")).data["connectivity"] == "unlikely"


async def test_only_todays_results_of_the_networks_people_are_on_count(make_pair, probed, connect):
    ann, bea = await make_pair()
    probed(ann, "udp-blocked", "unknown", address="203.0.113.1")
    probed(ann, "udp-blocked", "unknown", age="25 hours")
    probed(bea, "udp-blocked", "unknown", address="203.0.113.1")
    await connect(bea)

    assert (await initiate(ann, bea, "audio")).data["connectivity"] is None


async def test_without_a_phone_of_the_receiver_their_last_network_counts(make_pair, probed):
    ann, bea = await make_pair()
    probed(bea, "udp-blocked", "unknown", address="203.0.113.1")

    assert (await initiate(ann, bea, "audio")).data["connectivity"] == "unlikely"


async def test_an_unlikely_call_is_refused_free_of_charge_where_that_is_asked_for(make_pair, probed):
    ann, bea = await make_pair(refuse_unlikely_calls="on")
    probed(ann, "relay-needed", "symmetric")
    probed(bea, "relay-needed", "symmetric")

    response = await ann.post("/api/calls/initiate", {"receiverId": str(bea.id), "callType": "audio"})

    error = (await response.json())["error"]
    assert (response.status, error["code"]) == (409, "CALL_UNLIKELY")
    assert error["meta"] == {"connectivity": "unlikely"}
    assert await ann.balance() == 200


async def test_a_refusal_tells_a_blocked_caller_nothing_of_the_others_network(make_pair, probed):
    ann, bea = await make_pair(refuse_unlikely_calls="on")
    probed(bea, "udp-blocked", "unknown")
    await bea.post("/api/users/block", {"targetUserId": str(ann.id)})

    response = await ann.post("/api/calls/initiate", {"receiverId": str(bea.id), "callType": "audio"})

    assert (await response.json())["error"]["code"] == "USER_UNAVAILABLE"
