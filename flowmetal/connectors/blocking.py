"""Calls that block, such as those of files and of the resolver of names, beside the event loop.

Each has a thread that the process does not wait for when it ends: a disk or a server of names that does not
answer would hold it up for minutes, as the pool of a loop does. What is about to end is given a little time.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import errno
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

T = TypeVar("T")

MOST: Final = 32
"""Calls at a time; others wait for their turn."""

MOST_LEFT: Final = 256
"""Calls that were given up and have not come to an end: what they work on does not answer, and more would not either."""

ENDING_S: Final = 3.0


class Blocking:
    """The calls of one connector."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._turns = asyncio.Semaphore(most)
        self._threads: set[threading.Thread] = set()

    async def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function in a thread. Cancelled, it goes on there, and nobody hears of it.

        Raises OSError if too many go on so.
        """
        async with self._turns:
            if len(self._threads) >= self._most + MOST_LEFT:
                raise OSError(errno.EAGAIN, f"{MOST_LEFT} calls that were given up still hang")
            loop = asyncio.get_running_loop()
            told: asyncio.Future[T] = loop.create_future()
            work = partial(contextvars.copy_context().run, function, *arguments)
            thread = threading.Thread(
                target=self._run, args=(loop, told, work), name="flowmetal-connector", daemon=True
            )
            self._threads.add(thread)
            thread.start()
            return await told

    def close(self) -> None:
        """Give calls that go on a little time to come to their end."""
        end = time.monotonic() + ENDING_S
        for thread in list(self._threads):
            thread.join(max(0.0, end - time.monotonic()))

    def _run(
        self, loop: asyncio.AbstractEventLoop, told: asyncio.Future[T], work: Callable[[], T]
    ) -> None:
        error, value = None, None
        try:
            value = work()
        except BaseException as raised:  # it goes to whoever waits
            error = raised
        self._threads.discard(threading.current_thread())

        def tell() -> None:
            if told.done():
                return
            if error is not None:
                told.set_exception(error)
            else:
                told.set_result(value)  # type: ignore[arg-type]

        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell)
