"""Sequences as data, and the four functions that take any collection apart.

``Range``, ``Repeat`` and ``IndexedSeq`` are seqs without a thunk: they need no
code, so a snapshot holds their few numbers and natives can walk them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import ClassVar, Final, NoReturn

from flowmetal.values import kinds
from flowmetal.values.equality import equal
from flowmetal.values.errors import FlowError, fail, type_error
from flowmetal.values.hashing import hash_of
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.lazy import Cons, LazySeq, Realise, realised, walk
from flowmetal.values.limits import need_items
from flowmetal.values.lists import EMPTY_LIST, List
from flowmetal.values.map import Map
from flowmetal.values.meter import charge
from flowmetal.values.numbers import add, ge, gt, lt
from flowmetal.values.printing import describe, show
from flowmetal.values.scalars import char
from flowmetal.values.set import Set
from flowmetal.values.sorted import SortedMap, SortedSet
from flowmetal.values.trie import TableTrie
from flowmetal.values.vector import MapEntry, Vector

# After so many elements of an endless sequence a walk in native code gives up, and is charged for
# them: nothing else would stop it.
_LONGEST_WALK: Final = 1_000_000


def _no_end() -> NoReturn:
    charge(_LONGEST_WALK)
    fail("FM0324", "type/mismatch", "the sequence has no end: (take n xs) gives it one")


class Range:
    """Numbers from ``start`` by ``step`` to before ``end``; ``end`` None has no end."""

    __slots__ = ("end", "meta", "start", "step")
    flow_kind: ClassVar[int] = kinds.SEQUENCE
    is_counted: ClassVar[bool] = False
    is_chain: ClassVar[bool] = False

    def __init__(self, start: Value, end: Value, step: Value = 1, meta: Value = None) -> None:
        self.start = start
        self.end = end
        self.step = step
        self.meta = meta

    @property
    def is_empty(self) -> bool:
        if self.end is None:
            return False
        if type(self.start) is int and type(self.end) is int and type(self.step) is int:
            if self.step:
                return self.start >= self.end if self.step > 0 else self.start <= self.end
            return self.start == self.end
        if gt(self.step, 0):
            return ge(self.start, self.end)
        if lt(self.step, 0):
            return not gt(self.start, self.end)
        return not lt(self.start, self.end) and not gt(self.start, self.end)

    @property
    def first(self) -> Value:
        return None if self.is_empty else self.start

    @property
    def rest(self) -> Value:
        return (
            EMPTY_LIST if self.is_empty else Range(add(self.start, self.step), self.end, self.step)
        )

    @property
    def known_count(self) -> int | None:
        start, end, step = self.start, self.end, self.step
        if type(start) is not int or type(end) is not int or type(step) is not int:
            return None
        if step == 0:
            return 0 if start == end else None
        return max(0, (end - start + step - (1 if step > 0 else -1)) // step)

    def with_meta(self, meta: Value) -> Range:
        """Return the same range with other metadata."""
        return Range(self.start, self.end, self.step, meta)

    def __iter__(self) -> Iterator[Value]:
        count = self.known_count
        if count is not None:
            need_items("seq", count)
            return iter(range(self.start, self.start + count * self.step, self.step or 1))
        return self._iterate()

    def _iterate(self) -> Iterator[Value]:
        rest: Value = self
        left = _LONGEST_WALK
        while type(rest) is Range and not rest.is_empty:
            if rest.end is None:
                left -= 1
                if left < 0:
                    _no_end()
            yield rest.start
            rest = rest.rest

    def __eq__(self, other: object) -> bool:
        return equal(self, other)

    def __hash__(self) -> int:
        return hash_of(self)

    def __repr__(self) -> str:
        return show(self)


class Repeat:
    """``value``, ``count`` times; ``count`` None is for ever."""

    __slots__ = ("count", "meta", "value")
    flow_kind: ClassVar[int] = kinds.SEQUENCE
    is_counted: ClassVar[bool] = False
    is_chain: ClassVar[bool] = False

    def __init__(self, count: int | None, value: Value, meta: Value = None) -> None:
        self.count = count
        self.value = value
        self.meta = meta

    @property
    def first(self) -> Value:
        return self.value if self.count is None or self.count > 0 else None

    @property
    def rest(self) -> Value:
        if self.count is None:
            return self
        return Repeat(self.count - 1, self.value) if self.count > 1 else EMPTY_LIST

    @property
    def known_count(self) -> int | None:
        return None if self.count is None else max(0, self.count)

    def with_meta(self, meta: Value) -> Repeat:
        """Return the same sequence with other metadata."""
        return Repeat(self.count, self.value, meta)

    def __iter__(self) -> Iterator[Value]:
        if self.count is None:
            return self._iterate()
        need_items("seq", self.count)
        return repeat(self.value, self.count)

    def _iterate(self) -> Iterator[Value]:
        yield from repeat(self.value, _LONGEST_WALK)
        _no_end()

    def __eq__(self, other: object) -> bool:
        return equal(self, other)

    def __hash__(self) -> int:
        return hash_of(self)

    def __repr__(self) -> str:
        return show(self)


class IndexedSeq:
    """A view of a collection from ``index`` on, which is in range.

    ``source`` is a Vector, str, bytes or tuple, and ``index`` a position in
    it; or a big Map or Set, and ``index`` the ordinal of one of its entries.
    The rest is one more small object, whatever the size.
    """

    __slots__ = ("index", "meta", "source")
    flow_kind: ClassVar[int] = kinds.SEQUENCE
    is_counted: ClassVar[bool] = False
    is_chain: ClassVar[bool] = False

    def __init__(self, source: Value, index: int, meta: Value = None) -> None:
        self.source = source
        self.index = index
        self.meta = meta

    @property
    def first(self) -> Value:
        source = self.source
        kind = type(source)
        if kind is Vector:
            body = source.body
            return body[self.index] if type(body) is tuple else body.nth(self.index)
        if kind is str:
            return char(source[self.index])
        if kind is Map:
            return MapEntry(*source.body.entry_at(self.index))
        if kind is Set or kind is SortedSet:
            return (source.body if kind is Set else source).entry_at(self.index)[0]
        if kind is SortedMap:
            return MapEntry(*source.entry_at(self.index))
        return source[self.index]

    @property
    def rest(self) -> Value:
        source = self.source
        following = self.index + 1
        if type(source) in _TABLES:
            following = source.body.first_from(following)
            return EMPTY_LIST if following is None else IndexedSeq(source, following)
        return IndexedSeq(source, following) if following < len(source) else EMPTY_LIST

    @property
    def known_count(self) -> int | None:
        if type(self.source) in _TABLES:
            return None
        return len(self.source) - self.index

    def with_meta(self, meta: Value) -> IndexedSeq:
        """Return the same view with other metadata."""
        return IndexedSeq(self.source, self.index, meta)

    def __iter__(self) -> Iterator[Value]:
        source = self.source
        kind = type(source)
        if kind is str:
            return map(char, source[self.index :])
        if kind in _TABLES:
            entries = source.body.entries_from(self.index)
            return (
                (MapEntry(key, value) for key, value in entries)
                if kind is Map
                else (key for key, _ in entries)
            )
        if kind is SortedMap or kind is SortedSet:
            return iter(source.members_from(self.index))
        if kind is Vector and type(source.body) is not tuple:
            return iter(source.subvec(self.index, len(source)))
        return iter(tuple(source)[self.index :])

    def __eq__(self, other: object) -> bool:
        return equal(self, other)

    def __hash__(self) -> int:
        return hash_of(self)

    def __repr__(self) -> str:
        return show(self)


_TABLES: Final = frozenset({Map, Set})
_SEQS: Final = frozenset({List, Cons, Range, Repeat, IndexedSeq})


def is_seq(value: Value) -> bool:
    """Say whether ``value`` is a sequence: a list or a seq, lazy or not, and no vector."""
    return KINDS[type(value)] == kinds.SEQUENCE and not isinstance(value, Vector)


def seq(value: Value) -> Value:
    """Return a non-empty seq over any collection, None if it is empty.

    Raises ``Unrealised`` (STEP), or FM0323 for what is no collection.
    """
    cls = type(value)
    if value is None or cls is Cons or cls is IndexedSeq:
        return value
    if cls is List:
        return value if value.count else None
    if cls is LazySeq:
        return seq(realised(value))
    if isinstance(value, (Vector, str, bytes)):
        return IndexedSeq(value, 0) if len(value) else None
    if cls is SortedMap or cls is SortedSet:
        return IndexedSeq(value, 0) if len(value) else None
    if isinstance(value, (Map, Set)):
        if type(value.body) is TableTrie and cls in _TABLES:
            ordinal = value.body.first_from(0)
            assert ordinal is not None
            return IndexedSeq(value, ordinal)
        return IndexedSeq(tuple(value), 0) if len(value) else None
    if cls is Range:
        return None if value.is_empty else value
    if cls is Repeat:
        return None if value.count is not None and value.count <= 0 else value
    if KINDS[cls] in (kinds.MAP, kinds.SET):
        return IndexedSeq(tuple(value), 0) if len(value) else None
    raise _not_a_collection(value)


def first(value: Value) -> Value:
    """Return the first element of any collection, None if it is empty."""
    if type(value) in _SEQS:
        return value.first
    found = seq(value)
    return None if found is None else found.first


def rest(value: Value) -> Value:
    """Return what follows the first element, an empty list if nothing does."""
    found = value if type(value) in _SEQS else seq(value)
    if found is None:
        return EMPTY_LIST
    following = found.rest
    return EMPTY_LIST if following is None else following


def next_(value: Value) -> Value:
    """Return the seq of what follows the first element, None if nothing does."""
    found = value if type(value) in _SEQS else seq(value)
    return None if found is None else seq(found.rest)


def cons(item: Value, collection: Value) -> Value:
    """Return a sequence of ``item`` and then the elements of ``collection``."""
    if collection is None:
        return EMPTY_LIST.conj(item)
    lazy = type(collection) is LazySeq or type(collection) in _SEQS
    return Cons(item, collection if lazy else seq(collection))


def iterate_seq(
    value: Value, depth: Realise = Realise.ALL, bound: int | None = None
) -> Iterator[Value]:
    """Iterate over the elements of any collection, as ``seq`` would give them out.

    Raises ``Unrealised`` with ``depth``, asking for at most ``bound`` cells,
    at the first lazy cell that is not realised; FM0323 for what is no collection.
    """
    cls = type(value)
    if value is None:
        return iter(())
    if cls is LazySeq or cls is Cons:
        return walk(value, depth, bound)
    if cls is str:
        return map(char, value)
    if KINDS[cls] in _ITERABLE:
        return iter(value)
    raise _not_a_collection(value)


_ITERABLE: Final = frozenset({kinds.SEQUENCE, kinds.MAP, kinds.SET, kinds.BYTES})


def count(value: Value) -> int:
    """Return how many elements a collection has.

    Raises ``Unrealised`` (ALL); FM0324 for a sequence without an end.
    """
    if value is None:
        return 0
    if isinstance(value, (Vector, Map, Set, List, str, bytes)):
        return len(value)
    if KINDS[type(value)] != kinds.SEQUENCE:
        if KINDS[type(value)] in _ITERABLE:
            return len(value)
        raise _not_a_collection(value)
    known: int | None = value.known_count
    if known is not None:
        return known
    if is_endless(value):
        fail("FM0324", "type/mismatch", "`count` needs an end, this sequence has none")
    walked = sum(1 for _ in value)
    if not value.is_chain:  # which is charged for where it is walked
        charge(walked >> 3)
    return walked


def is_endless(value: Value) -> bool:
    """Say whether a sequence is known to have no end."""
    if type(value) is Repeat:
        return value.count is None
    if type(value) is not Range or value.known_count is not None or value.is_empty:
        return False
    return value.end is None or not (gt(value.step, 0) or lt(value.step, 0))


def _not_a_collection(value: Value) -> FlowError:
    return type_error("FM0323", f"a collection is needed here, this is {describe(value)}")
