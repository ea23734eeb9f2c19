"""The data of the language: what a value is, and what can be done to any.

Numbers, strings, nil and booleans are Python's own; the rest are the classes
of this package. All values but the cells are immutable. Equality, hashing,
order, arithmetic and printing are decided here, once, and none of Python's
coercions leak: see ``equality`` and ``keys``. Nothing here does I/O, reads a
clock or calls a function of the language.

The codec and the JSON mapping are loaded when they are first asked for, since
they bring msgpack and json with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmetal.values.cells import Atom, Channel, Delay, FiberRef, Promise, Reduced, Volatile
from flowmetal.values.equality import MISSING, equal, identical
from flowmetal.values.errors import (
    DataError,
    ErrorValue,
    FlowError,
    fail,
    flow_error,
    index_error,
    type_error,
)
from flowmetal.values.hashing import hash_of, lasting_hash
from flowmetal.values.keys import WrappedKey, key_of, value_of_key
from flowmetal.values.kinds import KINDS, Value, kind_of
from flowmetal.values.lazy import Cons, LazySeq, Realise, Unrealised
from flowmetal.values.lists import EMPTY_LIST, List, list_of
from flowmetal.values.map import EMPTY_MAP, Map, hash_map
from flowmetal.values.names import Keyword, Symbol, VarRef, keyword, symbol
from flowmetal.values.number_text import (
    float_text,
    integer_text,
    need_number,
    parse_double,
    parse_long,
    parse_number,
)
from flowmetal.values.numbers import (
    abs_,
    add,
    compare_numbers,
    dec,
    div,
    ge,
    gt,
    inc,
    is_number,
    le,
    lt,
    maximum,
    minimum,
    mod,
    mul,
    negate,
    num_eq,
    number_error,
    power,
    quot,
    rationalize,
    rem,
    sub,
    to_decimal,
    to_float,
    to_integer,
)
from flowmetal.values.ordering import compare, plain_keys
from flowmetal.values.printing import describe, display, display_top, pr_str, show
from flowmetal.values.record import Record, record_of
from flowmetal.values.reified import Reified
from flowmetal.values.scalars import (
    Char,
    Duration,
    Instant,
    Ratio,
    Regex,
    RunRef,
    Secret,
    TaggedLiteral,
    char,
    ratio,
)
from flowmetal.values.seq import (
    IndexedSeq,
    Range,
    Repeat,
    cons,
    count,
    first,
    is_endless,
    is_seq,
    iterate_seq,
    next_,
    rest,
    seq,
)
from flowmetal.values.set import EMPTY_SET, Set, set_of
from flowmetal.values.sorted import (
    EMPTY_SORTED_MAP,
    EMPTY_SORTED_SET,
    OrderedByFunction,
    SortedMap,
    SortedSet,
    plain_map,
    sorted_map,
    sorted_set,
)
from flowmetal.values.time_text import (
    duration_text,
    instant_text,
    parse_duration,
    parse_instant,
)
from flowmetal.values.vector import EMPTY_VECTOR, MapEntry, Vector, vector
from flowmetal.values.walking import require_realised

if TYPE_CHECKING:
    from flowmetal.values.codec import decode_data, encode_data
    from flowmetal.values.json_mapping import from_json, json_dumps, json_loads, to_json

_LATE = {
    "decode_data": "codec",
    "encode_data": "codec",
    "from_json": "json_mapping",
    "json_dumps": "json_mapping",
    "json_loads": "json_mapping",
    "to_json": "json_mapping",
}


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    globals()[name] = found
    return found


__all__ = [
    "EMPTY_LIST",
    "EMPTY_MAP",
    "EMPTY_SET",
    "EMPTY_SORTED_MAP",
    "EMPTY_SORTED_SET",
    "EMPTY_VECTOR",
    "KINDS",
    "MISSING",
    "Atom",
    "Channel",
    "Char",
    "Cons",
    "DataError",
    "Delay",
    "Duration",
    "ErrorValue",
    "FiberRef",
    "FlowError",
    "IndexedSeq",
    "Instant",
    "Keyword",
    "LazySeq",
    "List",
    "Map",
    "MapEntry",
    "OrderedByFunction",
    "Promise",
    "Range",
    "Ratio",
    "Realise",
    "Record",
    "Reduced",
    "Regex",
    "Reified",
    "Repeat",
    "RunRef",
    "Secret",
    "Set",
    "SortedMap",
    "SortedSet",
    "Symbol",
    "TaggedLiteral",
    "Unrealised",
    "Value",
    "VarRef",
    "Vector",
    "Volatile",
    "WrappedKey",
    "abs_",
    "add",
    "char",
    "compare",
    "compare_numbers",
    "cons",
    "count",
    "dec",
    "decode_data",
    "describe",
    "display",
    "display_top",
    "div",
    "duration_text",
    "encode_data",
    "equal",
    "fail",
    "first",
    "float_text",
    "flow_error",
    "from_json",
    "ge",
    "gt",
    "hash_map",
    "hash_of",
    "identical",
    "inc",
    "index_error",
    "instant_text",
    "integer_text",
    "is_endless",
    "is_number",
    "is_seq",
    "iterate_seq",
    "json_dumps",
    "json_loads",
    "key_of",
    "keyword",
    "kind_of",
    "lasting_hash",
    "le",
    "list_of",
    "lt",
    "maximum",
    "minimum",
    "mod",
    "mul",
    "need_number",
    "negate",
    "next_",
    "num_eq",
    "number_error",
    "parse_double",
    "parse_duration",
    "parse_instant",
    "parse_long",
    "parse_number",
    "plain_keys",
    "plain_map",
    "power",
    "pr_str",
    "quot",
    "ratio",
    "rationalize",
    "record_of",
    "rem",
    "require_realised",
    "rest",
    "seq",
    "set_of",
    "show",
    "sorted_map",
    "sorted_set",
    "sub",
    "symbol",
    "to_decimal",
    "to_float",
    "to_integer",
    "to_json",
    "type_error",
    "value_of_key",
    "vector",
]
