"""Where the next line of a form begins, by the rules of the community.

- inside of ``[``, ``{`` and ``#{``: below the first item;
- in a form with a body (``let``, ``defn``, ``when``, a macro with ``& body``): two
  columns in;
- in another call: below its first argument, if that is on the line of the head,
  else one column in;
- inside of a string: nowhere, what is typed is what is meant.
"""

from __future__ import annotations

from collections.abc import Callable

from flowmetal.reader.ply_recipe import Token
from flowmetal.reader.tokens import CLOSERS, OPENERS, tokenize
from flowmetal.repl.vocabulary import BODY_FORMS


def indentation(text: str, takes_body: Callable[[str], bool] = lambda head: False) -> int:
    """Return the column, from 0, of a line that follows ``text``.

    ``takes_body`` says of a name that is not in the table whether it is a macro with a body.
    """
    open_at: list[int] = []  # indices of tokens
    tokens = tokenize(text)
    for index, token in enumerate(tokens):
        if token.type in OPENERS:
            open_at.append(index)
        elif token.type in CLOSERS and open_at:
            open_at.pop()
    if tokens and tokens[-1].type == "UNCLOSED_STRING":
        return 0
    if not open_at:
        return 0
    opener, inside = tokens[open_at[-1]], tokens[open_at[-1] + 1 :]
    column = _column(text, opener.lexpos) + len(opener.value)
    if opener.type not in ("LIST_OPEN", "FN_OPEN") or not inside:
        return column
    head = inside[0]
    if head.type != "SYMBOL":
        return column
    if _has_body(head.value, takes_body):
        return column + 1
    argument = _first_argument(text, inside)
    return column if argument is None else _column(text, argument)


def _has_body(head: str, takes_body: Callable[[str], bool]) -> bool:
    name = head.rpartition("/")[2] or head
    return name in BODY_FORMS or name.startswith(("def", "with-")) or takes_body(head)


def _first_argument(text: str, inside: list[Token]) -> int | None:
    """Return the offset of what follows the head on its line."""
    if len(inside) < 2:
        return None
    between = text[inside[0].lexpos : inside[1].lexpos]
    return None if "\n" in between else inside[1].lexpos


def _column(text: str, offset: int) -> int:
    return offset - (text.rfind("\n", 0, offset) + 1)
