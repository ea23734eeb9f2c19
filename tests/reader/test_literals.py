"""What single tokens mean."""

from __future__ import annotations

import math
from decimal import Decimal
from uuid import UUID

import pytest

from flowmetal.errors import ReadError
from flowmetal.reader import read_string
from flowmetal.values import (
    Duration,
    ErrorValue,
    Instant,
    Regex,
    RunRef,
    Secret,
    TaggedLiteral,
    Value,
    char,
    hash_map,
    keyword,
    ratio,
    symbol,
)

# fmt: off
NUMBERS = [
    ("0", 0), ("-0", 0), ("+7", 7), ("-12", -12), ("1_000", 1000), ("1N", 1), ("-1N", -1),
    ("0xF", 15), ("-0Xff", -255), ("0xFN", 15), ("010", 8), ("00", 0), ("2r101", 5), ("-36rZ", -35),
    ("1.5", 1.5), ("1.", 1.0), ("-1.5e-3", -0.0015), ("1e3", 1000.0), ("1_0.2_5", 10.25),
    ("1/2", ratio(1, 2)), ("-2/4", ratio(-1, 2)), ("4/2", 2),
    ("1.5M", Decimal("1.5")), ("2M", Decimal(2)), ("1e3M", Decimal("1e3")),
]
# fmt: on


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_numbers_read_as_written(text: str, value: Value) -> None:
    read = read_string(text)
    assert (type(read), read) == (type(value), value)


def test_integers_may_have_more_digits_than_python_reads_at_once() -> None:
    assert read_string("9" * 5_000) == 10**5_000 - 1


def test_symbolic_values_are_floats() -> None:
    assert read_string("##Inf") == math.inf
    assert read_string("##-Inf") == -math.inf
    assert math.isnan(read_string("##NaN"))


# fmt: off
WITHOUT_MEANING = [
    ("12ab", "FM0020"), ("08", "FM0020"), ("1__0", "FM0020"), ("1_", "FM0020"), ("37r1", "FM0020"),
    ("2r12", "FM0020"), ("1.5N", "FM0020"), ("1/2M", "FM0020"), ("1/", "FM0020"), ("0x", "FM0020"),
    ("1.2.3", "FM0020"), ("1'", "FM0020"), ("1/0", "FM0021"), ("-3/00", "FM0021"),
    ("9" * 70_000, "FM0022"), ("1e99999999999M", "FM0022"),
    ('"\\q"', "FM0023"), ('"\\u12"', "FM0023"), ('"\\xZ1"', "FM0023"), ('"\\ud800"', "FM0023"),
    ('"\ud800"', "FM0023"), ("\\ud800", "FM0023"), ("\\foo", "FM0024"), ("\\o777", "FM0024"),
    ("a/", "FM0025"), ("/a", "FM0025"), ("a/b/c", "FM0025"), ("a::b", "FM0025"), ("a:", "FM0025"),
    (":", "FM0025"), ("::", "FM0025"), (":a/1", "FM0025"), (":a/", "FM0025"), ("::a/b", "FM0026"),
    ("##Infinity", "FM0027"), ("##", "FM0027"), ('#inst "soon"', "FM0029"),
    ('#inst "2026-02-30"', "FM0029"), ("#dur 5", "FM0029"), ('#dur "5"', "FM0029"),
    ('#uuid "1"', "FM0029"), ('#bytes "*"', "FM0029"), ("#flow/run 1", "FM0029"),
    ("#error {:type 1}", "FM0029"), ("#error 1", "FM0029"),
    ("#=(+ 1 2)", "FM0015"), ("#<obj>", "FM0015"), ("#", "FM0015"), ("# a", "FM0015"),
    ("\x00", "FM0001"), ("a\u200bb", "FM0001"), ("\u202e", "FM0001"), ("\ud800", "FM0001"),
]
# fmt: on


