"""Drive one run in this process until it ends: what ``fmvm run`` and ``resume`` do.

As long as a run only computes, waits and calls quick functions, no event loop
is needed and none is made. The first connector effect takes the same run
into one; nothing about the run changes by that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from flowmetal.effects.kinds import EffectClass
from flowmetal.effects.requests import EffectRequest
from flowmetal.errors import Conflict, RunError, RunStateError, StoreError
from flowmetal.ids import RunId
from flowmetal.runtime.active import ActiveRun
from flowmetal.runtime.advance import advance, may_start, take_in
from flowmetal.runtime.committing import Alone, carry_out
from flowmetal.runtime.entering import CALLBACK
from flowmetal.runtime.host import Host
from flowmetal.runtime.loading import open_run
from flowmetal.runtime.looping import in_a_loop
from flowmetal.runtime.patience import TROUBLE_US, Patience
from flowmetal.runtime.telling import tell_waits
from flowmetal.store.protocol import ENDED, Claim, Held, RunRow, RunState
from flowmetal.values import keyword

if TYPE_CHECKING:
    import asyncio

    from flowmetal.runtime.family import Family
    from flowmetal.runtime.grouping import Committer

SECOND_US: Final = 1_000_000

POLL_US: Final = 100_000
"""How often messages are looked for while connector effects are in flight."""

REMOTE_POLL_US: Final = 500_000
"""The same where each look is a way to a server and back."""

TURNS: Final = 50
"""Turns of a machine before other coroutines of the loop get theirs."""

SLICE_US: Final = 20_000
"""The same in time: the others of a loop wait so long for each run that computes on and on."""

FAMILY_POLL_US: Final = 10_000
"""How often messages are looked for by a run whose descendants are driven beside it."""

ATTEND_US: Final = 200_000
"""How often a run that waits for others sees to what is due in the store: leases, expiries."""

_ATTENDED: Final = frozenset({EffectClass.STORE, EffectClass.TASK, EffectClass.CALL})
_LONGEST_WAIT_US: Final = 60_000_000

_OPEN: Final = keyword("open")

_SET_ASIDE: Final = frozenset({RunState.PAUSED, RunState.EXPORTING})
"""Nobody drives a run like that, until somebody unpauses it or ends the export."""


class Driven(NamedTuple):
    """Where driving ended: the run's row, whose state is an ended one, PAUSED or EXPORTING."""

    row: RunRow

    @property
    def state(self) -> RunState:
        return self.row.state


def drive(host: Host, run: RunId, *, wait_for_others: bool = False) -> Driven:
    """Drive a run until it ends or is set aside. An ended run is returned as it is.

    A run that waits for what other processes perform is given back meanwhile: somebody may drive it who performs that.

    Interrupted (KeyboardInterrupt), the run stays in the store, released. A lost lease
    or an unknown outcome of a commit drops the machine and claims again.

    Raises RunError FM1101 for an unknown run, FM1107 if another process or thread drives it
    (unless ``wait_for_others``) or this thread does, UsageError FM1139 if it needs an event loop and is called in one.
    """
    patience = Patience(host.store)
    told: set[str] = set()
    while True:
        taken = host.clock.monotonic_us()
        # What was over while nobody was there comes before what came later. Others are not in the way.
        with contextlib.suppress(StoreError):
            host.store.attend()
        try:
            claim = host.claim(run)
        except StoreError:
            # At first, whoever asked is told at once.
            if not patience.has_begun() or not patience.bears():
                raise
            host.clock.wait(host.store, TROUBLE_US)
            continue
        match claim:
            case None:
                raise RunError("FM1101", f"there is no run {run}", hint="`fmvm ps` lists the runs")
            case Held(state=state) if state in ENDED or state in _SET_ASIDE:
                return Driven(_row(host, run))
            case Held(state=RunState.QUEUED) if wait_for_others:
                host.store.attend()
                host.clock.wait(host.store, POLL_US)
            case Held() as held if not wait_for_others or host.is_entered_here(run):
                raise RunStateError(
                    "FM1107", f"run {run} is being driven by {held.owner_description}"
                )
            case Held() as held:
                if held.owner_description not in told:
                    told.add(held.owner_description)
                    host.observer.held(run, held.owner_description)
                host.clock.wait(host.store, POLL_US * 10)
            case Claim():
                try:
                    left_for = _drive_claimed(host, claim, taken)
                    if not left_for:
                        row = _row(host, run)
                        if row.state in ENDED or row.state in _SET_ASIDE:
                            return Driven(row)
                        continue  # it was paused, and is to go on already
                    tell = partial(_tell_left, host, run, left_for, told)
                    from flowmetal.runtime.family import has_living

                    if has_living(host.store, run):
                        in_a_loop(partial(_drive_descendants, host, run, left_for, tell))
                        continue
                    if not _goes_on_soon(host, run, left_for):
                        tell()
                    while not _goes_on_soon(host, run, left_for):
                        pass
                except StoreError as trouble:
                    # Lost, or of unknown outcome: the machine is gone, and what is durable decides.
                    if not patience.bears(host.clock.monotonic_us() - taken):
                        raise
                    if not isinstance(trouble, Conflict):
                        host.clock.wait(host.store, TROUBLE_US)


