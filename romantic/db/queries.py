"""Named queries: one file per feature in sql/queries, one statement per name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SQL = Path(__file__).parent.parent.parent / "sql"

_HEADER = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, slots=True)
class Query:
    """One statement, sent to PostgreSQL exactly as it reads in its file."""

    name: str
    statement: str
    parameters: frozenset[str]


class Queries:
    """The queries of one feature, as attributes named after their headers."""

    def __init__(self, feature: str, text: str) -> None:
        _, *parts = _HEADER.split(text)
        self._feature = feature
        self._queries = {
            name: Query(
                f"{feature}.{name}",
                statement.strip().removesuffix(";"),
                frozenset(_PLACEHOLDER.findall(statement)),
            )
            for name, statement in zip(parts[::2], parts[1::2], strict=True)
        }
        if len(self._queries) * 2 != len(parts):
            raise ValueError(f"sql/queries/{feature}.sql names a query twice")

    def __getattr__(self, name: str) -> Query:
        try:
            return self._queries[name]
        except KeyError:
            raise AttributeError(f"sql/queries/{self._feature}.sql has no query {name!r}") from None

    def __iter__(self) -> Iterator[Query]:
        return iter(self._queries.values())


def load_queries(feature: str) -> Queries:
    return Queries(feature, (SQL / "queries" / f"{feature}.sql").read_text("utf-8"))
