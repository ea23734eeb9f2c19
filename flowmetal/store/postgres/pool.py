"""Connections for the statements of the store, handed out to one thread at a time.

A connection that lies here may have been closed by the server, when it was started
again for example. That shows before it is used and not as a lost commit. One that failed
in use is thrown away. Nothing is ever tried again here: a commit whose outcome is
not known must not be repeated from memory.

A connection does not survive ``fork``: in the child everything refuses to work, and its
copies of the sockets are closed, so that the server notices the end of the parent.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import weakref
from collections.abc import Callable

import psycopg

from flowmetal.errors import StoreError
from flowmetal.store.postgres.connecting import Connection

_KEPT = 8
"""Idle connections that are kept; more are made when more threads ask at once."""

_open: weakref.WeakSet[Pool] = weakref.WeakSet()
_watching: list[bool] = []


class Pool:
    """Connections that nobody uses now, and a way to make more."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._idle: list[Connection] = []
        self._all: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._unusable = ""
        self._also: Callable[[], None] | None = None
        _watch_forks(self)

    def is_usable(self) -> bool:
        return not self._unusable

    def check_usable(self) -> None:
        if self._unusable:
            raise StoreError("FM1017", self._unusable)

    def borrow(self) -> Connection:
        """Take a connection that works, as far as one can see."""
        while True:
            with self._lock:
                self.check_usable()
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self.keep_track(self._connect())
            if not _has_been_closed(connection):
                return connection
            connection.close()

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next, if it is in order."""
        usable = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with self._lock:
            if usable and not self._unusable and len(self._idle) < _KEPT:
                self._idle.append(connection)
                return
        connection.close()

    def keep_track(self, connection: Connection) -> Connection:
        """Close this connection's socket too in a child of this process."""
        self._all.add(connection)
        return connection

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
            self._unusable = self._unusable or "the store is closed"
        for connection in idle:
            connection.close()

    def on_fork(self, also: Callable[[], None]) -> None:
        """Say what else has to be done in the child of a fork."""
        self._also = also

    def leave_to_parent(self) -> None:
        """Called in the child of a fork."""
        self._unusable = "the store was opened before this process was forked"
        self._lock = threading.Lock()  # another thread of the parent may have had it
        self._idle = []
        for connection in list(self._all):
            with contextlib.suppress(psycopg.Error, OSError):
                os.close(connection.fileno())
        if self._also is not None:
            self._also()


def _has_been_closed(connection: Connection) -> bool:
    """Say whether the server has ended a connection that waits for nothing.

    Whatever the server says unasked is taken for its last word: a new connection costs little.
    """
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _watch_forks(pool: Pool) -> None:
    _open.add(pool)
    if not _watching:
        _watching.append(True)
        os.register_at_fork(after_in_child=_leave_all_to_parent)


def _leave_all_to_parent() -> None:
    for pool in list(_open):
        pool.leave_to_parent()
