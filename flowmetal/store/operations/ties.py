"""Ties: what hangs on a run, so that it can be cut when the run ends or waits no longer.

The key of a tie is ``RUN tab WHAT tab PLACE``. ``open`` ties name an effect that waits and where
(``PLACE`` is the effect); the others name what the run holds or who wants to know of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from flowmetal.store.operations.answers import Asker
from flowmetal.store.operations.records import TAB, Kept, Records, drop, each, find, keep, parts_of

OPEN = "open"


@dataclass(slots=True)
class Tie(Kept):
    """``kind`` says which part put it there, ``place`` where the thing is, ``note`` what that part needs."""

    SPACE: ClassVar[str] = "tie"
    kind: str
    place: str
    note: str = ""


def bind(records: Records, run: str, what: str, key: str, tie: Tie) -> None:
    """Hang something on a run."""
    keep(records, TAB.join((run, what, key)), tie)


def unbind(records: Records, run: str, what: str, key: str) -> bool:
    """Take it off; say whether it was there."""
    return drop(records, Tie, TAB.join((run, what, key)))


def tie_of(records: Records, run: str, what: str, key: str) -> Tie | None:
    return find(records, Tie, TAB.join((run, what, key)))


def ties(records: Records, run: str, what: str = "") -> Iterator[tuple[str, str, Tie]]:
    """Yield (what, key, tie) of a run."""
    prefix = f"{run}{TAB}{what}{TAB}" if what else f"{run}{TAB}"
    for key, tie in each(records, Tie, prefix):
        _, found, rest = parts_of(key, 3)
        yield found, rest, tie


def wait_at(records: Records, asker: Asker, kind: str, place: str) -> None:
    """Note where an effect waits."""
    bind(records, asker.run, OPEN, asker.effect, Tie(kind, place))


def waits_no_more(records: Records, run: str, effect: str) -> None:
    unbind(records, run, OPEN, effect)
