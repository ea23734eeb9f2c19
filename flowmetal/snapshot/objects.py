"""Objects from records, in two steps: first all of them empty, then filled.

Data may be shared, cyclic and a million levels deep, so nothing here recurses
or depends on an order. ``ObjectTable`` makes an empty object of the right class
for each record; a reference can then stand for it at once. ``fill`` gives the
objects their fields and checks each of them: a field of the wrong class would
be a Python error in the machine, at some later time. Maps and sets come last,
because their keys must be complete before they can be hashed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from msgpack import Timestamp

from flowmetal.snapshot.damage import damaged, require
from flowmetal.snapshot.format import WITH_META, Kind
from flowmetal.source import Span
from flowmetal.values import (
    EMPTY_LIST,
    KINDS,
    Atom,
    Cons,
    Delay,
    ErrorValue,
    IndexedSeq,
    Keyword,
    LazySeq,
    List,
    Map,
    MapEntry,
    Range,
    Reduced,
    Repeat,
    Set,
    Symbol,
    TaggedLiteral,
    Unrealised,
    Value,
    Vector,
    Volatile,
    key_of,
)
from flowmetal.values.kinds import FIRST_NUMBER, LAST_NUMBER
from flowmetal.values.trie import BITS, SMALL, WIDTH, Node, TableTrie, VectorTrie
from flowmetal.values.vector import NO_SPANS
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


_INNER = frozenset({Node, Bindings, Pending})
"""Classes that are no values: they stand in certain fields and nowhere else."""

_NO_VALUES = frozenset({list, dict, Timestamp})
_SEQS = frozenset({List, Cons, LazySeq, Range, Repeat, IndexedSeq, type(None)})

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
}

_HAVE_META = frozenset(
    {Vector, List, Cons, Map, Set, LazySeq, Range, Repeat, IndexedSeq, Symbol, Atom, Closure}
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
                require(cls in _HAVE_META and len(record) > 1, "an object with metadata")
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
            if type(item) in _INNER:
                raise damaged("a part of the machine stands where a value belongs")
        elif kind in _NO_VALUES:
            raise damaged("something is no value")
        return item

    def values(self, items: Iterable[Value]) -> Fields:
        """Return the values of many fields."""
        value = self.value
        return [value(item) for item in items]

    # -- filling

    def fill(self) -> None:
        """Give all objects but maps and sets their fields."""
        for number, record in enumerate(self.records):
            kind = record[0]
            meta = None
            if kind & WITH_META:
                meta = self.value(record[1])
                require(type(meta) is Map, "metadata")
                fields = record[2:]
            else:
                fields = record[1:]
            kind &= ~WITH_META
            made = self.objects[number]
            _FILLERS[kind](self, made, fields, number)
            if type(made) in _HAVE_META:
                made.meta = meta
        run_of = {id(cell): number for number in self.lists for cell in self.runs[number]}
        for number in self.lists:
            self._count(number, run_of)

    def _count(self, number: int, run_of: dict[int, int]) -> None:
        """Give the cells of a run of lists their counts, and those of the runs behind it first."""
        waiting = [number]
        started = {number}
        while waiting:
            cells = self.runs[waiting[-1]]
            rest = cells[-1].rest
            count = getattr(rest, "count", None)
            if count is None:
                behind = run_of[id(rest)]
                require(behind not in started, "a list that ends in itself")
                started.add(behind)
                waiting.append(behind)
                continue
            for cell in reversed(cells):
                count += 1
                cell.count = count
            waiting.pop()


_RUNS = frozenset({Kind.LIST, Kind.CONS, Kind.LAZY_RUN})


def _vector(table: ObjectTable, made: Vector, fields: Fields, number: int) -> None:
    require(len(fields) <= SMALL, "a vector")
    made.body = tuple(table.values(fields))
    made.spans = NO_SPANS
    made.cached_hash = None


def _entry(table: ObjectTable, made: MapEntry, fields: Fields, number: int) -> None:
    require(len(fields) == 2, "a map entry")
    _vector(table, made, fields, number)
    made.meta = None


def _list(table: ObjectTable, made: List, fields: Fields, number: int) -> None:
    *items, rest = table.values(fields)
    require(type(rest) is List, "a list")
    cells = table.runs[number]
    if not items:
        require(rest is EMPTY_LIST, "an empty list")
        made.first, made.rest, made.count = None, made, 0
    else:
        table.lists.append(number)
        following = [*cells[1:], rest]
        for cell, item, after in zip(cells, items, following, strict=True):
            cell.first = item
            cell.rest = after
    for cell in cells:
        cell.meta = None
        cell.spans = NO_SPANS
        cell.cached_hash = None


def _cons(table: ObjectTable, made: Cons, fields: Fields, number: int) -> None:
    *items, rest = table.values(fields)
    require(bool(items) and type(rest) in _SEQS, "a cons cell")
    cells = table.runs[number]
    for cell, item, after in zip(cells, items, [*cells[1:], rest], strict=True):
        cell.first = item
        cell.rest = after
        cell.meta = None


def _lazy_run(table: ObjectTable, made: LazySeq, fields: Fields, number: int) -> None:
    *items, rest = table.values(fields)
    require(type(rest) in _SEQS, "a lazy sequence")
    cells = table.runs[number]
    following = [*cells[1:], rest]
    for at, item in enumerate(items):
        lazy, cons = cells[2 * at], cells[2 * at + 1]
        lazy.thunk = lazy.meta = None
        lazy.value = cons
        cons.first = item
        cons.rest = following[2 * at + 1]
        cons.meta = None


def _lazy(table: ObjectTable, made: LazySeq, fields: Fields, number: int) -> None:
    (made.thunk,) = _exactly(1, table.values(fields))
    require(type(made.thunk) is Closure, "a lazy sequence")
    made.value = None


def _realised(table: ObjectTable, made: LazySeq, fields: Fields, number: int) -> None:
    (made.value,) = _exactly(1, table.values(fields))
    require(type(made.value) in _SEQS, "a lazy sequence")
    made.thunk = None


def _unhashed(table: ObjectTable, made: Value, fields: Fields, number: int) -> None:
    table.unhashed.append((made, table.values(fields)))
    made.spans = NO_SPANS
    made.cached_hash = None


def _big_vector(table: ObjectTable, made: Vector, fields: Fields, number: int) -> None:
    require(len(fields) > 4, "a vector")
    start, count, shift = _naturals(fields[:3])
    root = table.any(fields[3])
    require(root is None or type(root) is Node, "a vector")
    made.body = VectorTrie(start, count, shift, root, tuple(table.values(fields[4:])))
    made.spans = NO_SPANS
    made.cached_hash = None
    table.tries.append(made.body)


def _big_table(table: ObjectTable, made: Value, fields: Fields, number: int) -> None:
    count, next_ordinal, shift = _naturals(_exactly(4, fields)[:3])
    root = table.any(fields[3])
    require(type(root) is Node, "a big map or set")
    made.body = TableTrie(count, next_ordinal, shift, root)
    made.spans = NO_SPANS
    made.cached_hash = None
    table.tries.append(made.body)


def _node(table: ObjectTable, made: Node, fields: Fields, number: int) -> None:
    require(0 < len(fields) <= WIDTH, "a node")
    slots: list[Value] = []
    for field in fields:
        if type(field) is list:
            slots.append(tuple(table.values(_exactly(2, field))))
        else:
            slot = table.any(field)
            require(type(slot) is Node or type(slot) not in _INNER, "a node")
            slots.append(slot)
    made.slots = tuple(slots)
    if not hasattr(made, "chunk"):
        made.chunk = None


def _range(table: ObjectTable, made: Range, fields: Fields, number: int) -> None:
    made.start, made.end, made.step = _exactly(3, table.values(fields))
    numbers = [made.start, made.step] if made.end is None else [made.start, made.end, made.step]
    require(all(FIRST_NUMBER <= KINDS[type(each)] <= LAST_NUMBER for each in numbers), "a range")


def _repeat(table: ObjectTable, made: Repeat, fields: Fields, number: int) -> None:
    made.count, made.value = _exactly(2, table.values(fields))
    require(made.count is None or type(made.count) is int, "a repeat")


def _indexed(table: ObjectTable, made: IndexedSeq, fields: Fields, number: int) -> None:
    source, index = _exactly(2, fields)
    source = tuple(table.values(source)) if type(source) is list else table.value(source)
    require(type(index) is int and index >= 0, "a view")
    require(type(source) in (tuple, str, bytes, Vector, MapEntry, Map, Set), "a view")
    made.source, made.index = source, index
    table.tries.append(made)


def _tagged(table: ObjectTable, made: TaggedLiteral, fields: Fields, number: int) -> None:
    made.tag, made.form = _exactly(2, table.values(fields))
    require(type(made.tag) is Symbol, "a tagged literal")


def _reduced(table: ObjectTable, made: Reduced, fields: Fields, number: int) -> None:
    (made.value,) = _exactly(1, table.values(fields))


def _error(table: ObjectTable, made: ErrorValue, fields: Fields, number: int) -> None:
    *known, frames = _exactly(7, fields)
    made.type, made.message, made.data, made.cause, made.retryable, made.code = table.values(known)
    require(
        type(made.type) is Keyword
        and type(made.message) in (str, type(None))
        and type(made.data) is Map
        and type(made.cause) in (ErrorValue, type(None))
        and type(made.retryable) in (bool, type(None))
        and type(made.code) in (str, type(None)),
        "an error",
    )
    require(type(frames) is list and len(frames) % 2 == 0, "an error")
    made.frames = tuple(
        [
            (_text(table, frames[at]), _span(table, frames[at + 1]))
            for at in range(0, len(frames), 2)
        ]
    )


def _text(table: ObjectTable, item: Value) -> str:
    text = table.value(item)
    require(type(text) is str, "a name")
    return str(text)


def _span(table: ObjectTable, place: Value) -> Span | None:
    if place is None:
        return None
    require(type(place) is list and len(place) == 5, "a place")
    return Span(_text(table, place[0]), *_naturals(place[1:]))


def _symbol(table: ObjectTable, made: Symbol, fields: Fields, number: int) -> None:
    ns, name = _exactly(2, table.values(fields))
    require(type(ns) in (str, type(None)) and type(name) is str, "a symbol")
    made.__init__(ns, name)  # type: ignore[misc]


def _atom(table: ObjectTable, made: Atom, fields: Fields, number: int) -> None:
    made.value, made.validator, made.watches = _exactly(3, table.values(fields))
    require(type(made.watches) is Map, "an atom")


def _volatile(table: ObjectTable, made: Volatile, fields: Fields, number: int) -> None:
    (made.value,) = _exactly(1, table.values(fields))


def _delay(table: ObjectTable, made: Delay, fields: Fields, number: int) -> None:
    made.thunk, made.value, made.realised = _exactly(3, table.values(fields))
    require(type(made.realised) is bool, "a delay")


def _closure(table: ObjectTable, made: Closure, fields: Fields, number: int) -> None:
    require(bool(fields) and type(fields[0]) is int, "a function")
    made.function = table.code(fields[0])
    made.captured = table.values(fields[1:])
    require(
        len(made.captured) == made.function.function.captures,
        f"what {made.function.name} has captured",
    )


def _bindings(table: ObjectTable, made: Bindings, fields: Fields, number: int) -> None:
    require(len(fields) % 2 == 1, "bindings")
    outer = table.any(fields[0])
    require(outer is None or type(outer) is Bindings, "bindings")
    names = [_text(table, name) for name in fields[1::2]]
    made.outer = outer
    made.values = dict(zip(names, table.values(fields[2::2]), strict=True))
    require(len(made.values) == len(names), "bindings")


def _pending(table: ObjectTable, made: Pending, fields: Fields, number: int) -> None:
    made.error, made.frame, made.handler = _exactly(3, table.values(fields))
    require(
        type(made.error) is ErrorValue and type(made.frame) is int and type(made.handler) is int,
        "an unwinding",
    )


_FILLERS: dict[int, Callable[[ObjectTable, Value, Fields, int], None]] = {
    Kind.VECTOR: _vector,
    Kind.ENTRY: _entry,
    Kind.LIST: _list,
    Kind.CONS: _cons,
    Kind.MAP: _unhashed,
    Kind.SET: _unhashed,
    Kind.BIG_VECTOR: _big_vector,
    Kind.BIG_MAP: _big_table,
    Kind.BIG_SET: _big_table,
    Kind.NODE: _node,
    Kind.LAZY: _lazy,
    Kind.REALISED: _realised,
    Kind.LAZY_RUN: _lazy_run,
    Kind.RANGE: _range,
    Kind.REPEAT: _repeat,
    Kind.INDEXED: _indexed,
    Kind.TAGGED: _tagged,
    Kind.REDUCED: _reduced,
    Kind.ERROR: _error,
    Kind.SYMBOL: _symbol,
    Kind.ATOM: _atom,
    Kind.VOLATILE: _volatile,
    Kind.DELAY: _delay,
    Kind.CLOSURE: _closure,
    Kind.BINDINGS: _bindings,
    Kind.PENDING: _pending,
}


def _exactly(count: int, fields: Fields) -> Fields:
    require(len(fields) == count, "the number of an object's fields")
    return fields


def _naturals(fields: Fields) -> list[int]:
    for field in fields:
        require(type(field) is int and 0 <= field < 1 << 60, "a number")
    return fields


# -- what needs all objects of all tables


def complete(tables: Iterable[ObjectTable]) -> None:
    """Fill the maps and sets of all tables and check the trees; all else has been filled."""
    unhashed = [entry for table in tables for entry in table.unhashed]
    unhashed.reverse()  # what a key refers to mostly has a higher number
    while unhashed:
        later = []
        for made, fields in unhashed:
            try:
                made.body = _hashed(made, fields)
            except AttributeError:  # a key holds a map that is not filled yet
                later.append((made, fields))
            except (Unrealised, RecursionError):
                raise damaged("a key that cannot be one") from None
        require(len(later) < len(unhashed), "a map that is its own key")
        unhashed = later
    for table in tables:
        for trie in table.tries:
            _check_trie(trie)


def _hashed(made: Value, fields: Fields) -> dict[Value, Value]:
    if type(made) is Map:
        require(len(fields) % 2 == 0 and len(fields) <= 2 * SMALL, "a map")
        body = {key_of(fields[at]): fields[at + 1] for at in range(0, len(fields), 2)}
        require(2 * len(body) == len(fields), "a map")
        return body
    require(len(fields) <= SMALL, "a set")
    members: dict[Value, Value] = dict.fromkeys(map(key_of, fields))
    require(len(members) == len(fields), "a set")
    return members


def _check_trie(made: Value) -> None:
    """Check that what the machine will look for in a tree is there."""
    if type(made) is VectorTrie:
        tail = len(made.tail)
        tail_at = made.start + made.count - tail
        require(1 <= tail <= WIDTH and tail < made.count and tail_at % WIDTH == 0, "a vector")
        first = made.start & ~(WIDTH - 1)
        leaves = _leaves(made.root, made.shift)
        require([base for base, _ in leaves] == list(range(first, tail_at, WIDTH)), "a vector")
        require(all(len(slots) == WIDTH for _, slots in leaves), "a vector")
        require(
            {type(slot) for _, slots in leaves for slot in slots}.isdisjoint(_NO_ITEMS), "a vector"
        )
    elif type(made) is TableTrie:
        leaves = _leaves(made.order, made.shift)
        entries = [slot for _, slots in leaves for slot in slots if slot is not None]
        require({tuple}.issuperset(map(type, entries)), "a big map or set")
        require(len(entries) == made.count > 0, "a big map or set")
        base, slots = leaves[-1]
        require(base + len(slots) <= made.next_ordinal, "a big map or set")
    else:
        source = made.source
        if type(source) in (Map, Set):
            body = source.body
            require(type(body) is TableTrie and body.first_from(made.index) == made.index, "a view")
        else:
            require(made.index < len(source), "a view")


_NO_ITEMS = frozenset({tuple, Node})
_MOST_LEAVES = 1 << 22


def _leaves(root: Node | None, shift: int) -> list[tuple[int, tuple[Value, ...]]]:
    """Return first ordinal and slots of each leaf of a tree, in order."""
    require(shift % BITS == 0 and shift < 60, "a tree")
    found: list[tuple[int, tuple[Value, ...]]] = []
    waiting: list[tuple[Value, int, int]] = [] if root is None else [(root, shift, 0)]
    while waiting:
        node, below, base = waiting.pop()
        require(type(node) is Node, "a tree")
        slots = node.slots
        if below:
            for at in range(len(slots) - 1, -1, -1):
                if slots[at] is not None:
                    waiting.append((slots[at], below - BITS, base + (at << below)))
        else:
            found.append((base, slots))
            # Nodes may be shared, so few bytes can claim any number of leaves.
            require(len(found) < _MOST_LEAVES, "a tree")
    return found
