"""Making steps durable, each by itself: the way of a process that drives one run.

What decides about a run yields its steps and goes on when they are durable; whoever
drives it sees to that. Many runs in one event loop share their commits: grouping.py.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from flowmetal.runtime.active import ActiveRun, Step

T = TypeVar("T")

Steps = Generator[Step, None, T]
"""Yields what has to be durable before it is gone on with; ends with an answer."""


def carry_out(active: ActiveRun, steps: Steps[T]) -> T:
    """Commit each step by itself. Raises Conflict or StoreError: then drop ``active``."""
    commit = active.host.store.commit
    while True:
        try:
            step = next(steps)
        except StopIteration as done:
            answer: T = done.value
            return answer
        active.settle(step, commit(active.claim, active.prepare(step)))


def commit_step(active: ActiveRun, step: Step) -> None:
    """Commit one step by itself."""
    active.settle(step, active.host.store.commit(active.claim, active.prepare(step)))


class Alone:
    """Commits at once, in the event loop: there is nobody else in it."""

    async def carry_out(self, active: ActiveRun, steps: Steps[T]) -> T:
        return carry_out(active, steps)
