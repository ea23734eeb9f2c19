"""What goes wrong in one simulation: how often, and for how long. Drawn from its seed.

Every seed has some kinds of faults and not others: a fault that is always there hides what happens
without it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields

SECOND_US = 1_000_000


@dataclass(slots=True)
class Faults:
    """Chances, per call of the store or per attempt at an effect, unless said otherwise. 0: never."""

    # fmt: off
    switch: float = 0.3      # others go on between two calls of the store
    refuse: float = 0.0      # a write fails, and nothing was done
    forget: float = 0.0      # a write was done, and its caller is told that nobody knows
    unread: float = 0.0      # a read fails
    die: float = 0.0         # the process ends at a call
    stop: float = 0.0        # the process stands still at a call, perhaps past its lease
    lose_hint: float = 0.0
    late_hint: float = 0.0
    fail: float = 0.0        # an effect is not performed, and says so
    answer_lost: float = 0.0 # an effect is performed, and the answer is lost
    linger: float = 0.0      # an effect takes seconds
    murders: float = 0.0     # deaths a second, at any moment
    leaves: float = 0.0      # interpreters told to stop in good order, a second
    drivers: float = 0.0     # processes that drive one run, as fmvm run does, a second
    freezes: float = 0.0     # stops a second, at any moment
    jumps: float = 0.0       # jumps of the time of day, a second
    duplicate: float = 0.0   # something that comes in comes in twice, at once
    # fmt: on

    def none(self) -> Faults:
        """Return what is left in the last part of a simulation: others go on in between."""
        return Faults(switch=self.switch)


_MOST = {
    "refuse": 0.05,
    "forget": 0.05,
    "unread": 0.02,
    "die": 0.02,
    "stop": 0.01,
    "lose_hint": 0.9,
    "late_hint": 0.5,
    "fail": 0.4,
    "answer_lost": 0.4,
    "linger": 0.3,
    "murders": 0.3,
    "leaves": 0.2,
    "drivers": 0.5,
    "freezes": 0.2,
    "jumps": 0.1,
    "duplicate": 0.7,
}


def faults_of(chance: random.Random) -> Faults:
    """Draw the faults of a seed."""
    drawn = Faults(switch=chance.choice((0.0, 0.2, 0.6)))
    for field in fields(Faults):
        if field.name in _MOST and chance.random() < 0.5:
            setattr(drawn, field.name, _MOST[field.name] * chance.random())
    return drawn
