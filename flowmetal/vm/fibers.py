"""Fibers begin, wait, are woken and end; scopes hold them together.

What is here changes who is ready and who is not, and raises nothing in anybody:
what an error or a cancellation does is in unwinding.py.

The order in which fibers go on is the order in which they became ready, and that
is decided by the program and the facts alone: a fiber that is spawned or woken goes
behind those that are ready already, and waiters are woken first come, first served.
"""

from __future__ import annotations

from typing import NoReturn

from flowmetal.values import ErrorValue, FiberRef, Promise, Value, show
from flowmetal.values.cells import BROKEN, KEPT, OPEN, VOID
from flowmetal.values.errors import FlowError, flow_error
from flowmetal.vm.calls import call_value
from flowmetal.vm.effects import refuse_sealed, step_of_child
from flowmetal.vm.errors import RESTART
from flowmetal.vm.state import (
    Bindings,
    Fiber,
    FiberStatus,
    Finish,
    Frame,
    Machine,
    Scope,
    Verdict,
)
from flowmetal.vm.tracing import origin_of, place


class Suspended(Exception):
    """Raised by a native of the machine that has to wait; it is executed again later.

    With a ``verdict`` an error goes to where has been decided already.
    """

    def __init__(self, verdict: Verdict | None = None) -> None:
        super().__init__()
        self.verdict = verdict


def spawn(
    machine: Machine,
    fiber: Fiber,
    function: Value,
    arguments: list[Value],
    service: bool,
    timer: bool = False,
) -> FiberRef:
    """Begin a fiber in the nearest scope, under the bindings in force. ``function`` is a closure."""
    refuse_sealed(machine, fiber, "spawning a fiber")
    handle = FiberRef(machine.next_fiber)
    made = Fiber(handle.number, [], handle=handle, home=fiber.scope, scope=fiber.scope)
    frame = call_value(machine, made, function, arguments)
    assert isinstance(frame, Frame), "it is code of the language"
    frame.then = Finish()
    made.frames.append(frame)
    made.bindings = _conveyed(fiber)
    made.origin = origin_of(fiber)
    made.service, made.timer = service, timer
    made.fresh = True
    machine.next_fiber += 1
    _add_member(machine, made)
    machine.fibers[made.number] = made
    machine.ready.append(made.number)
    return handle


def _conveyed(fiber: Fiber) -> Bindings | None:
    """Return the bindings that a new fiber begins with: a copy, so that set! stays at home."""
    scopes = []
    scope = fiber.bindings
    while scope is not None:
        scopes.append(scope.values)
        scope = scope.outer
    if not scopes:
        return None
    values: dict[str, Value] = {}
    for each in reversed(scopes):
        values.update(each)
    step_of_child(values)
    return Bindings(values, None)


def block(machine: Machine, fiber: Fiber, on: Promise | int, what: str) -> NoReturn:
    """Let the fiber wait for a promise, or for the members of scope ``on``."""
    refuse_sealed(machine, fiber, what)
    fiber.status = FiberStatus.BLOCKED
    fiber.blocked_on = on
    if not isinstance(on, int):
        on.waiters.append(fiber.number)
    raise Suspended


def wake(machine: Machine, fiber: Fiber) -> None:
    """Let a fiber that waited go on, behind those that are ready."""
    fiber.status = FiberStatus.READY
    fiber.waiting_for = None
    fiber.blocked_on = None
    machine.ready.append(fiber.number)


def settle(machine: Machine, promise: Promise, state: int, value: Value) -> bool:
    """Keep or break a promise and wake those who wait for it; say whether it was open."""
    if promise.state != OPEN:
        return False
    promise.state = state
    promise.value = value
    for number in promise.waiters:
        wake(machine, machine.fibers[number])
    promise.waiters = []
    return True


def stop_waiting(machine: Machine, fiber: Fiber) -> None:
    """Take a fiber away from what it waits for; its effect is abandoned, its ticket void.

    What has been decided about an error that it was to get there does not count any more: that goes along
    with the failure of the scope that it comes from, or looks for somebody else when it gets here (``unwind``).
    """
    verdict, fiber.verdict = fiber.verdict, None
    if fiber.waiting_for is not None:
        del machine.open[fiber.waiting_for]
    on = fiber.blocked_on
    if isinstance(on, Promise):
        on.waiters.remove(fiber.number)
        if on.ticket:
            on.state = VOID
        if isinstance(on, FiberRef) and verdict is not None and verdict.error.type is not RESTART:
            home = machine.scopes[machine.fibers[on.number].home]
            if home.verdict is not None and not on.waiters:
                home.suppressed.append(verdict.error)
    wake(machine, fiber)


def answer_is_here(machine: Machine, fiber: Fiber) -> bool:
    """Say whether the result that a fiber waits for is in the inbox: then it wins."""
    return fiber.waiting_for is not None and machine.open[fiber.waiting_for].is_answered


def set_down(machine: Machine, fiber: Fiber, status: FiberStatus) -> None:
    """Give a fiber that was ready a status in which it is not."""
    if fiber.status is FiberStatus.READY and fiber.number != machine.running:
        machine.ready.remove(fiber.number)
    fiber.status = status


