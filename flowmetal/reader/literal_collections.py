"""What literal collections need beyond their items: distinct keys, qualified keys, metadata."""

from __future__ import annotations

from collections.abc import Sequence

from flowmetal.reader.literals import Unreadable
from flowmetal.values.keys import key_of
from flowmetal.values.kinds import Value
from flowmetal.values.lists import List
from flowmetal.values.map import Map, hash_map
from flowmetal.values.names import Keyword, Symbol, keyword
from flowmetal.values.set import Set
from flowmetal.values.vector import Vector, vector


def repeated_key(keys: Sequence[Value]) -> tuple[int, int] | None:
    """Return the indices of the first two keys that are equal."""
    seen: dict[Value, int] = {}
    for index, key in enumerate(keys):
        first = seen.setdefault(key_of(key), index)
        if first != index:
            return first, index
    return None


def qualify_keys(items: Sequence[Value], namespace: str) -> list[Value]:
    """Put ``namespace`` on the keys, every other item, that have none; ``_`` takes it off."""
    return [item if index % 2 else _qualify(item, namespace) for index, item in enumerate(items)]


def _qualify(key: Value, namespace: str) -> Value:
    if not isinstance(key, Keyword | Symbol) or key.ns not in (None, "_"):
        return key
    qualified = namespace if key.ns is None else None
    if isinstance(key, Keyword):
        return Keyword.of(qualified, key.name)
    return Symbol(qualified, key.name, key.meta, key.span)


def add_metadata(target: Value, written: Value) -> Value:
    """Return ``target`` with the metadata that was written before it, which wins over its own."""
    if not isinstance(target, Symbol | List | Vector | Map | Set):
        raise Unreadable(
            "FM0035",
            "metadata goes on symbols and collections only",
            label="the form after it can have none",
        )
    meta = target.meta or hash_map(())
    for key, value in _metadata(written).items():
        meta = meta.assoc(key, value)
    return target.with_meta(meta)


def _metadata(written: Value) -> Map:
    if isinstance(written, Map):
        return written
    if isinstance(written, Keyword):
        return hash_map([(written, True)])
    if isinstance(written, Symbol | str):
        return hash_map([(keyword("tag"), written)])
    if isinstance(written, Vector):
        return hash_map([(keyword("param-tags"), vector(written))])
    raise Unreadable("FM0035", "metadata is a map, keyword, symbol, string or vector")
