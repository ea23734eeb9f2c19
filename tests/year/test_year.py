"""Whole years: programs that combine everything, and people who do anything to them.

``FLOWMETAL_EVERYTHING`` lives through many more, and longer ones. ``python -m tests.year.test_year SEED memory STEPS`` shows one.
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.year.year import Year

EVERYTHING = bool(os.environ.get("FLOWMETAL_EVERYTHING"))
SEEDS, STEPS = (200, 100) if EVERYTHING else (2, 20)


def check(seed: int, store: str) -> None:
    year = Year(seed, store)
    year.run(STEPS)
    again = f"python -m tests.year.test_year {seed} {store} {STEPS}"
    assert not year.found, f"{year.found[0]}\nsee it again: {again}"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_is_done_to_runs_in_a_year_nothing_is_lost_and_nothing_done_twice(
    seed: int,
) -> None:
    check(seed, "memory")


@pytest.mark.parametrize("seed", range(SEEDS // 2))
def test_the_same_holds_in_a_file(seed: int) -> None:
    check(1000 + seed, "sqlite")


if __name__ == "__main__":
    shown = Year(int(sys.argv[1]), sys.argv[2])
    try:
        shown.run(int(sys.argv[3]))
    finally:
        print("\n".join(shown.trace))  # noqa: T201
