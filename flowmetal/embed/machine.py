"""A machine in the caller's hands: run, deliver, snapshot, restore. No store, no clock, no I/O.

    machine = Machine(program, "Ada")
    turn = machine.run()
    for request in turn.requests:
        machine.deliver(request.number, answer(request))

The host performs the effects that a turn asks for, whenever it likes, and
delivers what came of them. Between turns ``snapshot`` gives the whole machine
as bytes, from which ``Machine.restore`` goes on, in any process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgpack

from flowmetal.bytecode.code import Program
from flowmetal.effects.requests import EffectRequest, EffectResult
from flowmetal.embed.checking import checked_methods
from flowmetal.embed.natives import natives
from flowmetal.errors import SnapshotError
from flowmetal.ids import EffectNumber, RunId
from flowmetal.snapshot import decode, encode
from flowmetal.values import ErrorValue, FlowError, Value, keyword
from flowmetal.values.meter import DEFAULT, Limits
from flowmetal.vm import machine as vm
from flowmetal.vm.effects import COMPILE
from flowmetal.vm.errors import as_data
from flowmetal.vm.link import Image, Linker
from flowmetal.vm.restarts import Restart, invoke_restart, restarts
from flowmetal.vm.state import Cancel, Turn
from flowmetal.vm.state import Machine as State

_linker: list[Linker] = []


def image_of(program: Program) -> Image:
    """Return a program made ready to run; each program is linked once."""
    if not _linker:
        _linker.append(Linker(natives()))
    return _linker[0].image(program)


@checked_methods
class Machine:
    """A program in execution. Nothing happens but what its methods are told to do."""

    def __init__(
        self,
        program: Program,
        *arguments: Value,
        entry: str = "main",
        run: str = "machine",
        seed: int = 0,
        limits: Limits = DEFAULT,
    ) -> None:
        """Stand before the first instruction of ``entry``, a function of the program's namespace.

        ``seed`` decides what ``rand`` gives, ``limits`` what one instruction and
        one fiber may use. Raises RunError FM1120 or FM1121 if there is no
        such function or it does not take these arguments, FlowError for one that is no data.
        """
        name = entry if "/" in entry else f"{program.entry}/{entry}"
        given = tuple(as_data(argument, "an argument of a machine") for argument in arguments)
        self._state: State = vm.start(image_of(program), name, given, RunId(run), seed)
        self._state.limits = limits

    @classmethod
    def restore(cls, data: bytes, program: Program, *, limits: Limits = DEFAULT) -> Machine:
        """Rebuild the machine that ``snapshot`` saved. Raises SnapshotError for other bytes."""
        try:
            body, chunks = msgpack.unpackb(data)
            known: Mapping[str, bytes] = dict(chunks)
        except (ValueError, TypeError, msgpack.exceptions.UnpackException):
            raise SnapshotError("FM0910", "the bytes are not a snapshot") from None
        restored = cls.__new__(cls)
        restored._state = decode(body, image_of(program), _chooser(known))
        restored._state.limits = limits
        return restored

    def run(self, budget: int = vm.UNLIMITED) -> Turn:
        """Compute until the program waits or has ended, or ``budget`` fuel is spent.

        The turn's ``requests`` are the effects asked for since the last turn, ``output``
        the text printed, ``status`` what the machine can do next. What ``eval`` asks for
        concerns nobody outside and is answered here.
        """
        turn = vm.run(self._state, budget)
        if COMPILE in {effect.request.kind for effect in self._state.open.values()}:
            turn = self._compile(turn, budget)
        wanted = self._state.open
        if all(request.number in wanted for request in turn.requests):
            return turn
        # Some were asked for and abandoned in one turn: nobody waits for them any more.
        alive = tuple(request for request in turn.requests if request.number in wanted)
        return turn._replace(requests=alive)

    def _compile(self, turn: Turn, budget: int) -> Turn:
        """Answer what the program asks of the compiler; return one turn for all that it came to."""
        requests, output, fuel = list(turn.requests), turn.output, turn.fuel
        while asked := [e.request for e in self._state.open.values() if e.request.kind == COMPILE]:
            if fuel >= budget:
                break
            for request in asked:
                vm.deliver(self._state, _compiled(self._state, request), 0, request.number)
            turn = vm.run(self._state, budget - fuel)
            requests += turn.requests
            output += turn.output
            fuel += turn.fuel
        asked_outside = tuple(request for request in requests if request.kind != COMPILE)
        return turn._replace(requests=asked_outside, output=output, fuel=fuel)

    def deliver(
        self,
        number: int,
        value: Value = None,
        *,
        error: ErrorValue | FlowError | None = None,
        at_us: int = 0,
    ) -> None:
        """Answer effect ``number`` with data or an error; ``run`` takes it in.

        Results that arrive between two turns are taken in by ``at_us``, then by number.
        Raises FlowError :data/not-data for a value that is no data; then nothing has changed.
        """
        raised = error.error if isinstance(error, FlowError) else error
        if raised is not None:
            raised = as_data(raised, "the error of an effect")
        data = as_data(value, "the result of an effect")
        fact = EffectResult(EffectNumber(number), data, raised)
        vm.deliver(self._state, fact, at_us, number)

    def cancel(self, reason: str = "", *, at_us: int = 0) -> None:
        """Ask the program to stop: :flow/cancelled is raised where it waits, finally blocks run."""
        vm.deliver(self._state, Cancel(reason), at_us)

    def restarts(self) -> tuple[Restart, ...]:
        """Return the ways on that the program offers where it failed, innermost first."""
        return restarts(self._state)

    def restart(self, name: str, *arguments: Value) -> None:
        """Let a program that failed go on at one of its ``restarts``; ``run`` runs it.

        Raises FlowError if it offers no such restart; then nothing has changed.
        """
        invoke_restart(self._state, keyword(name), arguments)

    def snapshot(self) -> bytes:
        """Return the whole machine as bytes, its program excepted."""
        self._state.known.clear()
        encoded = encode(self._state)
        data: bytes = msgpack.packb([encoded.data, dict(encoded.chunks)])
        return data

    @property
    def state(self) -> State:
        """The machine itself, for those who look inside."""
        return self._state


def _compiled(state: State, request: EffectRequest) -> EffectResult:
    from flowmetal.runtime.compiling import compile_for  # the compiler: few programs need it

    try:
        return EffectResult(request.number, compile_for(state, request))
    except FlowError as failed:
        return EffectResult(request.number, None, failed.error)


def _chooser(known: Mapping[str, bytes]) -> Callable[[Sequence[str]], Mapping[str, bytes]]:
    return lambda names: {name: known[name] for name in names if name in known}
