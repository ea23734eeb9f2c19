"""Pure data as bytes, for every border that values cross.

The format is msgpack. What msgpack has is written as it is: nil, booleans,
integers of 64 bits, floats, strings, bytes; a vector is an array, a map a map
in its order. The rest are extensions:

```
 ext  value      its bytes                                ext  value     its bytes
   1  keyword    text in UTF-8                              8  duration  microseconds, as ext 4
   2  symbol     text in UTF-8                              9  uuid      16 bytes
   3  character  text in UTF-8                             10  regex     flags / pattern
   4  integer    two's complement, big-endian, shortest    11  secret    name
   5  ratio      numerator / denominator, hexadecimal      12  run       id
   6  decimal    coefficient E exponent, hex and decimal   13  var       name
   7  instant    microseconds, as ext 4
```

An array that begins with ext 32 is no vector: the extension's one byte says
what it is, the elements after it what it holds:

```
 'l' list   'e' set   'm' metadata, value   't' tag, form
 'x' error: type, message, data, cause, retryable, code, frames
 'f' flat table, for data nested deeper than msgpack goes (below)
```

A **flat table** is written when a value nests deeper than ``msgpack`` packs (1,024 levels):
``[ext 32 'f', node, node, ...]``, each node an array of ext 34 with the tag of
what it is (as above; a vector has 'v', a map 'M' with keys and values in turn)
and its children; a child that is a collection is ext 33, the number of its
node. The last node is the value.

The same value has the same bytes, whatever its history: big collections are
written as small ones are, realised lazy sequences as lists. Metadata is
written only on request. Reading is strict: what no writer writes is FM0331.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from math import gcd
from typing import Final

import msgpack

from flowmetal.source import Span
from flowmetal.values import kinds
from flowmetal.values.errors import SEQ_LIMIT, DataError, ErrorValue
from flowmetal.values.keys import WrappedKey, key_of
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.lazy import LazySeq, Unrealised
from flowmetal.values.lists import List, list_of
from flowmetal.values.map import Map, hash_map
from flowmetal.values.names import Keyword, Symbol, VarRef, keyword, symbol
from flowmetal.values.scalars import (
    Duration,
    Instant,
    Ratio,
    Regex,
    RunRef,
    Secret,
    TaggedLiteral,
    char,
)
from flowmetal.values.seq import Range, Repeat
from flowmetal.values.set import set_of
from flowmetal.values.vector import Vector, vector

# fmt: off
_KEYWORD, _SYMBOL, _CHAR, _INTEGER, _RATIO, _DECIMAL, _INSTANT, _DURATION = range(1, 9)
_UUID, _REGEX, _SECRET, _RUN, _VAR = range(9, 14)
_MARKER, _REFERENCE, _NODE = 32, 33, 34
# fmt: on

_ExtType: Final = msgpack.ExtType
_MARK_LIST: Final = _ExtType(_MARKER, b"l")
_MARK_SET: Final = _ExtType(_MARKER, b"e")
_MARK_META: Final = _ExtType(_MARKER, b"m")
_MARK_TAG: Final = _ExtType(_MARKER, b"t")
_MARK_ERROR: Final = _ExtType(_MARKER, b"x")
_MARK_FLAT: Final = _ExtType(_MARKER, b"f")


class _NotData(Exception):
    """What the packer met is not data."""


def encode_data(value: Value, with_meta: bool = False) -> bytes:
    """Return the bytes of a value that is data through and through.

    Raises DataError FM0330, with the path to it, for a function, a cell, a
    fiber or a lazy sequence that is not realised (see ``require_realised``).
    """
    hook = _plain_with_meta if with_meta else _plain
    try:
        try:
            return _pack(value, hook)
        except ValueError:  # nested deeper than msgpack packs
            return _pack(_flat_table(value, with_meta), _plain)
    except (_NotData, Unrealised):
        raise _not_data(value) from None


def decode_data(data: bytes) -> Value:
    """Return the value that ``encode_data`` made ``data`` of.

    Raises DataError FM0331 for any other bytes.
    """
    try:
        value = msgpack.unpackb(
            data,
            ext_hook=_read_extension,
            list_hook=_read_array,
            object_pairs_hook=_read_map,
            strict_map_key=False,
            unicode_errors="surrogatepass",
        )
    except (ValueError, OverflowError, MemoryError, msgpack.exceptions.UnpackException) as error:
        raise _damaged(str(error) or type(error).__name__) from None
    if type(value) in _INNER:
        raise _damaged("a part of a value stands alone")
    return value


def require_realised(value: Value) -> None:
    """Raise ``Unrealised`` (DEEP) if a lazy sequence anywhere in ``value`` is not realised."""
    stack = [iter((value,))]
    while stack:
        for child in stack[-1]:
            if KINDS[type(child)] in _COMPOSITE:
                stack.append(_children(child))
                break
        else:
            stack.pop()


_COMPOSITE: Final = frozenset({kinds.SEQUENCE, kinds.MAP, kinds.SET, kinds.PARTS})


def _children(value: Value) -> Iterator[Value]:
    kind = KINDS[type(value)]
    if kind == kinds.MAP:
        return chain.from_iterable(value.items())
    if kind == kinds.PARTS:
        return iter(value.parts())
    if kind == kinds.SEQUENCE and value.is_chain:
        return islice(value.iterate_deep(), SEQ_LIMIT)
    if type(value) is Range:
        return iter(())  # nothing but numbers, perhaps very many
    if type(value) is Repeat:
        return iter((value.value,))
    return iter(value)


def _pack(value: Value, hook: Callable[[Value], Value]) -> bytes:
    packed: bytes = msgpack.packb(
        value, default=hook, strict_types=True, unicode_errors="surrogatepass"
    )
    return packed


# Writing


def _plain(value: Value) -> Value:
    """Return what msgpack writes for a value that it does not know: the packer's hook."""
    cls = type(value)
    if cls is Keyword:
        packed = value.packed
        if packed is None:
            packed = value.packed = _ExtType(_KEYWORD, _utf8(value.text))
        return packed
    if cls is Vector:
        return list(value.body)
    if cls is Map:
        if type(value.body) is dict:
            return value.body
        return {key_of(key): item for key, item in value.body}
    if cls is WrappedKey:
        # The packer asks once for each object, so what it gets must be something that it knows.
        return (
            _write_decimal(value.value)
            if KINDS[type(value.value)] == kinds.DECIMAL
            else value.value
        )
    writer = _WRITERS.get(KINDS[cls])
    if writer is None:
        raise _NotData
    return writer(value)


