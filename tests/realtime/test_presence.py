"""Leases in Redis: who looks at the app, on whatever node, for as long as the lease."""

from uuid import UUID

from romantic.realtime.presence import PRESENCE, in_foreground, is_connected
from romantic.redis import REDIS
from tests.waiting import until


async def test_another_node_knows_who_looks_at_the_app(make_client, make_person, connect):
    a, b = await make_client(), await make_client()
    ann = await make_person("Ann", at=a)
    user_id = UUID(ann.id)

    async def at_b(wanted):
        async def holds():
            return (await in_foreground(b.app, user_id), await is_connected(b.app, user_id)) == wanted

        await until(holds)

    phone = await connect(ann)
    await at_b((True, True))
    await phone.ask("app-state", state="background")
    await at_b((False, True))
    tablet = await connect(ann)
    await at_b((True, True))
    await tablet.close()
    await at_b((False, True))
    await phone.close()
    await at_b((False, False))


async def test_leases_of_a_killed_node_end_by_themselves(make_client, make_person, connect, monkeypatch):
    """A renewal outlives the lease; what nobody renews is gone."""
    a, b = await make_client(presence_lease_seconds=1), await make_client()
    ann = await make_person("Ann", at=a)
    user_id = UUID(ann.id)
    await connect(ann)
    await until(lambda: in_foreground(b.app, user_id))
    left = await b.app[REDIS].run([("PTTL", f"romantic:{{u:{user_id}}}:presence")])
    await a.app[REDIS].run([("HSET", f"romantic:{{u:{user_id}}}:presence", "dead:1:aa session", "1000 f")])

    async def gone():
        return not await in_foreground(b.app, user_id)

    async def nothing():
        pass

    monkeypatch.setattr(a.app[PRESENCE], "flush", nothing)  # a killed node writes nothing more
    await until(gone)
    assert 0 < left[0] <= 1000


async def test_without_redis_a_node_knows_its_own(make_client, make_person, connect):
    client = await make_client(redis_url="redis://127.0.0.1:1/0")
    ann = await make_person("Ann", at=client)

    before = await in_foreground(client.app, UUID(ann.id))
    await connect(ann)

    assert (before, await in_foreground(client.app, UUID(ann.id))) == (False, True)
