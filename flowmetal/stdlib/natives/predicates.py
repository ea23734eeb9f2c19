"""What kind of value something is, and whether two are the same (flow.core)."""

from __future__ import annotations

from flowmetal.stdlib.natives.arguments import wrong
from flowmetal.stdlib.natives.table import Table
from flowmetal.stdlib.natives.walking import MAPS, SETS
from flowmetal.values import (
    Atom,
    Channel,
    Char,
    Cons,
    Delay,
    Duration,
    ErrorValue,
    FiberRef,
    IndexedSeq,
    Instant,
    Keyword,
    LazySeq,
    List,
    Map,
    MapEntry,
    Promise,
    Range,
    Ratio,
    Record,
    Reduced,
    Regex,
    Reified,
    Repeat,
    RunRef,
    Secret,
    Set,
    SortedMap,
    SortedSet,
    Symbol,
    TaggedLiteral,
    Value,
    VarRef,
    Vector,
    Volatile,
    compare,
    equal,
    identical,
    keyword,
    kind_of,
    kinds,
    lasting_hash,
)
from flowmetal.values.cells import OPEN
from flowmetal.vm.state import Closure, Native

native = Table("flow.core")

_SEQS = frozenset({List, Cons, LazySeq, Range, Repeat, IndexedSeq})
_VECTORS = frozenset({Vector, MapEntry})
_COLLECTIONS = _SEQS | _VECTORS | MAPS | SETS
_FUNCTIONS = frozenset({Closure, Native})
_CALLABLE = _FUNCTIONS | _VECTORS | SETS | {Keyword, Symbol, Map, SortedMap, VarRef}
_NAMES = frozenset({Keyword, Symbol})


def is_callable(x: Value) -> bool:
    """Say whether a value can be called as a function."""
    return type(x) in _CALLABLE


def _is(name: str, *types: type) -> None:
    wanted = frozenset(types)
    native.add(name, lambda x: type(x) in wanted)


_is("string?", str)
_is("bytes?", bytes)
_is("boolean?", bool)
_is("char?", Char)
_is("keyword?", Keyword)
_is("symbol?", Symbol)
_is("ident?", *_NAMES)
native.add("uuid?", lambda x: kind_of(x) == kinds.UUID)
_is("inst?", Instant)
_is("duration?", Duration)
_is("secret?", Secret)
_is("regex?", Regex)
_is("run?", RunRef)
_is("fiber?", FiberRef)
_is("promise?", Promise)
_is("chan?", Channel)
_is("-waitable?", Promise, FiberRef)
_is("tagged-literal?", TaggedLiteral)
_is("list?", List)
_is("vector?", *_VECTORS)
_is("map?", *MAPS)
_is("record?", Record)
_is("set?", *SETS)
_is("sorted?", SortedMap, SortedSet)
_is("map-entry?", MapEntry)
_is("seq?", *_SEQS)
_is("coll?", *_COLLECTIONS)
_is("sequential?", *_SEQS, *_VECTORS)
_is("associative?", *_VECTORS, *MAPS)
_is("indexed?", *_VECTORS)
_is("reversible?", *_VECTORS, SortedMap, SortedSet)
_is("seqable?", *_COLLECTIONS, str, bytes, type(None))
native.add("ifn?", is_callable)
_is("var?", VarRef)
_is("atom?", Atom)
_is("volatile?", Volatile)
_is("delay?", Delay)
_is("reduced?", Reduced)
_is("error?", ErrorValue)

native.add("nil?", lambda x: x is None)
native.add("some?", lambda x: x is not None)
native.add("not", lambda x: x is None or x is False)
native.add("true?", lambda x: x is True)
native.add("false?", lambda x: x is False)
native.add("any?", lambda x: True)
native.add("boolean", lambda x: not (x is None or x is False))
native.add("identity", lambda x: x)


def _named(name: str, types: frozenset[type], qualified: bool) -> None:
    native.add(name, lambda x: type(x) in types and (x.ns is not None) is qualified)


_named("simple-keyword?", frozenset({Keyword}), False)
_named("qualified-keyword?", frozenset({Keyword}), True)
_named("simple-symbol?", frozenset({Symbol}), False)
_named("qualified-symbol?", frozenset({Symbol}), True)
_named("simple-ident?", _NAMES, False)
_named("qualified-ident?", _NAMES, True)


@native("realized?")
def is_realized(x: Value) -> bool:
    """Say whether a lazy sequence, delay, fiber or promise has its value."""
    if type(x) is LazySeq:
        return x.thunk is None
    if isinstance(x, Promise):
        return x.state != OPEN
    if type(x) is not Delay:
        raise wrong("realized?", "a lazy sequence, delay, fiber or promise", 1, x)
    return bool(x.realised)


@native("=")
def same(first: Value, *values: Value) -> bool:
    return all(equal(first, value) for value in values)


@native("not=")
def different(first: Value, *values: Value) -> bool:
    return not same(first, *values)


native.add("identical?", identical)
native.add("compare", compare)
native.add("hash", lasting_hash)
native.add("hash-ordered-coll", lasting_hash)
native.add("hash-unordered-coll", lasting_hash)


_TYPES: dict[type, str] = {
    type(None): "nil",
    bool: "boolean",
    int: "integer",
    float: "float",
    Ratio: "ratio",
    str: "string",
    bytes: "bytes",
    Char: "char",
    Keyword: "keyword",
    Symbol: "symbol",
    Instant: "instant",
    Duration: "duration",
    Secret: "secret",
    Regex: "regex",
    RunRef: "run",
    FiberRef: "fiber",
    Promise: "promise",
    Channel: "channel",
    TaggedLiteral: "tagged-literal",
    VarRef: "var",
    Vector: "vector",
    MapEntry: "vector",
    Map: "map",
    SortedMap: "map",
    Record: "record",
    Set: "set",
    SortedSet: "set",
    Reified: "reified",
    Closure: "function",
    Native: "function",
    Atom: "atom",
    Volatile: "volatile",
    Delay: "delay",
    Reduced: "reduced",
    ErrorValue: "error",
}


_LATE_TYPES = {kinds.DECIMAL: "decimal", kinds.UUID: "uuid"}
"""Types whose modules are imported by programs that use them only."""


@native("-kind")
def kind(x: Value) -> Keyword:
    """Return the kind of a value as a keyword; every sequence that is no vector is a ``:list``."""
    name = _TYPES.get(type(x)) or _LATE_TYPES.get(kind_of(x), "list")
    return keyword(name)


_SPECIAL_FORMS = frozenset({
    "def", "if", "do", "let*", "loop*", "recur", "fn*", "letfn*", "quote", "var", "try", "catch",
    "finally", "throw", "case*", "set!", "perform", "&",
})  # fmt: skip
native.add(
    "special-symbol?",
    lambda x: type(x) is Symbol and x.ns is None and x.name in _SPECIAL_FORMS,
)
