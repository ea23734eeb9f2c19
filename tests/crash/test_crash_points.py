"""Die before, within and after every store write; resume; the outcome is the same.

Each landing dies at half of all points and at some pairs, a sample that is the same every time.
FLOWMETAL_EVERYTHING=1 (``make torture``) dies once at every point, and at 60,000 pairs.
"""

from __future__ import annotations

import os
import random
from functools import cache

import pytest

from flowmetal.effects import events
from tests.crash.corpus import CASES, Case
from tests.crash.harness import Trial

EVERYTHING = bool(os.environ.get("FLOWMETAL_EVERYTHING"))
SHARE, PAIRS, ROUNDS = (1, 10_000, 15) if EVERYTHING else (2, 8, 1)


@cache
def reference(case: Case) -> Trial:
    return Trial(case).live()


def points(case: Case) -> range:
    return range(1, len(reference(case).points) + 1)


def sample(case: Case, size: int) -> list[int]:
    """Return so many points of a program's life, the same every time; all if there are no more."""
    every = points(case)
    return sorted(random.Random(case.name).sample(every, min(size, len(every))))


def check(trial: Trial) -> None:
    case, whole = trial.case, reference(trial.case)
    place = f"{case.name}: died at {trial.deaths} of {len(whole.points)}"
    if case.in_doubt:
        assert in_doubt_of(trial) <= len(trial.deaths), place
    else:
        assert trial.outcome == whole.outcome, place
    if case.fibers:
        keys = {(p.kind, p.args): p.key for p in reversed(trial.performed)}
        again = [p for p in trial.performed if p.key != keys[p.kind, p.args]]
        assert not again, f"{place}: an effect was performed under another key"
    elif not case.verifies:
        assert {(p.kind, p.key, p.args) for p in trial.performed} <= {
            (p.kind, p.key, p.args) for p in whole.performed
        }, f"{place}: an effect was performed under another key or with other arguments"
    history = trial.history()
    for kinds in ((events.REQUESTED,), (events.RESOLVED, events.EFFECT_FAILED)):
        numbers = [effect for kind, _, effect in history if kind in kinds]
        assert len(numbers) == len(set(numbers)), f"{place}: a fact is in the history twice"
    if not (case.in_doubt or case.attempts_vary or case.verifies or case.fibers):
        assert without_crashes(history) == without_crashes(whole.history()), place
    if case.in_doubt or case.verifies:
        keys = [p.key for p in trial.performed if not case.verifies or p.kind == "http/request"]
        assert len(keys) == len(set(keys)), f"{place}: an at-most-once effect was performed twice"


def in_doubt_of(trial: Trial) -> int:
    return trial.outcome.count("in-doubt")


def without_crashes(history: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """What a crash may change in a history: that it happened, how output was cut, who tried how often."""
    may_differ = (events.RECOVERED, events.OUTPUT, events.RETRIED)
    return [fact for fact in history if fact[0] not in may_differ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_program_ends_as_it_should(case: Case) -> None:
    whole = reference(case)
    assert whole.outcome.startswith("completed"), whole.outcome
    assert 10 <= len([1 for kind, _, _ in whole.history() if kind == events.REQUESTED]) <= 80


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_death_at_any_store_write_changes_nothing(case: Case) -> None:
    for nth in sample(case, len(points(case)) // SHARE):
        check(Trial(case, [nth]).live())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_death_during_recovery_changes_nothing(case: Case) -> None:
    rng = random.Random(case.name + "pairs")
    for nth in [*sample(case, PAIRS)] * ROUNDS:
        check(Trial(case, [nth, rng.randrange(1, 12)]).live())
        check(Trial(case, [nth, 1, 2, 3, rng.randrange(4, 9)]).live())
