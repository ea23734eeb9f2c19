"""A year in the life of a family of runs: one seed, one history.

Runs go through random scripts (scripts.py) that combine all that a program can do with others, with time and with
the store; people do to them whatever people can (people.py), interpreters die and stand still, months pass. Between any
two things all interpreters do what they can, and what must hold is looked at (looking.py). In the end everything works,
everybody is spoken to until the runs have ended or say what they wait for; then they are cancelled and forgotten.
"""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path
from random import Random

from flowmetal.embed.retention import Retention
from flowmetal.store.protocol import ENDED, RunRow, RunState
from flowmetal.testing.clock import VirtualClock
from tests.year.looking import Looking
from tests.year.people import People
from tests.year.places import DAY_US, SECOND_US, Place
from tests.year.scripts import Scripts
from tests.year.world import World

_FAST = Path("/dev/shm")
_ROUNDS = 8


class Year:
    """``run`` it; ``found`` are the problems then, and ``trace`` is what happened. ``store``: memory or sqlite."""

    def __init__(self, seed: int, store: str = "memory", roots: int = 5) -> None:
        self.chance = Random(seed)
        self.folder = Path(tempfile.mkdtemp(dir=_FAST if _FAST.is_dir() else None))
        clock = self.clock = VirtualClock()
        names = [f"r{i}" for i in range(roots)]
        scripts = Scripts(self.chance, names)
        world = self.world = World(self.chance, self._problem, self._nap, scripts)
        world.is_over = self._is_over
        places = self.places = [
            Place(name, store, self.folder, clock, self.chance, world) for name in "ab"
        ]
        self.people = People(
            self.chance, clock, places, world, scripts, names, self.folder, self.settle
        )
        self.looking = Looking(self.chance, clock, places, world, scripts, self.people)
        self.deaths = 0.2  # how often an interpreter dies, of 1

    @property
    def found(self) -> list[str]:
        return self.people.found

    @property
    def trace(self) -> list[str]:
        return self.people.trace

    def run(self, steps: int) -> None:
        try:
            self.people.deploy()
            for _ in range(steps):
                self.people.say(f"-- {(act := self.chance.choice(self.people.actions)).__name__}")
                act()
                self.world.naps = 0.05
                if self.chance.random() < 0.8:
                    self.settle(self.deaths)
                self.world.naps = 0
                self.settle()
                self.looking.look()
                if self.found:
                    return
            self._end()
        finally:
            for place in self.places:
                place.close()
            shutil.rmtree(self.folder)

    def settle(self, deaths: float = 0) -> None:
        """Let interpreters do what can be done at this time; some die."""
        for place in self.places:
            while self.chance.random() < deaths:
                if place.dying(place.interpret, 30):
                    self.people.say(f"an interpreter at {place.name} has died")
            if not deaths:
                place.interpret()

    def _problem(self, text: str) -> None:
        self.people.problem(text)

    def _nap(self, name: str) -> None:
        self.people.say(f"an interpreter at {name} stands still")
        next(place for place in self.places if place.name == name).nap()

    def _is_over(self, name: str, run: str) -> bool:
        row = next(place for place in self.places if place.name == name).row(run)
        return row is None or row.state in ENDED

    # The end

    def _end(self) -> None:
        self.people.say("-- the end of the year")
        self.people.mend()
        for place in self.places:
            for row in place.rows():
                self.people.end_export(place, row.id)
        for _ in range(50):
            self.people.take_in()
        for _ in range(_ROUNDS):
            self._let_go_on()
            self.people.speak_to_all()
            self.clock.advance(self.chance.choice((61 * SECOND_US, DAY_US, 60 * DAY_US)))
            self.settle()
            self.looking.look()
        self.looking.check_ends()
        self._cancel_all()
        self.looking.verify()
        self.looking.show()
        self.looking.check_ends()
        self._forget_all()
        self.looking.check_nothing_is_left()

    def _let_go_on(self) -> None:
        for place in self.places:
            for row in place.rows():
                if row.state is RunState.PAUSED:
                    self.people.tried(f"unpause {row.id}", partial(place.engine.unpause, row.id))
                elif row.state is RunState.FAILED:
                    self._try_again(place, row)

    def _try_again(self, place: Place, row: RunRow) -> None:
        self.people.tried(f"retry {row.id}", partial(place.engine.retry, row.id))
        if self._state(place, row) is RunState.FAILED:
            self.people.tried(f"value {row.id}", partial(place.engine.supply, row.id, 1))

    def _state(self, place: Place, row: RunRow) -> RunState | None:
        now = place.row(row.id)
        return None if now is None else now.state

    def _cancel_all(self) -> None:
        """What has not ended says what it waits for, and can be cancelled."""
        for _ in range(4):
            for place, row in self._left():
                self.people.say(f"{row.id}: {place.engine.why(row.id)}")
                act = partial(place.engine.cancel, row.id, "the year is over", drive=False)
                self.people.tried(f"cancel {row.id}", act)
            self.settle()
            self.clock.advance(61 * SECOND_US)
        for _, row in self._left():
            self.people.problem(f"{row.id} is {row.state.value} and cannot be cancelled")

    def _left(self) -> list[tuple[Place, RunRow]]:
        living = {state for state in RunState if state not in ENDED} | {RunState.FAILED}
        return [(p, row) for p in self.places for row in p.rows() if row.state in living]

    def _forget_all(self) -> None:
        for _ in range(3):  # parents before their children
            self.clock.advance(400 * DAY_US)
            for place in self.places:
                gc = partial(place.engine.collect, Retention(ended_us=0))
                self.people.tried(f"gc at {place.name}", gc)
            self.settle()
