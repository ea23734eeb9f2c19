"""An interpreter: claims the runs of a store that can go on, and drives them; and performs the calls of others.

Many at a time, in one event loop. A run that only waits is let go of in the
commit that says so: it costs no memory here, and whoever is free takes it when it is
due. What breaks one run (a program that is gone, a damaged snapshot) is
reported and hurts no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from flowmetal.errors import Conflict, FlowmetalError, StoreError
from flowmetal.ids import RunId
from flowmetal.runtime.driving import drive_in_loop
from flowmetal.runtime.grouping import Committer
from flowmetal.runtime.host import Host
from flowmetal.runtime.lease import Lease
from flowmetal.runtime.loading import open_run
from flowmetal.runtime.looping import in_a_loop
from flowmetal.runtime.patience import TROUBLE_US
from flowmetal.runtime.performer import Performer
from flowmetal.runtime.signals import stopped_by_signals
from flowmetal.snapshot.format import VERSION
from flowmetal.store.protocol import ANY_ATTEMPTS, Claim, Loaded, RunState

_LOOK_S: Final = 0.5
"""A hint may be lost: the store is looked at this often anyway."""

_BUSY_S: Final = 0.05
"""Before a run is given back that another thread of this process drives."""

IN_FLIGHT_S: Final = 3.0
"""How long requests and commands in flight have to come to an end when the interpreter is told to stop. Cut off, they
would be made again elsewhere, and those that are at-most-once would be in doubt."""

TRIAL_S: Final = 10.0
"""How long a run may have to show that it does not kill its interpreter, before others like it are tried beside it."""

STOPPING_S: Final = 3.0
"""How long functions in threads have to come to an end, after the runs were given back."""

_BEYOND_SUSPICION: Final = 2
"""Claims of a run since its last commit, its own among them: one interpreter may die with any number of runs."""

_CLOSED: Final = "FM1017"

_OF_THIS_PLACE: Final = frozenset({"FM0802", "FM0820", "FM0903", "FM1039"})
"""Errors that another interpreter may not have: this version is too old for the run, a key is not here."""

_REST_S: Final = 3.0
"""How long a run is held that cannot go on here, before it is given back for others."""

_OF_THE_RUN: Final = frozenset({"FM1001", "FM1021"})
"""Errors of a store that another try does not mend: a row is damaged, a part of the run is too big."""


def interpret(
    host: Host,
    *,
    concurrency: int = 100,
    until_idle: bool = False,
    on_signal: Callable[[], None] = lambda: None,
    begun: Callable[[Callable[[], None]], None] = lambda stop: None,
) -> None:
    """Drive runs until interrupted (Ctrl-C, SIGTERM), or until none can go on or is due later.

    When it returns, every run that it held is back in the store for others. Ctrl-C breaks off what is in flight and is
    raised as KeyboardInterrupt. ``on_signal`` is called at the first signal, ``begun`` before anything else, with what
    stops it from another thread (RuntimeError after the end). Raises StoreError FM1017 if the store is
    closed meanwhile, UsageError FM1139 in a running event loop.
    """
    interpreter = Interpreter(host, concurrency)
    begun(interpreter.stop_soon)
    told: list[int] = []

    def stop(number: int) -> None:
        told.append(number)
        on_signal()
        if number == signal.SIGINT:
            interpreter.break_off_soon()
        else:
            interpreter.stop_soon()

    with stopped_by_signals(stop):
        try:
            in_a_loop(lambda: interpreter.run(until_idle=until_idle))
        except asyncio.CancelledError:
            if signal.SIGINT not in told:
                raise
            raise KeyboardInterrupt from None


class Interpreter:
    """The coroutine behind ``interpret``. ``stop`` ends it in good order.

    ``drives`` runs, and ``performs`` what interpreters ask for that do not perform it themselves: so many
    of each at once as ``concurrency`` says.
    """

    def __init__(
        self, host: Host, concurrency: int = 100, *, drives: bool = True, performs: bool = True
    ) -> None:
        self._host = host
        self._concurrency = concurrency
        self._drives = drives
        self._performer = Performer(host, self._ended, self._look) if performs else None
        self._driving: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._taken = False
        self._on_trial: RunId | None = None
        self._freed = asyncio.Event()
        self._committer = Committer(host.store)
        self._leases: set[Lease] = set()
        self._claims: ThreadPoolExecutor | None = None
        self._end: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: asyncio.Task[None] | None = None
        self._until_idle = False
        self._unable: list[Claim] = []  # held to the end, for others

    def break_off_soon(self) -> None:
        """Give back what is held without waiting for anything, and end ``run`` as cancelled. Called by the handler of
        a signal; raises KeyboardInterrupt before the beginning."""
        if self._loop is None or self._running is None:
            raise KeyboardInterrupt
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._running.cancel)

    def stop_soon(self) -> None:
        """Call ``stop`` from anywhere: another thread, or the handler of a signal. Raises RuntimeError after the end."""
        if self._loop is None:  # before the loop: it looks before it claims
            self.stop()
        else:
            self._loop.call_soon_threadsafe(self.stop)

    def stop(self) -> None:
        """Claim nothing more, give back what is held, and return from ``run``."""
        self._stopping.set()
        self._freed.set()

    async def run(self, *, until_idle: bool = False) -> None:
        """Claim and drive until stopped."""
        self._loop, self._running = asyncio.get_running_loop(), asyncio.current_task()
        self._until_idle = until_idle
        watcher = None
        # One thread for the whole interpreter waits for the store's hints, and one claims from afar.
        with (
            ThreadPoolExecutor(1, "flowmetal-store") as pool,
            ThreadPoolExecutor(1, "flowmetal-claims") as self._claims,
        ):
            if not until_idle:
                watcher = asyncio.create_task(self._watch(pool))
            try:
                while not self._stopping.is_set():
                    self._freed.clear()
                    was_busy = self._is_busy()  # what ends during a look may let others go on
                    claimed = await self._claim() if self._drives else 0
                    taken = await self._take_calls()
                    if until_idle and not (claimed or taken or was_busy or self._is_busy()):
                        break
                    if not claimed or self._is_full():
                        await self._freed.wait()
            finally:
                if watcher is not None:
                    watcher.cancel()
                performer = self._performer
                patience_s = IN_FLIGHT_S if self._stopping.is_set() else 0
                await asyncio.gather(
                    self._give_back(), *(() if performer is None else (performer.stop(patience_s),))
                )
                self._committer.close()
                await self._host.world.close()
        if self._stopping.is_set() and not self._host.threads.wait(STOPPING_S):
            left = "functions are left where they are; their effects are performed again"
            print(f"fmvm: {left}", file=sys.stderr, flush=True)  # noqa: T201
        if self._end is not None:
            raise self._end

    def _look(self) -> None:
        self._freed.set()

    async def _claim(self) -> int:
        """Take as many runs as there is room for; return how many."""
        room = self._concurrency - len(self._driving)
        if room <= 0:
            return 0
        taken = self._host.clock.monotonic_us()
        try:
            if self._host.store.is_remote:  # those that are driven go on meanwhile
                loop = asyncio.get_running_loop()
                found = await loop.run_in_executor(self._claims, self._take, room)
            else:
                found = self._take(room)
        except StoreError as trouble:
            await self._bear(trouble)
            return 0
        if self._stopping.is_set():
            for claim, _ in found:
                _release(self._host, claim)
            return 0
        self._taken = bool(found)
        for claim, loaded in found:
            task = asyncio.create_task(self._drive(claim, loaded, taken))
            self._driving.add(task)
            task.add_done_callback(self._ended)
        return len(found)

    async def _take_calls(self) -> int:
        """Begin to perform calls; return how many."""
        if self._performer is None or self._stopping.is_set():
            return 0
        try:
            room = self._concurrency - len(self._performer)
            return await self._performer.take(room, attend=not self._drives)
        except StoreError as trouble:
            await self._bear(trouble)
            return 0

    def _take(self, room: int) -> list[tuple[Claim, Loaded]]:
        """Claim runs that can go on and read them: a few transactions, however many runs."""
        host = self._host
        try:
            host.store.attend()
        except StoreError as trouble:
            if trouble.code not in _OF_THE_RUN:
                raise
            _report(trouble)  # a damaged row was put off; the runs have nothing to do with it
        claims = host.store.claim_ready(
            host.owner,
            host.lease_us,
            room,
            snapshot_format=VERSION,
            attempts=ANY_ATTEMPTS if self._on_trial is None else _BEYOND_SUSPICION - 1,
        )
        try:
            found = host.store.load_all(claims) if claims else []
        except StoreError:
            for claim in claims:
                _release(host, claim)
            raise
        sound = []
        for claim, loaded in zip(claims, found, strict=True):
            if isinstance(loaded, Loaded):
                sound.append((claim, loaded))
            elif not isinstance(loaded, Conflict):
                # Left claimed, as in _drive: at once it would go the same way.
                _report(loaded, claim)
        return self._without_suspects(sound)

    def _without_suspects(self, found: list[tuple[Claim, Loaded]]) -> list[tuple[Claim, Loaded]]:
        """Give runs back whose interpreters died, but for one: they are tried one at a time.

        So a run that kills its interpreters does not bring others down with it again and again, which were
        claimed together with it. Those of the fewest deaths are first, and each is clear by its first commit, or after a while.
        """
        suspects = [each for each in found if each[1].row.attempts > _BEYOND_SUSPICION]
        if not suspects:
            return found
        tried = min(suspects, key=lambda each: each[1].row.attempts)
        self._on_trial = tried[0].run
        assert self._loop is not None
        self._loop.call_soon_threadsafe(
            self._loop.call_later, TRIAL_S, self._end_trial, self._on_trial
        )
        for claim, _ in suspects:
            if claim != tried[0]:
                _release(self._host, claim)
        return [each for each in found if each is tried or each not in suspects]

    def _end_trial(self, run: RunId) -> None:
        """A run has committed or was left: the next one can be tried."""
        if self._on_trial == run:
            self._on_trial = None
            self._freed.set()

    def _is_busy(self) -> bool:
        return bool(self._driving or self._performer)

    def _is_full(self) -> bool:
        return len(self._driving) >= self._concurrency

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._driving.discard(task)
        self._freed.set()
        if not task.cancelled() and (crash := task.exception()) is not None:
            if not isinstance(crash, Exception):  # the process is to end, and not this run alone
                self._end = self._end or crash
                self.stop()
                return
            # Ours to mend. The run stays claimed until its lease ends, and the crash is counted.
            traceback.print_exception(crash, file=sys.stderr)

    async def _drive(self, claim: Claim, loaded: Loaded, taken_us: int) -> None:
        """Drive one run until it is left; give it back whatever happens."""
        host = self._host
        active, keep = None, False
        if not host.enter(claim.run):
            # Another thread is about to drive it, or has just done so.
            try:
                await asyncio.sleep(_BUSY_S)  # or it would be claimed again at once
            finally:
                _release(host, claim)
                self._end_trial(claim.run)
            return
        try:
            active = open_run(host, claim, taken_us, loaded=loaded)
            active.lease.join(self._leases, claim)
            active.is_crowded = self._is_full
            active.when_committed = partial(self._end_trial, claim.run)
            await drive_in_loop(active, self._committer, let_go=True, stopping=self._stopping)
            if active.left is RunState.FAILED and active.error is not None:
                host.observer.failed(claim.run, active.error.message or active.error.type.text)
        except Conflict:
            return  # somebody else has it now; this machine never was
        except FlowmetalError as problem:
            if problem.code in _OF_THIS_PLACE:
                self._leave_to_others(problem, claim)
                keep = True
            elif isinstance(problem, StoreError) and problem.code not in _OF_THE_RUN:
                await self._bear(problem)
            else:
                # Left claimed, for at once it would go the same way: after the lease another interpreter tries,
                # and the poison counter counts.
                _report(problem, claim)
                keep = True
        except Exception:
            keep = True  # ours to mend: as above (_ended tells of it)
            raise
        finally:
            if active is not None:
                active.lease.leave()
            if not keep and (active is None or active.is_driven()):
                _release(host, claim if active is None else active.claim)
            host.leave(claim.run)
            self._end_trial(claim.run)

    def _leave_to_others(self, problem: FlowmetalError, claim: Claim) -> None:
        """Give a run back that cannot go on here: not at once, or it would be claimed again, and not after the whole
        lease, which would count as a death. It takes nobody's room meanwhile."""
        _report(problem, claim)
        self._unable.append(claim)
        if not self._until_idle:  # or there would be no end
            asyncio.get_running_loop().call_later(_REST_S, self._give_up, claim)

    def _give_up(self, claim: Claim) -> None:
        if claim in self._unable:
            self._unable.remove(claim)
            _release(self._host, claim)

    async def _bear(self, trouble: StoreError) -> None:
        """Wait for the store to answer again; one that this process has closed will not."""
        if trouble.code == _CLOSED:
            self._end = self._end or trouble
            self.stop()
            return
        _report(trouble)
        await asyncio.sleep(TROUBLE_US / 1e6)

    async def _watch(self, pool: ThreadPoolExecutor) -> None:
        """Wake up when the store may have changed or a run is due."""
        loop = asyncio.get_running_loop()
        store = self._host.store
        while True:
            try:
                due = store.next_wake_us(snapshot_format=VERSION)
                wait = _LOOK_S
                # What is due and was not taken belongs to a queue of which enough is driven here:
                # it has to wait for a change.
                # And where there is no room it waits for a run to be left, which is looked after anyway.
                if due is not None and not self._is_full():
                    left_us = due - self._host.clock.now_us()
                    if self._taken or left_us > 0:
                        wait = min(wait, max(0.0, left_us / 1e6))
                await loop.run_in_executor(pool, store.wait_for_change, wait)
            except StoreError:
                await asyncio.sleep(TROUBLE_US / 1e6)
            self._freed.set()
            await asyncio.sleep(0.001)  # a due run that others are taking must not make this spin

    async def _give_back(self) -> None:
        try:
            if self._stopping.is_set() and self._driving:
                await asyncio.wait(self._driving, timeout=IN_FLIGHT_S)
        finally:  # interrupted, too
            for task in self._driving:
                task.cancel()
            await asyncio.gather(*self._driving, return_exceptions=True)
            for claim in self._unable:
                _release(self._host, claim)


def _release(host: Host, claim: Claim) -> None:
    try:
        host.store.release(claim)
    except StoreError as trouble:
        if trouble.code != _CLOSED:
            _report(trouble, claim)  # it is free again when the lease ends


def _report(problem: FlowmetalError, claim: Claim | None = None) -> None:
    run = "" if claim is None else f"run {claim.run}: "
    with contextlib.suppress(OSError):  # that nobody hears it is no trouble of the run's
        print(f"fmvm: {run}{problem}", file=sys.stderr, flush=True)  # noqa: T201
