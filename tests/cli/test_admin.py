"""run.py admin …: what an operator types, against a real database and a server that works on it"""

import asyncio
import json
import re
from collections.abc import Iterator
from uuid import uuid4

import pytest

from romantic.settings import load_settings
from tests.cli.runs import PATIENCE, on_a_terminal
from tests.cli.warm import Warm
from tests.waiting import until


@pytest.fixture(scope="module")
def warm(postgres: str) -> Iterator[Warm]:
    warm = Warm(
        ROMANTIC_ENV="test",
        DATABASE_URL=postgres,
        REDIS_URL="redis://127.0.0.1:1/0",
        USER="olga",
        LOGNAME="olga",
    )
    yield warm
    warm.close()


@pytest.fixture
def admin(warm):
    """What one types after `run.py admin`; the server goes on beside it."""

    async def run(*words, **variables):
        return await asyncio.to_thread(warm.run, "admin", *words, **variables)

    return run


@pytest.fixture
def asked(admin):
    """The JSON of a command that must succeed."""

    async def run(*words):
        done = await admin(*words, "--json")
        assert (done.returncode, done.stderr) == (0, ""), done
        return json.loads(done.stdout)

    return run


async def report(reporter, reported):
    body = {"targetUserId": reported.id, "reason": "Inappropriate behavior", "description": "Bad words"}
    await reporter.post("/api/users/report", body)


async def find_report(asked):
    [report] = await asked("reports", "list")
    return report["id"]


async def test_people_are_found_by_number_by_id_and_by_the_start_of_their_name(make_person, admin, asked):
    ann, anders = await make_person("Ann Lee"), await make_person("Anders")
    await make_person("Hanna_%")

    by = {
        "number": await asked("users", "find", ann.phone_number),
        "id": await asked("users", "find", ann.id),
        "name": await asked("users", "find", "an"),
        "no pattern": await asked("users", "find", "%"),
    }
    plain = await admin("users", "find", "ann")

    names = {how: {row["full_name"] for row in rows} for how, rows in by.items()}
    assert names == {
        "number": {"Ann Lee"},
        "id": {"Ann Lee"},
        "name": {"Ann Lee", "Anders"},
        "no pattern": set(),
    }
    assert plain.stdout.splitlines()[0].split("\t")[:3] == ["id", "full_name", "phone"]
    assert f"+***{ann.phone_number[-2:]}" in plain.stdout
    for person in (ann, anders):
        assert person.phone_number.removeprefix("+") not in plain.stdout + json.dumps(by)


async def test_a_person_is_shown_with_reports_calls_ledger_and_decisions(make_person, admin, asked):
    ann, ben = await make_person("Ann", super_lover=True), await make_person("Ben")
    await report(ben, ann)
    await ben.post("/api/calls/initiate", {"receiverId": ann.id, "callType": "audio"})
    await admin("users", "verify", ann.id, "--reason", "passport seen")

    shown = await asked("users", "show", ann.phone_number)

    assert (shown["full_name"], shown["reports_about"], shown["coins_balance"]) == ("Ann", 1, 50)
    assert [row["reporter_name"] for row in shown["reports"]] == ["Ben"]
    assert [row["call_type"] for row in shown["calls"]] == ["audio"]
    assert [row["amount"] for row in shown["ledger"]] == [50]
    assert [(row["action"], row["operator"], row["reason"]) for row in shown["decisions"]] == [
        ("user.verify", "olga", "passport seen")
    ]
    assert ann.phone_number.removeprefix("+") not in json.dumps(shown)


async def test_a_ban_ends_the_sockets_of_a_running_server_and_can_be_taken_back(
    make_person, connect, admin, sql
):
    ann = await make_person("Ann")
    phone = await connect(ann)

    banned = await admin("users", "ban", ann.phone_number, "--reason", "fraud ring")

    assert banned.returncode == 0, banned.stderr
    assert "user.banned\tuser" in banned.stdout
    assert "\tactive\tbanned" in banned.stdout
    assert await phone.closed(within=PATIENCE) == 4403
    assert (await ann.get("/api/auth/profile")).status == 401
    again = await admin("users", "ban", ann.id, "--reason", "fraud ring")
    assert (again.returncode, again.stdout) == (1, "")
    assert "status banned" in again.stderr
    assert (await admin("users", "unban", ann.id, "--reason", "appeal")).returncode == 0
    assert sql("SELECT status FROM users WHERE id = %s", ann.id) == [("active",)]
    assert sql("SELECT action, operator, reason, left(request_id, 4) FROM admin_audit ORDER BY id") == [
        ("user.banned", "olga", "fraud ring", "cli_"),
        ("user.active", "olga", "appeal", "cli_"),
    ]


