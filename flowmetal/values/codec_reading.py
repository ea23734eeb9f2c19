"""The values of what msgpack read: the unpacker's three hooks, all strict.

The layout is ``codec``'s. What no writer writes is FM0331, a part of a value
in a wrong place as well as a value in another than its one spelling.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from math import gcd
from typing import Final

from msgpack import ExtType, Timestamp

from flowmetal.source import Span
from flowmetal.values import codec_format as ext
from flowmetal.values import kinds
from flowmetal.values.codec_writing import plain
from flowmetal.values.errors import DataError, ErrorValue
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.lists import list_of
from flowmetal.values.map import Map, hash_map
from flowmetal.values.names import Keyword, Symbol, VarRef, keyword, symbol
from flowmetal.values.record import Record, is_whole
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
from flowmetal.values.set import set_of
from flowmetal.values.sorted import SortedMap, SortedSet, build, in_order
from flowmetal.values.trie import Node
from flowmetal.values.vector import Vector, vector


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
INNER: Final = frozenset({_Marker, _NodeMarker, _Reference, _Node, Timestamp})


def damaged(what: str) -> DataError:
    return DataError("FM0331", f"these bytes are not data: {what}")


def read_extension(code: int, data: bytes) -> Value:
    if code == ext.KEYWORD:
        return keyword(data.decode("utf-8", "surrogatepass"))
    if code == ext.MARKER:
        return _Marker(data)
    if code == ext.NODE:
        return _NodeMarker(data)
    if code == ext.REFERENCE:
        return _Reference(int.from_bytes(data, "big", signed=True))
    reader = _READERS.get(code)
    if reader is None:
        raise damaged(f"there is no extension {code}")
    value = reader(data)
    # One value has one spelling: what is not written so was not written by us.
    if plain(value) != ExtType(code, data):
        raise damaged(f"extension {code} is not in its one proper form")
    return value


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _read_integer(data: bytes) -> int:
    number = int.from_bytes(data, "big", signed=True)
    if -(2**63) <= number < 2**64:
        raise damaged("a small integer is written as a large one")
    return number


def _read_ratio(data: bytes) -> Value:
    top, _, bottom = data.decode("ascii").partition("/")
    numerator, denominator = int(top, 16), int(bottom, 16)
    if denominator < 2 or gcd(numerator, denominator) != 1:
        raise damaged("a ratio is not in lowest terms")
    return Ratio(numerator, denominator)


def _read_decimal(data: bytes) -> Value:
    from flowmetal.values.decimals import decimal_of

    coefficient, _, exponent = data.decode("ascii").partition("E")
    if len(exponent) > 11:
        raise damaged("a decimal has too large an exponent")
    return decimal_of(int(coefficient, 16), int(exponent))


def _read_char(data: bytes) -> Value:
    text = _text(data)
    if len(text) != 1:
        raise damaged("a character is not one character")
    return char(text)


def _read_uuid(data: bytes) -> Value:
    from uuid import UUID

    return UUID(bytes=data)


def _read_regex(data: bytes) -> Value:
    flags, _, pattern = _text(data).partition("/")
    return Regex(pattern, flags)


_READERS: Final[dict[int, Callable[[bytes], Value]]] = {
    ext.SYMBOL: lambda data: symbol(_text(data)),
    ext.CHAR: _read_char,
    ext.INTEGER: _read_integer,
    ext.RATIO: _read_ratio,
    ext.DECIMAL: _read_decimal,
    ext.INSTANT: lambda data: Instant(int.from_bytes(data, "big", signed=True)),
    ext.DURATION: lambda data: Duration(int.from_bytes(data, "big", signed=True)),
    ext.UUID: _read_uuid,
    ext.REGEX: _read_regex,
    ext.SECRET: lambda data: Secret(_text(data)),
    ext.RUN: lambda data: RunRef(_text(data)),
    ext.VAR: lambda data: VarRef(_text(data)),
}


def read_map(pairs: list[tuple[Value, Value]]) -> Map:
    if not INNER.isdisjoint(map(type, chain.from_iterable(pairs))):
        raise damaged("a part of a value stands in a map")
    made = hash_map(pairs)
    if len(made) != len(pairs):
        raise damaged("a map has a key twice")
    return made


def read_array(items: list[Value]) -> Value:
    if not items or type(items[0]) not in INNER:
        if not INNER.isdisjoint(map(type, items)):
            raise damaged("a part of a value stands in a vector")
        return vector(items)
    first, *children = items
    if type(first) is _NodeMarker:
        if not (INNER - {_Reference}).isdisjoint(map(type, children)):
            raise damaged("a part of a value stands in a node")
        return _Node(first.tag, children)
    if type(first) is not _Marker:
        raise damaged("an array begins with a part of a value")
    if first.tag == b"f":
        return _read_flat_table(children)
    if not INNER.isdisjoint(map(type, children)):
        raise damaged("a part of a value stands in a collection")
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
            raise damaged("a set has a member twice")
        return made
    if tag == b"M" and len(children) % 2 == 0:
        return read_map(list(zip(children[::2], children[1::2], strict=True)))
    if tag == b"r" and len(children) == 3:
        return _read_record(*children)
    if tag == b"o" and len(children) % 2 == 0:
        return SortedMap(_sorted_root(list(zip(children[::2], children[1::2], strict=True))))
    if tag == b"s":
        return SortedSet(_sorted_root([(child, None) for child in children]))
    if tag == b"m" and len(children) == 2 and hasattr(children[1], "with_meta"):
        return children[1].with_meta(children[0])
    if tag == b"t" and len(children) == 2 and type(children[0]) is Symbol:
        return TaggedLiteral(*children)
    if tag == b"x" and len(children) == 7:
        return _read_error(*children)
    raise damaged(f"there is no collection {tag!r} of {len(children)}")


def _read_record(record: Value, basis: Value, fields: Value) -> Value:
    good = (
        type(record) is str
        and type(basis) is int
        and type(fields) is Map
        and basis >= 0
        and is_whole(fields, basis)
    )
    if not good:
        raise damaged("a record is not put together as one")
    return Record(record, basis, fields.body)


def _sorted_root(entries: list[tuple[Value, Value]]) -> Node | None:
    if not in_order(entries):
        raise damaged("a sorted collection is not in order")
    return build(entries)


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
        raise damaged("an error is not put together as one")
    return ErrorValue(type_, message, data, cause, tuple(map(_read_frame, frames)), retryable, code)


def _read_frame(frame: Value) -> tuple[str, Span | None]:
    if type(frame) is not Vector or len(frame) != 2 or type(frame.nth(0)) is not str:
        raise damaged("a frame is not put together as one")
    name, place = frame
    if place is None:
        return name, None
    types = [type(field) for field in place] if type(place) is Vector else []
    if types != [str, int, int, int, int]:
        raise damaged("a place is not put together as one")
    return name, Span(*place)


_USED: Final = _Reference(-1)


def _read_flat_table(nodes: list[Value]) -> Value:
    values: list[Value] = []
    used = 0
    for node in nodes:
        if type(node) is not _Node:
            raise damaged("a table has something else than nodes")
        children = []
        for child in node.children:
            if type(child) is _Reference:
                if not 0 <= child.number < len(values) or values[child.number] is _USED:
                    raise damaged("a table refers to a node that is not there")
                children.append(values[child.number])
                values[child.number] = _USED
                used += 1
            else:
                children.append(child)
        values.append(_made(node.tag, children))
    if used != len(values) - 1:
        raise damaged("a table has nodes that nothing refers to")
    return values[-1]
