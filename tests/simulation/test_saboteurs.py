"""Test the tests: whichever rule is broken, some seed among the first hundreds finds it."""

from __future__ import annotations

import pytest

from tests.simulation.saboteurs import ALL, CRASHED, at_work
from tests.simulation.simulation import Simulation

MOST = 300
"""Seeds that are tried for each saboteur."""
FROM = {"marked_late": 180}
"""Where the search begins if the first seed that notices comes late; it goes round."""


def is_noticed(name: str) -> bool:
    first = FROM.get(name, 1)
    with at_work(name):
        for seed in (*range(first, MOST + 1), *range(1, first)):
            problem = Simulation(seed).run().problem
            if problem and CRASHED not in problem:
                return True
    return False


@pytest.mark.parametrize("name", ALL)
def test_a_broken_rule_is_noticed_within_a_few_seeds(name: str) -> None:
    assert is_noticed(name), f"nobody noticed {name} in {MOST} seeds"
