"""What is done to a store while the power may fail: programs of the crash corpus run on it, one after the other.

After every transaction that the store has acknowledged, ``marks`` has how many acts there were, and the digest
of everything that is in the store.
"""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowmetal.bytecode.file import read_program
from flowmetal.ids import InterpreterId, RunId
from flowmetal.runtime.driving import drive
from flowmetal.runtime.host import Host
from flowmetal.runtime.starting import start_run
from flowmetal.store.protocol import Message
from flowmetal.store.sqlite import SqliteStore
from flowmetal.testing.clock import VirtualClock
from flowmetal.values import encode_data
from tests.crash.corpus import BY_NAME, world
from tests.crash.harness import linker, program_of
from tests.power.recording import Recorder

NAMES = (
    "quick-loop",
    "lazy-and-big",
    "signals",
    "locks-and-state",
    "children",
    "topics-and-callbacks",
)
Execute = Callable[[str], Any]


def digest(execute: Execute) -> bytes:
    """Return the digest of all rows of a store."""
    found = hashlib.sha256()
    tables = execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (table,) in tables:
        if not table.startswith("sqlite_"):
            rows = sorted(map(repr, execute(f"SELECT * FROM {table}").fetchall()))
            found.update(repr((table, rows)).encode())
    return found.digest()


@dataclass
class Workload:
    """Acts, and marks: (acts so far, digest), one for each acknowledged transaction."""

    recorder: Recorder
    path: Path
    marks: list[tuple[int, bytes]] = field(default_factory=list)

    def run(self, names: Sequence[str] = NAMES, lives: int = 2) -> None:
        """Run programs in stores that are opened and closed again, ``lives`` times."""
        with self.recorder.at_work():
            for life in range(lives):
                clock = VirtualClock()
                store = SqliteStore(self.path, clock)
                self._mark(store)
                store.hooks = lambda point, store=store: self._hook(store, point)
                for name in names:
                    self._drive(store, clock, name, life)
                store.hooks = None
                store.close()

    def _hook(self, store: SqliteStore, point: str) -> None:
        if point.startswith("after "):
            self._mark(store)

    def _mark(self, store: SqliteStore) -> None:
        self.marks.append((len(self.recorder.acts), digest(store._execute)))

    def _drive(self, store: SqliteStore, clock: VirtualClock, name: str, life: int) -> None:
        host = Host(
            store=store, linker=linker(), world=world(), clock=clock,
            owner=InterpreterId(f"i{life}"), read_program=read_program,
            entropy=random.Random(life),
        )  # fmt: skip
        program, data = program_of(name)
        run = RunId(f"{name}-{life}")
        start_run(host, program, lambda _: data, id=run)
        for signal, value in BY_NAME[name].signals.items():
            body = encode_data(value)
            store.send(run, Message(signal, "signal", signal.partition(":")[0], body))
        drive(host, run)

    def acknowledged(self, acts: int) -> int:
        """Return how many transactions were acknowledged before act number ``acts``."""
        return sum(1 for count, _ in self.marks if count <= acts)


def problem_of(folder: Path, workload: Workload, point: int) -> str:
    """Open the image in ``folder`` as anybody would, and say what is wrong with it."""
    path = folder / workload.path.name
    store = SqliteStore(path, VirtualClock())
    try:
        (sound,) = store._execute("PRAGMA integrity_check").fetchone()
        if sound != "ok":
            return f"integrity_check says {sound}"
        found = digest(store._execute)
        runs = store._execute("SELECT number, id FROM run").fetchall()
        problem = next(filter(None, (_gap(store, number, run) for number, run in runs)), "")
    finally:
        store.close()
    known = workload.acknowledged(point)
    if known == 0:
        return problem  # the store was being made
    allowed = [content for _, content in workload.marks[known - 1 : known + 1]]
    if found not in allowed:
        older = [n for n, (_, content) in enumerate(workload.marks, 1) if content == found]
        where = f"what there was after transaction {older[0]}" if older else "something else"
        return f"{known} transactions were acknowledged, and what is there is {where}"
    return problem


def _gap(store: SqliteStore, number: int, run: str) -> str:
    events = [event.seq for event in store.events(RunId(run), 0, 100_000)]
    (seq,) = store._execute(f"SELECT seq FROM head WHERE number = {number}").fetchone()
    return "" if events == list(range(1, seq + 1)) else f"the history of {run} has a gap"


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path)
