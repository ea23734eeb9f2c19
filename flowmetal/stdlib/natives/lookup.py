"""Looking things up in collections (flow.core). Whatever has no keys has none of them."""

from __future__ import annotations

from collections.abc import Callable

from flowmetal.stdlib.natives.arguments import wrong
from flowmetal.stdlib.natives.table import MISSING, Table
from flowmetal.stdlib.natives.walking import MAPS, SETS, items_of
from flowmetal.values import (
    ErrorValue,
    IndexedSeq,
    Keyword,
    Map,
    MapEntry,
    Set,
    SortedSet,
    TaggedLiteral,
    Value,
    Vector,
    char,
    hash_map,
    is_number,
    keyword,
    list_of,
    vector,
)
from flowmetal.values.meter import charge

native = Table("flow.core")


_ERROR_FIELDS: dict[str, Callable[[ErrorValue], Value]] = {
    "type": lambda e: e.type,
    "message": lambda e: e.message,
    "data": lambda e: e.data,
    "cause": lambda e: e.cause,
    "retryable?": lambda e: e.retryable,
    "code": lambda e: e.code,
    "frames": lambda e: vector(_frame(name, span) for name, span in e.frames),
}


def _frame(name: str, span: Value) -> Map:
    pairs: list[tuple[Value, Value]] = [(keyword("name"), name)]
    if span is not None:
        pairs += [
            (keyword("file"), span.path),
            (keyword("line"), span.line),
            (keyword("col"), span.col),
        ]
    return hash_map(pairs)


def error_field(error: ErrorValue, key: Value, default: Value = None) -> Value:
    """Look ``key`` up in an error as if it were a map."""
    if type(key) is not Keyword or key.text not in _ERROR_FIELDS:
        return default
    return _ERROR_FIELDS[key.text](error)


@native("get")
def get(coll: Value, key: Value, default: Value = None) -> Value:
    """Look ``key`` up; whatever has no keys has none of them."""
    kind = type(coll)
    if kind is Map:
        return coll.get(key, default)
    if kind is Vector or kind is MapEntry:
        return coll.nth(key) if _is_index(key, len(coll)) else default
    if kind is Set:
        return coll.get(key, default) if key in coll else default
    if kind is ErrorValue:
        return error_field(coll, key, default)
    if kind is str:
        return char(coll[key]) if _is_index(key, len(coll)) else default
    if kind in MAPS or kind is SortedSet:
        return coll.get(key, default)
    if kind is TaggedLiteral:
        return coll.tag if key is _TAG else coll.form if key is _FORM else default
    return default


_TAG, _FORM = keyword("tag"), keyword("form")


def _is_index(key: Value, count: int) -> bool:
    return type(key) is int and 0 <= key < count


@native("contains?")
def contains(coll: Value, key: Value) -> bool:
    """Say whether ``key`` is a key of a map, a member of a set or an index of a vector."""
    kind = type(coll)
    if coll is None:
        return False
    if kind in MAPS or kind in SETS:
        return key in coll
    if kind is Vector or kind is MapEntry:
        return _is_index(key, len(coll))
    if kind is str:
        if not is_number(key):
            raise wrong("contains?", "an index to look into a string", 2, key)
        return _is_index(key, len(coll))
    if kind is ErrorValue:
        return type(key) is Keyword and key.text in _ERROR_FIELDS
    raise wrong("contains?", "a map, set, vector or string", 1, coll)


@native("find")
def find(coll: Value, key: Value) -> MapEntry | None:
    """Return the entry of ``key``, or nil."""
    if coll is None:
        return None
    kind = type(coll)
    if kind in MAPS:
        found: MapEntry | None = coll.find(key)
        return found
    if kind is Vector or kind is MapEntry:
        return MapEntry(key, coll.nth(key)) if _is_index(key, len(coll)) else None
    raise wrong("find", "a map or a vector", 1, coll)


@native("get-in")
def get_in(coll: Value, path: Value, default: Value = None) -> Value:
    """Look up along ``path``."""
    for key in items_of("get-in", path):
        coll = get(coll, key, MISSING)
        if coll is MISSING:
            return default
    return coll


@native("key")
def key(entry: Value) -> Value:
    return _entry("key", entry).nth(0)


@native("val")
def val(entry: Value) -> Value:
    return _entry("val", entry).nth(1)


def _entry(function: str, entry: Value) -> MapEntry:
    if type(entry) is not MapEntry:
        raise wrong(function, "an entry of a map", 1, entry)
    return entry


@native("keys")
def keys(coll: Value) -> Value:
    """Return the keys of a map in its order, nil if it is empty."""
    return _column("keys", coll, 0)


@native("vals")
def vals(coll: Value) -> Value:
    """Return the values of a map in its order, nil if it is empty."""
    return _column("vals", coll, 1)


def _column(function: str, coll: Value, index: int) -> Value:
    if type(coll) in MAPS:
        charge(len(coll) >> 2)
        return IndexedSeq(vector(coll.values() if index else coll.keys()), 0) if len(coll) else None
    entries = items_of(function, coll)
    if not entries:
        return None
    return list_of([_entry(function, entry).nth(index) for entry in entries])
