"""``compare``: the order of values, which sorting and sorted collections stand on.

nil comes first; numbers compare across their kinds; strings, keywords,
symbols, characters, booleans, instants, durations and UUIDs with their like;
vectors by length and then element by element. Anything else is FM0327.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from flowmetal.values import kinds
from flowmetal.values.errors import type_error
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.limits import too_many_items
from flowmetal.values.meter import lend, meter
from flowmetal.values.names import Keyword
from flowmetal.values.numbers import compare_numbers, is_number
from flowmetal.values.vector import Vector


def compare(a: Value, b: Value) -> int:
    """Return -1, 0 or 1 as ``a`` comes before, with or after ``b``."""
    cls = type(a)
    if cls is type(b) and cls in _ORDERED_BY_PYTHON:
        return int(a > b) - int(a < b)
    if a is b:
        return 0
    stack: list[Iterator[tuple[Value, Value]]] = [iter(((a, b),))]
    seen = 0
    most = meter().limits.items
    while stack:
        for x, y in stack[-1]:
            seen += 1
            if isinstance(x, Vector) and isinstance(y, Vector):
                if len(x) != len(y):
                    return -1 if len(x) < len(y) else 1
                if x is y:
                    continue
                if seen > most:  # parts that are shared are compared wherever they stand
                    too_many_items("compare", seen)
                stack.append(iter(zip(x, y, strict=True)))
                break
            if type(x) is int and type(y) is int:
                order = (x > y) - (x < y)
            else:
                order = _compare_scalars(x, y)
            if order:
                lend(seen >> 2)
                return order
        else:
            stack.pop()
    lend(seen >> 2)
    return 0


_ORDERED_BY_PYTHON: Final = frozenset({int, str})
_ORDERED: Final = frozenset(
    (
        *(kinds.STRING, kinds.BOOLEAN, kinds.BYTES, kinds.KEYWORD, kinds.SYMBOL),
        *(kinds.CHAR, kinds.INSTANT, kinds.DURATION, kinds.UUID),
    )
)


def need_ordered(value: Value) -> None:
    """Raise FM0327 if values of this kind have no order among themselves."""
    if value is None or is_number(value) or isinstance(value, Vector):
        return
    if KINDS[type(value)] not in _ORDERED:
        from flowmetal.values.printing import describe

        raise type_error("FM0327", f"{describe(value)} has no order with its like")


def need_no_nan(vector: Vector) -> None:
    """Raise FM0327 if ##NaN is inside of a vector: it stands before one vector and after the next, wherever that is."""
    seen = 0
    waiting = [vector]
    while waiting:
        for item in waiting.pop():
            seen += 1
            if type(item) is float and item != item:
                from flowmetal.values.printing import describe

                raise type_error("FM0327", f"{describe(vector)} has no order: ##NaN is in it")
            if isinstance(item, Vector):
                waiting.append(item)
    lend(seen >> 3)


def plain_keys(values: Sequence[Value]) -> Sequence[Value] | None:
    """Return keys that Python orders as ``compare`` orders the values; None if there are none.

    That is so for values of one kind: integers, strings, floats, keywords, and vectors of
    integers and strings that have the same kinds in the same places. Sorting by
    such keys calls nothing of ours: a twentieth of the time.
    """
    found = {type(value) for value in values}
    if len(found) != 1:
        return None
    cls = found.pop()
    if cls in _ORDERED_BY_PYTHON:
        return values
    if cls is float:
        return values if all(value == value for value in values) else None
    if cls is Keyword:
        return [(value.ns or "", value.name) for value in values]
    if not issubclass(cls, Vector):
        return None
    keys: list[Value] = []
    kinds_by_length: dict[int, tuple[type, ...]] = {}
    for value in values:
        items = tuple(value)
        types = tuple(map(type, items))
        known = kinds_by_length.setdefault(len(items), types)
        if known is not types and known != types:
            return None
        keys.append((len(items), items))
    if all(_ORDERED_BY_PYTHON.issuperset(types) for types in kinds_by_length.values()):
        return keys
    return None


def _compare_scalars(a: Value, b: Value) -> int:
    if a is None or b is None:
        return (a is not None) - (b is not None)
    if is_number(a) and is_number(b):
        return compare_numbers(a, b)
    kind = KINDS[type(a)]
    if kind != KINDS[type(b)]:
        raise _not_comparable(a, b)
    if kind in (kinds.STRING, kinds.BOOLEAN, kinds.BYTES):
        return int(a > b) - int(a < b)
    if kind in (kinds.KEYWORD, kinds.SYMBOL):
        return _order((a.ns or "", a.name), (b.ns or "", b.name))
    if kind == kinds.CHAR:
        return int(a.text > b.text) - int(a.text < b.text)
    if kind in (kinds.INSTANT, kinds.DURATION):
        return int(a.us > b.us) - int(a.us < b.us)
    if kind == kinds.UUID:
        return int(a.int > b.int) - int(a.int < b.int)
    raise _not_comparable(a, b)


def _order(a: tuple[str, str], b: tuple[str, str]) -> int:
    return int(a > b) - int(a < b)


def _not_comparable(a: Value, b: Value) -> Exception:
    from flowmetal.values.printing import describe

    return type_error("FM0327", f"{describe(a)} and {describe(b)} have no order")
