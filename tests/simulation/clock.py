"""The clocks of a simulation: one that only grows, and the time of day, which somebody may set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from flowmetal.store.protocol import Store
from flowmetal.testing.clock import START_US


class SimulatedClock:
    """The store's clock and the runtime's. ``wait`` lets the others go on meanwhile."""

    boot_id = "simulated"

    def __init__(self) -> None:
        self.passed_us = 0
        self.shift_us = 0
        self.wait_for: Callable[[int], None] | None = None

    def now_us(self) -> int:
        return START_US + self.shift_us + self.passed_us

    def boot_us(self) -> int:
        return self.passed_us

    def monotonic_us(self) -> int:
        return self.passed_us

    def wait(self, store: Store, timeout_us: int) -> None:
        assert self.wait_for is not None
        self.wait_for(timeout_us)

    async def pause(self, woken: asyncio.Event, timeout_us: int) -> None:
        try:
            async with asyncio.timeout(timeout_us / 1_000_000):
                await woken.wait()
        except TimeoutError:
            pass
