"""One connection to the file, and the two ways to use it: reading and writing.

A write transaction: hooks are told, the writers' lock is taken, BEGIN
IMMEDIATE, the statements, COMMIT; whatever goes wrong rolls back, and what the
world did wrong comes out as a StoreError. Nothing is ever tried again here: a
commit whose outcome is not known must not be repeated from memory.

A connection does not survive ``fork``: the child's copy is left alone (closing
it would write) and refuses to work; its copies of locked files are closed, so
that the locks end with the parent.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from flowmetal.errors import StoreError
from flowmetal.store.rules import no_text
from flowmetal.store.sqlite import file
from flowmetal.store.sqlite.bell import Bell
from flowmetal.store.sqlite.errors import damaged, from_sqlite
from flowmetal.store.sqlite.locks import InterpreterLocks, WriterLock, locks_folder

_POLL_S = 0.1
_LOOK_S = 0.02  # between looks whether the file is still there; one costs 5 us
_making = threading.Lock()  # one file is made at a time in this process; see file.py
_OF_SHAPE = (AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What our code raises for values that no store holds: a damaged file gives such, or a mistake of ours."""

_open_sessions: weakref.WeakSet[Session] = weakref.WeakSet()
_after_fork: list[Callable[[], None]] = []


class Session:
    """The file, its connection, its locks and its bell."""

    def __init__(self, path: Path, now_us: int, timeout_s: float) -> None:
        self.path = path
        self.hooks: Callable[[str], None] | None = None
        self._busy = threading.RLock()
        self._unusable = ""
        with _making:
            file.check_place(path)
            new = file.is_new(path)
            folder = locks_folder(path)
            self._writers = WriterLock(folder, path, timeout_s)
            try:
                self._connection = self._open(now_us, timeout_s, new=new)
            except BaseException:
                self._writers.close()
                raise
        self.execute = self._connection.execute
        self.executemany = self._connection.executemany
        self.interpreters = InterpreterLocks(folder, path)
        self._bell = Bell(folder)
        self._file = os.stat(path)
        self.identity = f"{self._file.st_dev}:{self._file.st_ino}"
        self._look_again_at = 0.0
        self._changes = 0
        self._is_lasting = True  # as the file was opened
        self._seen = threading.local()
        self._first_seen = (0, self._data_version())
        _watch_forks(self)

    def _open(self, now_us: int, timeout_s: float, *, new: bool) -> sqlite3.Connection:
        """Connect; a new file is made while all other processes wait."""
        with self._writers if new else nullcontext():
            file.make_file(self.path)
            connection = file.connect(self.path, timeout_s)
            try:
                file.prepare(connection, self.path, now_us, new=new)
            except BaseException:
                connection.close()
                raise
        return connection

    def writing(self, name: str, *, lasting: bool = True) -> _Writing:
        """Return a context that is one write transaction, with hooks before, within and after it.

        One that is not ``lasting`` does not wait for the disk. It outlives every process, and
        with the next that lasts it is on the disk too; but if the power fails before, it never was.
        """
        return _Writing(self, name, lasting)

    def begin(self, name: str, *, lasting: bool = True) -> None:
        """Start a write transaction; what is raised leaves none open."""
        self._check_usable()
        if self.hooks is not None:
            self.hooks(f"before {name}")
        self._writers.lock()
        try:
            if lasting is not self._is_lasting:
                self.execute("PRAGMA synchronous=FULL" if lasting else "PRAGMA synchronous=NORMAL")
                self._is_lasting = lasting
            self.execute("BEGIN IMMEDIATE")
        except BaseException as error:
            self.abort(error)
            raise

    def commit(self, name: str) -> None:
        """Make the transaction durable; what is raised by anything but the last hook undoes it."""
        try:
            if self.hooks is not None:
                self.hooks(f"within {name}")
            self.execute("COMMIT")
        except BaseException as error:
            self.abort(error)
            raise
        self._writers.unlock()
        if self.hooks is not None:
            self.hooks(f"after {name}")

    def abort(self, error: BaseException) -> None:
        """Undo the transaction. Raises our error for what the world did wrong."""
        try:
            self._roll_back()
        finally:
            self._writers.unlock()
        self._raise_ours(error)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Run the block so that all its statements see one state of the store."""
        with self._busy:
            self._check_usable()
            try:
                with self.judging():
                    self.execute("BEGIN")
                    yield
            finally:
                self._roll_back()

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Run the block, and say with a StoreError what the world did wrong in it."""
        try:
            yield
        except BaseException as error:
            self._raise_ours(error)
            raise

    def _raise_ours(self, error: BaseException) -> None:
        """Raise the StoreError for what the world did wrong, if that is what it is."""
        if isinstance(error, sqlite3.Error) and not self._is_there():
            raise self._moved() from error  # what SQLite makes of that is misleading
        if isinstance(error, sqlite3.Error):
            ours = from_sqlite(error, self.path)
            if ours is not error:
                raise ours from error
        if isinstance(error, UnicodeEncodeError):  # by what was to be written
            raise no_text(error.object) from error
        if isinstance(error, UnicodeDecodeError | OverflowError):  # by what was found there
            raise damaged(self.path) from error
        if isinstance(error, _OF_SHAPE) and not self._is_sound():
            raise damaged(self.path) from error

    def _is_sound(self) -> bool:
        """Say whether SQLite finds its file in order; it reads all of it."""
        try:
            return bool(self.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
        except sqlite3.Error:
            return False

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            # If this fails too, the disk is gone, and the next BEGIN says so.
            with suppress(sqlite3.Error):
                self.execute("ROLLBACK")

    def _check_usable(self) -> None:
        self._check_open()
        now = time.monotonic()
        if now < self._look_again_at:
            return
        if not self._is_there():
            self._look_again_at = 0.0
            raise self._moved()
        self._look_again_at = now + _LOOK_S

    def _check_open(self) -> None:
        if self._unusable:
            raise StoreError("FM1017", self._unusable, hint="open the store again")

    def _is_there(self) -> bool:
        """Say whether the path still leads to the file that is open here."""
        try:
            return os.path.samestat(os.stat(self.path), self._file)
        except OSError:
            return False

    def _moved(self) -> StoreError:
        if self.path.exists():
            what = f"another file was put in the place of {self.path} while it was in use"
        else:
            what = f"{self.path} was moved or deleted while it was in use"
        beside = f"{self.path.name}-wal and -shm"
        return StoreError(
            "FM1020",
            what,
            hint=f"put the file back, with {beside}, or start again whatever still uses it",
        )

    def hold(self) -> None:
        """Keep the other threads out until ``let_go``."""
        self._busy.acquire()

    def let_go(self) -> None:
        self._busy.release()

    # Changes

    def announce(self) -> None:
        """Tell whoever waits, here and in other processes, that something has changed."""
        with self._busy:
            self._changes += 1
            if not self._unusable:
                self._bell.ring()

    def wait_for_change(self, timeout_s: float) -> None:
        """Return when something has changed since this thread's last call, or the time is up."""
        deadline = time.monotonic() + timeout_s
        while True:
            mark = (self._changes, self._data_version())
            left_s = deadline - time.monotonic()
            if mark != getattr(self._seen, "mark", self._first_seen) or left_s <= 0:
                self._seen.mark = mark
                return
            self._bell.wait(min(left_s, _POLL_S))
            if self._unusable:  # closed by another thread: that is a change too
                return

    def _data_version(self) -> int:
        """Return a number that changes when another connection has committed."""
        with self._busy:
            self._check_open()
            if not self._is_there():
                return -1  # that is a change, too: whoever looks finds out
            try:
                (version,) = self.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error as error:
                raise from_sqlite(error, self.path) from error
            return int(version)

    # The end

    def close(self, *, remove_locks: bool) -> None:
        """Close everything. SQLite writes its log back into the file if this was the last user."""
        with self._busy:
            if self._unusable:
                return
            self._unusable = "the store is closed"
            _open_sessions.discard(self)
            try:
                with self._writers:
                    self._connection.close()
            except StoreError:  # a writer that is stuck; then the log stays for the next user
                self._connection.close()
            self.interpreters.drop(remove=remove_locks)
            self._bell.close()
            self._writers.close()

    def _leave_to_parent(self) -> None:
        """Called in the child of a fork."""
        if self._unusable:
            return
        self._unusable = "the store was opened before this process was forked"
        self._busy = threading.RLock()  # another thread of the parent may have had it
        _left_connections.append(self._connection)
        self.interpreters.drop(remove=False)
        self._writers.close()


class _Writing:
    """A write transaction as a context. A class, because a generator costs 2 % of a commit."""

    __slots__ = ("_lasting", "_name", "_session")

    def __init__(self, session: Session, name: str, lasting: bool) -> None:
        self._session = session
        self._name = name
        self._lasting = lasting

    def __enter__(self) -> None:
        self._session.hold()
        try:
            self._session.begin(self._name, lasting=self._lasting)
        except BaseException:
            self._session.let_go()
            raise

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            if error is None:
                self._session.commit(self._name)
            else:
                self._session.abort(error)
        finally:
            self._session.let_go()


_left_connections: list[sqlite3.Connection] = []


def _watch_forks(session: Session) -> None:
    _open_sessions.add(session)
    if not _after_fork:
        _after_fork.append(_leave_all_to_parent)
        os.register_at_fork(after_in_child=_leave_all_to_parent)


def _leave_all_to_parent() -> None:
    for session in list(_open_sessions):
        session._leave_to_parent()
