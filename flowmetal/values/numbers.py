"""Arithmetic: one tower, four kinds, integer < ratio < decimal < float.

The result of an operation has the higher kind of its operands. Kinds are
tested exactly: ``true`` is no number. Everything but floats is exact.
Operations whose result would be too large fail before the work is done, so
that no program can buy minutes of time with one instruction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Final

from flowmetal.values import kinds
from flowmetal.values.errors import FlowError, fail, type_error
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.limits import limit_error, need_bits
from flowmetal.values.meter import charge_integers
from flowmetal.values.scalars import Ratio, ratio

INTEGER_BITS: Final = 65_536  # a multiplication of two such takes about a millisecond
_LARGEST: Final = (1 << INTEGER_BITS) - 1
_SMALLEST: Final = -_LARGEST  # as a constant: negating 8 kB at each addition would show
_NAN: Final = math.nan


_IN_ITS_PLACE: Final = {
    kinds.DURATION: ": flow.time has plus, minus and times for it, and `compare` orders it",
    kinds.INSTANT: ": flow.time has plus, minus, between, before? and after? for it",
}


def is_number(value: Value) -> bool:
    """Say whether ``value`` is a number of any kind."""
    return kinds.FIRST_NUMBER <= KINDS[type(value)] <= kinds.LAST_NUMBER


def number_error(operator: str, operands: Sequence[Value]) -> FlowError:
    """Return FM0301 for the first of ``operands`` that is no number, to be raised."""
    from flowmetal.values.printing import describe

    at = next(at for at, operand in enumerate(operands, 1) if not is_number(operand))
    which = f"argument {at}" if len(operands) > 1 else "its argument"
    needs = "numbers" if len(operands) > 1 else "a number"
    message = f"`{operator}` needs {needs}, {which} is {describe(operands[at - 1])}"
    return type_error("FM0301", message + _IN_ITS_PLACE.get(KINDS[type(operands[at - 1])], ""))


def checked(operator: str, number: int) -> int:
    """Return ``number``; FM0321 if it has more bits than the limit, ``INTEGER_BITS`` at least."""
    if _SMALLEST <= number <= _LARGEST:
        return number
    need_bits(operator, number.bit_length())
    return number


def too_large(operator: str) -> None:
    """Raise FM0321 for what has too many digits under any limit."""
    raise limit_error(
        "FM0321", "bits", f"the result of `{operator}` is larger than {INTEGER_BITS:,} bits"
    )


def divide_by_zero(operator: str) -> None:
    """Raise FM0320."""
    fail("FM0320", "arithmetic/divide-by-zero", "Divide by zero")


def add(a: Value, b: Value) -> Value:
    """Return ``a + b``."""
    if type(a) is int and type(b) is int:
        total = a + b
        return total if _SMALLEST <= total <= _LARGEST else checked("+", total)
    if type(a) is float and type(b) is float:
        number = a + b
        return number if number == number else _NAN
    return _dispatch("+", a, b)


def sub(a: Value, b: Value) -> Value:
    """Return ``a - b``."""
    if type(a) is int and type(b) is int:
        total = a - b
        return total if _SMALLEST <= total <= _LARGEST else checked("-", total)
    if type(a) is float and type(b) is float:
        number = a - b
        return number if number == number else _NAN
    return _dispatch("-", a, b)


def mul(a: Value, b: Value) -> Value:
    """Return ``a * b``."""
    if type(a) is int and type(b) is int:
        bits, other_bits = a.bit_length(), b.bit_length()
        if bits > 1024 and other_bits > 1024:
            charge_integers(bits, other_bits)
        if bits + other_bits > INTEGER_BITS:
            need_bits("*", bits + other_bits)
        return a * b
    if type(a) is float and type(b) is float:
        number = a * b
        return number if number == number else _NAN
    return _dispatch("*", a, b)


def div(a: Value, b: Value) -> Value:
    """Return ``a / b``, of integers a ratio where it does not divide."""
    if type(a) is int and type(b) is int and b:
        charge_integers(a.bit_length(), b.bit_length())
        return ratio(a, b)
    return _dispatch("/", a, b)


def quot(a: Value, b: Value) -> Value:
    """Return ``a / b`` rounded towards zero."""
    return _dispatch("quot", a, b)


def rem(a: Value, b: Value) -> Value:
    """Return what ``quot`` leaves, with the sign of ``a``."""
    return _dispatch("rem", a, b)


def mod(a: Value, b: Value) -> Value:
    """Return ``a`` modulo ``b``, with the sign of ``b``."""
    if type(a) is int and type(b) is int and b:
        if a.bit_length() > 1024:
            charge_integers(a.bit_length(), b.bit_length())
        return a % b
    return _dispatch("mod", a, b)


def negate(a: Value) -> Value:
    """Return ``-a``."""
    if type(a) is int or type(a) is float:
        return -a
    if not is_number(a):
        raise number_error("-", (a,))
    return sub(0, a)


def inc(a: Value) -> Value:
    """Return ``a + 1``."""
    if type(a) is int:
        return checked("inc", a + 1)
    if not is_number(a):
        raise number_error("inc", (a,))
    return add(a, 1)


def dec(a: Value) -> Value:
    """Return ``a - 1``."""
    if type(a) is int:
        return checked("dec", a - 1)
    if not is_number(a):
        raise number_error("dec", (a,))
    return sub(a, 1)


def abs_(a: Value) -> Value:
    """Return the absolute value."""
    if type(a) is int or type(a) is float:
        return abs(a)
    if not is_number(a):
        raise number_error("abs", (a,))
    return sub(0, a) if lt(a, 0) else a


def lt(a: Value, b: Value) -> bool:
    """Say whether ``a < b``."""
    if type(a) is int and type(b) is int:
        return a < b
    return _compare("<", a, b) == -1


def le(a: Value, b: Value) -> bool:
    """Say whether ``a <= b``."""
    if type(a) is int and type(b) is int:
        return a <= b
    return _compare("<=", a, b) in (-1, 0)


def gt(a: Value, b: Value) -> bool:
    """Say whether ``a > b``."""
    if type(a) is int and type(b) is int:
        return a > b
    return _compare(">", a, b) == 1


def ge(a: Value, b: Value) -> bool:
    """Say whether ``a >= b``."""
    if type(a) is int and type(b) is int:
        return a >= b
    return _compare(">=", a, b) in (0, 1)


def num_eq(a: Value, b: Value) -> bool:
    """Say whether ``(== a b)``: equal as numbers, whatever their kinds."""
    return _compare("==", a, b) == 0


def compare_numbers(a: Value, b: Value) -> int:
    """Return -1, 0 or 1; a comparison with ``##NaN`` gives 0, as Clojure's does."""
    return _compare("compare", a, b) or 0


