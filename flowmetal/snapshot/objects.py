"""Objects from records, in two steps: first all of them empty, then filled.

Data may be shared, cyclic and a million levels deep, so nothing here recurses
or depends on an order. ``ObjectTable`` makes an empty object of the right class
for each record; a reference can then stand for it at once. Then they get their
fields (fields.py), maps and sets last of all (trees.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from msgpack import Timestamp

from flowmetal.snapshot.damage import damaged, require
from flowmetal.snapshot.format import WITH_META, Kind
from flowmetal.values import (
    Atom,
    Channel,
    Cons,
    Delay,
    ErrorValue,
    FiberRef,
    IndexedSeq,
    LazySeq,
    List,
    Map,
    MapEntry,
    Promise,
    Range,
    Record,
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
)
from flowmetal.values.trie import Node
from flowmetal.vm.link import LinkedFunction
from flowmetal.vm.state import Bindings, Closure, Pending

Fields: TypeAlias = list[Value]


class Ref:
    """A reference to an object, or to cell ``place`` of a run, until it is resolved."""

    __slots__ = ("number", "place")

    def __init__(self, number: int, place: int = 0) -> None:
        self.number = number
        self.place = place


class ChunkRef:
    """A reference to a chunk until it is resolved; ``kind`` is its extension type."""

    __slots__ = ("kind", "name")

    def __init__(self, kind: int, name: bytes) -> None:
        self.kind = kind
        self.name = name


INNER = frozenset({Node, Bindings, Pending})
"""Classes that are no values: they stand in certain fields and nowhere else."""

_NO_VALUES = frozenset({list, dict, Timestamp})

_CLASSES: dict[int, Value] = {
    Kind.VECTOR: Vector,
    Kind.ENTRY: MapEntry,
    Kind.LIST: List,
    Kind.CONS: Cons,
    Kind.MAP: Map,
    Kind.SET: Set,
    Kind.BIG_VECTOR: Vector,
    Kind.BIG_MAP: Map,
    Kind.BIG_SET: Set,
    Kind.NODE: Node,
    Kind.LAZY: LazySeq,
    Kind.REALISED: LazySeq,
    Kind.LAZY_RUN: LazySeq,
    Kind.RANGE: Range,
    Kind.REPEAT: Repeat,
    Kind.INDEXED: IndexedSeq,
    Kind.TAGGED: TaggedLiteral,
    Kind.REDUCED: Reduced,
    Kind.ERROR: ErrorValue,
    Kind.SYMBOL: Symbol,
    Kind.ATOM: Atom,
    Kind.VOLATILE: Volatile,
    Kind.DELAY: Delay,
    Kind.CLOSURE: Closure,
    Kind.BINDINGS: Bindings,
    Kind.PENDING: Pending,
    Kind.RECORD: Record,
    Kind.BIG_RECORD: Record,
    Kind.SORTED_MAP: SortedMap,
    Kind.SORTED_SET: SortedSet,
    Kind.REIFIED: Reified,
    Kind.PROMISE: Promise,
    Kind.FIBER: FiberRef,
    Kind.CHANNEL: Channel,
}

HAVE_META = frozenset(
    {Vector, List, Cons, Map, Set, LazySeq, Range, Repeat, IndexedSeq, Symbol, Atom, Closure}
    | {Record, SortedMap, SortedSet, Reified}
)

CHUNK_KINDS = frozenset(_CLASSES) - {
    Kind.LAZY,
    Kind.REALISED,
    Kind.LAZY_RUN,
    Kind.ATOM,
    Kind.VOLATILE,
    Kind.DELAY,
    Kind.CLOSURE,
    Kind.BINDINGS,
    Kind.PENDING,
    Kind.REIFIED,
    Kind.PROMISE,
    Kind.FIBER,
    Kind.CHANNEL,
}

MACHINE_KINDS = frozenset(_CLASSES)


class ObjectTable:
    """The objects of a machine or of a chunk.

    ``chunk`` resolves references to chunks, ``code`` gives a function by its
    index in ``codes``. ``first`` is the object that number 0 is to be.
    """

    def __init__(
        self,
        records: list[Value],
        kinds: frozenset[int],
        chunk: Callable[[ChunkRef], Value],
        code: Callable[[int], LinkedFunction],
        first: Value = None,
    ) -> None:
        self.chunk = chunk
        self.code = code
        self.records: list[Fields] = []
        self.objects: list[Value] = []
        self.runs: dict[int, list[Value]] = {}
        self.unhashed: list[tuple[Value, Fields]] = []
        self.lists: list[int] = []
        self.tries: list[Value] = []
        for record in records:
            require(type(record) is list and len(record) > 0, "an object")
            kind = record[0]
            require(type(kind) is int and kind & ~WITH_META in kinds, "the kind of an object")
            cls = _CLASSES[kind & ~WITH_META]
            if kind & WITH_META:
                require(cls in HAVE_META and len(record) > 1, "an object with metadata")
            if first is not None and not self.objects:
                require(cls is type(first), "the first object of a chunk")
                self.objects.append(first)
            else:
                self.objects.append(cls.__new__(cls))
            self.records.append(record)
            if kind & ~WITH_META in _RUNS:
                self._run(len(self.objects) - 1, kind & ~WITH_META, record)

    def _run(self, number: int, kind: int, record: Fields) -> None:
        """Make the cells of a run, empty."""
        items = len(record) - 2 - (1 if record[0] & WITH_META else 0)
        require(items >= 0, "a run of cells")
        cells = [self.objects[number]]
        if kind == Kind.LAZY_RUN:
            require(items > 0, "a run of cells")
            cells.append(Cons.__new__(Cons))
            for _ in range(items - 1):
                cells.append(LazySeq.__new__(LazySeq))
                cells.append(Cons.__new__(Cons))
        else:
            cls = _CLASSES[kind]
            cells += [cls.__new__(cls) for _ in range(items - 1)]
        self.runs[number] = cells

    # -- resolving

    def any(self, item: Value) -> Value:
        """Return what a field stands for, parts of the machine included."""
        kind = type(item)
        if kind is Ref:
            if item.place:
                cells = self.runs.get(item.number, ())
                require(item.place < len(cells), "a reference to a cell")
                return cells[item.place]
            require(item.number < len(self.objects), "a reference")
            return self.objects[item.number]
        if kind is ChunkRef:
            return self.chunk(item)
        if kind in _NO_VALUES:
            raise damaged("something is no value")
        return item

    def value(self, item: Value) -> Value:
        """Return the value that a field stands for."""
        kind = type(item)
        if kind is Ref or kind is ChunkRef:
            item = self.any(item)
            if type(item) in INNER:
                raise damaged("a part of the machine stands where a value belongs")
        elif kind in _NO_VALUES:
            raise damaged("something is no value")
        return item

    def values(self, items: Iterable[Value]) -> Fields:
        """Return the values of many fields."""
        value = self.value
        return [value(item) for item in items]


_RUNS = frozenset({Kind.LIST, Kind.CONS, Kind.LAZY_RUN})
