"""Printing: values as text, by Clojure's formats.

``pr_str`` is the readable form (what ``pr`` writes and the reader reads back),
``display`` the form of ``print``, ``display_top`` the form of ``str``, and
``show`` the cut one of error messages. The walk keeps its own stack: depth of
nesting is bounded by memory alone. A cell that contains itself prints as
``...`` inside of itself.
"""

from __future__ import annotations

import re
import sys
from binascii import b2a_base64
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from typing import Final

from flowmetal.values import kinds
from flowmetal.values.cells import Atom, Delay, Reduced, Volatile
from flowmetal.values.errors import ErrorValue
from flowmetal.values.kinds import KINDS, Value
from flowmetal.values.lazy import Unrealised
from flowmetal.values.lists import List
from flowmetal.values.meter import charge, meter
from flowmetal.values.names import Symbol, keyword
from flowmetal.values.number_text import float_text, integer_text, number_text
from flowmetal.values.record import tag_of
from flowmetal.values.scalars import Regex, RunRef, Secret, TaggedLiteral
from flowmetal.values.time_text import duration_text, instant_text
from flowmetal.values.vector import Vector

_CHAR_NAMES: Final = {
    "\n": "newline",
    " ": "space",
    "\t": "tab",
    "\b": "backspace",
    "\f": "formfeed",
    "\r": "return",
}
_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    "\b": "\\b",
    "\f": "\\f",
}
_SHOW_LENGTH: Final = 5
_SHOW_LIMIT: Final = 80
_SHOW_LEVEL: Final = 8


def pr_str(
    value: Value,
    limit: int | None = None,
    length: int | None = None,
    level: int | None = None,
    short: bool = False,
    function: str | None = None,
) -> str:
    """Return the readable form of any value; if ``short``, ``(quote x)`` is ``'x`` and the like.

    ``limit`` cuts the text after so many characters, ``length`` a collection
    after so many elements, ``level`` nesting after so many levels (as
    ``*print-length*`` and ``*print-level*`` do). Raises ``Unrealised`` (DEEP).

    For a ``function`` of the language the run's limits of characters and items hold, and
    FM0514 names it: a small value that shares its parts may have a text without end.
    """
    if limit is None:
        scalar = _SCALARS.get(KINDS[type(value)])
        if scalar is not None:
            return scalar(value)
    return _Printer(True, limit, length, level, False, short, function).text(value)


def display(
    value: Value, length: int | None = None, level: int | None = None, function: str | None = None
) -> str:
    """Return the form that ``print`` writes: strings and characters raw, at any depth."""
    return _Printer(False, None, length, level, False, False, function).text(value)


