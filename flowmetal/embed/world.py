"""What an interpreter of this process can do: connectors by kind, functions of the host, variables.

Connectors come from the entry-point group ``flowmetal.connectors`` and from our
own package; each is loaded when the first effect of its kind asks for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flowmetal.effects.errors import effect_error
from flowmetal.effects.functions import ForeignFunction
from flowmetal.effects.kinds import KINDS, EffectClass, EffectKind
from flowmetal.effects.requests import Call, Connector, EffectFailed
from flowmetal.errors import UsageError
from flowmetal.values import Value

_EVERYWHERE: Final = frozenset({"run/query", "config/read"})
"""What every interpreter performs: it needs the store alone, or is about the interpreter itself."""


class HostWorld:
    """The ``World`` of this process."""

    def __init__(
        self,
        functions: Iterable[Callable[..., Any]] = (),
        connectors: Iterable[Connector] = (),
        environment: Mapping[str, str] | None = None,
        performs: bool = True,
    ) -> None:
        """``performs`` false: what connectors perform is left to other processes, but for those that are given."""
        self.performs = performs
        self.environment = os.environ if environment is None else environment
        self._given: dict[str, Connector] = {kind: one for one in connectors for kind in one.kinds}
        self._functions = _foreign(functions)
        for one in self._functions.values():
            if not one.quick:
                self._given[one.name] = _SlowFunction(one)
        # What a connector keeps open belongs to one event loop, and each thread that drives has its own.
        self._here = threading.local()
        self._kinds: tuple[str, ...] | None = None

    def connector(self, kind: str) -> Connector | None:
        """Return who performs effects of ``kind``."""
        found = self._given.get(kind)
        if found is not None:
            return found
        if not self.performs and kind not in _EVERYWHERE:
            return None
        registry = getattr(self._here, "registry", None)
        if registry is None:
            from flowmetal.connectors.registry import Registry

            registry = self._here.registry = Registry()
        connector: Connector | None = registry.connector(kind)
        return connector

    def function(self, kind: str) -> ForeignFunction | None:
        """Return the function of the host with this name."""
        return self._functions.get(kind)

    def kinds(self) -> Collection[str]:
        """Return the kinds that are performed here for whoever asks."""
        if self._kinds is None:
            found = [*self._functions, *(kind for kind in self._given if kind not in _EVERYWHERE)]
            if self.performs:
                from flowmetal.connectors.registry import kinds_of_packages

                found += (row.name for row in KINDS.values() if self._is_ours(row))
                found += kinds_of_packages()
            self._kinds = tuple(dict.fromkeys(found))
        return self._kinds

    def _is_ours(self, row: EffectKind) -> bool:
        return row.effect_class is EffectClass.CONNECTOR and row.name not in _EVERYWHERE

    async def close(self) -> None:
        """Close the connectors that were loaded for this thread, and those that were given."""
        if self._given:
            from flowmetal.connectors.registry import close_all

            await close_all(self._given.values())
        registry = getattr(self._here, "registry", None)
        if registry is not None:
            await registry.close()


class LonelyWorld(HostWorld):
    """A world without workers and other interpreters, as a REPL's is: nobody will ever do what nobody does here."""

    def connector(self, kind: str) -> Connector | None:
        return super().connector(kind) or _Nobody(frozenset({kind}))


@dataclass(frozen=True, slots=True)
class _Nobody:
    """Refuses what it is asked for."""

    kinds: frozenset[str]

    async def perform(self, call: Call) -> Value:
        message = f"nobody performs {call.kind} here"
        raise EffectFailed(effect_error("FM0749", "effect/unserved", message, {"kind": call.kind}))

    async def close(self) -> None:
        """Nothing is open."""


class _SlowFunction:
    """A function of the host that is performed beside other effects, as a connector's are."""

    def __init__(self, function: ForeignFunction) -> None:
        self._function = function
        self.kinds = frozenset({function.name})

    async def perform(self, call: Call) -> Value:
        """Call the function; one that is no coroutine function gets a thread."""
        function = self._function
        if not function.is_async:
            import asyncio

            return await asyncio.to_thread(function.call, call.args, call.idempotency_key)
        answer = function.call(call.args, call.idempotency_key)
        assert isinstance(answer, Awaitable)
        return await answer

    async def close(self) -> None:
        pass


def _foreign(functions: Iterable[Callable[..., Any]]) -> dict[str, ForeignFunction]:
    given = list(functions)
    if not given:
        return {}
    from flowmetal.embed.functions import as_foreign

    found: dict[str, ForeignFunction] = {}
    for function in {id(each): each for each in given}.values():
        one = as_foreign(function)
        if one.name in found:
            raise UsageError(
                "FM1313",
                f"two functions are named {one.name}",
                hint="give each a name of its own in @flowmetal.foreign(...)",
            )
        found[one.name] = one
    return found
