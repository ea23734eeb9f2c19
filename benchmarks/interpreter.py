"""How fast the machine computes, against the same thing written by hand in Python.

fib(24) is calls; the loop of a million is jumps and arithmetic. Relative to
CPython, because that is what the machine is written in; lower is better.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import flowmetal

REPEATS = 5

SOURCE = """
(ns bench)

(defn fib [n]
  (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))

(defn fib-24 [] (fib 24))

(defn loop-million []
  (loop [i 0, sum 0]
    (if (< i 1000000)
      (recur (inc i) (+ sum i))
      sum)))
"""


def fib(n: int) -> int:
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def fib_24() -> int:
    return fib(24)


def loop_million() -> int:
    i = total = 0
    while i < 1_000_000:
        total += i
        i += 1
    return total


def seconds(work: Callable[[], object]) -> float:
    """Return the median time of ``work``."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    program = flowmetal.compile(SOURCE)
    for name, python in (("fib-24", fib_24), ("loop-million", loop_million)):

        def ours(name: str = name) -> object:
            return flowmetal.Machine(program, entry=name).run().result

        assert ours() == python(), name
        here, there = seconds(ours), seconds(python)
        print(
            f"{name:<14}{here * 1000:8.1f} ms   CPython {there * 1000:7.1f} ms   {here / there:5.1f} times"
        )


if __name__ == "__main__":
    main()
