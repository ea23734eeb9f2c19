"""What a text is read with: who knows aliases, names and tags, and which features count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flowmetal.values.kinds import Value
from flowmetal.values.names import Symbol

TagReader = Callable[[Value], Value]


def _no_aliases(alias: str | None) -> str | None:
    return "user" if alias is None else None


def _unresolved(symbol: Symbol) -> Symbol:
    return symbol


def _no_tags(tag: Symbol) -> TagReader | None:
    return None


@dataclass(slots=True)
class ReadOptions:
    """The surroundings of a read. They are asked form by form and may change in between.

    ``resolve_alias`` answers ``::alias/name`` with the namespace that the
    alias stands for (None: unknown) and ``::name``, asked with None, with the
    current one. ``resolve_symbol`` qualifies a symbol inside a syntax quote; it
    leaves special forms and ``&`` alone and keeps the span. ``tag_reader``
    gives the function for a tag that is not built in, or None, and then the
    form is read as a tagged literal; a ValueError of that function is an
    error at the form. Fresh names (``fresh.py``) need nothing from outside;
    ``next_number``, if given, replaces the number that counts them in a form.

    ``edn`` reads data only: quotes, function literals, reader conditionals
    and ``::`` are errors, and ``#'ns/name`` is a var as a value.
    """

    features: frozenset[str] = frozenset({"flow"})
    resolve_alias: Callable[[str | None], str | None] = _no_aliases
    resolve_symbol: Callable[[Symbol], Symbol] = _unresolved
    tag_reader: Callable[[Symbol], TagReader | None] = _no_tags
    next_number: Callable[[], int] | None = None
    edn: bool = False
