"""Sorted maps and sets (flow.core): what needs no comparing, or compares by the default order.

Looking for a key by a function of the program is written in Flowmetal over
positions (flow/core/sorted.flow): no native ever calls back.
"""

from __future__ import annotations

from itertools import islice

from flowmetal.stdlib.natives.arguments import uneven, wrong
from flowmetal.stdlib.natives.table import Table
from flowmetal.values import (
    IndexedSeq,
    SortedMap,
    SortedSet,
    Value,
    list_of,
    sorted_map,
    sorted_set,
)

native = Table("flow.core")

native.add("sorted-set", lambda *items: sorted_set(items))
native.add("-sorted-map-by", lambda order, by_order: SortedMap(None, order))
native.add("-sorted-set-by", lambda order, by_order: SortedSet(None, order))
native.add("-sorted-order", lambda coll: _sorted("subseq", coll).order)
native.add("-sorted-position", lambda coll, key: coll.position_of(key))
native.add("-sorted-key", lambda coll, position: coll.entry_at(position)[0])
native.add("-sorted-member", lambda coll, position: IndexedSeq(coll, position).first)
native.add("-sorted-put", lambda coll, position, key, value: coll.put(position, key, value))
native.add("-sorted-cut", lambda coll, position: coll.cut(position))


@native("sorted-map")
def make_sorted_map(*items: Value) -> SortedMap:
    if len(items) % 2:
        raise uneven("sorted-map", items[-1])
    return sorted_map(zip(items[::2], items[1::2], strict=True))


@native("-sorted-slice")
def sorted_slice(coll: Value, start: Value, end: Value) -> Value:
    """Return the members from position ``start`` to before ``end``, nil if there are none."""
    if start >= end:
        return None
    if end == len(coll):
        return IndexedSeq(coll, start)
    return list_of(islice(coll.members_from(start), end - start))


@native("-sorted-slice-back")
def sorted_slice_back(coll: Value, start: Value, end: Value) -> Value:
    """Return the members from before position ``end`` back to ``start``, nil if there are none."""
    if start >= end:
        return None
    return list_of(reversed(list(islice(coll.members_from(start), end - start))))


def _sorted(function: str, coll: Value) -> Value:
    if type(coll) is SortedMap or type(coll) is SortedSet:
        return coll
    raise wrong(function, "a sorted collection", 1, coll)