def display_top(value: Value, function: str | None = None) -> str:
    """Return what ``str`` makes of one argument: nil is "", a string itself, a collection readable."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    special = _TOP.get(KINDS[type(value)])
    if special is not None:
        return special(value)
    return value.pattern if type(value) is Regex else pr_str(value, function=function)


def show(value: Value) -> str:
    """Return the readable form cut for a message: 80 characters, 5 elements; it raises nothing."""
    return _Printer(True, _SHOW_LIMIT, _SHOW_LENGTH, _SHOW_LEVEL, True).text(value)


def show_whole(value: Value, limit: int) -> str:
    """Return the readable form cut after so many characters alone; it raises nothing either."""
    return _Printer(True, limit, None, None, True).text(value)


def describe(value: Value) -> str:
    """Return what a message calls a value: ``the string "2"``, ``nil``."""
    kind = KINDS[type(value)]
    if kind in (kinds.NIL, kinds.BOOLEAN):
        return show(value)
    if kind == kinds.SEQUENCE:
        noun = "vector" if isinstance(value, Vector) else "list"
    elif kind in (kinds.NAMED, kinds.PARTS, kinds.OPAQUE):
        return show(value)
    else:
        noun = _NOUNS[kind]
    return f"the {noun} {show(value)}"


_NOUNS: Final = {
    kinds.INTEGER: "number",
    kinds.RATIO: "ratio",
    kinds.DECIMAL: "decimal",
    kinds.FLOAT: "number",
    kinds.STRING: "string",
    kinds.BYTES: "bytes",
    kinds.CHAR: "character",
    kinds.KEYWORD: "keyword",
    kinds.SYMBOL: "symbol",
    kinds.INSTANT: "instant",
    kinds.DURATION: "duration",
    kinds.UUID: "UUID",
    kinds.MAP: "map",
    kinds.SET: "set",
}


def string_text(text: str) -> str:
    """Return a string in double quotes; what a terminal could take amiss is escaped."""
    return '"' + _unprintable().sub(_escaped, text) + '"'


@cache
def _unprintable() -> re.Pattern[str]:
    return re.compile('[\\x00-\\x1f"\\\\\\x7f-\\x9f\\ud800-\\udfff]')


def _escaped(match: re.Match[str]) -> str:
    found = match.group()
    return _ESCAPES.get(found) or f"\\u{ord(found):04x}"


def _char_text(value: Value) -> str:
    text: str = value.text
    if text in _CHAR_NAMES:
        return "\\" + _CHAR_NAMES[text]
    unprintable = text not in '"\\' and _unprintable().match(text)
    return f"\\u{ord(text):04x}" if unprintable else "\\" + text


def _named_text(value: Value) -> str:
    if type(value) is Regex:
        flags = f"(?{value.flags})" if value.flags else ""
        return '#"' + _regex_body(flags + value.pattern) + '"'
    if type(value) is Secret:
        return f"#secret {string_text(value.name)}"
    if type(value) is RunRef:
        return f"#flow/run {string_text(value.id)}"
    return f"#'{value.name}"


def _regex_body(pattern: str) -> str:
    """Escape the double quotes of a pattern that are not escaped yet; between \\Q and \\E nothing can be."""
    return re.sub(r'\\Q(.*?)(?:\\E|\Z)|\\.|"', _escaped_part, pattern, flags=re.DOTALL)


def _escaped_part(part: re.Match[str]) -> str:
    text = part.group()
    if text.startswith("\\Q"):
        return "\\Q" + part.group(1).replace('"', '\\E\\"\\Q') + "\\E"
    return '\\"' if text == '"' else text


_SCALARS: Final[dict[int, Callable[[Value], str]]] = {
    kinds.NIL: lambda _: "nil",
    kinds.BOOLEAN: lambda value: "true" if value else "false",
    kinds.INTEGER: integer_text,
    kinds.RATIO: number_text,
    kinds.DECIMAL: number_text,
    kinds.FLOAT: float_text,
    kinds.STRING: string_text,
    kinds.BYTES: lambda value: f'#bytes "{b2a_base64(value, newline=False).decode("ascii")}"',
    kinds.CHAR: _char_text,
    kinds.KEYWORD: lambda value: f":{value.text}",
    kinds.SYMBOL: lambda value: str(value.text),
    kinds.INSTANT: lambda value: f'#inst "{instant_text(value, "-00:00")}"',
    kinds.DURATION: lambda value: f'#dur "{duration_text(value)}"',
    kinds.UUID: lambda value: f'#uuid "{value}"',
    kinds.NAMED: _named_text,
}


def _top_float(value: float) -> str:
    text = float_text(value)
    return {"##Inf": "Infinity", "##-Inf": "-Infinity", "##NaN": "NaN"}.get(text, text)


_TOP: Final[dict[int, Callable[[Value], str]]] = {
    kinds.CHAR: lambda value: str(value.text),
    kinds.DECIMAL: str,
    kinds.FLOAT: _top_float,
    kinds.INSTANT: instant_text,
    kinds.DURATION: duration_text,
    kinds.UUID: str,
}


class _Frame:
    """A collection that is being printed."""

    __slots__ = ("closer", "count", "paired", "source", "values")

    def __init__(
        self, values: Iterator[Value], closer: str, paired: bool = False, source: Value = None
    ) -> None:
        self.values = values
        self.closer = closer
        self.paired = paired  # keys and values in turn, a comma after each value
        self.source = source  # the cell to leave, when it is printed
        self.count = 0


class _Printer:
    def __init__(
        self,
        readable: bool,
        limit: int | None,
        length: int | None,
        level: int | None,
        forgiving: bool,
        short: bool = False,
        function: str | None = None,
    ) -> None:
        self.readable = readable
        self.limit = limit
        self.length = length
        self.level = level
        self.forgiving = forgiving  # print ... where a lazy sequence is not realised
        self.short = short
        self.function = function
        self.left = self.most = sys.maxsize  # items and characters
        if function is not None:
            limits = meter().limits
            self.left, self.most = limits.items, limits.characters
        self.out: list[str] = []
        self.size = 0
        self.stack: list[_Frame] = []
        self.open_cells: set[int] = set()

    def text(self, value: Value) -> str:
        """Print a value, and all inside of it."""
        self._print(value)
        while self.stack and not self._is_full():
            self._continue(self.stack[-1])
        text = "".join(self.out)
        if self.limit is not None and len(text) > self.limit:
            return text[: max(0, self.limit - 3)] + "..."
        charge(len(text) >> 5)
        return text

    def _is_full(self) -> bool:
        return self.limit is not None and self.size > self.limit

    def _write(self, text: str) -> None:
        self.out.append(text)
        self.size += len(text)

    def _continue(self, frame: _Frame) -> None:
        """Print the elements of the innermost collection up to one that is a collection."""
        depth = len(self.stack)
        try:
            for value in frame.values:
                if frame.count:
                    self._write(", " if frame.paired and frame.count % 2 == 0 else " ")
                shown = frame.count // 2 if frame.paired else frame.count
                if self.length is not None and shown >= self.length:
                    self._write("...")
                    break
                frame.count += 1
                self._print(value)
                self.left -= 1
                if self.size > self.most or self.left < 0:
                    self._too_much()
                if len(self.stack) > depth or self._is_full():
                    return
        except Unrealised:
            if not self.forgiving:
                raise
            self._write(" ..." if frame.count else "...")
        self._write(frame.closer)
        self.stack.pop()
        if frame.source is not None:
            self.open_cells.discard(id(frame.source))

    def _too_much(self) -> None:
        from flowmetal.values.limits import (
            allow_characters,
            too_many_items,
        )  # errors are printed here

        assert self.function is not None
        allow_characters(self.function, self.size)
        too_many_items(self.function, meter().limits.items + 1)

    def _print(self, value: Value) -> None:
        kind = KINDS[type(value)]
        if kind == kinds.STRING and not self.readable:
            self._write(value)
        elif kind == kinds.CHAR and not self.readable:
            self._write(value.text)
        elif kind == kinds.STRING and self.limit is not None:
            self._write(string_text(value[: self.limit + 1]))
        elif kind in _SCALARS:
            self._write(_SCALARS[kind](value))
        elif self.level is not None and len(self.stack) >= self.level and kind != kinds.OPAQUE:
            self._write("#")
        elif kind == kinds.SEQUENCE:
            vector = isinstance(value, Vector)
            mark = None if vector or not self.short else reader_mark(value)
            if mark is not None:
                self._open(mark, iter((value.rest.first,)), "")
                return
            self._open(
                "[" if vector else "(",
                iter(value) if vector else _cells(value),
                "]" if vector else ")",
            )
        elif kind == kinds.MAP:
            opener = "{" if value.record is None else f"#{tag_of(value.record)}{{"
            self._open(opener, chain.from_iterable(value.items()), "}", True)
        elif kind == kinds.SET:
            self._open("#{", iter(value), "}")
        elif kind == kinds.PARTS:
            self._print_parts(value)
        else:
            self._print_opaque(value)

    def _open(
        self, opener: str, values: Iterator[Value], closer: str, paired: bool = False
    ) -> None:
        self._write(opener)
        self.stack.append(_Frame(values, closer, paired))

    def _print_parts(self, value: Value) -> None:
        if type(value) is TaggedLiteral:
            self._open(f"#{value.tag.text} ", iter((value.form,)), "")
        elif type(value) is ErrorValue:
            self._open("#error {", chain.from_iterable(_error_entries(value)), "}", True)
        else:
            self._open(f"#{type(value).__name__}[", iter(value.parts()), "]")

    def _print_opaque(self, value: Value) -> None:
        opener = _CELLS.get(type(value))
        if opener is None:
            own = getattr(value, "__flow_print__", None)
            self._write(f"#object[{type(value).__name__}]" if own is None else own())
        elif id(value) in self.open_cells:
            self._write(f"{opener}[...]")
        else:
            self.open_cells.add(id(value))
            self._write(f"{opener}[")
            held = () if type(value) is Delay and not value.realised else (value.value,)
            self.stack.append(_Frame(iter(held), "]", False, value))


_CELLS: Final = {Atom: "#atom", Volatile: "#volatile", Delay: "#delay", Reduced: "#reduced"}


_MARKS: Final = {
    "quote": "'",
    "var": "#'",
    "flow.core/deref": "@",
    "flow.core/unquote": "~",
}


def reader_mark(value: Value) -> str | None:
    """Return what the reader takes for a list such as ``(quote x)``: the mark in front of x."""
    if type(value) is not List or value.count != 2 or type(value.first) is not Symbol:
        return None
    return _MARKS.get(value.first.text)


def _cells(value: Value) -> Iterator[Value]:
    deep: Iterator[Value] = value.iterate_deep() if value.is_chain else iter(value)
    return deep


def _error_entries(error: ErrorValue) -> Iterator[tuple[Value, Value]]:
    yield keyword("type"), error.type
    yield keyword("message"), error.message
    yield keyword("data"), error.data
    if error.cause is not None:
        yield keyword("cause"), error.cause
    if error.retryable is not None:
        yield keyword("retryable?"), error.retryable
    if error.code is not None:
        yield keyword("code"), error.code
