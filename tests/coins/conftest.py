"""What tests of coins share: a shop, and the proof of the ledger after every test that bought something."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from romantic.coins import service
from tests.coins.shop import Shop
from tests.outside import Outside


@pytest.fixture
async def shop(client: Any, outside: Outside, sql: Callable[..., Any], conn: Any) -> AsyncIterator[Shop]:
    yield Shop(client, outside.stripe, sql)

    proof = await service.audit(conn)
    assert (proof["drifting_users"], proof["faulty_calls"]) == ([], [])
