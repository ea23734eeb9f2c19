"""Numbers of flow.core: arithmetic over any count of arguments, tests, bits, conversions."""

from __future__ import annotations

import math

from flowmetal.stdlib.natives.arguments import need_int, need_text, wrong
from flowmetal.stdlib.natives.table import Table
from flowmetal.values import (
    Char,
    Ratio,
    Value,
    fail,
    is_number,
    kind_of,
    kinds,
    need_number,
    numbers,
    parse_double,
    parse_long,
    pr_str,
)
from flowmetal.values.limits import need_bits

native = Table("flow.core")

_WORD = (1 << 64) - 1


# Arithmetic. Two arguments are the common case and an instruction of their own.


@native("+", "+'", "unchecked-add")
def add(*values: Value) -> Value:
    if not values:
        return 0
    if len(values) == 1:
        return numbers.add(values[0], 0) if not is_number(values[0]) else values[0]
    total = values[0]
    for value in values[1:]:
        total = numbers.add(total, value)
    return total


@native("-", "-'", "unchecked-subtract")
def subtract(first: Value, *values: Value) -> Value:
    if not values:
        return numbers.negate(first)
    for value in values:
        first = numbers.sub(first, value)
    return first


@native("*", "*'", "unchecked-multiply")
def multiply(*values: Value) -> Value:
    if not values:
        return 1
    if len(values) == 1:
        return numbers.mul(values[0], 1) if not is_number(values[0]) else values[0]
    product = values[0]
    for value in values[1:]:
        product = numbers.mul(product, value)
    return product


@native("/")
def divide(first: Value, *values: Value) -> Value:
    if not values:
        return numbers.div(1, first)
    for value in values:
        first = numbers.div(first, value)
    return first


native.add("quot", numbers.quot)
native.add("rem", numbers.rem)
native.add("mod", numbers.mod)
for _name in ("inc", "inc'", "unchecked-inc"):
    native.add(_name, numbers.inc)
for _name in ("dec", "dec'", "unchecked-dec"):
    native.add(_name, numbers.dec)
native.add("abs", numbers.abs_)


# Comparison.


@native("<")
def less(first: Value, *values: Value) -> bool:
    for value in values:
        if not numbers.lt(first, value):
            return False
        first = value
    return True


@native("<=")
def at_most(first: Value, *values: Value) -> bool:
    for value in values:
        if not numbers.le(first, value):
            return False
        first = value
    return True


@native(">")
def greater(first: Value, *values: Value) -> bool:
    for value in values:
        if not numbers.gt(first, value):
            return False
        first = value
    return True


@native(">=")
def at_least(first: Value, *values: Value) -> bool:
    for value in values:
        if not numbers.ge(first, value):
            return False
        first = value
    return True


@native("==")
def same_number(first: Value, *values: Value) -> bool:
    for value in values:
        if not numbers.num_eq(first, value):
            return False
        first = value
    return True


@native("max")
def greatest(first: Value, *values: Value) -> Value:
    for value in values:
        first = numbers.maximum(first, value)
    return first


@native("min")
def least(first: Value, *values: Value) -> Value:
    for value in values:
        first = numbers.minimum(first, value)
    return first


# Tests.

native.add("number?", is_number)
native.add("int?", lambda x: type(x) is int)
native.add("integer?", lambda x: type(x) is int)
native.add("float?", lambda x: type(x) is float)
native.add("double?", lambda x: type(x) is float)
native.add("ratio?", lambda x: type(x) is Ratio)
native.add("decimal?", lambda x: kind_of(x) == kinds.DECIMAL)
native.add("rational?", lambda x: kinds.INTEGER <= kind_of(x) <= kinds.DECIMAL)
native.add("pos-int?", lambda x: type(x) is int and x > 0)
native.add("neg-int?", lambda x: type(x) is int and x < 0)
native.add("nat-int?", lambda x: type(x) is int and x >= 0)


@native("zero?")
def is_zero(x: Value) -> bool:
    return bool(x == 0) if type(x) is int else numbers.num_eq(_number("zero?", x), 0)


@native("pos?")
def is_positive(x: Value) -> bool:
    return bool(x > 0) if type(x) is int else numbers.gt(_number("pos?", x), 0)


@native("neg?")
def is_negative(x: Value) -> bool:
    return bool(x < 0) if type(x) is int else numbers.lt(_number("neg?", x), 0)


@native("even?")
def is_even(x: Value) -> bool:
    return need_int("even?", 1, x) % 2 == 0


@native("odd?")
def is_odd(x: Value) -> bool:
    return need_int("odd?", 1, x) % 2 == 1


native.add("NaN?", lambda x: _number("NaN?", x) != x)
native.add("infinite?", lambda x: type(_number("infinite?", x)) is float and math.isinf(x))


def _number(function: str, value: Value) -> Value:
    if not is_number(value):
        raise wrong(function, "a number", 1, value)
    return value


