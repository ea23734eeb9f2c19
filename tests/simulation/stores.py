"""The store as one process sees it: calls may fail, take long, or be the last thing it does.

The store behind it is a real one, shared by all. What each call changes is told to the ledger,
which checks that it may be so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowmetal.errors import StoreError
from flowmetal.store.protocol import Store

if TYPE_CHECKING:
    from tests.simulation.simulation import Process, Simulation

READS = frozenset((
    "program", "run", "runs", "driver", "load", "load_all", "snapshot", "kept_snapshot", "kept_snapshots",
    "chunk_names", "chunks", "inbox", "events", "next_wake_us", "has_calls", "export_run",
))  # fmt: skip
OWN = frozenset(("url", "is_remote", "now_us", "wait_for_change", "close"))
WRITES = frozenset(name for name in vars(Store) if not name.startswith("_")) - READS - OWN
"""Whatever else the protocol has, so that a method that is added to it is not overlooked."""


_QUIET = frozenset(("claim_ready", "attend"))
"""What changes nothing when its answer is empty."""


class SeenStore:
    """A ``Store`` for one process of a simulation."""

    def __init__(self, simulation: Simulation, process: Process, real: Store) -> None:
        self.hooks: Callable[[str], None] | None = None
        self.real = real
        self._simulation = simulation
        self._process = process
        self.is_remote = simulation.is_remote
        for name in WRITES:
            setattr(self, name, _Call(self._write, name))
        for name in READS:
            setattr(self, name, _Call(self._read, name))

    @property
    def url(self) -> str:
        return self.real.url

    def now_us(self) -> int:
        return self._simulation.clock.now_us()

    def wait_for_change(self, timeout_s: float) -> None:
        raise AssertionError("threads wait: loops.py")

    def close(self) -> None:
        """The simulation closes what is behind it."""

    def _write(self, name: str, *arguments: Any, **options: Any) -> Any:
        simulation, process = self._simulation, self._process
        simulation.at_call(process, f"before {name}")
        chance, faults = simulation.chance, simulation.faults
        if chance.random() < faults.refuse:
            raise StoreError(
                chance.choice(("FM1007", "FM1008", "FM1009")), f"{name}: the world said no"
            )
        ledger = simulation.ledger
        before = ledger.before(name, arguments)
        answer = getattr(self.real, name)(*arguments, **options)
        ledger.after(process, name, arguments, answer, before)
        if answer or name not in _QUIET:
            simulation.hint()
        simulation.at_call(process, f"after {name}")
        if chance.random() < faults.forget:
            raise StoreError(
                chance.choice(("FM1008", "FM1022")), f"{name}: nobody knows what became of it"
            )
        return answer

    def _read(self, name: str, *arguments: Any, **options: Any) -> Any:
        simulation = self._simulation
        simulation.at_call(self._process, f"before {name}")
        if simulation.chance.random() < simulation.faults.unread:
            raise StoreError("FM1008", f"{name}: the world said no")
        return getattr(self.real, name)(*arguments, **options)


class _Call:
    """A method of the store."""

    __slots__ = ("_name", "_through")

    def __init__(self, through: Callable[..., Any], name: str) -> None:
        self._through = through
        self._name = name

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._through(self._name, *arguments, **options)
