"""A performer: takes calls of the kinds that are performed here, whoever drives their runs, and performs them.

It holds no run. A call is kept by heartbeats, and let go of when the store says that nobody waits for it any more or
that somebody else has it: then what is under way is cancelled. How a call ended is said until the store has heard it.
"""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple, TypeVar

from flowmetal.effects.errors import effect_error
from flowmetal.errors import StoreError
from flowmetal.ids import RunId
from flowmetal.runtime.calling import call_of, word
from flowmetal.runtime.host import Host
from flowmetal.runtime.performing import attempt
from flowmetal.store.operations.vocabulary import (
    BeatCalls,
    ClaimCalls,
    EndCall,
    GiveBackCall,
    Operation,
)
from flowmetal.values import DataError, ErrorValue, Map, keyword

AGAIN_S: Final = 1.0
"""Between two tries to say something to a store that does not answer, or that moves the run just now."""

MOST_BETWEEN_BEATS_US: Final = 1_000_000
"""So long at most a call goes on that nobody waits for any more."""

LOOK_US: Final = 20_000
"""Between two looks for calls: a store that is busy with other things gives a hint every millisecond."""

_TOO_LARGE: Final = "FM1021"

_VALUE, _LOST, _AWAY = keyword("value"), keyword("lost"), keyword("away")
_ID, _CLAIM, _KIND, _RUN, _BODY, _AGAIN = (
    keyword(name) for name in ("id", "claim", "kind", "run", "body", "again")
)


T = TypeVar("T")


class _Taken(NamedTuple):
    id: str
    claim: int
    run: RunId
    kind: str
    body: bytes
    again: bool


class Performer:
    """``take`` calls now and then; ``stop`` when nothing is to be performed any more.

    ``on_end`` is called with the task of each call that has ended. Falsy if nothing is performed.
    """

    def __init__(self, host: Host, on_end: Callable[[asyncio.Task[None]], None]) -> None:
        self._host = host
        self._on_end = on_end
        self._kinds = tuple(host.world.kinds())
        self._name = f"process {os.getpid()} on {platform.node() or 'an unnamed host'}"
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._taken: dict[str, _Taken] = {}
        self._looked_us = -LOOK_US
        self._beating: asyncio.Task[None] | None = None
        self._pool = ThreadPoolExecutor(1, "flowmetal-calls")

    def __len__(self) -> int:
        return len(self._tasks)

    async def take(self, room: int) -> int:
        """Begin to perform as many calls as there is room for; return how many. Raises StoreError."""
        now_us = self._host.clock.monotonic_us()
        if room <= 0 or not self._kinds or now_us - self._looked_us < LOOK_US:
            return 0
        self._looked_us = now_us
        calls = await self._in_store(partial(self._claim, room))
        for call in calls:
            task = asyncio.get_running_loop().create_task(self._perform(call))
            self._tasks[call.id], self._taken[call.id] = task, call
            task.add_done_callback(partial(self._ended, call.id))
        if calls and self._beating is None:
            self._beating = asyncio.get_running_loop().create_task(self._beat())
        return len(calls)

    async def stop(self, patience_s: float) -> None:
        """Let what is under way come to an end, for so long; leave the rest to others."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=patience_s)
        left = list(self._taken.values())
        tasks = [*self._tasks.values(), *(() if self._beating is None else (self._beating,))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for call in left:
            try:
                await self._in_store(partial(self._operate, GiveBackCall(call.id, call.claim)))
            except StoreError:
                break  # they are others' when their leases are over
        self._pool.shutdown()

    def _claim(self, room: int) -> list[_Taken]:
        store = self._host.store
        if not store.has_calls(self._kinds):
            return []
        found = store.operate(ClaimCalls(self._kinds, self._name, self._host.lease_us, room))
        return [
            _Taken(*(each.get(name) for name in (_ID, _CLAIM, _RUN, _KIND, _BODY, _AGAIN)))
            for each in found.get(_VALUE)
        ]

    def _operate(self, operation: Operation) -> Map:
        return self._host.store.operate(operation)

    async def _in_store(self, ask: Callable[[], T]) -> T:
        """Ask the store; one that is far is asked in a thread."""
        if not self._host.store.is_remote:
            return ask()
        return await asyncio.get_running_loop().run_in_executor(self._pool, ask)

    def _ended(self, id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(id) is task:
            del self._tasks[id], self._taken[id]
        self._on_end(task)

    async def _perform(self, taken: _Taken) -> None:
        host = self._host
        call, timeout_us = call_of(taken.run, taken.kind, taken.body, taken.again)
        ended = await attempt(host, call, timeout_us)
        of_host = host.world.function(call.kind) is not None
        try:
            said = word(*ended, of_host=of_host)
        except DataError as problem:
            why = f"{call.kind} answered with what is not data: {problem.message}"
            said = word(None, _failed(call.kind, why), None, of_host=of_host)
        try:
            await self._say(EndCall(taken.id, taken.claim, said))
        except StoreError as refused:
            why = f"what {call.kind} answered cannot be kept: {refused.message}"
            said = word(None, _failed(call.kind, why), None, of_host=of_host)
            await self._say(EndCall(taken.id, taken.claim, said))

    async def _say(self, operation: Operation) -> None:
        """Say something until the store has heard it. Raises StoreError for what is too large for it."""
        while True:
            try:
                found = await self._in_store(partial(self._operate, operation))
            except StoreError as trouble:
                if trouble.code == _TOO_LARGE:
                    raise
            else:
                if not found.get(_AWAY):
                    return
            await asyncio.sleep(AGAIN_S)

    async def _beat(self) -> None:
        """Keep the calls, and cancel those that are lost or that nobody waits for any more."""
        pause_s = min(self._host.lease_us // 3, MOST_BETWEEN_BEATS_US) / 1e6
        while self._tasks:
            await asyncio.sleep(pause_s)
            held = [(call.id, call.claim) for call in self._taken.values()]
            try:
                beat = partial(self._operate, BeatCalls(held, self._host.lease_us))
                lost = (await self._in_store(beat)).get(_LOST)
            except StoreError:
                continue  # the store says later what is lost
            for id in lost:
                if id in self._tasks:
                    self._tasks[id].cancel()
        self._beating = None


def _failed(kind: str, message: str) -> ErrorValue:
    return effect_error("FM0705", "connector/failed", message, {"kind": kind})
