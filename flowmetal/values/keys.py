"""What stands for a key inside of a Python dictionary.

Python says ``1 == 1.0 == True == Decimal(1)``, the language does not. Keys
that Python could mistake for another go into the dictionary in a wrapper;
all others stand for themselves.
"""

from __future__ import annotations

from typing import Final

from flowmetal.values import kinds
from flowmetal.values.hashing import hash_of
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.names import Keyword

# The keys that real programs have, told apart by one look-up.
PLAIN_KEYS: Final = frozenset({str, Keyword, int, type(None)})

_WRAPPED_KINDS: Final = frozenset({kinds.BOOLEAN, kinds.FLOAT, kinds.DECIMAL, kinds.BYTES})


class WrappedKey:
    """A key that Python's own equality would mistake for another."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is WrappedKey
            and type(self.value) is type(other.value)
            and bool(self.value == other.value)
        )

    def __hash__(self) -> int:
        return hash(self.value) ^ 0x6B


MANY: Final = 256
"""So many keys may share a hash in a dictionary before anybody would notice (some milliseconds)."""

_MODULUS: Final = (1 << 61) - 1  # Python hashes an integer by its rest, so its multiples collide

_CHOSEN_KINDS: Final = frozenset(
    {kinds.RATIO, kinds.DECIMAL, kinds.INSTANT, kinds.DURATION, kinds.UUID}
)
"""Kinds that Python hashes by integers inside of them: whoever chooses the keys chooses the hashes."""


class LargeKey(WrappedKey):
    """A key whose hash whoever chose it cannot have chosen; for dictionaries of many keys."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is LargeKey
            and type(self.value) is type(other.value)
            and bool(self.value == other.value)
        )

    def __hash__(self) -> int:
        return hash_of(self.value)


def key_of_many(value: Value) -> Value:
    """Return what stands for ``value`` in a dictionary of more than ``MANY`` keys."""
    if type(value) is int:
        return value if -_MODULUS < value < _MODULUS else LargeKey(value)
    return LargeKey(value) if KINDS[type(value)] in _CHOSEN_KINDS else key_of(value)


def key_of(value: Value) -> Value:
    """Return what stands for ``value`` in a dictionary."""
    if type(value) in PLAIN_KEYS or KINDS[type(value)] not in _WRAPPED_KINDS:
        return value
    return WrappedKey(value)


def value_of_key(key: Value) -> Value:
    """Return the value that ``key`` stands for."""
    return key.value if isinstance(key, WrappedKey) else key
