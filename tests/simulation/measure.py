"""``python -m tests.simulation.measure``: how many of the seeds notice each saboteur, and by what."""

from __future__ import annotations

import sys

from tests.simulation.saboteurs import ALL, at_work, notice


def main(count: int) -> None:
    for name in ALL:
        first, caught, problems = 0, 0, set()
        with at_work(name):
            for seed in range(1, count + 1):
                if problem := notice(seed):
                    first, caught = first or seed, caught + 1
                    problems.add(problem)
        shown = min(problems, key=len, default="")
        sys.stdout.write(f"{name:24} {caught:4} of {count}, first {first:3}: {shown[:120]}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 100)
