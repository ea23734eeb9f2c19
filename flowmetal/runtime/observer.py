"""Who is told what a run says, once it is durable."""

from __future__ import annotations

from typing import Protocol

from flowmetal.ids import RunId
from flowmetal.runtime.local import LogLine


class Observer(Protocol):
    """Called after the commit, never before: what is shown has happened."""

    def wrote(self, run: RunId, text: str) -> None:
        """The run printed ``text``."""

    def logged(self, run: RunId, line: LogLine) -> None:
        """The run logged a line."""


class Silent:
    """Shows nothing; the history has it all."""

    def wrote(self, run: RunId, text: str) -> None:
        pass

    def logged(self, run: RunId, line: LogLine) -> None:
        pass
