"""Stores for benchmarks: a fresh SQLite file, or a schema on a PostgreSQL server.

    --stores sqlite,postgresql   which ones (default: both)
    --postgresql URL             a server of yours; else one is started for the time being
    --folder DIR                 where SQLite's files are

Not a benchmark itself.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.raw_commit import EVENT_BYTES, SNAPSHOT_BYTES, measure_raw


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which stores are measured."""
    parser.add_argument("--stores", default="sqlite,postgresql")
    parser.add_argument("--postgresql", default="")
    parser.add_argument("--folder", type=Path)


@contextlib.contextmanager
def stores(options: argparse.Namespace) -> Iterator[list[tuple[str, Places]]]:
    """The stores to measure, by name."""
    with contextlib.ExitStack() as stack:
        found: list[tuple[str, Places]] = []
        for name in options.stores.split(","):
            if name == "sqlite":
                folder = stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder))
                found.append((name, SqlitePlaces(Path(folder))))
            elif options.postgresql:
                found.append((name, PostgresPlaces(options.postgresql)))
            else:
                server = stack.enter_context(importlib.import_module("tests.postgres").running())
                found.append((name, PostgresPlaces(server.socket_url())))
        yield found


class Places:
    """Where new stores can be made."""

    def new(self) -> str:
        """Return the URL of a store that is not there yet."""
        raise NotImplementedError

    def raw_commit_us(self, commits: int) -> float:
        """Return the median time of the least commit that a step needs, in microseconds."""
        raise NotImplementedError


class SqlitePlaces(Places):
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def new(self) -> str:
        self._count += 1
        return f"sqlite:{self._folder}/{self._count}.db"

    def raw_commit_us(self, commits: int) -> float:
        self._count += 1
        folder = self._folder / f"raw{self._count}"
        folder.mkdir()
        return statistics.median(measure_raw(folder, commits))


class PostgresPlaces(Places):
    def __init__(self, url: str) -> None:
        self._url = url
        self._count = 0

    def new(self) -> str:
        self._count += 1
        mark = "&" if "?" in self._url else "?"
        return f"{self._url}{mark}schema=bench_{os.getpid()}_{self._count}"

    def raw_commit_us(self, commits: int) -> float:
        """One statement that inserts an event and updates a row, prepared, committed by itself."""
        psycopg = importlib.import_module("psycopg")
        with psycopg.connect(self._url, autocommit=True, prepare_threshold=1) as connection:
            execute = connection.execute
            execute("CREATE TEMP TABLE IF NOT EXISTS none (x int)")
            execute("DROP TABLE IF EXISTS raw_event; DROP TABLE IF EXISTS raw_run")
            execute(
                "CREATE TABLE raw_event (run text, seq int, data bytea, PRIMARY KEY (run, seq))"
            )
            execute(
                "CREATE TABLE raw_run (id text PRIMARY KEY, epoch int, seq int, snapshot bytea)"
            )
            execute("INSERT INTO raw_run VALUES ('run-1', 1, 0, NULL)")
            statement = (
                "WITH step AS (UPDATE raw_run SET seq = %s::int, snapshot = %b"
                " WHERE id = 'run-1' AND epoch = 1 AND seq = %s::int RETURNING seq)"
                " INSERT INTO raw_event SELECT 'run-1', seq, %b FROM step"
            )
            times = []
            for seq in range(1, commits + 1):
                before = time.perf_counter_ns()
                execute(statement, (seq, b"s" * SNAPSHOT_BYTES, seq - 1, b"e" * EVENT_BYTES))
                times.append((time.perf_counter_ns() - before) / 1000)
            execute("DROP TABLE raw_event; DROP TABLE raw_run")
        return statistics.median(times)
