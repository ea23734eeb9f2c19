"""What a step costs in the SQLite store, and how that compares with the raw thing.

The two are measured in turns, commit by commit, so that a busy machine slows
both: the ratio of the medians is what counts.

    python -m benchmarks.store_commit [--commits 3000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.raw_commit import EVENT_BYTES, SNAPSHOT_BYTES, commit_raw, open_raw
from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store import open_store
from flowmetal.store.protocol import Claim, Commit, NewEvent, NewRun, RunState

_EVENT = NewEvent("effect/requested", "http/request", 1, b"e" * EVENT_BYTES)
_SNAPSHOT = b"s" * SNAPSHOT_BYTES


def raw_step(folder: Path) -> Callable[[], None]:
    """Return a function that makes one raw commit."""
    connection = open_raw(folder / "raw.db")
    seq = 0

    def step() -> None:
        nonlocal seq
        seq += 1
        commit_raw(connection, seq, _EVENT.data, _SNAPSHOT)

    return step


def store_step(folder: Path, events: int) -> Callable[[], None]:
    """Return a function that makes one commit with so many events in a store."""
    store = open_store(f"sqlite:{folder / f'store-{events}.db'}")
    store.create_run(NewRun(RunId("run-1"), ProgramHash("0" * 64), b"", b""))
    claim = store.claim(RunId("run-1"), InterpreterId("benchmark"), 3_600_000_000)
    assert isinstance(claim, Claim)

    def step() -> None:
        nonlocal claim
        assert isinstance(claim, Claim)
        commit = Commit([_EVENT] * events, RunState.RUNNING, _SNAPSHOT, progress=b"p" * 60)
        claim = store.commit(claim, commit)

    return step


def measure(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Run the steps in turns and return the microseconds of each."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            before = time.perf_counter_ns()
            step()
            times[name].append((time.perf_counter_ns() - before) / 1000)
    return times


def main() -> None:
    """Print medians, 95th percentiles and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commits", type=int, default=3000)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        steps = {"raw, 1 event": raw_step(folder)}
        steps |= {f"store, {n} event{'s' * (n > 1)}": store_step(folder, n) for n in (1, 2)}
        times = measure(steps, options.commits)
    raw = statistics.median(times["raw, 1 event"])
    for label, found in times.items():
        median, p95 = statistics.median(found), statistics.quantiles(found, n=20)[18]
        print(f"{label:16} median {median:4.0f} us  p95 {p95:4.0f} us  {median / raw:.2f} x raw")


if __name__ == "__main__":
    main()
