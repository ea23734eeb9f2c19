"""Random programs of fibers, retries, sagas, locks and channels: each is its own measure.

A program is run straight, thrown away after every commit, killed at some points of its store, moved to another
store, cancelled at some moment, forked from some event, and looked at as it was. A crash changes nothing: not
the result, the order of what happens, or a key. ``python -m tests.tangles.measure`` says what the programs reach.

FLOWMETAL_EVERYTHING=1 (``make torture``) tries 1,500 programs, and each in several ways.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest

from flowmetal.errors import RefusedError
from tests.tangles.grammar import is_shared, tells
from tests.tangles.judging import asked_again, problems, rebuilt, told_again, untold
from tests.tangles.lives import START_US, Life

EVERYTHING = bool(os.environ.get("FLOWMETAL_EVERYTHING"))
PROGRAMS, WAYS = (1500, 4) if EVERYTHING else (8, 1)
SEEDS = pytest.mark.parametrize("seed", range(PROGRAMS))


@cache
def straight(seed: int) -> Life:
    return Life(seed).straight()


def check(life: Life, first: Life) -> None:
    assert not list(problems(life))
    if not is_shared(life.seed):
        assert not list(told_again(first, life))


def unless(code: str, live: Callable[[], Life]) -> bool:
    """Say whether a life was lived, or was rightly refused."""
    try:
        live()
    except RefusedError as refused:
        if refused.code != code:
            raise
        return False
    return True


def chances(seed: int, way: str) -> list[random.Random]:
    return [random.Random(f"{seed} {way} {n}") for n in range(WAYS)]


@SEEDS
def test_a_program_keeps_its_forms_its_locks_its_sagas_and_its_keys_apart(seed: int) -> None:
    assert not list(problems(straight(seed)))


@SEEDS
def test_a_program_that_is_thrown_away_after_every_commit_does_the_same(seed: int) -> None:
    check(Life(seed).thrown_away(), straight(seed))


@SEEDS
def test_a_program_that_is_killed_does_the_same(seed: int) -> None:
    points = straight(seed).points
    for chance in chances(seed, "killed"):
        deaths = [chance.randint(1, points), *(chance.randint(1, 40) for _ in range(3))]
        check(Life(seed).killed(*deaths), straight(seed))


@SEEDS
def test_a_program_that_moves_does_the_same(seed: int, tmp_path: Path) -> None:
    for chance in chances(seed, "moved"):
        life, path = Life(seed), tmp_path / f"{chance.random()}.fms"
        if unless("FM1203", partial(life.moved, chance.randint(1, straight(seed).points), path)):
            check(life, straight(seed))


@SEEDS
def test_a_program_that_is_cancelled_cleans_up_in_whichever_way_it_lives(seed: int) -> None:
    lasted_us = straight(seed).events[-1].time_us - START_US
    for chance in chances(seed, "cancelled"):
        at_us = chance.randint(0, lasted_us + 1)
        first = Life(seed, at_us).straight()
        assert not list(problems(first))
        check(Life(seed, at_us).killed(*(chance.randint(1, first.points) for _ in range(2))), first)


@SEEDS
def test_a_fork_does_nothing_again_and_ends_as_a_run_does(seed: int) -> None:
    for chance in chances(seed, "forked"):
        life = Life(seed).straight()
        at = chance.randrange(1, len(life.events))
        if unless("FM1136", partial(life.forked, at)):  # nothing goes on from there
            assert not [*problems(life), *asked_again(life, at)]


@SEEDS
def test_a_state_that_is_made_from_the_history_is_the_one_that_was_saved(seed: int) -> None:
    saved = sorted(straight(seed).snapshots)
    for at in random.Random(seed).sample(saved, min(len(saved), 2 * WAYS)):
        assert rebuilt(straight(seed), at) is None


@pytest.mark.parametrize("seed", [seed for seed in range(6 * PROGRAMS) if tells(seed)])
def test_no_error_is_lost_whatever_else_fails(seed: int) -> None:
    assert not untold(straight(seed))
