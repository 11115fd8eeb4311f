"""run.py admin probe-account: accounts for robots are made, given new keys, revoked and listed."""

import json
import sys

import pytest

from romantic.auth.keys import Key
from romantic.cli.main import main


@pytest.fixture
def admin(monkeypatch, capsys, postgres):
    """The whole command in this process: exit code, stdout, stderr."""
    monkeypatch.setenv("DATABASE_URL", postgres)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["run.py", "admin", "probe-account", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    return run


def keys_of(out):
    return dict(line.split() for line in out.splitlines())


def test_keys_are_told_once_one_to_a_line_and_only_their_hash_is_kept(admin, sql):
    code, out, err = admin("create", "east", "west", "--coins", "70")

    keys = keys_of(out)
    stored = {bytes(row[0]) for row in sql("SELECT key_hash FROM user_sessions")}
    listed = admin("list", "--json")[1]
    assert (code, list(keys)) == (0, ["east", "west"])
    assert stored == {Key.read(key).hash for key in keys.values()}
    assert [(row["robot_name"], row["coins_balance"]) for row in json.loads(listed)] == [
        ("east", 70),
        ("west", 70),
    ]
    assert not [key for key in keys.values() if key in err + listed]


def test_either_all_accounts_are_made_or_none(admin):
    admin("create", "east")

    code, out, err = admin("create", "new", "east")

    assert (code, out) == (1, "")
    assert err == "There is an account east: rotate gives it a new key\n"
    assert [row["robot_name"] for row in json.loads(admin("list", "--json")[1])] == ["east"]


def test_a_new_key_replaces_the_old_one(admin, sql):
    old = keys_of(admin("create", "east")[1])["east"]

    code, out, _ = admin("rotate", "east", "--days", "30")

    alive = "SELECT id, extract(day FROM expires_at - created_at) FROM user_sessions WHERE revoked_at IS NULL"
    assert (code, keys_of(out)["east"] == old) == (0, False)
    [(session_id, days)] = sql(alive)
    assert (str(session_id), days) == (str(Key.read(keys_of(out)["east"]).session_id), 30)


def test_a_revoked_account_has_no_key_until_it_is_given_one(admin):
    admin("create", "east")

    first, again = admin("revoke", "east"), admin("revoke", "east")
    listed = admin("list")[1]
    back = admin("rotate", "east")

    assert (first[:2], again[:2]) == ((0, "east: revoked.\n"), (0, "east had no key.\n"))
    assert "SESSION_CACHE_SECONDS" in first[2]
    assert "no key" in listed
    assert list(keys_of(back[1])) == ["east"]


def test_whatever_was_done_is_in_the_audit_log_without_the_key(admin, sql):
    key = keys_of(admin("create", "east")[1])["east"]
    admin("rotate", "east")
    admin("revoke", "east")

    rows = sql("SELECT action, actor_id, to_jsonb(admin_audit)::text FROM admin_audit ORDER BY id")
    assert [(action, actor) for action, actor, _ in rows] == [
        (f"probe-account.{action}", None) for action in ("create", "rotate", "revoke")
    ]
    assert not [text for _, _, text in rows if Key.read(key).secret in text]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("rotate", "nobody"), 1, "There is no account nobody"),
        (("revoke", "nobody"), 1, "There is no account nobody"),
        (("create", "East Side"), 2, "a name has up to 40 of a-z"),
        (("create", "east", "--coins", "-1"), 2, "between 0 and 1000000"),
        (("create", "east", "--days", "0"), 2, "between 1 and 3650"),
        (("create",), 2, "required"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(admin, arguments, code, says):
    found, out, err = admin(*arguments)

    assert (found, out) == (code, "")
    assert says in err
    assert "Traceback" not in err


def test_without_accounts_the_list_says_so(admin):
    assert admin("list")[:2] == (0, "No probe accounts.\n")
