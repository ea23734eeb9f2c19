"""The small values of the language that Python has no type for.

All are immutable, compare by their parts and never equal a value of another
type: a ratio is no float, a character is no string, an instant is no integer.
Times are whole microseconds, so that no value depends on a time zone or on
floating point.
"""

from __future__ import annotations

from math import gcd
from typing import ClassVar, Final

from flowmetal.values import kinds
from flowmetal.values.hashing import digest
from flowmetal.values.kinds import Value
from flowmetal.values.names import Symbol

_CACHED_CHARS: Final = 0x300


class Char:
    """One code point. Made by ``char``; the common ones are shared objects."""

    __slots__ = ("text",)
    flow_kind: ClassVar[int] = kinds.CHAR

    def __init__(self, text: str) -> None:
        assert len(text) == 1
        self.text = text

    def stable_hash(self) -> int:
        return digest(b"c" + self.text.encode("utf-8", "surrogatepass"))

    def __eq__(self, other: object) -> bool:
        return type(other) is Char and self.text == other.text

    def __hash__(self) -> int:
        return ord(self.text) ^ 0x5C00000

    def __repr__(self) -> str:
        return f"\\{self.text}"


_chars: Final[dict[str, Char]] = {}


def char(text: str) -> Char:
    """Return the character with this one-character text."""
    found = _chars.get(text)
    if found is None:
        found = Char(text)
        if ord(text) < _CACHED_CHARS:
            _chars[text] = found
    return found


class Ratio:
    """A fraction in lowest terms that is not an integer. Made by ``ratio``."""

    __slots__ = ("denominator", "numerator")
    flow_kind: ClassVar[int] = kinds.RATIO

    def __init__(self, numerator: int, denominator: int) -> None:
        assert denominator > 1
        self.numerator = numerator
        self.denominator = denominator

    def stable_hash(self) -> int:
        return digest(f"r{self.numerator:x}/{self.denominator:x}".encode())

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is Ratio
            and self.numerator == other.numerator
            and self.denominator == other.denominator
        )

    def __hash__(self) -> int:
        return hash((self.numerator, self.denominator))

    def __repr__(self) -> str:
        return f"{self.numerator}/{self.denominator}"


def ratio(numerator: int, denominator: int) -> Ratio | int:
    """Return ``numerator`` / ``denominator``, an int where it divides; the denominator is not 0."""
    common = gcd(numerator, denominator)
    if denominator < 0:
        common = -common
    numerator //= common
    denominator //= common
    return numerator if denominator == 1 else Ratio(numerator, denominator)


class Regex:
    """A regular expression as data: its pattern and its flags (letters of ``imsux``, sorted)."""

    __slots__ = ("flags", "pattern")
    flow_kind: ClassVar[int] = kinds.NAMED

    def __init__(self, pattern: str, flags: str = "") -> None:
        self.pattern = pattern
        self.flags = flags

    def stable_hash(self) -> int:
        return digest(f"x{self.flags}/{self.pattern}".encode("utf-8", "surrogatepass"))

    def __eq__(self, other: object) -> bool:
        return type(other) is Regex and self.pattern == other.pattern and self.flags == other.flags

    def __hash__(self) -> int:
        return hash(self.pattern) ^ 0x23

    def __repr__(self) -> str:
        return f'#"{self.pattern}"'


class Instant:
    """A moment: microseconds since 1970-01-01T00:00Z, which may be negative."""

    __slots__ = ("us",)
    flow_kind: ClassVar[int] = kinds.INSTANT

    def __init__(self, us: int) -> None:
        self.us = us

    def stable_hash(self) -> int:
        return digest(f"t{self.us}".encode())

    def __eq__(self, other: object) -> bool:
        return type(other) is Instant and self.us == other.us

    def __hash__(self) -> int:
        return hash(self.us) ^ 0x54

    def __repr__(self) -> str:
        return f"Instant({self.us})"


LONGEST_US: Final = 1 << 62
"""Microseconds of the longest duration, some 146,000 years: stores can hold when it is over."""


class Duration:
    """A length of time in microseconds, which may be negative."""

    __slots__ = ("us",)
    flow_kind: ClassVar[int] = kinds.DURATION

    def __init__(self, us: int) -> None:
        self.us = us

    def stable_hash(self) -> int:
        return digest(f"l{self.us}".encode())

    def __eq__(self, other: object) -> bool:
        return type(other) is Duration and self.us == other.us

    def __hash__(self) -> int:
        return hash(self.us) ^ 0x44

    def __repr__(self) -> str:
        return f"Duration({self.us})"


class Secret:
    """The name of a secret. What it names never enters a machine."""

    __slots__ = ("name",)
    flow_kind: ClassVar[int] = kinds.NAMED

    def __init__(self, name: str) -> None:
        self.name = name

    def stable_hash(self) -> int:
        return digest(b"z" + self.name.encode("utf-8", "surrogatepass"))

    def __eq__(self, other: object) -> bool:
        return type(other) is Secret and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name) ^ 0x53

    def __repr__(self) -> str:
        return f'#secret "{self.name}"'


class RunRef:
    """A run, by its id: ``#flow/run "id"``."""

    __slots__ = ("id",)
    flow_kind: ClassVar[int] = kinds.NAMED

    def __init__(self, id: str) -> None:
        self.id = id

    def stable_hash(self) -> int:
        return digest(b"R" + self.id.encode("utf-8", "surrogatepass"))

    def __eq__(self, other: object) -> bool:
        return type(other) is RunRef and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id) ^ 0x52

    def __repr__(self) -> str:
        return f'#flow/run "{self.id}"'


class TaggedLiteral:
    """A literal with a tag that nobody has given a meaning: ``#tag form``."""

    __slots__ = ("form", "tag")
    flow_kind: ClassVar[int] = kinds.PARTS

    def __init__(self, tag: Symbol, form: Value) -> None:
        self.tag = tag
        self.form = form

    def parts(self) -> tuple[Value, ...]:
        """Return what decides equality."""
        return (self.tag, self.form)

    def __eq__(self, other: object) -> bool:
        from flowmetal.values.equality import equal

        return equal(self, other)

    def __hash__(self) -> int:
        from flowmetal.values.hashing import hash_of

        return hash_of(self)
