"""Threads for functions of the host that take long: nothing waits for them when the process is to end.

The pools of the standard library are joined at the end of a process, however long a function takes.
A run whose function was left behind performs it again elsewhere, under the same key, or is in doubt.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

MOST: Final = 32
"""Functions at a time; others wait for their turn."""

_LOOK_S: Final = 0.02


class Threads:
    """Calls functions in threads of its own."""

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

        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        work = partial(self._work, loop, future, partial(function, *arguments))
        self._waiting.put(partial(contextvars.copy_context().run, work))
        if not self._idle.acquire(blocking=False):
            self._begin()
        return await future

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

    def _work(
        self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], call: Callable[[], T]
    ) -> None:
        if future.cancelled():
            return
        with self._lock:
            self._calls += 1
        try:
            value = call()
        except BaseException as error:  # it goes to whoever waits
            told = partial(_fail, future, error)
        else:
            told = partial(_answer, future, value)
        finally:
            with self._lock:
                self._calls -= 1
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(told)


def _answer(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[T], error: BaseException) -> None:
    if future.done():
        return
    if isinstance(error, StopIteration):  # which no future takes
        error = RuntimeError(f"the function raised {error!r}")
    future.set_exception(error)
