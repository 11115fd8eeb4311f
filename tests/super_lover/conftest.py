"""Calls that took place, and a patient look at the database."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.conftest import MakeApp
from tests.phone import PATIENCE, Client, Person

Sql = Callable[..., list[tuple[Any, ...]]]

_keys = itertools.count()


@pytest.fixture
def had_call(sql: Sql) -> Callable[..., str]:
    """Write down a call that is over; with `earned`, the receiver's entry as well."""

    def write(
        caller: Person,
        receiver: Person,
        *,
        seconds: int = 60,
        ago: str = "1 hour",
        share: float = 0.5,
        earned: int = 0,
        connected: bool = True,
    ) -> str:
        ((call_id,),) = sql(
            """
            INSERT INTO calls (
                caller_id, receiver_id, call_type, status, billing, price, coins_charged, share,
                block_seconds, max_seconds, ring_deadline, answered_at, started_at, created_at
            )
            SELECT
                %s, %s, 'video', 'answered', 'flat', 50, 50, %s,
                60, 3600, at, at, CASE WHEN %s THEN at END, at
            FROM (SELECT now() - %s::interval AS at) AS past
            RETURNING id::text
            """,
            caller.id, receiver.id, share, connected, ago,
        )  # fmt: skip
        sql(
            """
            UPDATE calls SET
                status = 'ended', end_reason = 'user_hangup', duration_seconds = %s, coins_earned = %s,
                ended_at = created_at
            WHERE id = %s
            """,
            seconds, earned, call_id,
        )  # fmt: skip
        if earned:
            add_entry(sql, receiver, "earn", earned, ago=ago, reference="call", reference_id=call_id)
        return str(call_id)

    return write


def add_entry(
    sql: Sql,
    person: Person,
    kind: str,
    amount: int,
    *,
    ago: str,
    reference: str,
    reference_id: str | None = None,
) -> None:
    """An entry as of some time ago; the balance follows as it always does."""
    sql(
        """
        INSERT INTO coin_transactions (
            user_id, transaction_type, amount, balance_after, reference_type, reference_id, idempotency_key,
            created_at
        )
        VALUES (%s, %s, %s, 0, %s, %s, %s, now() - %s::interval)
        """,
        person.id, kind, amount, reference, reference_id, f"past:{next(_keys)}", ago,
    )  # fmt: skip


@pytest.fixture
async def patient(make_client: MakeApp) -> Client:
    """An application that waits for its database, however busy the machine: crowds want all their answers."""
    return await make_client(
        database_acquire_seconds=30, database_lock_seconds=30, database_statement_seconds=30
    )


async def put(person: Person, path: str, body: Any) -> Any:
    return await person.client.put(path, json=body, headers=person.auth)


async def refusal(response: Any) -> tuple[int, str]:
    """Status and code of an answer."""
    return response.status, (await response.json())["error"]["code"]


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + PATIENCE
    while not await condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.02)