def _plain_with_meta(value: Value) -> Value:
    plain = _plain(value)
    meta = getattr(value, "meta", None)
    return plain if meta is None else [_MARK_META, meta, plain]


def _write_sequence(value: Value) -> Value:
    if isinstance(value, Vector):
        return list(value)
    return [_MARK_LIST, *_elements(value)]


def _elements(value: Value) -> list[Value]:
    """Return the elements of a seq, whose number is limited."""
    known = value.known_count
    if known is None:
        items = list(islice(value, SEQ_LIMIT + 1))
        known = len(items)
    elif known <= SEQ_LIMIT:
        items = list(value)
    if known > SEQ_LIMIT and type(value) is not List:
        raise DataError("FM0330", f"a sequence of more than {SEQ_LIMIT:,} elements is not data")
    return items if known <= SEQ_LIMIT else list(value)


def _write_error(error: ErrorValue) -> Value:
    frames = [[name, _span_fields(span)] for name, span in error.frames]
    return [
        _MARK_ERROR,
        error.type,
        error.message,
        error.data,
        error.cause,
        error.retryable,
        error.code,
        frames,
    ]


def _span_fields(span: Span | None) -> list[Value] | None:
    if span is None:
        return None
    return [span.path, span.line, span.col, span.end_line, span.end_col]


def _write_parts(value: Value) -> Value:
    if type(value) is ErrorValue:
        return _write_error(value)
    if type(value) is TaggedLiteral:
        return [_MARK_TAG, value.tag, value.form]
    raise _NotData


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _integer_bytes(number: int) -> bytes:
    return number.to_bytes(
        (number if number >= 0 else ~number).bit_length() // 8 + 1, "big", signed=True
    )


def _write_decimal(value: Value) -> Value:
    from flowmetal.values.decimals import parts_of

    coefficient, exponent = parts_of(value)
    return _ExtType(_DECIMAL, f"{coefficient:x}E{exponent}".encode())


