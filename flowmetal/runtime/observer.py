"""Who is told what happens to a run here: what it says, once that is durable, and who else has it."""

from __future__ import annotations

from typing import Protocol

from flowmetal.ids import RunId
from flowmetal.runtime.local import LogLine


class Observer(Protocol):
    """Called after the commit, never before: what is shown has happened."""

    def held(self, run: RunId, holder: str) -> None:
        """Somebody else drives the run, and this process waits for its end."""

    def troubled(self, run: RunId, problem: str) -> None:
        """A descendant of a run cannot be driven here."""

    def unserved(self, run: RunId, kinds: tuple[str, ...]) -> None:
        """The run waits for what nobody here performs, and is left to other processes."""

    def waits(self, run: RunId) -> None:
        """The run only waits, for a second or more: the store says for what."""

    def failed(self, run: RunId, message: str) -> None:
        """An interpreter leaves the run parked: nobody caught its error."""

    def wrote(self, run: RunId, text: str) -> None:
        """The run printed ``text``."""

    def logged(self, run: RunId, line: LogLine) -> None:
        """The run logged a line."""


class Silent:
    """Shows nothing; the history has it all."""

    def held(self, run: RunId, holder: str) -> None:
        pass

    def troubled(self, run: RunId, problem: str) -> None:
        pass

    def unserved(self, run: RunId, kinds: tuple[str, ...]) -> None:
        pass

    def waits(self, run: RunId) -> None:
        pass

    def failed(self, run: RunId, message: str) -> None:
        pass

    def wrote(self, run: RunId, text: str) -> None:
        pass

    def logged(self, run: RunId, line: LogLine) -> None:
        pass
