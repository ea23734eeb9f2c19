"""Keywords, symbols and names of vars.

A keyword is interned: two with the same text are one object, compared by
identity, for as long as anybody holds it. (The table is weak: keys of JSON
objects from outside become keywords, and must not stay for ever.) A symbol is
not; it carries metadata and the place it was read from.
"""

from __future__ import annotations

import re
from _thread import RLock
from _weakref import ref
from functools import cache
from typing import ClassVar, Final

from flowmetal.source import Span
from flowmetal.values import kinds
from flowmetal.values.hashing import digest
from flowmetal.values.kinds import Value


def split_name(text: str) -> tuple[str | None, str]:
    """Split ``ns/name`` at its first slash; ``/`` and ``/x`` have no namespace."""
    at = text.find("/")
    return (None, text) if at <= 0 else (text[:at], text[at + 1 :])


# What ends a name in a text: white space, brackets and the like, invisible characters.
_STOPS: Final = (
    r"\s,\"();\[\]{}\\^@`~"
    r"\x00-\x08\x0e-\x1b\x7f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff"
)


@cache
def _keyword_text() -> re.Pattern[str]:
    part = rf"(?!:)(?:(?!::|:(?:/|\Z))[^/{_STOPS}])+"
    return re.compile(rf"/|{part}(?:/(?:/|(?![0-9]){part}))?")


def reads_as_keyword(text: str) -> bool:
    """Say whether the reader takes ``:`` and this text for one keyword."""
    return _keyword_text().fullmatch(text) is not None


class Keyword:
    """An interned name that means itself. Made by ``keyword`` and ``Keyword.of`` only."""

    __slots__ = ("__weakref__", "_hash", "name", "ns", "packed", "text")
    flow_kind: ClassVar[int] = kinds.KEYWORD

    ns: str | None
    name: str
    text: str
    packed: Value  # the codec's, which would make it again for each use
    _hash: int

    @staticmethod
    def of(ns: str | None, name: str) -> Keyword:
        """Return the keyword ``:ns/name``, or ``:name`` if ``ns`` is None."""
        return keyword(name if ns is None else f"{ns}/{name}")

    def stable_hash(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f":{self.text}"

    def __copy__(self) -> Keyword:
        return self

    def __deepcopy__(self, memo: object) -> Keyword:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return keyword, (self.text,)


class _Interned(ref[Keyword]):
    """A weak reference that knows its place in the table."""

    __slots__ = ("text",)
    text: str


_interned: Final[dict[str, _Interned]] = {}
_interning: Final = RLock()


def keyword(text: str) -> Keyword:
    """Return the keyword with the text ``name`` or ``ns/name`` (without the colon)."""
    entry = _interned.get(text)
    if entry is not None:
        found = entry()
        if found is not None:
            return found
    return _intern(text)


def _intern(text: str) -> Keyword:
    made = Keyword()
    made.text = text
    made.packed = None
    made.ns, made.name = split_name(text)
    made._hash = digest(b"k" + text.encode("utf-8", "surrogatepass"))
    entry = _Interned(made, _forget)
    entry.text = text
    with _interning:
        known = _interned.get(text)
        found = None if known is None else known()
        if found is not None:
            return found
        _interned[text] = entry
    return made


def _forget(entry: _Interned) -> None:
    # The lock is re-entrant: a collection may start in the very thread that is interning.
    with _interning:
        if _interned.get(entry.text) is entry:
            del _interned[entry.text]


class Symbol:
    """A name that means something else; equal to a symbol of the same namespace and name."""

    __slots__ = ("meta", "name", "ns", "span", "text")
    flow_kind: ClassVar[int] = kinds.SYMBOL

    def __init__(
        self, ns: str | None, name: str, meta: Value = None, span: Span | None = None
    ) -> None:
        self.ns = ns
        self.name = name
        self.text = name if ns is None else f"{ns}/{name}"
        self.meta = meta
        self.span = span

    def with_meta(self, meta: Value) -> Symbol:
        """Return the same symbol with other metadata."""
        return Symbol(self.ns, self.name, meta, self.span)

    def stable_hash(self) -> int:
        return digest(b"y" + self.text.encode("utf-8", "surrogatepass"))

    def __eq__(self, other: object) -> bool:
        if type(other) is not Symbol:
            return NotImplemented
        return self.text == other.text and self.ns == other.ns

    def __hash__(self) -> int:
        return hash(self.text) ^ 0x5D

    def __repr__(self) -> str:
        return self.text


def symbol(text: str, span: Span | None = None) -> Symbol:
    """Return a symbol from the text ``name`` or ``ns/name``."""
    ns, name = split_name(text)
    return Symbol(ns, name, None, span)


class VarRef:
    """A var as a value, ``#'ns/name``: a name that the machine looks up."""

    __slots__ = ("name",)
    flow_kind: ClassVar[int] = kinds.NAMED

    def __init__(self, name: str) -> None:
        self.name = name

    def stable_hash(self) -> int:
        return digest(b"v" + self.name.encode("utf-8", "surrogatepass"))

    def __eq__(self, other: object) -> bool:
        return type(other) is VarRef and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name) ^ 0x27

    def __repr__(self) -> str:
        return f"#'{self.name}"
