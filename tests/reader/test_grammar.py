"""Tokens become nodes, and PLY has nothing to complain about."""

from __future__ import annotations

import types

import pytest

from flowmetal.reader.grammar import parse
from flowmetal.reader.nodes import Kind, Node
from flowmetal.reader.ply_recipe import build_lexer, build_parser, production
from flowmetal.reader.tokens import ATOMS, PREFIXES, tokenize


def parsed(text: str) -> list[Node]:
    return parse(tokenize(text), len(text))


def shape(node: Node) -> str:
    inside = " ".join(map(shape, node.children))
    return f"{node.kind.name}({inside})" if inside else node.kind.name


def test_nodes_stand_where_their_text_does() -> None:
    (form,) = parsed("  (ab 'c)")
    assert (form.start, form.end) == (2, 9)
    assert [(child.start, child.end, child.text) for child in form.children] == [
        (3, 5, "ab"),
        (6, 8, "'"),
    ]


def test_a_prefix_before_nothing_gets_a_missing_node_and_parsing_goes_on() -> None:
    assert [shape(node) for node in parsed("(a ') [^b] 'c")] == [
        "LIST(SYMBOL QUOTE(MISSING))",
        "VECTOR(META(SYMBOL MISSING))",
        "QUOTE(SYMBOL)",
    ]


def test_discarded_forms_leave_no_nodes() -> None:
    assert [shape(node) for node in parsed("(#_a b #_#_c d) '#_e f")] == [
        "LIST(SYMBOL)",
        "QUOTE(SYMBOL)",
    ]


def test_every_atom_and_prefix_is_a_kind_of_node() -> None:
    assert {*ATOMS, *PREFIXES} <= {kind.name for kind in Kind}


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("a'b x#", ["SYMBOL", "SYMBOL"]),
        ("-1 -a +", ["NUMBER", "SYMBOL", "SYMBOL"]),
        ("\\a\\(b", ["CHAR", "CHAR"]),
        ("#:a{} #::{}", ["NAMESPACED_MAP", "MAP_OPEN", "CURLY_CLOSE"] * 2),
        (
            "#?@() #?()",
            ["SPLICED", "LIST_OPEN", "ROUND_CLOSE", "CONDITIONAL", "LIST_OPEN", "ROUND_CLOSE"],
        ),
        ('#"a" "b" "c', ["REGEX", "STRING", "UNCLOSED_STRING"]),
        ("~@a ~a", ["UNQUOTE_SPLICING", "SYMBOL", "UNQUOTE", "SYMBOL"]),
        ("#^a ^b", ["META", "SYMBOL", "META", "SYMBOL"]),
        ('a"b"', ["SYMBOL", "STRING"]),
        ("\xa0a\u3000b\u2028c", ["SYMBOL"] * 3),
        ("# \\", ["UNREADABLE", "UNREADABLE"]),
    ],
)
def test_texts_are_cut_into_tokens(text: str, kinds: list[str]) -> None:
    assert [token.type for token in tokenize(text)] == kinds


def test_a_complaint_of_ply_is_our_bug() -> None:
    broken = types.ModuleType("broken")
    broken.tokens = ("A",)  # type: ignore[attr-defined]
    broken.__file__ = __file__

    @production("form", ["A unknown"])
    def p_form(p: object) -> None: ...

    broken.p_form = p_form  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match="unknown"):
        build_parser(broken, "form")


def test_a_lexer_without_its_error_rule_is_our_bug() -> None:
    broken = types.ModuleType("broken")
    broken.tokens = ("A",)  # type: ignore[attr-defined]
    broken.t_A = "a"  # type: ignore[attr-defined]
    broken.__file__ = __file__
    with pytest.raises(AssertionError, match="t_error"):
        build_lexer(broken)
