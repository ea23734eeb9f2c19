"""What a store consists of, for comparing it with a golden one: its tables, and in PostgreSQL its rows.

A SQLite store is one file, so that its rows need no form of their own.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg

from tests.sqlite import opened

_COMMENT = re.compile(r"--.*")
_SPACE = re.compile(r"\s+")

_COLUMNS = """
  SELECT table_name, column_name, data_type, is_nullable, column_default
  FROM information_schema.columns WHERE table_schema = %s ORDER BY table_name, ordinal_position"""
_INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %s ORDER BY indexname"
_SEQUENCES = (
    "SELECT sequencename, last_value FROM pg_sequences"
    " WHERE schemaname = %s AND last_value IS NOT NULL ORDER BY sequencename"
)
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY tablename"


def sqlite_schema(path: Path) -> dict[str, str]:
    """Return the statements that made the tables and indexes of a file, without comments, by name."""
    with opened(path) as file:
        found = file.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: _SPACE.sub(" ", _COMMENT.sub("", sql)).strip() for name, sql in found}


def postgres_schema(url: str) -> dict[str, list[list[Any]]]:
    """Return the columns and indexes of a store."""
    schema = url.rpartition("=")[2]
    with psycopg.connect(url.rpartition("&")[0]) as server:
        columns = server.execute(_COLUMNS, (schema,)).fetchall()
        indexes = server.execute(_INDEXES, (schema,)).fetchall()
    return {
        "columns": [[_plain(part, schema) for part in row] for row in columns],
        "indexes": [[_plain(part, schema) for part in row] for row in indexes],
    }


def _plain(part: object, schema: str) -> object:
    return part.replace(f"{schema}.", "") if isinstance(part, str) else part


def postgres_sequences(url: str) -> dict[str, int]:
    """Return the last value of each sequence."""
    schema = url.rpartition("=")[2]
    with psycopg.connect(url.rpartition("&")[0]) as server:
        return dict(server.execute(_SEQUENCES, (schema,)).fetchall())


def postgres_rows(url: str) -> dict[str, list[Any]]:
    """Return the rows of all tables as JSON; bytes are hexadecimal."""
    schema = url.rpartition("=")[2]
    with psycopg.connect(url.rpartition("&")[0]) as server:
        tables = [name for (name,) in server.execute(_TABLES, (schema,)).fetchall()]
        return {
            table: [
                row
                for (row,) in server.execute(
                    f"SELECT row_to_json(t) FROM {schema}.{table} AS t".encode()
                ).fetchall()
            ]
            for table in tables
        }


def fill_postgres(url: str, rows: dict[str, list[Any]], sequences: dict[str, int]) -> None:
    """Put rows into the tables of a store in place of those that are there."""
    schema = url.rpartition("=")[2]
    with psycopg.connect(url.rpartition("&")[0]) as server:
        for table, found in rows.items():
            server.execute(f"DELETE FROM {schema}.{table}".encode())
            for row in found:
                server.execute(
                    f"INSERT INTO {schema}.{table} OVERRIDING SYSTEM VALUE"
                    f" SELECT * FROM json_populate_record(NULL::{schema}.{table}, %s)".encode(),
                    (psycopg.types.json.Json(row),),
                )
        for name, last in sequences.items():
            server.execute("SELECT setval(%s::regclass, %s)", (f"{schema}.{name}", last))
