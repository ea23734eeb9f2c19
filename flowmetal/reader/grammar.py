"""The grammar: tokens that balance become nodes, by PLY's LALR parser.

The parser keeps its own stack, so that nesting has no limit, and knows no
values. Brackets already match when tokens come here (``delimiters.py``), so
the one mistake left is a prefix before nothing: ``(f ')``. The ``error``
production turns it into a MISSING node and goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Protocol, SupportsIndex, TypeAlias, cast

from flowmetal.reader.nodes import Kind, Node
from flowmetal.reader.ply_recipe import (
    Lazily,
    Token,
    build_parser,
    make_token,
    production,
    run_parser,
)
from flowmetal.reader.tokens import TERMINALS


class _Parser(Protocol):
    def errok(self) -> None: ...


class _Slice(Protocol):
    """The slice of the stack that an action sees."""

    slice: list[Token]
    parser: _Parser

    def __getitem__(self, index: SupportsIndex) -> object: ...
    def __setitem__(self, index: SupportsIndex, value: object) -> None: ...


_Nodes: TypeAlias = list[Node]
tokens = TERMINALS


@production("program : items END")
def p_program(p: _Slice) -> None:
    p[0] = p[1]


@production("items : ")
def p_items_empty(p: _Slice) -> None:
    p[0] = []


@production(
    """items : items form
             | items discarded"""
)
def p_items(p: _Slice) -> None:
    items, node = cast(_Nodes, p[1]), cast("Node | None", p[2])
    if node is not None:
        items.append(node)
    p[0] = items


@production("discarded : DISCARD operand")
def p_discarded(p: _Slice) -> None:
    operand = cast(Node, p[2])
    missing = operand.kind is Kind.MISSING
    p[0] = _prefixed(p.slice[1], Kind.DISCARD, operand) if missing else None


@production(
    """form : NUMBER
            | STRING
            | CHAR
            | KEYWORD
            | SYMBOL
            | REGEX
            | SYMBOLIC
            | UNREADABLE
            | BROKEN"""
)
def p_atom(p: _Slice) -> None:
    token = p.slice[1]
    text = token.value
    p[0] = Node(Kind[token.type], token.lexpos, token.lexpos + len(text), text)


@production(
    """form : LIST_OPEN items ROUND_CLOSE
            | VECTOR_OPEN items SQUARE_CLOSE
            | MAP_OPEN items CURLY_CLOSE
            | SET_OPEN items CURLY_CLOSE
            | FN_OPEN items ROUND_CLOSE"""
)
def p_collection(p: _Slice) -> None:
    opener, closer = p.slice[1], p.slice[3]
    kind = Kind[opener.type.removesuffix("_OPEN")]
    p[0] = Node(kind, opener.lexpos, closer.lexpos + 1, opener.value, cast(_Nodes, p[2]))


@production(
    """form : QUOTE operand
            | SYNTAX_QUOTE operand
            | UNQUOTE operand
            | UNQUOTE_SPLICING operand
            | DEREF operand
            | VAR operand
            | READ_EVAL operand
            | TAG operand
            | NAMESPACED_MAP operand
            | CONDITIONAL operand
            | SPLICED operand"""
)
def p_prefixed(p: _Slice) -> None:
    prefix = p.slice[1]
    p[0] = _prefixed(prefix, Kind[prefix.type], cast(Node, p[2]))


@production("form : META operand operand")
def p_meta(p: _Slice) -> None:
    p[0] = _prefixed(p.slice[1], Kind.META, cast(Node, p[2]), cast(Node, p[3]))


@production("operand : skipped form")
def p_operand(p: _Slice) -> None:
    p[0] = p[2]


@production("operand : skipped error")
def p_operand_missing(p: _Slice) -> None:
    offset = p.slice[2].lexpos
    p[0] = Node(Kind.MISSING, offset, offset, "")
    p.parser.errok()


@production(
    """skipped :
               | skipped discarded"""
)
def p_skipped(p: _Slice) -> None:
    p[0] = None


def p_error(token: Token | None) -> None:
    """Do nothing: the ``error`` production says what is missing."""


def _prefixed(prefix: Token, kind: Kind, *operands: Node) -> Node:
    return Node(kind, prefix.lexpos, operands[-1].end, prefix.value, operands)


_parser = Lazily(lambda: build_parser(sys.modules[__name__], "program"))


def parse(balanced: Sequence[Token], end: int) -> list[Node]:
    """Parse tokens whose brackets match into the top-level nodes; ``end`` is the text's length."""
    stream = [*balanced, make_token("END", "", end)]
    nodes: list[Node] = run_parser(_parser(), stream)
    return nodes
