"""The shelf: where the tests of one file find their cassettes, and who asks the world to record one.

``Recorder`` performs effects really, one at a time, under grants that the user gave; it is
there only if recording was asked for. A shelf is shared by the copies of a machine, so
that a cassette that several of them open is one; its cassettes are known by the number of
the request that opened them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final

from flowmetal.effects.errors import connector_failed
from flowmetal.effects.kinds import EffectClass
from flowmetal.effects.requests import Call, EffectFailed, EffectRequest
from flowmetal.effects.world import World
from flowmetal.embed.files import shown_path, write_bytes
from flowmetal.errors import UsageError
from flowmetal.ids import RunId
from flowmetal.runtime.entering import timeout_error
from flowmetal.runtime.grants import RunGrants
from flowmetal.runtime.local import Locals, run_info
from flowmetal.runtime.options import options_of
from flowmetal.testing.cassettes import Cassette, read_cassette, text_of
from flowmetal.testing.clock import START_US
from flowmetal.values import ErrorValue, Value
from flowmetal.values.errors import flow_error

_RUN: Final = RunId("recording")
_REFUSALS: Final = ("FM0650", "FM0707", "FM1201")
"""Errors that come from how the recording was asked for. The world did not say them."""


class Recorder:
    """Performs the effects of tests in the world. ``anew``: cassettes that are there, too."""

    def __init__(self, world: World, grants: RunGrants, *, anew: bool = False) -> None:
        self.anew = anew
        self._world = world
        self._grants = grants
        self._loop: asyncio.Runner | None = None

    def perform(self, request: EffectRequest) -> Value:
        """Perform once. Raises EffectFailed, FM0650 for what no connector performs."""
        if request.kind == "env/get":
            info = partial(run_info, "test", "test", START_US, {})
            environment = self._world.environment
            local = Locals(_NoClock(), Random(0), environment, self._grants, info, [])  # type: ignore[arg-type]
            return local.perform(request)
        connector = self._world.connector(request.kind)
        if connector is None:
            raise EffectFailed(unstubbed(request.kind))
        timeout_us = options_of(request, EffectClass.CONNECTOR).timeout_us
        call = Call(_RUN, request.kind, request.args, f"{_RUN}/{request.key}", 1, self._grants)
        try:
            return self._wait_for(_within(timeout_us, connector.perform(call)))
        except TimeoutError:
            error = timeout_error(request.kind, EffectClass.CONNECTOR, timeout_us)
        except EffectFailed:
            raise
        except Exception as crash:  # the edge: a connector of somebody else
            how = f"{request.kind} failed inside its connector: {type(crash).__name__}: {crash}"
            error = connector_failed(request.kind, how)
        raise EffectFailed(error)

    def close(self) -> None:
        """Close what was opened."""
        if self._loop is not None:
            self._loop.run(self._world.close())
            self._loop.close()
            self._loop = None

    def _wait_for(self, work: Coroutine[None, None, Value]) -> Value:
        if self._loop is None:
            self._loop = asyncio.Runner()
        return self._loop.run(work)


async def _within(timeout_us: int | None, work: Coroutine[None, None, Value]) -> Value:
    async with asyncio.timeout(None if timeout_us is None else timeout_us / 1e6):
        return await work


class _NoClock:
    """A variable needs none."""


@dataclass(slots=True)
class Shelf:
    """The cassettes of one test. ``folder`` is where their files are looked for."""

    folder: str = "."
    recorder: Recorder | None = None
    _open: dict[int, Cassette] = field(default_factory=dict)

    def insert(self, number: int, file: str) -> Cassette:
        """Open a cassette. Raises EffectFailed FM0654, FM0656."""
        cassette = self._open.get(number)
        if cassette is None:
            path = os.path.join(self.folder, file)
            there = os.path.exists(path)
            recorded = self.recorder is not None and (self.recorder.anew or not there)
            # What is recorded anew is read first: a file that is no cassette is not overwritten.
            calls = read_cassette(path, shown_path(path)) if there or not recorded else []
            cassette = Cassette(path, [] if recorded else calls, recorded)
            self._open[number] = cassette
        return cassette

    def answer(self, cassette: Cassette, request: EffectRequest) -> Value:
        """Return what the cassette, or the world that it records, says. Raises EffectFailed."""
        call = cassette.answered(request)
        if call is None and cassette.recorded:
            assert self.recorder is not None
            try:
                call = cassette.record(request, self.recorder.perform(request), None)
            except EffectFailed as failed:
                if failed.error.code in _REFUSALS:
                    cassette.complete = False
                    raise
                call = cassette.record(request, None, failed.error)
        if call is None:
            raise EffectFailed(cassette.changed(request))
        if call.error is not None:
            raise EffectFailed(call.error)
        return call.value

    def eject(self, number: int) -> list[str]:
        """Write what was recorded; return what was wrong: calls that changed, calls that nobody made."""
        cassette = self._open[number]
        if cassette.recorded:
            if not cassette.complete:
                return []
            try:
                write_bytes(cassette.file, text_of(cassette.calls).encode())
            except UsageError as error:
                raise EffectFailed(_error("FM0656", "cassette/damaged", error.message)) from None
            return []
        shown = shown_path(cassette.file)
        unused = [f"{shown} has a call of {one.kind} that nobody made" for one in cassette.unused()]
        return [*cassette.problems, *unused]


def unstubbed(kind: str) -> ErrorValue:
    """Return the error for an effect that nothing records."""
    message = f"a cassette does not record {kind}: replace the function that asks, with-stubs"
    return _error("FM0650", "effect/unstubbed", message)


def _error(code: str, type_text: str, message: str) -> ErrorValue:
    error = flow_error(code, type_text, message).error
    assert isinstance(error, ErrorValue)
    return error
