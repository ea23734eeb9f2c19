"""Is a server set up so that what the store promises holds: what ``fmvm doctor`` asks.

Each finding is (level, what about, what was found, remedy); the level is fine, note or wrong.
Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import psycopg

from flowmetal.store.postgres.address import Address, read_address
from flowmetal.store.postgres.connecting import SETTINGS, Connection, alter_role, connect
from flowmetal.store.postgres.errors import from_psycopg
from flowmetal.store.postgres.schema import in_schema, named_in

Found = tuple[str, str, str, str]

# fmt: off
_NEEDED: Final = (
    ("fsync",              "a crash of the server's machine can destroy the database"),
    ("full_page_writes",   "a crash of the server's machine can destroy the database"),
    ("synchronous_commit", "what the store has acknowledged can be lost in a crash"),
    ("autovacuum",         "the tables grow without end"),
)
# fmt: on
_TABLES: Final = (
    "program",
    "run",
    "head",
    "event",
    "message",
    "chunk",
    "record",
    "task",
    "interpreter",
)
_SEQUENCES: Final = ("run_number_seq", "interpreter_number")
_NEARLY_FULL: Final = 0.9


def examine(url: str) -> list[Found]:
    """Return what is found at an address that can be connected to. Raises StoreError if not."""
    address = read_address(url)
    try:
        with connect(address) as connection:
            found = [
                *_server(connection),
                *_durability(connection),
                *_room(connection),
                *_schema(connection, address),
                *_settings(connection, address),
            ]
        with connect(address, direct=True) as connection:
            return found + list(_line(connection, address))
    except psycopg.Error as error:
        raise from_psycopg(error, address.place) from error


def _server(connection: Connection) -> Iterator[Found]:
    version = connection.info.server_version
    here = f"PostgreSQL {version // 10000}.{version % 10000}, psycopg {psycopg.__version__}"
    yield "fine", "server", here, ""


def _durability(connection: Connection) -> Iterator[Found]:
    lacking = [(name, why) for name, why in _NEEDED if _show(connection, name) in ("off", "local")]
    for name, why in lacking:
        yield "wrong", "durability", f"{name} is off: {why}", f"set {name} = on in postgresql.conf"
    if not lacking:
        yield "fine", "durability", "the server writes to disk before it answers", ""


def _room(connection: Connection) -> Iterator[Found]:
    used, allowed = _row(
        connection,
        "SELECT count(*), current_setting('max_connections')::bigint FROM pg_stat_activity"
        " WHERE backend_type = 'client backend'",
    )
    if int(str(used)) > _NEARLY_FULL * int(str(allowed)):
        yield (
            "note", "connections", f"{used} of {allowed} connections are in use",
            "raise max_connections, or put a pooler in between (docs/operations.md)",
        )  # fmt: skip
    else:
        yield "fine", "connections", f"{used} of {allowed} are in use", ""


def _schema(connection: Connection, address: Address) -> Iterator[Found]:
    select = in_schema("SELECT schema_version, current_user FROM flowmetal.store", address.schema)
    version, user = _row(connection, select)
    yield "fine", "schema", f"{address.schema} has version {version}", ""
    all_rights = [
        (_TABLES, "has_table_privilege", ("SELECT", "INSERT", "UPDATE", "DELETE"), "TABLES"),
        (_SEQUENCES, "has_sequence_privilege", ("USAGE",), "SEQUENCES"),
    ]
    for names, may, rights, kind in all_rights:
        missing = [name for name in names if not _may(connection, address, may, name, rights)]
        if missing:
            yield (
                "wrong", "permissions", f"{user} may not use {', '.join(missing)}",
                f'GRANT {", ".join(rights)} ON ALL {kind} IN SCHEMA "{address.schema}" TO "{user}"',
            )  # fmt: skip
            break
    else:
        yield "fine", "permissions", f"{user} may read and write every table", ""


def _may(
    connection: Connection, address: Address, may: str, name: str, rights: Sequence[str]
) -> bool:
    select = f"SELECT bool_and({may}(%s::text, right_)) FROM unnest(%s::text[]) AS right_"
    named = named_in(address.schema, name)
    return bool(_row(connection, select, named, list(rights))[0])


def _settings(connection: Connection, address: Address) -> Iterator[Found]:
    """Look whether connections have the settings that we ask for: a pooler does not pass them on."""
    other = [
        name
        for name, value in SETTINGS.items()
        if _row(connection, "SELECT setting FROM pg_settings WHERE name = %s", name)[0] != value
    ]
    # A socket of the machine itself knows no TCP.
    other = [name for name in other if not name.startswith("tcp_")]
    if other:
        user, database = connection.info.user, connection.info.dbname
        yield (
            "wrong", "settings", f"not as they have to be on this connection: {', '.join(other)}",
            "; ".join(alter_role(user, database)),
        )  # fmt: skip
    else:
        yield "fine", "settings", "time-outs and planner are as they have to be", ""


def _line(connection: Connection, address: Address) -> Iterator[Found]:
    """Look whether the direct connection is one: a pooler makes the server's process up."""
    (pid,) = _row(connection, "SELECT pg_backend_pid()")
    if pid != connection.info.backend_pid:
        mark = "&" if "?" in address.shown else "?"
        yield (
            "wrong", "direct connection", "a pooler answers, so that nobody can tell who is alive",
            f"name the server itself: {address.shown}{mark}direct_host=HOST&direct_port=5432",
        )  # fmt: skip
    else:
        yield "fine", "direct connection", "the server itself answers", ""


def _show(connection: Connection, name: str) -> str:
    return str(_row(connection, "SELECT current_setting(%s)", name)[0])


def _row(connection: Connection, sql: str | bytes, *values: object) -> tuple[object, ...]:
    text = sql.encode() if isinstance(sql, str) else sql
    found = connection.execute(text, values).fetchone()
    assert found is not None
    return tuple(found)
