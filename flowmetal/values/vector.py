"""Vectors: elements by index. A tuple up to 64 elements, a tree of ``trie.py`` beyond."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Final, NoReturn, TypeAlias

from flowmetal.source import Span
from flowmetal.values import kinds
from flowmetal.values.equality import equal
from flowmetal.values.hashing import hash_of
from flowmetal.values.kinds import Value
from flowmetal.values.trie import SHRINK, SMALL, Node, VectorTrie

Spans: TypeAlias = tuple[Span | None, tuple[Span, ...] | None]
NO_SPANS: Final[Spans] = (None, None)


class Vector:
    """An immutable vector. ``body`` is its tuple or its tree; nobody changes either."""

    __slots__ = ("body", "cached_hash", "meta", "spans")
    flow_kind: ClassVar[int] = kinds.SEQUENCE
    is_counted: ClassVar[bool] = True
    is_chain: ClassVar[bool] = False

    body: tuple[Value, ...] | VectorTrie
    meta: Value
    spans: Spans
    cached_hash: int | None

    def __init__(
        self,
        body: tuple[Value, ...] | VectorTrie = (),
        meta: Value = None,
        spans: Spans = NO_SPANS,
    ) -> None:
        self.body = body
        self.meta = meta
        self.spans = spans
        self.cached_hash = None

    @staticmethod
    def from_nodes(
        start: int,
        count: int,
        shift: int,
        root: Node | None,
        tail: tuple[Value, ...],
        meta: Value = None,
    ) -> Vector:
        """Rebuild a big vector from what its ``VectorTrie`` held."""
        return Vector(VectorTrie(start, count, shift, root, tail), meta)

    @property
    def root(self) -> Node | None:
        """Return the root of a big vector's tree, None for a small one."""
        return None if isinstance(self.body, tuple) else self.body.root

    @property
    def span(self) -> Span | None:
        return self.spans[0]

    @property
    def item_spans(self) -> tuple[Span, ...] | None:
        return self.spans[1]

    def with_spans(self, span: Span | None, item_spans: tuple[Span, ...] | None = None) -> Vector:
        """Return the same vector, marked with the place it was read from."""
        return Vector(self.body, self.meta, (span, item_spans))

    def with_meta(self, meta: Value) -> Vector:
        """Return the same vector with other metadata."""
        return Vector(self.body, meta, self.spans)

    def __len__(self) -> int:
        body = self.body
        return len(body) if isinstance(body, tuple) else body.count

    @property
    def known_count(self) -> int:
        return len(self)

    def __iter__(self) -> Iterator[Value]:
        return iter(self.body)

    def nth(self, index: int) -> Value:
        """Return the element at ``index``; FM0322 if there is none."""
        body = self.body
        if isinstance(body, tuple):
            if 0 <= index < len(body):
                return body[index]
        elif 0 <= index < body.count:
            return body.nth(index)
        return _out_of_bounds(index, len(self))

    __getitem__ = nth

    def get(self, index: Value, default: Value = None) -> Value:
        """Return the element at ``index``, or ``default`` if that is no index of this vector."""
        if type(index) is int and 0 <= index < len(self):
            return self.nth(index)
        return default

    def conj(self, item: Value) -> Vector:
        """Return the vector with one more element at its end."""
        body = self.body
        if isinstance(body, tuple):
            if len(body) < SMALL:
                return Vector((*body, item), self.meta)
            body = VectorTrie.of(body)
        return Vector(body.conj(item), self.meta)

    def assoc(self, index: int, item: Value) -> Vector:
        """Return the vector with ``item`` at ``index``, which may be one past the end."""
        body = self.body
        count = len(self)
        if index == count:
            return self.conj(item)
        if not 0 <= index < count:
            _out_of_bounds(index, count)
        if isinstance(body, tuple):
            return Vector((*body[:index], item, *body[index + 1 :]), self.meta)
        return Vector(body.assoc(index, item), self.meta)

    def pop(self) -> Vector:
        """Return the vector without its last element; FM0322 if it is empty."""
        body = self.body
        if isinstance(body, tuple):
            if not body:
                _pop_of_empty()
            return Vector(body[:-1], self.meta)
        popped = body.pop()
        return Vector(tuple(popped) if popped.count <= SHRINK else popped, self.meta)

    def subvec(self, start: int, end: int) -> Vector:
        """Return the elements from ``start`` to before ``end``, without metadata; FM0322 if out of range."""
        body = self.body
        count = len(self)
        if not 0 <= start <= end <= count:
            _out_of_bounds(start if not 0 <= start <= count else end, count)
        if isinstance(body, tuple):
            return Vector(body[start:end])
        if end - start > SMALL:
            return Vector(body.slice(start, end))
        return Vector(tuple(self.nth(at) for at in range(start, end)))

    def __eq__(self, other: object) -> bool:
        return equal(self, other)

    def __hash__(self) -> int:
        return hash_of(self)

    def __repr__(self) -> str:
        from flowmetal.values.printing import show

        return show(self)


class MapEntry(Vector):
    """A vector of a key and its value, as maps give them out."""

    __slots__ = ()

    def __init__(self, key: Value, value: Value) -> None:
        self.body = (key, value)
        self.meta = None
        self.spans = NO_SPANS
        self.cached_hash = None

    @property
    def key(self) -> Value:
        return self.nth(0)

    @property
    def value(self) -> Value:
        return self.nth(1)


EMPTY_VECTOR: Final = Vector()


def vector(
    items: Iterable[Value] = (),
    meta: Value = None,
    span: Span | None = None,
    item_spans: tuple[Span, ...] | None = None,
) -> Vector:
    """Return a vector of ``items``."""
    body = tuple(items)
    spans = NO_SPANS if span is None and item_spans is None else (span, item_spans)
    return Vector(body if len(body) <= SMALL else VectorTrie.of(body), meta, spans)


def _out_of_bounds(index: int, count: int) -> NoReturn:
    from flowmetal.values.errors import index_error

    raise index_error(index, count)


def _pop_of_empty() -> NoReturn:
    from flowmetal.values.errors import fail

    fail("FM0322", "index/out-of-bounds", "`pop` needs an element, the vector is empty")
