"""The native of ``cl-format``: Common Lisp's directives, over arguments that are data.

A format that ``cl_parsing`` has taken apart is written out with a cursor over the arguments. ``~^`` unwinds to the enclosing ``~{`` by an
exception of this module. What is wrong with a format is FM0528, with the format
in the message; nothing is printed then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import DecimalException

from flowmetal.stdlib.natives.arguments import need_text
from flowmetal.stdlib.natives.cl_numbers import (
    dollars,
    exponential,
    fixed,
    general,
    in_radix,
    read_as_number,
)
from flowmetal.stdlib.natives.cl_parsing import Directive, Part, parse, wrong
from flowmetal.stdlib.natives.walking import items_of
from flowmetal.values import Char, Value, display, pr_str, require_realised
from flowmetal.values.limits import allow_characters
from flowmetal.values.meter import charge, meter

_LARGEST = 100_000
"""Columns, lines, digits that a parameter may ask for."""
_MOST_DIGITS = 9
"""Digits of a parameter itself."""
_MOST_IDLE = 1_000
"""Rounds of ``~{`` that take no argument."""
_NAMES = {"\n": "Newline", " ": "Space", "\t": "Tab", "\b": "Backspace", "\r": "Return"}


class _Escape(Exception):
    """``~^`` has left what encloses it; ``whole`` for ``~:^``, which leaves the iteration."""

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.whole = whole


def cl_format(text: Value, arguments: Value) -> str:
    """Return the text that a format makes of its arguments."""
    require_realised(arguments, meter().limits.items)
    form = need_text("cl-format", 2, text)
    charge(len(form) >> 1)
    given = list(items_of("cl-format", arguments))
    writer = _Writer(form, given)
    try:
        writer.write(parse(form))
    except _Escape:
        pass
    except DecimalException:
        raise wrong(form, "a number is too large for it") from None
    made = writer.out.text()
    charge(len(made) >> 3)
    return made


class _Output:
    """What has been written; ``column`` is where its last line ends."""

    def __init__(self, size: int = 0) -> None:
        self.texts: list[str] = []
        self.column = 0
        self._size = size

    def put(self, text: str) -> None:
        """Add a text; FM0514 if all have more characters than the limit."""
        self._size += len(text)
        allow_characters("cl-format", self._size)
        self.texts.append(text)
        start = text.rfind("\n") + 1
        self.column = len(text) - start + (0 if start else self.column)

    def apart(self) -> _Output:
        """Return an output of its own whose characters count beside these."""
        return _Output(self._size)

    def text(self) -> str:
        return "".join(self.texts)


class _Writer:
    """What has been written, and a cursor over the arguments."""

    def __init__(self, form: str, arguments: Sequence[Value], out: _Output | None = None) -> None:
        self.form = form
        self.arguments = arguments
        self.at = 0
        self.out = _Output() if out is None else out

    def write(self, parts: Sequence[Part]) -> None:
        for part in parts:
            if isinstance(part, str):
                self.out.put(part)
            else:
                _WRITERS[part.char](self, part)

    def next(self) -> Value:
        if self.at >= len(self.arguments):
            raise wrong(self.form, "there are not enough arguments")
        self.at += 1
        return self.arguments[self.at - 1]

    @property
    def left(self) -> int:
        return len(self.arguments) - self.at

    def param(self, directive: Directive, index: int) -> int | str | None:
        """Return a parameter: a number, a character, None if it is not there."""
        if index >= len(directive.params) or not directive.params[index]:
            return None
        word = directive.params[index]
        if word[0] == "'":
            return word[1]
        if word == "#":
            return self.left
        if word in "vV":
            value = self.next()
            return value.text if isinstance(value, Char) else value
        if len(word) > _MOST_DIGITS:
            raise wrong(self.form, f"a parameter is at most {_LARGEST:,}")
        return int(word)

    def number(self, directive: Directive, index: int, default: int) -> int:
        found = self.param(directive, index)
        if found is None:
            return default
        if type(found) is not int:
            raise wrong(self.form, f"parameter {index + 1} of ~{directive.char} is a number")
        if abs(found) > _LARGEST:
            raise wrong(self.form, f"a parameter is at most {_LARGEST:,}")
        return found

    def char(self, directive: Directive, index: int, default: str) -> str:
        found = self.param(directive, index)
        return default if found is None else str(found)

    def captured(self, parts: Sequence[Part]) -> str:
        before, self.out = self.out, self.out.apart()
        try:
            self.write(parts)
        finally:
            made, self.out = self.out, before
        return made.text()


def _text(show: Callable[[Value], str]) -> Callable[[_Writer, Directive], None]:
    def write(w: _Writer, d: Directive) -> None:
        width, step = w.number(d, 0, 0), w.number(d, 1, 1)
        least, pad = w.number(d, 2, 0), w.char(d, 3, " ")
        value = w.next()
        text = "()" if value is None and d.colon else show(value)
        steps = -(-max(width - len(text) - least, 0) // max(step, 1))
        count = least + steps * max(step, 1)
        w.out.put(pad * count + text if d.at else text + pad * count)

    return write


def _integer(base: int) -> Callable[[_Writer, Directive], None]:
    def write(w: _Writer, d: Directive) -> None:
        _write_integer(w, d, base, 0)

    return write


def _write_integer(w: _Writer, d: Directive, base: int, first: int) -> None:
    width, pad = w.number(d, first, 0), w.char(d, first + 1, " ")
    comma, interval = w.char(d, first + 2, ","), w.number(d, first + 3, 3)
    value = w.next()
    if type(value) is int:
        text = in_radix(value, base, comma if d.colon else "", max(interval, 1), d.at)
    else:
        text = display(value)
    w.out.put(text.rjust(width, pad) if len(pad) == 1 else text)


def _radix(w: _Writer, d: Directive) -> None:
    base = w.param(d, 0)
    if base is not None:
        _write_integer(w, d, w.number(d, 0, 10), 1)
        return
    value = w.next()
    w.out.put(
        read_as_number(value, ordinal=d.colon, roman=d.at) if type(value) is int else display(value)
    )


def _plural(w: _Writer, d: Directive) -> None:
    if d.colon:
        w.at = max(w.at - 1, 0)
    is_one = w.next() == 1
    w.out.put(("y" if is_one else "ies") if d.at else ("" if is_one else "s"))


def _character(w: _Writer, d: Directive) -> None:
    value = w.next()
    if not isinstance(value, Char):
        raise wrong(w.form, f"~C needs a character, got {pr_str(value)}")
    if d.at:
        w.out.put(pr_str(value))
    elif d.colon:
        w.out.put(_NAMES.get(value.text, value.text))
    else:
        w.out.put(value.text)


def _fixed(w: _Writer, d: Directive) -> None:
    width, digits, scale = w.param(d, 0), w.param(d, 1), w.number(d, 2, 0)
    overflow, pad = w.param(d, 3), w.char(d, 4, " ")
    value = w.next()
    w.out.put(fixed(value, _int(width), _int(digits), scale, overflow, pad, d.at))


def _exponential(w: _Writer, d: Directive) -> None:
    width, digits, places = w.param(d, 0), w.param(d, 1), w.param(d, 2)
    scale, overflow, pad = w.number(d, 3, 1), w.param(d, 4), w.char(d, 5, " ")
    sign = w.char(d, 6, "E")
    value = w.next()
    w.out.put(
        exponential(
            value, _int(width), _int(digits), _int(places), scale, overflow, pad, sign, d.at
        )
    )


def _general(w: _Writer, d: Directive) -> None:
    width, digits = w.param(d, 0), w.param(d, 1)
    w.out.put(general(w.next(), _int(width), _int(digits), d.at))


def _dollars(w: _Writer, d: Directive) -> None:
    digits, least = w.number(d, 0, 2), w.number(d, 1, 1)
    width, pad = w.number(d, 2, 0), w.char(d, 3, " ")
    w.out.put(dollars(w.next(), digits, least, width, pad, d.at, d.colon))


def _int(value: int | str | None) -> int | None:
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise wrong("~f", f"a parameter is at most {_LARGEST:,}")
    return value if isinstance(value, int) else None


def _repeated(text: str) -> Callable[[_Writer, Directive], None]:
    return lambda w, d: w.out.put(text * w.number(d, 0, 1))


def _fresh_line(w: _Writer, d: Directive) -> None:
    count = w.number(d, 0, 1)
    if count > 0:
        w.out.put("\n" * (count - 1 + (w.out.column > 0)))


def _tabulate(w: _Writer, d: Directive) -> None:
    first, step = w.number(d, 0, 1), w.number(d, 1, 1)
    column = w.out.column
    if d.at:
        target = column + first
        if step > 0:
            target += -target % step
    elif column < first:
        target = first
    else:
        target = column if step <= 0 else column + step - (column - first) % step
    w.out.put(" " * (target - column))


def _go_to(w: _Writer, d: Directive) -> None:
    count = w.number(d, 0, 0 if d.at else 1)
    target = count if d.at else w.at - count if d.colon else w.at + count
    if not 0 <= target <= len(w.arguments):
        raise wrong(w.form, "~* leaves the arguments")
    w.at = target


def _indirect(w: _Writer, d: Directive) -> None:
    form = need_text("cl-format", 2, w.next())
    if d.at:
        w.write(parse(form))
        return
    inner = _Writer(form, list(items_of("cl-format", w.next())), w.out)
    with suppress(_Escape):
        inner.write(parse(form))


def _escape(w: _Writer, d: Directive) -> None:
    given = [found for found in (w.param(d, i) for i in range(3)) if found is not None]
    match given:
        case []:
            leaves = w.left == 0
        case [one]:
            leaves = one == 0
        case [one, two]:
            leaves = one == two
        case [int(one), int(two), int(three)]:
            leaves = one <= two <= three
        case _:
            raise wrong(w.form, "the parameters of ~^ are numbers")
    if leaves:
        raise _Escape(d.colon)


def _conditional(w: _Writer, d: Directive) -> None:
    if d.at:
        if w.next() not in (None, False):
            w.at -= 1
            w.write(d.clauses[0])
        return
    if d.colon:
        if len(d.clauses) != 2:
            raise wrong(w.form, "~:[ has two clauses")
        value = w.next()
        w.write(d.clauses[0 if value is None or value is False else 1])
        return
    found = w.param(d, 0)
    chosen = w.next() if found is None else found
    if type(chosen) is not int:
        raise wrong(w.form, f"~[ needs a number, got {pr_str(chosen)}")
    if 0 <= chosen < len(d.clauses):
        w.write(d.clauses[chosen])
    elif d.has_default:
        w.write(d.clauses[-1])


def _iterate(w: _Writer, d: Directive) -> None:
    most = w.param(d, 0)
    if most is not None and type(most) is not int:
        raise wrong(w.form, "the parameter of ~{ is a number")
    parts: Sequence[Part] = d.clauses[0]
    if not parts:
        parts = parse(need_text("cl-format", 2, w.next()))
    inner = w if d.at else _Writer(w.form, list(items_of("cl-format", w.next())), w.out)
    rounds = 0
    while most is None or rounds < most:
        if inner.left == 0 and (rounds or not d.at_least_once):
            break
        before = inner.at
        rounds += 1
        try:
            if d.colon:
                each = list(items_of("cl-format", inner.next())) if inner.left else []
                _Writer(w.form, each, w.out).write(parts)
            else:
                inner.write(parts)
        except _Escape as escape:
            if d.colon and not escape.whole:
                continue
            break
        if inner.at == before and inner.left and (most is None or rounds > _MOST_IDLE):
            raise wrong(w.form, "what ~{ repeats takes no argument")


def _case(w: _Writer, d: Directive) -> None:
    text = w.captured(d.clauses[0])
    if d.colon and d.at:
        text = text.upper()
    elif d.colon:
        text = re.sub(r"\w+", lambda m: m.group().capitalize(), text.lower())
    elif d.at:
        text = re.sub(r"[^\W\d_]", lambda m: m.group().upper(), text.lower(), count=1)
    else:
        text = text.lower()
    w.out.put(text)


def _justify(w: _Writer, d: Directive) -> None:
    width, step = w.number(d, 0, 0), max(w.number(d, 1, 1), 1)
    least, pad = w.number(d, 2, 0), w.char(d, 3, " ")
    pieces: list[str] = []
    try:
        for clause in d.clauses:
            pieces.append(w.captured(clause))
    except _Escape:
        pass
    gaps = len(pieces) - 1 + d.colon + d.at
    if gaps <= 0:
        gaps, pieces = 1, ["", *pieces] if not d.colon else pieces
        before = True
    else:
        before = d.colon
    total = sum(map(len, pieces)) + gaps * least
    wanted = max(width, total)
    if wanted > width:
        wanted = width + -(-(wanted - width) // step) * step
    space = wanted - sum(map(len, pieces))
    sizes = [space // gaps + (i < space % gaps) for i in range(gaps)]
    made = [pad * sizes.pop(0)] if before and d.colon else []
    for i, piece in enumerate(pieces):
        made.append(piece)
        if sizes and (i < len(pieces) - 1 or d.at):
            made.append(pad * sizes.pop(0))
    w.out.put("".join(made))


def _nothing(w: _Writer, d: Directive) -> None:
    """Do what a directive of the pretty printer does where lines are not broken: nothing."""


_WRITERS: dict[str, Callable[[_Writer, Directive], None]] = {
    "A": _text(lambda value: display(value, function="cl-format")),
    "S": _text(lambda value: pr_str(value, function="cl-format")),
    "W": _text(lambda value: pr_str(value, function="cl-format")),
    "D": _integer(10),
    "B": _integer(2),
    "O": _integer(8),
    "X": _integer(16),
    "R": _radix,
    "P": _plural,
    "C": _character,
    "F": _fixed,
    "E": _exponential,
    "G": _general,
    "$": _dollars,
    "%": _repeated("\n"),
    "&": _fresh_line,
    "|": _repeated("\f"),
    "~": _repeated("~"),
    "T": _tabulate,
    "*": _go_to,
    "?": _indirect,
    "^": _escape,
    "[": _conditional,
    "{": _iterate,
    "(": _case,
    "<": _justify,
    "_": _nothing,
    "I": _nothing,
}
"""How each directive is written."""
