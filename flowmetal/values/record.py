"""Records: maps with a type. Equal to records of the same type only; everything else as a map.

The fields of the type, its *basis*, are the first entries of the map, in their
order and always there; what else is put in stands behind them. So a record
says its fields itself, and can be printed, saved and changed where its program
is not known. Without one of its fields it is a plain map.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from flowmetal.source import Span
from flowmetal.values.kinds import Value
from flowmetal.values.map import Map, hash_map
from flowmetal.values.names import Keyword
from flowmetal.values.trie import Entry
from flowmetal.values.vector import NO_SPANS, Spans


class Record(Map):
    """A map of type ``record`` (``ns/Name``), whose first ``basis`` keys are the type's fields."""

    __slots__ = ("basis", "record")

    def __init__(
        self, record: str, basis: int, body: Value, meta: Value = None, spans: Spans = NO_SPANS
    ) -> None:
        super().__init__(body, meta, spans)
        self.record = record
        self.basis = basis

    @property
    def fields(self) -> tuple[Keyword, ...]:
        """Return the fields of the type."""
        return tuple(islice(self.keys(), self.basis))

    def plain(self) -> Map:
        """Return the same entries as a map."""
        return Map(self.body, self.meta)

    def with_spans(self, span: Span | None, item_spans: tuple[Span, ...] | None = None) -> Record:
        """Return the same record, marked with the place it was read from."""
        return Record(self.record, self.basis, self.body, self.meta, (span, item_spans))

    def with_meta(self, meta: Value) -> Record:
        """Return the same record with other metadata."""
        return Record(self.record, self.basis, self.body, meta, self.spans)

    def assoc(self, key: Value, value: Value) -> Record:
        """Return the record with ``value`` under ``key``."""
        return Record(self.record, self.basis, super().assoc(key, value).body, self.meta)

    def dissoc(self, key: Value) -> Map:
        """Return the record without ``key``; a plain map if that is a field of its type."""
        made = super().dissoc(key)
        if made is self or key in self.fields:
            return made
        return Record(self.record, self.basis, made.body, self.meta)


def record_of(
    record: str, fields: Sequence[Keyword], values: Iterable[Value], more: Iterable[Entry] = ()
) -> Record:
    """Return a record of a type with a value for each field, and ``more`` entries behind them."""
    made = hash_map([*zip(fields, values, strict=True), *more])
    return Record(record, len(fields), made.body)


def tag_of(record: str) -> str:
    """Return how a type of records is printed: as Clojure names the class, ``my_shop.orders.Order``."""
    namespace, _, name = record.rpartition("/")
    return f"{namespace.replace('-', '_')}.{name}" if namespace else name


def is_whole(made: Map, basis: int) -> bool:
    """Say whether a map can be a record with so many fields: it begins with as many keywords."""
    names = list(islice(made.keys(), basis))
    return len(names) == basis and all(type(name) is Keyword for name in names)
