"""How often a store that fails is borne: a server may come back, a full disk be cleared, a lock be let go."""

from __future__ import annotations

from typing import Final

from flowmetal.store.protocol import Store

PATIENCE: Final = 10
"""Failures in a row that are borne, a second apart."""

REMOTE_PATIENCE: Final = 60
"""The same where a server may be restarted, or another one take its place."""

TROUBLE_US: Final = 1_000_000
"""How long to wait after a failure."""

_QUIET_US: Final = 60_000_000
"""Work that has gone well for so long begins the count anew: a year has many restarts of a server."""


class Patience:
    """Counts the failures of a store that come in a row."""

    def __init__(self, store: Store) -> None:
        self._most = REMOTE_PATIENCE if store.is_remote else PATIENCE
        self._failures = 0

    def bears(self, lasted_us: int = 0) -> bool:
        """Count a failure that ended ``lasted_us`` of work; False: it was one too many."""
        if lasted_us >= _QUIET_US:
            self.forget()
        self._failures += 1
        return self._failures <= self._most

    def forget(self) -> None:
        """Begin the count anew."""
        self._failures = 0

    def has_begun(self) -> bool:
        """Say whether there was a failure."""
        return self._failures > 0