def _drive_claimed(host: Host, claim: Claim, taken_us: int) -> tuple[EffectRequest, ...]:
    """Drive until the run is left; return what it waits for that others perform, if that is why."""
    active = None
    try:
        active = open_run(host, claim, taken_us, patient=True)
        if has_children(active) or not _drive_without_loop(active):
            in_a_loop(partial(_drive_alone, active))
        waits = active.left is RunState.WAITING
        return active.offered() if waits else ()
    finally:
        try:
            if active is None or active.is_driven():
                # If the store does not answer, the run is free again when the lease ends.
                with contextlib.suppress(StoreError):
                    host.store.release(claim if active is None else active.claim)
        finally:
            host.leave(claim.run)


def _drive_without_loop(active: ActiveRun) -> bool:
    """Drive until the run is left (True); or a connector effect is to begin, or there is a child (False)."""
    host = active.host
    while active.is_driven():
        more = carry_out(active, advance(active, turns=TURNS, slice_us=SLICE_US))
        if active.has_started:
            return False
        if not active.is_driven():
            break
        if may_start(active):
            return False
        if more:
            carry_out(active, take_in(active))
            continue
        host.store.attend()
        if not carry_out(active, take_in(active)) and active.is_driven():
            host.clock.wait(host.store, min(_patience_us(active), tell_waits(active)))
            active.lease.keep(active.claim)
            _attend_first(active)
            carry_out(active, take_in(active))
    return True


async def drive_in_loop(
    active: ActiveRun,
    committer: Alone | Committer,
    *,
    let_go: bool = False,
    family: Family | None = None,
    stopping: asyncio.Event | None = None,
) -> None:
    """Drive in the running event loop until the run is left. ``family`` is driven beside it.

    When it is ``stopping``, nothing begins any more, and the run is left when what is in flight has ended.

    Other coroutines get their turn between two turns of the machine, and while a commit is made.
    """
    import asyncio

    from flowmetal.runtime.performing import Attempts

    woken = asyncio.Event()
    attempts = Attempts(active, woken.set)
    clock = active.host.clock
    poll_us = REMOTE_POLL_US if active.host.store.is_remote else POLL_US
    carry_out = committer.carry_out
    try:
        while active.is_driven():
            ends = stopping is not None and stopping.is_set()
            if ends and not active.is_in_flight():
                return
            if ends:  # what is in flight ends, and nothing begins
                attempts.check()
                woken.clear()
                await clock.pause(woken, poll_us)  # what is due meanwhile is for others
                active.lease.keep(active.claim)
                await carry_out(active, take_in(active))
                continue
            steps = advance(active, let_go=let_go, turns=TURNS, slice_us=SLICE_US)
            if await carry_out(active, steps):
                await asyncio.sleep(0)
                if active.is_driven():  # what other fibers wait for must not wait for this one
                    await carry_out(active, attempts.begin())
                if active.is_driven():
                    await carry_out(active, take_in(active))
                continue
            if not active.is_driven():
                return
            if family is not None and active.has_started:
                family.begin()
            if not let_go:
                active.host.store.attend()
            await carry_out(active, attempts.begin())
            if await carry_out(active, take_in(active)):
                # Or a run that never waits for long would never hear of Ctrl-C.
                await asyncio.sleep(0)
            elif active.is_driven():
                woken.clear()
                patience = _patience_us(active)
                if not let_go:
                    patience = min(patience, tell_waits(active))
                if family:
                    family.check()
                    await clock.pause(woken, min(FAMILY_POLL_US, patience))
                elif attempts or let_go:
                    await clock.pause(woken, min(poll_us, patience))
                else:  # nothing else is in this loop: wait for the store itself
                    await clock.wait_alone(active.host.store, patience)
                active.lease.keep(active.claim)
                _attend_first(active)
                await carry_out(active, take_in(active))
    finally:
        await attempts.stop()


