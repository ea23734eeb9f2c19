"""How long an interpreter takes to go on with a run, by how much is behind it.

A run performs so many effects and waits. Another interpreter takes it: claim,
load, decode, ready to compute. What that costs follows the live state and not
the length of the history, so the two medians should be alike.

    python -m benchmarks.recovery [--effects 100000] [--rounds 15] [--stores sqlite,postgresql]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

from benchmarks.servers import add_options, stores
from flowmetal.embed import Engine, compile, foreign
from flowmetal.ids import InterpreterId, RunId
from flowmetal.runtime.loading import open_run
from flowmetal.store.protocol import Claim

SOURCE = """
(ns recovery (:require [flow.event :refer [receive!]]))
(defforeign touch [i])
(defn main [n]
  (loop [i 0 sum 0]
    (if (< i n)
      (recur (inc i) (+ sum (touch i)))
      [sum (receive! :go)])))
"""
FEW = 10


@foreign("recovery/touch")
def touch(i: int) -> int:
    return i


def measure_recovery(url: str, runs: Sequence[RunId], rounds: int) -> list[float]:
    """Return the median time of taking up each of the runs, in turns, in microseconds."""
    times: dict[RunId, list[float]] = {run: [] for run in runs}
    with Engine(url, functions=[touch]) as engine:
        host = engine.host
        host.image(engine.store.run(runs[0]).program)  # type: ignore[union-attr]
        for number in range(rounds):
            for run in runs:
                owner = InterpreterId(f"{engine.name}-{run}-{number}")
                before = time.perf_counter_ns()
                claim = host.store.claim(run, owner, host.lease_us)
                assert isinstance(claim, Claim)
                active = open_run(host, claim, host.clock.monotonic_us())
                times[run].append((time.perf_counter_ns() - before) / 1000)
                host.store.release(active.claim)
    return [statistics.median(times[run]) for run in runs]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--effects", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    add_options(parser)
    options = parser.parse_args()
    program = compile(SOURCE)
    with stores(options) as found:
        for name, places in found:
            url = places.new()
            with Engine(url, functions=[touch]) as engine:
                runs = [RunId(engine.start(program, [n])[0]) for n in (FEW, options.effects)]
                engine.interpret(until_idle=True)
            few, many = measure_recovery(url, runs, options.rounds)
            print(f"{name}: recovery after {FEW:>7} effects   median {few:7.0f} us")
            print(f"{name}: recovery after {options.effects:>7} effects   median {many:7.0f} us")
            print(f"{name}: ratio {many / few:.2f}")


if __name__ == "__main__":
    main()
