"""The right to drive a run, kept while it lasts.

Renewed at a third of its length. At two thirds without a renewal the holder
fences itself: it begins no effect and commits nothing more, because somebody
else may soon do both. (The store refuses a stale commit anyway; nothing but
this keeps a stale interpreter from *performing*.)
"""

from __future__ import annotations

from flowmetal.errors import Conflict, StoreError
from flowmetal.runtime.clock import Clock
from flowmetal.store.protocol import Claim, Store


class Lease:
    """One run's lease. ``taken_us`` is the monotonic time *before* the claim was asked for."""

    __slots__ = ("_clock", "_fence_us", "_length_us", "_renew_us", "_store")

    def __init__(self, store: Store, clock: Clock, length_us: int, taken_us: int) -> None:
        self._store = store
        self._clock = clock
        self._length_us = length_us
        self._start(taken_us)

    def _start(self, taken_us: int) -> None:
        self._renew_us = taken_us + self._length_us // 3
        self._fence_us = taken_us + self._length_us * 2 // 3

    def keep(self, claim: Claim) -> None:
        """Renew if it is time. Raises Conflict if the lease is lost or may be."""
        now = self._clock.monotonic_us()
        if now < self._renew_us:
            return
        try:
            held = bool(self._store.renew([claim], self._length_us))
        except StoreError:
            # The store may answer again before the fence is reached.
            held = now < self._fence_us
        else:
            if held:
                self._start(now)
        if not held:
            raise Conflict("FM1014", f"the lease of run {claim.run} is lost")

    def left_us(self) -> int:
        """Return how long until the next renewal."""
        return max(0, self._renew_us - self._clock.monotonic_us())
