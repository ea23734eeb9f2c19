"""What SQLite and the operating system complain about, in the words of the store.

Whatever is not the world's fault (a constraint, a misuse) is ours, is not
translated, and comes out as it is.
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from flowmetal.errors import StoreError

_OPEN_IT = "make the file, the files beside it and the folder accessible to this user"
_MAKE_ROOM = "make room; the store goes on by itself"
_SEE_WHO = "see who has it with `fuser {path}`"

# fmt: off
# Result code, a primary or an extended one -> our code, the sentence, what to do. {path} and {detail} are filled in.
_SQLITE = {
    sqlite3.SQLITE_NOTADB:   ("FM1001", "{path} is not a database",                   "name another path, or restore a backup"),
    sqlite3.SQLITE_CORRUPT:  ("FM1001", "{path} is damaged ({detail})",               "restore the file and its -wal file"),
    sqlite3.SQLITE_READONLY: ("FM1006", "{path} cannot be written",                   "make the file and its folder writable"),
    sqlite3.SQLITE_FULL:     ("FM1007", "the disk is full: nothing was written to {path}", _MAKE_ROOM),
    sqlite3.SQLITE_IOERR:    ("FM1008", "the disk failed under {path} ({detail})",    "look at the disk and the system's log"),
    # SQLITE_IOERR_SHMSIZE: the index of the log cannot grow; its pages are written when it is made, so that no step finds
    # out later. Not FM1007: where that happens within a commit, the log may have the commit already.
    sqlite3.SQLITE_IOERR | 19 << 8: ("FM1008", "the disk is full: {path} cannot be used ({detail})", _MAKE_ROOM),
    sqlite3.SQLITE_BUSY:     ("FM1009", "{path} is locked by another process",        _SEE_WHO),
    sqlite3.SQLITE_LOCKED:   ("FM1009", "{path} is locked by another process",        _SEE_WHO),
    sqlite3.SQLITE_PROTOCOL: ("FM1009", "{path} is locked by another process",        _SEE_WHO),
    sqlite3.SQLITE_CANTOPEN: ("FM1005", "{path} cannot be opened ({detail})",         _OPEN_IT),
    sqlite3.SQLITE_PERM:     ("FM1005", "{path} may not be opened by this user",      _OPEN_IT),
    sqlite3.SQLITE_AUTH:     ("FM1005", "{path} may not be opened by this user",      _OPEN_IT),
    sqlite3.SQLITE_TOOBIG:   ("FM1021", "a part of the run is too big for {path}",    "keep big values outside of the run"),
}

_OF_ANOTHER_TYPE = frozenset((
    sqlite3.SQLITE_CONSTRAINT | 5 << 8,   # SQLITE_CONSTRAINT_NOTNULL
    sqlite3.SQLITE_CONSTRAINT | 12 << 8,  # SQLITE_CONSTRAINT_DATATYPE
))
"""We write no such thing: a row that is written again had it."""

_SYSTEM = {
    errno.EACCES: ("FM1005", "{path} may not be used by this user",   _OPEN_IT),
    errno.EPERM:  ("FM1005", "{path} may not be used by this user",   _OPEN_IT),
    errno.EROFS:  ("FM1006", "{path} is on a read-only file system",  "name a path that can be written"),
    errno.ENOSPC: ("FM1007", "the disk is full: nothing was written to {path}", _MAKE_ROOM),
    errno.EDQUOT: ("FM1007", "the disk quota is used up: nothing was written to {path}", _MAKE_ROOM),
    errno.ENOENT: ("FM1003", "the folder of {path} does not exist",   "make it: mkdir -p {folder}"),
    errno.ENOTDIR: ("FM1003", "the folder of {path} is not a folder", "name a path inside a folder"),
}
# fmt: on


def from_sqlite(error: sqlite3.Error, path: Path) -> Exception:
    """Return the StoreError for what SQLite raised, or the error itself if it is ours."""
    code = getattr(error, "sqlite_errorcode", 0)
    found = _SQLITE.get(code) or _SQLITE.get(code & 0xFF)
    if str(error) == "unsupported file format":
        return _said(_SQLITE[sqlite3.SQLITE_CORRUPT], path, str(error))
    if code == sqlite3.SQLITE_ERROR and "transact" not in str(error):
        # Our statements are fixed, and fit the tables that we make.
        return _said(_SQLITE[sqlite3.SQLITE_CORRUPT], path, f"its schema is another one: {error}")
    if code in _OF_ANOTHER_TYPE:
        return _said(_SQLITE[sqlite3.SQLITE_CORRUPT], path, str(error))
    if found is None and str(error).startswith("Could not decode to UTF-8"):
        return _said(_SQLITE[sqlite3.SQLITE_CORRUPT], path, "a text is no UTF-8")
    if found is None:
        return error
    detail = getattr(error, "sqlite_errorname", "").removeprefix("SQLITE_").lower() or str(error)
    return _said(found, path, detail)


def damaged(path: Path) -> StoreError:
    """Return the StoreError for a file in which something is that cannot be a value."""
    return _said(_SQLITE[sqlite3.SQLITE_CORRUPT], path, "it holds what no store holds")


def from_system(error: OSError, path: Path) -> StoreError:
    """Return the StoreError for what the operating system said about a file of the store."""
    found = _SYSTEM.get(error.errno or 0)
    return _said(found or _SQLITE[sqlite3.SQLITE_IOERR], path, error.strerror or str(error))


def _said(row: tuple[str, str, str], path: Path, detail: str) -> StoreError:
    code, sentence, remedy = row
    return StoreError(
        code,
        sentence.format(path=path, detail=detail),
        hint=remedy.format(path=path, folder=path.parent),
    )
