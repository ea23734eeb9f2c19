"""A run that nobody keeps, driven to its end: what one evaluation at a REPL is.

Its effects are those of the runtime in every respect: classes, grants,
options, retries. Only the commits are not made; what would be shown after one
is shown.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, TypeVar

from flowmetal.runtime.active import ActiveRun
from flowmetal.runtime.advance import advance, may_start, take_in
from flowmetal.runtime.committing import Steps
from flowmetal.store.protocol import Commit, RunState
from flowmetal.vm.machine import deliver
from flowmetal.vm.state import Cancel

T = TypeVar("T")

_LOOK_US: Final = 50_000
"""How long an interruption may go unnoticed while the run waits."""


class Interrupted(Exception):
    """An evaluation was interrupted and has ended."""


@dataclass(slots=True)
class Interruption:
    """What a user asked of the evaluations that go on: to stop, or to stop without ``finally``.

    Set by a signal handler or another thread, looked at by those who evaluate.
    """

    asked: bool = False
    insisted: bool = False

    def check(self) -> None:
        """Raise Interrupted if the evaluation must end here and now."""
        if self.insisted:
            raise Interrupted


class UnkeptRun(ActiveRun):
    """An ``ActiveRun`` that nothing is kept of."""

    __slots__ = ()

    def go_through(self, steps: Steps[T]) -> T:
        """Take each step for durable."""
        while True:
            try:
                step = next(steps)
            except StopIteration as done:
                answer: T = done.value
                return answer
            if self.operations:  # nobody but the store in memory can perform them
                asked = Commit((), RunState.RUNNING, operations=self.operations)
                self.claim = self.host.store.commit(self.claim, asked)
            if self.heap.is_due:
                self.heap.weigh(self.machine)
            self.settle(step, self.claim)


def drive_unkept(active: UnkeptRun, interruption: Interruption) -> None:
    """Drive a run until it has ended. Asked to stop, it is cancelled. Raises Interrupted."""
    _Drive(active, interruption).to_the_end()


class _Drive:
    def __init__(self, active: UnkeptRun, interruption: Interruption) -> None:
        self._active = active
        self._interruption = interruption
        self._cancelled = False

    def to_the_end(self) -> None:
        """Drive without an event loop until a connector is needed, and then with one."""
        active = self._active
        clock = active.host.clock
        while self._advance():
            if may_start(active):
                asyncio.run(self._in_loop())
                return
            active.host.store.attend()
            if not active.go_through(take_in(active)):
                clock.wait(active.host.store, self._patience_us())

    async def _in_loop(self) -> None:
        from flowmetal.runtime.performing import Attempts

        active = self._active
        woken = asyncio.Event()
        attempts = Attempts(active, woken.set)
        try:
            while self._advance():
                active.go_through(attempts.begin())
                if not active.go_through(take_in(active)):
                    woken.clear()
                    await active.host.clock.pause(woken, self._patience_us())
                await asyncio.sleep(0)
        finally:
            await attempts.stop()
            await active.host.world.close()

    def _advance(self) -> bool:
        """Compute until the run waits; say whether it goes on after that."""
        active = self._active
        more = True
        while more:
            self._heed()
            more = active.go_through(advance(active, turns=1))
            active.show()
        return active.is_driven()

    def _heed(self) -> None:
        self._interruption.check()
        if self._interruption.asked and not self._cancelled:
            self._cancelled = True
            now = self._active.host.clock.now_us()
            self._active.progress.cancelled = (now, "interrupted")
            deliver(self._active.machine, Cancel("interrupted"), now)

    def _patience_us(self) -> int:
        due = self._active.progress.next_due_us()
        if due is None:
            return _LOOK_US
        return min(max(0, due - self._active.host.clock.now_us()), _LOOK_US)
