"""Hosts for tests: a memory store, a virtual clock, a scripted world, numbers that repeat."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from flowmetal.bytecode.code import Program
from flowmetal.bytecode.file import read_program, write_program
from flowmetal.ids import InterpreterId, RunId
from flowmetal.runtime.driving import drive
from flowmetal.runtime.grants import RunGrants
from flowmetal.runtime.host import Host
from flowmetal.runtime.local import LogLine
from flowmetal.runtime.observer import Silent
from flowmetal.runtime.starting import start_run
from flowmetal.store.memory import MemoryStore
from flowmetal.store.protocol import Message, RunRow
from flowmetal.testing.clock import VirtualClock
from flowmetal.testing.world import ScriptedWorld
from flowmetal.values import Value, decode_data, encode_data, hash_map, keyword
from flowmetal.vm.link import Linker


@dataclass
class Shown(Silent):
    """An observer that keeps what it is shown."""

    texts: list[str] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)

    def wrote(self, run: RunId, text: str) -> None:
        self.texts.append(text)

    def logged(self, run: RunId, line: LogLine) -> None:
        self.lines.append(line)


@dataclass
class Bench:
    """A store and what is around it. ``host`` makes another interpreter on it."""

    world: ScriptedWorld = field(default_factory=ScriptedWorld)
    clock: VirtualClock = field(default_factory=VirtualClock)
    shown: Shown = field(default_factory=Shown)
    interpreters: int = 0
    sent: int = 0

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)
        self.current = self.host()

    def host(self) -> Host:
        self.interpreters += 1
        return Host(
            store=self.store,
            linker=Linker({}),
            world=self.world,
            clock=self.clock,
            owner=InterpreterId(f"i{self.interpreters}"),
            read_program=read_program,
            entropy=random.Random(1),
            observer=self.shown,
        )

    def die(self) -> None:
        """The current interpreter dies; another one takes its place."""
        self.store.abandon(self.current.owner)
        self.current = self.host()

    def start(self, program: Program, *arguments: Value, grants: RunGrants | None = None) -> RunId:
        row, made = start_run(
            self.current,
            program,
            write_program,
            arguments=arguments,
            grants=grants,
            id="r",
        )
        assert made
        return row.id

    def drive(self, run: RunId = RunId("r")) -> RunRow:
        return drive(self.current, run).row

    def run(self, program: Program, *arguments: Value, grants: RunGrants | None = None) -> RunRow:
        return self.drive(self.start(program, *arguments, grants=grants))

    def result(self, program: Program, *arguments: Value) -> Value:
        row = self.run(program, *arguments)
        assert row.result is not None, self.error(row)
        return decode_data(row.result)

    def error(self, row: RunRow) -> Value:
        return None if row.error is None else decode_data(row.error)

    def events(self, run: RunId = RunId("r")) -> list[tuple[str, str, int]]:
        return [(e.kind, e.name, e.effect) for e in self.store.events(run)]

    def signal(self, name: str, value: Value = None, id: str = "") -> None:
        self.send("signal", name, encode_data(value), id)

    def cancel(self, reason: str = "", now: bool = False) -> None:
        body = hash_map(((keyword("reason"), reason), (keyword("now"), now)))
        self.send("cancel", "", encode_data(body))

    def send(self, kind: str, name: str, body: bytes, id: str = "") -> None:
        self.sent += 1
        made = id or f"m{self.sent}"
        self.store.send(RunId("r"), Message(made, kind, name, body))
