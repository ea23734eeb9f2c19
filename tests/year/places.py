"""Places where runs live: a store each, all on one clock that the year moves, and who drives the runs there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from random import Random

import flowmetal
from flowmetal.bytecode.file import read_program
from flowmetal.embed.natives import natives
from flowmetal.ids import InterpreterId, RunId
from flowmetal.store.memory import MemoryStore
from flowmetal.store.protocol import RunQuery, RunRow, Store
from flowmetal.store.sqlite import SqliteStore
from flowmetal.testing.clock import VirtualClock
from flowmetal.testing.dying import Death, DeathAt
from flowmetal.vm.link import Linker
from tests.year.world import Function, World, functions

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
_BEYOND_A_LEASE_US = 15 * SECOND_US

_read_once = lru_cache(50)(read_program)


@cache
def _linker() -> Linker:
    return Linker(natives())


class Place:
    """One store and the engine that drives its runs. ``engine`` is another one after each death."""

    def __init__(
        self, name: str, kind: str, folder: Path, clock: VirtualClock, chance: Random, world: World
    ) -> None:
        self.name = name
        self._clock = clock
        self._chance = chance
        self._functions = functions(world, name)
        self._path = folder / f"{name}.db"
        self._memory = MemoryStore(clock) if kind == "memory" else None
        self.engine = self._opened()

    def _opened(self, functions: Sequence[Function] | None = None) -> flowmetal.Engine:
        named = self._functions if functions is None else functions
        engine = flowmetal.Engine("memory:", functions=named)
        engine.store = self._memory or SqliteStore(self._path, self._clock)
        engine.host.linker = _linker()
        engine.host.read_program = _read_once
        engine.host.entropy = self._chance
        return engine

    @property
    def store(self) -> Store:
        return self.engine.store

    def rows(self) -> list[RunRow]:
        return self.store.runs(RunQuery(limit=10_000))

    def row(self, run: str) -> RunRow | None:
        return self.store.run(RunId(run))

    def keeps(self) -> list[tuple[str, str]]:
        """Return space and key of all that runs share, or that hangs on them."""
        records = self.store._records  # type: ignore[attr-defined]
        if self._memory is not None:
            return [(name, key) for name, space in records._spaces.items() for key in space.rows]
        execute = self.store._session.execute  # type: ignore[attr-defined]
        return [tuple(row) for row in execute("SELECT space, key FROM record").fetchall()]

    def interpret(self) -> None:
        """Drive what can go on at this time, now and then first by a process that calls no functions."""
        if self._chance.random() < 0.1 and self.store.hooks is None:
            without = self._opened(functions=[])
            without.interpret(until_idle=True)
            self._close(without)
        self.engine.interpret(until_idle=True, concurrency=self._chance.choice((1, 3, 100)))

    def dying(self, act: Callable[[], object], points: int) -> bool:
        """Do something in a process that dies at one of the next so many moments; say whether it did.

        Then it is known to be dead, or it is not until its lease is over.
        """
        self.store.hooks = DeathAt(self._chance.randrange(1, points))
        try:
            act()
        except Death:
            self.store.hooks = None
            self._die()
            return True
        self.store.hooks = None
        return False

    def _die(self) -> None:
        old = self.engine
        if self._chance.random() < 0.5:
            self.store.abandon(InterpreterId(old.name))  # type: ignore[attr-defined]
        else:
            self._clock.advance(_BEYOND_A_LEASE_US)
        self.engine = self._opened()
        self._close(old)

    def nap(self) -> None:
        """Let the process stand still in the middle of what it does, and another one go on meanwhile."""
        self._clock.advance(_BEYOND_A_LEASE_US)
        other = self._opened()
        hooks, other.store.hooks = other.store.hooks, None
        thread = threading.Thread(target=other.interpret, kwargs={"until_idle": True})
        thread.start()  # there is a loop in this one
        thread.join()
        other.store.hooks = hooks if self._memory is not None else None
        self._close(other)

    def _close(self, engine: flowmetal.Engine) -> None:
        if self._memory is None:
            engine.store.close()

    def close(self) -> None:
        self.store.close()
