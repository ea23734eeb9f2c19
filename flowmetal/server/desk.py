"""The threads behind the event loop: short questions to the store, long ones, and its hints.

A handler never touches the store in the event loop. Short questions (a transaction) have a few
threads, long ones (linking a program, a query) have one, so that they hold up no callback.
All that wait for a change of the store share one thread, so a thousand of them cost none.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from flowmetal.embed.engine import Engine
from flowmetal.errors import StoreError

Found = TypeVar("Found")

_SHORT_THREADS: Final = 4
_LOOK_S: Final = 0.5
"""A hint may be lost: those that wait look this often anyway."""


class Desk:
    """Asks an engine on behalf of handlers. See the module's docstring."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._short = ThreadPoolExecutor(_SHORT_THREADS, "flowmetal-short")
        self._long = ThreadPoolExecutor(1, "flowmetal-long")
        self._hints = ThreadPoolExecutor(1, "flowmetal-hints")
        self._changed = asyncio.Event()
        self._waiting = 0
        self._watcher: asyncio.Task[None] | None = None
        self.stopping = asyncio.Event()

    async def ask(self, question: Callable[[Engine], Found], *, long: bool = False) -> Found:
        """Return what ``question`` returns of the engine, asked in a thread."""
        pool = self._long if long else self._short
        return await asyncio.get_running_loop().run_in_executor(pool, question, self._engine)

    async def change(self, timeout_s: float) -> None:
        """Return when the store may have changed, at the latest after ``timeout_s``."""
        changed = self._changed
        self._waiting += 1
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(timeout_s, _LOOK_S)):
                    await changed.wait()
        finally:
            self._waiting -= 1

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and not self.stopping.is_set():
            try:
                await loop.run_in_executor(self._hints, self._engine.store.wait_for_change, _LOOK_S)
            except StoreError:  # whoever waits finds out
                await asyncio.sleep(_LOOK_S)
            self._changed.set()
            self._changed = asyncio.Event()

    def stop(self) -> None:
        """Let those that wait go; what is asked is answered."""
        self.stopping.set()
        self._changed.set()

    def close(self) -> None:
        """Wait for what is asked, and end the threads."""
        for pool in (self._short, self._long, self._hints):
            pool.shutdown()
