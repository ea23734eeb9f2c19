"""``python -m tests.simulation [--seed N] [--count N] [--store sqlite] [--trace]``: simulate seeds, one after the other."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.simulation import Simulation


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--store", choices=("memory", "sqlite"), default="memory")
    parser.add_argument("--trace", action="store_true")
    given = parser.parse_args()
    began, failed, commits, steps = time.process_time(), 0, 0, 0
    for seed in range(given.seed, given.seed + given.count):
        result = Simulation(seed, store=given.store).run()
        commits, steps = commits + result.commits, steps + result.steps
        if given.trace:
            say("\n".join(result.trace))
        if result.problem:
            failed += 1
            say(f"seed {seed}: {result.problem}")
    spent = time.process_time() - began
    say(
        f"{given.count} seeds, {failed} failed, {commits} commits, {steps} steps, {spent:.1f} s of CPU"
    )
    return int(failed > 0)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


sys.exit(main())
