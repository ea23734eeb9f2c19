"""The limit of a run's heap: how much its state may take, looked at from outside.

The heap is what ``snapshot.encode.weigh`` says: the bytes that the state is saved in, and a word for
each reference. Counting it takes as long as saving everything, so it is known in other ways most of
the time:

- Each commit encodes the machine anyway. What is in no node is counted there exactly; what is in nodes is
  at most what was there when it was counted last, and what has been written into new ones since.
  Only when that is more than the limit, everything is counted.
- Between two commits of a run that computes, the memory of the process is looked at after each turn. When it has
  grown by a share of the limit, a commit is due.

However often either happens, a fifth of the time goes into it at most, unless the run may have grown by
several limits meanwhile: then it is known at once.

The limit belongs to whoever drives the run, as all limits do, and is no part of the machine: a program cannot
catch this error, and the run stands where it was found too large. See decision 20.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from flowmetal.effects.errors import effect_error
from flowmetal.ids import shell_word
from flowmetal.values import ErrorValue, FlowError
from flowmetal.values.meter import DEFAULT

if TYPE_CHECKING:
    from flowmetal.ids import RunId
    from flowmetal.snapshot import Encoded
    from flowmetal.vm.state import Machine

PAUSE: Final = 4
"""Times as long as it took, before the heap is looked at again."""

SURELY: Final = 4
"""Limits by which a run may have grown, until it is looked at whatever that costs."""

CANCELLED: Final = 4
"""Limits that a run may take while it is being cancelled: its ``finally`` blocks are to have room."""

_SAVED_BYTE: Final = 25
"""The most that a saved byte counts: a cell of a list takes one at least, and three words."""


def resident_bytes() -> int:
    """Return how much memory this process takes, or the most that it ever took; 0 if nobody knows."""
    try:
        with open("/proc/self/statm", "rb", 0) as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        try:
            import resource
        except ImportError:
            return 0
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


class Heap:
    """What is known of the heap of one run. ``exceeded`` is its size, once it was found too large."""

    __slots__ = (
        "_before", "_computes", "_cost_us", "_grown", "_inside", "_looked_us", "_monotonic_us", "_most",
        "_resident", "_weighed", "_weighed_us", "_weighing_us", "exceeded", "is_due",
    )  # fmt: skip

    def __init__(
        self, most: int, monotonic_us: Callable[[], int], resident: Callable[[], int]
    ) -> None:
        self.exceeded: int | None = None
        self.is_due = False
        self._most = most
        self._monotonic_us = monotonic_us
        self._resident = resident
        # In nodes, at most.
        self._inside = 0
        # Of the process, in the turns of this run since it was encoded.
        self._grown = 0
        self._before: int | None = None
        self._computes = True  # the first turn counts, too
        self._looked_us = self._cost_us = 0
        # What was found when everything was counted, when that was, and how long it took.
        self._weighed = self._weighed_us = self._weighing_us = 0

    def loaded(self, chunks: int) -> None:
        """Hear how many bytes of chunks the machine was made from."""
        self._inside += chunks * _SAVED_BYTE

    def encode(self, machine: Machine, *, cancelled: bool = False) -> Encoded:
        """Encode the machine, and find out whether it is too large."""
        from flowmetal.snapshot import encode

        begin = self._monotonic_us()
        encoded = encode(machine)
        self._inside += encoded.written
        self._judge(machine, encoded.heap, self._most * (CANCELLED if cancelled else 1))
        self._note_look(begin)
        return encoded

    def weigh(self, machine: Machine) -> None:
        """Find out whether a machine that is not saved is too large."""
        begin = self._monotonic_us()
        self._weigh(machine, 0, self._most)
        self._note_look(begin)

    def begin(self) -> None:
        """A turn begins. Other runs had theirs, if this one was left while it computed."""
        self._before = self._resident() if self._computes else None
        self._computes = False

    def alone(self) -> None:
        """The turns of this run begin, and nobody else has any meanwhile."""
        self._before = self._resident()

    def look(self) -> bool:
        """Look at the process after a turn that has not come to its end; say whether a commit is due."""
        now = self._resident()
        if self._before is not None:
            self._grown = max(0, self._grown + now - self._before)
        self._before = now
        self._computes = True
        if self._grown <= self._most // 2:
            return False
        waited_us = self._monotonic_us() - self._looked_us
        surely = self._grown > SURELY * self._most
        self.is_due = surely or waited_us >= PAUSE * self._cost_us
        return self.is_due

    def error(self, run: RunId) -> ErrorValue:
        """Return the error of a run that was found too large, and stands."""
        assert self.exceeded is not None
        retry = f"`fmvm retry {shell_word(run)} --limit heap={_enough(self.exceeded)}`"
        return _error(self.exceeded, self._most, f"{retry} lets it go on where it stands")

    def final_error(self) -> ErrorValue:
        """Return the error of what nobody can go on with."""
        assert self.exceeded is not None
        return _error(self.exceeded, self._most, "keep less of it at a time")

    def _judge(self, machine: Machine, beside: int, most: int) -> None:
        bound = beside + self._inside
        if bound <= most:
            return
        if beside > most and self._inside <= most // 8:  # known well enough
            self.exceeded = bound
            return
        waited_us = self._monotonic_us() - self._weighed_us
        if waited_us >= PAUSE * self._weighing_us or bound - self._weighed > SURELY * most:
            self._weigh(machine, beside, most)

    def _weigh(self, machine: Machine, beside: int, most: int) -> None:
        from flowmetal.snapshot import weigh  # macros that take little need nothing of it

        begin = self._monotonic_us()
        self._weighed = weigh(machine)
        self._weighed_us = self._monotonic_us()
        self._weighing_us = self._weighed_us - begin
        self._inside = max(0, self._weighed - beside)
        if self._weighed > most:
            self.exceeded = self._weighed

    def _note_look(self, begin_us: int) -> None:
        self.is_due = False
        self._grown = 0
        self._before = None
        self._looked_us = self._monotonic_us()
        self._cost_us = self._looked_us - begin_us


class Watch:
    """Watches a machine that no run is driven with: macros, expressions, tests."""

    def __init__(
        self, most: int = DEFAULT.heap, resident: Callable[[], int] = resident_bytes
    ) -> None:
        self._heap = Heap(most, lambda: time.monotonic_ns() // 1000, resident)

    def begin(self) -> None:
        """An evaluation begins: what the process has grown by until now is not its own."""
        self._heap.alone()

    def __call__(self, machine: Machine) -> None:
        """Look at a machine between two turns. Raises FlowError :limit/heap if it is too large."""
        if not self._heap.look():
            return
        self._heap.weigh(machine)
        if self._heap.exceeded is not None:
            error = self._heap.final_error()
            self._heap.exceeded = None
            raise FlowError(error)


def _error(size: int, most: int, remedy: str) -> ErrorValue:
    return effect_error(
        "FM1138",
        "limit/heap",
        f"the state takes {size:,} bytes, the limit of the heap is {most:,}: {remedy}",
        {"bytes": size, "limit": most},
    )


def _enough(size: int) -> int:
    """Return a limit with room to go on: a power of two."""
    return 1 << (size + size // 2).bit_length()
