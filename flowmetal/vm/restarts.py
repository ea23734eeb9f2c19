"""Restarts: ways on that a program offers, to a handler further out or to an operator.

``(with-restart [:name "what it does" f] body)`` protects its body with a handler of kind
RESTART. Nothing is registered anywhere: what is offered at a point is read from the frames
that stand there, so it is saved with them. Choosing one raises an error of type
``:flow/restart`` where the fiber stands; nothing but an offer of that name takes it, so it
unwinds as any error does, through the finally blocks, to the innermost offer,
whose form then has the value of ``f``.

An error that nobody caught has left the stack standing, so a host can choose, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flowmetal.bytecode.code import HandlerKind
from flowmetal.values import (
    ErrorValue,
    FlowError,
    Keyword,
    Value,
    hash_map,
    keyword,
    pr_str,
    vector,
)
from flowmetal.values.errors import flow_error
from flowmetal.vm.calls import arity_error
from flowmetal.vm.errors import RESTART, as_data
from flowmetal.vm.state import Closure, Fiber, FiberStatus, Machine, MachineStatus, Native
from flowmetal.vm.tracing import place, waiting_for
from flowmetal.vm.unwinding import offers, search

_ARGUMENTS = keyword("args")
_DESCRIPTION = keyword("description")
_NAME = keyword("name")


class Restart(NamedTuple):
    """One way on. ``function`` makes what the form that offers it returns."""

    name: Keyword
    description: str
    function: Value


def restarts_at(machine: Machine, fiber: Fiber) -> tuple[Restart, ...]:
    """Return what is offered where a fiber stands, innermost first; of one name the innermost.

    What a fiber that waits for it offers belongs to it.
    """
    found: dict[Keyword, Restart] = {}
    _gather(fiber, len(fiber.frames) - 1, found)
    for each, top, _ in waiting_for(machine, fiber):
        _gather(each, top, found)
    return tuple(found.values())


def _gather(fiber: Fiber, top: int, found: dict[Keyword, Restart]) -> None:
    """Add what the frames of one fiber offer, from ``top`` down."""
    frames = fiber.frames
    for index in range(top, -1, -1):
        frame = frames[index]
        handlers = frame.body.handlers
        if not handlers:
            continue
        pc = place(frames, index)
        for handler in handlers:
            if handler.kind is HandlerKind.RESTART and handler.start <= pc < handler.end:
                for name, description, function in offers(frame, handler):
                    found.setdefault(name, Restart(name, description or "", function))


def failed_fiber(machine: Machine) -> Fiber | None:
    """Return the fiber whose error nobody caught, None if the machine is not parked."""
    if machine.status is not MachineStatus.FAILED:
        return None
    fibers = machine.fibers.values()
    return next(
        (each for each in fibers if each.status is FiberStatus.FAILED and each.frames), None
    )


def restarts(machine: Machine) -> tuple[Restart, ...]:
    """Return the restarts offered where a parked machine stands; none if it is not parked."""
    fiber = failed_fiber(machine)
    return () if fiber is None else restarts_at(machine, fiber)


def invoke_restart(machine: Machine, name: Keyword, arguments: Sequence[Value]) -> None:
    """Let a parked machine go on at the restart ``name``, with data as arguments.

    It is ready afterwards. Raises FlowError :restart/unknown if the machine is not parked or
    offers no such restart, :arity if it does not take so many arguments, :data/not-data; then
    nothing has changed.
    """
    fiber = failed_fiber(machine)
    if fiber is None:
        raise flow_error("FM0342", "restart/unknown", "nothing failed: there is nothing to restart")
    given = tuple(as_data(argument, "an argument of a restart") for argument in arguments)
    choice = chosen(machine, fiber, name, given)
    fiber.status = FiberStatus.READY
    fiber.error = None
    machine.status = MachineStatus.READY
    machine.ready.append(fiber.number)
    search(machine, fiber, choice, fiber, len(fiber.frames) - 1, 0)


def chosen(machine: Machine, fiber: Fiber, name: Keyword, arguments: Sequence[Value]) -> ErrorValue:
    """Return the error that unwinds to the restart ``name``, once it is sure to get there.

    Raises FlowError :restart/unknown or :arity.
    """
    known = restarts_at(machine, fiber)
    found = next((each for each in known if each.name is name), None)
    if found is None:
        raise _unknown(name, known)
    _check_count(found.function, len(arguments))
    data = hash_map([(_NAME, name), (_ARGUMENTS, vector(arguments))])
    return ErrorValue(RESTART, f"the restart {pr_str(name)} was chosen", data)


def _check_count(function: Value, count: int) -> None:
    if isinstance(function, Closure) and function.function.body_for(count) is None:
        raise arity_error(function.function, count)


def _unknown(name: Keyword, known: Sequence[Restart]) -> FlowError:
    shown = " ".join(pr_str(each.name) for each in known)
    offered = f"there are {shown}" if known else "no restart is offered"
    return flow_error(
        "FM0342", "restart/unknown", f"there is no restart {pr_str(name)} here: {offered}"
    )


# -- what programs call ----------------------------------------------------------------------


def _restarts(machine: Machine, fiber: Fiber) -> Value:
    found = restarts_at(machine, fiber)
    return vector(
        hash_map([(_NAME, each.name), (_DESCRIPTION, each.description)]) for each in found
    )


def _restart_error(machine: Machine, fiber: Fiber, name: Value, arguments: Value) -> Value:
    if not isinstance(name, Keyword):
        raise flow_error(
            "FM0310", "type/mismatch", f"the name of a restart is a keyword, got {pr_str(name, 60)}"
        )
    return chosen(machine, fiber, name, list(arguments or ()))


ROWS: tuple[Native, ...] = (
    Native("flow.core/-restarts", _restarts, 0, 0, wants_machine=True),
    Native("flow.core/-restart-error", _restart_error, 2, 2, wants_machine=True),
)
