"""The rules of the house: imports go downhill, every route is guarded and limited, files say what they are."""

import ast
from functools import cache
from pathlib import Path

import pytest

from romantic.app import EVENTS, ROUTES
from romantic.errors import RomanticError
from romantic.http.limits import UNLIMITED

HOUSE = Path(__file__).parent.parent / "romantic"

#: A room may import the rooms listed here, and nothing else of ours.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "signals": {"db", "jobs"},
    "background": set(),
    "metrics": set(),
    "upstream": set(),
    "settings": {"settings_rules"},
    "settings_rules": set(),
    "logs": {"settings"},
    "db": {"settings"},
    "redis": {"settings"},
    "http": {"db", "errors", "logs", "redis", "settings"},
    "integrations": {"settings"},
    "rtc": {"errors"},
    "emodel": set(),
    "web": {"errors"},
    "jobs": {"db", "settings"},
    "docs": {"errors", "http", "web"},
    "ops": {"calls", "db", "errors", "http", "logs", "realtime", "rtc", "settings"},
    "realtime": {"db", "errors", "http", "redis", "settings"},
    "decoding": {"errors"},
    "media": {"decoding", "errors"},
    "users": {"db", "errors", "http", "integrations", "jobs", "media", "realtime", "settings", "signals"},
    "coins": {"db", "errors", "http", "integrations", "jobs", "realtime", "settings"},
    "auth": {"coins", "db", "errors", "http", "integrations", "jobs", "redis", "settings", "signals", "users"},
    "admin": {"auth", "calls", "coins", "db", "errors", "http", "integrations", "jobs", "realtime", "settings", "signals", "users", "web"},
    "webhooks": {"auth", "coins", "db", "errors", "http", "integrations", "jobs", "settings"},
    "super_lover": {"coins", "db", "errors", "http", "jobs", "realtime", "settings", "signals"},
    "preferences": {"auth", "db", "errors", "http", "integrations", "jobs", "settings", "signals"},
    "devices": {"db", "errors", "http", "integrations", "jobs", "realtime", "settings", "signals"},
    "messages": {"coins", "db", "errors", "http", "integrations", "jobs", "media", "realtime", "settings", "users"},
    "probe": {"db", "emodel", "errors", "http", "logs", "realtime", "rtc", "settings"},
    "calls": {"coins", "db", "emodel", "errors", "http", "jobs", "probe", "realtime", "rtc", "settings", "signals"},
    "dev": {"auth", "coins", "db", "errors", "http", "realtime", "settings", "users", "web"},
    "app": {
        "admin", "auth", "calls", "coins", "db", "dev", "devices", "docs", "http", "integrations", "jobs", "media", "messages", "ops", "preferences",
        "probe", "realtime", "redis", "settings", "signals", "super_lover", "users", "webhooks",
    },
    "cli": {
        "admin", "app", "auth", "calls", "coins", "db", "dev", "docs", "emodel", "errors", "http", "jobs", "logs", "ops", "realtime", "rtc",
        "settings", "users", "webhooks",
    },
}  # fmt: skip

#: Sideways means the desk of the other slice, not its insides.
#: Coins has more than one: beside the ledger, what is bought, what ads pay, and how that is told.
#: Auth has three: beside sessions, the codes, and their way to the phone, of which providers have news.
DESKS = {"service", "errors", "purchases", "ads", "news", "otp", "delivery"}
SLICES = {
    "users",
    "coins",
    "auth",
    "calls",
    "admin",
    "super_lover",
    "preferences",
    "messages",
    "probe",
    "webhooks",
    "devices",
}

MODULES = sorted(HOUSE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def imports_of(path: Path) -> list[str]:
    """Every module a file imports, dotted; names taken from a package count as its modules."""
    found = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def name_of(path: Path) -> str:
    return str(path.relative_to(HOUSE))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_downhill(path):
    room = room_of(path)
    ours = {name.split(".")[1] for name in imports_of(path) if name.startswith("romantic.")}

    assert ours - {room, "background", "metrics", "upstream", "__version__"} <= MAY_IMPORT.get(room, set())


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) in SLICES], ids=name_of)
def test_slices_meet_at_their_desks(path):
    room = room_of(path)
    sideways = [
        name.split(".")
        for name in imports_of(path)
        if name.startswith("romantic.") and name.split(".")[1] in SLICES - {room}
    ]

    assert {parts[2] for parts in sideways} <= DESKS


@pytest.mark.parametrize("path", sorted(HOUSE.rglob("service.py")), ids=name_of)
def test_services_see_no_request(path):
    assert not [name for name in imports_of(path) if name.split(".")[0] == "aiohttp"]


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) != "db"], ids=name_of)
def test_only_the_database_room_knows_the_driver(path):
    assert not {name.split(".")[0] for name in imports_of(path)} & {"psycopg2", "aiopg"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(tree_of(path))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_sql_outside_its_folder(path):
    texts = [
        node.value
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    statements = ("SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM")

    assert room_of(path) == "db" or not [text for text in texts if text.lstrip().startswith(statements)]


def test_development_is_imported_only_where_it_is_asked_for():
    """The module level of everything production loads is free of romantic.dev."""
    importers = []
    for path in MODULES:
        top = [node for node in tree_of(path).body if isinstance(node, ast.ImportFrom)]
        if room_of(path) != "dev" and any(f"{node.module}.".startswith("romantic.dev.") for node in top):
            importers.append(name_of(path))

    assert importers == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_limited_unless_it_is_health(route):
    assert (route.limit is UNLIMITED) == (route.path.startswith("/health") or route.path == "/version")


def test_routes_are_unique():
    rows = [(route.method, route.path) for route in ROUTES]

    assert len(rows) == len(set(rows))


def test_events_are_unique_and_named_in_the_protocols_style():
    names = [event.name for event in EVENTS]

    assert len(names) == len(set(names))
    assert all(name == name.lower() and "_" not in name for name in names)


def test_error_codes_are_stable_names():
    assert all(code == code.upper() and " " not in code for code in RomanticError.registry)
