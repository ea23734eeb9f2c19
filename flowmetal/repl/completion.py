"""Completion of the name before the cursor.

What it offers: names that can be used in the current namespace, names behind
an alias, namespaces, special forms, names that stand elsewhere in the input
(parameters, locals), and keywords that were seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from flowmetal.reader.tokens import tokenize

if TYPE_CHECKING:
    from flowmetal.embed.lookup import Known
    from flowmetal.repl.conversation import Conversation

_SHORT_DOC = 60


class FlowCompleter(Completer):
    """Offers completions from a conversation."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yield completions of the symbol or keyword that ends at the cursor."""
        before = document.text_before_cursor
        tokens = tokenize(before)
        last = tokens[-1] if tokens else None
        if last is None or last.lexpos + len(last.value) != len(before):
            return
        if last.type == "KEYWORD":
            yield from self._keywords(last.value)
        elif last.type == "SYMBOL":
            yield from self._names(last.value, document.text)

    def _names(self, prefix: str, text: str) -> Iterator[Completion]:
        known = list(self._conversation.interactive.lookup.candidates(prefix))
        offered = {candidate.name for candidate in known}
        words = {token.value for token in tokenize(text) if token.type == "SYMBOL"}
        for word in sorted(words - offered - {prefix}):
            if word.startswith(prefix):
                yield Completion(word, -len(prefix), display_meta="in this input")
        for candidate in sorted(known, key=lambda known: known.name):
            yield Completion(candidate.name, -len(prefix), display_meta=_meta(candidate))

    def _keywords(self, prefix: str) -> Iterator[Completion]:
        for word in sorted(self._conversation.keywords):
            if word.startswith(prefix) and word != prefix:
                yield Completion(word, -len(prefix), display_meta="keyword")


def _meta(known: Known) -> str:
    """Return the arguments and the first line of the documentation, on one short line."""
    doc = known.doc.strip().partition("\n")[0]
    parts = [" ".join(known.arglists), doc if len(doc) <= _SHORT_DOC else doc[:_SHORT_DOC] + "…"]
    return "  ".join(part for part in parts if part) or known.kind
