"""Walking sequences from native code.

A native cannot compute a lazy sequence: it raises ``Unrealised`` and is run
again when the machine has done so. A walk that raises for one cell at a time
would start over for every cell and so take the square of the time; whoever
needs all items asks for all of them (``Realise.ALL``) with the first cell it
misses.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from flowmetal.stdlib.natives.arguments import wrong
from flowmetal.values import (
    Cons,
    IndexedSeq,
    LazySeq,
    List,
    Map,
    MapEntry,
    Range,
    Realise,
    Record,
    Repeat,
    Set,
    SortedMap,
    SortedSet,
    Unrealised,
    Value,
    Vector,
    char,
    fail,
    is_endless,
    seq,
)
from flowmetal.values.limits import need_items, too_many_items
from flowmetal.values.meter import charge, meter

MAPS = frozenset({Map, Record, SortedMap})
SETS = frozenset({Set, SortedSet})
"""All classes of maps and of sets."""


def entries_of(coll: Map) -> list[MapEntry]:
    """Return the entries of a map in its order."""
    return [MapEntry(k, v) for k, v in coll.items()]


def items_of(function: str, coll: Value) -> Sequence[Value]:
    """Return all items of anything that can be a sequence, for the native ``function``.

    Raises Unrealised for the whole rest of a lazy sequence, FM0324 for an
    endless one, FM0501 for what is no collection.
    """
    kind = type(coll)
    if kind is Vector or kind is MapEntry or kind is List or kind in SETS:
        charge(len(coll) >> 3)
        return list(coll)
    if coll is None:
        return ()
    if kind in MAPS:
        charge(len(coll) >> 2)
        return entries_of(coll)
    if kind is str:
        charge(len(coll) >> 2)
        return [char(c) for c in coll]
    if kind is LazySeq or kind is Cons:
        return _items_of_cells(function, coll)
    if kind is Range or kind is Repeat:
        return _finite(function, coll)
    if kind is IndexedSeq or kind is bytes:
        items = list(coll)
        charge(len(items) >> 3)
        return items
    raise wrong(function, "a collection", 1, coll)


def _items_of_cells(function: str, coll: Value) -> Sequence[Value]:
    items: list[Value] = []
    while True:
        kind = type(coll)
        if kind is Cons:
            items.append(coll.first)
            coll = coll.rest
        elif kind is LazySeq:
            if coll.thunk is not None:
                raise Unrealised(coll, Realise.ALL)
            coll = coll.value
        else:
            need_items(function, len(items))
            items.extend(items_of(function, coll))
            return items


def _finite(function: str, coll: Value) -> Sequence[Value]:
    if is_endless(coll):
        fail("FM0324", "type/mismatch", f"`{function}` needs an end, the sequence has none")
    need_items(function, coll.known_count or 0)
    return list(coll)


def unrealised_inside(value: Value) -> list[LazySeq]:
    """Return the lazy sequences inside ``value``, at any depth, that are not realised.

    Raises FM0514 if it holds more collections than the limit of items, each counted wherever it stands.
    """
    found: list[LazySeq] = []
    todo = [value]
    seen, most = 0, meter().limits.items
    while todo:
        item = todo.pop()
        seen += 1
        if seen > most:
            too_many_items("seq", seen)
        kind = type(item)
        if kind is LazySeq:
            if item.thunk is not None:
                found.append(item)
            elif item.value is not None:
                todo.append(item.value)
        elif kind is Cons:
            todo.append(item.rest)
            if type(item.first) in _CONTAINERS:
                todo.append(item.first)
        elif kind in MAPS:
            for k, v in item.items():
                if type(k) in _CONTAINERS:
                    todo.append(k)
                if type(v) in _CONTAINERS:
                    todo.append(v)
        elif kind is Repeat:
            todo.append(item.value)
        elif kind in _CONTAINERS and kind is not Range:
            todo.extend(part for part in item if type(part) in _CONTAINERS)
    return found


_CONTAINERS = frozenset(
    {Vector, MapEntry, List, LazySeq, Cons, Range, Repeat, IndexedSeq} | MAPS | SETS
)


def all_of(values: Value) -> Unrealised:
    """Return what to raise to have ``values`` realised, everything inside included.

    Asking for one sequence after the other would run a native that prints a
    thousand of them a thousand times.
    """
    return Unrealised(values, Realise.DEEP)


def some_items_of(function: str, coll: Value, most: int) -> Sequence[Value]:
    """Return the first ``most`` items of a collection, which may be endless.

    Raises Unrealised for as many cells as are missing.
    """
    items: list[Value] = []
    rest = seq(coll) if type(coll) not in (Cons, LazySeq) else coll
    while len(items) < most and rest is not None:
        kind = type(rest)
        if kind is Cons:
            items.append(rest.first)
            rest = rest.rest
        elif kind is LazySeq:
            if rest.thunk is not None:
                raise Unrealised(rest, Realise.ALL, most - len(items))
            rest = rest.value
        else:
            items.extend(islice(iter(rest), most - len(items)))
            break
    return items