@pytest.mark.parametrize(
    "words",
    [("suspend", "--days", "3"), ("ban",), ("verify",), ("role", "moderator")],
    ids=lambda words: words[0],
)
async def test_a_dry_run_shows_the_change_and_makes_none(make_person, admin, sql, words):
    ann = await make_person("Ann")
    sql("UPDATE users SET is_verified = FALSE")
    before = sql("SELECT * FROM users")

    done = await admin("users", *words, ann.id, "--reason", "looking", "--dry-run")

    assert done.returncode == 0, done.stderr
    assert ann.id in done.stdout
    assert "nothing was changed" in done.stderr
    assert sql("SELECT * FROM users") == before
    assert sql("SELECT count(*) FROM admin_audit") == [(0,)]
    assert sql("SELECT count(*) FROM jobs WHERE kind = 'signal.gone'") == [(0,)]


async def test_nothing_is_changed_without_a_reason(admin):
    writes = (
        "users ban +15550000000",
        "users suspend +15550000000 --reason x",
        f"reports resolve {uuid4()}",
        "ledger adjust +15550000000 5 --kind goodwill",
        "otp clear +15550000000",
        "jobs retry 1",
        "webhooks replay stripe evt_1",
        "keys rotate",
    )

    done = {words: await admin(*words.split()) for words in writes}

    refused = {words: (one.returncode, one.stdout) for words, one in done.items() if "--reason" in one.stderr}
    assert refused == dict.fromkeys(writes, (2, ""))


async def test_what_cannot_be_done_is_one_sentence_and_exit_code_1(client, admin):
    sentences = {
        "users show +15550009999": "no such person",
        "users show nobody": "A person is an id, or a phone number",
        "users find +1": "international form",
        f"users ban {uuid4()} --reason fraud": "no such person",
        f"reports show {uuid4()}": "no such report",
        f"calls show {uuid4()}": "no such call",
        f"ledger adjust {uuid4()} 5 --kind test --reason try": "no such person",
        "webhooks replay stripe evt_1 --reason again": "no such event",
        "jobs retry 7 --reason again": "Job 7: not dead",
        "keys rotate --drop old --reason leak": "no key old",
    }

    done = {words: await admin(*words.split()) for words in sentences}

    assert {words: one.returncode for words, one in done.items()} == dict.fromkeys(sentences, 1)
    assert [words for words, says in sentences.items() if says not in done[words].stderr] == []
    assert [words for words, one in done.items() if len(one.stderr.splitlines()) != 1] == []


async def test_staff_are_not_moderated_from_here_either(make_person, admin, sql):
    ann = await make_person("Ann")
    await admin("users", "role", "admin", ann.id, "--reason", "our first admin")

    done = await admin("users", "ban", ann.id, "--reason", "coup")

    assert done.returncode == 1
    assert "role admin" in done.stderr
    assert sql("SELECT role, status FROM users") == [("admin", "active")]


async def test_a_report_is_read_with_its_context_and_decided_once(make_person, connect, admin, asked):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await ben.post("/api/messages/send", {"receiverId": ann.id, "messageText": "Give me your money"})
    await report(ann, ben)
    phone, report_id = await connect(ben), await find_report(asked)

    shown = await asked("reports", "show", report_id)
    words = await asked("reports", "show", report_id, "--messages")
    decided = await admin("reports", "resolve", report_id, "--action", "warn", "--reason", "first time")
    again = await admin("reports", "resolve", report_id, "--action", "ban", "--reason", "second thought")

    assert "money" not in json.dumps(shown)
    assert [(one["side"], one["full_name"], one["reports_about"]) for one in shown["people"]] == [
        ("reporter", "Ann", 0),
        ("reported_user", "Ben", 1),
    ]
    assert [message["message_text"] for message in words["messages"]] == ["Give me your money"]
    assert decided.returncode == 0, decided.stderr
    assert again.returncode == 1
    assert "status resolved" in again.stderr
    assert (await phone.expect("notice", within=PATIENCE))["type"] == "warning"
    trail = await asked("audit", "list")
    assert [row["action"] for row in trail] == ["report.decide", "report.read_messages"]


