"""One run: which steps there are, what each needs, and how long it may take."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from romantic.cli.probe.books import Books
from romantic.cli.probe.ground import Ground
from romantic.cli.probe.ladder import Step
from romantic.cli.probe.outcome import Found
from romantic.cli.probe.path import Path
from romantic.cli.probe.people import Identity, People
from romantic.cli.probe.relays import Relays
from romantic.cli.probe.talk import Point, Talk


class Course:
    """The steps of one run and everything they open."""

    def __init__(self, ground: Ground, identity: Identity, *, seconds: float, video: bool) -> None:
        self._ground = ground
        self._people = People(ground, identity, video=video)
        self._relays = Relays(self._people)
        self._path = Path(self._people, self._relays)
        self._talk = Talk(self._people, self._path, seconds=seconds, video=video)
        self._books = Books(self._people, self._talk)
        self._seconds = seconds

    @property
    def steps(self) -> Sequence[Step]:
        ground, people, relays, path, talk = self._ground, self._people, self._relays, self._path, self._talk
        return (
            Step("dns", ground.resolve, 5),
            Step("tcp", ground.connect, 6, ("dns",)),
            Step("tls", ground.shake_hands, 5, ("tcp",), optional=True),
            Step("health", ground.check_health, 6, ("tls",), optional=True),
            Step("auth", people.sign_in, 12, ("health",)),
            Step("socket", people.connect, 10, ("auth",)),
            Step("socket-rtt", people.measure_socket, 10, ("socket",)),
            Step("ice-servers", relays.ask, 5, ("auth",)),
            Step("stun", relays.bind, 5, ("ice-servers",)),
            Step("turn", relays.allocate, 6, ("ice-servers",)),
            Step("ice", path.reach, 14, ("auth",)),
            Step("dtls", path.secure, 7, ("ice",)),
            Step("data", path.ride, 12, ("dtls",)),
            Step("resume", people.resume, 12, ("socket",)),
            Step("call", talk.set_up, 30, ("socket",)),
            Step("audio", talk.talk, self._seconds + 12, ("call",)),
            Step("video", talk.see, 2, ("audio",)),
            Step("hang-up", talk.hang_up, 8, ("call",)),
            Step("meter", talk.compare_clocks, 2, ("hang-up",)),
            Step("ledger", self._books.check, 10, ("hang-up",)),
            Step("cleanup", self._settle, 10, always=True),
        )

    @property
    def series(self) -> list[Point]:
        return self._talk.series

    async def _settle(self) -> Found:
        """End what is left, see that everybody has their coins, and close what is open."""
        try:
            return await self._talk.settle()
        finally:
            await self._close()

    async def _close(self) -> None:
        closing: tuple[Any, ...] = (self._path.close, self._people.leave, self._ground.close)
        for close in closing:
            # One that cannot be put away must not keep the others open.
            with suppress(Exception):
                await close()
