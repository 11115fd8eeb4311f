"""TURN from behind a firewall: our credentials at a real coturn, proven by allocations and by an echo."""

import asyncio
import time

from tests.lab.relay import credentials, relayed, turning


async def test_a_relay_is_reached_over_tcp_where_udp_is_blocked(coturn, lab):
    blocked, cone = lab.host("udp-rejected"), lab.host("cone")

    assert await cone.run(lambda: relayed(credentials(), "udp"))
    assert await blocked.run(lambda: relayed(credentials(), "tcp"))


async def test_credentials_are_refused_once_expired_or_never_ours(coturn, lab):
    host = lab.host("cone")
    refused = [
        credentials(issued=601),
        credentials(secret="south"),
        credentials(secret=None, username="house", credential="static"),
        credentials() | {"username": f"{int(time.time()) + 99_999}:somebody"},
    ]

    answers = await host.run(lambda: _all(refused))

    assert answers == [False] * 4


async def _all(servers):
    return await asyncio.gather(*(relayed(server, "udp") for server in servers))


async def test_a_credential_that_was_good_a_moment_ago_is_refused_when_its_time_is_up(coturn, lab):
    host = lab.host("cone")
    brief = credentials(issued=597)  # three seconds to live

    first = await host.run(lambda: relayed(brief, "udp"))
    async with asyncio.timeout(20):
        while await host.run(lambda: relayed(brief, "udp")):
            await asyncio.sleep(0.5)

    assert first
    assert await host.run(lambda: relayed(credentials(), "udp"))


async def test_what_is_sent_to_a_relay_comes_out_there(coturn, lab):
    """Two phones that only have the relay, one of them behind a firewall, hear each other."""
    blocked, cone = lab.host("udp-rejected"), lab.host("cone")
    loop = asyncio.get_running_loop()
    described = {"one": loop.create_future(), "other": loop.create_future()}

    async def talk(me, you, transport):
        mine = turning(credentials(), transport)
        mine.ice_controlling = me == "one"
        try:
            await mine.gather_candidates()
            tell = (mine.local_candidates, mine.local_username, mine.local_password)
            loop.call_soon_threadsafe(described[me].set_result, tell)
            heard = asyncio.run_coroutine_threadsafe(asyncio.wait_for(described[you], 15), loop)
            candidates, username, password = await asyncio.wrap_future(heard)
            mine.remote_username, mine.remote_password = username, password
            for candidate in candidates:
                await mine.add_remote_candidate(candidate)
            await mine.add_remote_candidate(None)
            await mine.connect()
            await mine.send(me.encode())
            said = await asyncio.wait_for(mine.recv(), 10)
            await mine.send(me.encode())  # the first may have come before the other side listened
            return said
        finally:
            await mine.close()

    said = await asyncio.gather(
        blocked.run(lambda: talk("one", "other", "tcp")), cone.run(lambda: talk("other", "one", "udp"))
    )

    assert said == [b"other", b"one"]
