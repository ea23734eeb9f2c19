"""A store that fails once, before a write or after it, changes nothing for a run that is driven here."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from flowmetal.errors import StoreError
from flowmetal.ids import InterpreterId
from tests.crash.corpus import CASES, Case
from tests.crash.harness import Trial

MOST = 12


@dataclass
class FailAt:
    """A hook that raises an error of the store, at point number ``nth``."""

    nth: int
    points: list[str] = field(default_factory=list)

    def __call__(self, point: str) -> None:
        self.points.append(point)
        if len(self.points) == self.nth:
            raise StoreError("FM1008", f"{point}: the disk failed")


def driven(case: Case, nth: int) -> tuple[Trial, list[str]]:
    trial, hook = Trial(case), FailAt(nth)
    trial.store.hooks = hook
    trial._drive(InterpreterId("i1"))
    return trial, hook.points


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_store_that_fails_once_at_any_write_changes_nothing(case: Case) -> None:
    whole, points = driven(case, 0)
    first = points.index("after claim") + 1  # what fails before is told at once to whoever asks
    driving = range(first + 1, len(points) + 1)
    for nth in random.Random(case.name).sample(driving, min(MOST, len(driving))):
        trial, _ = driven(case, nth)
        if case.in_doubt:
            assert trial.outcome.count("in-doubt") <= 1, nth
        else:
            assert trial.outcome == whole.outcome, f"{points[nth - 1]}, point {nth}"
