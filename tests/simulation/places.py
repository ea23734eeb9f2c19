"""Where the shared store of a simulation is: in memory, or in a file that each process opens itself."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from flowmetal.store.clock import Clock
from flowmetal.store.memory import MemoryStore
from flowmetal.store.protocol import Store
from flowmetal.store.sqlite import SqliteStore

_FAST: Final = Path("/dev/shm")


class Place(Protocol):
    """``open`` gives a process its store, ``leave`` is its good end; ``close`` ends all."""

    folder: Path  # for files that people make

    def open(self) -> Store: ...

    def leave(self, store: Store) -> None: ...

    def close(self) -> None: ...


class InMemory:
    """One store, which all processes share."""

    def __init__(self, clock: Clock) -> None:
        self._store = MemoryStore(clock)
        self.folder = _folder()

    def open(self) -> Store:
        return self._store

    def leave(self, store: Store) -> None:
        """Nothing is left behind."""

    def close(self) -> None:
        self._store.close()
        shutil.rmtree(self.folder)


class InFile:
    """A SQLite file in a folder of its own, in memory where the system has such a place."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.folder = _folder()
        self._opened: list[SqliteStore] = []

    def open(self) -> Store:
        self._opened.append(SqliteStore(self.folder / "store.db", self._clock))
        return self._opened[-1]

    def leave(self, store: Store) -> None:
        store.close()

    def close(self) -> None:
        for store in reversed(self._opened):
            store.close()
        shutil.rmtree(self.folder)


def _folder() -> Path:
    return Path(tempfile.mkdtemp(dir=_FAST if _FAST.is_dir() else None))


PLACES: Final[dict[str, Callable[[Clock], Place]]] = {"memory": InMemory, "sqlite": InFile}
