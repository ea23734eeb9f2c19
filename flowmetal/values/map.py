"""Maps: values by key, in the order of insertion.

A dictionary up to 64 entries, a tree of ``trie.py`` beyond. A new value under
an old key keeps the key's place, and the key object that came first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Final

from flowmetal.source import Span
from flowmetal.values import kinds
from flowmetal.values.equality import equal
from flowmetal.values.hashing import hash_of
from flowmetal.values.keys import MANY, PLAIN_KEYS, WrappedKey, key_of, key_of_many, value_of_key
from flowmetal.values.kinds import Value
from flowmetal.values.trie import SHRINK, SMALL, Entry, IndexNode, Node, TableTrie
from flowmetal.values.vector import NO_SPANS, MapEntry, Spans


class Map:
    """An immutable map. ``body`` is its dictionary (by ``key_of``) or its tree."""

    __slots__ = ("body", "cached_hash", "meta", "spans")
    flow_kind: ClassVar[int] = kinds.MAP
    by_order: ClassVar[bool] = False
    record: Value = None  # of a record, the name of its type

    def __init__(
        self, body: dict[Value, Value] | TableTrie, meta: Value = None, spans: Spans = NO_SPANS
    ) -> None:
        self.body = body
        self.meta = meta
        self.spans = spans
        self.cached_hash: int | None = None

    @staticmethod
    def from_nodes(
        count: int,
        next_ordinal: int,
        shift: int,
        order: Node | None,
        index: IndexNode = None,
        meta: Value = None,
    ) -> Map:
        """Rebuild a big map from what its ``TableTrie`` held; the index may be left out."""
        return Map(TableTrie(count, next_ordinal, shift, order, index), meta)

    @property
    def root(self) -> Node | None:
        """Return the root of a big map's order tree, None for a small one."""
        return None if isinstance(self.body, dict) else self.body.order

    @property
    def span(self) -> Span | None:
        return self.spans[0]

    @property
    def item_spans(self) -> tuple[Span, ...] | None:
        return self.spans[1]

    def with_spans(self, span: Span | None, item_spans: tuple[Span, ...] | None = None) -> Map:
        """Return the same map, marked with the place it was read from."""
        return Map(self.body, self.meta, (span, item_spans))

    def with_meta(self, meta: Value) -> Map:
        """Return the same map with other metadata."""
        return Map(self.body, meta, self.spans)

    def __len__(self) -> int:
        body = self.body
        return len(body) if isinstance(body, dict) else body.count

    def get(self, key: Value, default: Value = None) -> Value:
        """Return the value under ``key``, or ``default``."""
        body = self.body
        if isinstance(body, dict):
            return body.get(key if type(key) in PLAIN_KEYS else key_of(key), default)
        entry = body.find(key)
        return default if entry is None else entry[1]

    def find(self, key: Value) -> MapEntry | None:
        """Return the entry of ``key`` as the map holds it."""
        body = self.body
        if not isinstance(body, dict):
            entry = body.find(key)
            return None if entry is None else MapEntry(*entry)
        plain = key_of(key)
        if plain not in body:
            return None
        if type(key) in PLAIN_KEYS:
            return MapEntry(key, body[plain])
        # The key in the map may differ in class or metadata from the one asked for.
        held = next(held for held in body if held == plain)
        return MapEntry(value_of_key(held), body[plain])

    def __contains__(self, key: Value) -> bool:
        body = self.body
        if isinstance(body, dict):
            return (key if type(key) in PLAIN_KEYS else key_of(key)) in body
        return body.find(key) is not None

    def assoc(self, key: Value, value: Value) -> Map:
        """Return the map with ``value`` under ``key``."""
        body = self.body
        if isinstance(body, dict):
            plain = key if type(key) in PLAIN_KEYS else key_of(key)
            if len(body) < SMALL or plain in body:
                body = body.copy()
                body[plain] = value
                return Map(body, self.meta)
            body = TableTrie.of(_entries(body))
        return Map(body.assoc(key, value), self.meta)

    def dissoc(self, key: Value) -> Map:
        """Return the map without ``key``; the same map if it is not there."""
        body = self.body
        if isinstance(body, dict):
            plain = key_of(key)
            if plain not in body:
                return self
            body = body.copy()
            del body[plain]
            return Map(body, self.meta)
        smaller = body.dissoc(key)
        if smaller is body:
            return self
        if smaller.count <= SHRINK:
            return Map({key_of(k): v for k, v in smaller}, self.meta)
        return Map(smaller, self.meta)

    def items(self) -> Iterator[Entry]:
        """Iterate over (key, value) in order."""
        body = self.body
        if isinstance(body, dict):
            return iter(_entries(body))
        return iter(body)

    def keys(self) -> Iterator[Value]:
        return (key for key, _ in self.items())

    def values(self) -> Iterator[Value]:
        return (value for _, value in self.items())

    def __iter__(self) -> Iterator[MapEntry]:
        """Iterate as the language does: over entries."""
        return (MapEntry(key, value) for key, value in self.items())

    def __eq__(self, other: object) -> bool:
        return equal(self, other)

    def __hash__(self) -> int:
        return hash_of(self)

    def __repr__(self) -> str:
        from flowmetal.values.printing import show

        return show(self)


def _entries(body: dict[Value, Value]) -> list[Entry]:
    return [(k.value if isinstance(k, WrappedKey) else k, v) for k, v in body.items()]


EMPTY_MAP: Final = Map({})


def hash_map(
    pairs: Iterable[Entry],
    meta: Value = None,
    span: Span | None = None,
    item_spans: tuple[Span, ...] | None = None,
) -> Map:
    """Return a map of ``pairs``; of equal keys the first keeps its place, the last its value."""
    pairs = [*pairs]
    body = (
        {key if type(key) in PLAIN_KEYS else key_of(key): value for key, value in pairs}
        if len(pairs) <= MANY
        else {key_of_many(key): value for key, value in pairs}
    )
    if len(body) <= SMALL and len(pairs) > MANY:
        body = {key_of(value_of_key(key)): value for key, value in body.items()}
    spans = NO_SPANS if span is None and item_spans is None else (span, item_spans)
    return Map(body if len(body) <= SMALL else TableTrie.of(_entries(body)), meta, spans)
