"""Every query is planned by PostgreSQL against the migrated schema, and used by its own feature."""

import ast
import itertools
import re
from pathlib import Path

import psycopg2
import pytest

from romantic.db.queries import SQL, Queries, load_queries

HOUSE = Path(__file__).parent.parent.parent / "romantic"
FEATURES = sorted(path.stem for path in (SQL / "queries").glob("*.sql"))
QUERIES = [query for feature in FEATURES for query in load_queries(feature)]

#: Features whose queries are at work in another room: what the HTTP shell remembers.
ROOMS = {"requests": ("http", "jobs")}


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_query_is_planned(postgres, query):
    # Each occurrence is a parameter of its own, as each is a literal of its own when it is sent.
    numbers = itertools.count(1)
    statement = re.sub(r"%\(\w+\)s", lambda _: f"${next(numbers)}", query.statement).replace("%%", "%")

    with psycopg2.connect(postgres) as conn, conn.cursor() as cursor:
        cursor.execute(f"PREPARE planned AS {statement}")
        cursor.execute("DEALLOCATE planned")
    conn.close()


def names_used(room):
    """Every attribute of a module-level `load_queries(...)` that the room's code asks for."""
    attributes = set()
    for path in (HOUSE / room).rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        attributes |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return attributes


def rooms_of(feature):
    """The feature's own room, and those that must ask its questions for it."""
    loads = re.compile(rf'load_queries\("{feature}"\)')
    loaders = {
        path.relative_to(HOUSE).parts[0]
        for path in HOUSE.rglob("*.py")
        if loads.search(path.read_text("utf-8"))
    }
    return loaders or set(ROOMS.get(feature, (feature,)))


@pytest.mark.parametrize("feature", FEATURES)
def test_every_query_is_used(feature):
    used = set().union(*(names_used(room) for room in rooms_of(feature)))

    unused = {query.name.split(".")[1] for query in load_queries(feature)} - used

    assert unused == set()


@pytest.mark.parametrize("feature", FEATURES)
def test_file_holds_nothing_outside_its_queries(feature):
    text = (SQL / "queries" / f"{feature}.sql").read_text("utf-8")

    assert text.startswith("-- name: ")
    assert "%s" not in text


def test_query_named_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        Queries("x", "-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n")


def test_query_nobody_wrote_is_named():
    with pytest.raises(AttributeError, match=r"coins\.sql has no query 'nothing'"):
        _ = load_queries("coins").nothing


async def test_wrong_parameters_are_refused_before_anything_is_sent(conn):
    with pytest.raises(TypeError, match=r"coins\.get_balance takes"):
        await conn.one(load_queries("coins").get_balance, user="x")