def maximum(a: Value, b: Value) -> Value:
    """Return the larger of two numbers, ``##NaN`` if either is."""
    order = _compare("max", a, b)
    if order is None:
        return math.nan
    return a if order > 0 else b


def minimum(a: Value, b: Value) -> Value:
    """Return the smaller of two numbers, ``##NaN`` if either is."""
    order = _compare("min", a, b)
    if order is None:
        return math.nan
    return a if order < 0 else b


def power(base: Value, exponent: Value) -> Value:
    """Return ``base`` to the ``exponent``: exact for an integer exponent, else a float."""
    if not is_number(base) or not is_number(exponent):
        raise number_error("pow", (base, exponent))
    if type(exponent) is not int or type(base) is float:
        return _float_power(to_float(base), to_float(exponent))
    if exponent < 0:
        return div(1, power(base, -exponent))
    if type(base) is int:
        if base not in (0, 1, -1):
            bits = base.bit_length() * exponent
            need_bits("pow", bits)
            charge_integers(bits, bits)
        return base**exponent
    if type(base) is Ratio:
        top = power(base.numerator, exponent)
        return ratio(top, power(base.denominator, exponent))
    return _decimals().power(base, exponent)


def _float_power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        odd = exponent % 2 == 1
        return -math.inf if base < 0 and odd else math.inf
    except ValueError:
        return math.inf if base == 0 else math.nan


def to_float(number: Value) -> float:
    """Return the float nearest to a number; too large a one is infinite."""
    kind = KINDS[type(number)]
    if kind == kinds.FLOAT:
        return float(number)
    try:
        if kind == kinds.RATIO:
            return float(number.numerator / number.denominator)
        return float(number)
    except OverflowError:
        return math.inf if gt(number, 0) else -math.inf


def to_integer(number: Value, operator: str = "int") -> int:
    """Return a number cut to an integer, towards zero."""
    kind = KINDS[type(number)]
    if kind == kinds.INTEGER:
        return int(number)
    if kind == kinds.RATIO:
        whole: int = abs(number.numerator) // number.denominator
        return whole if number.numerator > 0 else -whole
    if kind == kinds.DECIMAL:
        return int(_decimals().to_integer(operator, number))
    if kind != kinds.FLOAT:
        raise number_error(operator, (number,))
    if not math.isfinite(number):
        from flowmetal.values.printing import pr_str

        message = f"`{operator}` needs a finite number, this is {pr_str(number)}"
        fail("FM0325", "arithmetic/inexact", message)
    return int(number)


def to_decimal(number: Value) -> Value:
    """Return a number as a decimal; FM0325 if no decimal is exactly that."""
    if not is_number(number):
        raise number_error("bigdec", (number,))
    return _decimals().to_decimal("bigdec", number)


