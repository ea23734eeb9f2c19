"""The clocks of a simulation: one that only grows, and the time of day, which somebody may set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from flowmetal.store.protocol import Store
from flowmetal.testing.clock import START_US


class SimulatedClock:
    """The store's clock."""

    boot_id = "simulated"

    def __init__(self) -> None:
        self.passed_us = 0
        self.shift_us = 0

    def now_us(self) -> int:
        return START_US + self.shift_us + self.passed_us

    def boot_us(self) -> int:
        return self.passed_us

    def monotonic_us(self) -> int:
        return self.passed_us


class ProcessClock:
    """The runtime's, for one process: while that waits, the others go on."""

    def __init__(self, clock: SimulatedClock, wait_for: Callable[[int], None]) -> None:
        self.now_us = clock.now_us
        self.monotonic_us = clock.monotonic_us
        self._wait_for = wait_for

    def wait(self, store: Store, timeout_us: int) -> None:
        self._wait_for(timeout_us)

    async def wait_alone(self, store: Store, timeout_us: int) -> None:
        self._wait_for(timeout_us)
        await asyncio.sleep(0)

    async def pause(self, woken: asyncio.Event, timeout_us: int) -> None:
        try:
            async with asyncio.timeout(timeout_us / 1_000_000):
                await woken.wait()
        except TimeoutError:
            pass
