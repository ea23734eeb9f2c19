"""Arithmetic: kinds, exactness, limits and errors."""

from __future__ import annotations

import math
import struct
from decimal import Decimal as D
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmetal.values import (
    Duration,
    FlowError,
    Instant,
    Ratio,
    Value,
    abs_,
    add,
    char,
    compare,
    compare_numbers,
    dec,
    div,
    ge,
    gt,
    identical,
    inc,
    keyword,
    le,
    lt,
    maximum,
    minimum,
    mod,
    mul,
    negate,
    num_eq,
    power,
    quot,
    ratio,
    rationalize,
    rem,
    sub,
    to_decimal,
    to_float,
    to_integer,
)
from flowmetal.values.numbers import INTEGER_BITS

HALF = ratio(1, 2)
BIG = 1 << (INTEGER_BITS - 1)
INF = math.inf

# fmt: off
RESULTS = [
    (add, 1, 2, 3), (add, 1, HALF, ratio(3, 2)), (add, HALF, HALF, 1), (add, 1, D("1.50"), D("2.50")),
    (add, HALF, D("1.5"), D("2.0")), (add, D("1.5"), 1.5, 3.0), (add, 1, 1.5, 2.5), (add, HALF, 0.5, 1.0),
    (sub, 1, HALF, HALF), (sub, D(1), D(1), D(0)), (mul, HALF, 2, 1), (mul, D("1.5"), 2, D("3.0")),
    (div, 1, 3, ratio(1, 3)), (div, 6, 3, 2), (div, -1, 2, ratio(-1, 2)), (div, 1, -2, ratio(-1, 2)),
    (div, 1, HALF, 2), (div, D(1), 4, D("0.25")), (div, D("1.00"), D(1), D("1.00")), (div, D(10), D(4), D("2.5")),
    (div, D(100), D(1), D(100)), (div, 1.0, 0, INF), (div, -1.0, 0, -INF), (div, 1, 0.0, INF), (div, 1, -0.0, -INF),
    (quot, 7, 2, 3), (quot, -7, 2, -3), (quot, 7, -2, -3), (quot, 7.5, 2, 3.0), (quot, HALF, ratio(1, 3), 1),
    (quot, D("7.5"), 2, D("3.0")), (quot, D("-7.5"), 2, D("-3.0")), (quot, D("1E+3"), D("0.7"), D(1428)),
    (rem, 7, 2, 1), (rem, -7, 2, -1), (rem, 7, -2, 1), (rem, 5.5, 2, 1.5), (rem, -5.5, 2, -1.5),
    (rem, HALF, ratio(1, 3), ratio(1, 6)), (rem, D("-7.5"), 2, D("-1.5")),
    (mod, 7, 2, 1), (mod, -7, 2, 1), (mod, 7, -2, -1), (mod, -5.5, 2, 0.5), (mod, D("-7.5"), 2, D("0.5")),
    (mod, ratio(-1, 2), 1, HALF), (mod, 5.5, -2, -0.5), (mod, 6.0, 2, 0.0),
    (power, 2, 10, 1024), (power, 2, -1, HALF), (power, HALF, 2, ratio(1, 4)), (power, D("1.5"), 2, D("2.25")),
    (power, 2.0, 3, 8.0), (power, 4, 0.5, 2.0), (power, 0, 0, 1), (power, -1, 10**30, 1), (power, 10.0, 400, INF),
    (power, -10.0, 401, -INF), (power, D("0.5"), -1, D(2)),
    (maximum, 1, 2.0, 2.0), (minimum, 1, 2.0, 1), (maximum, HALF, D("0.4"), HALF),
]
# fmt: on


@pytest.mark.parametrize(("act", "a", "b", "result"), RESULTS)
def test_this_is_the_result_to_its_kind_and_digits(act, a, b, result):
    found = act(a, b)
    assert type(found) is type(result)
    assert str(found) == str(result)


def test_one_argument():
    assert [inc(1), dec(1), negate(1), abs_(-1)] == [2, 0, -1, 1]
    assert [inc(1.5), dec(1.5), negate(1.5), abs_(-1.5)] == [2.5, 0.5, -1.5, 1.5]
    assert [inc(HALF), dec(HALF), negate(HALF), abs_(negate(HALF))] == [
        ratio(3, 2),
        ratio(-1, 2),
        ratio(-1, 2),
        HALF,
    ]
    assert [inc(D(1)), negate(D("1.5")), abs_(D(-2))] == [D(2), D("-1.5"), D(2)]
    assert str(negate(0.0)) == "-0.0"