async def _drive_alone(active: ActiveRun) -> None:
    from flowmetal.runtime.family import Family

    family = Family(active.host, active.machine.run, _drive_member)
    try:
        if has_children(active):
            family.begin()
        await drive_in_loop(active, Alone(), family=family)
        if active.has_started:  # and perhaps it has ended since, without a wait
            family.begin()
        # It may go on soon, and a descendant that polls never ends.
        if active.left is RunState.WAITING:
            await family.settle()
        else:
            await family.finish()
    finally:
        await family.stop()
        await active.host.world.close()


async def _drive_descendants(
    host: Host, run: RunId, left_for: tuple[EffectRequest, ...], tell: Callable[[], None]
) -> None:
    """Drive the descendants of a run that was given back, until it can go on and each that is driven waits."""
    import asyncio

    from flowmetal.runtime.family import Family

    family = Family(host, run, _drive_member)
    never = asyncio.Event()
    began_us = host.clock.monotonic_us()
    is_told = False
    try:
        family.begin()
        while not _can_go_on(host, run):
            family.check()
            await host.clock.pause(never, POLL_US)
            if host.clock.monotonic_us() - began_us < SECOND_US:
                continue
            if _is_to_be_performed_here(host, run, left_for):
                break
            if not is_told:
                is_told = True
                tell()
        await family.settle()
    finally:
        await family.stop()
        await host.world.close()


async def _drive_member(active: ActiveRun) -> None:
    await drive_in_loop(active, Alone(), let_go=True)


def _attend_first(active: ActiveRun) -> None:
    """Let the end of a callback's time be told before timers are let in that were due after it."""
    if any(p.request.kind == CALLBACK for p in active.progress.effects.values()):
        active.host.store.attend()


def has_children(active: ActiveRun) -> bool:
    """Say whether a run, or what it has started, has started others that have not ended."""
    if active.is_new:
        return False
    from flowmetal.runtime.family import has_living

    return has_living(active.host.store, active.machine.run)


def _patience_us(active: ActiveRun) -> int:
    """Return how long nothing can happen to the run but by others."""
    waits = [_LONGEST_WAIT_US, max(active.lease.left_us(), 1000)]
    if any(p.effect_class in _ATTENDED for p in active.progress.effects.values()):
        waits.append(ATTEND_US)
    # While a pause waits, nothing goes on because it is due.
    due = active.progress.next_due_us() if active.pausing is None else None
    if due is not None:
        waits.append(max(0, due - active.host.clock.now_us()))
    return min(waits)


def _tell_left(host: Host, run: RunId, left_for: tuple[EffectRequest, ...], told: set[str]) -> None:
    """Tell, once, what others are to perform; what is performed here, too, one of them has begun."""
    unserved = tuple(one.kind for one in left_for if not host.performs(one.kind))
    if not unserved:
        host.observer.waits(run)
    elif not told.issuperset(unserved):
        told.update(unserved)
        host.observer.unserved(run, unserved)


def _goes_on_soon(host: Host, run: RunId, left_for: tuple[EffectRequest, ...]) -> bool:
    """Wait for a second, at most, until a run can go on that was given back, or somebody else has it.

    It can, too, when whoever had begun what it was left for is lost, and it can be performed here.
    """
    clock = host.clock
    end = clock.monotonic_us() + SECOND_US
    while (left := end - clock.monotonic_us()) > 0:
        if _can_go_on(host, run):
            return True
        host.store.attend()
        clock.wait(host.store, left)
    return _is_to_be_performed_here(host, run, left_for)


def _can_go_on(host: Host, run: RunId) -> bool:
    row = _row(host, run)
    if row.state is not RunState.WAITING or row.owner is not None:
        return True
    return row.wake_at_us is not None and row.wake_at_us <= host.clock.now_us()


def _is_to_be_performed_here(host: Host, run: RunId, left_for: tuple[EffectRequest, ...]) -> bool:
    return any(host.performs(one.kind) and _is_open(host, run, one) for one in left_for)


def _is_open(host: Host, run: RunId, request: EffectRequest) -> bool:
    from flowmetal.store.operations.vocabulary import ShowCall

    call = host.store.operate(ShowCall(run, request.number))
    return bool(call.get(_OPEN))


def _row(host: Host, run: RunId) -> RunRow:
    row = host.store.run(run)
    assert row is not None
    return row
