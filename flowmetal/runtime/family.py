"""The descendants of a run, driven beside it in one process: what ``fmvm run`` does for children.

A descendant that only waits is let go of, as by an interpreter. When the run at the root has ended, the
descendants are driven on as long as one of them can go on; those that wait then are left to others.
While it is given back for a call, they are driven until it can go on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final

from flowmetal.errors import Conflict, FlowmetalError, StoreError
from flowmetal.ids import RunId
from flowmetal.runtime.active import ActiveRun
from flowmetal.runtime.host import Host
from flowmetal.runtime.loading import open_run
from flowmetal.runtime.patience import TROUBLE_US, Patience
from flowmetal.runtime.waiting import called_kinds
from flowmetal.store.protocol import ENDED, LIVING, Claim, RunQuery, RunRow, RunState, Store

MOST: Final = 100
"""Descendants that are driven at a time."""

_LOOK_S: Final = 0.01
_PAUSE: Final = 4
"""Times as long as it took, before descendants are looked for again, if none that is driven has come to a wait or an
end: a fifth of the time goes into looking, however many there are."""

_LONGEST_PAUSE_S: Final = 0.5

_ROWS: Final = 10_000


def has_living(store: Store, run: RunId) -> bool:
    """Say whether a descendant of a run has not ended: a child, or one whose parents have ended before it."""
    return any(
        store.runs(RunQuery(parents=tuple(parents), states=LIVING, limit=1))
        for parents in _generations(store, [run])
    )


def _generations(store: Store, runs: Iterable[RunId]) -> Iterator[list[RunId]]:
    """Go through some runs, their children that have ended, the children of those that have, and so on: what
    they have started may go on. There may be no end of them, so it is some ten thousand."""
    seen = set[RunId]()
    generation = list(runs)
    while generation and len(seen) < _ROWS:
        yield generation
        seen.update(generation)
        query = RunQuery(parents=tuple(generation), states=tuple(ENDED), limit=_ROWS)
        generation = [row.id for row in store.runs(query) if row.id not in seen]


def pause_s(took_s: float) -> float:
    """Return how long to wait after a look that took so long, if nothing happens: seconds."""
    return min(_PAUSE * took_s, _LONGEST_PAUSE_S)


class Family:
    """See the module's docstring. Nothing is done before ``begin``."""

    def __init__(
        self, host: Host, root: RunId, drive: Callable[[ActiveRun], Awaitable[None]]
    ) -> None:
        self._host = host
        self._parents = set[RunId]()  # of whom the descendants that have not ended are children
        self._root = root
        self._drive_member = drive
        self._driving: dict[RunId, asyncio.Task[None]] = {}
        self._watch: asyncio.Task[None] | None = None
        self._left = asyncio.Event()  # a descendant has left its place to others
        self._troubled: set[RunId] = set()
        self._patience: dict[RunId, Patience] = {}  # with the store, under a run
        self._not_before_us: dict[RunId, int] = {}  # monotonic
        self._crash: BaseException | None = None

    def __bool__(self) -> bool:
        return self._watch is not None

    def begin(self) -> None:
        """Look for descendants from now on."""
        if self._watch is None:
            self._watch = asyncio.get_running_loop().create_task(self._look_again_and_again())
            self._watch.add_done_callback(lambda done: self._ended(self._root, done))

    async def finish(self) -> None:
        """Drive on until no descendant can go on at once."""
        if await self._watch_no_more():
            while self._look() or self._driving:
                await asyncio.sleep(_LOOK_S)
                self.check()

    async def settle(self) -> None:
        """Take no descendant any more, and drive each that is driven until it waits or has ended."""
        if await self._watch_no_more():
            while self._driving:
                await asyncio.sleep(_LOOK_S)
                self.check()

    async def _watch_no_more(self) -> bool:
        """Say whether there was a watch."""
        if self._watch is None:
            return False
        self._watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watch
        return True

    async def stop(self) -> None:
        """Give back whatever is still driven."""
        tasks = [*self._driving.values(), *(() if self._watch is None else (self._watch,))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_again_and_again(self) -> None:
        clock = self._host.clock
        while True:
            self._left.clear()
            began_us = clock.monotonic_us()
            with contextlib.suppress(StoreError):  # the next look finds out more
                self._look()
            took_s = (clock.monotonic_us() - began_us) / 1_000_000
            await asyncio.sleep(_LOOK_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s(took_s)):
                    await self._left.wait()

    def _look(self) -> int:
        """Take what can go on; return how many were taken."""
        host = self._host
        host.store.attend()
        taken = 0
        for row in reversed(self._living()):  # the oldest first
            if len(self._driving) < MOST and self._can_go_on(row):
                taken += self._take(row.id)
        return taken

    def _living(self) -> list[RunRow]:
        """Return the descendants that have not ended, the newest first."""
        store = self._host.store
        new = [] if self._parents else [self._root]
        while True:
            self._parents.update(*_generations(store, new))
            query = RunQuery(parents=tuple(self._parents), states=LIVING, limit=_ROWS)
            rows = store.runs(query)
            new = [row.id for row in rows if row.id not in self._parents]
            if not new:
                break
        if len(rows) < _ROWS:  # the others have ended, and what they have started, too
            living = (each for row in rows for each in (row.id, row.parent) if each is not None)
            self._parents = {self._root, *living}
        return rows

    def _can_go_on(self, row: RunRow) -> bool:
        if row.id == self._root or row.id in self._host.driven or row.id in self._troubled:
            return False
        if row.owner == self._host.owner and row.lease_expires_us > self._host.clock.now_us():
            return False  # else it was claimed here, and nobody was told
        if self._not_before_us.get(row.id, 0) > self._host.clock.monotonic_us():
            return False
        if row.state is RunState.RUNNING:  # of somebody who may be dead: the claim finds out
            return True
        if row.state is RunState.WAITING and any(
            map(self._host.performs, called_kinds(row.waiting))
        ):
            return True
        if row.state is RunState.READY and row.started_us is not None:
            return True  # its time is its place in line, by a clock that may be ahead of ours
        return row.wake_at_us is not None and row.wake_at_us <= self._host.clock.now_us()

    def _take(self, run: RunId) -> int:
        host = self._host
        taken_us = host.clock.monotonic_us()
        claim = host.claim(run)
        if not isinstance(claim, Claim):
            return 0
        task = asyncio.get_running_loop().create_task(self._drive(claim, taken_us))
        self._driving[run] = task
        task.add_done_callback(lambda done: self._ended(run, done))
        return 1

    def _ended(self, run: RunId, task: asyncio.Task[None]) -> None:
        if self._driving.pop(run, None) is not None:
            self._host.leave(run)
        self._left.set()
        if not task.cancelled() and task.exception() is not None:
            self._crash = self._crash or task.exception()

    def check(self) -> None:
        """Raise what a task died of: it is ours to mend, or the end of the process."""
        if self._crash is not None:
            raise self._crash

    def _may_fail_again(self, run: RunId, taken_us: int) -> bool:
        """The store has failed under a run: what is durable decides, and it is taken again a little later."""
        now_us = self._host.clock.monotonic_us()
        self._not_before_us[run] = now_us + TROUBLE_US
        patience = self._patience.setdefault(run, Patience(self._host.store))
        return patience.bears(now_us - taken_us)

    async def _drive(self, claim: Claim, taken_us: int) -> None:
        active = None
        try:
            active = open_run(self._host, claim, taken_us)
            await self._drive_member(active)
        except Conflict:
            return  # somebody else has it now
        except FlowmetalError as problem:
            if isinstance(problem, StoreError) and self._may_fail_again(claim.run, taken_us):
                return
            # It stays where it is, for somebody who can; the root waits or goes on without it.
            self._troubled.add(claim.run)
            self._host.observer.troubled(claim.run, str(problem))
        finally:
            if active is None or active.is_driven():
                with contextlib.suppress(StoreError):
                    self._host.store.release(claim if active is None else active.claim)
