"""Statements and transactions: everything that the store says to the server goes through here.

Most writes are one statement, which is a transaction by itself and one way to the
server and back. With hooks (crash tests) it is put between BEGIN and COMMIT, so that
a death can be between the writing and the commit. Whatever goes wrong undoes it, and
what the world did wrong comes out as a StoreError; if the connection broke, the outcome
is not known.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg

from flowmetal.errors import FlowmetalError
from flowmetal.store.postgres.address import Address
from flowmetal.store.postgres.arrays import Texts
from flowmetal.store.postgres.connecting import Connection, connect
from flowmetal.store.postgres.errors import from_psycopg
from flowmetal.store.postgres.line import Line
from flowmetal.store.postgres.liveness import Liveness
from flowmetal.store.postgres.pool import Pool
from flowmetal.store.postgres.schema import in_schema, prepare
from flowmetal.store.rules import no_text

Row = tuple[Any, ...]
Values = Sequence[Any] | Mapping[str, Any] | None

_POLL_S = 1.0
_CLOCK_LASTS_S = 10.0


class Session:
    """The database of a store."""

    def __init__(self, address: Address, clock_lasts_s: float = _CLOCK_LASTS_S) -> None:
        """``clock_lasts_s``: how long the distance to the server's clock is believed."""
        self.address = address
        self.hooks: Callable[[str], None] | None = None
        self._texts: dict[str, bytes] = {}
        self._pool = Pool(lambda: connect(address))
        self.liveness = Liveness(address.schema)
        self._changed = threading.Condition()
        self._changes = 0
        self._seen = threading.local()
        self._clock_lasts_s = clock_lasts_s
        self._ahead_us, self._ahead_until_s = 0, 0.0
        self.line = Line(
            lambda: self._pool.keep_track(connect(address, direct=True)),
            f"flowmetal_{address.schema}",
            self.liveness,
            self._note_change,
            address.place,
        )
        self._pool.on_fork(self.line.leave_to_parent)
        self._prepare()

    def _prepare(self) -> None:
        connection = connect(self.address, direct=self.address.is_pooled)
        try:
            prepare(connection, self.address)
            self.liveness.find(connection)
        except psycopg.Error as error:
            connection.close()
            raise from_psycopg(error, self.address.place) from error
        except BaseException:
            connection.close()
            raise
        if self.address.is_pooled:
            connection.close()
        else:
            self._pool.give_back(self._pool.keep_track(connection))

    # Statements

    def read(self, sql: str, values: Values = None) -> list[Row]:
        """Run one statement that changes nothing, and return its rows."""
        with self._connection() as connection:
            return self._run(connection, sql, values)

    def write(self, name: str, sql: str, values: Values = None) -> list[Row]:
        """Run one statement as a write transaction of this name, and return its rows."""
        hooks = self.hooks
        if hooks is None:
            return self.read(sql, values)
        with self.writing(name) as run:
            return run(sql, values)

    @contextmanager
    def writing(self, name: str) -> Iterator[Callable[[str, Values], list[Row]]]:
        """Run the block as one write transaction; what it gets runs statements in it."""
        hooks = self.hooks
        if hooks is not None:
            self._pool.check_usable()
            hooks(f"before {name}")
        with self._connection() as connection, self._transaction(connection, b"BEGIN"):
            yield partial(self._run, connection)
            if hooks is not None:
                hooks(f"within {name}")
        if hooks is not None:
            hooks(f"after {name}")

    @contextmanager
    def reading(self) -> Iterator[Callable[[str, Values], list[Row]]]:
        """Run the block so that all its statements see one state of the store."""
        begin = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        with self._connection() as connection, self._transaction(connection, begin):
            yield partial(self._run, connection)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        connection = self._pool.borrow()
        try:
            yield connection
        except psycopg.Error as error:
            raise from_psycopg(error, self.address.place) from error
        except UnicodeEncodeError as error:
            raise no_text(error.object) from error
        finally:
            self._pool.give_back(connection)

    @contextmanager
    def _transaction(self, connection: Connection, begin: bytes) -> Iterator[None]:
        connection.execute(begin)
        try:
            yield
            connection.execute(b"COMMIT")
        except BaseException:
            # Ended here, or by the server when it sees the connection closed.
            with contextlib.suppress(psycopg.Error):
                connection.execute(b"ROLLBACK")
            raise

    def _run(self, connection: Connection, sql: str, values: Values) -> list[Row]:
        text = self._texts.get(sql)
        if text is None:
            text = self._texts[sql] = in_schema(sql, self.address.schema)
        cursor = connection.cursor(binary=True)
        cursor.execute(text, values)
        return cursor.fetchall() if cursor.description is not None else []

    # Time and changes

    def now_us(self) -> int:
        """Return the server's time: its distance from our clock is asked for now and then."""
        if time.monotonic() >= self._ahead_until_s:
            before = time.monotonic_ns()
            ((server_us,),) = self.read("SELECT flowmetal.now_us()")
            after = time.monotonic_ns()
            self._ahead_us = server_us - (before + after) // 2000
            self._ahead_until_s = time.monotonic() + self._clock_lasts_s
        return self._ahead_us + time.monotonic_ns() // 1000

    def announce(self) -> None:
        """Tell whoever waits, here and in other processes, that something has changed."""
        self._note_change()
        self.line.announce()

    def wait_for_change(self, timeout_s: float) -> None:
        """Return when something has changed since this thread's last call, or may have."""
        self._pool.check_usable()
        self.line.listen()
        deadline = time.monotonic() + min(timeout_s, _POLL_S)
        with self._changed:
            seen = getattr(self._seen, "changes", 0)
            while self._changes == seen and (left_s := deadline - time.monotonic()) > 0:
                self._changed.wait(left_s)
            self._seen.changes = self._changes

    def _note_change(self) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def close(self, leave: Sequence[str]) -> None:
        """End everything. ``leave`` are statements that give back what interpreters of here hold."""
        owners = Texts(self.line.owners())
        if owners and self._pool.is_usable():
            # If that does not get through, the lock that is free will say it.
            with contextlib.suppress(FlowmetalError):
                with self.writing("close") as execute:
                    for sql in leave:
                        execute(sql, (owners,))
                self.announce()
        self.line.close()
        self._pool.close()
        self._note_change()
