"""Test the tests: whichever rule is broken, some seed among the first hundreds finds it."""

from __future__ import annotations

import pytest

from tests.simulation.saboteurs import ALL, at_work
from tests.simulation.simulation import Simulation

MOST = 300
"""Seeds that are tried for each saboteur."""


def seeds_needed(name: str, most: int = MOST) -> tuple[int, str]:
    """Return how many seeds it takes to notice a saboteur, and what is noticed; 0: it is not."""
    with at_work(name):
        for seed in range(1, most + 1):
            problem = Simulation(seed).run().problem
            if problem:
                return seed, problem
    return 0, ""


@pytest.mark.parametrize("name", ALL)
def test_a_broken_rule_is_noticed_within_a_few_seeds(name: str) -> None:
    needed, _ = seeds_needed(name)
    assert needed, f"nobody noticed {name} in {MOST} seeds"
