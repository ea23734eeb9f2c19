"""Numbers as cl-format writes them: in a radix, with a fixed point, with an exponent, as money.

Floats are taken by the shortest digits that mean them, and rounded half up there, so that 2.675
with two digits is 2.68: what one reads is what is rounded.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

from flowmetal.stdlib.natives.english import (
    LARGEST,
    LARGEST_OLD_ROMAN,
    LARGEST_ROMAN,
    cardinal,
)
from flowmetal.stdlib.natives.english import (
    ordinal as ordinal_words,
)
from flowmetal.stdlib.natives.english import (
    roman as roman_numeral,
)
from flowmetal.values import Ratio, Value, display, fail, to_float
from flowmetal.values.number_text import DIGITS, digits_in


def in_radix(value: int, base: int, comma: str, interval: int, plus: bool) -> str:
    """Return the digits of an integer, grouped if there is a ``comma``."""
    if not 2 <= base <= len(DIGITS):
        fail("FM0528", "argument/wrong", f"cl-format has digits for base 2 to 36, not for {base}")
    digits = display(abs(value)) if base == 10 else digits_in(abs(value), base)
    if comma:
        first = len(digits) % interval
        groups = [digits[:first]] if first else []
        groups += [digits[i : i + interval] for i in range(first, len(digits), interval)]
        digits = comma.join(groups)
    return ("-" if value < 0 else "+" if plus else "") + digits


def read_as_number(value: int, *, ordinal: bool, roman: bool) -> str:
    """Return words or a Roman numeral, and digits for what has neither."""
    if roman:
        most = LARGEST_OLD_ROMAN if ordinal else LARGEST_ROMAN
        return roman_numeral(value, old=ordinal) if 0 < value <= most else display(value)
    if abs(value) > LARGEST:
        return in_radix(value, 10, ",", 3, False) + ("th" if ordinal else "")
    return ordinal_words(value) if ordinal else cardinal(value)


def _decimal(value: Value) -> Decimal | None:
    """Return the number that its shortest digits mean; None for what is no finite number."""
    if type(value) is int:
        return Decimal(value)
    if isinstance(value, Ratio):
        value = to_float(value)
    if type(value) is float:
        made = Decimal(repr(value))
        return made if made.is_finite() else None
    return value if isinstance(value, Decimal) else None


def _exact(number: Decimal, more: int) -> Context:
    """Return a context in which nothing is lost of a number with ``more`` digits."""
    size = len(number.as_tuple().digits) + abs(number.adjusted()) + abs(more) + 10
    return Context(prec=size, rounding=ROUND_HALF_UP)


def _rounded(number: Decimal, digits: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-digits), context=_exact(number, digits))


def _scaled(number: Decimal, places: int) -> Decimal:
    return number.scaleb(places, context=_exact(number, places))


def _plain(number: Decimal) -> str:
    """Return all digits of a number and none that says nothing."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _padded(text: str, width: int | None, overflow: int | str | None, pad: str) -> str:
    if width is None:
        return text
    if len(text) > width and overflow is not None:
        return str(overflow) * width
    return pad * (width - len(text)) + text


def fixed(
    value: Value,
    width: int | None,
    digits: int | None,
    scale: int,
    overflow: int | str | None,
    pad: str,
    plus: bool,
) -> str:
    """Return ``~F``: digits around a point; without ``digits`` as many as there are, or as fit."""
    number = _decimal(value)
    if number is None:
        return _padded(display(value), width, None, pad)
    sign = "-" if number < 0 else "+" if plus else ""
    number = _scaled(number.copy_abs(), scale)
    room = None if width is None else width - len(sign)
    if digits is None:
        text = _plain(number)
        if room is not None and "." in text and len(text) > room:
            whole = text.index(".")
            after = max(room - whole - 1, 0)
            if whole == 1 and text[0] == "0" and room - 1 >= 1:
                after = max(room - 1, after)
            text = format(_rounded(number, after), "f")
            text = text if "." in text else f"{text}."
        elif "." not in text:
            text += "." if room is not None and len(text) + 1 >= room else ".0"
    else:
        text = format(_rounded(number, digits), "f")
        text = text if "." in text else f"{text}."
    if room is not None and len(text) > room and text.startswith("0.") and len(text) > 2:
        text = text[1:]
    return _padded(sign + text, width, overflow, pad)


def exponential(
    value: Value,
    width: int | None,
    digits: int | None,
    places: int | None,
    scale: int,
    overflow: int | str | None,
    pad: str,
    mark: str,
    plus: bool,
) -> str:
    """Return ``~E``: ``scale`` digits before the point, then an exponent with its sign."""
    number = _decimal(value)
    if number is None:
        return _padded(display(value), width, None, pad)
    sign = "-" if number < 0 else "+" if plus else ""
    number = number.copy_abs()
    exponent = 0 if number == 0 else number.adjusted() + 1 - scale
    mantissa = _scaled(number, -exponent)
    if digits is not None:
        mantissa = _rounded(mantissa, max(digits - max(scale - 1, 0), 0))
        if number != 0 and mantissa.adjusted() + 1 > scale:
            mantissa, exponent = _rounded(mantissa.scaleb(-1), digits), exponent + 1
        text = format(mantissa, "f")
    else:
        text = _plain(mantissa)
        text = text if "." in text else f"{text}.0"
    power = str(abs(exponent)).rjust(places or 0, "0")
    made = f"{text if '.' in text else text + '.'}{mark}{'-' if exponent < 0 else '+'}{power}"
    return _padded(sign + made, width, overflow, pad)


def general(value: Value, width: int | None, digits: int | None, plus: bool) -> str:
    """Return ``~G``: a fixed point and four spaces, or an exponent for what is very large or small."""
    number = _decimal(value)
    if number is None:
        return _padded(display(value), width, None, " ")
    places = 0 if number == 0 else number.copy_abs().adjusted() + 1
    wanted = digits
    if wanted is None:
        shown = len(_plain(number.copy_abs()).replace(".", "").strip("0"))
        wanted = max(shown, min(places, 7))
    if 0 <= wanted - places <= wanted:
        inner = None if width is None else width - 4
        return fixed(value, inner, wanted - places, 0, None, " ", plus) + "    "
    return exponential(value, width, digits, None, 1, None, " ", "E", plus)


def dollars(
    value: Value, digits: int, least: int, width: int, pad: str, plus: bool, sign_first: bool
) -> str:
    """Return ``~$``: money with ``digits`` after the point and at least ``least`` before it."""
    number = _decimal(value)
    if number is None:
        return _padded(display(value), width, None, pad)
    sign = "-" if number < 0 else "+" if plus else ""
    text = format(_rounded(number.copy_abs(), digits), "f")
    whole, point, after = text.partition(".")
    text = whole.rjust(least, "0") + (point or ".") + after
    if sign_first:
        return sign + text.rjust(width - len(sign), pad)
    return (sign + text).rjust(width, pad)
