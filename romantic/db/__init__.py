"""The database: connections with one verb per shape of answer, named queries, migrations."""

from romantic.db.connection import (
    DATABASE,
    Connection,
    Database,
    DatabaseBusy,
    DatabaseRefusal,
    QueryTimeout,
    Row,
    UniqueConflict,
    connection,
    database,
    transaction,
)
from romantic.db.queries import Queries, Query, load_queries
from romantic.db.tally import count_queries, note_spared

__all__ = [
    "DATABASE",
    "Connection",
    "Database",
    "DatabaseBusy",
    "DatabaseRefusal",
    "Queries",
    "Query",
    "QueryTimeout",
    "Row",
    "UniqueConflict",
    "connection",
    "count_queries",
    "database",
    "load_queries",
    "note_spared",
    "transaction",
]
