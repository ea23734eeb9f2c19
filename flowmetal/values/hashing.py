"""The stable hash: 64 bits that are the same in every process and on every machine.

It lays out the big maps and is what the language's ``hash`` returns, so it may
never depend on Python's ``hash(str)``. Values that are ``=`` hash the same:
an ordered collection hashes as the sequence of its elements, whatever its
class, maps and sets whatever their order.

Integers of 64 bits go through a bijection, so that no two of them collide;
everything else goes through blake2b, so that collisions cannot be made up
cheaply by whoever chooses the keys.
"""

from __future__ import annotations

import struct
from _blake2 import blake2b  # hashlib would load OpenSSL for it: 13 ms
from collections.abc import Iterator
from itertools import chain
from typing import Final, TypeAlias

from flowmetal.values import kinds
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.meter import lend, lend_charges, meter

_MASK: Final = (1 << 64) - 1
_LOW: Final = -(1 << 63)
_HIGH: Final = 1 << 63
_ODD: Final = (
    0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio, made odd: spreads runs of ints
)
_NIL_HASH: Final = 0x6E696C
_TRUE_HASH: Final = 0x74727565
_FALSE_HASH: Final = 0x66616C7365

# Strings are hashed again and again as keys; 4,096 of them are remembered.
_STRING_CACHE_SIZE: Final = 4096
_STRING_CACHE_LENGTH: Final = 64
_string_hashes: dict[str, int] = {}


