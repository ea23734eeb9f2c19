"""Natives behind the static members of Java's classes (flow/core/statics.flow).

They take and give what Java does, but for the width of integers: there is one
kind, and only digits and bits of a negative one need to know how wide it would be.
"""

from __future__ import annotations

from flowmetal.stdlib.natives.arguments import WHITE_SPACE, need_int, need_text, wrong
from flowmetal.stdlib.natives.table import Table
from flowmetal.values import (
    Char,
    FlowError,
    Keyword,
    Value,
    char,
    parse_double,
    parse_long,
    parse_number,
    pr_str,
)
from flowmetal.values import integer_text as decimal_digits
from flowmetal.values.errors import flow_error
from flowmetal.values.number_text import DIGITS, digits_in

native = Table("flow.core")


@native("-parse-integer")
def parse_integer(s: Value, base: Value = 10) -> Value:
    """Return the integer in a string; FM0507 if there is none. A number is taken as it is."""
    if type(s) is int:
        return s
    if s is None:
        raise _not_a_number(s)
    text = need_text("parse-long", 1, s)
    radix = _base(base)
    if radix == 10:
        found = parse_long(text)
        if found is None:
            raise _not_a_number(text)
        return found
    digits = text[1:] if text[:1] in ("-", "+") else text
    values = [_digit(each, radix) for each in digits]
    if not values or -1 in values:
        raise _not_a_number(text)
    number = parse_number(f"{radix}r{''.join(DIGITS[each] for each in values)}")
    return -number if text[0] == "-" else number


@native("-parse-float")
def parse_float(s: Value) -> Value:
    """Return the float in a string; FM0507 if there is none."""
    if type(s) in (int, float):
        return float(s)
    if s is None:
        raise _not_a_number(s)
    text = need_text("parse-double", 1, s)
    found = parse_double(text.strip())
    if found is None:
        raise _not_a_number(text)
    return found


def _not_a_number(text: str | None) -> FlowError:
    return flow_error("FM0507", "parse/number", f"{pr_str(text)} is not a number")


@native("-integer-text")
def integer_text(n: Value, base: Value = 10) -> str:
    """Return an integer's digits, with a sign if it is negative."""
    number = need_int("str", 1, n)
    return ("-" if number < 0 else "") + _digits(abs(number), _base(base))


@native("-digits-of-width")
def digits_of_width(n: Value, base: Value, bits: Value) -> str:
    """Return the digits of an integer as those of ``bits`` bits without a sign."""
    number, width = need_int("format", 1, n), _width(bits)
    return _digits(number & ((1 << width) - 1) if number < 0 else number, _base(base))


@native("-bit-count")
def bit_count(n: Value, bits: Value) -> int:
    """Return how many of the bits are set."""
    number: int = need_int("bit-count", 1, n) & ((1 << _width(bits)) - 1)
    return number.bit_count()


@native("-lower-text")
def lower_text(s: Value) -> str:
    """Return a string in lower case."""
    return need_text("lower-case", 1, s).lower()


_KINDS = {
    "digit": str.isdecimal,
    "letter": str.isalpha,
    "upper": str.isupper,
    "lower": str.islower,
    "blank": WHITE_SPACE.__contains__,
}


@native("-char-is")
def char_is(c: Value, kind: Keyword) -> bool:
    """Say whether a character, or a code point, is of a kind."""
    return _KINDS[kind.name](_text_of(c))


@native("-char-cased")
def char_cased(c: Value, case: Keyword) -> Value:
    """Return a character in a case; a code point for a code point."""
    text = _text_of(c)
    cased = text.upper() if case.name == "upper" else text.lower()
    made = cased if len(cased) == 1 else text
    return ord(made) if type(c) is int else char(made)


@native("-char-digit")
def char_digit(c: Value, base: Value) -> int:
    """Return what a digit stands for, -1 if it is no digit to this base."""
    return _digit(_text_of(c), _base(base))


def _text_of(c: Value) -> str:
    if type(c) is Char:
        return c.text
    if type(c) is int and 0 <= c <= 0x10FFFF:
        return chr(c)
    raise wrong("char", "a character", 1, c)


def _base(base: Value) -> int:
    radix = need_int("parse-long", 2, base)
    if not 2 <= radix <= 36:
        raise wrong("parse-long", "a base from 2 to 36", 2, base)
    return radix


def _width(bits: Value) -> int:
    width = need_int("format", 3, bits)
    if not 1 <= width <= 64:
        raise wrong("format", "a width from 1 to 64 bits", 3, bits)
    return width


def _digit(text: str, radix: int) -> int:
    value = DIGITS.find(text.lower()) if text.isascii() else int(text) if text.isdecimal() else -1
    return value if value < radix else -1


def _digits(number: int, radix: int) -> str:
    return decimal_digits(number) if radix == 10 else digits_in(number, radix)
