"""The one connection that stays: who is alive here, and hints in both directions.

An interpreter lives as long as the server holds the advisory lock of its number for
this connection. The server frees it with the connection, however that ends, and whoever
finds it free takes the interpreter's runs over at once. A connection that broke is
made again, with new numbers; in between this process counts as dead, claims nothing, and the
epochs keep it from writing what others have taken over.

Hints are notifications: sent from here alone and never inside a transaction that
writes, because the server lets only one such commit at a time; many changes
become one hint while one is being sent. They may get lost: whoever waits looks at the
database every second anyway, and looks at all of it when the connection is new.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import psycopg

from flowmetal.errors import FlowmetalError, StoreError
from flowmetal.ids import InterpreterId
from flowmetal.store.postgres.connecting import Connection
from flowmetal.store.postgres.errors import from_psycopg
from flowmetal.store.postgres.liveness import Liveness

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0
_PATIENCE_S = 15.0
"""How long a caller waits for the line before the store counts as not reachable."""


class Line:
    """A thread with a connection. Started by whoever first needs it."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        channel: str,
        liveness: Liveness,
        heard: Callable[[], None],
        place: str,
    ) -> None:
        """``heard`` is called when something may have changed."""
        self._connect = connect
        self._channel = channel
        self._liveness = liveness
        self._heard = heard
        self._place = place
        self._orders: queue.SimpleQueue[tuple[Callable[[Connection], Any], Future[Any]]] = (
            queue.SimpleQueue()
        )
        self._numbers: dict[InterpreterId, int] = {}
        self._is_dirty = False
        self._is_closing = False
        self._is_up = False
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake_read, self._wake_write = -1, -1

    # Called by any thread

    def listen(self) -> None:
        """Begin to hear what others change."""
        with self._starting:
            if self._thread is None and not self._is_closing:
                self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
                self._thread = threading.Thread(
                    target=self._run, name="flowmetal-line", daemon=True
                )
                self._thread.start()

    def announce(self) -> None:
        """Tell other processes, soon, that something has changed."""
        self.listen()
        self._is_dirty = True
        self._wake()

    def has(self, owner: InterpreterId) -> bool:
        """Say whether the interpreter lives here, for others too: with the line down it counts as dead, and
        whatever it claimed would be taken over at once."""
        return self._is_up and owner in self._numbers

    def owners(self) -> list[InterpreterId]:
        """Return the interpreters that live here."""
        return list(self._numbers)

    def enter(self, owner: InterpreterId) -> None:
        """Make the interpreter live. Raises StoreError FM1019 if it does elsewhere."""

        def do(connection: Connection) -> None:
            if owner not in self._numbers:
                self._numbers[owner] = self._liveness.enter(connection, owner, 0)

        self._order(do)

    def abandon(self, owner: InterpreterId) -> None:
        """Let go of the interpreter's lock and nothing else, as its death would."""

        def do(connection: Connection) -> None:
            number = self._numbers.pop(owner, None)
            if number is not None:
                self._liveness.leave(connection, number)

        if self._thread is not None:
            self._order(do)

    def close(self) -> None:
        """Send the last hint, and end."""
        with self._starting:
            self._is_closing = True
            thread, self._thread = self._thread, None
        if thread is None:
            return
        self._wake()
        thread.join(_LONGEST_PAUSE_S + _PATIENCE_S)
        if not thread.is_alive():
            os.close(self._wake_read)
            os.close(self._wake_write)

    def leave_to_parent(self) -> None:
        """Called in the child of a fork: the thread is the parent's."""
        self._thread, self._is_closing = None, True

    def _order(self, do: Callable[[Connection], Any]) -> None:
        """Let the thread do something on its connection, and wait for it."""
        self.listen()
        done: Future[Any] = Future()
        self._orders.put((do, done))
        self._wake()
        try:
            done.result(_PATIENCE_S)
        except TimeoutError:
            done.cancel()
            raise StoreError(
                "FM1022",
                f"the server of {self._place} cannot be reached",
                hint="see that it runs and accepts connections: pg_isready",
            ) from None

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._wake_write, b"!")

    # The thread

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                with contextlib.closing(self._connect()) as connection:
                    self._begin(connection)
                    pause_s = _FIRST_PAUSE_S
                    self._is_up = True
                    self._serve(connection)
                return
            except (FlowmetalError, psycopg.Error, OSError) as trouble:
                self._is_up = False
                self._refuse_orders(trouble)
                if self._is_closing:
                    return
            self._rest(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _begin(self, connection: Connection) -> None:
        """Listen, and live again; then whatever happened in between is looked at."""
        connection.execute(
            "SET synchronous_commit = off"
        )  # a hint is nothing to wait for the disk for
        # What comes while a statement of ours is under way is given to this, what comes else to `_hear`.
        connection.add_notify_handler(
            lambda told: None if told.pid == connection.info.backend_pid else self._heard()
        )
        connection.execute(f"LISTEN {self._channel}".encode())
        for owner, number in list(self._numbers.items()):
            try:
                self._numbers[owner] = self._liveness.enter(connection, owner, number)
            except StoreError:
                del self._numbers[owner]  # another process has the name now
        self._heard()

    def _serve(self, connection: Connection) -> None:
        """Do what comes until told to end. Raises psycopg.Error when the connection breaks."""
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while True:
            self._do_orders(connection)
            if self._is_dirty:
                self._is_dirty = False
                connection.execute(f"NOTIFY {self._channel}".encode())
            self._hear(connection)
            if self._is_closing and not self._is_dirty and self._orders.empty():
                return
            poll.poll()
            with contextlib.suppress(BlockingIOError):
                while os.read(self._wake_read, 4096):
                    pass

    def _hear(self, connection: Connection) -> None:
        connection.pgconn.consume_input()
        heard = False
        while (told := connection.pgconn.notifies()) is not None:
            heard = heard or told.be_pid != connection.info.backend_pid
        if heard:
            self._heard()

    def _do_orders(self, connection: Connection) -> None:
        while not self._orders.empty():
            do, done = self._orders.get()
            if not done.set_running_or_notify_cancel():
                continue
            try:
                done.set_result(do(connection))
            except psycopg.Error as error:
                done.set_exception(from_psycopg(error, self._place))
                if connection.closed or connection.broken:
                    raise
            except StoreError as error:
                done.set_exception(error)

    def _refuse_orders(self, trouble: Exception) -> None:
        """Nobody waits longer than for one try to connect."""
        ours = from_psycopg(trouble, self._place) if isinstance(trouble, psycopg.Error) else trouble
        while not self._orders.empty():
            _, done = self._orders.get()
            if done.set_running_or_notify_cancel():
                done.set_exception(ours)

    def _rest(self, seconds: float) -> None:
        """Wait before the next try, but not when told to end."""
        until = time.monotonic() + seconds
        while not self._is_closing and (left := until - time.monotonic()) > 0:
            select.select([self._wake_read], [], [], left)
            with contextlib.suppress(BlockingIOError):
                while os.read(self._wake_read, 4096):
                    pass
            if not self._orders.empty():
                return  # somebody waits for it
