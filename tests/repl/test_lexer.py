from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import pytest
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, String

from flowmetal.reader.tokens import tokenize
from flowmetal.repl.lexer import FlowLexer
from flowmetal.repl.vocabulary import BODY_FORMS, DEFINITIONS, MACROS

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("flowmetal", "examples", "tests")
    for path in (ROOT / folder).rglob("*.flow")
)

LITERALS = (
    "2r101 0xF 010 1_000 1N 1/2 -1.5e-3 1.5M 36rZZ +7 ##Inf ##-Inf ##NaN nil true false "
    '\\a \\newline \\u00e9 \\o101 \\( \\" "a\\n\\"b\\u00e9\\x41\\000" "two\nlines" #"\\d+(a|b)" '
    ":a :a/b ::a ::s/a a a.b +kebab-style+ *earmuffs* http/post! / a// % %1 %& x# & -> <=> "
    "[1 2] (a b) {:a 1, :b 2} #{1 2} #(+ % 1) #'a/b @a 'a `(a ~b ~@c) ^:private a ^{:a 1} b #^:c d "
    '#_ ignored #inst "2020-01-01" #uuid "x" #dur "1h30m" #secret "n" #my.ns/Order{:a 1} #:ns{:a 1} '
    "#?(:flow 1 :default 2) #?@(:flow [1]) :- |- ⊢ naïve 数"
)


def tokens_of(text: str) -> list[tuple[object, str]]:
    lexer = FlowLexer(stripnl=False, ensurenl=False)
    return [(kind, value) for kind, value in lexer.get_tokens(text) if value.strip(" \n,")]


def kind_of(text: str) -> object:
    ((kind, value),) = tokens_of(text)
    assert value == text
    return kind


def test_pygments_finds_the_lexer_by_name_and_by_file() -> None:
    assert get_lexer_by_name("flow").name == get_lexer_by_name("flowmetal").name == "Flowmetal"
    assert get_lexer_for_filename("orders.flow").name == "Flowmetal"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_source_of_the_tree_is_cut_without_errors_and_without_loss(path: Path) -> None:
    text = path.read_text("utf-8")
    found = list(FlowLexer().get_tokens_unprocessed(text))
    assert "".join(value for _, _, value in found) == text
    lengths = [len(value) for _, _, value in found]
    assert [offset for offset, _, _ in found] == list(accumulate(lengths, initial=0))[:-1]
    assert [value for _, kind, value in found if kind is Error] == []


def test_every_literal_is_one_token_where_the_reader_has_one() -> None:
    ours = list(FlowLexer().get_tokens_unprocessed(LITERALS))
    assert "".join(value for _, _, value in ours) == LITERALS
    assert [value for _, kind, value in ours if kind is Error] == []
    starts = {offset for offset, kind, _ in ours if kind not in String.Escape}
    assert {token.lexpos for token in tokenize(LITERALS)} <= starts
    whole = {(offset, value) for offset, _, value in ours}
    strings = {"STRING"}
    assert {
        (token.lexpos, token.value) for token in tokenize(LITERALS) if token.type not in strings
    } <= whole


@pytest.mark.parametrize("text", ["2r101", "0xF", "010", "1_000", "1N", "-12", "+7", "36rZZ"])
def test_an_integer_looks_like_one(text: str) -> None:
    assert kind_of(text) is Number.Integer


@pytest.mark.parametrize("text", ["12ab", "2r12", "1__0", "0xG", "1.2.3"])
def test_a_number_that_is_none_is_an_error(text: str) -> None:
    assert kind_of(text) is Error


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (":a/b", String.Symbol), ("\\(", String.Char), ('#"a"', String.Regex), ("nil", Keyword.Constant),
        ("⊢", Operator), ("*out*", Name.Variable.Global), ("; a (comment", Comment.Single),
        ("#!/usr/bin/env fmvm", Comment.Single), ("#_", Comment.Preproc), ('"open', String),
        ("a", Name.Variable),
    ],
)  # fmt: skip
def test_a_token_looks_like_what_it_is(text: str, kind: object) -> None:
    assert kind_of(text) is kind


def test_what_a_definition_names_stands_out() -> None:
    kinds = {value: kind for kind, value in tokens_of("(defn ^:private total [xs] (sum xs))")}
    assert kinds["defn"] is Keyword.Declaration
    assert kinds["total"] is Name.Function
    assert kinds["sum"] is Name.Function
    assert kinds["xs"] is Name.Variable


@pytest.mark.parametrize(
    "text", ["", "(", ")", '"', "#", "\\", "##", "a\x00b", "~@", "\n\n ;", "#;"]
)
def test_no_text_is_lost_whatever_it_is(text: str) -> None:
    found = FlowLexer().get_tokens_unprocessed(text)
    assert "".join(value for _, _, value in found) == text


def test_the_vocabulary_names_what_there_is() -> None:
    from flowmetal.embed.library import library
    from flowmetal.embed.special_documentation import SPECIAL

    core = {
        d.name.partition("/")[2] for m in library() for d in m.definitions if m.name == "flow.core"
    }
    known = core | SPECIAL.keys()
    later = {"match", "condp", "as->", "case", "defnative"}
    assert sorted((MACROS | DEFINITIONS | BODY_FORMS) - known - later) == []
