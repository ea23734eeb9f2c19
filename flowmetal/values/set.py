"""Sets: members once each, in the order of insertion. Laid out as the keys of a map are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Final

from flowmetal.source import Span
from flowmetal.values import kinds
from flowmetal.values.equality import equal
from flowmetal.values.hashing import hash_of
from flowmetal.values.keys import MANY, PLAIN_KEYS, WrappedKey, key_of, key_of_many, value_of_key
from flowmetal.values.kinds import Value
from flowmetal.values.trie import SHRINK, SMALL, IndexNode, Node, TableTrie, entries_of
from flowmetal.values.vector import NO_SPANS, Spans


class Set:
    """An immutable set. ``body`` is a dictionary of keys (by ``key_of``) to None, or a tree."""

    __slots__ = ("body", "cached_hash", "meta", "spans")
    flow_kind: ClassVar[int] = kinds.SET
    by_order: ClassVar[bool] = False

    def __init__(
        self, body: dict[Value, None] | TableTrie, meta: Value = None, spans: Spans = NO_SPANS
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
    ) -> Set:
        """Rebuild a big set from what its ``TableTrie`` held; the index may be left out."""
        return Set(TableTrie(count, next_ordinal, shift, order, index), meta)

    @property
    def root(self) -> Node | None:
        """Return the root of a big set's order tree, None for a small one."""
        return None if isinstance(self.body, dict) else self.body.order

    @property
    def span(self) -> Span | None:
        return self.spans[0]

    @property
    def item_spans(self) -> tuple[Span, ...] | None:
        return self.spans[1]

    def with_spans(self, span: Span | None, item_spans: tuple[Span, ...] | None = None) -> Set:
        """Return the same set, marked with the place it was read from."""
        return Set(self.body, self.meta, (span, item_spans))

    def with_meta(self, meta: Value) -> Set:
        """Return the same set with other metadata."""
        return Set(self.body, meta, self.spans)

    def __len__(self) -> int:
        body = self.body
        return len(body) if isinstance(body, dict) else body.count

    def __contains__(self, item: Value) -> bool:
        body = self.body
        if isinstance(body, dict):
            return (item if type(item) in PLAIN_KEYS else key_of(item)) in body
        return body.find(item) is not None

    def get(self, item: Value, default: Value = None) -> Value:
        """Return the member equal to ``item`` as the set holds it, or ``default``."""
        body = self.body
        if not isinstance(body, dict):
            entry = body.find(item)
            return default if entry is None else entry[0]
        plain = key_of(item)
        if plain not in body:
            return default
        if type(item) in PLAIN_KEYS:
            return item
        return value_of_key(next(held for held in body if held == plain))

    def conj(self, item: Value) -> Set:
        """Return the set with ``item``; the same set if it is there."""
        body = self.body
        if isinstance(body, dict):
            plain = item if type(item) in PLAIN_KEYS else key_of(item)
            if plain in body:
                return self
            if len(body) < SMALL:
                body = body.copy()
                body[plain] = None
                return Set(body, self.meta)
            body = TableTrie.of(entries_of(self))
        elif body.find(item) is not None:
            return self
        return Set(body.assoc(item, None), self.meta)

    def disj(self, item: Value) -> Set:
        """Return the set without ``item``; the same set if it is not there."""
        body = self.body
        if isinstance(body, dict):
            plain = key_of(item)
            if plain not in body:
                return self
            body = body.copy()
            del body[plain]
            return Set(body, self.meta)
        smaller = body.dissoc(item)
        if smaller is body:
            return self
        if smaller.count <= SHRINK:
            return Set({key_of(k): None for k, _ in smaller}, self.meta)
        return Set(smaller, self.meta)

    def __iter__(self) -> Iterator[Value]:
        body = self.body
        if isinstance(body, dict):
            return iter([k.value if type(k) is WrappedKey else k for k in body])
        return (entry[0] for entry in body)

    def __eq__(self, other: object) -> bool:
        return equal(self, other)

    def __hash__(self) -> int:
        return hash_of(self)

    def __repr__(self) -> str:
        from flowmetal.values.printing import show

        return show(self)


EMPTY_SET: Final = Set({})


def set_of(
    items: Iterable[Value],
    meta: Value = None,
    span: Span | None = None,
    item_spans: tuple[Span, ...] | None = None,
) -> Set:
    """Return a set of ``items``; of equal ones the first is kept."""
    items = [*items]
    key = key_of if len(items) <= MANY else key_of_many
    body: dict[Value, None] = dict.fromkeys(map(key, items))
    if len(body) <= SMALL and len(items) > MANY:
        body = dict.fromkeys(key_of(value_of_key(each)) for each in body)
    spans = NO_SPANS if span is None and item_spans is None else (span, item_spans)
    if len(body) <= SMALL:
        return Set(body, meta, spans)
    return Set(TableTrie.of(entries_of(map(value_of_key, body))), meta, spans)
