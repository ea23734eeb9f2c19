"""``fmvm doctor``: is everything in order here, and if not, what to do.

Each check is a function that returns findings and raises nothing; what it cannot
look at is a finding too. Nothing is changed but that a store is made if there is
none at the address, as any other verb would make it.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from flowmetal._version import __version__
from flowmetal.embed.config import store_url
from flowmetal.errors import FlowmetalError
from flowmetal.ids import shell_word
from flowmetal.store.protocol import RunQuery, RunState, Store

OLDEST_PYTHON = (3, 11)
WAL_RESET_FIXED = (3, 51, 3)
_CLOCK_SLACK_US = 5_000_000
LITTLE_ROOM_BYTES = 100_000_000
SCARCE_ROOM_BYTES = 2_000_000_000
_FEW_FILES = 100
_LARGE_LOG_BYTES = 1_000_000_000
"""SQLite writes its log back at 4 MB, if nobody reads what it has replaced."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found: ``level`` is fine, note or wrong."""

    level: str
    about: str
    message: str
    remedy: str = ""


def examine(url: str | None) -> list[Finding]:
    """Return what every check has found."""
    checks: tuple[Callable[[str], Iterator[Finding]], ...] = (
        _python,
        _packages,
        _sqlite,
        _store,
    )
    return [finding for check in checks for finding in check(store_url(url))]


