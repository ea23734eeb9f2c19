"""From a signal to the next durable step of the run that waits for it: p50 and p99.

``within``: the signal is sent by a thread of the process that drives the run, ``across``: by
another process. The run waits as a row and nothing else; the clock runs from before the
signal is sent until the step that answers it is read back from the store.

    python -m benchmarks.latency [--signals 200] [--stores ...]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import threading
import time

from benchmarks.servers import add_options, stores
from flowmetal.embed import Engine, compile
from flowmetal.ids import RunId
from flowmetal.runtime.interpreting import Interpreter

SOURCE = """
(ns latency (:require [flow.event :refer [receive!]]))
(defn main [n]
  (loop [i 0]
    (if (< i n)
      (do (receive! :go) (recur (inc i)))
      i)))
"""
INTERPRETER = """
import sys
from flowmetal.embed import Engine
with Engine(sys.argv[1]) as engine:
    engine.interpret()
"""


def measure(sender: Engine, run: RunId, signals: int) -> list[float]:
    """Return for each signal how long it took, in milliseconds."""
    store, times = sender.store, []
    for number in range(signals):
        seq = _parked(sender, run)
        before = time.perf_counter_ns()
        sender.signal(run, "go", number)
        while not store.events(run, seq, 1):
            store.wait_for_change(1)
        times.append((time.perf_counter_ns() - before) / 1e6)
    return times


def _parked(engine: Engine, run: RunId) -> int:
    """Wait until the run sleeps, and return the number of its last event."""
    while True:
        row = engine.store.run(run)
        assert row is not None
        if row.owner is None and row.state.value in ("waiting", "completed"):
            return row.seq
        engine.store.wait_for_change(1)


def within(url: str, signals: int) -> list[float]:
    with Engine(url) as engine:
        run = RunId(engine.start(compile(SOURCE), [signals])[0])
        ready: list[tuple[asyncio.AbstractEventLoop, Interpreter]] = []
        begun = threading.Event()

        async def drive() -> None:
            interpreter = Interpreter(engine.host)
            ready.append((asyncio.get_running_loop(), interpreter))
            begun.set()
            await interpreter.run()

        driver = threading.Thread(target=lambda: asyncio.run(drive()))
        driver.start()
        begun.wait()
        times = measure(engine, run, signals)
        loop, interpreter = ready[0]
        loop.call_soon_threadsafe(interpreter.stop)
        driver.join()
    return times


def across(url: str, signals: int) -> list[float]:
    with Engine(url) as engine:
        run = RunId(engine.start(compile(SOURCE), [signals])[0])
        other = subprocess.Popen([sys.executable, "-c", INTERPRETER, url])
        try:
            return measure(engine, run, signals)
        finally:
            other.terminate()
            other.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--signals", type=int, default=200)
    add_options(parser)
    options = parser.parse_args()
    with stores(options) as found:
        for name, places in found:
            for label, way in (("within one process", within), ("across processes", across)):
                times = way(places.new(), options.signals)
                p99 = statistics.quantiles(times, n=100)[98]
                print(
                    f"{name:<11} {label:<19} p50 {statistics.median(times):6.1f} ms   p99 {p99:6.1f} ms"
                )


if __name__ == "__main__":
    main()
