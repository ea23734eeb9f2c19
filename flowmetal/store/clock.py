"""The two clocks of a store: one for people, one for leases.

``now_us`` is the time of day, for events, timers and messages; somebody may
set it. ``boot_us`` counts since the machine was started and never jumps:
leases use it, together with ``boot_id``, because a count means nothing after
the next start. Tests pass a clock of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

NOTABLE_US: Final = 1_000_000
"""A clock that is set back by less holds nobody up."""


def outlasts(until_us: int | None, lease_us: int | None, now_us: int) -> bool:
    """Say whether a lease ends later than one that begins now: the clock was set back."""
    return until_us is not None and lease_us is not None and until_us > now_us + lease_us


class Clock(Protocol):
    """What a store asks for the time."""

    @property
    def boot_id(self) -> str: ...

    def now_us(self) -> int: ...

    def boot_us(self) -> int: ...


class SystemClock:
    """The operating system's clocks."""

    __slots__ = ("boot_id",)

    def __init__(self) -> None:
        self.boot_id = _read_boot_id()

    def now_us(self) -> int:
        """Return microseconds since the epoch."""
        return time.time_ns() // 1000

    def boot_us(self) -> int:
        """Return microseconds since the machine was started, sleep included where that is known."""
        return time.clock_gettime_ns(_BOOT_CLOCK) // 1000


class SetBack:
    """Notices that somebody has set a clock back, by one that nobody sets."""

    __slots__ = ("_ahead_us", "_heeded_us")

    def __init__(self) -> None:
        self._ahead_us: int | None = None
        self._heeded_us: int | None = None

    def is_seen(self, now_us: int, steady_us: int, is_behind: Callable[[], bool]) -> bool:
        """Say whether the clock was set back by a second or more, and that is not ``heeded`` yet.

        ``is_behind`` says it of the time before the first look, when nobody here saw the clock.
        """
        self._ahead_us = now_us - steady_us
        if self._heeded_us is None:
            is_back = is_behind()
        else:
            is_back = self._ahead_us <= self._heeded_us - NOTABLE_US
        if not is_back:
            self.heeded()
        return is_back

    def heeded(self) -> None:
        """What had to be done about it is durable."""
        self._heeded_us = self._ahead_us


_BOOT_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _read_boot_id() -> str:
    """Return the kernel's name for this start of the machine, "" where it has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
