"""A text as a formatter sees it: tokens and comments, and what white space is before each.

The tokens are the reader's own; what the reader skips between them is white
space, commas and comments. Joined again with any white space, pieces read as the same forms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flowmetal.reader.delimiters import BYTE_ORDER_MARK
from flowmetal.reader.tokens import tokenize

COMMENT = "COMMENT"
_BETWEEN = re.compile(r"(?:;|#!)[^\n]*|\n|,|[^\n,;#]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A token or a comment.

    ``breaks`` counts the line ends before it. ``comma``: one follows the piece
    before on its line. ``spaces`` is the white space since then, if there is no line end.
    """

    kind: str
    text: str
    breaks: int
    comma: bool
    spaces: int

    @property
    def token(self) -> tuple[str, str]:
        """Return what no formatting may change."""
        return self.kind, self.text


def pieces_of(text: str) -> list[Piece]:
    """Take a text apart. It can be read, so every character is in a token or between two."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    pieces: list[Piece] = []
    end = 0
    for token in tokenize(text):
        gap = _Gap(text[end : token.lexpos], pieces)
        pieces.append(gap.piece(token.type, token.value))
        end = token.lexpos + len(token.value)
    _Gap(text[end:], pieces)
    return pieces


class _Gap:
    """What stands between two tokens. Comments in it become pieces at once."""

    def __init__(self, text: str, pieces: list[Piece]) -> None:
        self._breaks = self._spaces = 0
        self._comma = False
        for part in _BETWEEN.findall(text):
            if part == "\n":
                self._breaks += 1
            elif part == ",":
                self._comma = self._comma or not self._breaks
                self._spaces = 0
            elif part[0] in ";#":
                pieces.append(self.piece(COMMENT, part.rstrip()))
                self._begin()
            else:
                self._spaces += len(part)

    def _begin(self) -> None:
        self._breaks = self._spaces = 0
        self._comma = False

    def piece(self, kind: str, text: str) -> Piece:
        """Return a piece that stands after what was seen last."""
        return Piece(kind, text, self._breaks, self._comma, self._spaces)
