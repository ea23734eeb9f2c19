"""Collections of flow.core: making and changing. Looking up is in lookup.py."""

from __future__ import annotations

from flowmetal.stdlib.natives.arguments import out_of_bounds, uneven, wrong
from flowmetal.stdlib.natives.lookup import find, get, key, val
from flowmetal.stdlib.natives.table import MISSING, Table
from flowmetal.stdlib.natives.walking import MAPS, SETS, items_of, some_items_of
from flowmetal.values import (
    EMPTY_LIST,
    EMPTY_MAP,
    EMPTY_SET,
    EMPTY_VECTOR,
    Cons,
    IndexedSeq,
    LazySeq,
    List,
    Map,
    MapEntry,
    Range,
    Record,
    Repeat,
    Set,
    SortedMap,
    SortedSet,
    Value,
    Vector,
    cons,
    fail,
    hash_map,
    is_endless,
    is_seq,
    list_of,
    set_of,
    show,
    vector,
)
from flowmetal.values.meter import charge

native = Table("flow.core")

_FIRST_LOOK = 64
"""Items of each collection that zipmap begins with."""

SEQS = (List, Cons, LazySeq, Range, Repeat, IndexedSeq)


# Making.


@native("-case-constants")
def case_constants(form: Value, index: Value, test: Value) -> Vector:
    """Return the constants of one clause of a ``case`` form, with their places as far as they are known.

    ``test`` is item ``index`` of the form: a list of constants, or one.
    """
    if test is not None and is_seq(test):
        constants, spans = items_of("case", test), getattr(test, "item_spans", None)
        return vector(constants).with_spans(getattr(test, "span", None), spans)
    known = getattr(form, "item_spans", None)
    return vector((test,)).with_spans(None, None if known is None else (known[index],))


native.add("list", lambda *items: list_of(items))
native.add("vector", lambda *items: vector(items))
native.add("hash-set", lambda *items: set_of(items))


@native("vec")
def vec(coll: Value) -> Vector:
    """Return the items of ``coll`` as a vector."""
    if type(coll) is Vector:
        return coll if coll.meta is None else coll.with_meta(None)
    return vector(items_of("vec", coll))


@native("set")
def to_set(coll: Value) -> Value:
    """Return the distinct items of ``coll`` as a set; a sorted set stays one."""
    if type(coll) in SETS:
        return coll.with_meta(None)
    return set_of(items_of("set", coll))


@native("hash-map", "array-map")
def make_map(*items: Value) -> Map:
    if len(items) % 2:
        raise uneven("hash-map", items[-1])
    return hash_map(zip(items[::2], items[1::2], strict=True))


@native("-map-of")
def map_of(items: Value) -> Map:
    """Return a map of the keys and values that alternate in a sequence."""
    return make_map(*items_of("hash-map", items))


@native("-options-of")
def options_of(arguments: Value) -> Value:
    """Return the map that trailing arguments make: ``:k v`` pairs, and a map last or alone."""
    items = items_of("hash-map", arguments)
    if not items:
        return EMPTY_MAP
    if len(items) == 1:
        return items[0]
    if len(items) % 2 == 0:
        return make_map(*items)
    if type(items[-1]) not in MAPS:
        raise uneven("hash-map", items[-1])
    return conj_one(make_map(*items[:-1]), items[-1])


@native("zipmap")
def zipmap(names: Value, values: Value) -> Map:
    """Return a map from each key to the value at its place; the shorter collection ends it.

    Either may be endless, so twice as many items of both are looked at until one ends.
    """
    if is_endless(names) and is_endless(values):
        items_of("zipmap", names)  # says that one of them needs an end
    most = _FIRST_LOOK
    while True:
        keys = some_items_of("zipmap", names, most)
        found = some_items_of("zipmap", values, most)
        if len(keys) < most or len(found) < most:
            charge(min(len(keys), len(found)) >> 1)
            return hash_map(zip(keys, found, strict=False))
        most *= 2


@native("map-entry")
def make_entry(key: Value, value: Value) -> MapEntry:
    return MapEntry(key, value)


# Changing.


@native("conj")
def conj(coll: Value = EMPTY_VECTOR, *items: Value) -> Value:
    """Add items where it costs least: at the front of sequences, at the end of vectors."""
    for item in items:
        coll = conj_one(coll, item)
    return coll