def fraction(number):
    return Fraction(number.numerator, number.denominator)


RATIONALS = st.one_of(st.integers(), st.builds(ratio, st.integers(), st.integers().filter(bool)))


@given(RATIONALS, RATIONALS)
def test_integers_and_ratios_are_exact_as_fractions_are(a, b):
    x, y = fraction(a), fraction(b)
    assert fraction(add(a, b)) == x + y
    assert fraction(sub(a, b)) == x - y
    assert fraction(mul(a, b)) == x * y
    assert (lt(a, b), le(a, b), gt(a, b), ge(a, b), num_eq(a, b)) == (
        x < y,
        x <= y,
        x > y,
        x >= y,
        x == y,
    )
    if b:
        assert fraction(div(a, b)) == x / y
        assert fraction(mod(a, b)) == x % y
        assert fraction(quot(a, b)) == math.trunc(x / y)
        assert fraction(add(mul(quot(a, b), b), rem(a, b))) == x


DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12)


@given(DECIMALS, DECIMALS)
def test_decimals_are_exact_as_fractions_are(a, b):
    x, y = Fraction(a), Fraction(b)
    assert Fraction(add(a, b)) == x + y
    assert Fraction(sub(a, b)) == x - y
    assert Fraction(mul(a, b)) == x * y
    assert (lt(a, b), num_eq(a, b)) == (x < y, x == y)
    if b:
        assert Fraction(add(mul(quot(a, b), b), rem(a, b))) == x
        assert Fraction(mod(a, b)) == x % y


@given(st.one_of(RATIONALS, DECIMALS), st.one_of(RATIONALS, DECIMALS))
def test_ratios_and_decimals_compare_exactly(a, b):
    def exact(number):
        return Fraction(number) if isinstance(number, D) else fraction(number)

    x, y = exact(a), exact(b)
    assert compare_numbers(a, b) == (x > y) - (x < y)


def test_numbers_of_all_kinds_are_equal_by_double_equals_and_not_identical():
    ones = [1, 1.0, D(1), D("1.0")]
    assert all(num_eq(a, b) for a in ones for b in ones)
    assert not identical(1, 1.0)
    assert num_eq(HALF, 0.5)
    assert not num_eq(math.nan, math.nan)
    assert not any(op(math.nan, 1) for op in (lt, le, gt, ge))
    assert math.isnan(maximum(1, math.nan))
    assert math.isnan(minimum(math.nan, 1))
    assert compare(math.nan, 1) == 0


@pytest.mark.parametrize(
    ("act", "arguments", "message"),
    [
        (add, (1, "2"), '`+` needs numbers, argument 2 is the string "2"'),
        (add, (None, 1), "`+` needs numbers, argument 1 is nil"),
        (sub, (True, 1), "`-` needs numbers, argument 1 is true"),
        (mul, (1, char("a")), "`*` needs numbers, argument 2 is the character \\a"),
        (div, (keyword("a"), 1), "`/` needs numbers, argument 1 is the keyword :a"),
        (lt, (1, "a"), '`<` needs numbers, argument 2 is the string "a"'),
        (num_eq, ("a", 1), '`==` needs numbers, argument 1 is the string "a"'),
        (mod, (1, None), "`mod` needs numbers, argument 2 is nil"),
        (inc, ("1",), '`inc` needs a number, its argument is the string "1"'),
        (dec, (None,), "`dec` needs a number, its argument is nil"),
        (negate, (False,), "`-` needs a number, its argument is false"),
        (abs_, ("",), '`abs` needs a number, its argument is the string ""'),
        (power, (1, "x"), '`pow` needs numbers, argument 2 is the string "x"'),
        (to_integer, ("1",), '`int` needs a number, its argument is the string "1"'),
        (maximum, (1, None), "`max` needs numbers, argument 2 is nil"),
    ],
)
def test_what_is_no_number_is_named_and_shown(act, arguments, message):
    with pytest.raises(FlowError) as caught:
        act(*arguments)
    assert caught.value.error.message == message
    assert caught.value.error.code == "FM0301"
    assert caught.value.error.type is keyword("type/mismatch")


