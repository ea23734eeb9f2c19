"""Checks of arguments, each with a sentence for the person who wrote the program.

The sentence has one form: "`name` needs a map, argument 2 is 5". Every
``need_`` function here either returns or raises ``FlowError``.
"""

from __future__ import annotations

from typing import Final

from flowmetal.values import (
    Duration,
    ErrorValue,
    FlowError,
    Instant,
    Map,
    Value,
    describe,
    keyword,
    plain_map,
    show,
    type_error,
)

WHITE_SPACE: Final = "".join(
    chr(code)
    for code in (*range(0x09, 0x0E), *range(0x1C, 0x21), 0x1680, *range(0x2000, 0x200B), 0x2028,
                 0x2029, 0x205F, 0x3000)
    if code != 0x2007
)  # fmt: skip
"""What java.lang.Character/isWhitespace takes for white space: no space that forbids a line break."""


def wrong(function: str, wanted: str, position: int, value: Value, hint: str = "") -> FlowError:
    """Return the error to raise: argument ``position`` (from 1) of ``function`` is not ``wanted``."""
    return type_error(
        "FM0501", f"`{function}` needs {wanted}, argument {position} is {describe(value)}{hint}"
    )


def need_text(function: str, position: int, value: Value) -> str:
    """Return ``value``, which must be a string."""
    if type(value) is not str:
        raise wrong(function, "a string", position, value)
    return value


def need_int(function: str, position: int, value: Value) -> int:
    """Return ``value``, which must be an integer."""
    if type(value) is not int:
        raise wrong(function, "an integer", position, value)
    return value


def need_map(function: str, position: int, value: Value) -> Map:
    """Return ``value``, which must be a map, as a plain one."""
    plain = plain_map(value)
    if plain is None:
        raise wrong(function, "a map", position, value)
    return plain


def need_duration(function: str, position: int, value: Value) -> Duration:
    """Return ``value``, which must be a duration; a bare number gets the hint to write one."""
    if type(value) is not Duration:
        hint = ": write (seconds 5)" if type(value) in (int, float) else ""
        raise wrong(function, "a duration", position, value, hint)
    return value


def need_instant(function: str, position: int, value: Value) -> Instant:
    """Return ``value``, which must be an instant."""
    if type(value) is not Instant:
        raise wrong(function, "an instant", position, value)
    return value


def out_of_bounds(function: str, index: int, count: int) -> FlowError:
    """Return the error to raise: there is no item ``index`` among ``count``."""
    there = "is 1 item" if count == 1 else f"are {count} items"
    return library_error(
        "FM0322", "index/out-of-bounds", f"`{function}` found no index {show(index)}: there {there}"
    )


def uneven(function: str, last: Value) -> FlowError:
    """Return the error to raise: keys and values do not come in pairs."""
    return library_error(
        "FM0503", "arity", f"`{function}` needs a value for every key, {show(last)} has none"
    )


def library_error(code: str, type_text: str, message: str) -> FlowError:
    """Return an error of a code of the library, to be raised."""
    return FlowError(ErrorValue(keyword(type_text), message, code=code))
