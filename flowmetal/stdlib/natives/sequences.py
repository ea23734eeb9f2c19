"""Sequences of flow.core: first, rest and what can be said without calling a function."""

from __future__ import annotations

from math import isfinite

from flowmetal.stdlib.natives.arguments import need_int, out_of_bounds, wrong
from flowmetal.stdlib.natives.table import MISSING, Table
from flowmetal.stdlib.natives.walking import (
    MAPS,
    SETS,
    entries_of,
    items_of,
    unrealised_inside,
)
from flowmetal.values import (
    EMPTY_LIST,
    Cons,
    IndexedSeq,
    LazySeq,
    List,
    MapEntry,
    Range,
    Realise,
    Repeat,
    SortedMap,
    SortedSet,
    Unrealised,
    Value,
    Vector,
    char,
    cons,
    count,
    first,
    gt,
    is_endless,
    is_number,
    list_of,
    next_,
    rest,
    seq,
    to_integer,
    vector,
)
from flowmetal.values.limits import need_items
from flowmetal.values.meter import charge
from flowmetal.vm.state import Closure

native = Table("flow.core")

_A_CELL = 8
"""What a cell takes beside the call of its function: it is made, realised and walked over."""

_COUNTED = (Vector, MapEntry, *MAPS, *SETS, List, str, bytes)

native.add("seq", seq)
native.add("first", first)
native.add("rest", rest)
native.add("next", next_)
native.add("second", lambda coll: first(next_(coll)))
native.add("ffirst", lambda coll: first(first(coll)))
native.add("nfirst", lambda coll: next_(first(coll)))
native.add("fnext", lambda coll: first(next_(coll)))
native.add("nnext", lambda coll: next_(next_(coll)))
native.add("empty?", lambda coll: is_empty(coll))
native.add("not-empty", lambda coll: None if is_empty(coll) else coll)


@native("make-lazy-seq")
def make_lazy_seq(thunk: Value) -> LazySeq:
    """Return a sequence that calls a function of the language when it is first looked at."""
    if type(thunk) is not Closure:
        raise wrong("make-lazy-seq", "a function made by fn", 1, thunk)
    charge(_A_CELL)
    return LazySeq(thunk)


def is_empty(coll: Value) -> bool:
    """Say whether there are no items."""
    return len(coll) == 0 if type(coll) in _COUNTED else seq(coll) is None


native.add("cons", cons)


@native("list*")
def list_star(item: Value, *more: Value) -> Value:
    """Put items in front of the last argument, a sequence."""
    *items, coll = (item, *more)
    coll = seq(coll)
    for item in reversed(items):
        coll = Cons(item, coll)
    return coll


native.add("count", count)


@native("counted?")
def is_counted(coll: Value) -> bool:
    """Say whether counting takes no walk."""
    kind = type(coll)
    return (kind in _COUNTED and kind not in (str, bytes)) or (
        kind in (Range, IndexedSeq, Repeat) and not is_endless(coll)
    )


def drop_cells(coll: Value, count: int) -> Value:
    """Return the sequence after ``count`` items, nil when it ends before.

    Raises ``Unrealised`` for as many cells as are missing, no more: the
    sequence may be endless, and one cell at a time would take the square.
    """
    done = 0
    cell = coll
    try:
        cell = seq(cell)
        while done < count and cell is not None:
            if type(cell) is not Cons:
                charge(done)
                return _drop_data(cell, count - done)
            cell, done = cell.rest, done + 1
            cell = seq(cell)
    except Unrealised as need:
        raise Unrealised(need.lazy, Realise.ALL, count - done + 1) from None
    charge(done)
    return cell


def _drop_data(coll: Value, count: int) -> Value:
    """Return what is left of a sequence that is data after ``count`` items, nil if nothing is."""
    if type(coll) is Repeat:
        if coll.count is None:
            return coll
        return Repeat(coll.count - count, coll.value) if count < coll.count else None
    if type(coll) is Range and (coll.known_count is not None or coll.end is None):
        return seq(Range(coll.start + count * coll.step, coll.end, coll.step))
    passed = 0
    while coll is not None and passed < count:
        coll, passed = next_(coll), passed + 1
    charge(passed >> 1)
    return coll


@native("nth")
def nth(coll: Value, index: Value, default: Value = MISSING) -> Value:
    """Return item ``index``, or ``default``; without a default a missing one is an error."""
    kind = type(coll)
    if type(index) is not int:
        cut = int(index) if type(index) is float and isfinite(index) else index
        index = need_int("nth", 2, cut)
    if kind is Vector or kind is MapEntry:
        if 0 <= index < len(coll):
            return coll.nth(index)
    elif kind is str:
        if 0 <= index < len(coll):
            return char(coll[index])
    elif coll is None:
        return None if default is MISSING else default
    elif kind in MAPS or kind in SETS:
        raise wrong("nth", "a sequential collection", 1, coll)
    elif index >= 0:
        return _nth_of_seq(coll, index, default)
    if default is MISSING:
        raise out_of_bounds("nth", index, count(coll) if kind in _COUNTED else 0)
    return default


def _nth_of_seq(coll: Value, index: int, default: Value) -> Value:
    if type(coll) is Repeat and (coll.count is None or index < coll.count):
        return coll.value
    if type(coll) is Range and (coll.end is None or index < (coll.known_count or 0)):
        return coll.start + index * coll.step
    cell = drop_cells(coll, index)
    if cell is not None:
        return first(cell)
    if default is MISSING:
        raise out_of_bounds("nth", index, count(coll))
    return default


