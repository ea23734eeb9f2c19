"""Our SQLite store on files that remember every write and every sync.

The store's own code runs as it is: schema, statements, sessions. What is put in its place is what
``file.connect`` returns: a connection of ``apsw``, which can stand on a file system made in Python, dressed as one
of the standard library. So two things differ from what users have, and have to be said: the SQLite
is the newer one that apsw brings along, and it holds its file alone (``locking_mode=EXCLUSIVE``), because such a
file system has no shared memory. Which writes are made, and when they are synced, does not depend on either.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
import pytest

from flowmetal.store.sqlite import file

VFS: Final = "recorded"


class Act(NamedTuple):
    """What was done to a file: written, truncated (offset: to), synced, deleted."""

    what: str
    name: str
    offset: int = 0
    data: bytes = b""


@dataclass
class Recorder:
    """All acts in order. ``before`` is called first, and may raise what the disk says."""

    acts: list[Act] = field(default_factory=list)
    before: Callable[[Act], None] | None = None
    synchronous: str = "FULL"  # another one is a saboteur: the store is told that it is FULL
    checkpoint_pages: int = 1000

    def note(self, act: Act) -> None:
        if self.before is not None:
            self.before(act)
        self.acts.append(act)

    @contextmanager
    def at_work(self) -> Iterator[Recorder]:
        """Let stores that are opened meanwhile be recorded."""
        files = _Files(self)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(file, "connect", lambda path, timeout_s: _Connection(path, self))
            try:
                yield self
            finally:
                files.unregister()


class _Files(apsw.VFS):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__(VFS, "")
        self._recorder = recorder

    def xOpen(self, name: Any, flags: Any) -> Any:
        return _File(self._recorder, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self._recorder.note(Act("delete", Path(filename).name))
        super().xDelete(filename, syncdir)


class _File(apsw.VFSFile):
    def __init__(self, recorder: Recorder, name: Any, flags: Any) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._recorder = recorder
        self._name = Path(path).name
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._recorder.note(Act("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._recorder.note(Act("truncate", self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._recorder.note(Act("sync", self._name))
        super().xSync(flags)


class _Rows:
    """What a statement gave."""

    def __init__(self, rows: list[tuple[Any, ...]], count: int, lastrowid: int = 0) -> None:
        self._rows = rows
        self.lastrowid = lastrowid
        self._next = 0
        self.rowcount = count

    def fetchone(self) -> tuple[Any, ...] | None:
        self._next += 1
        return self._rows[self._next - 1] if self._next <= len(self._rows) else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows[self._next :]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows[self._next :])


class _Connection:
    """A connection of apsw, as the store uses one of the standard library."""

    def __init__(self, path: Path, recorder: Recorder) -> None:
        self._recorder = recorder
        with _as_sqlite3():
            self._real = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=VFS)
            self._real.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._real.execute(f"PRAGMA wal_autocheckpoint={recorder.checkpoint_pages}")

    @property
    def in_transaction(self) -> bool:
        return bool(self._real.in_transaction)

    def execute(self, sql: str, parameters: Any = ()) -> _Rows:
        other = self._recorder.synchronous
        if other != "FULL" and sql == "PRAGMA synchronous":
            return _Rows([(2,)], -1)
        if other != "FULL" and sql == "PRAGMA synchronous=FULL":
            sql = f"PRAGMA synchronous={other}"
        with _as_sqlite3():
            before = self._real.total_changes()
            rows = self._real.execute(sql, parameters).fetchall()
            changed = self._real.total_changes() - before
            return _Rows(rows, changed, self._real.last_insert_rowid())

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> _Rows:
        with _as_sqlite3():
            self._real.executemany(sql, [tuple(each) for each in parameters])
        return _Rows([], -1)

    def executescript(self, sql: str) -> _Rows:
        return self.execute(sql)

    def close(self) -> None:
        with suppress(apsw.Error):  # SQLite itself says nothing of what fails while it closes
            self._real.close()


@contextmanager
def _as_sqlite3() -> Iterator[None]:
    """Raise what the standard library would."""
    try:
        yield
    except apsw.Error as problem:
        error = sqlite3.OperationalError(str(problem))
        extended = getattr(problem, "extendedresult", 0) or getattr(problem, "result", 1)
        error.sqlite_errorcode = extended
        error.sqlite_errorname = str(
            apsw.mapping_extended_result_codes.get(extended)
            or apsw.mapping_result_codes.get(extended & 0xFF, "")
        )
        raise error from problem