def digest(data: bytes) -> int:
    """Return the first 64 bits of blake2b of ``data``."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def hash_integer(number: int) -> int:
    """Return the hash of an integer; no two below 2**63 collide."""
    if _LOW <= number < _HIGH:
        mixed = (number * _ODD) & _MASK
        return mixed ^ (mixed >> 32)
    size = number.bit_length() // 8 + 1
    return digest(b"i" + number.to_bytes(size, "little", signed=True))


def hash_string(text: str) -> int:
    """Return the hash of a string."""
    found = _string_hashes.get(text)
    if found is None:
        found = digest(b"s" + text.encode("utf-8", "surrogatepass"))
        if len(text) <= _STRING_CACHE_LENGTH:
            if len(_string_hashes) >= _STRING_CACHE_SIZE:
                _string_hashes.clear()
            _string_hashes[text] = found
    return found


def hash_of(value: Value) -> int:
    """Return the stable hash of any value.

    Raises ``Unrealised`` (DEEP) at the first lazy cell that is not realised.
    Depth of nesting is bounded by memory alone.
    """
    kind = KINDS[type(value)]
    if kind == kinds.STRING:
        return hash_string(value)
    if kind == kinds.INTEGER:
        return hash_integer(value)
    if kind <= kinds.LAST_SCALAR:
        return _hash_scalar(value, kind)
    if kind == kinds.OPAQUE:
        return hash_integer(id(value))  # good for this process alone
    return _hash_collection(value, kind) & _MASK


def lasting_hash(value: Value) -> int:
    """Return the hash of a value that is the same in every process: what a program gets to see.

    What is not data has that of its kind, a function that of its name. Big maps are laid out by ``hash_of``, for
    which ten thousand atoms are no ten thousand collisions.
    """
    kind = KINDS[type(value)]
    if kind == kinds.OPAQUE:
        return _hash_of_no_data(value)
    if kind <= kinds.LAST_SCALAR:
        return hash_of(value)
    found = _hash_collection(value, kind)
    return _hash_collection(value, kind, {}) if found & _PASSING else found


def _hash_of_no_data(value: Value) -> int:
    name = getattr(value, "lasting_name", None)
    return hash_string(type(value).__name__ if name is None else name())


def _hash_scalar(value: Value, kind: int) -> int:
    if kind == kinds.NIL:
        return _NIL_HASH
    if kind == kinds.BOOLEAN:
        return _TRUE_HASH if value else _FALSE_HASH
    if kind == kinds.FLOAT:
        return digest(b"f" + struct.pack("<d", value + 0.0))  # + 0.0 makes -0.0 into 0.0
    if kind == kinds.BYTES:
        return digest(b"b" + value)
    if kind == kinds.DECIMAL:
        return _hash_decimal(value)
    if kind == kinds.UUID:
        return digest(b"u" + value.bytes)
    return int(value.stable_hash())


def _hash_decimal(value: Value) -> int:
    """Hash a decimal so that ``1.0M`` and ``1.00M`` agree."""
    sign, digits, exponent = value.as_tuple()
    lend(len(digits) >> 2)
    text = "".join(map(str, digits))
    stripped = text.rstrip("0")
    if not stripped:
        return digest(b"d0")
    exponent += len(text) - len(stripped)
    return digest(f"d{sign}:{stripped.lstrip('0')}:{exponent}".encode())


# A collection whose elements are being hashed: itself, its kind, what is left, hashes so far.
_Frame: TypeAlias = tuple[Value, int, Iterator[Value], list[int]]
_PASSING: Final = 1 << 64
"""Set in the hash of a collection with something in it that is no data: this process has given it."""
_Remembered: TypeAlias = dict[int, tuple[Value, int]]


def _children(value: Value, kind: int) -> Iterator[Value]:
    if kind == kinds.MAP:
        return chain.from_iterable(value.items())
    if kind == kinds.PARTS:
        return iter(value.parts())
    if kind == kinds.SEQUENCE and value.is_chain:
        return iter(value.iterate_deep())
    return iter(value)


def _hash_collection(value: Value, kind: int, lasting: _Remembered | None = None) -> int:
    """Return the hash of a collection, with _PASSING; without it if ``lasting`` is where to remember hashes."""
    if lasting is None:
        cached: int | None = getattr(value, "cached_hash", None)
        if cached is not None:
            return cached
    due = meter().due
    before = len(due)
    try:
        return _walk(value, kind, lasting)
    finally:
        # Going through a range is charged, but this may have been done before.
        lend_charges(due, before)


def _walk(value: Value, kind: int, lasting: _Remembered | None) -> int:
    stack: list[_Frame] = [(value, kind, _children(value, kind), [])]
    passing: set[int] = set()  # depths of the stack
    # Sequences do not remember their hash; one that stands in many places is hashed once all the same.
    known: _Remembered = {} if lasting is None else lasting
    while True:
        source, kind, values, hashes = stack[-1]
        for child in values:
            child_kind = KINDS[type(child)]
            if child_kind == kinds.INTEGER:
                hashes.append(hash_integer(child))
                continue
            if child_kind <= kinds.LAST_SCALAR:
                hashes.append(hash_of(child))
                continue
            if child_kind == kinds.OPAQUE:
                hashes.append(hash_of(child) if lasting is None else _hash_of_no_data(child))
                passing.add(len(stack))
                continue
            cached = getattr(child, "cached_hash", None) if lasting is None else None
            if cached is None and id(child) in known:
                cached = known[id(child)][1]
            if cached is not None:
                hashes.append(cached & _MASK)
                if cached & _PASSING:
                    passing.add(len(stack))
                continue
            stack.append((child, child_kind, _children(child, child_kind), []))
            break
        else:
            lend(len(hashes) >> 1)
            result = _combine(kind, hashes)
            if kind == kinds.MAP and source.record is not None:
                result ^= hash_string(source.record)
            depth = len(stack)
            whole = result | _PASSING if lasting is None and depth in passing else result
            if lasting is None and hasattr(source, "cached_hash"):
                source.cached_hash = whole
            else:
                known[id(source)] = (source, whole)  # kept, so that no other gets its place
            stack.pop()
            if not stack:
                return whole
            stack[-1][3].append(result)
            if depth in passing:
                passing.discard(depth)
                passing.add(depth - 1)


def _combine(kind: int, hashes: list[int]) -> int:
    if kind == kinds.MAP:
        pairs = sorted(zip(hashes[::2], hashes[1::2], strict=True))
        return digest(b"m" + struct.pack(f"<{len(hashes)}Q", *chain.from_iterable(pairs)))
    if kind == kinds.SET:
        return digest(b"e" + struct.pack(f"<{len(hashes)}Q", *sorted(hashes)))
    tag = b"p" if kind == kinds.PARTS else b"q"
    return digest(tag + struct.pack(f"<{len(hashes)}Q", *hashes))
