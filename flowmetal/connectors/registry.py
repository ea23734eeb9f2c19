"""Which connector performs which kind of effect. Each is loaded by its first effect.

Ours are named here by module, so that no other kind pays for them. Others come
from installed packages, under the entry-point group ``flowmetal.connectors``:
the name of an entry is a kind, or a namespace of kinds followed by ``/*``, and
what it loads is called without arguments and returns a ``Connector``.
Whatever a package does when it is loaded, or when its connector is closed, ends no interpreter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Final, cast

from flowmetal.effects.errors import connector_failed, said_by
from flowmetal.effects.requests import Call, Connector, EffectFailed
from flowmetal.values import Value

ENTRY_POINT_GROUP: Final = "flowmetal.connectors"

CLOSING_S: Final = 3.0
"""How long a connector may take to close what it keeps open."""

# fmt: off
_OURS: Final = {
    "http": ("flowmetal.connectors.http_request", "HttpConnector"),
    "sh":   ("flowmetal.connectors.sh",           "ShConnector"),
    "fs":   ("flowmetal.connectors.files",        "FilesConnector"),
    "config": ("flowmetal.connectors.config",     "ConfigConnector"),
}
# fmt: on


def kinds_of_packages() -> tuple[str, ...]:
    """Return the kinds that installed packages perform, and namespaces of kinds as ``mail/*``."""
    from importlib.metadata import entry_points

    return tuple(entry_points(group=ENTRY_POINT_GROUP).names)


async def close_all(connectors: Iterable[Connector]) -> None:
    """Close connectors, each once. One that cannot be closed, or takes long, keeps nobody from ending."""
    for connector in dict.fromkeys(connectors):
        try:
            async with asyncio.timeout(CLOSING_S):
                await connector.close()
        except KeyboardInterrupt:
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
        except BaseException:  # the edge to strangers' code, of which nothing is asked any more
            continue


class Registry:
    """The connectors of this process, for one thread that drives runs."""

    def __init__(self) -> None:
        self._by_namespace: dict[str, Connector] = {}
        self._by_kind: dict[str, Connector | None] = {}

    def connector(self, kind: str) -> Connector | None:
        """Return who performs effects of ``kind``; None if nobody does."""
        if kind not in self._by_kind:
            self._by_kind[kind] = self._find(kind)
        return self._by_kind[kind]

    async def close(self) -> None:
        """Close those that were loaded; they are loaded again when they are needed again."""
        loaded = [one for one in self._by_kind.values() if one is not None]
        self._by_kind.clear()
        self._by_namespace.clear()
        await close_all(loaded)

    def _find(self, kind: str) -> Connector | None:
        namespace = kind.partition("/")[0]
        if namespace in _OURS:
            if namespace not in self._by_namespace:
                module, name = _OURS[namespace]
                self._by_namespace[namespace] = cast(
                    Connector, getattr(import_module(module), name)()
                )
            ours = self._by_namespace[namespace]
            return ours if kind in ours.kinds else None
        return self._from_package(kind, namespace)

    def _from_package(self, kind: str, namespace: str) -> Connector | None:
        from importlib.metadata import entry_points

        known = entry_points(group=ENTRY_POINT_GROUP)
        for name in (kind, f"{namespace}/*"):
            if name in self._by_namespace:
                return self._by_namespace[name]
            for found in known.select(name=name):
                connector = _loaded(kind, found.load)
                self._by_namespace[name] = connector
                return connector
        return None


def _loaded(kind: str, load: Callable[[], Callable[[], object]]) -> Connector:
    """Return the connector of a package, or what says why it has none."""
    try:
        connector = load()()
        if callable(getattr(connector, "perform", None)):
            return cast(Connector, connector)
        return _Unusable(kind, f"what it makes, a {type(connector).__name__}, performs nothing")
    except KeyboardInterrupt:
        raise
    except BaseException as problem:  # the edge to strangers' code
        return _Unusable(kind, f"{type(problem).__name__}: {said_by(problem)}")


class _Unusable:
    """In place of a connector whose package is broken: its effects fail, and say why. The run is none the worse."""

    def __init__(self, kind: str, why: str) -> None:
        self.kinds = frozenset({kind})
        self._why = why

    async def perform(self, call: Call) -> Value:
        message = f"the package that performs {call.kind} cannot be loaded: {self._why}"
        raise EffectFailed(connector_failed(call.kind, message))

    async def close(self) -> None:
        pass
