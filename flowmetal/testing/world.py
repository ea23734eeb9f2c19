"""A world that follows a script and keeps a record of what was done to it.

``ScriptedWorld`` serves kinds of effects with Python functions and notes every
performing in ``performed``, which outlives a crash of the interpreter as the
real world does. A script may raise EffectFailed, or ``Crash``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from flowmetal.effects.functions import ForeignFunction
from flowmetal.effects.requests import Call, Connector
from flowmetal.values import Map, Value, pr_str


@dataclass(frozen=True, slots=True)
class Performed:
    """One performing of an effect. ``args`` is their text, so that records compare."""

    kind: str
    key: str
    args: str
    attempt: int


Script = Callable[[Call], Value]


@dataclass(slots=True)
class ScriptedWorld:
    """A ``World``. ``connectors`` answer as connectors do, ``functions`` as quick functions."""

    connectors: Mapping[str, Script] = field(default_factory=dict)
    functions: Mapping[str, Callable[[Map], Value]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    performed: list[Performed] = field(default_factory=list)
    before: Callable[[str], None] | None = None  # called with the key before each performing

    def connector(self, kind: str) -> Connector | None:
        script = self.connectors.get(kind)
        return None if script is None else _Scripted(self, kind, script)

    def function(self, kind: str) -> ForeignFunction | None:
        function = self.functions.get(kind)
        if function is None:
            return None

        def call(args: Map, key: str) -> Value:
            self.note(kind, key, args, 1)
            return function(args)

        return ForeignFunction(kind, call)

    def kinds(self) -> Collection[str]:
        return (*self.functions, *self.connectors)

    async def close(self) -> None:
        """Nothing is open."""

    def note(self, kind: str, key: str, args: Map, attempt: int) -> None:
        if self.before is not None:
            self.before(key)
        self.performed.append(Performed(kind, key, pr_str(args), attempt))


@dataclass(frozen=True, slots=True)
class _Scripted:
    world: ScriptedWorld
    kind: str
    script: Script

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset({self.kind})

    async def perform(self, call: Call) -> Value:
        self.world.note(call.kind, call.idempotency_key, call.args, call.attempt)
        return self.script(call)

    async def close(self) -> None:
        """Nothing is open."""
