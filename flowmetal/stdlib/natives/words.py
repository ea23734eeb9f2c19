"""The text of single values, for formats that know nothing but text: URLs, CSV."""

from __future__ import annotations

from flowmetal.stdlib.natives.arguments import wrong
from flowmetal.values import (
    Char,
    Duration,
    Instant,
    Keyword,
    Ratio,
    Symbol,
    Value,
    display_top,
    kind_of,
    kinds,
)

_SINGLE = frozenset({bool, int, float, Ratio, Char, Symbol, Instant, Duration})
_LATE = frozenset({kinds.DECIMAL, kinds.UUID})
"""Kinds of classes whose modules are loaded only by programs that use them."""


def words_of(value: Value) -> str | None:
    """Return the text of a single value, keywords without their colon; None for what is not one."""
    if type(value) is str:
        return value
    if type(value) is Keyword:
        return value.text
    single = type(value) in _SINGLE or kind_of(value) in _LATE
    return display_top(value) if single else None


def need_words(function: str, position: int, value: Value) -> str:
    """Return the text of ``value``, which must be a string, number, keyword or the like."""
    found = words_of(value)
    if found is None:
        raise wrong(function, "strings, numbers, keywords or booleans", position, value)
    return found
