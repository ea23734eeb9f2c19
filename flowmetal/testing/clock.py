"""A clock that moves only when somebody waits, or moves it.

It is the store's clock (``MemoryStore(clock)``, ``SqliteStore(path, clock)``) and the
runtime's at once. Waiting takes no time: the clock jumps to the end of the
wait, or to what was planned ``at`` an earlier moment.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

from flowmetal.store.protocol import Store

if TYPE_CHECKING:
    import asyncio

START_US = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z."""

PATIENCE_US = 10 * 366 * 86_400_000_000
"""A wait that nothing will end is a mistake of the test; it is found after some years."""


class VirtualClock:
    """See the module's docstring."""

    boot_id = "virtual"

    def __init__(self, now_us: int = START_US) -> None:
        self._now_us = now_us
        self._started_us = now_us
        self._plans: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def now_us(self) -> int:
        return self._now_us

    def boot_us(self) -> int:
        return self._now_us - self._started_us

    def monotonic_us(self) -> int:
        return self._now_us - self._started_us

    def at(self, time_us: int, act: Callable[[], None]) -> None:
        """Plan something for a moment."""
        heapq.heappush(self._plans, (time_us, next(self._order), act))

    def after(self, delay_us: int, act: Callable[[], None]) -> None:
        """Plan something for a moment from now."""
        self.at(self._now_us + delay_us, act)

    def advance(self, by_us: int) -> None:
        """Move on, doing on the way what was planned."""
        end = self._now_us + by_us
        while self._plans and self._plans[0][0] <= end:
            self._do_next()
        self._now_us = max(self._now_us, end)

    def wait(self, store: Store, timeout_us: int) -> None:
        """Move to the first thing planned, or to the end of the wait."""
        if self._plans and self._plans[0][0] <= self._now_us + timeout_us:
            self._do_next()
        else:
            self._now_us += timeout_us
        if self._now_us - self._started_us > PATIENCE_US:
            raise AssertionError(
                "a run has waited for years, and nothing is planned that could wake it"
            )

    async def wait_alone(self, store: Store, timeout_us: int) -> None:
        """Wait as any other; a cancellation is heard of after it."""
        import asyncio

        self.wait(store, timeout_us)
        await asyncio.sleep(0)

    async def pause(self, woken: asyncio.Event, timeout_us: int) -> None:
        """Let the others run; when they all wait too, move on."""
        import asyncio

        for _ in range(10):
            await asyncio.sleep(0)
            if woken.is_set():
                return
        self.wait(_NO_STORE, timeout_us)

    def _do_next(self) -> None:
        time_us, _, act = heapq.heappop(self._plans)
        self._now_us = max(self._now_us, time_us)
        act()


_NO_STORE: Store = None  # type: ignore[assignment]
"""``wait`` does not look at the store: the plans say when something happens."""
