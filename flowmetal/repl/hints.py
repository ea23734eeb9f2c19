"""The arguments of the call that is being typed, for the line below the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.application import get_app

from flowmetal.reader.tokens import CLOSERS, OPENERS, tokenize

if TYPE_CHECKING:
    from flowmetal.repl.conversation import Conversation


def head_of_call(text: str) -> str | None:
    """Return the name at the head of the innermost open list."""
    open_at: list[int] = []
    tokens = tokenize(text)
    for index, token in enumerate(tokens):
        if token.type in OPENERS:
            open_at.append(index)
        elif token.type in CLOSERS and open_at:
            open_at.pop()
    while open_at:
        index = open_at.pop()
        if tokens[index].type in ("LIST_OPEN", "FN_OPEN") and index + 1 < len(tokens):
            head = tokens[index + 1]
            return head.value if head.type == "SYMBOL" else None
    return None


def arguments_of_call(conversation: Conversation) -> str:
    """Return ``name [arguments] ...`` for the call at the cursor, or nothing."""
    if not conversation.is_ready:
        return ""
    head = head_of_call(get_app().current_buffer.document.text_before_cursor)
    known = None if head is None else conversation.interactive.lookup.find(head)
    if known is None or not known.arglists:
        return ""
    return f"{head} {' '.join(known.arglists)}"
