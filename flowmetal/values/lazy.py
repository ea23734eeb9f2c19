"""Lazy sequences, and how a native says that it needs one realised.

Natives are leaves: they cannot call the thunk of a lazy sequence. One that
meets a cell that is not realised raises ``Unrealised``; the machine realises
it and runs the native again. Running again is paid for, so a walk says at its
first such cell how much it will want (``Realise`` and ``cells``), and is run
again once and not once for each cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import ClassVar

from flowmetal.values import kinds
from flowmetal.values.equality import equal
from flowmetal.values.hashing import hash_of
from flowmetal.values.kinds import Value
from flowmetal.values.meter import charge, lend


class Realise(Enum):
    """How much of a lazy sequence is wanted."""

    STEP = 1  # the one cell: whether it is empty, its first and its rest
    ALL = 2  # the whole spine, every cell to the end
    DEEP = 3  # the spine and everything inside of its elements, recursively


class Unrealised(Exception):
    """A lazy sequence must be realised before the native can be run again.

    ``cells`` bounds how many cells from ``lazy`` on are wanted; None is no
    bound. Comparing with a vector of three needs four cells of an endless one.
    """

    def __init__(self, lazy: LazySeq, depth: Realise, cells: int | None = None) -> None:
        super().__init__("a lazy sequence is not realised")
        self.lazy = lazy
        self.depth = depth
        self.cells = cells


class LazySeq:
    """A sequence that is computed when it is asked for; one cell, never a chunk.

    Not realised: ``thunk`` is a function of the language. Realised: ``thunk``
    is None and ``value`` is None (empty) or a seq that is not lazy. The only
    changes ever made to it are the machine's, from the first state to the second.
    """

    __slots__ = ("meta", "thunk", "value")
    flow_kind: ClassVar[int] = kinds.SEQUENCE
    is_counted: ClassVar[bool] = False
    is_chain: ClassVar[bool] = True

    def __init__(self, thunk: Value, value: Value = None, meta: Value = None) -> None:
        self.thunk = thunk
        self.value = value
        self.meta = meta

    @property
    def known_count(self) -> int | None:
        return None

    def with_meta(self, meta: Value) -> LazySeq:
        """Return a lazy sequence over this one with other metadata."""
        if self.thunk is not None:
            raise Unrealised(self, Realise.STEP)
        return LazySeq(None, self.value, meta)

    def __iter__(self) -> Iterator[Value]:
        return walk(self, Realise.ALL)

    def iterate_deep(self, bound: int | None = None) -> Iterator[Value]:
        """Iterate for a walk that will look inside of the elements too."""
        return walk(self, Realise.DEEP, bound)

    def __eq__(self, other: object) -> bool:
        return equal(self, other)

    def __hash__(self) -> int:
        return hash_of(self)

    def __repr__(self) -> str:
        from flowmetal.values.printing import show

        return show(self)


class Cons:
    """An element before a sequence: ``rest`` is a seq, a ``LazySeq`` or None."""

    __slots__ = ("first", "meta", "rest")
    flow_kind: ClassVar[int] = kinds.SEQUENCE
    is_counted: ClassVar[bool] = False
    is_chain: ClassVar[bool] = True

    def __init__(self, first: Value, rest: Value, meta: Value = None) -> None:
        self.first = first
        self.rest = rest
        self.meta = meta

    @property
    def known_count(self) -> int | None:
        return None

    def with_meta(self, meta: Value) -> Cons:
        """Return the same cell with other metadata."""
        return Cons(self.first, self.rest, meta)

    def __iter__(self) -> Iterator[Value]:
        return walk(self, Realise.ALL)

    def iterate_deep(self, bound: int | None = None) -> Iterator[Value]:
        """Iterate for a walk that will look inside of the elements too."""
        return walk(self, Realise.DEEP, bound)

    def __eq__(self, other: object) -> bool:
        return equal(self, other)

    def __hash__(self) -> int:
        return hash_of(self)

    def __repr__(self) -> str:
        from flowmetal.values.printing import show

        return show(self)


def walk(cell: Value, depth: Realise, bound: int | None = None) -> Iterator[Value]:
    """Yield the elements of a chain of ``Cons`` and ``LazySeq`` cells and of what ends it.

    Raises ``Unrealised`` with ``depth`` at the first cell that is not
    realised, asking for ``bound`` cells less those that were there.
    """
    walked = 0
    while cell is not None:
        if type(cell) is Cons:
            yield cell.first
            walked += 1
            cell = cell.rest
        elif type(cell) is LazySeq:
            if cell.thunk is not None:
                raise Unrealised(cell, depth, None if bound is None else max(1, bound - walked))
            cell = cell.value
        else:
            yield from cell
            break
    if depth is Realise.DEEP:
        lend(walked >> 3)
    else:
        charge(walked >> 3)


def realised(cell: LazySeq) -> Value:
    """Return what a lazy sequence holds, None or a seq; raise ``Unrealised`` (STEP) if unknown."""
    if cell.thunk is not None:
        raise Unrealised(cell, Realise.STEP)
    value = cell.value
    while type(value) is LazySeq:
        if value.thunk is not None:
            raise Unrealised(value, Realise.STEP)
        value = value.value
    return value