async def test_live_calls_are_seen_and_one_call_is_explained_coin_by_coin(make_person, admin, asked):
    ann, ben = await make_person("Ann", super_lover=True), await make_person("Ben")
    body = {"receiverId": ann.id, "callType": "audio"}
    call_id = (await (await ben.post("/api/calls/initiate", body)).json())["data"]["callId"]
    live = await asked("calls", "live")
    await ann.post(f"/api/calls/{call_id}/accept")
    await ann.post(f"/api/calls/{call_id}/end", {"duration": 999})

    explained = await asked("calls", "show", call_id)
    plain = await admin("calls", "show", call_id)
    listed = await asked("calls", "list", "--user", ben.id)

    assert [(call["caller_name"], call["receiver_name"]) for call in live] == [("Ben", "Ann")]
    assert [(event["event"], event["by"]) for event in explained["timeline"]] == [
        ("initiated", "server"), ("answered", "server"), ("ended", "receiver"),
    ]  # fmt: skip
    assert [(entry["side"], entry["signed_amount"], entry["why"]) for entry in explained["coins"]] == [
        ("caller", -50, "the price of one audio call"),
        ("receiver", 25, "50 % of the 50 coins the caller paid"),
    ]
    assert (explained["client_duration_seconds"], explained["coins_spent"]) == (999, 50)
    assert "the price of one audio call" in plain.stdout
    assert (
        [call["id"] for call in listed] == [call_id] == [call["id"] for call in await asked("calls", "list")]
    )
    assert await asked("calls", "live") == []


async def test_coins_by_hand_are_an_entry_once_per_reference_and_the_phone_hears_of_it(
    make_person, connect, admin, asked
):
    ann, reference = await make_person("Ann"), str(uuid4())
    phone = await connect(ann)
    words = (
        "ledger",
        "adjust",
        ann.id,
        "30",
        "--kind",
        "goodwill",
        "--reference",
        reference,
        "--reason",
        "sorry",
    )

    first, again = await admin(*words), await admin(*words)
    overdrawn = await admin("ledger", "adjust", ann.id, "-81", "--kind", "fraud", "--reason", "take back")

    assert (first.returncode, again.returncode) == (0, 0), first.stderr
    assert again.stdout == "Nothing to change: it is so already.\n"
    assert overdrawn.returncode == 1
    assert "balance 80" in overdrawn.stderr
    heard = await phone.expect("balance", within=PATIENCE)
    assert (heard["balance"], heard["delta"], heard["referenceType"]) == (80, 30, "adjustment")
    assert [row["amount"] for row in await asked("ledger", "show", ann.phone_number)] == [30, 50]
    assert (await asked("ledger", "check"))["holds"] is True


async def test_the_state_of_a_number_is_told_without_its_code_and_its_limits_are_cleared(
    make_client, outside, admin, asked, sql
):
    client = await make_client(otp_resend_seconds=60)
    number = "+15550071942"
    await client.post("/api/auth/send-otp", json={"phoneNumber": number})

    async def is_sent():
        return bool(outside.messages)

    await until(is_sent)
    code = outside.code_for(number)
    sql("INSERT INTO otp_failures (phone_number, failures) VALUES (%s, 50)", number)
    limits = {"OTP_RESEND_SECONDS": "60", "OTP_PER_HOUR": "5"}

    locked = await admin("otp", "show", number, **limits)
    cleared = await admin("otp", "clear", "+1 (555) 007-1942", "--reason", "a call to support", **limits)
    again = await admin("otp", "clear", number, "--reason", "a call to support", **limits)
    free = await asked("otp", "show", number)

    assert "may_ask_in_s\t86400" in locked.stdout
    assert "0 of 5" in locked.stdout
    assert cleared.returncode == 0, cleared.stderr
    assert "wrong_guesses\t50\t0" in cleared.stdout
    assert again.stdout == "Nothing to change: it is so already.\n"
    assert (free["wrong_guesses"], free["may_ask_in_s"], free["codes"]) == (0, 0, [])
    printed = locked.stdout + cleared.stdout + json.dumps(await asked("audit", "list"))
    assert not re.search(rf"\b{code}\b", printed)
    assert number.removeprefix("+") not in printed
    assert (await client.post("/api/auth/send-otp", json={"phoneNumber": number})).status == 200


