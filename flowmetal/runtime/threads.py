"""Threads for functions of the host that take long: nothing waits for them when the process is to end.

The pools of the standard library are joined at the end of a process, however long a function takes.
A run whose function was left behind performs it again elsewhere, under the same key, or is in doubt.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeVar, cast

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

T = TypeVar("T")

MOST: Final = 32
"""Functions at a time; others wait for their turn."""

_LOOK_S: Final = 0.02


class Threads:
    """An executor, as loops know them, whose threads end with the process."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._count = 0
        self._lock = threading.Lock()
        self._calls = 0  # begun and not ended

    async def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function and return what it returns, or raise what it raises.

        Cancelled, it goes on in its thread, and nobody hears of it; one that has not begun does not begin.
        """
        import asyncio  # most processes need no loop

        context = contextvars.copy_context()
        call: Callable[[], T] = partial(context.run, _without_stop, function, *arguments)
        return await asyncio.get_running_loop().run_in_executor(cast("Executor", self), call)

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Make a call in a thread, some time."""
        from concurrent.futures import Future  # with it comes logging

        future: Future[T] = Future()
        self._waiting.put(partial(self._work, future, call))
        if not self._idle.acquire(blocking=False):
            self._begin()
        return future

    def wait(self, timeout_s: float) -> bool:
        """Wait until no function runs any more; say whether that came in time."""
        end = time.monotonic() + timeout_s
        while self._calls and time.monotonic() < end:
            time.sleep(_LOOK_S)
        return not self._calls

    def _begin(self) -> None:
        with self._lock:
            if self._count == self._most:
                return
            self._count += 1
        threading.Thread(target=self._run, name="flowmetal-function", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._waiting.get()()
            self._idle.release()

    def _work(self, future: Future[T], call: Callable[[], T]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        with self._lock:
            self._calls += 1
        error, value = None, None
        try:
            value = call()
        except BaseException as raised:  # it goes to whoever waits
            error = raised
        with self._lock:
            self._calls -= 1
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)  # type: ignore[arg-type]


def _without_stop(function: Callable[..., T], *arguments: object) -> T:
    try:
        return function(*arguments)
    except StopIteration as error:  # which no coroutine may raise
        raise RuntimeError(f"the function raised {error!r}") from error
