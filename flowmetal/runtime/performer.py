"""A performer: takes calls of the kinds that are performed here, whoever drives their runs, and performs them.

It holds no run. A call is kept by heartbeats, and let go of when the store says that nobody waits for it any more or
that somebody else has it: then what is under way is cancelled, once, so that it can clean up. A process that gave no sign
of life for too long may be given a call that it is still at: it goes on with that, and does not begin it beside itself.
How a call ended is said until the store has heard it. Calls whose performers died are tried one at a time, each
until it ends or has done no harm for a while, so that they do not go down together with the culprit again and again.
"""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple, TypeVar

from flowmetal.effects.errors import connector_failed, no_data
from flowmetal.effects.kinds import KINDS
from flowmetal.errors import StoreError
from flowmetal.ids import RunId
from flowmetal.runtime.calling import call_of, word
from flowmetal.runtime.host import Host
from flowmetal.runtime.performing import attempt
from flowmetal.store.operations.vocabulary import (
    BeatCalls,
    ClaimCalls,
    EndCall,
    EndCalls,
    GiveBackCall,
    Operation,
)
from flowmetal.values import DataError, Map, keyword

AGAIN_S: Final = 1.0
"""Between two tries to say something to a store that does not answer, or that moves the run just now."""

MOST_BETWEEN_BEATS_US: Final = 1_000_000
"""So long at most a call goes on that nobody waits for any more."""

LOOK_US: Final = 20_000
"""Between two looks for calls, at most: a store that is busy with other things gives a hint every millisecond."""

SOON_US: Final = 1_000
"""The same after a call: who has asked for one may ask for the next. It doubles with each look that finds none."""

TRIAL_S: Final = 10.0
"""How long a call whose performers died may have to show that it does not kill this one."""

MOST_WORDS: Final = 50
"""Calls whose ends are told in one transaction, at most."""

_TOO_LARGE: Final = "FM1021"

_VALUE, _LOST, _AWAY = keyword("value"), keyword("lost"), keyword("away")
_PARTS = tuple(
    keyword(name) for name in ("id", "claim", "offer", "run", "kind", "body", "again", "suspect")
)


T = TypeVar("T")


class _Taken(NamedTuple):
    id: str
    claim: int
    offer: int
    run: RunId
    kind: str
    body: bytes
    again: bool
    suspect: bool


class _UnderWay:
    """A call that is performed. ``taken`` is as it was claimed last."""

    def __init__(self, taken: _Taken) -> None:
        self.taken = taken
        self.task: asyncio.Task[None] | None = None
        self.is_lost = False

    def lose(self) -> None:
        """Break it off."""
        if not self.is_lost and self.task is not None:
            self.is_lost = True
            self.task.cancel()

    def goes_on_as(self, taken: _Taken) -> bool:
        """Say whether what is under way is the attempt that was claimed now."""
        return not self.is_lost and self.taken.offer == taken.offer


