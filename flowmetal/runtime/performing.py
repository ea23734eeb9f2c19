"""Connector effects in flight: one task of the event loop each.

What goes in is durable (advance.py saw to it). What comes out is put into the run's
arrivals, and the run's driver is woken. An attempt that is abandoned is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple, cast

from flowmetal.effects.errors import as_data, connector_failed, said_by
from flowmetal.effects.kinds import EffectClass
from flowmetal.effects.requests import Call, EffectFailed
from flowmetal.runtime.active import ActiveRun, Arrival
from flowmetal.runtime.advance import startable
from flowmetal.runtime.committing import Steps
from flowmetal.runtime.entering import timeout_error
from flowmetal.runtime.host import Host
from flowmetal.runtime.progress import Pending
from flowmetal.values import ErrorValue, Map, Value


class Attempts:
    """The attempts in flight of one run. ``wake`` is called when one has ended."""

    def __init__(self, active: ActiveRun, wake: Callable[[], None]) -> None:
        self._active = active
        self._wake = wake
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._broken: BaseException | None = None
        self._broken_off: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def check(self) -> None:
        """Raise what an attempt has died of: it is a mistake of ours."""
        if self._broken is not None:
            raise self._broken

    def begin(self) -> Steps[None]:
        """Begin every attempt that may begin, and cancel those that nobody waits for."""
        self.check()
        active = self._active
        for number, task in self._tasks.items():
            if number not in active.progress.effects:
                self._break_off(task)
        active.lease.keep(active.claim)
        for pending in (yield from startable(active)):
            number = pending.request.number
            pending.in_flight = True
            task = asyncio.get_running_loop().create_task(self._attempt(pending))
            self._tasks[number] = task
            task.add_done_callback(partial(self._ended, number))

    async def stop(self) -> None:
        """Cancel all and wait until they have ended: no attempt outlives its driver."""
        tasks = list(self._tasks.values())
        for task in tasks:
            self._break_off(task)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _break_off(self, task: asyncio.Task[None]) -> None:
        """Cancel an attempt, once: it may have to clean up."""
        if task not in self._broken_off:
            self._broken_off.add(task)
            task.cancel()

    def _ended(self, number: int, done: asyncio.Task[None]) -> None:
        if self._tasks.get(number) is done:
            del self._tasks[number]
        self._broken_off.discard(done)
        if not done.cancelled() and done.exception() is not None:
            self._broken = done.exception()
        self._wake()

    def _arrive(
        self,
        number: int,
        value: Value = None,
        error: ErrorValue | None = None,
        wish: int | None = None,
    ) -> None:
        now = self._active.host.clock.now_us()
        self._active.arrivals.append(Arrival(number, now, value, error, wish))

    async def _attempt(self, pending: Pending) -> None:
        active, request = self._active, pending.request
        call = Call(
            active.machine.run,
            request.kind,
            request.args,
            active.key_of(request),
            pending.attempts + 1,
            active.grants,
            again=pending.taken_up or pending.attempts > 0,
        )
        self._arrive(request.number, *await attempt(active.host, call, pending.options.timeout_us))


class Ended(NamedTuple):
    """How an attempt ended. ``wish_us``: when the world wishes to be asked again, from now."""

    value: Value = None
    error: ErrorValue | None = None
    wish_us: int | None = None


async def attempt(host: Host, call: Call, timeout_us: int | None) -> Ended:
    """Perform an effect once, whatever comes of it."""
    try:
        async with asyncio.timeout(None if timeout_us is None else timeout_us / 1e6):
            return Ended(await _perform(host, call))
    except EffectFailed as failed:
        error = as_data(call.kind, getattr(failed, "error", None))
        return Ended(None, error, getattr(failed, "retry_after_us", None))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Not by us: whoever performs it gave up in a way that says nothing.
        return Ended(None, _failed("it was cancelled from inside", call.kind))
    except TimeoutError:
        return Ended(None, timeout_error(call.kind, EffectClass.CONNECTOR, timeout_us))
    except KeyboardInterrupt:  # which is meant for the process
        raise
    except BaseException as crash:  # the worker's edge: it becomes an event
        return Ended(None, _failed(f"{type(crash).__name__}: {said_by(crash)}", call.kind))


def _failed(how: str, kind: str) -> ErrorValue:
    return connector_failed(kind, f"{kind} failed inside its connector: {how}")


async def _perform(host: Host, call: Call) -> Value:
    """Perform once: a function of this process (a slow one in a thread), or a connector."""
    world = host.world
    function = world.function(call.kind)
    if function is None:
        connector = world.connector(call.kind)
        assert connector is not None, call.kind
        return await connector.perform(call)
    if function.is_async:
        return await cast(Awaitable[Value], function.call(call.args, call.idempotency_key))
    if function.quick:
        return cast(Value, function.call(call.args, call.idempotency_key))
    return await host.threads.call(
        cast("Callable[[Map, str], Value]", function.call), call.args, call.idempotency_key
    )