def _write_named(value: Value) -> Value:
    if type(value) is Regex:
        return _ExtType(_REGEX, _utf8(f"{value.flags}/{value.pattern}"))
    if type(value) is Secret:
        return _ExtType(_SECRET, _utf8(value.name))
    if type(value) is RunRef:
        return _ExtType(_RUN, _utf8(value.id))
    if type(value) is VarRef:
        return _ExtType(_VAR, _utf8(value.name))
    raise _NotData


_WRITERS: Final[dict[int, Callable[[Value], Value]]] = {
    kinds.INTEGER: lambda value: _ExtType(_INTEGER, _integer_bytes(value)),
    kinds.RATIO: lambda v: _ExtType(_RATIO, f"{v.numerator:x}/{v.denominator:x}".encode()),
    kinds.DECIMAL: _write_decimal,
    kinds.CHAR: lambda value: _ExtType(_CHAR, _utf8(value.text)),
    kinds.SYMBOL: lambda value: _ExtType(_SYMBOL, _utf8(value.text)),
    kinds.INSTANT: lambda value: _ExtType(_INSTANT, _integer_bytes(value.us)),
    kinds.DURATION: lambda value: _ExtType(_DURATION, _integer_bytes(value.us)),
    kinds.UUID: lambda value: _ExtType(_UUID, value.bytes),
    kinds.NAMED: _write_named,
    kinds.SEQUENCE: _write_sequence,
    kinds.MAP: lambda value: {key_of(key): item for key, item in value.items()},
    kinds.SET: lambda value: [_MARK_SET, *value],
    kinds.PARTS: _write_parts,
}


class _Open:
    """A collection whose children are being put into the flat table."""

    __slots__ = ("children", "node", "source")

    def __init__(self, source: Value, tag: bytes, children: Iterator[Value]) -> None:
        self.source = source
        self.children = children
        self.node: list[Value] = [_ExtType(_NODE, tag)]


def _flat_table(value: Value, with_meta: bool) -> list[Value]:
    """Return the nodes of a deep value, children before parents."""
    table: list[Value] = [_MARK_FLAT]
    stack = [_open(value, with_meta)]
    inside = {id(value)}
    while True:
        top = stack[-1]
        for child in top.children:
            if KINDS[type(child)] not in _COMPOSITE and not _has_meta(child, with_meta):
                top.node.append(child)
                continue
            if id(child) in inside:
                raise DataError("FM0330", "a sequence that contains itself is not data")
            inside.add(id(child))
            stack.append(_open(child, with_meta))
            break
        else:
            table.append(top.node)
            inside.discard(id(top.source))
            stack.pop()
            if not stack:
                return table
            stack[-1].node.append(_ExtType(_REFERENCE, _integer_bytes(len(table) - 2)))


def _has_meta(value: Value, with_meta: bool) -> bool:
    return with_meta and getattr(value, "meta", None) is not None


def _open(value: Value, with_meta: bool) -> _Open:
    if _has_meta(value, with_meta):
        bare = value.with_meta(None)
        return _Open(value, b"m", iter((value.meta, bare)))
    kind = KINDS[type(value)]
    if kind == kinds.MAP:
        return _Open(value, b"M", chain.from_iterable(value.items()))
    if kind == kinds.SET:
        return _Open(value, b"e", iter(value))
    if isinstance(value, Vector):
        return _Open(value, b"v", iter(value))
    if kind == kinds.SEQUENCE:
        return _Open(value, b"l", iter(_elements(value)))
    if type(value) is ErrorValue:
        frames = vector(
            vector((name, None if span is None else vector(_span_fields(span) or ())))
            for name, span in value.frames
        )
        fields = (*value.parts(), value.code, frames)
        return _Open(value, b"x", iter(fields))
    if type(value) is TaggedLiteral:
        return _Open(value, b"t", iter((value.tag, value.form)))
    raise _NotData


