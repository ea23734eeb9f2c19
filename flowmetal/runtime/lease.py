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

    __slots__ = (
        "_claim",
        "_clock",
        "_fence_us",
        "_is_lost",
        "_length_us",
        "_others",
        "_renew_us",
        "_store",
    )

    def __init__(self, store: Store, clock: Clock, length_us: int, taken_us: int) -> None:
        self._store = store
        self._clock = clock
        self._length_us = length_us
        self._is_lost = False
        self._claim: Claim | None = None
        self._others: set[Lease] = set()
        self._start(taken_us)

    def _start(self, taken_us: int) -> None:
        self._renew_us = taken_us + self._length_us // 3
        self._fence_us = taken_us + self._length_us * 2 // 3

    def join(self, others: set[Lease], claim: Claim) -> None:
        """Be renewed with others of this interpreter: one transaction for all, until ``leave``."""
        self._claim = claim
        self._others = others
        others.add(self)

    def leave(self) -> None:
        """Be renewed no more: nobody drives the run here."""
        self._others.discard(self)
        self._claim = None

    def keep(self, claim: Claim) -> None:
        """Renew if it is time. Raises Conflict if the lease is lost or may be."""
        now = self._clock.monotonic_us()
        if now >= self._renew_us and not self._is_lost:
            self._claim = claim
            try:
                self._renew(now)
            except StoreError:
                # The store may answer again before the fence is reached.
                # It may have taken its time to fail.
                self._is_lost = self._clock.monotonic_us() >= self._fence_us
        if self._is_lost:
            raise Conflict("FM1014", f"the lease of run {claim.run} is lost")

    def _renew(self, now_us: int) -> None:
        """Renew this lease, and those that would be due soon."""
        soon_us = now_us + self._length_us // 6
        due = {self, *(lease for lease in self._others if lease._renew_us <= soon_us)}
        claims = [(lease, lease._claim) for lease in due if lease._claim is not None]
        held = set(self._store.renew([claim for _, claim in claims], self._length_us))
        for lease, claim in claims:
            if claim in held:
                lease._start(now_us)
            else:
                lease._is_lost = True

    def left_us(self) -> int:
        """Return how long until the next renewal."""
        return max(0, self._renew_us - self._clock.monotonic_us())
