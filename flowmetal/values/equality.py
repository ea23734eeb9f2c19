"""Equality, decided once: ``=`` of the language, and ``identical?``.

The rules: kinds of numbers never equal each other (``(= 1 1.0)`` is false),
``true`` is not 1, ordered collections are equal element by element whatever
their class, maps and sets whatever their order, ``##NaN`` is equal to nothing,
and what is not data is equal to itself only. A collection is equal to itself
without a look inside: identity of collections survives a snapshot, so this
cannot change an answer after a resume. Identity of scalars does not survive
one, and is therefore never asked for.

The walk keeps its own stack: depth of nesting is bounded by memory alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Final, NoReturn

from flowmetal.values import kinds
from flowmetal.values.hashing import hash_of
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.meter import lend, lend_charges, meter


class _Missing:
    """What stands for an element or a value that is not there; equal to nothing."""

    __slots__ = ()


MISSING: Final = _Missing()
_UNEQUAL: Final = ((MISSING, None),)

Pairs = Iterator[tuple[Value, Value]]


def equal(a: Value, b: Value) -> bool:
    """Say whether two values are ``=``.

    Raises ``Unrealised`` (DEEP) at the first lazy cell that is not realised.
    """
    kind = KINDS[type(a)]
    if kind <= kinds.LAST_SCALAR:
        return type(a) is type(b) and bool(a == b)
    if a is b:
        return True
    if kind == kinds.OPAQUE or KINDS[type(b)] != kind:
        return False
    return _equal_collections(a, b, kind)


def identical(a: Value, b: Value) -> bool:
    """Say whether two values are the same thing: scalars by value, the rest by identity."""
    if KINDS[type(a)] <= kinds.LAST_SCALAR:
        return type(a) is type(b) and bool(a == b)
    return a is b


def _equal_collections(a: Value, b: Value, kind: int) -> bool:
    now = meter()
    before = len(now.due)
    try:
        return _walk(a, b, kind, now.limits.items)
    finally:
        lend_charges(now.due, before)  # going through a range is charged, but identity spares it


def _walk(a: Value, b: Value, kind: int, most: int) -> bool:
    stack = [_pairs(a, b, kind)]
    inner = seen = 0
    while stack:
        for x, y in stack[-1]:
            seen += 1
            kind = KINDS[type(x)]
            if kind <= kinds.LAST_SCALAR:
                if type(x) is not type(y) or x != y:
                    return False
            elif x is not y:
                if kind == kinds.OPAQUE or KINDS[type(y)] != kind:
                    return False
                if seen > most:  # parts that are shared are compared wherever they stand
                    _too_many(seen)
                stack.append(_pairs(x, y, kind))
                inner += 1
                break
        else:
            stack.pop()
    lend(inner >> 1)
    return True


def _too_many(count: int) -> NoReturn:
    from flowmetal.values.limits import too_many_items  # whose errors are compared here

    too_many_items("=", count)


def _pairs(a: Value, b: Value, kind: int) -> Pairs:
    """Return the pairs that must all be equal for ``a`` and ``b`` to be."""
    if kind == kinds.SEQUENCE:
        return _sequence_pairs(a, b)
    if kind == kinds.PARTS:
        if type(a) is not type(b):
            return iter(_UNEQUAL)
        return zip(a.parts(), b.parts(), strict=True)
    if len(a) != len(b) or _hashes_differ(a, b):
        return iter(_UNEQUAL)
    lend(len(a) >> 2)
    if kind == kinds.MAP and a.record != b.record:
        return iter(_UNEQUAL)
    if b.by_order:
        b = _by_hash(b, kind)
    return _map_pairs(a, b) if kind == kinds.MAP else _set_pairs(a, b)


def _by_hash(b: Value, kind: int) -> Value:
    """Return a sorted collection as one that finds its keys by equality and not by order."""
    from flowmetal.values.map import hash_map
    from flowmetal.values.set import set_of

    return hash_map(b.items()) if kind == kinds.MAP else set_of(b)


def _hashes_differ(a: Value, b: Value) -> bool:
    left = getattr(a, "cached_hash", None)
    right = getattr(b, "cached_hash", None)
    return left is not None and right is not None and bool(left != right)


def _sequence_pairs(a: Value, b: Value) -> Pairs:
    left = len(a) if a.is_counted else a.known_count
    right = len(b) if b.is_counted else b.known_count
    if left is not None and right is not None:
        if left != right:
            return iter(_UNEQUAL)
        lend(left >> 3)
        return zip(a, b, strict=True)
    return zip_longest(_cells(a, right), _cells(b, left), fillvalue=MISSING)


def _cells(value: Value, other_count: int | None) -> Iterator[Value]:
    """Iterate; a lazy seq is realised no further than one past the other side's end."""
    if value.is_chain:
        bound = None if other_count is None else other_count + 1
        deep: Iterator[Value] = value.iterate_deep(bound)
        return deep
    return iter(value)


def _map_pairs(a: Value, b: Value) -> Pairs:
    """Pair the values under equal keys.

    Collections as keys are matched by hash and then compared on the walk's own
    stack: a look-up would compare them inside of Python's dictionary, one
    Python frame for each level of keys inside keys.
    """
    buckets: dict[int, list[tuple[Value, Value]]] | None = None
    for key, value in a.items():
        if KINDS[type(key)] <= kinds.LAST_SCALAR or KINDS[type(key)] == kinds.OPAQUE:
            yield b.get(key, MISSING), value
            continue
        if buckets is None:
            buckets = {}
            for other_key, other in b.items():
                if KINDS[type(other_key)] > kinds.LAST_SCALAR:
                    buckets.setdefault(hash_of(other_key), []).append((other_key, other))
        found = buckets.get(hash_of(key), ())
        if len(found) == 1:
            yield key, found[0][0]
            yield value, found[0][1]
        else:
            yield next((v for k, v in found if equal(k, key)), MISSING), value


def _set_pairs(a: Value, b: Value) -> Pairs:
    buckets: dict[int, list[Value]] | None = None
    for item in a:
        if KINDS[type(item)] <= kinds.LAST_SCALAR or KINDS[type(item)] == kinds.OPAQUE:
            yield (None if item in b else MISSING), None
            continue
        if buckets is None:
            buckets = {}
            for other in b:
                if KINDS[type(other)] > kinds.LAST_SCALAR:
                    buckets.setdefault(hash_of(other), []).append(other)
        found = buckets.get(hash_of(item), ())
        if len(found) == 1:
            yield item, found[0]
        else:
            yield (None if any(equal(other, item) for other in found) else MISSING), None
