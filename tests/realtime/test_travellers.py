"""Phones that lose their sockets again and again, at any node, hear everything once and in its order."""

import asyncio
import random
from contextlib import suppress
from uuid import UUID

import pytest
from aiohttp import ClientConnectionError

from romantic.realtime import HUB, Event
from tests.realtime.conftest import elsewhere


class Traveller:
    """A phone on bad roads: it only knows what it was told."""

    def __init__(self, person, nodes, rng):
        self._places = [elsewhere(person, node) for node in nodes]
        self._rng = rng
        self._place = None
        self.heard = []
        self.numbers = []
        self.lapses = []
        self.trips = 0

    async def travel(self, count):
        """Until so many events were heard."""
        while len(self.heard) < count:
            self.trips += 1
            with suppress(TimeoutError, ClientConnectionError):
                async with asyncio.timeout(self._rng.uniform(0.05, 0.5) if self.trips % 8 else 5):
                    await self._ride(count)

    async def _ride(self, count):
        person = self._rng.choice(self._places)
        ws = await person.client.ws_connect("/ws", headers=person.auth)
        try:
            if self._place is not None:
                session, epoch, seq = self._place
                place = {"sessionId": session, "epoch": epoch, "seq": seq}
                await ws.send_json({"event": "resume", "data": place})
            async for message in ws:
                self._take(message.json())
                if len(self.heard) >= count:
                    return
        finally:
            ws._response.connection and ws._response.connection.transport.abort()
            await ws.close()

    def _take(self, frame):
        data = frame["data"]
        if frame["event"] == "ready":
            before = (data["epoch"], data["seq"]) if self._place is None else self._place[1:]
            self._place = (data["sessionId"], *before)
        elif frame["event"] == "resumed":
            self.lapses += [] if data["recovered"] else [data["reason"]]
        elif "seq" in frame:
            session, epoch, _ = self._place
            self._place = session, epoch, frame["seq"]
            self.numbers.append(frame["seq"])
            self.heard.append(data["balance"])


async def journey(nodes, people, events, *, pause):
    """Everybody travels while events come from all nodes; who they are and what they heard."""
    rng = random.Random(len(people))
    travellers = [Traveller(person, nodes, random.Random(n)) for n, person in enumerate(people)]
    trips = [asyncio.create_task(one.travel(events)) for one in travellers]
    while not all(one._place for one in travellers):
        await asyncio.sleep(0.01)
    for n in range(events):
        hub = rng.choice(nodes).app[HUB]
        for person in people:
            hub.send(UUID(str(person.id)), Event("balance", {"balance": n}))
        await asyncio.sleep(pause)
    async with asyncio.timeout(120):
        await asyncio.gather(*trips)
    return travellers


def check(travellers, events):
    assert [one.lapses for one in travellers] == [[]] * len(travellers)
    for one in travellers:
        assert one.numbers == list(range(one.numbers[0], one.numbers[0] + events))
        assert sorted(one.heard) == list(range(events))
    assert sum(one.trips for one in travellers) > len(travellers)


@pytest.mark.timeout(150)
async def test_phones_cut_off_again_and_again_hear_each_event_once_and_in_order(make_client, make_person):
    nodes = [await make_client() for _ in range(2)]
    people = [await make_person(at=nodes[0]) for _ in range(6)]

    check(await journey(nodes, people, 150, pause=0.01), 150)


@pytest.mark.full
@pytest.mark.timeout(600)
async def test_a_hundred_phones_cut_off_hear_two_thousand_events_each_once_and_in_order(
    make_client, make_person
):
    nodes = [await make_client(stream_events=2_000) for _ in range(2)]
    people = [await make_person(at=nodes[0]) for _ in range(100)]

    check(await journey(nodes, people, 2_000, pause=0.05), 2_000)
