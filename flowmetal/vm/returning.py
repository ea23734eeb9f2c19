"""What becomes of results that are not simply pushed: lazy sequences, vars, the end.

Also the other half of laziness: ``realise`` puts the frame on top that will
make a sequence's next part, after which the instruction that needed it is
executed again.
"""

from __future__ import annotations

from typing import assert_never

from flowmetal.bytecode.code import DefinitionKind
from flowmetal.values import LazySeq, Realise, Unrealised, Value, seq
from flowmetal.vm.calls import call_value
from flowmetal.vm.errors import check_data
from flowmetal.vm.fibers import end
from flowmetal.vm.spaces import enter
from flowmetal.vm.state import (
    Define,
    Fiber,
    FiberStatus,
    Finish,
    Frame,
    Machine,
    Retry,
    Search,
)
from flowmetal.vm.unwinding import take_answer
from flowmetal.vm.vars import define


def realise(machine: Machine, fiber: Fiber, need: Unrealised) -> None:
    """Push the frame that makes what ``need`` asks for."""
    lazy = need.lazy
    match need.depth:
        case Realise.STEP:
            if lazy.thunk is None:
                return
            _push(machine, fiber, lazy.thunk, [], Retry([lazy]))
        case Realise.ALL:
            walker = machine.globals["flow.core/-realise-all"]
            _push(machine, fiber, walker, [lazy, need.cells], Retry([]))
        case Realise.DEEP:
            walker = machine.globals["flow.core/-realise-deep"]
            _push(machine, fiber, walker, [lazy, need.cells], Retry([]))
        case _:
            assert_never(need.depth)


def _push(
    machine: Machine, fiber: Fiber, function: Value, arguments: list[Value], then: Retry
) -> None:
    called = call_value(machine, fiber, function, arguments)
    assert isinstance(called, Frame), "a thunk is code of the language"
    called.then = then
    fiber.frames.append(called)


def finish_frame(machine: Machine, fiber: Fiber, frame: Frame, value: Value) -> None:
    """Take the result of a frame whose ``then`` is not None, and drop the frame."""
    then = frame.then
    assert then is not None
    match then:
        case Retry():
            _fill(machine, fiber, then, value)
        case Define(name):
            fiber.frames.pop()
            if name:
                define(machine, name, value)
            start_further(machine, fiber)
        case Search():
            fiber.frames.pop()
            take_answer(machine, fiber, then, value is not None and value is not False)
        case Finish():
            if fiber.number == 1 and not machine.sealed:
                check_data(value, "the result of a run")
            end(machine, fiber, FiberStatus.DONE, value)
        case _:
            assert_never(then)


def _fill(machine: Machine, fiber: Fiber, then: Retry, value: Value) -> None:
    """Give lazy sequences their value; one that is a lazy sequence itself is made first."""
    cells = then.cells
    if cells:
        if isinstance(value, LazySeq) and value.thunk is not None:
            called = call_value(machine, fiber, value.thunk, [])
            assert isinstance(called, Frame), "a thunk is code of the language"
            cells.append(value)  # not copied: the chain may have any length
            called.then = then
            fiber.frames[-1] = called
            return
        made = seq(value)
        for cell in cells:
            cell.thunk = None
            cell.value = made
    fiber.frames.pop()


def start_further(machine: Machine, fiber: Fiber) -> None:
    """Go on starting: the next initialiser, or the entry function when all are done."""
    initialisers = machine.image.initialisers
    if machine.started < len(initialisers):
        definition = initialisers[machine.started]
        enter(machine, machine.image.homes[machine.started])
        machine.started += 1
        assert definition.function is not None
        function = machine.image.functions[definition.function].plain
        called = call_value(machine, fiber, function, [])
        assert isinstance(called, Frame)
        is_var = definition.kind is DefinitionKind.INITIALISER
        called.then = Define(definition.name if is_var else "")
        fiber.frames.append(called)
        return
    machine.started = len(initialisers) + 1
    enter(machine, machine.entry.partition("/")[0])
    called = call_value(machine, fiber, machine.globals[machine.entry], list(machine.arguments))
    assert isinstance(called, Frame), "start() has checked that the entry is code of the language"
    called.then = Finish()
    fiber.frames.append(called)
