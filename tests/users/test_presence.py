"""Who is online: as long as a process vouches for them"""

import asyncio

import pytest

from romantic.users import presence


async def online(sql, person, wanted):
    """Wait until the database says so."""
    async with asyncio.timeout(5):
        while sql("SELECT is_online FROM users WHERE id = %s", person.id) != [(wanted,)]:
            await asyncio.sleep(0.02)


async def test_the_first_socket_brings_somebody_online_and_the_last_takes_them_off(make_person, connect, sql):
    ann = await make_person("Ann")
    one, other = await connect(ann), await connect(ann)
    await online(sql, ann, True)

    await one.close()
    await other.ask("ping")
    still = sql("SELECT is_online FROM users WHERE id = %s", ann.id)
    await other.close()

    await online(sql, ann, False)
    assert still == [(True,)]


@pytest.fixture
def short_lease(monkeypatch):
    monkeypatch.setattr(presence, "LEASE_SECONDS", 0.6)


async def test_whoever_no_server_vouches_for_goes_offline(
    short_lease, make_client, make_person, connect, sql
):
    """A server that was killed cannot say that its people left: their lease runs out, that of others does not."""
    client = await make_client()
    left_behind, here = await make_person("Left behind", at=client), await make_person("Here", at=client)
    await connect(here)
    sql("UPDATE users SET is_online = TRUE WHERE id = %s", left_behind.id)

    await online(sql, left_behind, False)

    assert sql("SELECT is_online FROM users WHERE id = %s", here.id) == [(True,)]