def _python(url: str) -> Iterator[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        yield Finding("wrong", "python", f"Python {found} is too old", "use Python 3.11 or newer")
    else:
        yield Finding("fine", "python", f"Python {found}, flowmetal {__version__}")


def _packages(url: str) -> Iterator[Finding]:
    missing = []
    try:
        wanted = [line for line in requires("flowmetal") or () if "extra ==" not in line]
    except PackageNotFoundError:
        yield Finding("note", "packages", "flowmetal is not installed, it runs from a folder")
        return
    for line in wanted:
        name = line.split(";")[0].split("<")[0].split(">")[0].split("=")[0].split("!")[0].strip()
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding(
            "wrong", "packages", f"missing: {', '.join(missing)}", "pip install --upgrade flowmetal"
        )
    else:
        yield Finding("fine", "packages", f"all {len(wanted)} that are needed are here")


def _sqlite(url: str) -> Iterator[Finding]:
    if not url.startswith("sqlite:"):
        return
    found = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < WAL_RESET_FIXED:
        yield Finding(
            "note",
            "sqlite",
            f"SQLite {found}: before 3.51.3, several processes that write at once could, very rarely, "
            "damage a write-ahead log while it is reset",
            "Flowmetal's own processes take turns, so let no other program write to the file, and keep backups",
        )
    else:
        yield Finding("fine", "sqlite", f"SQLite {found}")


def _store(url: str) -> Iterator[Finding]:
    from flowmetal.store import open_store

    try:
        store = open_store(url)
    except FlowmetalError as error:
        yield _of_error("store", error)
        return
    try:
        yield Finding("fine", "store", f"{store.url} opens")
        yield from _permissions(store.url)
        yield from _disk(store.url)
        yield from _clock(store.now_us())
        yield from _future(store)
        yield from _untaken(store)
        yield from _postgresql(url)
        stuck = store.runs(RunQuery(states=(RunState.EXPORTING,), limit=1000))
        for row in stuck:
            if row.owner is None or store.driver(row.id) is None:
                yield Finding(
                    "wrong", "runs", f"run {row.id} was being exported when that stopped",
                    f"fmvm export {shell_word(row.id)} finishes it, fmvm export {shell_word(row.id)} --abandon gives it up",
                )  # fmt: skip
        failed = store.runs(RunQuery(states=(RunState.FAILED,), limit=1000))
        if failed:
            yield Finding(
                "note",
                "runs",
                f"{len(failed)} failed: nobody caught their errors",
                "fmvm ps --state failed",
            )
    except FlowmetalError as error:
        yield _of_error("store", error)
    finally:
        store.close()


def _postgresql(url: str) -> Iterator[Finding]:
    if not url.startswith(("postgresql:", "postgres:")):
        return
    from flowmetal.store.postgres.health import examine as examine_server

    for level, about, message, remedy in examine_server(url):
        yield Finding(level, about, message, remedy)


def _permissions(url: str) -> Iterator[Finding]:
    path = url.removeprefix("sqlite:")
    if path == url or not os.path.exists(path):
        return
    beside = [path + suffix for suffix in ("-wal", "-shm", "-locks")]
    places = [path, *filter(os.path.exists, beside)]
    open_ones = [place for place in places if os.stat(place).st_mode & 0o007]
    closed = [place for place in places if not os.access(place, os.R_OK | os.W_OK)]
    for place in open_ones:
        yield Finding(
            "wrong", "files", f"{place} is open to every user of this machine "
            f"(mode {os.stat(place).st_mode & 0o777:o})", f"chmod o-rwx {place}",
        )  # fmt: skip
    for place in closed:
        yield Finding(
            "wrong", "files", f"{place} cannot be read and written by this user",
            f"give it the owner and mode of {path}: all files of a store belong together",
        )  # fmt: skip
    if not open_ones and not closed:
        yield Finding("fine", "files", f"{path} has mode {os.stat(path).st_mode & 0o777:o}")


def _disk(url: str) -> Iterator[Finding]:
    """Look at the room for a SQLite store; a server's disk cannot be seen from here."""
    path = url.removeprefix("sqlite:")
    if path == url or not os.path.exists(path):
        return
    system = os.statvfs(path)
    free, inodes = system.f_bavail * system.f_frsize, system.f_favail
    if free < LITTLE_ROOM_BYTES or (system.f_files and inodes < _FEW_FILES):
        what = f"{_size(free)} and {inodes} files"
        yield Finding(
            "wrong", "disk", f"there is hardly any room left at {path}: {what}",
            "make room: no step can be written to a full disk (none is lost; runs go on when there is room)",
        )  # fmt: skip
    elif free < SCARCE_ROOM_BYTES:
        yield Finding(
            "note", "disk", f"{_size(free)} are left at {path}", "make room, or let go of old runs: fmvm gc"
        )  # fmt: skip
    else:
        yield Finding("fine", "disk", f"{_size(free)} are free")
    log = path + "-wal"
    if os.path.exists(log) and (size := os.stat(log).st_size) > _LARGE_LOG_BYTES:
        yield Finding(
            "note", "log", f"{log} has {_size(size)}: somebody reads the store without end, so that it cannot be reset",
            f"see who has it open: fuser {path}",
        )  # fmt: skip


def _future(store: Store) -> Iterator[Finding]:
    """Look whether time went back: timers that were set before wait too long."""
    newest = store.runs(RunQuery(limit=1))
    ahead = newest[0].created_us - store.now_us() if newest else 0
    if ahead > _CLOCK_SLACK_US:
        yield Finding(
            "wrong", "clock", f"run {newest[0].id} was made {ahead / 1e6:.0f} s from now: the clock was set back",
            "synchronise the clock (NTP); timers and timeouts of runs are late by that much until then",
        )  # fmt: skip


def _untaken(store: Store) -> Iterator[Finding]:
    """Look whether runs could go on and nobody drives any."""
    due_us = store.next_wake_us()
    if due_us is None or due_us > store.now_us() - _CLOCK_SLACK_US:
        return
    if not store.runs(RunQuery(states=(RunState.RUNNING,), limit=1)):
        yield Finding(
            "note", "runs", "there are runs that could go on, and nobody drives any",
            "start an interpreter: fmvm interpreter",
        )  # fmt: skip


def _size(size: int) -> str:
    for unit, bytes_ in (("GB", 10**9), ("MB", 10**6), ("kB", 1000)):
        if size >= bytes_:
            return f"{size // bytes_:,} {unit}"
    return f"{size} bytes"


def _clock(now_us: int) -> Iterator[Finding]:
    import time

    apart = abs(now_us - time.time_ns() // 1000)
    if apart > _CLOCK_SLACK_US:
        yield Finding(
            "wrong", "clock", f"the store's clock and this machine's are {apart / 1e6:.0f} s apart",
            "synchronise both clocks (NTP)",
        )  # fmt: skip
    else:
        yield Finding("fine", "clock", "the store's clock and this machine's agree")


def _of_error(about: str, error: FlowmetalError) -> Finding:
    remedy = error.diagnostics[0].help
    return Finding("wrong", about, f"{error.message} [{error.code}]", remedy[0] if remedy else "")
