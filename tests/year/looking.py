"""What must hold whatever was done: looked at between two things that people do, and in the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Final

from flowmetal.store.operations.vocabulary import ShowPermit
from flowmetal.store.protocol import ENDED, RunRow, RunState
from flowmetal.testing.clock import VirtualClock
from flowmetal.values import Value, keyword, pr_str
from tests.year.people import People
from tests.year.places import SECOND_US, Place
from tests.year.scripts import Scripts
from tests.year.world import World

_OVER: Final = (RunState.COMPLETED, RunState.CANCELLED)
_STANDING_STILL: Final = frozenset({RunState.PAUSED, RunState.EXPORTING})
_LOCKS: Final = ("l1", "l2", "leased", "one")
_JOBS, _MOST_JOBS, _RATE = "year/jobs", 3, 3
"""Of a queue: how many at once by the most generous of its programs, and how many begin in a minute."""

_NAMES: Final = frozenset(
    ["deployment", "state", "state-deleted", "permit", "promise", "queue", "topic", "forgotten"]
)
"""Spaces of what has a name of its own, which no run takes along: what was given it, and how far its numbers have come."""

_LOG: Final = "@log"
_MAIL: Final = "(filterv (fn [x] (and (vector? x) (= :mail (first x)))) @log)"


class Looking:
    """Remembers what was seen, to compare it with what is told of it later."""

    def __init__(
        self,
        chance: Random,
        clock: VirtualClock,
        places: list[Place],
        world: World,
        scripts: Scripts,
        people: People,
    ) -> None:
        self._chance = chance
        self._clock = clock
        self._places = places
        self._world = world
        self._scripts = scripts
        self._people = people
        self._seen: dict[
            tuple[str, int], str
        ] = {}  # what runs held, by the number of their last event
        self._failed_once: set[str] = set()

    def _rows(self) -> Iterator[tuple[Place, RunRow]]:
        for place in self._places:
            for row in place.rows():
                yield place, row

    def look(self) -> None:
        """Check what costs little, and one of the things that cost more."""
        for place in self._places:
            rows = {row.id: row for row in place.rows()}
            for row in rows.values():
                self._check_at_rest(row)
                self._check_parent(row, rows)
            self._check_queue(rows)
            self._check_locks(place, rows)
        self._remember()
        more = self._chance.choice(
            (self._compare_with_the_past, self.show, self.verify, None, None)
        )
        if more is not None:
            more(0.3)

    def _check_at_rest(self, row: RunRow) -> None:
        if row.state is RunState.FAILED:
            self._failed_once.add(row.id)
            self._world.lets_go(row.id)
        is_due = row.wake_at_us is not None and row.wake_at_us <= self._clock.now_us()
        if row.state is RunState.RUNNING or (row.state is RunState.READY and is_due):
            self._people.problem(f"{row.id} could go on: {row}")

    def _check_parent(self, row: RunRow, rows: dict[str, RunRow]) -> None:
        """A child has ended as its policy says."""
        parent = rows.get(row.parent) if row.parent else None
        token = row.id.rpartition(".")[2]
        policy = self._scripts.policies.get(int(token)) if token.isdigit() else None
        if parent is None or row.state in ENDED | _STANDING_STILL or row.id in self._failed_once:
            return
        ends = {"follow": (RunState.CANCELLED,), "cancel": _OVER}.get(policy or "", ())
        if parent.state in ends and row.created_us <= (parent.ended_us or 0):
            self._people.problem(f"{row.id} ({policy}) outlives {parent.id}")

    def _check_queue(self, rows: dict[str, RunRow]) -> None:
        jobs = [
            row
            for row in rows.values()
            if row.queue == _JOBS
            and row.id not in self._people.revived
            and row.state is not RunState.CANCELLED  # it may begin in order to end
        ]
        under_way = [row.id for row in jobs if row.state not in ENDED | {RunState.QUEUED}]
        if len(under_way) > _MOST_JOBS:
            self._people.problem(f"so many jobs are under way: {under_way}")
        begun = sorted(row.started_us for row in jobs if row.started_us)
        for first, last in zip(begun, begun[_RATE:], strict=False):
            if last - first < 60 * SECOND_US:
                self._people.problem(f"more jobs have begun than the rate allows: {begun}")

    def _check_locks(self, place: Place, rows: dict[str, RunRow]) -> None:
        for lock in _LOCKS:
            holders = place.engine.perform(ShowPermit(lock)).get(keyword("value"))
            runs = [holder.get(keyword("run")) for holder in holders]
            if len(runs) > 1 or any(run not in rows or rows[run].state in ENDED for run in runs):
                self._people.problem(f"{lock} is held by {runs}")

    # Past and present

    def _eval(self, place: Place, run: str, text: str, at: int | None = None) -> Value:
        act = partial(place.engine.eval, run, text, at=at)
        return self._people.tried(f"look at {run} after event {at}", act)

    def _remember(self) -> None:
        for place, row in self._rows():
            stands = row.state not in {RunState.QUEUED, RunState.MOVED, RunState.EXPORTING}
            if stands and (row.id, row.seq) not in self._seen and self._chance.random() < 0.3:
                value = self._eval(place, row.id, _LOG)
                if value is not None:
                    self._seen[row.id, row.seq] = pr_str(value)

    def _compare_with_the_past(self, share: float) -> None:
        here = {
            row.id: (place, row) for place, row in self._rows() if row.state is not RunState.MOVED
        }
        known = [(run, seq) for run, seq in self._seen if run in here]
        for run, seq in self._chance.sample(known, min(4, len(known))):
            place, row = here[run]
            if seq > row.seq:
                self._people.problem(f"{run} had {seq} events, and has {row.seq}")
                continue
            value = self._eval(place, run, _LOG, seq)
            if value is not None and pr_str(value) != self._seen[run, seq]:
                told = f"{pr_str(value)}, and was {self._seen[run, seq]}"
                self._people.problem(f"{run} after event {seq} is {told}")

    def verify(self, share: float = 1) -> None:
        for place, row in self._rows():
            if row.state is not RunState.MOVED and self._chance.random() < share:
                found = self._people.tried(f"verify {row.id}", partial(place.engine.verify, row.id))
                if found is not None and found.problems:
                    self._people.problem(f"{row.id} at {place.name}: {found.problems}")

    def show(self, share: float = 1) -> None:
        for place, row in self._rows():
            if self._chance.random() < share:
                engine, run = place.engine, row.id
                for name in ("seen", "said", "which"):
                    self._people.tried(f"query {run} {name}", partial(engine.query, run, name))
                self._people.tried(f"show {run}", lambda: engine.show(run).as_json())  # noqa: B023
                self._people.tried(f"why {run}", partial(engine.why, run))
                self._people.tried(f"events {run}", lambda: list(engine.events(run)))  # noqa: B023

    # In the end

    def check_ends(self) -> None:
        """What a run has taken in is what it was sent, in order; and what it had to clean up it has cleaned up."""
        told: defaultdict[str, list[list[object]]] = defaultdict(list)
        for done in self._world.done:
            if done.kind == "note":
                told[done.run].append(done.what)
        for place, row in self._rows():
            if row.state is RunState.MOVED:
                continue
            if row.state in _OVER and row.id not in self._people.ended_at_once:
                entered = [what[0] for what in told[row.id] if what[1:] == ["in"]]
                if any([token, "out"] not in told[row.id] for token in entered):
                    self._people.problem(f"not all finally blocks of {row.id} have run")
            self._check_mail(row.id, self._eval(place, row.id, _MAIL) or ())

    def _check_mail(self, run: str, taken: Value) -> None:
        values = [pair.nth(1) for pair in taken]
        ours = [value for value in values if isinstance(value, int)]
        if len(set(map(str, values))) < len(values) or ours != sorted(ours):
            self._people.problem(f"{run} was sent these twice, or in another order: {values}")
        sent = self._people.mail[run]
        if run not in self._people.forks and ours != sent[: len(ours)]:
            self._people.problem(f"{run} was sent {sent}, and has taken {ours}")

    def check_nothing_is_left(self) -> None:
        """All runs are forgotten, and so is all that hung on them."""
        for place in self._places:
            left = [(row.id, row.state.value) for row in place.rows()]
            left += [(space, key) for space, key in place.keeps() if space not in _NAMES]
            if left:
                self._people.problem(f"there is at {place.name} still {left}")