def conj_one(coll: Value, item: Value) -> Value:
    """Add one item."""
    kind = type(coll)
    if kind is Vector or kind in SETS:
        return coll.conj(item)
    if kind in MAPS:
        return _conj_entry(coll, item)
    if coll is None:
        return list_of((item,))
    if kind is List:
        return coll.conj(item)
    if kind is MapEntry:
        return vector((*coll, item))
    if kind in SEQS:
        return cons(item, coll)
    raise wrong("conj", "a collection", 1, coll)


def _conj_entry(coll: Value, item: Value) -> Value:
    kind = type(item)
    if item is None:
        return coll
    if kind in MAPS:
        charge(2 * len(item))
        for k, v in item.items():
            coll = coll.assoc(k, v)
        return coll
    if (kind is Vector or kind is MapEntry) and len(item) == 2:
        return coll.assoc(item.nth(0), item.nth(1))
    if kind in SEQS:
        for entry in items_of("conj", item):
            coll = coll.assoc(key(entry), val(entry))
        return coll
    raise wrong("conj", "an entry, a pair [key value] or a map to add to a map", 2, item)


@native("-into")
def into(to: Value, source: Value) -> Value:
    """Add all items of ``source`` to ``to``."""
    if to is None and source is None:
        return None
    items = items_of("into", source)
    kind = type(to)
    if kind is Vector and len(items) < len(to) >> 3:
        for item in items:  # what is there already is shared, and not saved again
            to = to.conj(item)
        return to
    if kind is Vector:
        return vector((*to, *items)).with_meta(to.meta)
    if kind is Set and not len(to):
        return set_of(items).with_meta(to.meta)
    charge(len(items))
    return conj(to, *items)


@native("assoc")
def assoc(coll: Value, key: Value, value: Value, *more: Value) -> Value:
    """Return ``coll`` with ``value`` under ``key``."""
    if len(more) % 2:
        raise uneven("assoc", more[-1])
    coll = assoc_one(coll, key, value)
    for index in range(0, len(more), 2):
        coll = assoc_one(coll, more[index], more[index + 1])
    return coll


def assoc_one(coll: Value, key: Value, value: Value) -> Value:
    """Set one key."""
    kind = type(coll)
    if kind in MAPS:
        return coll.assoc(key, value)
    if kind is Vector or kind is MapEntry:
        if type(key) is not int:
            raise wrong("assoc", "an index to change a vector", 2, key)
        if not 0 <= key <= len(coll):
            raise out_of_bounds("assoc", key, len(coll))
        return (vector(coll) if kind is MapEntry else coll).assoc(key, value)
    if coll is None:
        return EMPTY_MAP.assoc(key, value)
    raise wrong("assoc", "a map or a vector", 1, coll)


@native("assoc-in")
def assoc_in(coll: Value, path: Value, value: Value) -> Value:
    """Set the value at the end of ``path``; maps are made on the way where there is nothing."""
    steps = items_of("assoc-in", path) or [None]
    charge(len(steps))
    levels = [coll]
    for step in steps[:-1]:
        levels.append(get(levels[-1], step))
    for step, level in zip(reversed(steps), reversed(levels), strict=True):
        value = assoc_one(level, step, value)
    return value


@native("dissoc")
def dissoc(coll: Value, *names: Value) -> Value:
    """Return the map without the given keys; without keys whatever was given."""
    if coll is None or not names:
        return coll
    if type(coll) not in MAPS:
        raise wrong("dissoc", "a map", 1, coll)
    for name in names:
        coll = coll.dissoc(name)
    return coll


@native("disj")
def disj(coll: Value, *items: Value) -> Value:
    """Return the set without the given items; without items whatever was given."""
    if coll is None or not items:
        return coll
    if type(coll) not in SETS:
        raise wrong("disj", "a set", 1, coll)
    for item in items:
        coll = coll.disj(item)
    return coll


@native("merge")
def merge(*maps: Value) -> Value:
    """Return the maps merged; a later value replaces an earlier one; nil if there is none."""
    given = [m for m in maps if m is not None]
    if not given:
        return None
    merged = EMPTY_MAP if maps[0] is None else maps[0]
    for other in maps[1:]:
        merged = conj_one(merged, other)
    return merged


@native("select-keys")
def select_keys(coll: Value, names: Value) -> Map:
    """Return a map of only the entries whose keys are in ``names``."""
    found = []
    wanted = items_of("select-keys", names)
    charge(len(wanted))
    for name in wanted:
        entry = find(coll, name)
        if entry is not None:
            found.append((name, entry.nth(1)))
    made = hash_map(found)
    return made.with_meta(coll.meta) if type(coll) in MAPS and coll.meta is not None else made


