"""Walks over everything inside a value: is it all realised, is it all data, and if not, where."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

from flowmetal.values import kinds
from flowmetal.values.errors import SEQ_LIMIT, DataError, ErrorValue
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.lazy import LazySeq, Unrealised
from flowmetal.values.limits import too_many_items
from flowmetal.values.lists import List
from flowmetal.values.names import keyword
from flowmetal.values.printing import describe, show
from flowmetal.values.seq import Range, Repeat, is_endless
from flowmetal.values.vector import Vector, vector

# The kinds of values that have others inside of them.
COMPOSITE: Final = frozenset({kinds.SEQUENCE, kinds.MAP, kinds.SET, kinds.PARTS})


def require_realised(value: Value, most: int = sys.maxsize) -> None:
    """Raise ``Unrealised`` (DEEP) if a lazy sequence anywhere in ``value`` is not realised.

    FM0514 if there are more than ``most`` collections in it, each counted wherever it stands.
    """
    stack = [iter((value,))]
    seen = 0
    while stack:
        for child in stack[-1]:
            if KINDS[type(child)] in COMPOSITE:
                seen += 1
                if seen > most:
                    too_many_items("seq", seen)
                stack.append(children_of(child))
                break
        else:
            stack.pop()


def elements_of(value: Value) -> list[Value]:
    """Return the elements of a sequence that leaves as data.

    Raises FM0330 for more than ``SEQ_LIMIT`` that do not exist yet as a vector
    or a list: an endless one would fill the memory.
    """
    if isinstance(value, (Vector, List)):
        return list(value)
    known = value.known_count
    if not is_endless(value) and (known is None or known <= SEQ_LIMIT):
        items = list(islice(value, SEQ_LIMIT + 1))
        if len(items) <= SEQ_LIMIT:
            return items
    raise DataError("FM0330", f"a sequence of more than {SEQ_LIMIT:,} elements is not data")


def children_of(value: Value) -> Iterator[Value]:
    """Return what stands directly inside of a collection; of a chain as much as may leave as data."""
    kind = KINDS[type(value)]
    if kind == kinds.MAP:
        return chain.from_iterable(value.items())
    if kind == kinds.PARTS:
        return iter(value.parts())
    if kind == kinds.SEQUENCE and value.is_chain:
        return islice(value.iterate_deep(), SEQ_LIMIT)
    if type(value) is Range:
        return iter(())  # nothing but numbers, perhaps very many
    if type(value) is Repeat:
        return iter((value.value,))
    return iter(value)


def not_data(value: Value) -> DataError:
    """Find what in ``value`` is not data, and say where."""
    path: list[Value] = []
    stack = [iter([(None, value)])]
    while stack:
        for step, child in stack[-1]:
            if not _is_data(child):
                path.append(step)
                at = f" (at {show(vector(path[1:]))})" if len(path) > 1 else ""
                what = "an unrealised lazy sequence" if type(child) is LazySeq else describe(child)
                if not what.startswith("#object["):
                    return DataError("FM0330", f"{what} is not data{at}")
                what = f"a value of the Python type {type(child).__name__}"
                hint = "make data of it with flowmetal.from_python"
                return DataError("FM0330", f"{what} is not data{at}", hint=hint)
            if KINDS[type(child)] in COMPOSITE:
                path.append(step)
                stack.append(iter(_steps(child)))
                break
        else:
            stack.pop()
            if path:
                path.pop()
    return DataError("FM0330", "an unrealised lazy sequence is not data")


def _is_data(value: Value) -> bool:
    if type(value) is LazySeq:
        return value.thunk is None
    if KINDS[type(value)] in COMPOSITE:
        return getattr(value, "order", None) is None
    return KINDS[type(value)] <= kinds.LAST_SCALAR


def _steps(value: Value) -> Iterator[tuple[Value, Value]]:
    kind = KINDS[type(value)]
    if kind == kinds.MAP:
        for key, item in value.items():
            yield key, key
            yield key, item
    elif type(value) is ErrorValue:
        names = ("type", "message", "data", "cause", "retryable?")
        yield from ((keyword(n), part) for n, part in zip(names, value.parts(), strict=True))
    else:
        try:
            yield from enumerate(children_of(value))
        except Unrealised as unrealised:
            yield None, unrealised.lazy