@pytest.mark.parametrize(("text", "code"), WITHOUT_MEANING)
def test_what_has_no_meaning_is_an_error_with_its_code(text: str, code: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_string(text)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\n\t\r\b\f\"\\"', '\n\t\r\b\f"\\'),
        (r'"\u00e9\x41\101\0\377\47"', "éAA\0ÿ'"),
        (r'"\ud83d\ude00"', "😀"),
        ('"a\nb"', "a\nb"),
        ('"; #_ ("', "; #_ ("),
        ('""', ""),
    ],
)
def test_strings_read_with_their_escapes(text: str, value: str) -> None:
    assert read_string(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("\\a", "a"),
        ("\\newline", "\n"),
        ("\\space", " "),
        ("\\tab", "\t"),
        ("\\return", "\r"),
        ("\\backspace", "\b"),
        ("\\formfeed", "\f"),
        ("\\u00e9", "é"),
        ("\\u", "u"),
        ("\\o101", "A"),
        ("\\o", "o"),
        ("\\(", "("),
        ('\\"', '"'),
        ("\\\\", "\\"),
        ("\\;", ";"),
        ("\\😀", "😀"),
    ],
)
def test_characters_read_by_name_code_or_themselves(text: str, value: str) -> None:
    assert read_string(text) == char(value)


def test_a_character_ends_where_a_bracket_begins() -> None:
    assert list(read_string("[\\a\\b]")) == [char("a"), char("b")]


# fmt: off
SYMBOLS = [
    "a", "a.b", "+kebab-style+", "*earmuffs*", "http/post!", "/", "ns//", "a'", "->x", "%", "%1", "%&",
    "&", ".", "..", ".m", "C.", "<=", "-", "+", "-a", "+a", "x#", "a:b", "é", "λ/µ", "->>", "*'", "a%",
]
# fmt: on


@pytest.mark.parametrize("text", SYMBOLS)
def test_symbols_read_as_they_are_written(text: str) -> None:
    assert read_string(text) == symbol(text)


@pytest.mark.parametrize("text", ["a", "a/b", "a.b/c", "1", "+", "/", "a#", "a'b", "-"])
def test_keywords_read_as_they_are_written(text: str) -> None:
    assert read_string(f":{text}") is keyword(text)


def test_constants_are_not_symbols() -> None:
    assert list(read_string("[nil true false]")) == [None, True, False]


@pytest.mark.parametrize("text", [":-", "|-", "⊢"])
def test_all_three_marks_of_ascription_read_as_one_keyword(text: str) -> None:
    assert read_string(text) is keyword("-")


def test_a_regular_expression_keeps_its_text() -> None:
    assert read_string(r'#"a\"b\d+"') == Regex(r"a\"b\d+")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('#inst "1970-01-01T00:00:01.5Z"', Instant(1_500_000)),
        ('#inst "1970"', Instant(0)),
        ('#inst "1970-01-01T01:00:00+01:00"', Instant(0)),
        ('#dur "1h30m"', Duration(5_400_000_000)),
        ('#dur "200ms"', Duration(200_000)),
        ('#dur "PT5M"', Duration(300_000_000)),
        ('#secret "stripe"', Secret("stripe")),
        ('#bytes "AAH/"', b"\x00\x01\xff"),
        ('#flow/run "7f3c"', RunRef("7f3c")),
        (
            '#uuid "123e4567-e89b-12d3-a456-426614174000"',
            UUID("123e4567-e89b-12d3-a456-426614174000"),
        ),
        ("#error {:type :a :message nil :data {}}", ErrorValue(keyword("a"), None)),
        (
            "#shop/Order {:id 1}",
            TaggedLiteral(symbol("shop/Order"), hash_map([(keyword("id"), 1)])),
        ),
        ("#a #b 1", TaggedLiteral(symbol("a"), TaggedLiteral(symbol("b"), 1))),
    ],
)
def test_tagged_literals_read_as_their_values(text: str, value: Value) -> None:
    assert read_string(text) == value
