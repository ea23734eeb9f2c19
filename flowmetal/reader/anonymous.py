"""The arguments of a function literal: ``#(f % %2 %&)`` is ``(fn* [a b & c] (f a b c))``.

The names end in ``#``, as Clojure's do, so that a syntax quote around the
literal makes them unique once more in each expansion.
"""

from __future__ import annotations

import re

from flowmetal.reader.literals import Unreadable
from flowmetal.source import Span
from flowmetal.values.names import Symbol

MAX_ARGUMENTS = 20
_ARGUMENT = re.compile(r"%(?:&|[1-9][0-9]?)?\Z")


class Arguments:
    """The arguments that the body of one function literal has used so far."""

    __slots__ = ("_mark", "_used_rest", "highest")

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._used_rest = False
        self.highest = 0

    def use(self, text: str, span: Span) -> Symbol:
        """Return the parameter that ``%``, ``%n`` or ``%&`` means."""
        if not _ARGUMENT.match(text) or (text[1:].isdigit() and int(text[1:]) > MAX_ARGUMENTS):
            raise Unreadable(
                "FM0041",
                f"`{text}` is not an argument of a function literal",
                hint=f"use %, %1 to %{MAX_ARGUMENTS}, or %& for the rest",
            )
        if text == "%&":
            self._used_rest = True
            return self._rest(span)
        position = int(text[1:] or "1")
        self.highest = max(self.highest, position)
        return self._parameter(position, span)

    def parameters(self, span: Span) -> list[Symbol]:
        """Return the whole parameter list; ``span`` is the place of the literal's opener."""
        parameters = [self._parameter(n, span) for n in range(1, self.highest + 1)]
        rest = [Symbol(None, "&", None, span), self._rest(span)] if self._used_rest else []
        return parameters + rest

    def _parameter(self, position: int, span: Span) -> Symbol:
        return Symbol(None, f"p{position}__{self._mark}#", None, span)

    def _rest(self, span: Span) -> Symbol:
        return Symbol(None, f"rest__{self._mark}#", None, span)
