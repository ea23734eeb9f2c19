"""Lists: immutable, counted, linked from the front. What the reader makes of round brackets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Final

from flowmetal.source import Span
from flowmetal.values import kinds
from flowmetal.values.equality import equal
from flowmetal.values.hashing import hash_of
from flowmetal.values.kinds import Value
from flowmetal.values.vector import NO_SPANS, Spans


class List:
    """A list cell, or the empty list: ``count`` 0, ``first`` None, ``rest`` itself."""

    __slots__ = ("cached_hash", "count", "first", "meta", "rest", "spans")
    flow_kind: ClassVar[int] = kinds.SEQUENCE
    is_counted: ClassVar[bool] = True
    is_chain: ClassVar[bool] = False

    rest: List

    def __init__(
        self,
        first: Value,
        rest: List | None,
        count: int,
        meta: Value = None,
        spans: Spans = NO_SPANS,
    ) -> None:
        self.first = first
        self.rest = self if rest is None else rest
        self.count = count
        self.meta = meta
        self.spans = spans
        self.cached_hash: int | None = None

    @property
    def span(self) -> Span | None:
        return self.spans[0]

    @property
    def item_spans(self) -> tuple[Span, ...] | None:
        return self.spans[1]

    def with_spans(self, span: Span | None, item_spans: tuple[Span, ...] | None = None) -> List:
        """Return the same list, marked with the place it was read from."""
        return List(self.first, self._rest(), self.count, self.meta, (span, item_spans))

    def with_meta(self, meta: Value) -> List:
        """Return the same list with other metadata."""
        return List(self.first, self._rest(), self.count, meta, self.spans)

    def _rest(self) -> List | None:
        return self.rest if self.count else None

    def conj(self, item: Value) -> List:
        """Return the list with ``item`` before its first."""
        if self.count:
            return List(item, self, self.count + 1, self.meta)
        return List(item, EMPTY_LIST, 1, self.meta)

    def __len__(self) -> int:
        return self.count

    @property
    def known_count(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Value]:
        cell = self
        while cell.count:
            yield cell.first
            cell = cell.rest

    def __eq__(self, other: object) -> bool:
        return equal(self, other)

    def __hash__(self) -> int:
        return hash_of(self)

    def __repr__(self) -> str:
        from flowmetal.values.printing import show

        return show(self)


EMPTY_LIST: Final = List(None, None, 0)


def list_of(
    items: Iterable[Value],
    meta: Value = None,
    span: Span | None = None,
    item_spans: tuple[Span, ...] | None = None,
) -> List:
    """Return a list of ``items``; the shared ``EMPTY_LIST`` if there are none and no more to say."""
    made = EMPTY_LIST
    for count, item in enumerate(reversed(tuple(items)), 1):
        made = List(item, made, count)
    if meta is None and span is None and item_spans is None:
        return made
    return List(made.first, made._rest(), made.count, meta, (span, item_spans))
