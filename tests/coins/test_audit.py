"""run.py admin ledger check: the balances are the sum of their entries, or the drifting people are named."""

import json
import os
import subprocess
import sys

import pytest

from romantic.coins import service


def check(postgres, repository, *options):
    environ = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    command = (sys.executable, "run.py", "admin", "ledger", "check", *options)
    environ |= {"ROMANTIC_ENV": "development", "DATABASE_URL": postgres, "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=repository, env=environ, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def behind_the_ledger(sql):
    """Run a statement as no code of ours can: with the triggers asleep."""

    def run(statement, *parameters):
        sql("SET session_replication_role = replica")
        sql(statement, *parameters)
        sql("SET session_replication_role = DEFAULT")

    return run


async def test_sound_ledger_holds(make_person, conn, sql):
    people = [await make_person(coins=coins) for coins in (5, 50, 500)]

    audit = await service.audit(conn)

    assert audit == {
        "entries": 5,
        "coins": 555,
        "users": len(people),
        "drifting_users": [],
        "faulty_calls": [],
    }


async def test_balance_that_is_not_the_sum_names_the_person(make_person, conn, behind_the_ledger):
    person, _ = await make_person(), await make_person()
    behind_the_ledger("UPDATE users SET coins_balance = 51 WHERE id = %s", person.id)

    (drift,) = (await service.audit(conn))["drifting_users"]

    assert (str(drift["user_id"]), drift["balance"], drift["entries_sum"]) == (person.id, 51, 50)


async def test_broken_chain_is_a_drift_although_the_sum_is_right(make_person, conn, sql, behind_the_ledger):
    person = await make_person()
    sql("SELECT add_entry(%s, 'spend', 10, 'k', '', NULL, NULL)", person.id)
    behind_the_ledger("UPDATE coin_transactions SET balance_after = 60 WHERE transaction_type = 'earn'")

    (drift,) = (await service.audit(conn))["drifting_users"]

    assert (str(drift["user_id"]), drift["breaks"]) == (person.id, 2)


async def test_entry_that_vanished_is_a_drift(make_person, conn, behind_the_ledger):
    person = await make_person()
    behind_the_ledger("DELETE FROM coin_transactions WHERE user_id = %s", person.id)

    (drift,) = (await service.audit(conn))["drifting_users"]

    assert str(drift["user_id"]) == person.id


@pytest.mark.parametrize(
    ("kind", "of"),
    [("spend", "caller"), ("refund", "caller"), ("earn", "receiver")],
    ids=["charge", "refund", "earning"],
)
async def test_entry_a_call_does_not_know_of_names_the_call(
    client, make_person, connect, conn, sql, kind, of
):
    people = {"caller": await make_person(coins=500), "receiver": await make_person("Bea")}
    answer = await people["caller"].post(
        "/api/calls/initiate", {"receiverId": people["receiver"].id, "callType": "video"}
    )
    call_id = (await answer.json())["data"]["callId"]
    assert (await service.audit(conn))["faulty_calls"] == []

    sql("SELECT add_entry(%s, %s, 10, 'k', '', 'call', %s)", people[of].id, kind, call_id)

    (fault,) = (await service.audit(conn))["faulty_calls"]
    assert str(fault["call_id"]) == call_id


async def test_command_ends_with_0_while_the_ledger_holds(make_person, postgres, repository):
    await make_person()

    done = check(postgres, repository)

    assert done.returncode == 0, done.stderr
    assert "The ledger holds." in done.stdout


async def test_command_ends_with_1_and_names_who_drifts(make_person, postgres, repository, behind_the_ledger):
    person = await make_person()
    behind_the_ledger("UPDATE users SET coins_balance = 999 WHERE id = %s", person.id)

    done = check(postgres, repository, "--json")

    assert done.returncode == 1, done.stderr
    (drift,) = json.loads(done.stdout)["drifting_users"]
    assert drift["user_id"] == person.id