def _not_data(value: Value) -> DataError:
    """Find what in ``value`` is not data, and say where."""
    from flowmetal.values.printing import describe, show

    path: list[Value] = []
    stack = [iter([(None, value)])]
    while stack:
        for step, child in stack[-1]:
            if not _is_data(child):
                path.append(step)
                at = f" (at {show(vector(path[1:]))})" if len(path) > 1 else ""
                what = "an unrealised lazy sequence" if type(child) is LazySeq else describe(child)
                return DataError("FM0330", f"{what} is not data{at}")
            if KINDS[type(child)] in _COMPOSITE:
                path.append(step)
                stack.append(iter(_steps(child)))
                break
        else:
            stack.pop()
            if path:
                path.pop()
    return DataError("FM0330", "an unrealised lazy sequence is not data")


def _is_data(value: Value) -> bool:
    if type(value) is LazySeq:
        return value.thunk is None
    if KINDS[type(value)] in _COMPOSITE:
        return True
    if type(value) in (type(None), bool, int, float, str, bytes):
        return True
    try:
        _plain(value)
    except _NotData:
        return False
    return True


def _steps(value: Value) -> Iterator[tuple[Value, Value]]:
    kind = KINDS[type(value)]
    if kind == kinds.MAP:
        for key, item in value.items():
            yield key, key
            yield key, item
    elif type(value) is ErrorValue:
        names = ("type", "message", "data", "cause", "retryable?")
        yield from ((keyword(n), part) for n, part in zip(names, value.parts(), strict=True))
    else:
        try:
            yield from enumerate(_children(value))
        except Unrealised as unrealised:
            yield None, unrealised.lazy


# Reading


class _Marker:
    __slots__ = ("tag",)

    def __init__(self, tag: bytes) -> None:
        self.tag = tag


class _NodeMarker(_Marker):
    __slots__ = ()


class _Reference:
    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


class _Node:
    __slots__ = ("children", "tag")

    def __init__(self, tag: bytes, children: list[Value]) -> None:
        self.tag = tag
        self.children = children


# What is no value by itself; msgpack reads extension -1 as a Timestamp without asking.
_INNER: Final = frozenset({_Marker, _NodeMarker, _Reference, _Node, msgpack.Timestamp})


def _damaged(what: str) -> DataError:
    return DataError("FM0331", f"these bytes are not data: {what}")


def _read_extension(code: int, data: bytes) -> Value:
    if code == _KEYWORD:
        return keyword(data.decode("utf-8", "surrogatepass"))
    if code == _MARKER:
        return _Marker(data)
    if code == _NODE:
        return _NodeMarker(data)
    if code == _REFERENCE:
        return _Reference(int.from_bytes(data, "big", signed=True))
    reader = _READERS.get(code)
    if reader is None:
        raise _damaged(f"there is no extension {code}")
    value = reader(data)
    # One value has one spelling: what is not written so was not written by us.
    if _plain(value) != _ExtType(code, data):
        raise _damaged(f"extension {code} is not in its one proper form")
    return value


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _read_integer(data: bytes) -> int:
    number = int.from_bytes(data, "big", signed=True)
    if -(2**63) <= number < 2**64:
        raise _damaged("a small integer is written as a large one")
    return number


def _read_ratio(data: bytes) -> Value:
    top, _, bottom = data.decode("ascii").partition("/")
    numerator, denominator = int(top, 16), int(bottom, 16)
    if denominator < 2 or gcd(numerator, denominator) != 1:
        raise _damaged("a ratio is not in lowest terms")
    return Ratio(numerator, denominator)


def _read_decimal(data: bytes) -> Value:
    from flowmetal.values.decimals import decimal_of

    coefficient, _, exponent = data.decode("ascii").partition("E")
    if len(exponent) > 11:
        raise _damaged("a decimal has too large an exponent")
    return decimal_of(int(coefficient, 16), int(exponent))


def _read_char(data: bytes) -> Value:
    text = _text(data)
    if len(text) != 1:
        raise _damaged("a character is not one character")
    return char(text)


def _read_uuid(data: bytes) -> Value:
    from uuid import UUID

    return UUID(bytes=data)


def _read_regex(data: bytes) -> Value:
    flags, _, pattern = _text(data).partition("/")
    return Regex(pattern, flags)