async def test_an_event_of_a_provider_is_acted_on_again(client, make_person, admin, asked, sql):
    ann = await make_person("Ann")
    event = {"id": "evt_9", "type": "payment_intent.succeeded", "data": {"object": _paid(sql, ann)}}
    sql(
        "INSERT INTO webhook_events (provider, event_id, event_type, outcome, payload)"
        " VALUES ('stripe', 'evt_9', 'payment_intent.succeeded', 'failed', %s)",
        json.dumps(event),
    )

    [listed] = await asked("webhooks", "list", "--provider", "stripe")
    replayed = await admin("webhooks", "replay", "stripe", "evt_9", "--reason", "the table was locked")

    assert (listed["event_id"], listed["outcome"]) == ("evt_9", "failed")
    assert "payload" not in listed
    assert replayed.returncode == 0, replayed.stderr

    async def has_paid():
        return await ann.balance() == 170

    await until(has_paid, within=PATIENCE)
    assert (await asked("webhooks", "list"))[0]["outcome"] != "failed"


def _paid(sql, person):
    """A purchase that waits for its payment, and the payment as Stripe tells it."""
    [(package,)] = sql(
        "INSERT INTO coin_packages (name, coins, price) VALUES ('120', 120, 9.99) RETURNING id"
    )
    [(purchase,)] = sql(
        "INSERT INTO coin_purchases (user_id, package_id, coins, price, currency, provider, provider_id, status)"
        " VALUES (%s, %s, 120, 9.99, 'usd', 'stripe', 'pi_9', 'pending') RETURNING id",
        person.id, package,
    )  # fmt: skip
    metadata = {"purchaseId": str(purchase), "userId": person.id}
    return {
        "id": "pi_9", "status": "succeeded", "amount": 999, "amount_received": 999, "currency": "usd", "metadata": metadata,
    }  # fmt: skip


async def test_a_new_key_stands_in_front_of_the_old_ones_and_only_stdout_knows_it(client, admin, asked):
    old = "k1:an-old-secret-of-more-than-32-characters-x,k0:an-older-secret-of-more-than-32-characters"

    rotated = await admin("keys", "rotate", "--drop", "k0", "--reason", "yearly", JWT_SECRET=old)
    dry = await admin("keys", "rotate", "--reason", "yearly", "--dry-run", JWT_SECRET=old)
    listed = await admin("keys", "list", JWT_SECRET=old)

    first, second = rotated.stdout.strip().split(",")
    assert (rotated.returncode, second) == (0, "k1:an-old-secret-of-more-than-32-characters-x")
    keys = load_settings({"ROMANTIC_ENV": "test", "JWT_SECRET": rotated.stdout.strip()}).jwt_keys
    assert list(keys) == [first.partition(":")[0], "k1"]
    assert "OTP_PEPPER" in rotated.stderr
    assert "secret-of" not in rotated.stderr + listed.stdout
    assert (dry.returncode, dry.stdout) == (0, "")
    assert [line.split("\t")[:2] for line in listed.stdout.splitlines()[1:]] == [
        ["k1", "signs"],
        ["k0", "verifies"],
    ]
    [trail] = await asked("audit", "list")
    assert (trail["action"], trail["before"]["keys"]) == ("keys.rotate", "k1, k0")
    assert first.partition(":")[2] not in json.dumps(trail)


async def test_statistics_count_by_day(make_person, admin, asked):
    await make_person("Ann")

    stats = await asked("stats", "--days", "3")

    assert (stats["total_users"], len(stats["days"]), stats["days"][-1]["new_users"]) == (1, 3, 1)
    assert (await admin("stats", "--days", "91")).returncode == 2


async def test_what_people_wrote_cannot_paint_the_terminal(make_person, admin):
    await make_person("An[red]n \x1b[31m")

    done = await admin("users", "find", "an")

    assert "\x1b" not in done.stdout
    assert "An[red]n" in done.stdout


async def test_a_terminal_gets_a_table(make_person, postgres):
    ann = await make_person("An[red]n")

    text = await asyncio.to_thread(on_a_terminal, "admin", "users", "find", ann.id, DATABASE_URL=postgres)

    assert "full_name" in text
    assert "An[red]n" in text
    assert "│" in text
    assert "\t" not in text
