"""What is done to a store while the power may fail: programs of the crash corpus run on it, one after the other.

After every transaction of the store, ``marks`` has how many acts there were, the digest of everything that is in
the store, and whether the transaction was a promise to somebody. Claims and renewals are none: they do not wait for
the disk, because whoever holds them ends with the power too.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

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
PROMISE_NOTHING = frozenset(("after claim", "after claim_ready", "after renew"))
Execute = Callable[[str], Any]


def host_on(store: SqliteStore, clock: VirtualClock, owner: InterpreterId) -> Host:
    """Return an interpreter for programs of the crash corpus."""
    return Host(
        store=store, linker=linker(), world=world(), clock=clock, owner=owner,
        read_program=read_program, entropy=random.Random(owner),
    )  # fmt: skip


def digest(execute: Execute) -> bytes:
    """Return the digest of all rows of a store."""
    found = hashlib.sha256()
    tables = execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (table,) in tables:
        if not table.startswith("sqlite_"):
            rows = sorted(map(repr, execute(f"SELECT * FROM {table}").fetchall()))
            found.update(repr((table, rows)).encode())
    return found.digest()


class Mark(NamedTuple):
    acts: int
    content: bytes
    lasts: bool


@dataclass
class Workload:
    """What was done to the files, and a mark for each transaction."""

    recorder: Recorder
    path: Path
    marks: list[Mark] = field(default_factory=list)

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
                store.close()

    def _hook(self, store: SqliteStore, point: str) -> None:
        if point.startswith("after "):
            self._mark(store, lasts=point not in PROMISE_NOTHING)

    def _mark(self, store: SqliteStore, *, lasts: bool = True) -> None:
        self.marks.append(Mark(len(self.recorder.acts), digest(store._execute), lasts))

    def _drive(self, store: SqliteStore, clock: VirtualClock, name: str, life: int) -> None:
        host = host_on(store, clock, InterpreterId(f"i{life}"))
        program, data = program_of(name)
        run = RunId(f"{name}-{life}")
        start_run(host, program, lambda _: data, id=run)
        for signal, value in BY_NAME[name].signals.items():
            body = encode_data(value)
            store.send(run, Message(signal, "signal", signal.partition(":")[0], body))
        drive(host, run)

    def allowed(self, acts: int) -> list[Mark]:
        """Return what may be there if the power fails before act number ``acts``; empty: anything.

        That is the last transaction that was promised, those after it, and the one that was being made.
        """
        made = sum(1 for mark in self.marks if mark.acts <= acts)
        promised = max((n for n in range(made) if self.marks[n].lasts), default=None)
        return [] if promised is None else self.marks[promised : made + 1]


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
    allowed = workload.allowed(point)
    if problem or not allowed or found in (mark.content for mark in allowed):
        return problem
    older = [n for n, mark in enumerate(workload.marks) if mark.content == found]
    where = f"what there was after transaction {older[0]}" if older else "something else"
    return f"after transaction {workload.marks.index(allowed[0])} was acknowledged there is {where}"


def _gap(store: SqliteStore, number: int, run: str) -> str:
    events = [event.seq for event in store.events(RunId(run), 0, 100_000)]
    (seq,) = store._execute(f"SELECT seq FROM head WHERE number = {number}").fetchone()
    return "" if events == list(range(1, seq + 1)) else f"the history of {run} has a gap"
