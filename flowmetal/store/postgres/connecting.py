"""Making connections: the settings that the protocol stands on are made here.

A server that is cut off from us must not hold rows: it gives up a transaction that is
idle for 4 s, a statement after 30 s, and looks for our end of the connection while it
works. We notice in about 10 s that the server is gone. What else a role or a database may
have by default and the protocol does not stand: another isolation, an end of idle sessions.

The planner settings fit statements that touch a few rows by key. They keep a
plan that was made when a table was empty from reading all of it later.

A pooler does not pass such settings on; then they have to be set for the role
(``alter_role``), and ``fmvm doctor`` looks whether they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.numeric import Int8BinaryDumper

from flowmetal.errors import StoreError
from flowmetal.store.postgres import arrays
from flowmetal.store.postgres.address import Address
from flowmetal.store.postgres.errors import from_psycopg

Connection = psycopg.Connection[tuple[Any, ...]]

OLDEST_SERVER = 14_00_00  # client_connection_check_interval

SETTINGS: Mapping[str, str] = {
    # Rows are free again soon after we are gone.
    "idle_in_transaction_session_timeout": "4000",
    "statement_timeout": "30000",
    "lock_timeout": "10000",
    "tcp_user_timeout": "4000",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "client_connection_check_interval": "2000",
    # The line is idle as long as nothing happens, and its end is the death of an interpreter.
    "idle_session_timeout": "0",
    # Whoever had to wait for a lock sees what its holder has written.
    "default_transaction_isolation": "read committed",
    # Plans go by keys, and are made once.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",  # it would read all that is due to claim the first few
    "jit": "off",
}

_OURS = {
    "application_name": "flowmetal",
    "connect_timeout": "10",
    "target_session_attrs": "read-write",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "8000",
}
_ALWAYS = {"client_encoding": "UTF8"}  # arrays.py writes it


def connect(address: Address, *, direct: bool = False) -> Connection:
    """Connect, each statement for itself. Raises StoreError FM1022 to FM1025 and the like."""
    pooled = address.is_pooled and not direct
    parameters = _OURS | (address.direct if direct else address.parameters) | _ALWAYS
    if not pooled:
        ours = " ".join(
            "-c {}={}".format(name, value.replace(" ", r"\ ")) for name, value in SETTINGS.items()
        )
        parameters["options"] = f"{ours} {parameters.get('options', '')}".strip()
    try:
        connection: Connection = psycopg.connect(
            "",
            autocommit=True,
            prepare_threshold=None if pooled else 1,
            **parameters,  # type: ignore[arg-type]  # all are strings
        )
    except psycopg.Error as error:
        raise from_psycopg(error, address.place, connecting=True) from error
    _check_server(connection, address)
    # One type for all whole numbers: else a statement is prepared once for each mixture of sizes.
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    arrays.register(connection)
    return connection


def _check_server(connection: Connection, address: Address) -> None:
    found = connection.info.server_version
    if found < OLDEST_SERVER:
        connection.close()
        raise StoreError(
            "FM1026",
            f"the server of {address.place} is PostgreSQL {found // 10000}, which is too old",
            hint=f"use PostgreSQL {OLDEST_SERVER // 10000} or newer",
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in ("UTF8", None):
        connection.close()
        raise StoreError(
            "FM1026",
            f"{address.place} has the encoding {encoding}",
            hint="make a database with the encoding UTF8: createdb -E UTF8 -T template0 NAME",
        )


def alter_role(role: str, database: str) -> list[str]:
    """Return the statements that give a role the settings, for connections through a pooler."""
    named = f"ALTER ROLE {_quoted(role)} IN DATABASE {_quoted(database)} SET"
    return [f"{named} {name} = '{value}'" for name, value in SETTINGS.items()]


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
