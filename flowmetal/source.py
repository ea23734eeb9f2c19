"""Where text came from: a ``Source`` is a named text, a ``Span`` a stretch of it.

Lines and columns are 1-based and count code points. A span ends just before
``(end_line, end_col)``, as a caret range does: the token ``ab`` at the start
of a file is ``Span(path, 1, 1, 1, 3)``. ``path`` is what a reader of an error
should see; it is never opened again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """A text and the name it is shown under."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source, from the first character to just after the last."""

    path: str
    line: int
    col: int
    end_line: int
    end_col: int

    def to(self, other: Span) -> Span:
        """Return the span from the start of this one to the end of ``other``."""
        return Span(self.path, self.line, self.col, other.end_line, other.end_col)

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.col}"
