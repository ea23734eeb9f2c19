"""Locks on files in the folder ``STORE-locks``: who writes now, and who is alive.

``.writer`` is the queue of those that want to write. SQLite's own lock would
keep them apart too, but it is asked again and again at growing intervals, so
that one of four busy writers got ten commits a second.

A file named as an interpreter is locked by it as long as its process lives.
The operating system frees the lock with the process, however it ends; a
stopped process keeps it. A missing file says nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import threading
import time
from pathlib import Path

from flowmetal.errors import StoreError
from flowmetal.ids import InterpreterId
from flowmetal.store.sqlite.errors import from_system

_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", re.ASCII)


def locks_folder(store: Path) -> Path:
    """Return the folder beside the store, made if it is not there, open to whoever the store is."""
    folder = store.with_name(store.name + "-locks")
    try:
        folder.mkdir(mode=0o700)
        _share_like(store, folder)
    except FileExistsError:
        return folder
    except OSError as error:
        raise from_system(error, store) from error
    return folder


class WriterLock:
    """The right to write the store, as a context. Threads of one store come one by one already."""

    def __init__(self, folder: Path, store: Path, timeout_s: float) -> None:
        self._path = folder / ".writer"
        self._store = store
        self._timeout_s = timeout_s
        self._own = _open_lock(self._path, store)
        self._queued: int | None = None  # stands in line, or has the right

    def __enter__(self) -> None:
        self.lock()

    def __exit__(self, *_: object) -> None:
        self.unlock()

    def lock(self) -> None:
        """Wait for the right. Raises StoreError FM1009 when that takes too long."""
        try:
            fcntl.flock(self._own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._queued = _open_lock(self._path, self._store)
            try:
                self._queue(self._queued)
            except BaseException:
                self._queued = None
                raise

    def unlock(self) -> None:
        queued, self._queued = self._queued, None
        if queued is None:
            fcntl.flock(self._own, fcntl.LOCK_UN)
        else:
            _give_back(queued)

    def close(self) -> None:
        """Close what this process has of it, as the child of a fork too: then the right ends with the parent."""
        os.close(self._own)
        if self._queued is not None:
            os.close(self._queued)

    def _queue(self, descriptor: int) -> None:
        """Wait in line, on a descriptor of its own, which is closed if that comes to nothing.

        A thread does the waiting because a lock cannot be waited for with a
        time-out. One that comes too late gives the lock back at once.
        """
        decided = threading.Lock()
        locked = threading.Event()
        abandoned = False

        def wait() -> None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with decided:
                if abandoned:
                    _give_back(descriptor)
                else:
                    locked.set()

        threading.Thread(target=wait, name="flowmetal-writer-queue", daemon=True).start()
        try:
            locked.wait(self._timeout_s)
        except BaseException:  # Ctrl-C: nobody will give back what may have come just now
            with decided:
                abandoned = True
                if locked.is_set():
                    _give_back(descriptor)
            raise
        with decided:
            abandoned = not locked.is_set()
        if abandoned:
            raise StoreError(
                "FM1009",
                f"{self._store} is being written by another process for over {self._timeout_s:g} s",
                hint=f"see who has it with `fuser {self._path}`; it may be stopped (Ctrl-Z)",
            )


class InterpreterLocks:
    """The locks of the interpreters in this process, and a look at those of others."""

    def __init__(self, folder: Path, store: Path) -> None:
        self._folder = folder
        self._store = store
        self._held: dict[InterpreterId, int] = {}

    def has(self, interpreter: InterpreterId) -> bool:
        return interpreter in self._held

    def take(self, interpreter: InterpreterId) -> None:
        """Lock the interpreter's file for as long as this process lives. Raises StoreError FM1019."""
        if _ID.fullmatch(interpreter) is None:
            raise StoreError(
                "FM1019",
                f"`{interpreter}` cannot be the id of an interpreter",
                hint="use 1 to 100 letters, digits, `.`, `_` and `-`, not a dot at the beginning",
            )
        path = self._folder / interpreter
        for _ in range(50):
            descriptor = _open_lock(path, self._store)
            if _try_lock(descriptor, fcntl.LOCK_EX) and _is_at(descriptor, path):
                self._held[interpreter] = descriptor
                return
            os.close(descriptor)
            time.sleep(0.005)  # somebody is having a look, or sweeps the old file away
        raise StoreError(
            "FM1019",
            f"another process is the interpreter `{interpreter}`",
            hint="give each interpreter an id of its own",
        )

    def is_free(self, interpreter: InterpreterId) -> bool:
        """Say whether the interpreter's process is certainly gone."""
        try:
            descriptor = os.open(self._folder / interpreter, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return _try_lock(descriptor, fcntl.LOCK_SH)  # shared: two may look at once
        finally:
            os.close(descriptor)

    def names(self) -> list[InterpreterId]:
        """Return the interpreters that have a file."""
        return [InterpreterId(name) for name in os.listdir(self._folder) if _ID.fullmatch(name)]

    def sweep(self, interpreter: InterpreterId) -> None:
        """Remove the file of an interpreter that is gone, but none that somebody has just made."""
        path = self._folder / interpreter
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return
        try:
            if _try_lock(descriptor, fcntl.LOCK_EX) and _is_at(descriptor, path):
                path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def let_go(self, interpreter: InterpreterId) -> None:
        descriptor = self._held.pop(interpreter, None)
        if descriptor is not None:
            os.close(descriptor)

    def drop(self, *, remove: bool) -> None:
        """Give all locks of this process back; ``remove`` their files too."""
        for interpreter, descriptor in self._held.items():
            if remove:
                (self._folder / interpreter).unlink(missing_ok=True)
            os.close(descriptor)
        self._held.clear()


def _open_lock(path: Path, store: Path) -> int:
    try:
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
                _share_like(store, path)
        return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise from_system(error, store) from error


def _give_back(descriptor: int) -> None:
    """Unlock a file and close it. Closed alone, it stays locked as long as a child has a copy that was forked meanwhile."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _share_like(store: Path, made: Path) -> None:
    """Give a file or folder the owner and the openness of the store, as SQLite does with its own."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        like = store.stat()
        mode = like.st_mode & 0o666
        made.chmod(mode | (mode & 0o444) >> 2 if made.is_dir() else mode)
        if os.geteuid() == 0:
            os.chown(made, like.st_uid, like.st_gid)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Say whether the open file is still the one that has the name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
