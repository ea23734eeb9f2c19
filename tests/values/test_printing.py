"""Printing."""

from __future__ import annotations

import math
from decimal import Decimal
from uuid import UUID

import pytest

from flowmetal.values import (
    EMPTY_LIST,
    EMPTY_MAP,
    Atom,
    Cons,
    Delay,
    Duration,
    ErrorValue,
    LazySeq,
    Range,
    Reduced,
    Regex,
    Repeat,
    RunRef,
    Secret,
    TaggedLiteral,
    Unrealised,
    VarRef,
    Volatile,
    char,
    describe,
    display,
    display_top,
    hash_map,
    keyword,
    list_of,
    pr_str,
    ratio,
    set_of,
    show,
    symbol,
    vector,
)
from tests.values.strategies import WRAPS, lazy_over, nested

UUID_TEXT = "123e4567-e89b-12d3-a456-426614174000"
A = keyword("a")


class Closure:
    def __flow_print__(self) -> str:
        return "#fn[demo/f]"


# fmt: off
READABLE = [
    (None, "nil"), (True, "true"), (False, "false"), (1, "1"), (ratio(1, 2), "1/2"), (1.0, "1.0"), (Decimal("1.50"), "1.50M"),
    (Decimal("1E+3"), "1E+3M"), (math.nan, "##NaN"), ("a\"b\\c\n\t\r\b\f", r'"a\"b\\c\n\t\r\b\f"'), ("\x1b[31m", r'"\u001b[31m"'),
    ("é☃\U0001f600", '"é☃\U0001f600"'), ("\ud800", r'"\ud800"'), ("\x00\x7f\x85", r'"\u0000\u007f\u0085"'),
    (char("a"), r"\a"), (char("\n"), r"\newline"), (char(" "), r"\space"), (char("\x00"), r"\u0000"), (char('"'), r"\""), (char("\\"), r"\\"),
    (keyword("a/b"), ":a/b"), (symbol("a/b"), "a/b"), (b"\x00\xff", '#bytes "AP8="'), (UUID(UUID_TEXT), f'#uuid "{UUID_TEXT}"'),
    (Duration(200_000), '#dur "200ms"'), (Regex('a"b\\"c\\d'), r'#"a\"b\"c\d"'), (Secret("n"), '#secret "n"'), (RunRef("r"), '#flow/run "r"'),
    (VarRef("a/b"), "#'a/b"), (TaggedLiteral(symbol("my/tag"), vector([1])), "#my/tag [1]"),
    (vector([1, "a", None]), '[1 "a" nil]'), (list_of([1, list_of([])]), "(1 ())"), (EMPTY_LIST, "()"), (vector(), "[]"), (EMPTY_MAP, "{}"),
    (hash_map([(A, 1), (2, vector())]), "{:a 1, 2 []}"), (set_of([1, A]), "#{1 :a}"), (set_of([]), "#{}"),
    (lazy_over([1, 2]), "(1 2)"), (LazySeq(None, None), "()"), (Cons(1, vector([2])), "(1 2)"), (Range(0, 3), "(0 1 2)"), (Repeat(2, A), "(:a :a)"),
    (Atom(vector([1])), "#atom[[1]]"), (Volatile(1), "#volatile[1]"), (Delay(Closure()), "#delay[]"), (Delay(None, 1, True), "#delay[1]"), (Reduced(1), "#reduced[1]"),
    (Closure(), "#fn[demo/f]"), (object(), "#object[object]"),
    (ErrorValue(A, "m"), '#error {:type :a, :message "m", :data {}}'),
    (ErrorValue(A, "m", EMPTY_MAP, ErrorValue(A, "c"), (), True, "FM0301"),
     '#error {:type :a, :message "m", :data {}, :cause #error {:type :a, :message "c", :data {}}, :retryable? true, :code "FM0301"}'),
]
# fmt: on


@pytest.mark.parametrize(("value", "text"), READABLE, ids=lambda x: None)
def test_the_readable_form(value, text):
    assert pr_str(value) == text
    assert pr_str(vector([value])) == f"[{text}]"


@pytest.mark.parametrize(
    ("value", "printed", "as_string"),
    [
        (None, "nil", ""),
        ("a\n", "a\n", "a\n"),
        (char("\n"), "\n", "\n"),
        (vector(["a", char("b"), None]), "[a b nil]", '["a" \\b nil]'),
        (Decimal("1.5"), "1.5M", "1.5"),
        (math.inf, "##Inf", "Infinity"),
        (1e10, "1.0E10", "1.0E10"),
        (Regex("a+"), '#"a+"', "a+"),
        (UUID(UUID_TEXT), f'#uuid "{UUID_TEXT}"', UUID_TEXT),
        (Duration(1_000_000), '#dur "1s"', "1s"),
        (Secret("n"), '#secret "n"', '#secret "n"'),
        (keyword("a"), ":a", ":a"),
        (True, "true", "true"),
    ],
)
def test_print_and_str_write_strings_raw(value, printed, as_string):
    assert display(value) == printed
    assert display_top(value) == as_string


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_hundred_thousand_levels_are_printed(wrap):
    depth = 100_000 if wrap == "vector" else 5_000  # the rest walk the same stack
    assert len(pr_str(nested(depth, wrap))) > 2 * depth


def test_a_cell_that_contains_itself_is_printed():
    cell = Atom(None)
    cell.value = vector([1, cell])
    assert pr_str(cell) == "#atom[[1 #atom[...]]]"
    shared = Atom(1)
    assert pr_str(vector([shared, shared])) == "[#atom[1] #atom[1]]"


def test_limits_of_length_level_and_size():
    assert pr_str(Range(0, None), length=3) == "(0 1 2 ...)"
    assert pr_str(hash_map((n, n) for n in range(5)), length=2) == "{0 0, 1 1, ...}"
    assert pr_str(vector([1, vector([2, vector([3])])]), level=2) == "[1 [2 #]]"
    assert pr_str(vector(range(1000)), limit=12) == "[0 1 2 3 ..."
    assert pr_str("a" * 1000, limit=10) == '"aaaaaa...'
    assert len(pr_str(Repeat(None, "ab"), limit=50)) == 50


def test_an_unrealised_sequence_is_asked_for_and_only_messages_go_without():
    lazy = Cons(1, LazySeq(object()))
    with pytest.raises(Unrealised):
        pr_str(lazy)
    with pytest.raises(Unrealised):
        display(vector([lazy]))
    assert show(lazy) == "(1 ...)"
    assert show(vector([LazySeq(object()), 2])) == "[(...) 2]"


def test_messages_show_at_most_five_elements_and_eighty_characters():
    assert show(vector(range(100))) == "[0 1 2 3 4 ...]"
    assert len(show("x" * 1000)) == 80
    assert show(nested(100_000)).startswith("[[[[[[[[#")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2", 'the string "2"'),
        (None, "nil"),
        (True, "true"),
        (1, "the number 1"),
        (keyword("a"), "the keyword :a"),
        (vector([1]), "the vector [1]"),
        (list_of([1]), "the list (1)"),
        (LazySeq(object()), "the list (...)"),
        (EMPTY_MAP, "the map {}"),
        (Closure(), "#fn[demo/f]"),
        (Secret("n"), '#secret "n"'),
    ],
)
def test_messages_say_what_a_value_is(value, text):
    assert describe(value) == text
