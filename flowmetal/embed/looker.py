"""How an ``Engine`` looks into runs: why they wait, what their machines hold, what their histories say.

Part of ``Engine`` (engine.py), and useless without it. Nothing here changes a run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING

from flowmetal.embed.checking import checked_methods
from flowmetal.errors import FlowmetalError
from flowmetal.runtime.host import Host
from flowmetal.store.protocol import RunRow, Store
from flowmetal.values import Value

if TYPE_CHECKING:
    from flowmetal.compiler.environment import Environment
    from flowmetal.embed.asking import Look
    from flowmetal.embed.explanation import LongWait
    from flowmetal.runtime.verifying import Verification
    from flowmetal.vm.state import Native


@checked_methods
class Looker(ABC):
    """See the module's docstring."""

    store: Store

    @property
    @abstractmethod
    def host(self) -> Host: ...

    @abstractmethod
    def now_us(self) -> int: ...

    @abstractmethod
    def _row(self, run: str) -> RunRow: ...

    def unserved(self, run: str) -> tuple[str, ...]:
        """Return the functions of the host that a run's program declares and nobody here performs."""
        from flowmetal.embed.standing import unserved

        return unserved(self.host, self._row(run))

    def why(self, run: str) -> str:
        """Return one paragraph: what a run waits for, since when, and who could wake it."""
        from flowmetal.embed.explanation import why

        row = self._row(run)
        text = why(row, self.store.inbox(row.id, 0), self.store)
        is_due = row.wake_at_us is not None and row.wake_at_us <= self.store.now_us()
        is_left = row.owner is None or self.store.driver(row.id) is None
        damage = self._damage(row) if is_due and is_left else ""
        return f"{text} But it cannot be loaded: {damage}." if damage else text

    def _damage(self, row: RunRow) -> str:
        """Say why nobody can load a run, "" if anybody can."""
        from flowmetal.embed.standing import fibers_of

        try:
            fibers_of(self.host, row)
        except FlowmetalError as error:
            return str(error.message)
        return ""

    def _long_waits(self, run: str, told: Container[tuple[str, int]]) -> Iterable[LongWait]:
        from flowmetal.embed.explanation import long_waits
        from flowmetal.runtime.telling import LONG_US

        return long_waits(self._row(run), self.store, self.now_us() - LONG_US, told)

    def eval(
        self,
        run: str,
        text: str,
        *,
        at: int | None = None,
        fiber: int | None = None,
        frame: int | None = None,
    ) -> Value:
        """Return the value of an expression in a copy of a run's machine; the run does not change.

        ``at``: as it stood after that event. The locals of ``frame`` (0: the innermost; default: the
        innermost of the program's own) of ``fiber`` can be used. An effect is refused.
        Raises ReadError, CompileError, asking.Thrown, and RunError FM1130 or FM1131, UsageError FM1330.
        """
        from flowmetal.embed.asking import Place, ask

        return ask(self.host, self._row(run), text, Place(fiber, frame), at)

    def look(
        self,
        run: str,
        natives: Mapping[str, Native],
        environment: Environment,
        *,
        at: int | None = None,
        fiber: int | None = None,
        frame: int | None = None,
    ) -> Look:
        """Return a copy of a run's machine for a conversation that looks at it; see ``eval``.

        Code of the copy may call ``natives`` beside those of any program; ``environment`` gets what is
        known of names.
        """
        from flowmetal.embed.asking import Place, look

        return look(self.host, self._row(run), Place(fiber, frame), at, natives, environment)

    def query(self, run: str, name: str, *arguments: Value, at: int | None = None) -> Value:
        """Return what a run answers to a ``defquery`` of its program; the run does not change.

        ``at``: as it stood after that event. It is answered in a sealed copy of the last commit, also
        of a run that has failed or ended. Raises UsageError FM1332, RunError FM1133, asking.Thrown.
        """
        from flowmetal.embed.querying import answer

        return answer(self.host, self._row(run), name, arguments, at)

    def verify(self, run: str) -> Verification:
        """Look at the whole history of a run: its chain, its sense, and what its program makes of it."""
        from flowmetal.runtime.verifying import verify

        return verify(self.host, self._row(run))
