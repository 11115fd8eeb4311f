"""Moving coins. Every movement is one entry under an idempotency key; the balance follows from it in SQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import structlog

from romantic.coins.errors import AmountMismatch, InsufficientCoins, ReferenceNotFound
from romantic.db import Connection, DatabaseRefusal, Row, UniqueConflict, load_queries
from romantic.errors import IdempotencyKeyReused

log = structlog.get_logger()
sql = load_queries("coins")


@contextmanager
def paying() -> Iterator[None]:
    """Turn what the ledger in SQL refuses into the refusals clients know."""
    try:
        yield
    except DatabaseRefusal as refusal:
        if refusal.code == "RM402":
            raise InsufficientCoins(**refusal.facts) from None
        if refusal.code == "RM422":
            raise IdempotencyKeyReused from None
        raise
    except UniqueConflict as conflict:
        # Two users under one key at the same moment: neither saw the other's entry.
        if conflict.constraint == "coin_transactions_idempotency_key_key":
            raise IdempotencyKeyReused from None
        raise


async def add_entry(
    conn: Connection,
    *,
    user_id: UUID,
    entry_type: str,
    amount: int,
    key: str,
    description: str,
    reference_type: str | None = None,
    reference_id: UUID | None = None,
    metadata: dict[str, Any] | None = None,
) -> Row:
    """Write an entry and move the balance, or return the entry an earlier call wrote under the key.

    One statement: stands alone or inside a transaction. Raises InsufficientCoins, IdempotencyKeyReused.
    """
    with paying():
        entry = await conn.one(
            sql.add_entry,
            user_id=user_id,
            entry_type=entry_type,
            amount=amount,
            key=key,
            description=description,
            reference_type=reference_type,
            reference_id=reference_id,
            metadata=metadata or {},
        )
    assert entry is not None
    return entry


def log_entry(entry: Row) -> None:
    """The canonical line of an entry, once: a replay wrote nothing. Call after the commit."""
    if not entry["is_new"]:
        return
    log.info(
        "ledger.entry",
        entry_id=str(entry["id"]),
        kind=entry["transaction_type"],
        user_id=str(entry["user_id"]),
        amount=entry["signed_amount"],
        balance_before=entry["balance_after"] - entry["signed_amount"],
        balance_after=entry["balance_after"],
        debt_paid=entry.get("debt_paid", 0),
        reference_type=entry["reference_type"],
        reference_id=str(entry["reference_id"]) if entry["reference_id"] else None,
        idempotency_key=entry["idempotency_key"],
        actor=_actor(),
        is_test=entry.get("is_test", False),
    )


def _actor() -> str:
    """Through which door the coins were moved; `server` is the meter and whatever else works on its own."""
    bound = structlog.contextvars.get_contextvars()
    doors = {"job_id": "job", "conn_id": "socket", "request_id": "api"}
    return next((door for name, door in doors.items() if name in bound), "server")


def left_by(entry: Row) -> int:
    """What an entry left its person with: a credit may have paid a debt in the entry right behind it."""
    return int(entry["balance_after"]) - int(entry.get("debt_paid", 0))


async def welcome(conn: Connection, *, user_id: UUID, phone_hash: bytes, amount: int) -> Row | None:
    """The welcome coins, once per phone number for ever; None if it had them. Needs a transaction."""
    if not amount or not await conn.value(sql.add_bonus_grant, user_id=user_id, phone_hash=phone_hash):
        return None
    return await add_entry(
        conn,
        user_id=user_id,
        entry_type="earn",
        amount=amount,
        key=f"welcome:{phone_hash.hex()}",
        description="Welcome coins",
        reference_type="welcome",
    )


async def spend(
    conn: Connection, *, user_id: UUID, action: str, amount: int, reference_id: UUID, prices: dict[str, int]
) -> Row:
    """Pay a price of the server's list, once per reference; raises AmountMismatch, InsufficientCoins.

    Calls and messages are charged where they begin: for them the existing charge is returned and nothing
    moves; raises ReferenceNotFound when there is none of the user's.
    """
    if action in ("call", "chat"):
        entry = await conn.one(sql.find_charge, user_id=user_id, action=action, reference_id=reference_id)
        if entry is None:
            raise ReferenceNotFound
        if entry["amount"] != amount:
            raise AmountMismatch(price=entry["amount"])
        return entry
    if amount != prices[action]:
        raise AmountMismatch(price=prices[action])
    return await add_entry(
        conn,
        user_id=user_id,
        entry_type="spend",
        amount=amount,
        key=f"spend:{user_id}:{action}:{reference_id}",
        description=f"Spent on {action}",
        reference_type=action,
        reference_id=reference_id,
    )


async def get_balance(conn: Connection, *, user_id: UUID) -> Row:
    balance = await conn.one(sql.get_balance, user_id=user_id)
    assert balance is not None  # the principal's own row
    return balance


async def list_entries(conn: Connection, **window: Any) -> tuple[list[Row], int]:
    """One page of the ledger, newest first, and the number of entries in all."""
    rows = await conn.all(sql.list_entries, **window)
    if rows:
        return rows, rows[0]["total"]
    return rows, await conn.value(
        sql.count_entries, user_id=window["user_id"], transaction_type=window["transaction_type"]
    )


async def list_entries_of(conn: Connection, *, reference_id: UUID) -> list[Row]:
    """Every entry about one thing, such as a call, oldest first."""
    return await conn.all(sql.list_entries_of, reference_id=reference_id)


async def audit_next(conn: Connection, *, after: UUID, most: int) -> list[Row]:
    """Prove the next people of a walk by id: `missing` coins and `breaks` of their chain, 0 if sound."""
    return await conn.all(sql.audit_next_people, after=after, most=most)


async def audit(conn: Connection) -> dict[str, Any]:
    """Prove the ledger: users whose balance or chain drifts, and calls that do not conserve coins."""
    totals = await conn.one(sql.count_ledger)
    return {
        **(totals or {}),
        "drifting_users": await conn.all(sql.list_drifting_users),
        "faulty_calls": await conn.all(sql.list_faulty_calls),
    }