class Performer:
    """``take`` calls now and then; ``stop`` when nothing is to be performed any more.

    ``on_end`` is called with the task of each call that has ended, ``wake`` when it is time for a look that was put
    off. Falsy if nothing is performed.
    """

    def __init__(
        self,
        host: Host,
        on_end: Callable[[asyncio.Task[None]], None],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._host = host
        self._on_end = on_end
        self._wake = wake
        self._kinds = tuple(host.world.kinds())
        self._trusted = tuple(kind for kind in self._kinds if kind in KINDS)
        self._name = f"process {os.getpid()} on {platform.node() or 'an unnamed host'}"
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: dict[str, _UnderWay] = {}
        self._looked_us = -LOOK_US
        self._pause_us = LOOK_US
        self._look: asyncio.TimerHandle | None = None
        self._beating: asyncio.Task[None] | None = None
        self._on_trial: _UnderWay | None = None
        self._trial: asyncio.TimerHandle | None = None
        self._words: list[tuple[EndCall, asyncio.Future[Map]]] = []
        self._telling: asyncio.Task[None] | None = None
        self._pool = ThreadPoolExecutor(1, "flowmetal-calls")

    def __len__(self) -> int:
        return len(self._tasks)

    async def take(self, room: int, *, attend: bool = False) -> int:
        """Begin to perform as many calls as there is room for; return how many. Raises StoreError.

        ``attend``: to what is due in the store, too.
        """
        if not self._kinds or (room <= 0 and not attend):
            return 0
        now_us = self._host.clock.monotonic_us()
        if (early_us := self._looked_us + self._pause_us - now_us) > 0:
            if self._look is None:
                loop = asyncio.get_running_loop()
                self._look = loop.call_later(early_us / 1e6, self._look_again)
            return 0
        self._looked_us = now_us
        calls = await self._in_store(partial(self._claim, room, attend))
        self._pause_us = SOON_US if calls else min(2 * self._pause_us, LOOK_US)
        for call in calls:
            self._begin(call)
        if calls and self._beating is None:
            self._beating = asyncio.get_running_loop().create_task(self._beat())
        return len(calls)

    async def stop(self, patience_s: float) -> None:
        """Let what is under way come to an end, for so long; leave the rest to others."""
        for timer in (self._look, self._trial):
            if timer is not None:
                timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience_s)
        left = [one for one in self._held.values() if not one.is_lost]
        for one in left:
            one.lose()
        if self._beating is not None:
            self._beating.cancel()
        if self._telling is not None:
            self._telling.cancel()
        beside = (task for task in (self._beating, self._telling) if task is not None)
        tasks = [*self._tasks, *beside]
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in left:
            given = GiveBackCall(one.taken.id, one.taken.claim)
            try:
                await self._in_store(partial(self._operate, given))
            except StoreError:
                break  # they are others' when their leases are over
        self._pool.shutdown()

    def _look_again(self) -> None:
        self._look = None
        self._wake()

    def _begin(self, taken: _Taken) -> None:
        before = self._held.get(taken.id)
        if before is not None and before.goes_on_as(taken):
            before.taken = taken
            return
        one = self._held[taken.id] = _UnderWay(taken)
        one.task = asyncio.get_running_loop().create_task(self._perform(one, before))
        self._tasks.add(one.task)
        one.task.add_done_callback(partial(self._ended, one))
        if taken.suspect:
            self._on_trial = one
            self._trial = asyncio.get_running_loop().call_later(TRIAL_S, self._end_trial, one)

    def _end_trial(self, one: _UnderWay) -> None:
        """Another suspect can be tried."""
        if self._on_trial is one:
            self._on_trial = None
            if self._trial is not None:
                self._trial.cancel()
            self._wake()

    def _claim(self, room: int, attend: bool) -> list[_Taken]:
        store = self._host.store
        if attend:
            store.attend()
        if room <= 0 or not store.has_calls(self._kinds):
            return []
        asked = ClaimCalls(
            self._kinds,
            self._name,
            self._host.lease_us,
            room,
            trusted=self._trusted,
            tries=self._on_trial is None,
        )
        found = store.operate(asked).get(_VALUE)
        return [_Taken(*(each.get(part) for part in _PARTS)) for each in found]

    def _operate(self, operation: Operation) -> Map:
        return self._host.store.operate(operation)

    async def _in_store(self, ask: Callable[[], T]) -> T:
        """Ask the store; one that is far is asked in a thread."""
        if not self._host.store.is_remote:
            return ask()
        return await asyncio.get_running_loop().run_in_executor(self._pool, ask)

    def _ended(self, one: _UnderWay, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._held.get(one.taken.id) is one:
            del self._held[one.taken.id]
        self._looked_us, self._pause_us = -LOOK_US, SOON_US  # there is room for another one now
        self._end_trial(one)
        self._on_end(task)

    async def _perform(self, one: _UnderWay, before: _UnderWay | None) -> None:
        """Perform a call, when what was under way of it before has come to its end."""
        if before is not None and before.task is not None:
            before.lose()
            await asyncio.wait([before.task])
        host, taken = self._host, one.taken
        call, timeout_us = call_of(taken.run, taken.kind, taken.body, taken.again)
        ended = await attempt(host, call, timeout_us)
        of_host = host.world.function(call.kind) is not None
        try:
            said = word(*ended, of_host=of_host)
        except DataError as problem:
            said = word(None, no_data(call.kind, problem.message), None, of_host=of_host)
        try:
            await self._say(one, said)
        except StoreError as refused:
            why = f"what {call.kind} answered cannot be kept: {refused.message}"
            said = word(None, connector_failed(call.kind, why), None, of_host=of_host)
            await self._say(one, said)

    async def _say(self, one: _UnderWay, said: bytes) -> None:
        """Say how a call ended until the store has heard it. Raises StoreError for what is too large for it."""
        while True:
            claim = one.taken.claim
            try:
                found = await self._tell(EndCall(one.taken.id, claim, said))
            except StoreError as trouble:
                if trouble.code == _TOO_LARGE:
                    raise
            else:
                if not found.get(_AWAY) and claim == one.taken.claim:
                    return
            await asyncio.sleep(AGAIN_S)

    async def _tell(self, said: EndCall) -> Map:
        """Tell the store how a call ended, in one transaction with others that end meanwhile. Raises StoreError."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Map] = loop.create_future()
        self._words.append((said, answer))
        if self._telling is None or self._telling.done():
            self._telling = loop.create_task(self._tell_all())
            self._telling.add_done_callback(self._told)
        return await answer

    async def _tell_all(self) -> None:
        most = MOST_WORDS
        while self._words:
            words, self._words = self._words[:most], self._words[most:]
            try:
                told = EndCalls([said for said, _ in words])
                answers = (await self._in_store(partial(self._operate, told))).get(_VALUE)
            except StoreError as trouble:
                if trouble.code == _TOO_LARGE and len(words) > 1:  # one of them is
                    self._words, most = [*words, *self._words], 1
                    continue
                for _, answer in words:
                    if not answer.done():
                        answer.set_exception(trouble)
            else:
                for (_, answer), found in zip(words, answers, strict=True):
                    if not answer.done():
                        answer.set_result(found)

    def _told(self, task: asyncio.Task[None]) -> None:
        if self._telling is task:
            self._telling = None
        self._on_end(task)

    async def _beat(self) -> None:
        """Keep the calls, and cancel those that are lost or that nobody waits for any more."""
        pause_s = min(self._host.lease_us // 3, MOST_BETWEEN_BEATS_US) / 1e6
        while self._tasks:
            await asyncio.sleep(pause_s)
            held = {
                one.taken.id: (one, one.taken.claim)
                for one in self._held.values()
                if not one.is_lost
            }
            if not held:
                continue
            claims = [(id, claim) for id, (_, claim) in held.items()]
            try:
                beat = partial(self._operate, BeatCalls(claims, self._host.lease_us))
                lost = (await self._in_store(beat)).get(_LOST)
            except StoreError:
                continue  # the store says later what is lost
            for id in lost:
                one, claim = held[id]
                if one.taken.claim == claim:  # and it was not claimed again meanwhile
                    one.lose()
        self._beating = None
