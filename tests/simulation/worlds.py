"""The world of a simulation: it remembers what was done to it, and by which process.

Services act once for one idempotency key, as real ones do, and remember every attempt. An attempt may
fail before anything is done, may be done and time out, or may take long.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from flowmetal.effects.errors import effect_error
from flowmetal.effects.functions import ForeignFunction
from flowmetal.effects.requests import Call, Connector, EffectFailed
from flowmetal.values import Map, Value, Vector, keyword, pr_str

if TYPE_CHECKING:
    from tests.simulation.simulation import Process, Simulation

MOST_FAILURES = 3
"""Attempts at one effect that fail in a simulation: fewer than the default policy makes."""

_ARGS = keyword("args")
_AT_MOST_ONCE = keyword("at-most-once")
_CONNECTORS = frozenset({"sim/remote", "sim/once", "sim/refused"})
_FUNCTIONS = frozenset({"sim/quick", "sim/quick-once"})
KINDS = _CONNECTORS | _FUNCTIONS | {"sim/slow"}


class Services:
    """What is outside, shared by all processes."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self.attempts: Counter[str] = Counter()  # by key
        self.failed: Counter[str] = Counter()
        self.performed: dict[str, str] = {}  # what was done, by key: kind and arguments
        self.keys: dict[str, str] = {}  # the key of each effect, by kind and arguments
        self.told: list[Value] = []  # arguments, in order: outsiders read it
        self.opened: set[str] = set()  # what ``sim/refused`` takes now

    def note(self, kind: str, key: str, args: Map, *, may_fail: bool = True) -> None:
        """Take note of an attempt, which is made now. Raises EffectFailed if nothing is done."""
        simulation, chance, faults = (
            self._simulation,
            self._simulation.chance,
            self._simulation.faults,
        )
        what = f"{kind} {pr_str(args.get(_ARGS))}"
        self.attempts[key] += 1
        simulation.ledger.begins(kind, key, args, what)
        if may_fail and self.failed[key] < MOST_FAILURES and chance.random() < faults.fail:
            self.failed[key] += 1
            raise EffectFailed(effect_error("FM0705", "sim/away", "not now", retryable=True))
        if bool(args.get(_AT_MOST_ONCE)) and key in self.performed:
            simulation.ledger.problem(f"{what}, which is at-most-once, was performed twice")
        self.performed.setdefault(key, what)
        self.told.append(_inner(args))
        if may_fail and self.failed[key] < MOST_FAILURES and chance.random() < faults.answer_lost:
            self.failed[key] += 1
            raise EffectFailed(effect_error("FM0704", "timeout", "no answer", retryable=True))


class SeenWorld:
    """A ``World`` for one process."""

    environment: Mapping[str, str] = {}

    def __init__(self, simulation: Simulation, process: Process) -> None:
        self._simulation = simulation
        self._process = process

    def connector(self, kind: str) -> Connector | None:
        if kind not in _CONNECTORS or kind in self._process.lacks:
            return None
        return _Service(self._simulation, self._process, kind)

    def function(self, kind: str) -> ForeignFunction | None:
        if kind in self._process.lacks:
            return None
        if kind == "sim/slow":
            return ForeignFunction(kind, lambda args, key: self._call(kind, args, key), slow=True)
        if kind not in _FUNCTIONS:
            return None
        return ForeignFunction(kind, lambda args, key: self._call(kind, args, key))

    def kinds(self) -> Collection[str]:
        return KINDS - self._process.lacks

    def _call(self, kind: str, args: Map, key: str) -> Value:
        self._simulation.at_call(self._process, f"before {kind}")
        self._simulation.services.note(kind, key, args, may_fail=False)
        self._simulation.at_call(self._process, f"after {kind}")
        return _inner(args).nth(0)

    async def close(self) -> None:
        """Nothing is open."""


class _Service:
    def __init__(self, simulation: Simulation, process: Process, kind: str) -> None:
        self._simulation = simulation
        self._process = process
        self._kind = kind

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset({self._kind})

    async def perform(self, call: Call) -> Value:
        simulation = self._simulation
        await asyncio.sleep(self._way_s())
        simulation.at_call(self._process, f"before {self._kind}")
        simulation.services.note(call.kind, call.idempotency_key, call.args)
        if call.kind == "sim/refused":
            name = pr_str(_inner(call.args).nth(0))
            if name not in simulation.services.opened:
                raise EffectFailed(
                    effect_error("FM0705", "sim/refused", "not allowed", retryable=False)
                )
        simulation.at_call(self._process, f"after {self._kind}")
        await asyncio.sleep(self._way_s())
        return _inner(call.args).nth(0)

    def _way_s(self) -> float:
        chance = self._simulation.chance
        if chance.random() < self._simulation.faults.linger:
            return chance.uniform(0, 4)
        return chance.choice((0.0, 0.001, 0.02))

    async def close(self) -> None:
        """Nothing is open."""


def _inner(args: Map) -> Vector:
    """Return what an effect was asked with, whether by a foreign function or by ``perform``."""
    given = args.get(_ARGS)
    first = given.nth(0)
    return first if isinstance(first, Vector) else given
