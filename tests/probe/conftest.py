"""A probing phone: real ICE, DTLS and SCTP over the loopback, against the running application."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from romantic.rtc.client import ProbeClient
from tests.phone import Person
from tests.waiting import until

HOSTS = ("127.0.0.1",)


class Prober:
    """One person's probe over REST."""

    def __init__(self, person: Person, client: ProbeClient) -> None:
        self.person = person
        self.client = client
        self.id = ""

    async def start(self, **extra: Any) -> "Prober":
        response = await self.person.post("/api/probe", {"sdp": await self.client.offer(), **extra})
        answer = await response.json()
        assert response.status == 200, answer
        self.id = answer["data"]["probeId"]
        await self.client.accept(answer["data"]["sdp"])
        return self

    async def result(self) -> dict[str, Any]:
        """Ask until it is done."""
        found: dict[str, Any] = {}

        async def is_done() -> bool:
            found.update(await self.person.data(f"/api/probe/{self.id}"))
            return bool(found["status"] == "done")

        await until(is_done, within=20)
        return dict(found["result"])


MakeProber = Callable[..., Prober]


@pytest.fixture
async def probing() -> AsyncIterator[MakeProber]:
    async with AsyncExitStack() as stack:

        def make(person: Person, **options: Any) -> Prober:
            client = ProbeClient(**({"hosts": HOSTS} | options))
            stack.push_async_callback(client.close)
            return Prober(person, client)

        yield make


@pytest.fixture
async def offer() -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Offers whose clients never do anything more."""
    async with AsyncExitStack() as stack:

        async def make() -> str:
            client = ProbeClient(hosts=HOSTS)
            stack.push_async_callback(client.close)
            return await client.offer()

        yield make
