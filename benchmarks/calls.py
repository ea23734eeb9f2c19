"""What it costs to have effects performed by another process: effects per second, at hand and apart.

The same coroutine function is performed in the interpreter that drives the programs, and then by a process that
drives none (``fmvm serve --only connectors`` is one). Each effect is two durable steps in the first case; in
the second it is offered, claimed and answered as well.

    python -m benchmarks.calls [--effects 1000] [--programs 1,10,100] [--stores ...]
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import threading
import time

from benchmarks.servers import add_options, stores
from flowmetal.embed import Engine, compile, foreign
from flowmetal.runtime.interpreting import Interpreter

SOURCE = """
(ns calls)
(defforeign touch [i])
(defn main [n]
  (loop [i 0 sum 0]
    (if (< i n)
      (recur (inc i) (+ sum (touch i)))
      sum)))
"""


@foreign("calls/touch")
async def touch(i: int) -> int:
    return i


def measure(url: str, programs: int, effects: int, *, apart: bool) -> float:
    """Return effects per second: so many programs share so many effects."""
    each = max(1, effects // programs)
    with Engine(url, functions=[] if apart else [touch]) as engine:
        program = compile(SOURCE)
        performer = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.calls", "--perform", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert performer.stdout is not None
        performer.stdout.readline()
        runs = [engine.start(program, [each])[0] for _ in range(programs)]
        interpreter = Interpreter(engine.host, programs)
        driving = threading.Thread(target=lambda: asyncio.run(interpreter.run()))
        before = time.perf_counter()
        driving.start()
        while any(engine.view(run).ended_us is None for run in runs[-1:] + runs):
            time.sleep(0.02)
        took = time.perf_counter() - before
        interpreter.stop_soon()
        driving.join()
        performer.communicate()
        assert all(engine.result(run) == each * (each - 1) // 2 for run in runs)
    return programs * each / took


def perform(url: str) -> None:
    """Be the process that performs, until standard input ends."""
    with Engine(url, functions=[touch]) as engine:
        interpreter = Interpreter(engine.host, drives=False)
        performing = threading.Thread(target=lambda: asyncio.run(interpreter.run()))
        performing.start()
        time.sleep(0.5)
        print("ready", flush=True)
        sys.stdin.read()
        interpreter.stop_soon()
        performing.join()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--effects", type=int, default=1000)
    parser.add_argument("--programs", default="1,10,100")
    parser.add_argument("--perform", help=argparse.SUPPRESS)
    add_options(parser)
    options = parser.parse_args()
    if options.perform:
        return perform(options.perform)
    with stores(options) as found:
        for name, places in found:
            for programs in map(int, options.programs.split(",")):
                here = measure(places.new(), programs, options.effects, apart=False)
                apart = measure(places.new(), programs, options.effects, apart=True)
                print(
                    f"{name}: {programs:>4} programs   {here:6.0f} effects per second at hand"
                    f"   {apart:6.0f} by another process   ({here / apart:.1f} times)"
                )
    return None


if __name__ == "__main__":
    main()