_READERS: Final[dict[int, Callable[[bytes], Value]]] = {
    _SYMBOL: lambda data: symbol(_text(data)),
    _CHAR: _read_char,
    _INTEGER: _read_integer,
    _RATIO: _read_ratio,
    _DECIMAL: _read_decimal,
    _INSTANT: lambda data: Instant(int.from_bytes(data, "big", signed=True)),
    _DURATION: lambda data: Duration(int.from_bytes(data, "big", signed=True)),
    _UUID: _read_uuid,
    _REGEX: _read_regex,
    _SECRET: lambda data: Secret(_text(data)),
    _RUN: lambda data: RunRef(_text(data)),
    _VAR: lambda data: VarRef(_text(data)),
}


def _read_map(pairs: list[tuple[Value, Value]]) -> Map:
    if not _INNER.isdisjoint(map(type, chain.from_iterable(pairs))):
        raise _damaged("a part of a value stands in a map")
    made = hash_map(pairs)
    if len(made) != len(pairs):
        raise _damaged("a map has a key twice")
    return made


def _read_array(items: list[Value]) -> Value:
    if not items or type(items[0]) not in _INNER:
        if not _INNER.isdisjoint(map(type, items)):
            raise _damaged("a part of a value stands in a vector")
        return vector(items)
    first, *children = items
    if type(first) is _NodeMarker:
        if not (_INNER - {_Reference}).isdisjoint(map(type, children)):
            raise _damaged("a part of a value stands in a node")
        return _Node(first.tag, children)
    if type(first) is not _Marker:
        raise _damaged("an array begins with a part of a value")
    if first.tag == b"f":
        return _read_flat_table(children)
    if not _INNER.isdisjoint(map(type, children)):
        raise _damaged("a part of a value stands in a collection")
    return _made(first.tag, children)


def _made(tag: bytes, children: list[Value]) -> Value:
    """Return the collection with a tag and children."""
    if tag == b"l":
        return list_of(children)
    if tag == b"v":
        return vector(children)
    if tag == b"e":
        made = set_of(children)
        if len(made) != len(children):
            raise _damaged("a set has a member twice")
        return made
    if tag == b"M" and len(children) % 2 == 0:
        return _read_map(list(zip(children[::2], children[1::2], strict=True)))
    if tag == b"m" and len(children) == 2 and hasattr(children[1], "with_meta"):
        return children[1].with_meta(children[0])
    if tag == b"t" and len(children) == 2 and type(children[0]) is Symbol:
        return TaggedLiteral(*children)
    if tag == b"x" and len(children) == 7:
        return _read_error(*children)
    raise _damaged(f"there is no collection {tag!r} of {len(children)}")


def _read_error(
    type_: Value,
    message: Value,
    data: Value,
    cause: Value,
    retryable: Value,
    code: Value,
    frames: Value,
) -> ErrorValue:
    good = (
        type(type_) is Keyword
        and type(message) in (str, type(None))
        and KINDS[type(data)] == kinds.MAP
        and type(cause) in (ErrorValue, type(None))
        and type(retryable) in (bool, type(None))
        and type(code) in (str, type(None))
        and type(frames) is Vector
    )
    if not good:
        raise _damaged("an error is not put together as one")
    return ErrorValue(type_, message, data, cause, tuple(map(_read_frame, frames)), retryable, code)


def _read_frame(frame: Value) -> tuple[str, Span | None]:
    if type(frame) is not Vector or len(frame) != 2 or type(frame.nth(0)) is not str:
        raise _damaged("a frame is not put together as one")
    name, place = frame
    if place is None:
        return name, None
    types = [type(field) for field in place] if type(place) is Vector else []
    if types != [str, int, int, int, int]:
        raise _damaged("a place is not put together as one")
    return name, Span(*place)


def _read_flat_table(nodes: list[Value]) -> Value:
    values: list[Value] = []
    used = 0
    for node in nodes:
        if type(node) is not _Node:
            raise _damaged("a table has something else than nodes")
        children = []
        for child in node.children:
            if type(child) is _Reference:
                if not 0 <= child.number < len(values) or values[child.number] is _USED:
                    raise _damaged("a table refers to a node that is not there")
                children.append(values[child.number])
                values[child.number] = _USED
                used += 1
            else:
                children.append(child)
        values.append(_made(node.tag, children))
    if used != len(values) - 1:
        raise _damaged("a table has nodes that nothing refers to")
    return values[-1]


_USED: Final = _Reference(-1)
