"""Errors under the names that Clojure has for them: what ``class`` says, what ``catch`` takes.

An error has a type, a keyword. Two tables lead from there to the classes of the
JVM that portable code names. ``_CLASS_OF`` has the one class that an error of a
type is of. ``_ALSO`` has what a ``catch`` for a class takes beside that, because
one type here stands for what the JVM distinguishes: a type mismatch is what
Clojure reports as a ClassCastException, a NullPointerException, an
IllegalArgumentException or an UnsupportedOperationException.

``(IllegalStateException. "message")`` makes an error whose type is the class
itself, ``:java.lang/IllegalStateException``.
"""

from __future__ import annotations

from typing import Final

from flowmetal.values.errors import ErrorValue
from flowmetal.values.map import EMPTY_MAP
from flowmetal.values.names import Keyword

EXCEPTION_INFO: Final = "clojure.lang.ExceptionInfo"
_HOSTS: Final = ("java.", "clojure.lang")

# fmt: off
_CLASS_OF: Final[dict[str, str]] = {
    # type, or namespace/*         class
    "arithmetic/*":                "java.lang.ArithmeticException",
    "arity":                       "clojure.lang.ArityException",
    "assertion/*":                 "java.lang.AssertionError",
    "contract/*":                  "java.lang.AssertionError",
    "atom/invalid":                "java.lang.IllegalStateException",
    "case/*":                      "java.lang.IllegalArgumentException",
    "compile/error":               "clojure.lang.Compiler$CompilerException",
    "reader/error":                "java.lang.RuntimeException",
    "format/*":                    "java.lang.IllegalArgumentException",
    "hierarchy/*":                 "java.lang.AssertionError",
    "index/*":                     "java.lang.IndexOutOfBoundsException",
    "key/*":                       "java.lang.IllegalArgumentException",
    "limit/bits":                  "java.lang.ArithmeticException",
    "limit/frames":                "java.lang.StackOverflowError",
    "limit/nesting":               "java.lang.StackOverflowError",
    "multimethod/*":               "java.lang.IllegalArgumentException",
    "option/*":                    "java.lang.IllegalArgumentException",
    "parse/*":                     "java.lang.NumberFormatException",
    "parse/text":                  "java.lang.RuntimeException",
    "protocol/*":                  "java.lang.IllegalArgumentException",
    "regex/*":                     "java.util.regex.PatternSyntaxException",
    "regex/no-match":              "java.lang.IllegalStateException",
    "test/only":                   "java.lang.UnsupportedOperationException",
    "timeout":                     "java.util.concurrent.TimeoutException",
    "type/*":                      "java.lang.ClassCastException",
    "var/*":                       "java.lang.IllegalStateException",
}

_ALSO: Final[dict[str, frozenset[str]]] = {
    # class                            types, or namespace/*
    "java.lang.IllegalArgumentException": frozenset({"type/*", "data/*", "parse/*", "atom/invalid"}),
    "java.lang.NullPointerException":  frozenset({"type/*", "parse/*"}),
    "java.lang.ClassCastException":    frozenset({"protocol/*"}),
    "java.lang.UnsupportedOperationException": frozenset({"type/*", "operation/*"}),
    "java.lang.IllegalStateException": frozenset({"type/*"}),
    "java.lang.StringIndexOutOfBoundsException": frozenset({"index/*"}),
    "java.lang.ArrayIndexOutOfBoundsException": frozenset({"index/*"}),
    "java.lang.StackOverflowError":    frozenset({"limit/*"}),
    "java.lang.OutOfMemoryError":      frozenset({"limit/*"}),
    "java.util.NoSuchElementException": frozenset({"index/*", "key/*", "type/*"}),
    "java.time.format.DateTimeParseException": frozenset({"parse/*"}),
    "java.io.IOException":             frozenset({"connector/*", "file/*", "fs/*", "http/*"}),
    "java.io.FileNotFoundException":   frozenset({"file/*", "fs/*"}),
    "java.io.EOFException":            frozenset({"parse/*", "reader/*"}),
    "clojure.lang.Compiler$CompilerException": frozenset({"macro/*"}),
}
# fmt: on


def class_of_error(error: ErrorValue) -> str:
    """Return the full name of the class of an error; what ``ex-info`` made is an ExceptionInfo."""
    made = host_class(error)
    if made is not None:
        return made
    if error.code is None:
        return EXCEPTION_INFO
    found = _CLASS_OF.get(error.type.text) or _CLASS_OF.get(f"{error.type.ns}/*")
    return found or "java.lang.RuntimeException"


def also_caught(cls: str, error: ErrorValue) -> bool:
    """Say whether a catch for ``cls`` takes an error that is of another class."""
    types = _ALSO.get(cls)
    if types is None or error.code is None:
        return False
    return error.type.text in types or f"{error.type.ns}/*" in types


def host_class(error: ErrorValue) -> str | None:
    """Return the class that an error was made as, None for every other error."""
    space = error.type.ns
    if space is None or not space.startswith(_HOSTS):
        return None
    return f"{space}.{error.type.name}"


def error_of_class(cls: str, message: str | None, cause: ErrorValue | None) -> ErrorValue:
    """Make the error that ``(Class. message cause)`` means."""
    space, _, plain = cls.rpartition(".")
    return ErrorValue(Keyword.of(space, plain), message, EMPTY_MAP, cause)
