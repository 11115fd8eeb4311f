"""Stages for calls, and the audit after every one of them."""

from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.calls.stage import Sql, Stage, assert_books_are_straight
from tests.conftest import MakeApp
from tests.outside import Outside

MakeStage = Callable[..., Awaitable[Stage]]


@pytest.fixture
def make_stage(make_client: MakeApp, outside: Outside, sql: Sql) -> MakeStage:
    """Start a server with settings of its own; several may share the database."""

    async def make(**settings: object) -> Stage:
        return Stage(await make_client(**settings), outside, sql)

    return make


@pytest.fixture
async def stage(make_stage: MakeStage) -> Stage:
    return await make_stage()


@pytest.fixture(autouse=True)
def books(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test did: balances follow from the ledger, and calls conserve coins."""
    sql = request.getfixturevalue("sql") if "sql" in request.fixturenames else None
    yield
    if sql is not None:
        assert_books_are_straight(sql)
