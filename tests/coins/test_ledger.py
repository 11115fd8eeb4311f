"""The ledger in SQL: entries move balances, once per key, and nothing else does."""

import asyncio
from uuid import uuid4

import psycopg2
import pytest

from romantic.coins import service
from romantic.coins.errors import InsufficientCoins
from romantic.db import DATABASE
from romantic.errors import IdempotencyKeyReused


async def add(database, person, *, kind="spend", amount=1, key=None):
    async with database.connection() as conn:
        return await service.add_entry(
            conn,
            user_id=person.id,
            entry_type=kind,
            amount=amount,
            key=key or str(uuid4()),
            description="test",
        )


async def test_replay_returns_the_first_entry_and_moves_nothing(database, make_person):
    person = await make_person()

    first = await add(database, person, amount=10, key="k")
    again = await add(database, person, amount=10, key="k")

    assert (first["id"], first["is_new"], again["is_new"]) == (again["id"], True, False)
    assert await person.balance() == 40


@pytest.mark.parametrize("change", [{"amount": 11}, {"kind": "earn"}])
async def test_key_of_another_movement_is_refused(database, make_person, change):
    person = await make_person()
    await add(database, person, amount=10, key="k")

    with pytest.raises(IdempotencyKeyReused):
        await add(database, person, **{"amount": 10, "key": "k"} | change)


async def test_key_of_another_user_is_refused(database, make_person):
    one, other = await make_person(), await make_person()
    await add(database, one, amount=10, key="k")

    with pytest.raises(IdempotencyKeyReused):
        await add(database, other, amount=10, key="k")


async def test_two_users_under_one_key_at_the_same_moment_are_one_entry(database, make_person, sql):
    people = [await make_person() for _ in range(2)]

    results = await asyncio.gather(
        *(add(database, people[n % 2], key="k", amount=7) for n in range(10)), return_exceptions=True
    )

    refusals = [result for result in results if isinstance(result, Exception)]
    assert {type(refusal) for refusal in refusals} == {IdempotencyKeyReused}
    assert sql("SELECT count(*) FROM coin_transactions WHERE idempotency_key = 'k'") == [(1,)]
    assert sum([await person.balance() for person in people]) == 93


async def test_spending_more_than_there_is_tells_price_and_balance(database, make_person):
    person = await make_person()

    with pytest.raises(InsufficientCoins) as refusal:
        await add(database, person, amount=51)

    assert refusal.value.meta == {"balance": 50, "required": 51}
    assert await person.balance() == 50


async def test_two_hundred_racing_for_five_coins_take_five(make_client, make_person):
    client = await make_client(database_acquire_seconds=30, database_lock_seconds=30)
    person = await make_person(coins=5)

    results = await asyncio.gather(
        *(add(client.app[DATABASE], person, amount=5) for _ in range(200)), return_exceptions=True
    )

    assert len([result for result in results if isinstance(result, dict)]) == 1
    assert {type(result) for result in results if not isinstance(result, dict)} == {InsufficientCoins}
    assert await person.balance() == 0


@pytest.mark.parametrize("amount", [0, -1, -50])
async def test_amounts_are_positive(database, make_person, amount):
    person = await make_person()

    with pytest.raises(psycopg2.errors.CheckViolation):
        await add(database, person, amount=amount)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET coins_balance = coins_balance + 1000",
        "UPDATE users SET coins_earned = 0",
        "UPDATE users SET coins_spent = coins_spent + 1",
        "UPDATE coin_transactions SET amount = 1000",
        "UPDATE coin_transactions SET description = 'nothing'",
        "DELETE FROM coin_transactions",
        "TRUNCATE coin_transactions",
        "TRUNCATE users CASCADE",
        "INSERT INTO users (phone_number, phone_hash, full_name, age, gender, coins_balance)"
        " VALUES ('+1', '', 'Eve', 20, 'other', 1000)",
        "WITH free AS (UPDATE users SET coins_balance = 1000 RETURNING id) SELECT * FROM free",
        "INSERT INTO users (phone_number, phone_hash, full_name, age, gender) SELECT phone_number,"
        " phone_hash, full_name, age, gender FROM users ON CONFLICT (phone_number)"
        " DO UPDATE SET coins_balance = 1000",
    ],
)
async def test_statement_around_the_ledger_is_refused(make_person, sql, statement):
    person = await make_person()

    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        sql(statement)

    assert await person.balance() == 50


async def test_entry_inserted_by_hand_still_moves_the_balance(make_person, sql):
    person = await make_person()

    sql(
        "INSERT INTO coin_transactions (user_id, transaction_type, amount, balance_after, idempotency_key)"
        " VALUES (%s, 'earn', 7, 1000000, 'by hand')",
        person.id,
    )

    assert sql("SELECT balance_after FROM coin_transactions WHERE amount = 7") == [(57,)]
    assert await person.balance() == 57


async def test_updates_of_other_columns_are_free(make_person, sql):
    person = await make_person()

    sql("UPDATE users SET full_name = 'Bea', coins_balance = coins_balance WHERE id = %s", person.id)

    assert sql("SELECT full_name FROM users WHERE id = %s", person.id) == [("Bea",)]


async def test_totals_follow_the_entries(database, make_person):
    person = await make_person()
    await add(database, person, amount=20)
    await add(database, person, kind="refund", amount=5)

    balance = await person.data("/api/coins/balance")

    assert balance == {"balance": 35, "totalEarned": 55, "totalSpent": 20}