@native("peek")
def peek(coll: Value) -> Value:
    """Return the item that ``pop`` takes: the last of a vector, the first of a list."""
    kind = type(coll)
    if coll is None:
        return None
    if kind is Vector or kind is MapEntry:
        return coll.nth(len(coll) - 1) if len(coll) else None
    if kind is List:
        return coll.first if coll.count else None
    raise wrong("peek", "a vector or a list", 1, coll)


@native("pop")
def pop(coll: Value) -> Value:
    """Return the collection without the item that ``peek`` returns."""
    kind = type(coll)
    if coll is None:
        return None
    if kind is Vector or kind is MapEntry or kind is List:
        if not len(coll):
            fail("FM0322", "index/out-of-bounds", "`pop` needs a collection that is not empty")
        if kind is List:
            return coll.rest
        return coll.pop() if kind is Vector else vector((coll.nth(0),))
    raise wrong("pop", "a vector or a list", 1, coll)


@native("subvec")
def subvec(coll: Value, start: Value, end: Value = MISSING) -> Vector:
    """Return the items from ``start`` to just before ``end``."""
    if type(coll) is not Vector and type(coll) is not MapEntry:
        raise wrong("subvec", "a vector", 1, coll)
    stop = len(coll) if end is MISSING else end
    for position, index in ((2, start), (3, stop)):
        if type(index) is not int:
            raise wrong("subvec", "an integer", position, index)
        if not 0 <= index <= len(coll):
            raise out_of_bounds("subvec", index, len(coll))
    if start > stop:
        raise out_of_bounds("subvec", stop, len(coll))
    made: Vector = (coll if type(coll) is Vector else vector(coll)).subvec(start, stop)
    return made


# Transients are persistent underneath: the names are there, and what has none is refused.

_EDITABLE = (Vector, Map, Set)


@native("transient")
def transient(coll: Value) -> Value:
    return _editable("transient", coll)


@native("persistent!")
def persistent(coll: Value) -> Value:
    return _editable("persistent!", coll)


@native("conj!")
def conj_transient(coll: Value = EMPTY_VECTOR, *items: Value) -> Value:
    return conj(_editable("conj!", coll), *items) if items else coll


@native("assoc!")
def assoc_transient(coll: Value, key: Value, value: Value, *more: Value) -> Value:
    return assoc(_editable("assoc!", coll), key, value, *more)


@native("dissoc!")
def dissoc_transient(coll: Value, *names: Value) -> Value:
    return dissoc(_editable("dissoc!", coll), *names)


@native("disj!")
def disj_transient(coll: Value, *items: Value) -> Value:
    return disj(_editable("disj!", coll), *items)


@native("pop!")
def pop_transient(coll: Value) -> Value:
    return pop(_editable("pop!", coll))


def _editable(function: str, coll: Value) -> Value:
    if type(coll) not in _EDITABLE:
        raise wrong(function, "a vector, or a map or set that is not sorted", 1, coll)
    return coll


@native("empty")
def empty(coll: Value) -> Value:
    """Return an empty collection of the same kind, with its metadata; nil of anything else."""
    kind = type(coll)
    if kind is MapEntry:
        return None
    if kind is SortedMap or kind is SortedSet:
        return kind(None, coll.order, coll.meta)
    if kind is Record:
        raise wrong("empty", "a collection that can be empty, which no record is", 1, coll)
    made: Value = {Vector: EMPTY_VECTOR, Map: EMPTY_MAP, Set: EMPTY_SET}.get(kind)
    if made is not None:
        return made if coll.meta is None else made.with_meta(coll.meta)
    return EMPTY_LIST if kind in SEQS else None


@native("frequencies")
def frequencies(coll: Value) -> Map:
    """Return how often each distinct item occurs, in order of first occurrence."""
    counts = EMPTY_MAP
    items = items_of("frequencies", coll)
    charge(2 * len(items))
    for item in items:
        counts = counts.assoc(item, counts.get(item, 0) + 1)
    return counts


@native("distinct?")
def are_distinct(first: Value, *others: Value) -> bool:
    """Say whether no two arguments are equal."""
    return len(set_of((first, *others))) == 1 + len(others)


@native("-no-match")
def no_match(value: Value) -> Value:
    """Raise: no clause of a ``case`` or ``condp`` takes ``value``."""
    fail("FM0508", "case/no-match", f"No matching clause: {show(value)}")
