"""Objects as records: one short list of fields per object, for the packer.

A row of ``WRITERS`` says how an object of a class is written; ``format.Kind``
says what the fields mean. A writer puts objects into the list as they are: the
packer asks ``Table.hook`` about whatever msgpack has no type for, and gets an
extension by value or the number of an object, which is then in the queue.
That makes the traversal breadth first, never deep, and the same each time.

``Table`` is one numbering: the machine's (encode.py) or a chunk's (chunks.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from threading import Lock
from typing import TypeAlias

from msgpack import ExtType

from flowmetal.snapshot.format import WITH_META, Ext, Kind
from flowmetal.values import (
    EMPTY_LIST,
    EMPTY_MAP,
    EMPTY_SET,
    EMPTY_VECTOR,
    KINDS,
    Atom,
    Channel,
    Cons,
    Delay,
    ErrorValue,
    FiberRef,
    IndexedSeq,
    Keyword,
    LazySeq,
    List,
    Map,
    MapEntry,
    Promise,
    Range,
    Reduced,
    Reified,
    Repeat,
    Set,
    SortedMap,
    SortedSet,
    Symbol,
    TaggedLiteral,
    Value,
    Vector,
    Volatile,
    WrappedKey,
)
from flowmetal.values.codec import encode_data
from flowmetal.values.kinds import LAST_SCALAR
from flowmetal.values.names import split_name
from flowmetal.values.record import Record as RecordValue
from flowmetal.values.sorted import is_leaf
from flowmetal.values.trie import Node

Record: TypeAlias = list[Value]

EMPTIES: dict[int, ExtType | int] = {
    id(EMPTY_VECTOR): ExtType(Ext.EMPTY, b"v"),
    id(EMPTY_LIST): ExtType(Ext.EMPTY, b"l"),
    id(EMPTY_MAP): ExtType(Ext.EMPTY, b"m"),
    id(EMPTY_SET): ExtType(Ext.EMPTY, b"s"),
}

# Making an ExtType takes longer than everything else about a reference.
references: list[ExtType] = []
_growing = Lock()
_MOST_REFERENCES = 1 << 16
keywords: dict[Keyword, ExtType] = {}
_MOST_KEYWORDS = 4096  # they are weakly interned elsewhere; this table must not keep all of them


def number_bytes(number: int) -> bytes:
    """Return the shortest big-endian form of a number that is not negative."""
    return number.to_bytes((number.bit_length() + 7) // 8 or 1, "big")


def reference(number: int) -> ExtType:
    """Return the extension that stands for an object's number."""
    if number >= _MOST_REFERENCES:
        return ExtType(Ext.REF, number_bytes(number))
    if number >= len(references):
        with _growing:  # two threads may be encoding machines
            for each in range(len(references), number + 64):
                references.append(ExtType(Ext.REF, number_bytes(each)))
    return references[number]


def keyword_extension(value: Keyword) -> ExtType:
    """Return the extension that stands for a keyword."""
    if len(keywords) >= _MOST_KEYWORDS:
        keywords.clear()
    made = ExtType(Ext.KEYWORD, value.text.encode("utf-8", "surrogatepass"))
    keywords[value] = made
    return made


class Table:
    """Objects and their numbers, in the order in which they were first met.

    ``memo`` has the reference of each object by ``id``, or for a cell inside of
    a run the run's number and its place as one integer. Whatever is in it is
    in ``queue`` or held by what is.
    """

    def __init__(self) -> None:
        self.memo: dict[int, ExtType | int] = EMPTIES.copy()
        self.queue: list[Value] = []
        self.fixed: Mapping[int, object] = {}  # by id: what the program holds

    def hook(self, value: Value) -> Value:
        """Say what the packer should write for a value that msgpack has no type for."""
        found = self.memo.get(id(value))
        if found is not None:
            return found if type(found) is ExtType else _cell(found)
        kind = type(value)
        if kind is Keyword:
            return keywords.get(value) or keyword_extension(value)
        if kind in WRITERS and kind is not Symbol:
            return self.first_met(value)
        if kind is WrappedKey:
            inner = value.value
            return inner if type(inner) in _NATIVE else self.scalar(inner)
        return self.scalar(value)

    def first_met(self, value: Value) -> Value:
        """Give an object a number and return its reference."""
        queue = self.queue
        number = len(queue)
        found = references[number] if number < len(references) else reference(number)
        self.memo[id(value)] = found
        queue.append(value)
        return found

    def scalar(self, value: Value) -> Value:
        """Return the extension for a scalar that is not a keyword."""
        kind = type(value)
        if kind is Symbol:
            if value.meta is None and (value.ns, value.name) == split_name(value.text):
                return ExtType(Ext.SYMBOL, value.text.encode("utf-8", "surrogatepass"))
            return self.first_met(value)
        assert KINDS[kind] <= LAST_SCALAR, f"a machine holds a {kind.__name__}"
        return ExtType(Ext.SCALAR, encode_data(value))

    def record(self, number: int) -> Record:
        """Return the fields of object ``number``, its kind first."""
        value = self.queue[number]
        kind = type(value)
        record = WRITERS[kind](self, number, value)
        if kind in WITHOUT_META or value.meta is None:
            return record
        return [record[0] + WITH_META, value.meta, *record[1:]]


