"""Making the tables, and bringing older ones up to date.

The schema has a version. Each migration leads to the next one and says which versions
may read and write the store from then on. Upgrades expand first: a migration adds
what the new version needs while the old one goes on (``reader`` and ``writer`` stay).
One that takes something away raises them, and comes a release later.

Whoever opens a store that is behind runs what is missing, one at a time under an
advisory lock, each in a transaction with the new version number. A store that asks
for more than this version knows is refused (FM1010), and one that this version
is too new for as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import errors as states

from flowmetal.errors import StoreError
from flowmetal.store.postgres.address import Address
from flowmetal.store.postgres.connecting import Connection
from flowmetal.store.postgres.errors import from_psycopg

_LOCK = 0x464C4F57_0000_0001  # "FLOW": who makes or changes tables in this database


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: the version that it leads to, the least that readers and writers must then know."""

    version: int
    reader: int
    writer: int
    sql: str  # `flowmetal.` stands for the schema


def migrations() -> Sequence[Migration]:
    """Return all steps, oldest first. The first one makes the tables."""
    return (Migration(1, 1, 1, Path(__file__).with_name("schema.sql").read_text("utf-8")),)


VERSION = 1


def in_schema(sql: str, schema: str) -> bytes:
    """Return a statement for the schema of a store."""
    named = sql.replace("flowmetal.", named_in(schema, ""))
    return named.replace("EXISTS flowmetal;", f'EXISTS "{schema}";').encode()


def named_in(schema: str, name: str) -> str:
    """Return the full name of what is in the schema: that may be a word of SQL (``order``).

    It has been checked that it holds no quotes (address.py).
    """
    return f'"{schema}".{name}'


def prepare(connection: Connection, address: Address, steps: Sequence[Migration] = ()) -> None:
    """See that the tables are there and of a version that this Flowmetal works with."""
    try:
        found = _versions(connection, address)
        if found is None or found[0] < (steps[-1].version if steps else VERSION):
            found = _migrate(connection, address, steps or migrations())
    except psycopg.Error as error:
        raise from_psycopg(error, address.place) from error
    _check(found, address, steps[-1].version if steps else VERSION)


def _versions(connection: Connection, address: Address) -> tuple[int, int, int] | None:
    """Return version, minimum reader and minimum writer; None if there is no store."""
    select = "SELECT schema_version, minimum_reader, minimum_writer FROM flowmetal.store"
    try:
        found = connection.execute(in_schema(select, address.schema)).fetchone()
    except (states.UndefinedTable, states.InvalidSchemaName):
        return None
    except states.UndefinedColumn:
        raise _of_another(address) from None
    if found is None:
        raise _of_another(address)
    return int(found[0]), int(found[1]), int(found[2])


def _migrate(
    connection: Connection, address: Address, steps: Sequence[Migration]
) -> tuple[int, int, int]:
    """Run the steps that are missing. Only one process does that at a time."""
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = 0")
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        found = _versions_in_transaction(connection, address)
        _check(found, address, steps[-1].version)
        for step in steps:
            if found is None or found[0] < step.version:
                _run(connection, address, step)
                _note(connection, address, step, new=found is None)
                found = (step.version, step.reader, step.writer)
    assert found is not None
    return found


def _run(connection: Connection, address: Address, step: Migration) -> None:
    try:
        connection.execute(in_schema(step.sql, address.schema))
    except (states.DuplicateTable, states.DuplicateFunction, states.DuplicateObject):
        raise _of_another(address) from None


def _versions_in_transaction(
    connection: Connection, address: Address
) -> tuple[int, int, int] | None:
    there = connection.execute(
        "SELECT to_regclass(%s::text) IS NOT NULL", (named_in(address.schema, "store"),)
    ).fetchone()
    return _versions(connection, address) if there and there[0] else None


def _note(connection: Connection, address: Address, step: Migration, *, new: bool) -> None:
    values = (step.version, step.reader, step.writer)
    if new:
        insert = "INSERT INTO flowmetal.store VALUES (%s, %s, %s, flowmetal.now_us())"
        connection.execute(in_schema(insert, address.schema), values)
    else:
        update = (
            "UPDATE flowmetal.store SET schema_version = %s, minimum_reader = %s,"
            " minimum_writer = %s"
        )
        connection.execute(in_schema(update, address.schema), values)


def _check(found: tuple[int, int, int] | None, address: Address, known: int) -> None:
    if found is not None and max(found[1:]) > known:
        raise StoreError(
            "FM1010",
            f"{address.place} was made by a newer Flowmetal"
            f" (schema {found[0]}, this one knows {known})",
            hint="upgrade Flowmetal",
        )


def _of_another(address: Address) -> StoreError:
    return StoreError(
        "FM1002",
        f"the schema {address.schema} of {address.place} holds tables of another application",
        hint="name another schema: postgresql://...?schema=NAME",
    )
