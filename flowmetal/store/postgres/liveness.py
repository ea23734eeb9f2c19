"""Who among the interpreters lives: locks of the server that end with a connection.

An interpreter has a row with a number, and its line (line.py) holds the advisory lock
(oid of the table, number) as long as its process and the connection live. Everybody
else asks by trying to share that lock for the length of a statement: whoever gets it
knows that the holder is gone. Sharing keeps those who ask out of each other's way.

A number is taken for one connection and never again, because the server may
not have noticed yet that an old connection is dead.
"""

from __future__ import annotations

import os
import time

from flowmetal.errors import StoreError
from flowmetal.ids import InterpreterId
from flowmetal.store.postgres.claims import ALONE
from flowmetal.store.postgres.connecting import Connection
from flowmetal.store.postgres.schema import in_schema, named_in

_FORGET_AFTER_US = 3_600_000_000

_LOCK = """
  SELECT number, pg_try_advisory_lock(%s::int, number)
  FROM (SELECT nextval('flowmetal.interpreter_number')::int AS number) AS next"""

# One of the same name may have died; nobody else may have it.
_RECORD = """
  INSERT INTO flowmetal.interpreter AS known (id, number, description, since_us)
  VALUES (%s, %s, %s, flowmetal.now_us())
  ON CONFLICT (id) DO UPDATE
    SET number = excluded.number, description = excluded.description, since_us = excluded.since_us
    WHERE known.number = %s OR pg_try_advisory_xact_lock_shared(%s::int, known.number)
  RETURNING number"""

# What it has left when it died is for whoever is free.
_SET_FREE = "UPDATE flowmetal.head SET owner = NULL, lease_expires_us = 0 WHERE owner = %s"

# A run of an interpreter that is not in the table is found when its lease is over.
_FORGET = """
  DELETE FROM flowmetal.interpreter
  WHERE since_us < flowmetal.now_us() - %s AND id <> %s
    AND NOT EXISTS (SELECT FROM flowmetal.head WHERE owner = interpreter.id)
    AND pg_try_advisory_xact_lock_shared(%s::int, number)"""


class Liveness:
    """The statements about interpreters of one store, for the connection of its line."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self.lock_class = 0

    def find(self, connection: Connection) -> None:
        """Learn the class of the locks: one database may hold several stores."""
        found = connection.execute(
            "SELECT %s::text::regclass::oid::bigint", (named_in(self._schema, "interpreter"),)
        ).fetchone()
        assert found is not None
        (oid,) = found
        self.lock_class = oid - (1 << 32) if oid >= 1 << 31 else oid

    def enter(self, connection: Connection, owner: InterpreterId, previous: int) -> int:
        """Make an interpreter live on this connection, and return its number.

        ``previous`` is the number under which it lived on a connection that broke: then it keeps
        its runs. 0: it begins. Raises StoreError FM1019 if another process has the name.
        """
        found = connection.execute(self._sql(_LOCK), (self.lock_class,)).fetchone()
        assert found is not None
        number, is_locked = found
        assert is_locked, "a number that nobody had"
        with connection.transaction():
            if not previous:  # it may have left many runs
                connection.execute(self._sql(f"SELECT {ALONE}"))
            recorded = connection.execute(
                self._sql(_RECORD), (owner, number, _description(), previous, self.lock_class)
            ).fetchone()
            if recorded is not None and not previous:
                connection.execute(self._sql(_SET_FREE), (owner,))
                connection.execute(self._sql(_FORGET), (_FORGET_AFTER_US, owner, self.lock_class))
        if recorded is None:
            self.leave(connection, number)
            raise StoreError(
                "FM1019",
                f"another process is the interpreter {owner}",
                hint="give each interpreter an id of its own",
            )
        return int(number)

    def leave(self, connection: Connection, number: int) -> None:
        """Give the lock of a number back."""
        connection.execute("SELECT pg_advisory_unlock(%s::int, %s::int)", (self.lock_class, number))

    def _sql(self, text: str) -> bytes:
        return in_schema(text, self._schema)


def _description() -> str:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return f"process {os.getpid()} on {os.uname().nodename} since {since}"
