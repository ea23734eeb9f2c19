"""Event loops that are driven one callback at a time, so that many processes live in one thread.

Each simulated process has a ``SteppedLoop`` of its own. Nothing runs by itself: ``step`` runs
the oldest callback that is ready and returns. Time is the simulation's, so that waiting takes none.
What the code under test hands to a thread is run by the loop too, some time later.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import events, tasks
from collections.abc import Callable
from typing import Any, Protocol

_SWAPS = hasattr(tasks, "_swap_current_task")  # from 3.12 on; needed from 3.14 on


class Threads(Protocol):
    """What the loop's code hands to threads."""

    def submit(
        self, loop: SteppedLoop, function: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> asyncio.Future[Any]: ...


class SteppedLoop(asyncio.BaseEventLoop):
    """See the module's docstring. ``now_us`` is the time, ``threads`` takes calls for threads."""

    def __init__(self, name: str, now_us: Callable[[], int], threads: Threads) -> None:
        super().__init__()
        self.name = name
        self._now_us = now_us
        self._threads = threads
        self.busy = False  # a callback of this loop is running, perhaps below others
        self.problems: list[str] = []
        self.set_exception_handler(self._note)

    def time(self) -> float:
        return self._now_us() / 1e6

    def next_us(self) -> int | None:
        """Return when the next callback may run: 0 at once, None if there is none."""
        return 0 if self._ready else self._next_timer_us()

    def _next_timer_us(self) -> int | None:
        scheduled = self._scheduled
        while scheduled:
            first = scheduled[0]
            if not first._cancelled:
                return int(first._when * 1e6 + 0.999)
            self._timer_cancelled_count -= 1
            heapq.heappop(scheduled)._scheduled = False
        return None

    def step(self) -> None:
        """Run one callback, if one is ready."""
        now_us = self._now_us()
        while (at_us := self._next_timer_us()) is not None and at_us <= now_us:
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False
            self._ready.append(timer)
        if not self._ready:
            return
        handle = self._ready.popleft()
        if not handle._cancelled:
            with self.running():
                handle._run()

    def running(self) -> _Running:
        """Be the running loop, also below a callback of another one."""
        return _Running(self)

    def drain(self) -> None:
        """Cancel everything and let it end: nobody is there any more."""
        for _ in range(100):
            left = [task for task in asyncio.all_tasks(self) if not task.done()]
            if not left:
                break
            for task in sorted(left, key=lambda task: task.get_name()):
                task.cancel()
            while self._ready:
                self.step()
        else:
            self.problems.append(f"{self.name}: tasks do not end when they are cancelled")
        self._scheduled.clear()
        self._ready.clear()
        self.close()

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        return self._threads.submit(self, func, args)

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_soon(callback, *args, context=context)

    def add_signal_handler(self, sig: Any, callback: Any, *args: Any) -> None:
        raise NotImplementedError

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        problem = context.get("exception")
        if isinstance(problem, Exception):
            self.problems.append(f"{self.name}: {context['message']}: {problem!r}")


class _Running:
    """What ``SteppedLoop.running`` returns: a class, for it is entered a thousand times in a simulated second."""

    __slots__ = ("busy", "loop", "outer", "task")

    def __init__(self, loop: SteppedLoop) -> None:
        self.loop = loop

    def __enter__(self) -> None:
        self.outer = outer = events._get_running_loop()
        self.task = tasks._swap_current_task(outer, None) if _SWAPS and outer is not None else None
        events._set_running_loop(self.loop)
        self.busy, self.loop.busy = self.loop.busy, True

    def __exit__(self, *problem: object) -> None:
        self.loop.busy = self.busy
        events._set_running_loop(self.outer)
        if _SWAPS and self.outer is not None:
            tasks._swap_current_task(self.outer, self.task)