def _cell(place: int) -> ExtType:
    return ExtType(Ext.CELL, place.to_bytes(8, "big"))


# -- writers, one for each class


def _vector(table: Table, number: int, value: Vector) -> Record:
    body = value.body
    if type(body) is tuple:
        return [1, *body]
    trie: Value = body
    return [7, trie.start, trie.count, trie.shift, trie.root, *trie.tail]


def _entry(table: Table, number: int, value: MapEntry) -> Record:
    return [Kind.ENTRY.value, *value]


def _map(table: Table, number: int, value: Map) -> Record:
    body = value.body
    if type(body) is dict:
        return [5, *chain.from_iterable(body.items())]
    return _table_trie(Kind.BIG_MAP, body)


def _set(table: Table, number: int, value: Set) -> Record:
    body = value.body
    if type(body) is dict:
        return [6, *body]
    return _table_trie(Kind.BIG_SET, body)


def _table_trie(kind: Kind, trie: Value) -> Record:
    return [kind.value, trie.count, trie.next_ordinal, trie.shift, trie.order]


def _node(table: Table, number: int, value: Node) -> Record:
    return [
        Kind.NODE.value,
        *[list(slot) if type(slot) is tuple else slot for slot in value.slots],
    ]


def _list(table: Table, number: int, value: List) -> Record:
    if not value.count:
        return [Kind.LIST.value, EMPTY_LIST]
    return _run(Kind.LIST, table, number, value)


def _cons(table: Table, number: int, value: Cons) -> Record:
    return _run(Kind.CONS, table, number, value)


def _run(kind: Kind, table: Table, number: int, value: Value) -> Record:
    """Write a cell and those behind it, up to one that is known or has metadata."""
    memo, fixed = table.memo, table.fixed
    cls = type(value)
    place = number << 32
    record = [kind.value, value.first]
    rest = value.rest
    while type(rest) is cls and rest.meta is None:
        if id(rest) in memo or id(rest) in fixed or (cls is List and not rest.count):
            break
        place += 1
        memo[id(rest)] = place
        record.append(rest.first)
        rest = rest.rest
    record.append(rest)
    return record


def _lazy(table: Table, number: int, value: LazySeq) -> Record:
    if value.thunk is not None:
        return [Kind.LAZY.value, value.thunk]
    memo = table.memo
    place = number << 32
    record: Record = [Kind.LAZY_RUN.value]
    rest: Value = value
    while True:
        cell = rest.value
        if type(cell) is not Cons or cell.meta is not None or id(cell) in memo:
            break
        if place & 0xFFFFFFFF:
            memo[id(rest)] = place
        memo[id(cell)] = place + 1
        place += 2
        record.append(cell.first)
        rest = cell.rest
        if type(rest) is not LazySeq or rest.thunk is not None or rest.meta is not None:
            break
        if id(rest) in memo:
            break
        after = rest.value
        if type(after) is not Cons or after.meta is not None or id(after) in memo:
            break
    if len(record) == 1:
        return [Kind.REALISED.value, value.value]
    record.append(rest)
    return record


def _range(table: Table, number: int, value: Range) -> Record:
    return [Kind.RANGE.value, value.start, value.end, value.step]


def _repeat(table: Table, number: int, value: Repeat) -> Record:
    return [Kind.REPEAT.value, value.count, value.value]


