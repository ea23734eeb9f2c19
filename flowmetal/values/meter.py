"""What one instruction may cost: charges by the size of its operands, and the limits.

Fuel counts calls and loop edges; an instruction on a text of ten million
characters is one of these too. So whatever works through an operand **charges**
for what is beyond the small: a unit is about a microsecond, as is a unit of fuel.
The interpreter takes the charges off the fuel as soon as the instruction is done.
They depend on the operands alone, so the same program uses the same fuel
everywhere, saved and restored or not; a native that is run again after a sequence
has been realised charges again, and that happens everywhere too.

Hashing and comparing are the exception: a collection remembers its hash, and what is
identical is equal at a glance, but a snapshot keeps no hashes and not every identity. So
they are **lent**: they shorten the slice, and are no part of the fuel that a run has used,
by which its fibers take turns and its history is dated.

Charging bounds the time of a run; the **limits** bound the time and the space of
a single instruction. They belong to whoever drives the run, not to its state: a
run that failed at a limit can be retried under a larger one.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Final

from flowmetal.errors import UsageError


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use; each has its name in the error that says it was exceeded."""

    bits: int = 65_536  # of an integer; one multiplication takes about a millisecond
    characters: int = 1 << 26  # of one text
    items: int = 1 << 22  # that one instruction goes through
    frames: int = 1_000_000  # of one fiber
    heap: int = 1 << 26  # bytes of the run's state; looked at by who drives it (runtime/heap.py)
    snapshot: int = 256 * 1024  # bytes beside chunks from which on a warning is logged

    def __post_init__(self) -> None:
        """Raise UsageError FM1325 for what is no number of anything."""
        for field in fields(self):
            given = getattr(self, field.name)
            if not isinstance(given, int) or isinstance(given, bool) or given < 1:
                raise UsageError(
                    "FM1325",
                    f"the limit {field.name} cannot be {given!r:.100}",
                    hint="give a whole number from 1 on",
                )

    def with_changes(self, **changes: int) -> Limits:
        """Return the limits with some of them changed."""
        return Limits(**{field.name: getattr(self, field.name) for field in fields(self)} | changes)


DEFAULT: Final = Limits()
UNTRUSTED: Final = Limits(characters=1 << 22, items=1 << 20, frames=10_000)
"""For programs of strangers: less of what would keep others waiting."""

NAMES: Final = tuple(field.name for field in fields(Limits))
LEAST: Final = Limits(
    bits=65_536, characters=1_000, items=1_000, frames=100, heap=1 << 16, snapshot=1_000
)
"""What a limit cannot go below; the short way of additions knows the 65,536 bits."""


class Due(list[int]):
    """Charges that are not taken yet; those that are negative are lent. ``lent``: what was taken of these."""

    __slots__ = ("lent",)

    def __init__(self) -> None:
        self.lent = 0


class Meter:
    """The charges that the interpreter has not taken yet, and the limits of the run."""

    __slots__ = ("due", "limits")

    def __init__(self) -> None:
        self.due = Due()
        self.limits = DEFAULT


_METER: ContextVar[Meter] = ContextVar("flowmetal.meter")


def meter() -> Meter:
    """Return the meter in force."""
    found = _METER.get(None)
    if found is None:
        found = Meter()
        _METER.set(found)
    return found


def new_meter(limits: Limits) -> Meter:
    """Begin a meter for a run with its limits.

    A new one for each slice: a thread that was begun meanwhile may go on under the one before, and what the host
    does for this run or another is no part of the run.
    """
    made = Meter()
    made.limits = limits
    _METER.set(made)
    return made


def taken(due: Due) -> int:
    """Return the sum of the charges, the lent ones too, and forget them."""
    total = 0
    for units in due:
        if units < 0:
            due.lent -= units
            total -= units
        else:
            total += units
    due.clear()
    return total


def paid_back(due: Due) -> int:
    """Return what was lent since this was asked last."""
    lent, due.lent = due.lent, 0
    return lent


def charge(units: int) -> None:
    """Charge for work beyond the small; below 8 units it is not worth while."""
    if units >= 8:
        meter().due.append(units)


def lend(units: int) -> None:
    """Shorten the slice for work that may have been done before: hashing, comparing, deep walks."""
    if units >= 8:
        meter().due.append(-units)


def lend_charges(due: Due, since: int) -> None:
    """Lend what has been charged since there were so many charges due."""
    for index in range(since, len(due)):
        if due[index] > 0:
            due[index] = -due[index]


def charge_integers(bits: int, other_bits: int) -> None:
    """Charge for a multiplication, a division or the printing of large integers."""
    charge((bits >> 10) * (other_bits >> 10) >> 2)