@native("nthnext")
def nthnext(coll: Value, n: Value) -> Value:
    return None if coll is None else drop_cells(coll, max(0, need_int("nthnext", 2, n)))


@native("nthrest")
def nthrest(coll: Value, n: Value) -> Value:
    """Return what comes after n items; whether there is anything is not looked at."""
    if coll is None or need_int("nthrest", 2, n) <= 0:
        return coll
    found = drop_cells(coll, n - 1)
    return EMPTY_LIST if found is None else rest(found)


@native("-first-items")
def first_items(n: Value, coll: Value) -> Value:
    """Return a sequence of the first n items, or of all if there are less; no more than n are realised."""
    items: list[Value] = []
    wanted = need_int("take", 1, n)
    while coll is not None and len(items) < wanted:
        items.append(first(coll))
        try:
            coll = next_(coll) if len(items) < wanted else None
        except Unrealised as need:
            raise Unrealised(need.lazy, Realise.ALL, wanted - len(items)) from None
        if not len(items) & 0xFFFF:
            need_items("partition", len(items))
    charge(len(items))
    # A sequence and no list, as in Clojure.
    return IndexedSeq(tuple(items), 0) if items else EMPTY_LIST


@native("last")
def last(coll: Value) -> Value:
    """Return the last item, in one look for a vector."""
    kind = type(coll)
    if kind is Vector or kind is MapEntry:
        return coll.nth(len(coll) - 1) if len(coll) else None
    if kind is SortedMap or kind is SortedSet:
        return IndexedSeq(coll, len(coll) - 1).first if len(coll) else None
    items = items_of("last", coll)
    return items[-1] if items else None


@native("butlast")
def butlast(coll: Value) -> Value:
    items = items_of("butlast", coll)
    return list_of(items[:-1]) if len(items) > 1 else None


@native("take-last")
def take_last(n: Value, coll: Value) -> Value:
    items = items_of("take-last", coll)
    kept = items[max(0, len(items) - n) :] if need_int("take-last", 1, n) > 0 else ()
    return list_of(kept) if kept else None


@native("reverse")
def reverse(coll: Value) -> Value:
    return list_of(tuple(reversed(items_of("reverse", coll))))


@native("rseq")
def rseq(coll: Value) -> Value:
    if type(coll) not in (Vector, MapEntry, SortedMap, SortedSet):
        raise wrong("rseq", "a vector or a sorted collection", 1, coll)
    charge(len(coll) >> 2)
    return IndexedSeq(vector(reversed(tuple(coll))), 0) if len(coll) else None


@native("-range")
def make_range(start: Value, end: Value, step: Value) -> Value:
    """Return the numbers from ``start`` to before ``end`` as data; nil unless all are integers."""
    for position, bound in ((1, start), (2, end), (3, step)):
        if not is_number(bound):
            raise wrong("range", "a number", position, bound)
    if type(start) is not int or type(end) is not int or type(step) is not int:
        return None
    if step == 0:
        return EMPTY_LIST if start == end else Repeat(None, start)
    made = Range(start, end, step)
    return EMPTY_LIST if made.is_empty else made


native.add("-numbers", lambda: Range(0, None, 1))


@native("-need-positive")
def need_positive(function: Value, position: Value, n: Value) -> Value:
    """Return ``n``, which must be a number above zero."""
    if not is_number(n) or not gt(n, 0):
        raise wrong(function, "a number above zero", position, n)
    return n


native.add("-repeat-for-ever", lambda x: Repeat(None, x))


@native("-repeat")
def repeat(n: Value, x: Value) -> Value:
    """Return ``x`` as often as the integer part of a number says."""
    if not is_number(n):
        raise wrong("repeat", "a number", 1, n)
    count = to_integer(n)
    return Repeat(count, x) if count > 0 else EMPTY_LIST


@native("-reducible")
def reducible(coll: Value) -> Value:
    """Return what has the items of ``coll`` and looks each up at once; nil if laziness forbids."""
    kind = type(coll)
    if kind is Vector:
        return coll
    if kind in MAPS:
        return vector(entries_of(coll))
    if kind is Range:
        return None if coll.end is None else coll
    if kind in _COUNTED or kind is IndexedSeq:
        return vector(items_of("reduce", coll))
    if kind is Repeat and not is_endless(coll):
        return vector(coll)
    if coll is None:
        return vector(())
    if kind is Cons or kind is LazySeq or kind is Repeat:
        return None
    raise wrong("reduce", "a collection", 1, coll)


@native("-unrealised")
def unrealised(value: Value, todo: Value) -> Value:
    """Put the lazy sequences inside ``value`` that are not realised in front of ``todo``."""
    for lazy in reversed(unrealised_inside(value)):
        todo = Cons(lazy, todo)
    return todo


_SHORT = 32
_EAGER = frozenset({Vector, MapEntry, List, type(None)})


@native("-concat-small")
def concat_small(colls: Value) -> Value:
    """Return collections joined if they are data and short, else nil.

    Nobody can tell the difference, and macros, whose templates are made of
    ``concat``, take a fraction of the steps.
    """
    items: list[Value] = []
    if type(colls) is not List:
        return EMPTY_LIST if colls is None else None
    for coll in colls:
        if type(coll) not in _EAGER:
            return None
        if coll is not None:
            if len(items) + len(coll) > _SHORT:
                return None
            items.extend(coll)
    return list_of(items)
