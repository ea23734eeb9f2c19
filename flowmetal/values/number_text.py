"""Numbers as text: what the reader takes for a number, and how numbers are printed.

Floats are printed as the JVM prints doubles, ``100.0``, ``1.0E10``, ``##Inf``.
Python refuses to convert integers of more than 4,300 digits from and to text;
ours may have 20,000, so long ones are converted in pieces.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Final

from flowmetal.values import kinds
from flowmetal.values.errors import fail
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.limits import need_bits
from flowmetal.values.meter import charge, charge_integers
from flowmetal.values.numbers import divide_by_zero, too_large
from flowmetal.values.scalars import ratio

DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_PIECE: Final = 4_000  # digits that Python converts at once
_SHORT: Final = 10**_PIECE
_NEGATIVE_SHORT: Final = -_SHORT
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
SPECIAL_FLOATS: Final = {"##Inf": math.inf, "##-Inf": -math.inf, "##NaN": math.nan}


@cache
def _number_pattern() -> re.Pattern[str]:
    digits = "[0-9](?:_?[0-9])*"
    return re.compile(
        rf"""(?P<sign>[+-]?)(?:
            0[xX](?P<hex>[0-9A-Fa-f](?:_?[0-9A-Fa-f])*)N?
          | (?P<radix>[1-9][0-9]?)[rR](?P<radix_digits>[0-9A-Za-z](?:_?[0-9A-Za-z])*)
          | (?P<top>{digits})/(?P<bottom>{digits})
          | 0(?P<octal>[0-7](?:_?[0-7])*)N?
          | (?P<integer>0|[1-9](?:_?[0-9])*)N?
          | (?P<mantissa>{digits}(?:\.(?:{digits})?)?)(?P<exponent>[eE][+-]?[0-9]+)?(?P<decimal>M)?
        )""",
        re.VERBOSE,
    )


def parse_number(text: str) -> Value:
    """Return the number that ``text`` spells in the language, None if it spells none.

    Integers with sign, radix (``2r101``), ``0x``, octal ``0``, ``_`` between
    digits and ``N``; ratios; floats; decimals with ``M``; ``##Inf`` and so on.
    Raises FM0320 for a ratio over zero, FM0321 for a number that is too large.
    """
    match = _number_pattern().fullmatch(text)
    if match is None:
        return SPECIAL_FLOATS.get(text)
    part = match.groupdict()
    sign = -1 if part["sign"] == "-" else 1
    if part["integer"] is not None:
        return sign * parse_digits(part["integer"])
    if part["hex"] is not None:
        return _in_radix(part["hex"], 16, sign)
    if part["octal"] is not None:
        return _in_radix(part["octal"], 8, sign)
    if part["radix"] is not None:
        return _in_radix(part["radix_digits"], int(part["radix"]), sign)
    if part["top"] is not None:
        bottom = parse_digits(part["bottom"])
        if bottom == 0:
            divide_by_zero("/")
        return ratio(sign * parse_digits(part["top"]), bottom)
    mantissa = part["mantissa"].replace("_", "")
    exponent = part["exponent"] or ""
    if part["decimal"]:
        return _decimal(part["sign"] + mantissa, exponent)
    if "." not in mantissa and not exponent:
        return None  # digits with a leading zero that are not octal
    return float(part["sign"] + mantissa + exponent)


def _decimal(mantissa: str, exponent: str) -> Value:
    from flowmetal.values.decimals import DIGITS, decimal_of

    whole, _, fraction = mantissa.partition(".")
    if len(exponent) > 12 or len(mantissa) > DIGITS:
        too_large("bigdec")
    scale = int(exponent[1:] or 0) - len(fraction)
    sign = -1 if whole.startswith("-") else 1
    return decimal_of(sign * parse_digits(whole.lstrip("+-") + fraction), scale)


def _in_radix(digits: str, radix: int, sign: int) -> int | None:
    if not 2 <= radix <= 36:
        return None
    plain = digits.replace("_", "").lower()
    if any(_DIGITS.index(digit) >= radix for digit in plain):
        return None
    need_bits("parse-long", len(plain))
    charge_integers(4 * len(plain), 4 * len(plain))
    number = 0
    for at in range(0, len(plain), 1_000):
        piece = plain[at : at + 1_000]
        number = number * radix ** len(piece) + int(piece, radix)
    return sign * _limited(number)


def parse_digits(digits: str) -> int:
    """Return the number that ASCII digits spell; FM0321 if it is too large."""
    plain = digits.replace("_", "")
    if len(plain) <= _PIECE:
        return int(plain)
    need_bits("parse-long", len(plain))
    charge_integers(4 * len(plain), 4 * len(plain))
    number = 0
    for at in range(0, len(plain), _PIECE):
        piece = plain[at : at + _PIECE]
        number = number * 10 ** len(piece) + int(piece)
    return _limited(number)


def _limited(number: int) -> int:
    need_bits("parse-long", number.bit_length())
    return number


def integer_text(number: int) -> str:
    """Return the decimal digits of an integer of any size."""
    if _NEGATIVE_SHORT < number < _SHORT:
        return str(number)
    charge_integers(number.bit_length(), number.bit_length())
    pieces = []
    rest = abs(number)
    while rest >= _SHORT:
        rest, low = divmod(rest, _SHORT)
        pieces.append(str(low).zfill(_PIECE))
    pieces.append(str(rest))
    return ("-" if number < 0 else "") + "".join(reversed(pieces))


def digits_in(number: int, radix: int) -> str:
    """Return the digits of an integer that is not negative, to a base from 2 to 36; ``integer_text`` knows base 10."""
    if radix in (2, 8, 16):
        return format(number, {2: "b", 8: "o", 16: "x"}[radix])
    charge(number.bit_length() >> 1)
    made: list[str] = []
    while number or not made:
        number, digit = divmod(number, radix)
        made.append(DIGITS[digit])
    return "".join(reversed(made))


def float_text(number: float) -> str:
    """Return a float as the JVM prints a double, the shortest text that reads back."""
    if number != number:
        return "##NaN"
    if math.isinf(number):
        return "##Inf" if number > 0 else "##-Inf"
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        return _plain(repr(number))
    mantissa, _, exponent = repr(number).partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).rstrip("0") if fraction != "0" else whole.rstrip("0")
    power = int(exponent or 0) + len(whole) - 1
    stripped = digits.lstrip("0")
    power -= len(digits) - len(stripped)
    return f"{sign}{stripped[0]}.{stripped[1:] or '0'}E{power}"


def _plain(text: str) -> str:
    """Return Python's text of a float without an exponent, which small ones never have here."""
    return text if "." in text else f"{text}.0"


def number_text(number: Value) -> str:
    """Return any number in readable form."""
    kind = KINDS[type(number)]
    if kind == kinds.INTEGER:
        return integer_text(number)
    if kind == kinds.FLOAT:
        return float_text(number)
    if kind == kinds.RATIO:
        return f"{integer_text(number.numerator)}/{integer_text(number.denominator)}"
    return f"{number}M"


def parse_long(text: str) -> int | None:
    """Return the integer that ``[+-]?[0-9]+`` spells, None for any other text."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits or not digits.isascii() or not digits.isdigit():
        return None
    number = parse_digits(digits)
    return -number if text[0] == "-" else number


def parse_double(text: str) -> float | None:
    """Return the float that ``text`` spells, as ``parse-double`` does, None for any other text."""
    if not re.fullmatch(r"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?)\s*", text, re.A):
        return {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(text.strip())
    return float(text)


def need_number(text: str, suffix: str = "") -> Value:
    """Return the number that ``text`` with a suffix spells; FM0326 if it spells none."""
    number = parse_number(text + suffix)
    if number is None:
        shown = text if len(text) <= 40 else text[:37] + "..."
        fail("FM0326", "parse/number", f"`{shown}` is not a number")
    return number
