"""One conversation as both shells hold it: at a terminal, and through a pipe.

The language is loaded when it is first needed, or by ``warm_up`` while the
user types. Ctrl-C during an evaluation asks it to stop, so that its
``finally`` blocks run; a second one does not wait for them.
"""

from __future__ import annotations

import contextlib
import gc
import re
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from flowmetal.reader.tokens import tokenize
from flowmetal.runtime.observer import Silent

if TYPE_CHECKING:
    from flowmetal.embed.interactive import Interactive
    from flowmetal.errors import Diagnostic
    from flowmetal.runtime.local import LogLine
    from flowmetal.runtime.observer import Observer

_PROPER_KEYWORD = re.compile(r"::?[^:]+\Z")


class Screen(Protocol):
    """Where a conversation shows things."""

    def show_value(self, text: str) -> None:
        """Show a value as it is printed."""

    def show_output(self, text: str) -> None:
        """Show what a program printed, as it is."""

    def show_log(self, line: str) -> None:
        """Show a line of the log."""

    def show_problem(
        self, diagnostics: tuple[Diagnostic, ...], texts: Callable[[], object]
    ) -> None:
        """Show errors."""

    def show_interruption(self) -> None:
        """Show that an evaluation was interrupted."""


class Conversation:
    """A lazily made ``Interactive`` with a screen."""

    def __init__(
        self,
        make: Callable[[Observer], Interactive],
        screen: Screen,
        report: Callable[[Exception], object],
    ) -> None:
        self.keywords: set[str] = set()
        self._make = make
        self._screen = screen
        self._report = report
        self._made: Interactive | None = None
        self._making = threading.Lock()

    @property
    def interactive(self) -> Interactive:
        """Return the language, loading it if that has not happened."""
        with self._making:
            if self._made is None:
                self._made = self._make(_Shown(self._screen))
                gc.freeze()  # what is loaded stays
                gc.enable()
            return self._made

    @property
    def is_ready(self) -> bool:
        return self._made is not None

    @property
    def namespace(self) -> str:
        """Return the current namespace without loading anything."""
        return "user" if self._made is None else self._made.namespace

    def warm_up(self) -> None:
        """Load the language in the background."""
        if self._made is None and not self._making.locked():
            threading.Thread(target=self._load, daemon=True).start()

    def _load(self) -> None:
        with contextlib.suppress(Exception):  # it is tried again, and told, when it is needed
            _ = self.interactive

    def evaluate(self, text: str) -> bool:
        """Evaluate the forms of ``text`` and show what comes of it. False: something failed."""
        from flowmetal.embed.interactive import EvaluationError, Interrupted

        screen = self._screen
        self._learn_keywords(text)
        try:
            interactive = self.interactive
            with _interruptible(interactive):
                for value in interactive.evaluate(text):
                    screen.show_value(value)
                return True
        except EvaluationError as error:
            screen.show_problem(error.diagnostics, interactive.texts)
        except (Interrupted, KeyboardInterrupt):
            screen.show_interruption()
        except Exception as crash:  # the edge: our mistake must not end the conversation
            self._report(crash)
        return False

    def _learn_keywords(self, text: str) -> None:
        for token in tokenize(text):
            if token.type == "KEYWORD" and _PROPER_KEYWORD.match(token.value):
                self.keywords.add(token.value)


class _Shown(Silent):
    """Passes on what programs print and log."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def wrote(self, run: str, text: str) -> None:
        self._screen.show_output(text)

    def logged(self, run: str, line: LogLine) -> None:
        from flowmetal.embed.views import log_text

        self._screen.show_log(log_text(line.time_us, line.level, line.message, line.data))


@contextlib.contextmanager
def _interruptible(interactive: Interactive) -> Iterator[None]:
    """Let Ctrl-C stop the evaluation, and a second one drop it."""

    def stop(number: int, frame: FrameType | None) -> None:
        if not interactive.interrupt():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
