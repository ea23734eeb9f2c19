"""Keys: Enter that knows when a form is complete, indentation, and what Tab means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.utils import explode_text_fragments

from flowmetal.repl.brackets import bracket_at
from flowmetal.repl.indentation import indentation

if TYPE_CHECKING:
    from flowmetal.repl.conversation import Conversation


def key_bindings(conversation: Conversation) -> KeyBindings:
    """Return the keys that differ from those of any other prompt."""
    bindings = KeyBindings()

    @bindings.add("enter")
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        state = buffer.complete_state
        if state is not None and state.current_completion is not None:
            buffer.complete_state = None
        elif is_finished(buffer.document):
            buffer.validate_and_handle()
        else:
            begin_line(buffer, conversation)

    @bindings.add("escape", "enter")
    def _line(event: KeyPressEvent) -> None:
        begin_line(event.current_buffer, conversation)

    @bindings.add("tab", filter=Condition(_stands_before_a_line))
    def _indent(event: KeyPressEvent) -> None:
        indent_line(event.current_buffer, conversation)

    return bindings


def is_finished(document: Document) -> bool:
    """Say whether Enter should evaluate: the text is complete, and the cursor not in the midst of its lines."""
    from flowmetal.embed.interactive import is_incomplete

    inside = "\n" in document.text and document.text_after_cursor.strip(" \n\t)]}")
    return not inside and not is_incomplete(document.text)


def begin_line(buffer: Buffer, conversation: Conversation) -> None:
    """Begin a line below the cursor's, where it belongs."""
    after = buffer.document.current_line_after_cursor
    if after.isspace():
        buffer.delete(len(after))
    column = _column(buffer.document.text_before_cursor, conversation)
    buffer.insert_text("\n" + " " * column)


def indent_line(buffer: Buffer, conversation: Conversation) -> None:
    """Move the cursor's line to where it belongs."""
    document = buffer.document
    lead = len(document.current_line) - len(document.current_line.lstrip(" \t"))
    start = document.cursor_position + document.get_start_of_line_position()
    column = _column(document.text[:start].removesuffix("\n"), conversation)
    text = document.text[:start] + " " * column + document.text[start + lead :]
    buffer.document = Document(text, start + column)


def _column(before: str, conversation: Conversation) -> int:
    if not conversation.is_ready:
        return indentation(before)
    return indentation(before, conversation.interactive.lookup.takes_body)


def _stands_before_a_line() -> bool:
    """Say whether only white space is before the cursor on its line, which is not the first."""
    document = get_app().current_buffer.document
    return document.cursor_position_row > 0 and not document.current_line_before_cursor.strip()


class MatchingBrackets(Processor):
    """Shows the bracket at the cursor with its partner, or that it has none."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Mark what of the pair stands on this line."""
        fragments = transformation_input.fragments
        if get_app().is_done:
            return Transformation(fragments)
        document = transformation_input.document
        bracket = bracket_at(document.text, document.cursor_position)
        if bracket is None:
            return Transformation(fragments)
        style = " class:bracket.matching " if bracket.matches else " class:bracket.lonely "
        for offset in (bracket.offset, bracket.partner):
            if offset is not None:
                row, column = document.translate_index_to_position(offset)
                if row == transformation_input.lineno:
                    fragments = _marked(
                        fragments, transformation_input.source_to_display(column), style
                    )
        return Transformation(fragments)


def _marked(fragments: StyleAndTextTuples, column: int, style: str) -> StyleAndTextTuples:
    exploded = explode_text_fragments(fragments)
    if column < len(exploded):
        old, text, *_ = exploded[column]
        exploded[column] = (old + style, text)
    return exploded
