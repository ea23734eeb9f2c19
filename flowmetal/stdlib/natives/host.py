"""What the names of the JVM mean that portable code uses: compiler/host_names.py has the table.

Unlike ``parse-long`` and its like these throw for a text that they cannot read, as
the functions do whose names lead here.
"""

from __future__ import annotations

import re

from flowmetal.stdlib.natives.arguments import need_int, need_text, wrong
from flowmetal.stdlib.natives.table import MISSING, Table
from flowmetal.stdlib.natives.times import parse_uuid
from flowmetal.values import (
    Char,
    ErrorValue,
    Instant,
    Regex,
    Symbol,
    Value,
    char,
    fail,
    is_number,
    numbers,
    parse_double,
    show,
)
from flowmetal.values.error_classes import error_of_class

native = Table("flow.core")

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@native("-exception")
def exception(cls: Value, message: Value = None, cause: Value = MISSING) -> ErrorValue:
    """Make the error that ``(Class. message cause)`` or ``(Class. cause)`` means."""
    assert type(cls) is Symbol
    if cause is MISSING and type(message) is ErrorValue:
        return error_of_class(cls.text, message.message, message)
    given = None if cause is MISSING else cause
    if given is not None and type(given) is not ErrorValue:
        raise wrong(cls.text, "an error", 2, given)
    if message is not None and not isinstance(message, str):
        if not cls.text.endswith("Error"):  # an AssertionError takes anything
            raise wrong(cls.text, "a string", 1, message)
        message = show(message)
    return error_of_class(cls.text, message, given)


@native("-parsed-integer")
def parsed_integer(x: Value, radix: Value = 10) -> int:
    """Return the integer in a text; a number is made an integer."""
    if is_number(x):
        return numbers.to_integer(x)
    text = need_text("parse-long", 1, x)
    base = need_int("parse-long", 2, radix)
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (2 <= base <= 36 and digits and all(c in _DIGITS[:base] for c in digits.lower())):
        fail("FM0326", "parse/number", f"{show(text)} is not an integer")
    return int(text, base)


@native("-parsed-float")
def parsed_float(x: Value) -> float:
    """Return the float in a text; a number is made a float."""
    if is_number(x):
        return numbers.to_float(x)
    found = parse_double(need_text("parse-double", 1, x))
    if found is None:
        fail("FM0326", "parse/number", f"{show(x)} is not a number")
    return found


@native("-parsed-boolean")
def parsed_boolean(x: Value) -> bool:
    """Return true for the text "true" in any case, false for anything else."""
    return x is True or (isinstance(x, str) and x.lower() == "true")


@native("-parsed-uuid")
def parsed_uuid(text: Value) -> Value:
    """Return the UUID in a text."""
    found = parse_uuid(text)
    if found is None:
        fail("FM0507", "parse/uuid", f"{show(text)} is not a UUID")
    return found


@native("-instant-of")
def instant_of(ms: Value = MISSING) -> Instant:
    """Return the instant so many milliseconds after 1970."""
    if ms is MISSING:
        fail("FM0313", "effect/refused", "reading the clock is an effect: write (now!)")
    return Instant(need_int("Date", 1, ms) * 1000)


@native("-number-text")
def number_text(n: Value, radix: Value = 10) -> str:
    """Return a number as text, an integer in any radix."""
    if type(n) is float:
        return show(n)
    number, base = need_int("toString", 1, n), need_int("toString", 2, radix)
    if not 2 <= base <= 36:
        base = 10
    digits, left = "", abs(number)
    if base == 10:
        return show(number)
    while left:
        left, digit = divmod(left, base)
        digits = _DIGITS[digit] + digits
    return ("-" if number < 0 else "") + (digits or "0")


native.add("-binary-text", lambda n: _word_text(n, "b"))
native.add("-hex-text", lambda n: _word_text(n, "x"))
native.add("-octal-text", lambda n: _word_text(n, "o"))


def _word_text(n: Value, kind: str) -> str:
    """Return the digits of an integer as a word of 64 bits has them."""
    return format(need_int("toString", 1, n) & (1 << 64) - 1, kind)


@native("-bit-count")
def bit_count(n: Value) -> int:
    """Return how many bits are set in a word of 64 bits."""
    return (need_int("bitCount", 1, n) & (1 << 64) - 1).bit_count()


@native("-signum")
def signum(n: Value) -> int:
    """Return 1, 0 or -1 as an integer is above, at or below zero."""
    number = need_int("signum", 1, n)
    return (number > 0) - (number < 0)


# Characters. A code point, which the JVM takes as well, may stand for one.


def _character(x: Value) -> str:
    if type(x) is Char:
        return x.text
    if type(x) is int and 0 <= x < 0x110000:
        return chr(x)
    raise wrong("Character", "a character", 1, x)


def _like(x: Value, text: str) -> Value:
    """Return a character as the argument was: a character or a code point."""
    return char(text) if type(x) is Char else ord(text)


native.add("-digit?", lambda c: _character(c).isdecimal())
native.add("-letter?", lambda c: _character(c).isalpha())
native.add("-letter-or-digit?", lambda c: _character(c).isalpha() or _character(c).isdecimal())
native.add("-white-space?", lambda c: _is_white(_character(c)))
native.add("-upper-case?", lambda c: _character(c).isupper())
native.add("-lower-case?", lambda c: _character(c).islower())
native.add("-upper-character", lambda c: _like(c, _one(_character(c), _character(c).upper())))
native.add("-lower-character", lambda c: _like(c, _one(_character(c), _character(c).lower())))


def _one(before: str, after: str) -> str:
    return after if len(after) == 1 else before


def _is_white(c: str) -> bool:
    return c.isspace() and c not in "\u00a0\u2007\u202f\u0085"


@native("-digit-value")
def digit_value(c: Value, radix: Value = 36) -> int:
    """Return what a digit is worth, -1 if it is none in this radix."""
    found = _DIGITS.find(_character(c).lower())
    return found if found < need_int("digit", 2, radix) else -1


# Regular expressions.


@native("-quoted-pattern")
def quoted_pattern(text: Value) -> str:
    """Return a pattern that matches a text and nothing else."""
    return re.sub(r"([\\\\.\[\](){}*+?^$|])", r"\\\1", need_text("quote", 1, text))


@native("-matches-whole?")
def matches_whole(pattern: Value, text: Value) -> bool:
    """Say whether a pattern, a text, matches the whole of another."""
    from flowmetal.stdlib.natives.regex import re_matches

    return re_matches(Regex(need_text("matches", 1, pattern), ""), text) is not None
