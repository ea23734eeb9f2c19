"""Text of flow.core: str, subs, printing to strings and ``format``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from flowmetal.stdlib.natives.arguments import (
    library_error,
    need_text,
    out_of_bounds,
    wrong,
)
from flowmetal.stdlib.natives.table import MISSING, Table
from flowmetal.stdlib.natives.walking import all_of, items_of
from flowmetal.values import (
    Char,
    Duration,
    FlowError,
    OrderedByFunction,
    Ratio,
    Record,
    Reified,
    Unrealised,
    Value,
    describe,
    display,
    display_top,
    fail,
    integer_text,
    is_number,
    lasting_hash,
    parse_duration,
    pr_str,
    to_decimal,
    vector,
)

if TYPE_CHECKING:
    from decimal import Decimal

from flowmetal.values.limits import allow_characters, need_characters
from flowmetal.values.meter import charge, meter

native = Table("flow.core")


@native("str")
def to_text(*values: Value) -> str:
    """Return the text of all values, one after the other; nil has none."""
    if not _SHOWN.isdisjoint(map(type, values)):
        raise OrderedByFunction  # toString of a record is a function of the program
    return plain_text(*values)


_SHOWN = frozenset({Record, Reified})


@native("-plain-str")
def plain_text(*values: Value) -> str:
    """Return the text of all values; records as they print."""
    texts, size, most = [], 0, meter().limits.characters
    try:
        for value in values:
            text = value if type(value) is str else display_top(value, "str")
            texts.append(text)
            size += len(text)
            if size > most:
                break
    except Unrealised:
        raise all_of(vector(values)) from None
    need_characters("str", size)
    return "".join(texts)


@native("-print-text")
def print_for_people(values: Value, length: Value, level: Value) -> str:
    """Return what ``print`` writes for a sequence of values that are realised."""
    return _line("print", values, lambda v: display(v, length, level, "print"))


@native("-pr-text")
def print_for_reader(values: Value, length: Value, level: Value) -> str:
    """Return what ``pr`` writes for a sequence of values that are realised."""
    return _line("pr", values, lambda v: pr_str(v, None, length, level, False, "pr"))


def _line(function: str, values: Value, text_of: Callable[[Value], str]) -> str:
    """Return the texts of values with spaces between them; no more than the limit of characters."""
    texts, size = [], 0
    for value in items_of(function, values):
        texts.append(text_of(value))
        size += len(texts[-1]) + 1
        allow_characters(function, size - 1)
    return " ".join(texts)


@native("subs")
def subs(text: Value, start: Value, end: Value = MISSING) -> str:
    """Return the part of a text from ``start`` to before ``end``."""
    need_text("subs", 1, text)
    stop = len(text) if end is MISSING else end
    for position, index in ((2, start), (3, stop)):
        if type(index) is not int:
            raise wrong("subs", "an integer", position, index)
        if not 0 <= index <= len(text):
            raise out_of_bounds("subs", index, len(text))
    if start > stop:
        raise out_of_bounds("subs", stop, len(text))
    charge((stop - start) >> 10)
    return str(text[start:stop])


@native("duration")
def to_duration(x: Value) -> Duration:
    """Return the duration written in a text, such as 1h30m or PT5M."""
    if type(x) is Duration:
        return x
    made = parse_duration(need_text("duration", 1, x))
    if made is None:
        fail("FM0507", "parse/duration", f'{pr_str(x)} is not a duration, write "1h30m" or "PT5M"')
    return made


# format, after java.util.Formatter.

_DIRECTIVE = re.compile(r"%([0-9]+\$|<)?([-#+ 0,(]*)([0-9]+)?(?:\.([0-9]+))?([a-zA-Z%])")


@native("format")
def format_text(pattern: Value, *values: Value) -> str:
    """Fill a pattern of %s, %d, %.2f and so on, as Java's formatter does."""
    text = need_text("format", 1, pattern)
    parts: list[str] = []
    at = used = size = 0
    place = -1
    while (start := text.find("%", at)) >= 0:
        parts.append(text[at:start])
        found = _DIRECTIVE.match(text, start)
        if found is None:
            raise bad_format(f"{pr_str(text[start : start + 5])} is not a directive")
        index, flags, width, precision, kind = found.groups()
        at = found.end()
        allow_characters("format", size)
        if kind in "%n":
            parts.append(_padded("%" if kind == "%" else "\n", flags, width))
            size += len(parts[-1])
            continue
        if index != "<":
            place = int(index[:-1][:12]) - 1 if index else used
        used += 0 if index else 1
        if not 0 <= place < len(values):
            raise bad_format(f"{found.group()} has no argument")
        made = _directive(found.group(), kind, flags, width, precision, values[place])
        parts.append(made.upper() if kind.isupper() else made)
        size += len(made)
    need_characters("format", size + len(text))
    return "".join([*parts, text[at:]])


