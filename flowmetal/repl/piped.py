"""The REPL without a terminal: forms come in, values go out, one on a line.

A form is evaluated as soon as it is complete, so that an editor can hold both
ends of the pipe. Values and what is printed go to standard output, errors and
logs to standard error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

from flowmetal.repl.conversation import Conversation

if TYPE_CHECKING:
    from flowmetal.errors import Diagnostic

_EAGER = 16_384
"""Characters of an unfinished form up to which it is looked at after each line; then by quarters."""


class PlainScreen:
    """Writes text and nothing else. ``out`` and ``err`` write, and raise if nobody takes it."""

    def __init__(self, out: Callable[[str], None], err: Callable[[str], None]) -> None:
        self._out = out
        self._err = err

    def show_value(self, text: str) -> None:
        self._write(self._out, text + "\n")

    def show_output(self, text: str) -> None:
        self._write(self._out, text)

    def show_log(self, line: str) -> None:
        self._write(self._err, line + "\n")

    def show_problem(
        self, diagnostics: tuple[Diagnostic, ...], texts: Callable[[], object]
    ) -> None:
        from flowmetal.embed.rendering import render

        known = cast(Mapping[str, str], texts())
        self._write(self._err, render(diagnostics, known) + "\n")

    def show_interruption(self) -> NoReturn:
        raise KeyboardInterrupt  # nobody is there to go on: the command ends

    def _write(self, write: Callable[[str], None], text: str) -> None:
        from flowmetal.embed.rendering import printable

        write(printable(text, keep="\n\t"))


def lines_of(stream: BinaryIO) -> Iterator[str]:
    """Yield the lines that come in, as they come.

    Raises UsageError FM1303 if they cannot be read, FM1304 for bytes that are not UTF-8.
    """
    from flowmetal.errors import UsageError

    try:
        for number, line in enumerate(stream, 1):
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as fault:
        raise UsageError(
            "FM1304",
            f"the input is not UTF-8: byte {fault.object[fault.start]:#04x} in line {number}",
            hint="send it as UTF-8; what came before that line has been evaluated",
        ) from None
    except OSError as problem:
        raise UsageError(
            "FM1303",
            f"standard input cannot be read: {(problem.strerror or str(problem)).lower()}",
            hint="pipe the forms into the command",
        ) from None


def converse_piped(conversation: Conversation, lines: Iterable[str]) -> int:
    """Evaluate what comes in until it ends; return 1 if anything failed, else 0."""
    from flowmetal.embed.interactive import is_incomplete

    failed = False
    text, next_look = "", 0
    for line in lines:
        text += line.replace("\r\n", "\n")
        if len(text) < next_look:
            continue
        if is_incomplete(text):
            next_look = 0 if len(text) < _EAGER else len(text) * 5 // 4
            continue
        failed |= not conversation.evaluate(text)
        text, next_look = "", 0
    if text.strip():
        failed |= not conversation.evaluate(text)
    return int(failed)