# Bits.


def _fold_bits(name: str, first: Value, rest: tuple[Value, ...]) -> list[int]:
    return [need_int(name, index + 1, value) for index, value in enumerate((first, *rest))]


@native("bit-and")
def bit_and(x: Value, y: Value, *more: Value) -> int:
    found, *others = _fold_bits("bit-and", x, (y, *more))
    for other in others:
        found &= other
    return found


@native("bit-or")
def bit_or(x: Value, y: Value, *more: Value) -> int:
    found, *others = _fold_bits("bit-or", x, (y, *more))
    for other in others:
        found |= other
    return found


@native("bit-xor")
def bit_xor(x: Value, y: Value, *more: Value) -> int:
    found, *others = _fold_bits("bit-xor", x, (y, *more))
    for other in others:
        found ^= other
    return found


@native("bit-and-not")
def bit_and_not(x: Value, y: Value, *more: Value) -> int:
    found, *others = _fold_bits("bit-and-not", x, (y, *more))
    for other in others:
        found &= ~other
    return found


native.add("bit-not", lambda x: ~need_int("bit-not", 1, x))


def _shift(function: str, value: Value, count: Value) -> tuple[int, int]:
    bits = need_int(function, 1, value)
    if need_int(function, 2, count) < 0:
        raise wrong(function, "a count of bits that is not negative", 2, count)
    return bits, count


def shift_left(bits: int, places: int) -> int:
    """Shift to the left, unless the result would be too large."""
    if not bits:
        return 0
    need_bits("bit-shift-left", bits.bit_length() + places)
    return bits << places


@native("bit-shift-left")
def bit_shift_left(x: Value, count: Value) -> Value:
    bits, places = _shift("bit-shift-left", x, count)
    return shift_left(bits, places)


@native("bit-shift-right")
def bit_shift_right(x: Value, count: Value) -> int:
    bits, places = _shift("bit-shift-right", x, count)
    return bits >> places


@native("unsigned-bit-shift-right")
def unsigned_bit_shift_right(x: Value, count: Value) -> int:
    bits, places = _shift("unsigned-bit-shift-right", x, count)
    return (bits if bits >= 0 else bits & _WORD) >> places


@native("bit-test")
def bit_test(x: Value, index: Value) -> bool:
    bits, place = _shift("bit-test", x, index)
    return bool(bits >> place & 1)


@native("bit-set")
def bit_set(x: Value, index: Value) -> Value:
    bits, place = _shift("bit-set", x, index)
    return bits | shift_left(1, place)


@native("bit-clear")
def bit_clear(x: Value, index: Value) -> Value:
    bits, place = _shift("bit-clear", x, index)
    return bits & ~shift_left(1, place)


@native("bit-flip")
def bit_flip(x: Value, index: Value) -> Value:
    bits, place = _shift("bit-flip", x, index)
    return bits ^ shift_left(1, place)


# Conversions.


@native("int", "long", "short", "byte")
def to_int(x: Value) -> int:
    """Return the integer part of a number, towards zero, or the code point of a character."""
    return ord(x.text) if type(x) is Char else numbers.to_integer(x)


@native("bigint", "biginteger")
def to_bigint(x: Value) -> int:
    """Return the integer part of a number, or the integer in a text."""
    if type(x) is not str:
        return to_int(x)
    found = parse_long(x)
    if found is None:
        fail("FM0507", "parse/number", f"{pr_str(x)} is not an integer")
    return found


@native("double", "float")
def to_float(x: Value) -> float:
    """Return the nearest float; too large a number is infinite."""
    return numbers.to_float(_number("double", x))


@native("bigdec")
def to_decimal(x: Value) -> Value:
    """Return a number, or the number written in a text, as a decimal."""
    if type(x) is not str:
        return numbers.to_decimal(x)
    return numbers.to_decimal(need_number(x, "" if x.endswith("M") else "M"))


native.add("num", lambda x: _number("num", x))
native.add("rationalize", numbers.rationalize)


@native("numerator")
def numerator(x: Value) -> int:
    if type(x) is not Ratio:
        raise wrong("numerator", "a ratio", 1, x)
    return int(x.numerator)


@native("denominator")
def denominator(x: Value) -> int:
    if type(x) is not Ratio:
        raise wrong("denominator", "a ratio", 1, x)
    return int(x.denominator)


# Reading numbers out of text: nil where the text is not one, an error where it is no text.


native.add("parse-long", lambda text: parse_long(need_text("parse-long", 1, text)))
native.add("parse-double", lambda text: parse_double(need_text("parse-double", 1, text)))


@native("parse-boolean")
def parse_boolean(text: Value) -> bool | None:
    """Return true or false, or nil for any other text."""
    return {"true": True, "false": False}.get(need_text("parse-boolean", 1, text))
