"""What the code of ``match`` and ``with-handler`` asks about sequences and errors."""

from __future__ import annotations

from flowmetal.stdlib.natives.table import Table
from flowmetal.values import (
    ErrorValue,
    MapEntry,
    Value,
    Vector,
    first,
    hash_map,
    is_seq,
    keyword,
    next_,
    rest,
    seq,
    show,
    vector,
)
from flowmetal.vm.errors import error_matches

native = Table("flow.core")

_TYPE = keyword("match/no-clause")
_VALUE = keyword("value")


@native("-match-items")
def match_items(value: Value, size: int, more: bool) -> Value:
    """Return the first ``size`` items if there are just as many, or more if ``more``; else nil.

    Nil, too, for what is neither vector nor sequence. At most one item further is looked at.
    """
    if isinstance(value, (Vector, MapEntry)):
        count = len(value)
        return value if count == size or (more and count > size) else None
    if not is_seq(value):
        return None
    items: list[Value] = []
    left = seq(value)
    while left is not None and len(items) < size:
        items.append(first(left))
        if len(items) < size or not more:
            left = next_(left)
    if len(items) < size or (left is not None and not more):
        return None
    return vector(items)


@native("-match-rest")
def match_rest(value: Value, size: int) -> Value:
    """Return what follows the first ``size`` items: of a vector a vector, else a sequence."""
    if isinstance(value, (Vector, MapEntry)):
        return value.subvec(size, len(value))
    for _ in range(size - 1):
        if value is None:
            break
        value = next_(value)
    return rest(value) if size else value


@native("-no-clause")
def no_clause(value: Value) -> Value:
    """Return the error for a value that no clause takes."""
    data = hash_map([(_VALUE, value)])
    return ErrorValue(_TYPE, f"no clause of match takes {show(value)}", data, code="FM0341")


@native("-error-is?")
def error_is(error: Value, selector: Value) -> bool:
    """Say whether ``catch`` with this selector would take the error."""
    return isinstance(error, ErrorValue) and error_matches(error, selector)
