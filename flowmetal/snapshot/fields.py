"""Gives objects their fields, each checked: ``format.Kind`` says what they are.

A field of the wrong class would be a Python error in the machine at some later
time, so it is an error of the snapshot here. There is one function for each
kind. Maps and sets only note their fields (trees.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from flowmetal.snapshot.damage import require
from flowmetal.snapshot.format import WITH_META, Kind
from flowmetal.snapshot.objects import HAVE_META, INNER, Fields, ObjectTable
from flowmetal.source import Span
from flowmetal.values import (
    EMPTY_LIST,
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
from flowmetal.values.cells import BROKEN, OPEN, SLIDING, VOID
from flowmetal.values.kinds import FIRST_NUMBER, LAST_NUMBER
from flowmetal.values.trie import SMALL, WIDTH, Node, TableTrie, VectorTrie
from flowmetal.values.vector import NO_SPANS
from flowmetal.vm.state import Bindings, Closure, Pending

_SOURCES = frozenset({tuple, str, bytes, Vector, MapEntry, Map, Set, SortedMap, SortedSet})
_SEQS = frozenset({List, Cons, LazySeq, Range, Repeat, IndexedSeq, type(None)})


def fill(table: ObjectTable) -> None:
    """Give all objects of a table but maps and sets their fields."""
    for number, record in enumerate(table.records):
        kind = record[0]
        meta = None
        if kind & WITH_META:
            meta = table.value(record[1])
            require(type(meta) is Map, "metadata")
            fields = record[2:]
        else:
            fields = record[1:]
        kind &= ~WITH_META
        made = table.objects[number]
        _FILLERS[kind](table, made, fields, number)
        if type(made) in HAVE_META:
            made.meta = meta
    run_of = {id(cell): number for number in table.lists for cell in table.runs[number]}
    for number in table.lists:
        _count(table, number, run_of)


def _count(table: ObjectTable, number: int, run_of: dict[int, int]) -> None:
    """Give the cells of a run of lists their counts, and those of the runs behind it first."""
    waiting = [number]
    started = {number}
    while waiting:
        cells = table.runs[waiting[-1]]
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


def _record(table: ObjectTable, made: Record, fields: Fields, number: int) -> None:
    require(len(fields) >= 2, "a record")
    made.record = _text(table, fields[0])
    (made.basis,) = _naturals(fields[1:2])
    if table.records[number][0] & ~WITH_META == Kind.BIG_RECORD:
        _big_table(table, made, fields[2:], number)
    else:
        _unhashed(table, made, fields[2:], number)
    table.tries.append(made)


def _sorted(table: ObjectTable, made: Value, fields: Fields, number: int) -> None:
    require(bool(fields), "a sorted collection")
    made.order = table.value(fields[0])
    made.cached_hash = None
    rest = [table.any(field) for field in fields[1:]]
    if len(rest) == 1 and type(rest[0]) is Node:
        made.root = rest[0]
    else:
        items = table.values(fields[1:])
        if type(made) is SortedMap:
            require(len(items) % 2 == 0, "a sorted map")
            entries = [(items[at], items[at + 1]) for at in range(0, len(items), 2)]
        else:
            entries = [(item, None) for item in items]
        require(len(entries) <= WIDTH, "a sorted collection")
        made.root = Node(tuple(entries)) if entries else None
    table.tries.append(made)


def _reified(table: ObjectTable, made: Reified, fields: Fields, number: int) -> None:
    (made.methods,) = _exactly(1, table.values(fields))
    require(type(made.methods) is Map, "what reify made")


def _node(table: ObjectTable, made: Node, fields: Fields, number: int) -> None:
    require(0 < len(fields) <= WIDTH, "a node")
    slots: list[Value] = []
    for field in fields:
        if type(field) is list:
            slots.append(tuple(table.values(_exactly(2, field))))
        else:
            slot = table.any(field)
            require(type(slot) is Node or type(slot) not in INNER, "a node")
            slots.append(slot)
    made.slots = tuple(slots)
    made.size = 0
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
    require(type(source) in _SOURCES, "a view")
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


def _promise(table: ObjectTable, made: Promise, fields: Fields, number: int) -> None:
    require(len(fields) >= 3 and type(fields[1]) is bool, "a promise")
    made.ticket = fields[1]
    _outcome(table, made, [fields[0], *fields[2:]])


def _fiber_ref(table: ObjectTable, made: FiberRef, fields: Fields, number: int) -> None:
    require(len(fields) >= 3, "a fiber")
    (made.number,) = _naturals(fields[:1])
    made.ticket = False
    _outcome(table, made, fields[1:])


def _outcome(table: ObjectTable, made: Promise, fields: Fields) -> None:
    made.state, *made.waiters = _naturals([fields[0], *fields[2:]])
    made.value = table.value(fields[1])
    require(made.state <= VOID, "a promise")
    require(made.state == OPEN or not made.waiters, "a promise")
    require(made.state != BROKEN or type(made.value) is ErrorValue, "a promise")


def _channel(table: ObjectTable, made: Channel, fields: Fields, number: int) -> None:
    size, policy, closed, step, failing, buffer, takers, putters = _exactly(8, fields)
    made.size, made.policy = _naturals([size, policy])
    require(type(closed) is bool and policy <= SLIDING, "a channel")
    require({list}.issuperset(map(type, (buffer, takers, putters))), "a channel")
    made.closed = closed
    made.step, made.failing = table.value(step), table.value(failing)
    made.buffer = deque(table.values(buffer))
    made.takers = deque(_entries(table, takers, 2))
    made.putters = deque(_entries(table, putters, 3))


def _entries(table: ObjectTable, fields: Fields, width: int) -> Iterator[Value]:
    """Yield the entries of a channel's queue."""
    items = table.values(fields)
    require(len(items) % width == 0, "a channel")
    for at in range(0, len(items), width):
        ticket = items[at]
        require(type(ticket) is Promise, "a channel")
        yield tuple(items[at : at + width])


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
    Kind.RECORD: _record,
    Kind.BIG_RECORD: _record,
    Kind.SORTED_MAP: _sorted,
    Kind.SORTED_SET: _sorted,
    Kind.REIFIED: _reified,
    Kind.PROMISE: _promise,
    Kind.FIBER: _fiber_ref,
    Kind.CHANNEL: _channel,
}


def _exactly(count: int, fields: Fields) -> Fields:
    require(len(fields) == count, "the number of an object's fields")
    return fields


def _naturals(fields: Fields) -> list[int]:
    for field in fields:
        require(type(field) is int and 0 <= field < 1 << 60, "a number")
    return fields
