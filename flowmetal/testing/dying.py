"""Stores that die at a chosen point: what a crash leaves behind is what is durable.

Every write transaction of a store calls its hooks: "before X", "within X" (all
written, nothing committed), "after X" (durable, not yet known to be). ``DeathAt``
counts them and ends the process at the nth, or raises ``Death`` there and at
every later one, which nothing in the runtime catches.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field


class Death(BaseException):
    """The interpreter has died. Not an Exception: nobody may go on from it."""


@dataclass(slots=True)
class DeathAt:
    """A hook for ``store.hooks`` that dies at point number ``nth`` (from 1; 0: never)."""

    nth: int = 0
    really: bool = False  # SIGKILL instead of Death
    points: list[str] = field(default_factory=list)
    counts: Callable[[str], bool] = lambda point: True

    def __call__(self, point: str) -> None:
        if not self.counts(point):
            return
        self.points.append(point)
        if 0 < self.nth <= len(self.points):  # who is dead writes nothing on the way out, either
            if self.really:
                os.kill(os.getpid(), signal.SIGKILL)
            raise Death(point)
