"""Test the tests: whichever rule is broken, some seed among the first hundreds finds it."""

from __future__ import annotations

import pytest

from tests.simulation.saboteurs import ALL, at_work, notice

MOST = 300
"""Seeds that are tried for each saboteur."""
FROM = {"marked_late": 180}
"""Where the search begins if the first seed that notices comes late; it goes round."""


def is_noticed(name: str) -> bool:
    first = FROM.get(name, 1)
    with at_work(name):
        return any(map(notice, (*range(first, MOST + 1), *range(1, first))))


@pytest.mark.parametrize("name", ALL)
def test_a_broken_rule_is_noticed_within_a_few_seeds(name: str) -> None:
    assert is_noticed(name), f"nobody noticed {name} in {MOST} seeds"