@pytest.mark.parametrize("act", [div, quot, rem, mod])
@pytest.mark.parametrize("one", [1, HALF, D("1.5"), 0])
@pytest.mark.parametrize("zero", [0, D(0), D("0.00")])
def test_dividing_by_zero_is_an_error(act, one, zero):
    with pytest.raises(FlowError) as caught:
        act(one, zero)
    assert caught.value.error.type is keyword("arithmetic/divide-by-zero")
    assert caught.value.error.code == "FM0320"


@pytest.mark.parametrize("act", [quot, rem, mod])
def test_dividing_floats_by_zero_has_no_whole_quotient(act):
    with pytest.raises(FlowError, match="Divide by zero"):
        act(1.5, 0.0)
    with pytest.raises(FlowError, match="infinite"):
        act(INF, 2.0)


@pytest.mark.parametrize(
    "act",
    [
        lambda: mul(BIG, 4),
        lambda: mul(BIG, BIG),
        lambda: add(BIG, BIG),
        lambda: sub(-BIG, BIG),
        lambda: inc((1 << INTEGER_BITS) - 1),
        lambda: power(2, 10**30),
        lambda: power(BIG, 2),
        lambda: power(ratio(1, 3), 10**6),
        lambda: mul(ratio(BIG, 3), ratio(BIG, 5)),
        lambda: mul(D("1E+20000"), D("1.1")) and add(D("1E+20000"), D(1)),
        lambda: add(D("1E+999999999"), D("1E-999999999")),
        lambda: mul(D("1E+2147483647"), D("1E+10")),
        lambda: to_integer(D("1E+999999999")),
        lambda: rationalize(D("1E-999999999")),
        lambda: quot(D("1E+999999"), D("1E-999999")),
        lambda: power(D("1.1"), 10**9),
    ],
)
def test_a_result_that_is_too_large_is_an_error_before_the_work(act):
    with pytest.raises(FlowError) as caught:
        act()
    assert caught.value.error.type is keyword("limit/bits")
    assert caught.value.error.code == "FM0321"


def test_a_quotient_of_decimals_without_end_is_an_error():
    with pytest.raises(FlowError) as caught:
        div(D(1), 3)
    assert caught.value.error.type is keyword("arithmetic/inexact")
    assert caught.value.error.code == "FM0325"
    with pytest.raises(FlowError):
        add(ratio(1, 3), D(1))


def test_conversions():
    assert [to_integer(n) for n in (1, 1.9, -1.9, ratio(7, 2), ratio(-7, 2), D("1.9"))] == [
        1,
        1,
        -1,
        3,
        -3,
        1,
    ]
    assert to_float(10**400) == INF
    assert to_float(-(10**400)) == -INF
    assert to_float(ratio(10**400, 3)) == INF
    assert to_float(HALF) == 0.5
    assert str(to_decimal(0.1)) == "0.1"
    assert str(to_decimal(HALF)) == "0.5"
    assert rationalize(0.1) == ratio(1, 10)
    assert rationalize(D("1.50")) == ratio(3, 2)
    assert rationalize(2.0) == 2
    assert type(rationalize(HALF)) is Ratio
    for bad in (INF, math.nan):
        with pytest.raises(FlowError):
            to_integer(bad)
        with pytest.raises(FlowError):
            to_decimal(bad)


def test_nan_has_the_same_bits_however_it_came_about():
    made = [sub(INF, INF), mul(0.0, INF), div(0.0, 0.0), add(-INF, INF), mul(0, INF)]
    assert {struct.pack("<d", nan) for nan in made} == {struct.pack("<d", math.nan)}


def test_decimals_have_no_negative_zero():
    assert str(mul(D(0), D(-1))) == "0"
    assert str(sub(D("1.0"), D("1.0"))) == "0.0"
    assert str(negate(D("0.0"))) == "0.0"


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (
            Duration(1_000_000),
            "flow.time has plus, minus and times for it, and `compare` orders it",
        ),
        (Instant(0), "flow.time has plus, minus, between, before? and after? for it"),
    ],
)
def test_arithmetic_with_time_says_what_to_write_instead(value: Value, remedy: str) -> None:
    for operation in (add, lt):
        with pytest.raises(FlowError) as caught:
            operation(1, value)
        assert caught.value.error.message.endswith(f": {remedy}")
