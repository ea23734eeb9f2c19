"""Brackets in a text that is being typed, as the reader cuts it.

So a bracket in a string, a comment or a character is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from flowmetal.reader.tokens import CLOSERS, OPENERS, tokenize


@dataclass(frozen=True, slots=True)
class Bracket:
    """A bracket of a text. ``partner`` is the offset of the one that it goes with, if it has one."""

    offset: int
    text: str
    partner: int | None

    @property
    def matches(self) -> bool:
        return self.partner is not None


@lru_cache(4)  # asked for each line of a text, whenever it is drawn
def brackets(text: str) -> dict[int, Bracket]:
    """Return the brackets of ``text`` by the offset of their last character (``#{`` has two)."""
    found: dict[int, Bracket] = {}
    stack = []
    for token in tokenize(text):
        end = token.lexpos + len(token.value) - 1
        if token.type in OPENERS:
            stack.append(token)
            found[end] = Bracket(end, token.value, None)
        elif token.type in CLOSERS:
            found[end] = Bracket(end, token.value, None)
            if stack and OPENERS[stack[-1].type] == token.type:
                opener = stack.pop()
                start = opener.lexpos + len(opener.value) - 1
                found[start] = Bracket(start, opener.value, end)
                found[end] = Bracket(end, token.value, start)
    return found


def bracket_at(text: str, cursor: int) -> Bracket | None:
    """Return the bracket that the cursor is on, else the closing one just before it."""
    found = brackets(text)
    on = found.get(cursor)
    if on is not None:
        return on
    before = found.get(cursor - 1)
    return before if before is not None and before.text in CLOSERS.values() else None
