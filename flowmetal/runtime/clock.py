"""The only place where the runtime learns the time.

Due times, timeouts and ``time/now`` go by the store's clock, so that two
interpreters agree. Leases are kept by a monotonic clock, which no one sets.
A test passes ``flowmetal.testing.VirtualClock``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

from flowmetal.store.protocol import Store

if TYPE_CHECKING:
    import asyncio

_DEAF_US: Final = 200_000
"""How long somebody who presses Ctrl-C has to wait, at most."""


class Clock(Protocol):
    """Time as the runtime needs it."""

    def now_us(self) -> int:
        """Return the time, in microseconds since the epoch."""

    def monotonic_us(self) -> int:
        """Return a time that only grows."""

    def wait(self, store: Store, timeout_us: int) -> None:
        """Return when the store may have changed, at the latest after ``timeout_us``."""

    async def wait_alone(self, store: Store, timeout_us: int) -> None:
        """As ``wait``, by the only coroutine of a loop: it may return early, and hears that it is to be cancelled."""

    async def pause(self, woken: asyncio.Event, timeout_us: int) -> None:
        """Let other coroutines run until ``woken`` is set, at the latest for ``timeout_us``."""


class StoreClock:
    """The store's clock."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def now_us(self) -> int:
        return self._store.now_us()

    def monotonic_us(self) -> int:
        return time.monotonic_ns() // 1000

    def wait(self, store: Store, timeout_us: int) -> None:
        store.wait_for_change(timeout_us / 1_000_000)

    async def wait_alone(self, store: Store, timeout_us: int) -> None:
        import asyncio

        # In a loop Ctrl-C ends no call of the system: it tells the task, which hears of it when it is suspended.
        self.wait(store, min(timeout_us, _DEAF_US))
        await asyncio.sleep(0)

    async def pause(self, woken: asyncio.Event, timeout_us: int) -> None:
        import asyncio

        try:
            async with asyncio.timeout(timeout_us / 1_000_000):
                await woken.wait()
        except TimeoutError:
            pass
