"""Natives of flow.math: floats in, floats out, as in clojure.math."""

from __future__ import annotations

import math
from collections.abc import Callable

from flowmetal.stdlib.natives.arguments import need_int, wrong
from flowmetal.stdlib.natives.numbers import to_float
from flowmetal.stdlib.natives.table import Table
from flowmetal.values import Value, is_number, numbers

native = Table("flow.math")


def _float(function: str, position: int, x: Value) -> float:
    if not is_number(x):
        raise wrong(function, "a number", position, x)
    return to_float(x)


def _one(name: str, call: Callable[[float], float]) -> None:
    """Enter a function of a float; outside of its domain it is NaN, as in Java."""

    def guarded(x: Value) -> float:
        given = _float(name, 1, x)
        try:
            return call(given)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    native.add(name, guarded)


def _log(x: float) -> float:
    return -math.inf if x == 0 else math.log(x)


def _log10(x: float) -> float:
    return -math.inf if x == 0 else math.log10(x)


def _log1p(x: float) -> float:
    return -math.inf if x == -1 else math.log1p(x)


def _cbrt(x: float) -> float:
    """Return the float nearest to the root: C libraries differ in the last bit, (cbrt 27) among them."""
    root = math.cbrt(x)
    if not math.isfinite(root) or root == 0:
        return root
    from fractions import Fraction

    exact = Fraction(x)
    near = (root, math.nextafter(root, -math.inf), math.nextafter(root, math.inf))
    return min(near, key=lambda one: abs(Fraction(one) ** 3 - exact))


def _whole(call: Callable[[float], int]) -> Callable[[float], float]:
    def kept(x: float) -> float:
        return math.copysign(float(call(x)), x) if math.isfinite(x) else x

    return kept


for _name, _call in (
    ("sin", math.sin), ("cos", math.cos), ("tan", math.tan),
    ("asin", math.asin), ("acos", math.acos), ("atan", math.atan),
    ("sinh", math.sinh), ("cosh", math.cosh), ("tanh", math.tanh),
    ("exp", math.exp), ("expm1", math.expm1),
    ("log", _log), ("log10", _log10), ("log1p", _log1p),
    ("sqrt", math.sqrt), ("cbrt", _cbrt),
    ("floor", _whole(math.floor)), ("ceil", _whole(math.ceil)), ("rint", _whole(round)),
    ("to-radians", math.radians), ("to-degrees", math.degrees),
    ("signum", lambda x: x if x != x or x == 0 else math.copysign(1.0, x)),
):  # fmt: skip
    _one(_name, _call)


@native("atan2")
def atan2(y: Value, x: Value) -> float:
    return math.atan2(_float("atan2", 1, y), _float("atan2", 2, x))


@native("hypot")
def hypot(x: Value, y: Value) -> float:
    return math.hypot(_float("hypot", 1, x), _float("hypot", 2, y))


@native("pow")
def power(base: Value, exponent: Value) -> float:
    """Raise to a power, as a float."""
    x, y = _float("pow", 1, base), _float("pow", 2, exponent)
    try:
        return math.pow(x, y)
    except OverflowError:
        return -math.inf if x < 0 and y % 2 == 1 else math.inf
    except ValueError:
        if x == 0:
            return math.copysign(math.inf, x) if y % 2 == 1 else math.inf
        return math.nan


@native("expt")
def expt(base: Value, exponent: Value) -> Value:
    """Raise a number to an integer power, exactly."""
    return numbers.power(base, exponent)


@native("round")
def round_half_up(x: Value) -> int:
    """Round to the nearest integer, halves up."""
    given = _float("round", 1, x)
    if not math.isfinite(given):
        raise wrong("round", "a finite number", 1, x)
    whole = math.floor(given)
    return whole + 1 if given - whole >= 0.5 else whole


@native("floor-div")
def floor_div(x: Value, y: Value) -> int:
    """Divide integers and round down."""
    if need_int("floor-div", 2, y) == 0:
        numbers.divide_by_zero("floor-div")
    return need_int("floor-div", 1, x) // int(y)


@native("floor-mod")
def floor_mod(x: Value, y: Value) -> Value:
    """Return the remainder of floor-div."""
    return numbers.mod(need_int("floor-mod", 1, x), need_int("floor-mod", 2, y))
