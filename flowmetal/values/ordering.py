"""``compare``: the order of values, which sorting and sorted collections stand on.

nil comes first; numbers compare across their kinds; strings, keywords,
symbols, characters, booleans, instants, durations and UUIDs with their like;
vectors by length and then element by element. Anything else is FM0327.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowmetal.values import kinds
from flowmetal.values.errors import type_error
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.numbers import compare_numbers, is_number
from flowmetal.values.vector import Vector


def compare(a: Value, b: Value) -> int:
    """Return -1, 0 or 1 as ``a`` comes before, with or after ``b``."""
    stack: list[Iterator[tuple[Value, Value]]] = [iter(((a, b),))]
    while stack:
        for x, y in stack[-1]:
            if isinstance(x, Vector) and isinstance(y, Vector):
                if len(x) != len(y):
                    return -1 if len(x) < len(y) else 1
                stack.append(iter(zip(x, y, strict=True)))
                break
            order = _compare_scalars(x, y)
            if order:
                return order
        else:
            stack.pop()
    return 0


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