def end(machine: Machine, fiber: Fiber, status: FiberStatus, value: Value) -> None:
    """End a fiber, DONE with a result, FAILED with an error or CANCELLED with one; tell who waits."""
    set_down(machine, fiber, status)
    machine.stopping.discard(fiber.number)
    fiber.frames.clear()
    if fiber.number == 1:
        if status is FiberStatus.DONE:
            fiber.result = value
        else:
            fiber.error = value
        return
    del machine.fibers[fiber.number]
    assert fiber.handle is not None
    match status:
        case FiberStatus.DONE:
            settle(machine, fiber.handle, KEPT, value)
        case FiberStatus.CANCELLED:
            settle(machine, fiber.handle, BROKEN, _cancelled(fiber, value))
            _cancel_with_run(machine, fiber, value)
        case _:
            settle(machine, fiber.handle, BROKEN, value)
    _leave_home(machine, fiber)


def _cancel_with_run(machine: Machine, fiber: Fiber, error: ErrorValue) -> None:
    """A run whose fiber was cancelled with it has not done what it was to do, though the first had ended."""
    main = machine.fibers[1]
    of_the_run = fiber.home == 0 and not fiber.service and machine.cancelled is not None
    if of_the_run and main.status is FiberStatus.DONE:
        main.status, main.result, main.error = FiberStatus.CANCELLED, None, error


def _cancelled(fiber: Fiber, error: ErrorValue) -> ErrorValue:
    """Return what those get who await a fiber that was cancelled; they are not cancelled themselves."""
    return flow_error(
        "FM0742", "fiber/cancelled", f"fiber {fiber.number} was cancelled: {error.message}"
    ).error


def _leave_home(machine: Machine, fiber: Fiber) -> None:
    scope = machine.scopes[fiber.home]
    del scope.members[fiber.number]
    scope.workers -= not fiber.service
    scope.asked -= fiber.asked
    if scope.number == 0:
        if not scope.members:
            del machine.scopes[0]
        return
    owner = machine.fibers[scope.owner]
    waits = owner.status is FiberStatus.BLOCKED and owner.blocked_on == scope.number
    # A scope that ends wants to know when all have ended that it has asked to: then it asks the others.
    if waits and not scope.workers and not (scope.closing and scope.asked):
        wake(machine, owner)


def open_scope(machine: Machine, fiber: Fiber) -> int:
    """Begin a scope whose form is the frame that calls; fibers are spawned into it from now on."""
    refuse_sealed(machine, fiber, "a scope")
    number = machine.next_scope
    machine.next_scope += 1
    depth = len(fiber.frames) - 1
    machine.scopes[number] = Scope(number, fiber.number, fiber.scope, depth)
    fiber.scope = number
    return number


def hand_on_members(machine: Machine, fiber: Fiber) -> list[int]:
    """End the innermost scope of a fiber; its members, which are returned, go to the one further out."""
    scope = machine.scopes.pop(fiber.scope)
    fiber.scope = scope.parent
    for each in machine.scopes.values():
        if each.parent == scope.number:
            each.parent = scope.parent
    for number in scope.members:
        member = machine.fibers[number]
        member.home = scope.parent
        if member.scope == scope.number:
            member.scope = scope.parent
        _add_member(machine, member)
    return list(scope.members)


def _add_member(machine: Machine, member: Fiber) -> None:
    scope = machine.scopes.get(member.home)
    if scope is None:
        scope = machine.scopes[0] = Scope(0, 1, 0, -1)
    scope.members[member.number] = None
    scope.workers += not member.service
    scope.asked += member.asked


def note_asked(machine: Machine, fiber: Fiber) -> None:
    """Note that a fiber has been asked to stop, in the scope that it belongs to, too."""
    home = machine.scopes.get(fiber.home)
    if not fiber.asked and home is not None and fiber.number in home.members:
        home.asked += 1
    fiber.asked = True


def is_shielded(fiber: Fiber, above: int = -1) -> bool:
    """Say whether a fiber is in a finally block of a frame above one, where no cancellation of that is raised.

    Of a scope that the block itself has begun it is: a timeout works in a finally block, too.
    """
    frames = fiber.frames
    for index in range(len(frames) - 1, above, -1):
        shields = frames[index].body.shields
        if shields:
            pc = place(frames, index)
            if any(start <= pc <= stop for start, stop in shields):
                return True
    return False


def need_promise(function: str, value: Value) -> Promise:
    """Return a promise. Raises FlowError for anything else."""
    if not isinstance(value, Promise):
        raise flow_error(
            "FM0501", "type/mismatch", f"`{function}` needs a fiber or a promise, got {show(value)}"
        )
    return value


def no_handle(function: str, handles: str, value: Value) -> FlowError:
    """Return the error for what is none of the handles that a function takes, a run's among them."""
    of_id = f": the run of that id is #flow/run {show(value)}" if isinstance(value, str) else ""
    return flow_error(
        "FM0501", "type/mismatch", f"`{function}` needs {handles}, got {show(value)}{of_id}"
    )