def _directive(
    shown: str, kind: str, flags: str, width: str | None, precision: str | None, value: Value
) -> str:
    if value is None and kind.lower() in "cdxofeg":
        return _padded("null", flags.replace("0", ""), width)
    match kind.lower():
        case "s":
            text = "null" if value is None else display_top(value)
            return _padded(text if precision is None else text[: int(precision[:12])], flags, width)
        case "b":
            return _padded("false" if value is None or value is False else "true", flags, width)
        case "h":
            return _padded("null" if value is None else f"{lasting_hash(value):x}", flags, width)
        case "c":
            if type(value) is int and 0 <= value < 0x110000:
                value = Char(chr(value))
            if type(value) is not Char:
                raise bad_format(f"{shown} needs a character, got {describe(value)}")
            return _padded(value.text, flags, width)
        case "d" | "x" | "o":
            if type(value) is not int:
                raise bad_format(f"{shown} needs an integer, got {describe(value)}")
            if "," in flags and kind not in "dD":
                raise bad_format(f"{shown} has no groups of thousands")
            digits = integer_text(abs(value)) if kind in "dD" else format(abs(value), kind.lower())
            prefix = {"x": "0x", "o": "0"}.get(kind.lower(), "") if "#" in flags else ""
            return _number(value < 0, prefix + digits, flags, width)
        case "f" | "e" | "g":
            return _float(shown, kind.lower(), flags, width, precision, value)
        case _:
            raise bad_format(f"{shown} is not a directive")


def _float(
    shown: str, kind: str, flags: str, width: str | None, precision: str | None, value: Value
) -> str:
    if not is_number(value):
        raise bad_format(f"{shown} needs a number, got {describe(value)}")
    if type(value) is float and not math.isfinite(value):
        name = "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
        return _padded(name, flags.replace("0", ""), width)
    places = 6 if precision is None else int(precision[:6])
    if places > 1000:
        raise bad_format(f"{shown} asks for more than 1,000 digits")
    exact = _quotient(value, places) if type(value) is Ratio else to_decimal(value)
    layout = {"f": _fixed, "e": _scientific, "g": _general}[kind]
    try:
        digits = layout(exact.copy_abs(), places)
    except ArithmeticError:  # the context's exponents end at a million
        raise bad_format(f"{shown} has no digits for a number that large") from None
    return _number(exact.is_signed(), digits, flags, width)


# Java rounds half up what people read (0.125 -> 0.13); Python rounds the binary value half even.


def _fixed(number: Decimal, places: int) -> str:
    from decimal import ROUND_HALF_UP, Context, Decimal

    need_characters("format", max(number.adjusted(), 0) + places)
    unit = Decimal(1).scaleb(-places)
    context = Context(prec=max(number.adjusted(), 0) + places + 2)
    return f"{number.quantize(unit, ROUND_HALF_UP, context):f}"


def _quotient(ratio: Ratio, places: int) -> Decimal:
    """Return a ratio with all digits before the point and some more than ``places`` behind it."""
    from decimal import Context, Decimal

    before = max(0, ratio.numerator.bit_length() - ratio.denominator.bit_length()) // 3
    return Context(prec=before + places + 30).divide(
        Decimal(ratio.numerator), Decimal(ratio.denominator)
    )


def _scientific(number: Decimal, places: int) -> str:
    # A decimal zero would show its own exponent.
    digits = f"{_significant(number, places + 1) or 0.0:.{places}e}"
    return re.sub(r"e([+-])(\d)$", r"e\g<1>0\2", digits)


def _general(number: Decimal, digits: int) -> str:
    digits = digits or 1
    rounded = _significant(number, digits)
    if rounded and not -4 <= rounded.adjusted() < digits:
        return _scientific(rounded, digits - 1)
    return _fixed(rounded, digits - 1 - (rounded.adjusted() if rounded else 0))


def _significant(number: Decimal, digits: int) -> Decimal:
    from decimal import ROUND_HALF_UP, Context

    return Context(prec=digits, rounding=ROUND_HALF_UP).plus(number) if number else number


def _number(negative: bool, digits: str, flags: str, width: str | None) -> str:
    if "," in flags:
        whole, dot, fraction = digits.partition(".")
        first = len(whole) % 3 or 3
        groups = (whole[at : at + 3] for at in range(first, len(whole), 3))
        digits = ",".join((whole[:first], *groups)) + dot + fraction
    if negative and "(" in flags:
        return _padded(f"({digits})", flags, width)
    sign = "-" if negative else "+" if "+" in flags else " " if " " in flags else ""
    if "0" in flags and width is not None and "-" not in flags:
        need_characters("format", int(width[:12]))
        digits = digits.rjust(int(width) - len(sign), "0")
    return _padded(sign + digits, flags, width)


def _padded(text: str, flags: str, width: str | None) -> str:
    if width is None:
        return text
    need_characters("format", int(width[:12]))
    return text.ljust(int(width)) if "-" in flags else text.rjust(int(width))


def bad_format(what: str) -> FlowError:
    """Return the error to raise for a pattern or an argument that `format` cannot use."""
    return library_error("FM0506", "format/wrong", f"`format`: {what}")