def rationalize(number: Value) -> Value:
    """Return a number as an integer or a ratio; a float counts as its shortest decimal."""
    if not is_number(number):
        raise number_error("rationalize", (number,))
    if type(number) is int or type(number) is Ratio:
        return number
    top, bottom = _decimals().as_fraction("rationalize", to_decimal(number))
    return ratio(top, bottom)


def _decimals() -> ModuleType:
    # Importing decimal costs 6 ms, which only programs that use decimals should pay.
    from flowmetal.values import decimals

    return decimals


def _dispatch(operator: str, a: Value, b: Value) -> Value:
    if not is_number(a) or not is_number(b):
        raise number_error(operator, (a, b))
    kind = max(KINDS[type(a)], KINDS[type(b)])
    if kind == kinds.FLOAT:
        return _one_nan(_FLOAT_OPERATIONS[operator](to_float(a), to_float(b)))
    if kind == kinds.DECIMAL:
        return _decimals().apply(operator, a, b)
    return _rational(operator, a, b)


def _rational(operator: str, a: Value, b: Value) -> Value:
    """Apply an operator to integers and ratios."""
    top, bottom = (a, 1) if type(a) is int else (a.numerator, a.denominator)
    other_top, other_bottom = (b, 1) if type(b) is int else (b.numerator, b.denominator)
    charge_integers(top.bit_length(), other_top.bit_length())
    charge_integers(bottom.bit_length(), other_bottom.bit_length())
    if operator == "*":
        return _checked_ratio(operator, top * other_top, bottom * other_bottom)
    if operator in ("/", "quot", "rem", "mod") and other_top == 0:
        divide_by_zero(operator)
    left = top * other_bottom
    right = other_top * bottom
    if operator == "/":
        return _checked_ratio(operator, left, right)
    common = bottom * other_bottom
    if operator == "+":
        return _checked_ratio(operator, left + right, common)
    if operator == "-":
        return _checked_ratio(operator, left - right, common)
    if operator == "mod":
        return _checked_ratio(operator, left % right, common)
    whole = abs(left) // abs(right)
    if (left < 0) != (right < 0):
        whole = -whole
    if operator == "quot":
        return checked(operator, whole)
    return _checked_ratio(operator, left - whole * right, common)


def _checked_ratio(operator: str, top: int, bottom: int) -> Ratio | int:
    result = ratio(top, bottom)
    if isinstance(result, int):
        return checked(operator, result)
    checked(operator, result.numerator)
    checked(operator, result.denominator)
    return result


def _one_nan(number: float) -> float:
    """Return ``number``, ``##NaN`` always with the same bits: processors differ in its sign."""
    return number if number == number else _NAN


def _float_div(a: float, b: float) -> float:
    if b:
        return a / b
    if a == 0 or a != a:
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


def _float_quot(a: float, b: float) -> float:
    if b == 0:
        divide_by_zero("quot")
    result = a / b
    _need_finite("quot", result)
    return float(math.trunc(result))


def _float_rem(a: float, b: float) -> float:
    if b == 0:
        divide_by_zero("rem")
    _need_finite("rem", a)
    return math.fmod(a, b) + 0.0  # never -0.0


def _float_mod(a: float, b: float) -> float:
    if b == 0:
        divide_by_zero("mod")
    _need_finite("mod", a)
    left = _float_rem(a, b)
    return left if left == 0 or (left > 0) == (b > 0) else left + b


def _need_finite(operator: str, number: float) -> None:
    if not math.isfinite(number):
        message = f"`{operator}` has no result for infinite numbers and ##NaN"
        fail("FM0325", "arithmetic/inexact", message)


_FLOAT_OPERATIONS: Final[dict[str, Callable[[float, float], float]]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _float_div,
    "quot": _float_quot,
    "rem": _float_rem,
    "mod": _float_mod,
}


def _compare(operator: str, a: Value, b: Value) -> int | None:
    """Return -1, 0 or 1, or None if either is ``##NaN``."""
    if not is_number(a) or not is_number(b):
        raise number_error(operator, (a, b))
    kind = max(KINDS[type(a)], KINDS[type(b)])
    if kind == kinds.FLOAT:
        x, y = to_float(a), to_float(b)
        return None if x != x or y != y else (x > y) - (x < y)
    if kind == kinds.DECIMAL:
        return int(_decimals().compare(a, b))
    if kind == kinds.RATIO:
        top, bottom = (a, 1) if type(a) is int else (a.numerator, a.denominator)
        other_top, other_bottom = (b, 1) if type(b) is int else (b.numerator, b.denominator)
        charge_integers(top.bit_length(), other_bottom.bit_length())
        charge_integers(other_top.bit_length(), bottom.bit_length())
        left, right = top * other_bottom, other_top * bottom
        return (left > right) - (left < right)
    return int(a > b) - int(a < b)
