"""Group commit: the steps of many runs in one event loop share a transaction.

The steps that are ready at one moment are written together, and each run goes on
with its own outcome. While a group is written, the next one gathers; for a store behind a
network that happens in a thread, and the loop computes on.

The outcomes of a group (semantics.md):

- a member that loses its compare-and-swap gets its Conflict and harms nobody;
- a transaction that was certainly not made (one member is too big, say) is made again
  member by member, from the same bytes;
- one whose outcome is not known fails all members: their machines are dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from flowmetal.errors import Conflict, StoreError
from flowmetal.runtime.active import ActiveRun
from flowmetal.runtime.committing import Steps
from flowmetal.store import rules
from flowmetal.store.protocol import Claim, Commit, Store

T = TypeVar("T")

LARGEST_GROUP: Final = 256
"""Steps in one transaction: more would make the first ones wait for nothing."""

_Outcome = Claim | Exception


class _Writing(asyncio.Future[Claim]):
    """The outcome of a step that is being written. Who waits for it and is cancelled is told when it is known."""

    def cancel(self, msg: object = None) -> bool:
        return False

    def give_up(self) -> None:
        """The step will not be written."""
        super().cancel()


_Entry = tuple[Claim, Commit, _Writing]


class Committer:
    """Group commit for the runs of one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ready: list[_Entry] = []
        self._working: asyncio.Task[None] | None = None
        self._pool = ThreadPoolExecutor(1, "flowmetal-commit") if store.is_remote else None

    async def carry_out(self, active: ActiveRun, steps: Steps[T]) -> T:
        """Commit each step together with those of other runs.

        Cancelled, it waits for the outcome of the step that is being written: what is
        durable has happened. Raises Conflict or StoreError: then drop ``active``.
        """
        while True:
            try:
                step = next(steps)
            except StopIteration as done:
                answer: T = done.value
                return answer
            outcome = self._hand_in(active.claim, active.prepare(step))
            try:
                claim = await outcome
            except asyncio.CancelledError:
                active.settle(step, outcome.result())
                raise
            active.settle(step, claim)

    def close(self) -> None:
        """Nothing is handed in any more."""
        if self._pool is not None:
            self._pool.shutdown()

    def _hand_in(self, claim: Claim, commit: Commit) -> _Writing:
        loop = asyncio.get_running_loop()
        outcome = _Writing(loop=loop)
        self._ready.append((claim, commit, outcome))
        if self._working is None:
            self._working = loop.create_task(self._work())
            self._working.add_done_callback(self._give_up)
        return outcome

    def _give_up(self, task: asyncio.Task[None]) -> None:
        """Let the members go if the task was cancelled before it began, as when the whole loop ends."""
        if task.cancelled():
            self._working = None
            for _, _, outcome in self._ready:
                outcome.give_up()
            self._ready.clear()

    async def _work(self) -> None:
        """Write groups until nothing is ready."""
        try:
            while self._ready:
                group, self._ready = self._ready[:LARGEST_GROUP], self._ready[LARGEST_GROUP:]
                await self._write_group(group)
        finally:
            self._working = None

    async def _write_group(self, group: Sequence[_Entry]) -> None:
        steps = [(claim, commit) for claim, commit, _ in group]
        outcomes: Sequence[_Outcome | BaseException]
        try:
            if self._pool is None:
                outcomes = write(self._store, steps)
            else:
                loop = asyncio.get_running_loop()
                outcomes = await loop.run_in_executor(self._pool, write, self._store, steps)
        except BaseException as death:  # ours to mend, or a test's: it ends each member
            outcomes = [death] * len(group)
        if self._pool is None:  # whoever became ready meanwhile belongs into the next group
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        for (_, _, future), outcome in zip(group, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, Claim):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)


def write(store: Store, steps: Sequence[tuple[Claim, Commit]]) -> list[Claim | Exception]:
    """Make the steps of several runs durable, in one transaction if that can be."""
    if len(steps) == 1:
        return list(_singly(store, steps))
    try:
        return list(store.commit_all(steps))
    except StoreError as trouble:
        if trouble.code in rules.OUTCOME_UNKNOWN:
            return [trouble] * len(steps)
    except Exception:  # ours to mend: of one of them, most likely, which is to fail alone
        pass
    return list(_singly(store, steps))


def _singly(store: Store, steps: Sequence[tuple[Claim, Commit]]) -> Iterator[Claim | Exception]:
    """Commit one by one. What is wrong with the store itself is not tried with each of them."""
    trouble: StoreError | None = None
    for claim, commit in steps:
        if trouble is not None:
            yield trouble
            continue
        try:
            yield store.commit(claim, commit)
        except Conflict as lost:
            yield lost
        except StoreError as refused:
            if refused.code not in rules.OF_ONE_STEP:
                trouble = refused
            yield refused
        except Exception as crash:
            yield crash
