"""How a parked machine goes on: what an operator may do at the place where it failed.

The stack stands as it was when the error was raised, no ``finally`` has run, and other
fibers wait as before. Each function here changes the machine so that it can run again,
or raises and changes nothing. They are pure: what was chosen is in the history, and
choosing it again leads to the same machine (runtime/past.py).

A value takes the place of what failed: of the effect's result, or of what the instruction that
raised would have left on the stack; for a ``throw`` it is the value of that form. Where that is
nothing (a call in tail position, the choice of a ``case``), it is what the innermost form around
it comes to that ends by a finally block, which runs; without one, what the function returns.
"""

from __future__ import annotations

from flowmetal.bytecode.code import HandlerKind
from flowmetal.bytecode.opcodes import Op, Operand
from flowmetal.effects.requests import EffectRequest
from flowmetal.ids import EffectNumber
from flowmetal.values import ErrorValue, Value
from flowmetal.values.errors import flow_error
from flowmetal.vm.errors import as_data
from flowmetal.vm.fibers import note_asked, wake
from flowmetal.vm.restarts import failed_fiber
from flowmetal.vm.returning import finish_frame
from flowmetal.vm.state import (
    Cancellation,
    Fiber,
    FiberStatus,
    Frame,
    Machine,
    MachineStatus,
    OpenEffect,
)
from flowmetal.vm.unwinding import enter, error_of, is_asking, raise_error


def failed_effect(machine: Machine) -> EffectRequest | None:
    """Return the effect whose error parked the machine, if it was one."""
    fiber = failed_fiber(machine)
    return None if fiber is None or is_asking(fiber.frames) else fiber.failed


def effect_looked_at(machine: Machine) -> EffectRequest | None:
    """Return the effect about whose error a handler was asked that has parked the machine with one of its own.

    The handler stands on top of what has failed. When it has returned, that is the failed effect.
    """
    fiber = failed_fiber(machine)
    return fiber.failed if fiber is not None and is_asking(fiber.frames) else None


def retry(machine: Machine) -> None:
    """Ask for the failed effect again, under its number and key. It must be there: ``failed_effect``."""
    fiber = _failed(machine)
    request = failed_effect(machine)
    assert request is not None, "only an effect can be performed again"
    machine.open[request.number] = OpenEffect(request, fiber.number)
    fiber.failed = None
    fiber.error = None
    fiber.status = FiberStatus.WAITING
    fiber.waiting_for = EffectNumber(request.number)
    machine.status = MachineStatus.READY if machine.ready else MachineStatus.WAITING


def supply(machine: Machine, value: Value) -> None:
    """Let ``value`` take the place of what failed. Raises FlowError :data/not-data."""
    value = as_data(value, "the value")
    fiber = _failed(machine)
    frame = fiber.frames[-1]
    op, operand = frame.body.body.instructions[frame.pc]
    _stand_up(machine, fiber)
    if not op.falls_through:
        _leave(machine, fiber, frame, value)
        return
    count = op.pops(_operands(frame, op, operand))
    if count:
        del frame.stack[-count:]
    frame.stack.append(value)
    frame.pc += 1


def throw(machine: Machine, error: ErrorValue) -> None:
    """Raise another error in place of the one that nobody took. Raises FlowError :data/not-data."""
    error = as_data(error, "the error")
    fiber = _failed(machine)
    _stand_up(machine, fiber)
    raise_error(machine, fiber, error)


def cancel(machine: Machine, reason: str) -> None:
    """Raise the cancellation of the run where it failed; other fibers hear of it as a fact."""
    fiber = _failed(machine)
    _stand_up(machine, fiber)
    machine.cancelled = reason  # before this fiber ends: with it the run ends as cancelled
    note_asked(machine, fiber)
    raise_error(machine, fiber, error_of(Cancellation(reason, 0)))


def _failed(machine: Machine) -> Fiber:
    fiber = failed_fiber(machine)
    if fiber is None:
        raise flow_error("FM0342", "restart/unknown", "nothing failed: there is nothing to revive")
    return fiber


def _operands(frame: Frame, op: Op, operand: int) -> int:
    """Return how many values ``x*`` of an instruction stands for."""
    if op.operand is Operand.NATIVE:
        count: int = frame.body.owner.function.constants[operand][1]
        return count
    return operand if op.operand is Operand.COUNT else 0


def _leave(machine: Machine, fiber: Fiber, frame: Frame, value: Value) -> None:
    for handler in frame.body.handlers:  # the innermost first
        if handler.kind is HandlerKind.FINALLY and handler.start <= frame.pc < handler.end:
            enter(frame, handler, [value, None])
            return
    if frame.then is not None:
        finish_frame(machine, fiber, frame, value)
        return
    fiber.frames.pop()
    fiber.frames[-1].stack.append(value)


def _stand_up(machine: Machine, fiber: Fiber) -> None:
    if not is_asking(fiber.frames):
        fiber.failed = None
    fiber.error = None
    wake(machine, fiber)
    machine.status = MachineStatus.READY
