"""Effects per second of 1, 10 and 100 programs at a time, in one interpreter and in several.

Each program performs quick functions of the host one after the other, and each effect is
one durable step. Programs that commit at the same moment share a transaction, so
that many of them get far more done than one. Beside it: the raw commits per second of the
same store, one after the other. An interpreter uses one processor; the last row shows
the most programs shared by ``--interpreters`` processes.

    python -m benchmarks.concurrency [--effects 6000] [--programs 1,10,100] [--interpreters 2] [--stores ...]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
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


def measure(url: str, programs: int, effects: int, interpreters: int = 1) -> float:
    """Return effects per second: so many programs share so many effects."""
    each = max(1, effects // programs)
    with Engine(url, functions=[touch]) as engine:
        program = compile(SOURCE)
        runs = [engine.start(program, [each])[0] for _ in range(programs)]
        if interpreters == 1:
            before = time.perf_counter()
            engine.interpret(until_idle=True, concurrency=programs)
            took = time.perf_counter() - before
        else:
            took = drive_together(url, interpreters, -(-programs // interpreters))
        assert all(engine.result(run) == each * (each - 1) // 2 for run in runs)
    return programs * each / took


def drive_together(url: str, interpreters: int, concurrency: int) -> float:
    """Return the seconds that interpreters take, each a process of its own that was ready before."""
    command = [sys.executable, "-m", "benchmarks.concurrency", "--drive", url]
    command += ["--programs", str(concurrency)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(interpreters)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    before = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    for process in processes:
        assert process.wait() == 0
    return time.perf_counter() - before


def drive(url: str, concurrency: int) -> None:
    """Be one of several interpreters: begin when standard input ends."""
    with Engine(url, functions=[touch]) as engine:
        print("ready", flush=True)
        sys.stdin.read()
        engine.interpret(until_idle=True, concurrency=concurrency)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--effects", type=int, default=6000)
    parser.add_argument("--programs", default="1,10,100")
    parser.add_argument("--interpreters", type=int, default=2)
    parser.add_argument("--drive", help=argparse.SUPPRESS)
    add_options(parser)
    options = parser.parse_args()
    if options.drive:
        return drive(options.drive, int(options.programs))
    counts = [(programs, 1) for programs in map(int, options.programs.split(","))]
    if options.interpreters > 1:
        counts.append((counts[-1][0], options.interpreters))
    with stores(options) as found:
        for name, places in found:
            raw = 1e6 / places.raw_commit_us(min(500, options.effects))
            print(f"{name}: {raw:.0f} raw commits per second")
            single = 0.0
            for programs, interpreters in counts:
                rate = measure(places.new(), programs, options.effects, interpreters)
                single = single or rate
                where = f"   {interpreters} interpreters" if interpreters > 1 else ""
                print(
                    f"  {programs:>4} programs   {rate:7.0f} effects per second"
                    f"   {rate / single:5.1f} times one{where}"
                )
    return None


if __name__ == "__main__":
    main()
