"""What msgpack is given for a value: the packer's hook, and the flat table of deep values.

The layout is ``codec``'s. The packer calls ``plain`` for whatever it does not
know, once for each object, so ``plain`` must return what it does know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from msgpack import ExtType

from flowmetal.source import Span
from flowmetal.values import codec_format as ext
from flowmetal.values import kinds
from flowmetal.values.codec_format import NotData, TooLarge
from flowmetal.values.errors import DataError, ErrorValue
from flowmetal.values.keys import LargeKey, WrappedKey, key_of_many
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.map import Map
from flowmetal.values.names import Keyword, VarRef
from flowmetal.values.scalars import Regex, RunRef, Secret, TaggedLiteral
from flowmetal.values.sorted import entries_from
from flowmetal.values.vector import Vector, vector
from flowmetal.values.walking import COMPOSITE, elements_of


def plain(value: Value) -> Value:
    """Return what msgpack writes for a value that it does not know: the packer's hook."""
    cls = type(value)
    if cls is Keyword:
        packed = value.packed
        if packed is None:
            packed = value.packed = ExtType(ext.KEYWORD, _utf8(value.text))
        return packed
    if cls is Vector:
        return list(value.body)
    if cls is Map:
        if type(value.body) is dict:
            return value.body
        return {key_of_many(key): item for key, item in value.body}
    if cls is WrappedKey or cls is LargeKey:
        # The packer asks once for each object, so what it gets must be something that it knows.
        key = value.value
        return key if type(key) in _KNOWN and not _is_large(key) else plain(key)
    writer = _WRITERS.get(KINDS[cls])
    if writer is None:
        raise NotData
    return writer(value)


_KNOWN: Final = frozenset({bool, int, float, bytes})


def _is_large(key: Value) -> bool:
    return type(key) is int and not -(2**63) <= key < 2**64


def plain_with_meta(value: Value) -> Value:
    packable = plain(value)
    meta = getattr(value, "meta", None)
    return packable if meta is None else [ext.MARK_META, meta, packable]


def _write_sequence(value: Value) -> Value:
    elements = elements_of(value)
    return elements if isinstance(value, Vector) else [ext.MARK_LIST, *elements]


def _write_map(value: Value) -> Value:
    if value.record is not None:
        return [ext.MARK_RECORD, value.record, value.basis, value.plain().with_meta(None)]
    return [ext.MARK_SORTED_MAP, *chain.from_iterable(_sorted_items(value))]


def _write_set(value: Value) -> Value:
    if value.by_order:
        return [ext.MARK_SORTED_SET, *[item for item, _ in _sorted_items(value)]]
    return [ext.MARK_SET, *value]


def _sorted_items(value: Value) -> Iterator[tuple[Value, Value]]:
    if value.order is not None:
        raise NotData  # the order is a function
    return entries_from(value.root)