def _indexed(table: Table, number: int, value: IndexedSeq) -> Record:
    source = value.source
    return [Kind.INDEXED.value, list(source) if type(source) is tuple else source, value.index]


def _tagged(table: Table, number: int, value: TaggedLiteral) -> Record:
    return [Kind.TAGGED.value, value.tag, value.form]


def _reduced(table: Table, number: int, value: Reduced) -> Record:
    return [Kind.REDUCED.value, value.value]


def _error(table: Table, number: int, value: ErrorValue) -> Record:
    frames: Record = []
    for name, span in value.frames:
        frames.append(name)
        frames.append(
            None if span is None else [span.path, span.line, span.col, span.end_line, span.end_col]
        )
    return [
        Kind.ERROR.value,
        value.type,
        value.message,
        value.data,
        value.cause,
        value.retryable,
        value.code,
        frames,
    ]


def _record(table: Table, number: int, value: RecordValue) -> Record:
    body = value.body
    if type(body) is dict:
        record = [Kind.RECORD.value, value.record, value.basis]
        record += chain.from_iterable(body.items())
        return record
    record = _table_trie(Kind.BIG_RECORD, body)
    record[1:1] = (value.record, value.basis)
    return record


def _sorted_map(table: Table, number: int, value: SortedMap) -> Record:
    root = value.root
    if root is None or is_leaf(root):
        return [Kind.SORTED_MAP.value, value.order, *chain.from_iterable(value.items())]
    return [Kind.SORTED_MAP.value, value.order, root]


def _sorted_set(table: Table, number: int, value: SortedSet) -> Record:
    root = value.root
    if root is None or is_leaf(root):
        return [Kind.SORTED_SET.value, value.order, *value]
    return [Kind.SORTED_SET.value, value.order, root]


def _reified(table: Table, number: int, value: Reified) -> Record:
    return [Kind.REIFIED.value, value.methods]


def _symbol(table: Table, number: int, value: Symbol) -> Record:
    return [Kind.SYMBOL.value, value.ns, value.name]


Writer: TypeAlias = Callable[[Table, int, Value], Record]

PURE: dict[type, Writer] = {
    Vector: _vector,
    MapEntry: _entry,
    Map: _map,
    Set: _set,
    Node: _node,
    List: _list,
    Cons: _cons,
    Range: _range,
    Repeat: _repeat,
    IndexedSeq: _indexed,
    TaggedLiteral: _tagged,
    ErrorValue: _error,
    Symbol: _symbol,
    RecordValue: _record,
    SortedMap: _sorted_map,
    SortedSet: _sorted_set,
}
"""What a chunk may hold, besides scalars: objects that never change, and of which no two that are alike
can be told apart by ``=``."""


def _atom(table: Table, number: int, value: Atom) -> Record:
    return [Kind.ATOM.value, value.value, value.validator, value.watches]


def _volatile(table: Table, number: int, value: Volatile) -> Record:
    return [Kind.VOLATILE.value, value.value]


def _delay(table: Table, number: int, value: Delay) -> Record:
    return [Kind.DELAY.value, value.thunk, value.value, value.realised]


def _promise(table: Table, number: int, value: Promise) -> Record:
    return [Kind.PROMISE.value, value.state, value.ticket, value.value, *value.waiters]


def _fiber_ref(table: Table, number: int, value: FiberRef) -> Record:
    return [Kind.FIBER.value, value.number, value.state, value.value, *value.waiters]


def _channel(table: Table, number: int, value: Channel) -> Record:
    return [
        Kind.CHANNEL.value,
        value.size,
        value.policy,
        value.closed,
        value.step,
        value.failing,
        list(value.buffer),
        [part for taker in value.takers for part in taker],
        [part for putter in value.putters for part in putter],
    ]


WRITERS: dict[type, Writer] = {
    **PURE,
    Reduced: _reduced,
    LazySeq: _lazy,
    Atom: _atom,
    Volatile: _volatile,
    Delay: _delay,
    Reified: _reified,
    Promise: _promise,
    FiberRef: _fiber_ref,
    Channel: _channel,
}

_NATIVE = frozenset({bool, float, bytes})
WITHOUT_META: set[type] = {
    Node,
    TaggedLiteral,
    Reduced,
    ErrorValue,
    Volatile,
    Delay,
    Promise,
    FiberRef,
    Channel,
}
