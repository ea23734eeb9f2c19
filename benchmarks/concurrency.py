"""Effects per second of 1, 10 and 100 programs at a time in one interpreter.

Each program performs quick functions of the host one after the other, and each effect is
one durable step. Programs that commit at the same moment share a transaction, so
that many of them get far more done than one. Beside it: the raw commits per second of the
same store, one after the other.

    python -m benchmarks.concurrency [--effects 2000] [--programs 1,10,100] [--stores ...]
"""

from __future__ import annotations

import argparse
import time

from benchmarks.servers import add_options, stores
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


def measure(url: str, programs: int, effects: int) -> float:
    """Return effects per second: so many programs share so many effects."""
    each = max(1, effects // programs)
    with Engine(url, functions=[touch]) as engine:
        program = compile(SOURCE)
        runs = [engine.start(program, [each])[0] for _ in range(programs)]
        before = time.perf_counter()
        engine.interpret(until_idle=True, concurrency=programs)
        took = time.perf_counter() - before
        assert all(engine.result(run) == each * (each - 1) // 2 for run in runs)
    return programs * each / took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--effects", type=int, default=2000)
    parser.add_argument("--programs", default="1,10,100")
    add_options(parser)
    options = parser.parse_args()
    with stores(options) as found:
        for name, places in found:
            raw = 1e6 / places.raw_commit_us(min(500, options.effects))
            print(f"{name}: {raw:.0f} raw commits per second")
            single = 0.0
            for programs in map(int, options.programs.split(",")):
                rate = measure(places.new(), programs, options.effects)
                single = single or rate
                print(
                    f"  {programs:>4} programs   {rate:7.0f} effects per second"
                    f"   {rate / single:5.1f} times one"
                )


if __name__ == "__main__":
    main()
