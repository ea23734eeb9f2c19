"""What the names of the JVM mean that portable code uses: compiler/host_names.py has the table.

Unlike ``parse-long`` and its like these throw for a text that they cannot read, as
the functions do whose names lead here.
"""

from __future__ import annotations

import re

from flowmetal.stdlib.natives.arguments import need_int, need_text, wrong
from flowmetal.stdlib.natives.table import MISSING, Table
from flowmetal.stdlib.natives.times import instant_at, parse_uuid
from flowmetal.values import (
    ErrorValue,
    Instant,
    Regex,
    Symbol,
    Value,
    fail,
    show,
)
from flowmetal.values.error_classes import error_of_class

native = Table("flow.core")


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
    return instant_at("Date", need_int("Date", 1, ms) * 1000)


@native("-signum")
def signum(n: Value) -> int:
    """Return 1, 0 or -1 as an integer is above, at or below zero."""
    number = need_int("signum", 1, n)
    return (number > 0) - (number < 0)


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
