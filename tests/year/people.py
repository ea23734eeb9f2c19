"""What people do to the runs of the family: each of these at any time, to any run, whether it makes sense or not.

What is refused by a code that says so is fine; anything else that an engine raises is a problem.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, TypeVar

import flowmetal
from flowmetal.embed.retention import Retention
from flowmetal.errors import FlowmetalError
from flowmetal.store.operations.vocabulary import Redrive, SettlePromise
from flowmetal.store.protocol import RunRow, RunState
from flowmetal.testing.clock import VirtualClock
from flowmetal.values import encode_data
from tests.year.places import DAY_US, SECOND_US, Place
from tests.year.programs import VERSIONS, program
from tests.year.scripts import Scripts
from tests.year.world import World

T = TypeVar("T")

REFUSALS: Final = frozenset(
    (
        *("FM0730", "FM0731", "FM1101", "FM1102", "FM1103", "FM1104", "FM1107", "FM1130", "FM1131"),
        *("FM1132", "FM1133", "FM1134", "FM1136", "FM1202", "FM1203"),
        "FM0304",  # a run that has not begun has no state to look at
    )
)
_DRIVEABLE: Final = frozenset(
    {RunState.READY, RunState.WAITING, RunState.QUEUED, RunState.PAUSED, RunState.EXPORTING}
)
_MOST_FORKS = 6


class People:
    """Their hands, and what they remember. ``settle`` lets the interpreters do what they can."""

    def __init__(
        self,
        chance: Random,
        clock: VirtualClock,
        places: list[Place],
        world: World,
        scripts: Scripts,
        names: list[str],
        folder: Path,
        settle: Callable[[], None],
    ) -> None:
        self._chance = chance
        self._clock = clock
        self._places = places
        self._world = world
        self._scripts = scripts
        self._names = names
        self._folder = folder
        self.settle = settle
        self._begun = 0
        self._count = 0
        self.found: list[str] = []
        self.trace: list[str] = []
        self.mail: defaultdict[str, list[int]] = defaultdict(list)  # by run: what was acknowledged
        self.files: dict[str, str] = {}  # of runs that are in a file and nowhere else
        self.forks: set[str] = set()
        self.revived: set[str] = set()
        self.ended_at_once: set[str] = set()
        self.actions: list[Callable[[], None]] = [
            *[self.start] * 4, *[self.signal] * 6, *[self.advance] * 5, *[self.revive] * 2, *[self.fork] * 2,
            *[self.upgrade] * 2, *[self.move] * 2, *[self.take_in] * 2, *[self.answer] * 2,
            *[self.work] * 3, self.cancel,
            self.pause, self.unpause, self.mend, self.hurt, self.collect, self.keep, self.publish, self.deploy,
            self.redrive,
        ]  # fmt: skip

    # Acting at all

    def problem(self, text: str) -> None:
        self.found.append(text)
        self.say(f"PROBLEM: {text}")

    def say(self, text: str) -> None:
        self.trace.append(f"{self._clock.boot_us() / SECOND_US:.6f} {text}")

    def tried(self, what: str, act: Callable[[], T]) -> T | None:
        """Do something; None: it was refused."""
        self.say(what)
        try:
            return act()
        except FlowmetalError as refused:
            self.say(f"refused: {refused.code} {refused.message}")
            if refused.code not in REFUSALS:
                self.problem(f"{what}: {refused.code} {refused.message}")
            return None

    def any_run(self, states: frozenset[RunState] | None = None) -> tuple[Place, RunRow] | None:
        found = [
            (place, row)
            for place in self._places
            for row in place.rows()
            if states is None or row.state in states
        ]
        return self._chance.choice(found) if found else None

    def _program(self) -> flowmetal.Program:
        return program(self._chance.randrange(len(VERSIONS)))

    def _is_likely(self, chance: float) -> bool:
        return self._chance.random() < chance

    # Beginning, speaking, waiting

    def start(self) -> None:
        if self._begun == len(self._names):
            return
        name = self._names[self._begun]
        self._begun += 1
        script = self._scripts.ops(3, 5)
        arguments = [name, flowmetal.from_python(script)]
        start = partial(self._places[0].engine.start, self._program(), arguments, id=name)
        self.tried(f"start {name} {script}", start)

    def signal(self) -> None:
        if (found := self.any_run(_DRIVEABLE)) is None:
            return
        place, row = found
        name = self._chance.choice(("mail", "mail", "go", "ask"))
        self._count += 1
        for _ in range(self._chance.choice((1, 1, 2))):
            self.send(place, row.id, name, self._count)

    def send(self, place: Place, run: str, name: str, value: int) -> None:
        send = partial(place.engine.signal, run, name, value, id=f"m{value}")
        taken = self.tried(f"signal {run} {name} {value}", send)
        if taken is not None and name == "mail" and value not in self.mail[run]:
            self.mail[run].append(value)

    def speak_to_all(self) -> None:
        """Send what runs may wait for, and answer all callbacks."""
        for place in self._places:
            for row in place.rows():
                for name in ("mail", "go", "ask"):
                    if row.state in _DRIVEABLE and (name != "ask" or self._is_likely(0.5)):
                        self._count += 1
                        self.send(place, row.id, name, self._count)
            for callback in self._world.callbacks:
                self.tried("answer", partial(place.engine.complete_callback, callback, 5))
        for _ in range(20):
            self.work()
        self.keep()
        self.publish()

    def answer(self) -> None:
        if not self._world.callbacks:
            return
        callback = self._chance.choice(self._world.callbacks)
        for place in self._chance.sample(self._places, 2):
            act = partial(place.engine.complete_callback, callback, 5, delivery=f"d{callback}")
            self.tried(f"answer {callback} at {place.name}", act)

    def work(self) -> None:
        """Be a worker: one that is slow, or lost, or says twice what it has done, or has failed."""
        place = self._chance.choice(self._places)
        task = place.engine.claim_task("work", "w")
        if task is None:
            return
        self.say(f"task {task.id}, attempt {task.attempt}, of {task.run} at {place.name}")
        args = json.loads(task.arguments)
        self._world.call(place.name, "handed", args, task.idempotency_key)
        if self._is_likely(0.2):
            self._clock.advance(120 * SECOND_US)
            self.settle()
        if self._is_likely(0.3):
            self.tried("beat", partial(place.engine.beat_task, task.id, task.attempt))
        failed = self._is_likely(0.3)
        result = '{"type": "year/failed", "message": "no"}' if failed else "7"
        for _ in range(self._chance.choice((0, 1, 1, 2))):
            end = partial(place.engine.end_task, task.id, task.attempt, result, failed=failed)
            self.tried(f"end of task {task.id}, failed: {failed}", end)

    def keep(self) -> None:
        place, promise = self._chance.choice(self._places), self._chance.choice("pq")
        settle = SettlePromise(promise, encode_data(self._count))
        self.tried(f"keep {promise}", partial(place.engine.perform, settle))

    def publish(self) -> None:
        place = self._chance.choice(self._places)
        self.tried("publish", partial(place.engine.publish, "topic", self._count))

    def advance(self) -> None:
        seconds = self._chance.choice((1, 10, 61, 3600, 86_400, 6 * 86_400, 45 * 86_400))
        self.say(f"{seconds} s pass")
        self._clock.advance(seconds * SECOND_US)

    # Steering

    def cancel(self) -> None:
        if (found := self.any_run(_DRIVEABLE | {RunState.FAILED})) is None:
            return
        place, row = found
        now = self._is_likely(0.4)
        if now:
            self.ended_at_once.add(row.id)
        act = partial(place.engine.cancel, row.id, "enough", now=now, drive=False)
        self.tried(f"cancel {row.id}, which is {row.state.value}, now: {now}", act)

    def pause(self) -> None:
        if (found := self.any_run()) is not None:
            self.tried(f"pause {found[1].id}", partial(found[0].engine.pause, found[1].id))

    def unpause(self) -> None:
        if (found := self.any_run(frozenset({RunState.PAUSED}))) is not None:
            self.tried(f"unpause {found[1].id}", partial(found[0].engine.unpause, found[1].id))

    def hurt(self) -> None:
        """Let some services not work."""
        most = max(1, self._scripts.count)
        self._world.broken.update(self._chance.randrange(most) for _ in range(5))

    def mend(self) -> None:
        self._world.broken.clear()

    def revive(self) -> None:
        if (found := self.any_run(frozenset({RunState.FAILED}))) is None:
            return
        if self._is_likely(0.7):
            self.mend()
        engine, run = found[0].engine, found[1].id
        self.revived.add(run)
        ways: dict[str, Callable[[], None]] = {
            "retry": partial(engine.retry, run),
            "value": partial(engine.supply, run, 7),
            "skip": partial(engine.supply, run, None),
            "restart": partial(engine.restart, run, "use", 1),
            "throw": partial(engine.throw, run, "year/other", "another error"),
        }
        way = self._chance.choice(("retry", *ways))
        self.tried(f"{way} {run}", ways[way])

    def redrive(self) -> None:
        queue = self._chance.choice(("year/jobs", "year/pages"))
        place = self._chance.choice(self._places)
        self.tried(f"redrive {queue}", partial(place.engine.perform, Redrive(queue, (), 2)))

    def deploy(self) -> None:
        engine = self._chance.choice(self._places).engine
        if self._is_likely(0.7):
            self.tried("deploy", partial(engine.deploy, self._program(), "year"))
        else:
            self.tried("undeploy", partial(engine.undeploy, "year"))

    def collect(self) -> None:
        chance, place = self._chance, self._chance.choice(self._places)
        policy = Retention(
            ended_us=chance.choice((0, 30 * DAY_US, 400 * DAY_US, 400 * DAY_US)),
            history_us=chance.choice((None, 0, DAY_US)),
            snapshots=chance.choice(("all", 3, "latest")),
        )
        self.tried("gc --dry-run", partial(place.engine.collect, policy, dry_run=True))
        self.tried(f"gc at {place.name} {policy}", partial(place.engine.collect, policy))

    # Other code, other runs, other places

    def upgrade(self) -> None:
        if (found := self.any_run()) is None:
            return
        place, row = found
        new = self._program()
        what = f"upgrade {row.id}, which is {row.state.value}"
        dry = self.tried(f"dry {what}", partial(place.engine.upgrade, row.id, new, dry_run=True))
        done = self.tried(what, partial(place.engine.upgrade, row.id, new))
        if (dry is None or dry.outcome == "refused") != (done is None):
            self.problem(f"{what}: tried dry it was another thing")

    def fork(self) -> None:
        found = self.any_run()
        if found is None or len(self.forks) == _MOST_FORKS:
            return
        place, row = found
        self._count += 1
        id_, perform = f"f{self._count}", self._is_likely(0.5)
        at = self._chance.choice((None, self._chance.randrange(1, row.seq + 1)))
        what = f"fork {row.id} at {at} as {id_}, perform: {perform}"
        if self._is_likely(0.3):
            path = str(self._folder / f"{id_}.fms")
            copy = partial(place.engine.export_copy, row.id, path, id=id_, at=at, perform=perform)
            place = self._chance.choice(self._places)
            if self.tried(f"{what} in a file", copy) is None:
                return
            self.tried(f"import {id_}", partial(place.engine.import_run, path))
        else:
            new = self._program() if self._is_likely(0.3) else None
            act = partial(place.engine.fork, row.id, at=at, id=id_, perform=perform, program=new)
            if self.tried(what, act) is None:
                return
        self.forks.add(id_)
        for waits in place.engine.view(id_).waiting:
            if waits.effect_class == "held" and self._is_likely(0.6):
                results = () if self._is_likely(0.5) else (1,)
                act = partial(place.engine.decide, id_, waits.effect, *results)
                self.tried(f"decide about effect {waits.effect} of {id_}", act)

    def move(self) -> None:
        """Write a run to a file; the process may die in the middle."""
        if (found := self.any_run()) is None:
            return
        place, row = found
        self._count += 1
        path = str(self._folder / f"{row.id}-{self._count}.fms")
        force, in_doubt = self._is_likely(0.5), self._is_likely(0.7)

        def export() -> None:
            act = partial(place.engine.export, row.id, path, force=force, in_doubt=in_doubt)
            self.tried(f"export {row.id} from {place.name}, force: {force}", act)

        if self._is_likely(0.15) and place.dying(export, 10) and self._is_likely(0.7):
            self.end_export(place, row.id, path)
        self._take_note(place, row, path)

    def end_export(self, place: Place, run: str, path: str = "") -> None:
        """See to an export that has stopped half-way."""
        row = place.row(run)
        if row is None or row.state is not RunState.EXPORTING:
            return
        if not path or self._is_likely(0.5):
            self.tried(f"abandon {run}", partial(place.engine.abandon_export, run))
        else:
            act = partial(place.engine.export, run, path, force=True, in_doubt=True)
            self.tried(f"export {run} again", act)

    def _take_note(self, place: Place, before: RunRow, path: str) -> None:
        row = place.row(before.id)
        is_away = row is not None and row.state is RunState.MOVED
        if is_away and before.state is not RunState.MOVED:
            self._world.lets_go(before.id)
            self.files[before.id] = path

    def take_in(self) -> None:
        """Import a run from its file; the process may die in the middle."""
        if not self.files:
            return
        run, place = self._chance.choice(sorted(self.files)), self._chance.choice(self._places)

        def take() -> None:
            act = partial(place.engine.import_run, self.files[run])
            self.tried(f"import {run} into {place.name}", act)

        if self._is_likely(0.15):
            place.dying(take, 4)
        else:
            take()
        row = place.row(run)
        if row is not None and row.state is not RunState.MOVED:
            del self.files[run]
