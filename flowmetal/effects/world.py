"""What an interpreter knows of the world: who performs which kind of effect."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from flowmetal.effects.functions import ForeignFunction
from flowmetal.effects.requests import Connector


class World(Protocol):
    """Passed to the runtime by whoever puts an interpreter together."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that ``env/get`` reads."""

    def connector(self, kind: str) -> Connector | None:
        """Return who performs effects of this kind, loading it if need be."""

    def function(self, kind: str) -> ForeignFunction | None:
        """Return the function of this process that is registered under the name."""

    def kinds(self) -> Collection[str]:
        """Return the kinds that are performed here for whoever asks: what connectors perform, and functions of
        the host; all kinds of a namespace as ``mail/*``."""

    async def close(self) -> None:
        """Close every connector that was loaded."""
