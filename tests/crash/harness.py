"""Run a program of the corpus in one process, let it die where told, and go on from what is durable."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from flowmetal.bytecode.code import Program
from flowmetal.bytecode.file import read_program, write_program
from flowmetal.effects import events
from flowmetal.embed import compile
from flowmetal.embed.natives import natives
from flowmetal.ids import InterpreterId, RunId
from flowmetal.runtime.driving import drive
from flowmetal.runtime.host import Host
from flowmetal.runtime.starting import start_run
from flowmetal.store.memory import MemoryStore
from flowmetal.store.protocol import Message, RunRow
from flowmetal.testing.clock import VirtualClock
from flowmetal.testing.dying import Death, DeathAt
from flowmetal.testing.world import Performed
from flowmetal.values import decode_data, encode_data, pr_str
from flowmetal.vm.link import Linker
from tests.crash.corpus import BY_NAME, Case, world

RUN = RunId("r")


@cache
def linker() -> Linker:
    return Linker(natives())


@cache
def program_of(name: str) -> tuple[Program, bytes]:
    program = compile(BY_NAME[name].source)
    return program, write_program(program)


@cache
def read(data: bytes) -> Program:
    """Read a program, each once: one that evaluates code has the whole library to be verified."""
    return read_program(data)


@dataclass
class Trial:
    """One life, or several, of a run. ``deaths`` are the points at which interpreters die, in turn."""

    case: Case
    deaths: Sequence[int] = ()
    clock: VirtualClock = field(default_factory=VirtualClock)
    lives: int = 0
    points: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)
        self.world = world()
        self.world.before = self._check_durable
        self.row: RunRow | None = None

    def live(self) -> Trial:
        """Let interpreters die one after the other; the last one lives."""
        for nth in (*self.deaths, 0):
            hook = DeathAt(nth)
            self.store.hooks = hook
            self.lives += 1
            owner = InterpreterId(f"i{self.lives}")
            try:
                self._drive(owner)
            except Death:
                self.store.hooks = None
                self.store.abandon(owner)
            else:
                self.points = hook.points
                break
        return self

    def _drive(self, owner: InterpreterId) -> None:
        host = Host(
            store=self.store,
            linker=linker(),
            world=self.world,
            clock=self.clock,
            owner=owner,
            read_program=read,
            entropy=random.Random(self.lives),
        )
        program, data = program_of(self.case.name)
        start_run(host, program, lambda _: data, id=RUN)
        for name, value in self.case.signals.items():
            if (row := self.store.run(RUN)) is not None and row.result is None:
                message = Message(name, "signal", name.partition(":")[0], encode_data(value))
                self.store.send(RUN, message)
        self.row = drive(host, RUN).row

    def _check_durable(self, key: str) -> None:
        """Everything before an effect is durable when it begins, and so is a connector's request."""
        if self.case.fibers:
            return  # others are under way, rightly
        history = self.store.events(RUN)
        asked = {e.effect: e.name for e in history if e.kind == events.REQUESTED}
        answered = {e.effect for e in history if e.kind in (events.RESOLVED, events.EFFECT_FAILED)}
        open_effects = [n for n in asked if n not in answered]
        assert len(open_effects) <= 1, (
            f"{key} began while the results of {open_effects} were not durable"
        )

    @property
    def outcome(self) -> str:
        assert self.row is not None
        value = self.row.result if self.row.error is None else self.row.error
        return f"{self.row.state.value} {pr_str(decode_data(value)) if value else ''}"

    @property
    def performed(self) -> list[Performed]:
        return self.world.performed

    def history(self) -> list[tuple[str, str, int]]:
        return [(e.kind, e.name, e.effect) for e in self.store.events(RUN)]