def _write_error(error: ErrorValue) -> Value:
    frames = [[name, _span_fields(span)] for name, span in error.frames]
    return [
        ext.MARK_ERROR,
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
        return [ext.MARK_TAG, value.tag, value.form]
    raise NotData


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _integer_bytes(number: int) -> bytes:
    return number.to_bytes(
        (number if number >= 0 else ~number).bit_length() // 8 + 1, "big", signed=True
    )


def _write_decimal(value: Value) -> Value:
    from flowmetal.values.decimals import parts_of

    coefficient, exponent = parts_of(value)
    return ExtType(ext.DECIMAL, f"{coefficient:x}E{exponent}".encode())


def _write_named(value: Value) -> Value:
    if type(value) is Regex:
        return ExtType(ext.REGEX, _utf8(f"{value.flags}/{value.pattern}"))
    if type(value) is Secret:
        return ExtType(ext.SECRET, _utf8(value.name))
    if type(value) is RunRef:
        return ExtType(ext.RUN, _utf8(value.id))
    if type(value) is VarRef:
        return ExtType(ext.VAR, _utf8(value.name))
    raise NotData


_WRITERS: Final[dict[int, Callable[[Value], Value]]] = {
    kinds.INTEGER: lambda value: ExtType(ext.INTEGER, _integer_bytes(value)),
    kinds.RATIO: lambda v: ExtType(ext.RATIO, f"{v.numerator:x}/{v.denominator:x}".encode()),
    kinds.DECIMAL: _write_decimal,
    kinds.CHAR: lambda value: ExtType(ext.CHAR, _utf8(value.text)),
    kinds.SYMBOL: lambda value: ExtType(ext.SYMBOL, _utf8(value.text)),
    kinds.INSTANT: lambda value: ExtType(ext.INSTANT, _integer_bytes(value.us)),
    kinds.DURATION: lambda value: ExtType(ext.DURATION, _integer_bytes(value.us)),
    kinds.UUID: lambda value: ExtType(ext.UUID, value.bytes),
    kinds.NAMED: _write_named,
    kinds.SEQUENCE: _write_sequence,
    kinds.MAP: _write_map,
    kinds.SET: _write_set,
    kinds.PARTS: _write_parts,
}


class _Open:
    """A collection whose children are being put into the flat table."""

    __slots__ = ("children", "node", "source")

    def __init__(self, source: Value, tag: bytes, children: Iterator[Value]) -> None:
        self.source = source
        self.children = children
        self.node: list[Value] = [ExtType(ext.NODE, tag)]


def flat_table(value: Value, with_meta: bool, most: int | None = None) -> list[Value]:
    """Return the nodes of a deep value, children before parents. Raises TooLarge for more than ``most``."""
    table: list[Value] = [ext.MARK_FLAT]
    stack = [_open(value, with_meta)]
    inside = {id(value)}
    while True:
        top = stack[-1]
        for child in top.children:
            if KINDS[type(child)] not in COMPOSITE and not _has_meta(child, with_meta):
                top.node.append(child)
                continue
            if id(child) in inside:
                raise DataError("FM0330", "a sequence that contains itself is not data")
            inside.add(id(child))
            stack.append(_open(child, with_meta))
            break
        else:
            table.append(top.node)
            if most is not None and len(table) > most:
                raise TooLarge
            inside.discard(id(top.source))
            stack.pop()
            if not stack:
                return table
            stack[-1].node.append(ExtType(ext.REFERENCE, _integer_bytes(len(table) - 2)))


def _has_meta(value: Value, with_meta: bool) -> bool:
    return with_meta and getattr(value, "meta", None) is not None


def _open(value: Value, with_meta: bool) -> _Open:
    if _has_meta(value, with_meta):
        bare = value.with_meta(None)
        return _Open(value, b"m", iter((value.meta, bare)))
    kind = KINDS[type(value)]
    if kind == kinds.MAP and value.record is not None:
        bare = value.plain().with_meta(None)
        return _Open(value, b"r", iter((value.record, value.basis, bare)))
    if kind in (kinds.MAP, kinds.SET) and value.by_order:
        items = _sorted_items(value)
        if kind == kinds.SET:
            return _Open(value, b"s", (item for item, _ in items))
        return _Open(value, b"o", chain.from_iterable(items))
    if kind == kinds.MAP:
        return _Open(value, b"M", chain.from_iterable(value.items()))
    if kind == kinds.SET:
        return _Open(value, b"e", iter(value))
    if isinstance(value, Vector):
        return _Open(value, b"v", iter(value))
    if kind == kinds.SEQUENCE:
        return _Open(value, b"l", iter(elements_of(value)))
    if type(value) is ErrorValue:
        frames = vector(
            vector((name, None if span is None else vector(_span_fields(span) or ())))
            for name, span in value.frames
        )
        fields = (*value.parts(), value.code, frames)
        return _Open(value, b"x", iter(fields))
    if type(value) is TaggedLiteral:
        return _Open(value, b"t", iter((value.tag, value.form)))
    raise NotData
