"""Folders to start run.py in, and servers that surely end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.runs import Place, Server, end_of
from tests.folders import open_folder


@pytest.fixture(scope="session")
def make_place() -> Iterator[Callable[[], Place]]:
    """New folders with short paths that every user can reach, unlike pytest's own."""
    with ExitStack() as made:

        def make() -> Place:
            return Place(made.enter_context(open_folder("r-")))

        yield make


@pytest.fixture
def place() -> Iterator[Place]:
    with open_folder("r-") as path:
        yield Place(path)


@pytest.fixture(scope="session")
def start_for_all(make_place: Callable[[], Place]) -> Iterator[Callable[..., Server]]:
    """Start a server, in a new folder unless told otherwise; it ends with the session at the latest."""
    servers: list[Server] = []

    def start(*program: str | Path, at: Place | None = None, **variables: str) -> Server:
        servers.append(Server(at or make_place(), *program, **variables))
        return servers[-1]

    with end_of(servers):
        yield start


@pytest.fixture
def start(place: Place) -> Iterator[Callable[..., Server]]:
    """Start a server in the folder of this test; it ends with the test at the latest."""
    servers: list[Server] = []

    def start(*program: str | Path, **variables: str) -> Server:
        servers.append(Server(place, *program, **variables))
        return servers[-1]

    with end_of(servers):
        yield start
