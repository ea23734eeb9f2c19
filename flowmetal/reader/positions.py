"""Offsets into a text turned into lines and columns, both counted from 1.

A line ends after ``\\n``; a ``\\r`` before it is white space of that line. The
renderer cuts a text into lines the same way.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from flowmetal.source import Source, Span

_LINE_END = re.compile("\n")


class Positions:
    """The line starts of one source."""

    __slots__ = ("_first", "_last", "_line", "path", "starts", "text")

    def __init__(self, source: Source) -> None:
        self.path = source.path
        self.text = source.text
        self.starts = [0, *(match.end() for match in _LINE_END.finditer(source.text))]
        # The line last asked for: most stretches lie on the line of the one before.
        self._line, self._first, self._last = 1, 0, -1

    def place(self, offset: int) -> tuple[int, int]:
        """Return the line and column of ``offset``."""
        if not self._first <= offset < self._last:
            line = bisect_right(self.starts, offset)
            self._line, self._first = line, self.starts[line - 1]
            more = line < len(self.starts)
            self._last = self.starts[line] if more else len(self.text) + 1
        return self._line, offset - self._first + 1

    def span(self, start: int, end: int) -> Span:
        """Return the stretch from ``start`` to just before ``end``."""
        first = self._first
        if first <= start and end < self._last:
            line = self._line
            return Span(self.path, line, start - first + 1, line, end - first + 1)
        line, col = self.place(start)
        end_line, end_col = self.place(end)
        return Span(self.path, line, col, end_line, end_col)

    def column(self, offset: int) -> int:
        return self.place(offset)[1]

    def line(self, offset: int) -> int:
        return self.place(offset)[0]

    def slice(self, span: Span) -> str:
        """Return the text of ``span``."""
        start = self.starts[span.line - 1] + span.col - 1
        return self.text[start : self.starts[span.end_line - 1] + span.end_col - 1]
