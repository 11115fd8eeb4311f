"""A server without a push service."""

import pytest

from tests.devices.conftest import all_done, devices_of, register, say


@pytest.fixture
async def client(make_client):
    return await make_client()


async def test_without_a_push_service_devices_are_known_and_nothing_is_sent(make_person, outside, sql):
    ann, bea = await make_person("Ann"), await make_person("Bea")
    device = await register(bea)

    await say(ann, bea)

    await all_done(sql, message=1)
    assert (devices_of(sql, bea), outside.fcm.asked) == ([device["token"]], 0)
