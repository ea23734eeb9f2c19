"""Arithmetic on decimals: exact, as of Java's ``BigDecimal`` without a context.

Sums and products are exact. A quotient is exact or FM0325: nothing is rounded
behind a program's back. Digits are limited as the bits of integers are.
Imported only when a decimal is met, for the price of ``import decimal``.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from math import gcd
from typing import Final

from flowmetal.values import kinds
from flowmetal.values.errors import fail
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.meter import charge
from flowmetal.values.numbers import INTEGER_BITS, divide_by_zero, too_large
from flowmetal.values.scalars import Ratio

_EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
DIGITS: Final = INTEGER_BITS * 3 // 10  # a decimal digit is a little over 3.3 bits
_EXPONENT: Final = 2**31 - 1  # the range of Java's scale


def decimal_of(coefficient: int, exponent: int, operator: str = "bigdec") -> Decimal:
    """Return ``coefficient * 10**exponent``; FM0321 if it has too many digits."""
    if abs(exponent) > _EXPONENT or coefficient.bit_length() > INTEGER_BITS:
        too_large(operator)
    return _EXACT.scaleb(Decimal(coefficient), exponent)


def parts_of(number: Decimal) -> tuple[int, int]:
    """Return coefficient and exponent."""
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    charge(len(digits) >> 1)  # Python turns them into an integer one by one
    return int(_EXACT.scaleb(number, -exponent)), exponent


def without_last_zeros(number: Decimal) -> Decimal:
    """Return the one that stands for all decimals equal to ``number``."""
    return _EXACT.normalize(number)


def to_decimal(operator: str, number: Value) -> Decimal:
    """Return any number as a decimal; FM0325 if no decimal is exactly that, FM0321 for too many digits."""
    kind = KINDS[type(number)]
    if kind == kinds.DECIMAL:
        return Decimal(number)
    if kind == kinds.INTEGER:
        if number.bit_length() > INTEGER_BITS:  # as a limit of the run allows
            too_large(operator)
        charge(number.bit_length() >> 4)
        return Decimal(number)
    if kind == kinds.RATIO:
        return _divide(operator, Decimal(number.numerator), Decimal(number.denominator))
    if number - number != 0:
        fail("FM0325", "arithmetic/inexact", f"`{operator}` needs a finite number")
    return Decimal(repr(number)) + 0


def as_fraction(operator: str, number: Decimal) -> tuple[int, int]:
    """Return a decimal as numerator and denominator."""
    coefficient, exponent = parts_of(number)
    if abs(exponent) > DIGITS:
        too_large(operator)
    if exponent >= 0:
        return coefficient * 10**exponent, 1
    return coefficient, int(10**-exponent)


def to_integer(operator: str, number: Decimal) -> int:
    """Return a decimal cut to an integer, towards zero."""
    if number.adjusted() > DIGITS:
        too_large(operator)
    return int(number)


def compare(a: Value, b: Value) -> int:
    """Compare a decimal with a decimal, an integer or a ratio: -1, 0 or 1."""
    if type(a) is Ratio:
        return -compare(b, a)
    if type(b) is Ratio:
        a = _multiply("compare", a, Decimal(b.denominator))
        b = b.numerator
    return int(a > b) - int(a < b)


def apply(operator: str, a: Value, b: Value) -> Decimal:
    """Apply an operator of ``numbers`` to two numbers, one of them a decimal."""
    x, y = to_decimal(operator, a), to_decimal(operator, b)
    if operator == "*":
        return _multiply(operator, x, y)
    if operator in ("+", "-"):
        return _sum(operator, x, y if operator == "+" else y.copy_negate())
    if not y:
        divide_by_zero(operator)
    if operator == "/":
        return _divide(operator, x, y)
    whole = _quotient(operator, x, y)
    if operator == "quot":
        return whole
    left = _sum(operator, x, _multiply(operator, whole, y).copy_negate())
    if operator == "mod" and left and (left < 0) != (y < 0):
        left = _sum(operator, left, y)
    return left


def power(base: Decimal, exponent: int) -> Decimal:
    """Return ``base`` to a whole, non-negative ``exponent``."""
    coefficient, scale = parts_of(base)
    if coefficient.bit_length() * exponent > INTEGER_BITS and coefficient not in (0, 1, -1):
        too_large("pow")
    return decimal_of(coefficient**exponent, scale * exponent, "pow")


def _sum(operator: str, x: Decimal, y: Decimal) -> Decimal:
    lowest = min(_exponent(x), _exponent(y))
    highest = max(x.adjusted(), y.adjusted())
    if highest - lowest > DIGITS:
        too_large(operator)
    # Zero is never negative here, as in BigDecimal.
    return _EXACT.add(x, y) or _EXACT.add(x, y).copy_abs()


def _multiply(operator: str, x: Decimal, y: Decimal) -> Decimal:
    digits = len(x.as_tuple().digits) + len(y.as_tuple().digits)
    charge(digits >> 5)
    if digits > DIGITS or abs(_exponent(x) + _exponent(y)) > _EXPONENT:
        too_large(operator)
    product = _EXACT.multiply(x, y)
    return product or product.copy_abs()


def _divide(operator: str, x: Decimal, y: Decimal) -> Decimal:
    """Divide exactly, with no more digits than needed and no fewer than the operands' scales say."""
    top, top_exponent = parts_of(x)
    bottom, bottom_exponent = parts_of(y)
    common = gcd(top, bottom) if bottom > 0 else -gcd(top, bottom)
    top //= common
    bottom //= common
    twos = (bottom & -bottom).bit_length() - 1
    rest = bottom >> twos
    fives = 0
    while rest % 5 == 0:
        rest //= 5
        fives += 1
    if rest != 1:
        fail(
            "FM0325",
            "arithmetic/inexact",
            f"the result of `{operator}` has no end as a decimal",
        )
    more = max(twos, fives)
    if more > DIGITS:
        too_large(operator)
    coefficient = top * 2 ** (more - twos) * 5 ** (more - fives)
    return decimal_of(coefficient, top_exponent - bottom_exponent - more, operator)


def _quotient(operator: str, x: Decimal, y: Decimal) -> Decimal:
    """Divide towards zero. As in BigDecimal the scale is as near to the difference of scales as it can be."""
    top, top_exponent = parts_of(x)
    bottom, bottom_exponent = parts_of(y)
    shift = top_exponent - bottom_exponent
    if abs(shift) > DIGITS:
        too_large(operator)
    if shift >= 0:
        top *= 10**shift
    else:
        bottom *= 10**-shift
    whole = abs(top) // abs(bottom)
    exponent = min(shift, 0) if whole else shift
    whole *= 10**-exponent if whole else 1
    while exponent < shift and whole % 10 == 0:
        whole //= 10
        exponent += 1
    return decimal_of(whole if (top < 0) == (bottom < 0) else -whole, exponent, operator)


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent
