"""Sorting (flow.core): natively where no function of the program is asked, else one question at a time.

A comparator of the program runs in a frame, so a merge sort is a value between two comparisons: a vector
that begins with the two keys to be compared. ``-sorter`` makes the first, ``-sorter-next`` takes what the comparator said
and makes the next one, or the sorted list (flow/core/eager.flow).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cmp_to_key

from flowmetal.stdlib.natives.table import Table
from flowmetal.stdlib.natives.walking import items_of
from flowmetal.values import (
    EMPTY_VECTOR,
    Value,
    Vector,
    compare,
    is_number,
    list_of,
    plain_keys,
    vector,
)
from flowmetal.values.meter import charge
from flowmetal.values.numbers import compare_numbers
from flowmetal.vm.state import Native

native = Table("flow.core")


@native("-sort")
def sort(coll: Value) -> Value:
    """Sort by the default order."""
    items = items_of("sort", coll)
    _charge_sorting(len(items))
    return list_of(_sorted(items, items))


@native("-sort-by")
def sort_by(keys: Value, coll: Value) -> Value:
    """Sort the items of ``coll`` by the default order of the keys at the same places."""
    items = items_of("sort-by", coll)
    _charge_sorting(len(items))
    return list_of(_sorted(items_of("sort-by", keys), items))


def _sorted(keys: Sequence[Value], items: Sequence[Value]) -> list[Value]:
    """Return the items in the order of the keys at the same places; equal ones stay as they stand."""
    plain = plain_keys(keys)
    key = (keys if plain is None else plain).__getitem__
    if plain is None:
        order = cmp_to_key(compare)
        return [items[at] for at in sorted(range(len(items)), key=lambda at: order(key(at)))]
    return [items[at] for at in sorted(range(len(items)), key=key)]


def _charge_sorting(size: int) -> None:
    charge(size * size.bit_length() >> 1)


# By a comparator

_RISING, _FALLING, _DEFAULT = "flow.core/<", "flow.core/>", "flow.core/compare"


@native("-sort-at-once")
def sort_at_once(order: Value, keys: Value, coll: Value) -> Value:
    """Sort as ``-sort-by`` does by ``<``, ``>`` or ``compare``; nil for a comparator that has to be asked."""
    if order is not None and type(order) is not Native:
        return None
    if order is None or order.name == _DEFAULT:
        return sort_by(keys, coll)
    plain = items_of("sort", keys)
    if order.name not in (_RISING, _FALLING) or not _are_alike(plain):
        return None
    items = items_of("sort", coll)
    _charge_sorting(len(items))
    # Reversed too, Python's sort leaves equal items as they stand.
    places = sorted(range(len(items)), key=plain.__getitem__, reverse=order.name == _FALLING)
    return list_of([items[at] for at in places])


def _are_alike(keys: Sequence[Value]) -> bool:
    """Say whether Python compares these numbers as the language does: all integers, or all floats but NaN."""
    kinds = {type(key) for key in keys}
    return kinds <= {int} or (kinds == {float} and all(key == key for key in keys))


@native("-sorter")
def sorter(keys: Value, coll: Value) -> Value:
    """Return the first question of a merge sort of the items by their keys, or the list if there is none."""
    known, items = vector(items_of("sort", keys)), vector(items_of("sort", coll))
    places = vector(range(len(items)))
    return _merge(known, items, places, 1, EMPTY_VECTOR, 0)


@native("-sorter-next")
def sorter_next(state: Value, said: Value) -> Value:
    """Take what the comparator said of the later key and the earlier one; return the next question, or the list.

    ``said`` is a number, negative if the first of the two comes first, or whether it does.
    """
    _, _, keys, items, places, width, made, i, j, middle, end = state
    is_first = (
        compare_numbers(said, 0) < 0 if is_number(said) else said is not None and said is not False
    )
    if is_first:
        made = made.conj(places.nth(j))
        j += 1
    else:
        made = made.conj(places.nth(i))
        i += 1
    if i < middle and j < end:
        return _question(keys, items, places, width, made, i, j, middle, end)
    rest = range(i, middle) if i < middle else range(j, end)
    for at in rest:
        made = made.conj(places.nth(at))
    return _merge(keys, items, places, width, made, end)


def _merge(
    keys: Vector, items: Vector, places: Vector, width: int, made: Vector, low: int
) -> Value:
    """Go on with the two runs of ``width`` places that begin at ``low``, or with wider runs."""
    size = len(places)
    while width < size:
        middle = low + width
        if middle < size:
            return _question(
                keys, items, places, width, made, low, middle, middle, min(middle + width, size)
            )
        if made:
            for at in range(low, size):  # a run without a partner
                made = made.conj(places.nth(at))
            places = made
        width, made, low = 2 * width, EMPTY_VECTOR, 0
    return list_of([items.nth(at) for at in places])


def _question(
    keys: Vector,
    items: Vector,
    places: Vector,
    width: int,
    made: Vector,
    i: int,
    j: int,
    middle: int,
    end: int,
) -> Vector:
    later, earlier = keys.nth(places.nth(j)), keys.nth(places.nth(i))
    return vector((later, earlier, keys, items, places, width, made, i, j, middle, end))
