"""The REPL at a terminal: prompt, editing, colours."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.formatted_text import AnyFormattedText, PygmentsTokens
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from flowmetal._version import __version__
from flowmetal.repl.completion import FlowCompleter
from flowmetal.repl.editing import MatchingBrackets, key_bindings
from flowmetal.repl.hints import arguments_of_call
from flowmetal.repl.history import history_file, open_history
from flowmetal.repl.lexer import FlowLexer

if TYPE_CHECKING:
    from flowmetal.errors import Diagnostic
    from flowmetal.repl.conversation import Conversation

WELCOME = f"Flowmetal {__version__}. (doc name) explains, Tab completes, Ctrl-C interrupts, Ctrl-D leaves."

_LONGEST_VALUE = 50_000
_LONGEST_COLOURED = 20_000

# fmt: off
STYLE = Style.from_dict({
    "pygments.keyword":              "ansimagenta",
    "pygments.keyword.constant":     "ansicyan",
    "pygments.name.function":        "ansiblue",
    "pygments.name.namespace":       "ansiblue",
    "pygments.name.decorator":       "ansiyellow",
    "pygments.name.variable.global": "italic",
    "pygments.literal.string":        "ansigreen",
    "pygments.literal.string.escape": "ansiyellow",
    "pygments.literal.string.symbol": "ansicyan",
    "pygments.literal.string.char":   "ansigreen",
    "pygments.literal.string.regex":  "ansiyellow",
    "pygments.literal.number":        "ansicyan",
    "pygments.operator":              "ansiyellow",
    "pygments.comment":               "ansibrightblack",
    "pygments.error":                 "ansired underline",
    "prompt":                         "bold",
    "bracket.matching":               "bold reverse",
    "bracket.lonely":                 "bold ansired reverse",
    "bottom-toolbar":                 "noreverse ansibrightblack",
})
# fmt: on


class TerminalScreen:
    """Shows values in colour and errors as every command does."""

    def __init__(self) -> None:
        self.colour_depth = ColorDepth.DEPTH_1_BIT if "NO_COLOR" in os.environ else None
        self._at_line_start = True

    def show_value(self, text: str) -> None:
        self.finish_line()
        shown = _printable(text[:_LONGEST_VALUE])
        if len(text) <= _LONGEST_COLOURED:
            print_formatted_text(
                PygmentsTokens(list(FlowLexer(stripnl=False, ensurenl=False).get_tokens(shown))),
                style=STYLE,
                color_depth=self.colour_depth,
                include_default_pygments_style=False,
            )
        else:
            self._write(shown + "\n")
        if len(text) > _LONGEST_VALUE:
            self.show_notice(f"... {len(text) - _LONGEST_VALUE:,} more characters: (println *1)")

    def show_output(self, text: str) -> None:
        self._write(_printable(text))

    def show_log(self, line: str) -> None:
        self.finish_line()
        self._write(_printable(line) + "\n")

    def show_problem(
        self, diagnostics: tuple[Diagnostic, ...], texts: Callable[[], object]
    ) -> None:
        from flowmetal.embed.rendering import render

        self.finish_line()
        width = shutil.get_terminal_size().columns
        known = cast(Mapping[str, str], texts())
        colour = self.colour_depth is not ColorDepth.DEPTH_1_BIT
        self._write(render(diagnostics, known, width=width, colour=colour) + "\n")

    def show_interruption(self) -> None:
        self._write("\ninterrupted\n")  # the terminal has shown ^C

    def show_notice(self, text: str) -> None:
        """Show what the REPL itself has to say."""
        self.finish_line()
        self._write(text + "\n")

    def finish_line(self) -> None:
        """Begin a line if a program has left one unfinished."""
        if not self._at_line_start:
            self._write("\n")

    def _write(self, text: str) -> None:
        if text:
            encoding = sys.stdout.encoding or "utf-8"  # of the terminal, which may lack a character
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
            sys.stdout.flush()
            self._at_line_start = text.endswith("\n")


def converse(conversation: Conversation, screen: TerminalScreen, welcome: str) -> int:
    """Prompt, evaluate and show until the user leaves."""
    session: PromptSession[str] = PromptSession(
        multiline=True,
        history=open_history(history_file()),
        lexer=PygmentsLexer(FlowLexer),
        style=STYLE,
        include_default_pygments_style=False,
        completer=FlowCompleter(conversation),
        complete_while_typing=False,
        complete_in_thread=True,
        key_bindings=key_bindings(conversation),
        input_processors=[MatchingBrackets()],
        bottom_toolbar=lambda: arguments_of_call(conversation),
        prompt_continuation=_continuation,
        color_depth=screen.colour_depth,
        enable_open_in_editor=True,
        tempfile_suffix=".flow",
    )
    # The language is loaded while the first form is typed; the prompt does not wait for it.
    session.default_buffer.on_text_changed += lambda _: conversation.warm_up()
    screen.show_notice(welcome)
    while True:
        try:
            text = session.prompt(lambda: _prompt(conversation))
            if text.strip():
                conversation.evaluate(text)
                screen.finish_line()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0


def _prompt(conversation: Conversation) -> AnyFormattedText:
    return [("class:prompt", f"{conversation.namespace}=> ")]


def _continuation(width: int, line_number: int, is_soft_wrap: int) -> AnyFormattedText:
    return " " * width


def _printable(text: str) -> str:
    from flowmetal.embed.rendering import printable

    return printable(text, keep="\n\t")
