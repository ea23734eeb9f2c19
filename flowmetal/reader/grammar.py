"""The grammar: tokens that balance become nodes, by PLY's LALR parser.

The parser keeps its own stack, so that nesting has no limit, and knows no
values. Brackets already match when tokens come here (``delimiters.py``), so
the one mistake left is a prefix before nothing: ``(f ')``. The ``error``
production turns it into a MISSING node and goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Protocol, SupportsIndex

from flowmetal.reader.nodes import Kind, Node
from flowmetal.reader.ply_recipe import (
    Lazily,
    Token,
    build_parser,
    make_token,
    production,
    run_parser,
)
from flowmetal.reader.tokens import ATOMS, OPENERS, PREFIXES, TERMINALS


class _Parser(Protocol):
    def errok(self) -> None: ...


class _Slice(Protocol):
    """What an action sees: the symbols of its production, from its left side on."""

    slice: list[Any]
    parser: _Parser

    def __setitem__(self, index: SupportsIndex, value: object) -> None: ...


tokens = TERMINALS
_KINDS = {kind.name: kind for kind in Kind} | {f"{kind.name}_OPEN": kind for kind in Kind}


@production("program", ["items END"])
def p_program(p: _Slice) -> None:
    p[0] = p.slice[1].value


@production("items", [""])
def p_items_empty(p: _Slice) -> None:
    p[0] = []


# Atoms are listed here and below instead of being forms: one reduction less for most tokens.
@production("items", [f"items {atom}" for atom in ATOMS])
def p_items_atom(p: _Slice) -> None:
    target, items, token = p.slice
    items.value.append(_atom(token))
    target.value = items.value


@production("items", ["items form", "items discarded"])
def p_items(p: _Slice) -> None:
    target, items, form = p.slice
    if form.value is not None:
        items.value.append(form.value)
    target.value = items.value


@production("discarded", ["DISCARD operand"])
def p_discarded(p: _Slice) -> None:
    _, prefix, operand = p.slice
    missing = operand.value.kind is Kind.MISSING
    p[0] = _prefixed(prefix, operand.value) if missing else None


@production("form", [f"{opener} items {closer}" for opener, closer in OPENERS.items()])
def p_collection(p: _Slice) -> None:
    target, opener, items, closer = p.slice
    kind = _KINDS[opener.type]
    target.value = Node(kind, opener.lexpos, closer.lexpos + 1, opener.value, items.value)


@production("form", [f"{prefix} operand" for prefix in PREFIXES])
def p_prefixed(p: _Slice) -> None:
    _, prefix, operand = p.slice
    p[0] = _prefixed(prefix, operand.value)


@production("form", ["META operand operand"])
def p_meta(p: _Slice) -> None:
    _, prefix, metadata, target = p.slice
    p[0] = _prefixed(prefix, metadata.value, target.value)


@production("operand", ["skipped form"])
def p_operand(p: _Slice) -> None:
    p[0] = p.slice[2].value


@production("operand", [f"skipped {atom}" for atom in ATOMS])
def p_operand_atom(p: _Slice) -> None:
    p[0] = _atom(p.slice[2])


@production("operand", ["skipped error"])
def p_operand_missing(p: _Slice) -> None:
    offset = p.slice[2].lexpos
    p[0] = Node(Kind.MISSING, offset, offset, "")
    p.parser.errok()


@production("skipped", ["", "skipped discarded"])
def p_skipped(p: _Slice) -> None:
    p[0] = None


def p_error(token: Token | None) -> None:
    """Do nothing: the ``error`` production says what is missing."""


def _atom(token: Token) -> Node:
    start, text = token.lexpos, token.value
    return Node(_KINDS[token.type], start, start + len(text), text)


def _prefixed(prefix: Token, *operands: Node) -> Node:
    kind = _KINDS[prefix.type]
    return Node(kind, prefix.lexpos, operands[-1].end, prefix.value, operands)


_parser = Lazily(lambda: build_parser(sys.modules[__name__], "program"))


def parse(balanced: Sequence[Token], end: int) -> list[Node]:
    """Parse tokens whose brackets match into the top-level nodes; ``end`` is the text's length."""
    stream = [*balanced, make_token("END", "", end)]
    nodes: list[Node] = run_parser(_parser(), stream)
    if any(token.type == "UNREADABLE" for token in balanced):
        # What cannot be read is wrong in a discarded form too, where no node holds it.
        held = _unreadable_offsets(nodes)
        nodes += [_atom(t) for t in balanced if t.type == "UNREADABLE" and t.lexpos not in held]
        nodes.sort(key=lambda node: node.start)
    return nodes


def _unreadable_offsets(nodes: Sequence[Node]) -> set[int]:
    found: set[int] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node.kind is Kind.UNREADABLE:
            found.add(node.start)
        waiting.extend(node.children)
    return found
