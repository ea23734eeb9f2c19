"""What an engine tells of its runs to those who asked for it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import TYPE_CHECKING

from flowmetal.ids import RunId, shell_word

if TYPE_CHECKING:
    from flowmetal.embed.explanation import LongWait
    from flowmetal.runtime.local import LogLine

Told = Callable[[str, str], None]
"""Called with a run and a text."""


class Observing:
    """Passes on what runs print and log, and what keeps them from going on here."""

    def __init__(
        self,
        on_output: Told | None,
        on_log: Told | None,
        on_held: Told | None,
        on_trouble: Told | None,
        long_waits: Callable[[str, Container[tuple[str, int]]], Iterable[LongWait]],
    ) -> None:
        self._on_output = on_output
        self._on_log = on_log
        self._on_held = on_held
        self._on_trouble = on_trouble
        self._long_waits = long_waits
        self._told: set[tuple[str, int]] = set()

    def held(self, run: RunId, holder: str) -> None:
        if self._on_held:
            self._on_held(run, holder)

    def troubled(self, run: RunId, problem: str) -> None:
        if self._on_trouble:
            self._on_trouble(run, problem)

    def unserved(self, run: RunId, kinds: tuple[str, ...]) -> None:
        if self._on_trouble:
            what = ", ".join(kinds)
            self._on_trouble(run, f"waits for {what}, which nobody here performs: see --python")

    def waits(self, run: RunId) -> None:
        if self._on_trouble is None:
            return
        for wait in self._long_waits(run, self._told):
            self._told.add(wait[:2])
            self._on_trouble(wait.run, wait.text)

    def failed(self, run: RunId, message: str) -> None:
        if self._on_trouble:
            first, _, more = message.partition("\n")
            what = first + " ..." if more else first
            self._on_trouble(
                run, f"it has failed: {what}; `fmvm show {shell_word(run)}` shows where"
            )

    def wrote(self, run: RunId, text: str) -> None:
        if self._on_output:
            self._on_output(run, text)

    def logged(self, run: RunId, line: LogLine) -> None:
        if self._on_log:
            from flowmetal.embed.views import log_text

            self._on_log(run, log_text(line.time_us, line.level, line.message, line.data))
