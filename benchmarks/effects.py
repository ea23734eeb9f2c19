"""Sequential in-process effects per second, against a raw SQLite FULL commit loop on the same disk.

A program performs quick functions of the host, one after the other; each costs one
durable commit that holds its request, its result and the snapshot. The
yardstick is ``raw_commit.py``. Disks are moody, so both are measured in turns, in
short rounds, and the ratio is the median over the rounds.

    python -m benchmarks.effects [--effects 300] [--rounds 15] [--folder DIR]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.raw_commit import measure_raw
from flowmetal.embed import Engine, compile, foreign

SOURCE = """
(ns effects)
(defforeign touch [i])
(defn main [n]
  (loop [i 0 sum 0]
    (if (< i n)
      (recur (inc i) (+ sum (touch i)))
      sum)))
"""


@foreign("effects/touch")
def touch(i: int) -> int:
    return i


def measure_effects(folder: Path, effects: int) -> list[float]:
    """Return the time between two performings, in microseconds."""
    moments: list[int] = []

    @foreign("effects/touch")
    def touched(i: int) -> int:
        moments.append(time.perf_counter_ns())
        return i

    with Engine(f"sqlite:{folder}/store.db", functions=[touched]) as engine:
        run, _ = engine.start(compile(SOURCE), [effects])
        assert engine.result(run) == effects * (effects - 1) // 2
    return [(b - a) / 1000 for a, b in itertools.pairwise(moments)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--effects", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder")
    options = parser.parse_args()
    raw, ours = [], []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            raw.append(statistics.median(measure_raw(Path(folder), options.effects)))
            ours.append(statistics.median(measure_effects(Path(folder), options.effects)))
    ratio = statistics.median(a / b for a, b in zip(raw, ours, strict=True))
    commit, effect = statistics.median(raw), statistics.median(ours)
    print(f"raw SQLite FULL commit    median {commit:7.0f} us   {1e6 / commit:7.0f} per second")
    print(f"in-process effect         median {effect:7.0f} us   {1e6 / effect:7.0f} per second")
    print(f"effects per raw commit    {ratio:.2f}")


if __name__ == "__main__":
    main()
