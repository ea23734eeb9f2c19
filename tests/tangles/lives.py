"""One program, lived in several ways: straight, thrown away after every commit, killed, moved, forked."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from flowmetal.bytecode.code import Program
from flowmetal.bytecode.file import read_program, write_program
from flowmetal.effects import events
from flowmetal.effects.requests import Call
from flowmetal.embed import compile
from flowmetal.embed.moving import export_run, import_run
from flowmetal.embed.natives import natives
from flowmetal.ids import InterpreterId, RunId
from flowmetal.runtime.driving import drive
from flowmetal.runtime.forking import Choices, fork
from flowmetal.runtime.grants import RunGrants
from flowmetal.runtime.host import Host
from flowmetal.runtime.reviving import CancelParked, Revival, Supply, Throw, revive
from flowmetal.runtime.starting import start_run
from flowmetal.store.memory import MemoryStore
from flowmetal.store.protocol import (
    LIVING,
    Claim,
    Commit,
    Event,
    Message,
    RunQuery,
    RunRow,
    RunState,
)
from flowmetal.testing.clock import START_US, VirtualClock
from flowmetal.testing.dying import Death
from flowmetal.values import ErrorValue, decode_data, encode_data, hash_map, keyword, pr_str
from flowmetal.vm.link import Linker
from tests.tangles.grammar import write
from tests.tangles.world import REMOTE, Performed, World

RUN = RunId("r")
FORK = RunId("f")
MOST_LIVES = 3000

Hook = Callable[[str], None]


class Steady(random.Random):
    """Chance that gives every interpreter the same: waits before another attempt take no part in what is compared."""

    def random(self) -> float:
        return 0.5


@cache
def linker() -> Linker:
    return Linker(natives())


@cache
def program_of(seed: int) -> tuple[Program, bytes]:
    program = compile(write(seed))
    return program, write_program(program)


@dataclass
class Deaths:
    """A hook for a store: dies where it is told to, and writes nothing more. ``points`` are those that it has seen."""

    where: Callable[[int, str], bool] = lambda nth, point: False
    points: int = 0
    dead: bool = False

    def __call__(self, point: str) -> None:
        self.points += 1
        self.dead = self.dead or self.where(self.points, point)
        if self.dead:
            raise Death(point)


@dataclass
class Life:
    """What becomes of a program, from its beginning to its end."""

    seed: int
    cancelled_us: int | None = None  # how long after the beginning the run is cancelled
    clock: VirtualClock = field(default_factory=VirtualClock)
    lives: int = 0
    points: int = 0  # of its store, in the last of its lives
    snapshots: dict[int, bytes] = field(default_factory=dict)  # that were committed, by event

    def __post_init__(self) -> None:
        self.store = self._store()
        self.world = World(self.seed, self.clock, self._number_of)
        self.run = RUN
        chance = random.Random(f"{self.seed} signals")
        for nth in range(3):
            self.clock.at(START_US + chance.randrange(1, 6_000_000), lambda n=nth: self._signal(n))
        if self.cancelled_us is not None:
            self.clock.at(START_US + self.cancelled_us, self._cancel)

    # Ways to live

    def straight(self) -> Life:
        hook = Deaths()
        self._survives(hook)
        self.points = hook.points
        return self

    def killed(self, *deaths: int) -> Life:
        """Die at so many points of the store, one interpreter after the other."""
        for nth in deaths:
            if self._survives(Deaths(lambda n, _, nth=nth: n == nth)):
                return self
        return self.straight()

    def thrown_away(self) -> Life:
        """Die after each commit that tells of more than the last death."""
        known = 0

        def gets_on(_: int, point: str) -> bool:
            nonlocal known
            before, known = known, len(self.history)
            return point == "after commit" and known > before

        while not self._survives(Deaths(gets_on)):
            assert self.lives < MOST_LIVES, "it does not get on"
        return self

    def moved(self, nth: int, path: Path) -> Life:
        """Die at a point, and go on in another store. Raises RefusedError if the run is tied to this one."""
        if self._survives(Deaths(lambda n, _: n == nth)):
            return self
        if self.store.run(RUN) is None:
            return self.straight()
        export_run(self._host(None), self.run, str(path), in_doubt=False)
        self.store = self._store()
        import_run(self._host(None), str(path), RunGrants())
        return self.straight()

    def forked(self, at: int) -> Life:
        """Go on from an event of a run that has ended, as another one."""
        host = self._host(None)
        self.store.import_run(fork(host, self.run, FORK, at, Choices({}, perform=True)).parts)
        self.run = FORK
        self.world.performed = []
        return self.straight()

    # What has become of it

    @property
    def row(self) -> RunRow:
        row = self.store.run(self.run)
        assert row is not None
        return row

    @property
    def outcome(self) -> str:
        row = self.row
        value = row.result if row.error is None else row.error
        return f"{row.state.value} {pr_str(decode_data(value)) if value else ''}"

    @property
    def events(self) -> list[Event]:
        return self.store.events(self.run)

    @property
    def history(self) -> list[tuple[str, str, int]]:
        """What happened, but for what a crash may change: that it happened, and how output was cut."""
        differs = (events.RECOVERED, events.OUTPUT, events.EXPORTED, events.IMPORTED)
        return [(e.kind, e.name, e.effect) for e in self.events if e.kind not in differs]

    @property
    def output(self) -> str:
        return "".join(decode_data(e.data) for e in self.events if e.kind == events.OUTPUT)

    @property
    def performed(self) -> list[Performed]:
        return self.world.performed

    def host(self) -> Host:
        """Return an interpreter that looks at it."""
        return self._host(None)

    # Inside

    def _survives(self, hook: Deaths) -> bool:
        host = self._host(hook)
        try:
            self._drive(host)
        except Death:
            return False
        finally:
            self.store.hooks = None
            if hook.dead:
                self.store.abandon(host.owner)
        return True

    def _host(self, hook: Hook | None) -> Host:
        self.store.hooks = hook
        self.lives += 1
        return Host(
            store=self.store,
            linker=linker(),
            world=self.world,
            clock=self.clock,
            owner=InterpreterId(f"i{self.lives}"),
            read_program=read_program,
            entropy=Steady(1),
            history_bytes=0,
            lease_us=10**15,  # who dies is known to be dead: what it wrote last says when
        )

    def _drive(self, host: Host) -> None:
        program, data = program_of(self.seed)
        if self.run == RUN and self.store.run(RUN) is None:
            start_run(host, program, lambda _: data, id=RUN)
        while drive(host, self.run).state is RunState.FAILED:
            revive(host, self.run, self._choice())
        for row in self.store.runs(RunQuery(states=LIVING)):  # its children have lives of their own
            drive(host, row.id)

    def _choice(self) -> Revival:
        """Return what an operator decides about a run that has failed: nothing for ever."""
        before = sum(1 for event in self.events if event.kind == events.REVIVED)
        values = (Supply(before), Throw(ErrorValue(keyword("x/a"), "thrown by an operator")))
        chance = random.Random(f"{self.seed} {before}")
        if self.row.error is None or b"compensated" in self.row.error:
            return CancelParked("enough")
        return chance.choice(values) if before < 3 else CancelParked("enough")

    def _store(self) -> MemoryStore:
        store = MemoryStore(self.clock)
        commit = store.commit

        def noted(claim: Claim, change: Commit) -> Claim:
            given = commit(claim, change)
            if claim.run == RUN and change.snapshot is not None:
                self.snapshots[given.seq] = change.snapshot
            return given

        store.commit = noted  # type: ignore[method-assign]
        return store

    def _signal(self, nth: int) -> None:
        self._send(Message(f"s{nth}", "signal", "s", encode_data(nth)))

    def _cancel(self) -> None:
        body = hash_map(((keyword("reason"), "enough"), (keyword("now"), False)))
        self._send(Message("c", "cancel", "", encode_data(body)))

    def _send(self, message: Message) -> None:
        """The world outside lives on, whoever has died."""
        row = self.store.run(self.run)
        if row is not None and row.ended_us is None:
            hooks, self.store.hooks = self.store.hooks, None
            self.store.send(self.run, message)
            self.store.hooks = hooks

    def _number_of(self, call: Call) -> int:
        """Return which effect a call is for: the last that asks so and has no answer."""
        args = encode_data(call.args)
        asked = 0
        over: set[int] = set()
        for event in self.store.events(call.run):
            if event.kind == events.REQUESTED and event.name == REMOTE and event.data == args:
                asked = event.effect
            elif event.kind in (events.RESOLVED, events.EFFECT_FAILED, events.ABANDONED):
                over.add(event.effect)
        assert asked not in {0, *over}, f"{call} is performed, and nothing durable asks for it"
        return asked
