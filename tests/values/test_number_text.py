"""Numbers as text."""

from __future__ import annotations

import math
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmetal.values import (
    FlowError,
    equal,
    float_text,
    integer_text,
    need_number,
    parse_double,
    parse_long,
    parse_number,
    pr_str,
    ratio,
)
from tests.values.strategies import decimals, floats, integers, ratios

# fmt: off
SPELLINGS = [
    ("0", 0), ("-0", 0), ("+5", 5), ("-12", -12), ("1_000_000", 1_000_000), ("7N", 7), ("0N", 0),
    ("010", 8), ("-017", -15), ("0xF", 15), ("-0Xff", -255), ("0xF_F", 255), ("2r101", 5), ("36rZz", 1295),
    ("1/2", ratio(1, 2)), ("-4/2", -2), ("0/5", 0), ("1_0/4", ratio(5, 2)),
    ("1.5", 1.5), ("1.", 1.0), ("-1.5e-3", -0.0015), ("1e3", 1000.0), ("1E+3", 1000.0), ("1_0.2_5", 10.25), ("1e400", math.inf), ("08.5", 8.5),
    ("1M", D(1)), ("1.50M", D("1.50")), ("-0M", D(0)), ("1e3M", D("1E+3")), ("-1.5E-3M", D("-0.0015")),
    ("##Inf", math.inf), ("##-Inf", -math.inf),
]
NO_NUMBERS = [
    "", "a", "-", "+", ".5", "1__0", "_1", "1_", "08", "1/", "/2", "0x", "0xG", "2r2", "37r1", "1r0", "1.5N", "1e", "1.5.5",
    "1/2/3", "1/-2", "--1", "1 ", " 1", "1M5", "Inf", "NaN", "٣", "1e3.5", "0x1.5", "True", "1\n",
]
FLOATS = [
    (0.0, "0.0"), (-0.0, "-0.0"), (1.0, "1.0"), (100.0, "100.0"), (0.001, "0.001"), (1e-4, "1.0E-4"), (1.5e-10, "1.5E-10"),
    (9999999.0, "9999999.0"), (1e7, "1.0E7"), (1.2345678e7, "1.2345678E7"), (1e10, "1.0E10"), (-1e21, "-1.0E21"),
    (1e22, "1.0E22"), (123456789012345680.0, "1.2345678901234568E17"), (5e-324, "4.9E-324"), (1.7976931348623157e308, "1.7976931348623157E308"),
    (math.inf, "##Inf"), (-math.inf, "##-Inf"), (math.nan, "##NaN"), (0.1, "0.1"), (1 / 3, "0.3333333333333333"),
]
# fmt: on


@pytest.mark.parametrize(("text", "number"), SPELLINGS)
def test_the_reader_takes_this_for_a_number(text, number):
    found = parse_number(text)
    assert type(found) is type(number)
    assert str(found) == str(number)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_this_is_no_number(text):
    assert parse_number(text) is None
    with pytest.raises(FlowError) as caught:
        need_number(text)
    assert caught.value.error.code == "FM0326"


@pytest.mark.parametrize(("number", "text"), [f for f in FLOATS if f[0] != 5e-324])
def test_floats_are_printed_as_the_jvm_prints_doubles(number, text):
    assert float_text(number) == text


@given(st.one_of(integers, floats, ratios, decimals))
def test_what_is_printed_is_read_as_the_same_number(number):
    found = parse_number(pr_str(number))
    assert equal(found, number)
    assert str(found) == str(number)


def test_integers_beyond_pythons_limit_of_digits():
    for number in (10**4000, -(10**4000), 10**4300 - 1, 7 * 10**12000 + 5, -(1 << 65535)):
        text = integer_text(number)
        assert parse_number(text) == number
        assert parse_long(text) == number
    assert integer_text(10**8000) == "1" + "0" * 8000


@pytest.mark.parametrize(
    "text",
    [
        "9" * 20_000,
        "9" * 10**6,
        "0x" + "F" * 10**6,
        "36r" + "Z" * 10**6,
        "1e99999999999M",
        "9" * 10**6 + "M",
    ],
    ids=len,
)
def test_a_number_that_is_too_large_is_an_error(text):
    with pytest.raises(FlowError) as caught:
        parse_number(text)
    assert caught.value.error.code == "FM0321"


def test_a_ratio_over_zero_is_an_error():
    with pytest.raises(FlowError) as caught:
        parse_number("1/0")
    assert caught.value.error.code == "FM0320"


def test_parse_long_and_parse_double_take_plain_decimals_only():
    assert [parse_long(t) for t in ("5", "-5", "+5", "007")] == [5, -5, 5, 7]
    assert [parse_long(t) for t in ("", "-", "5N", "5.0", "0x1", "٣", " 5", "1_0")] == [None] * 8
    assert [parse_double(t) for t in ("5", "-5.5", " 1e3 ", ".5", "5.")] == [
        5.0,
        -5.5,
        1000.0,
        0.5,
        5.0,
    ]
    assert [parse_double(t) for t in ("", "a", "1_0", "1e", "0x1", "٣", "inf")] == [None] * 7
    assert parse_double("Infinity") == math.inf
    assert math.isnan(parse_double("NaN"))
