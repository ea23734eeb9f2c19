"""What one durable commit costs without Flowmetal: the yardstick for ``store_commit.py``.

An autocommit connection of Python's ``sqlite3`` in WAL mode with
``synchronous=FULL`` does the least that a step needs: BEGIN IMMEDIATE, one
event row, one compare-and-swap on the run's row with a snapshot in it, COMMIT.

    python -m benchmarks.raw_commit [--commits 3000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

EVENT_BYTES = 200
SNAPSHOT_BYTES = 400


def open_raw(path: Path) -> sqlite3.Connection:
    """Make the two tables in a fresh file and return the connection."""
    connection = sqlite3.connect(path, isolation_level=None)
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    assert mode == "wal"
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE event (run TEXT, seq INTEGER, data BLOB, PRIMARY KEY (run, seq)) WITHOUT ROWID"
    )
    connection.execute(
        "CREATE TABLE run (id TEXT PRIMARY KEY, epoch INTEGER, seq INTEGER, snapshot BLOB)"
    )
    connection.execute("INSERT INTO run VALUES ('run-1', 1, 0, NULL)")
    return connection


def commit_raw(connection: sqlite3.Connection, seq: int, event: bytes, snapshot: bytes) -> None:
    """Make step ``seq`` of the run durable."""
    execute = connection.execute
    execute("BEGIN IMMEDIATE")
    execute("INSERT INTO event VALUES (?, ?, ?)", ("run-1", seq, event))
    changed = execute(
        "UPDATE run SET seq = ?, snapshot = ? WHERE id = ? AND epoch = ? AND seq = ?",
        (seq, snapshot, "run-1", 1, seq - 1),
    ).rowcount
    assert changed == 1
    execute("COMMIT")


def measure_raw(folder: Path, commits: int) -> list[float]:
    """Return the time of each commit in microseconds."""
    connection = open_raw(folder / "raw.db")
    event, snapshot = b"e" * EVENT_BYTES, b"s" * SNAPSHOT_BYTES
    times = []
    for seq in range(1, commits + 1):
        before = time.perf_counter_ns()
        commit_raw(connection, seq, event, snapshot)
        times.append((time.perf_counter_ns() - before) / 1000)
    connection.close()
    return times


def main() -> None:
    """Print the median and the 95th percentile."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commits", type=int, default=3000)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        times = measure_raw(Path(folder), options.commits)
    p95 = statistics.quantiles(times, n=20)[18]
    print(f"raw commit: median {statistics.median(times):.0f} us, p95 {p95:.0f} us")


if __name__ == "__main__":
    main()
