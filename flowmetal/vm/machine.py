"""The machine as a host sees it: start, run, deliver.

Sans I/O: ``run`` computes until every fiber waits (or the budget is spent) and
returns what the fibers ask for; the host delivers facts and runs it again.

Facts enter before the first instruction, when no fiber is ready, or where a running fiber's quantum
ends; never where a host's budget happens to end. So the order of everything
depends on the facts and their times alone.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from flowmetal.bytecode.opcodes import Op
from flowmetal.effects.requests import EffectResult
from flowmetal.errors import RunError
from flowmetal.ids import RunId
from flowmetal.values import FlowError, Promise, Value, list_of
from flowmetal.values.errors import flow_error
from flowmetal.values.limits import limit_error
from flowmetal.values.meter import meter, paid_back, taken
from flowmetal.vm.calls import arity_error, call_value
from flowmetal.vm.effects import seal_of
from flowmetal.vm.fibers import wake
from flowmetal.vm.interpreter import execute
from flowmetal.vm.link import Image
from flowmetal.vm.returning import start_further
from flowmetal.vm.scopes import find_deadlock
from flowmetal.vm.spaces import give_arguments
from flowmetal.vm.state import (
    QUANTUM,
    Bindings,
    Cancel,
    Cancellation,
    Closure,
    Delivery,
    Fact,
    Fiber,
    FiberStatus,
    Finish,
    Frame,
    Machine,
    MachineStatus,
    Overdue,
    Turn,
    place_in_line,
)
from flowmetal.vm.unwinding import (
    cancel,
    close,
    hurry,
    interrupt,
    is_to_stop,
    raise_error,
)
from flowmetal.vm.vars import define

_COSTLY: Final = frozenset((Op.CALL, Op.TAIL_CALL, Op.APPLY, Op.TAIL_APPLY, Op.LOOP))
"""Instructions that wait for fuel."""

_COMMAND_LINE = "flow.core/*command-line-args*"
"""The var that holds the run's arguments, in programs that mention it."""

UNLIMITED = 1 << 62

_UNWATCHED: Final = 50_000
"""Fuel between two looks of whoever watches a sealed machine."""
"""A budget that no program spends."""


def start(
    image: Image, entry: str, arguments: Sequence[Value], run: RunId, seed: int = 0
) -> Machine:
    """Make the machine of a new run, standing before its first instruction.

    ``entry`` is the full name of a function. Raises RunError FM1120 if there is no such
    function, FM1121 if it does not take that many arguments.
    """
    machine = Machine(run, image, entry, tuple(arguments), random=seed & 0xFFFFFFFFFFFFFFFF)
    machine.globals.update(image.static)
    target = machine.globals.get(entry)
    if not isinstance(target, Closure):
        raise RunError("FM1120", f"the program has no function {entry}")
    if target.function.body_for(len(arguments)) is None:
        raise RunError("FM1121", str(arity_error(target.function, len(arguments))))
    if arguments and _COMMAND_LINE in machine.globals:
        define(machine, _COMMAND_LINE, list_of(arguments))
    fiber = Fiber(machine.next_fiber, [], fresh=True)
    machine.next_fiber += 1
    machine.fibers[fiber.number] = fiber
    machine.ready.append(fiber.number)
    give_arguments(machine)
    start_further(machine, fiber)
    return machine


def run(
    machine: Machine, budget: int = UNLIMITED, *, every: bool = False, exact: bool = False
) -> Turn:
    """Compute until every fiber waits, the run ends, or ``budget`` fuel is spent.

    With ``every`` the turn ends at each effect that is asked for, too. What is lent (``values.meter``)
    counts against the budget, but not if it is to be ``exact``: then it is the fuel that is recorded.
    """
    before, lent_in_all = machine.fuel_used, 0
    if machine.inbox and _is_alive(machine) and machine.fibers[1].fresh:
        _take_inbox(
            machine, len(machine.inbox)
        )  # it was cancelled before it began, and does nothing
    while _is_alive(machine):
        while not machine.ready and machine.inbox and _is_alive(machine):
            _take_inbox(machine, 1)  # what it leads to comes before the next
        if not machine.ready and _is_alive(machine) and _waits(machine):
            break
        if budget <= 0 or not _is_alive(machine) or (every and machine.requests):
            break
        if not machine.ready:
            continue
        fiber = machine.fibers[machine.ready[0]]
        share = min(budget, machine.quantum_left)
        machine.running = fiber.number
        fiber.fresh = False
        spent, lent = _burnt(machine, fiber, share)
        machine.running = 0
        budget -= spent if exact else spent + lent
        lent_in_all += lent
        machine.fuel_used += spent
        machine.quantum_left -= spent
        if fiber.status is not FiberStatus.READY:
            machine.ready.popleft()
            machine.quantum_left = QUANTUM
            _ends(machine)
        elif machine.quantum_left <= 0:
            machine.quantum_left = QUANTUM
            _end_quantum(machine, fiber)
            _take_inbox(machine, len(machine.inbox))
        elif machine.steps == 0 and spent + lent == 0 and share > 0:
            break  # an image of single steps has stopped
    if _is_alive(machine):
        machine.status = MachineStatus.READY if machine.ready else MachineStatus.WAITING
    return _turn(machine, machine.fuel_used - before + lent_in_all)


def _burnt(machine: Machine, fiber: Fiber, share: int) -> tuple[int, int]:
    """Let a fiber compute; return the fuel that it used, and what was lent.

    What a sealed machine does is in no history: there, it is all fuel.
    """
    left = execute(machine, fiber, share)
    due = meter().due
    spent = share - left + taken(due)  # what the instruction that stopped it was charged for
    lent = paid_back(due)
    return (spent, 0) if machine.sealed else (spent - lent, lent)


def _waits(machine: Machine) -> bool:
    """Say whether fibers wait for the world; if not, the run ends, or it is a deadlock."""
    return not _ends(machine) and not find_deadlock(machine)


def _ends(machine: Machine) -> bool:
    """End the run if the first fiber and all others have ended; services end with the last worker."""
    main, scope = machine.fibers[1], machine.scopes.get(0)
    if main.status not in _ENDED:
        return False
    if scope is None:
        machine.status = _ENDED[main.status]
        return True
    if scope.workers:
        return False
    close(machine, scope, Cancellation("the run has ended", 0))
    return _ends(machine) if machine.scopes.get(0) is None else bool(machine.ready)


_ENDED = {
    FiberStatus.DONE: MachineStatus.COMPLETED,
    FiberStatus.CANCELLED: MachineStatus.CANCELLED,
}


def _end_quantum(machine: Machine, fiber: Fiber) -> None:
    """Let the next fiber go on, unless this one does what nobody else may come between."""
    if len(machine.ready) > 1 and seal_of(machine, fiber) is None:
        machine.ready.rotate(-1)
    if is_to_stop(machine, fiber):
        interrupt(machine, fiber)
    elif _is_too_deep(machine, fiber):
        most = machine.limits.frames
        error = limit_error("FM0308", "frames", f"recursion is more than {most:,} frames deep")
        raise_error(machine, fiber, error.error)


def _is_too_deep(machine: Machine, fiber: Fiber) -> bool:
    """Compare with the limit and a hundredth more: a million is for recursion a million deep."""
    most = machine.limits.frames
    return len(fiber.frames) > most + most // 100


def run_free(machine: Machine) -> Turn:
    """Compute as far as it costs no fuel, and take in nothing.

    That is where a machine stood between two facts that entered at the same fuel.
    """
    while machine.ready and _is_alive(machine):
        fiber = machine.fibers[machine.ready[0]]
        machine.running = fiber.number
        fiber.fresh = False
        machine.fuel_used += _burnt(machine, fiber, 0)[0]
        machine.running = 0
        if fiber.status is FiberStatus.READY:
            break
        machine.ready.popleft()
        machine.quantum_left = QUANTUM
        _ends(machine)
    if _is_alive(machine):
        machine.status = MachineStatus.READY if machine.ready else MachineStatus.WAITING
    return _turn(machine, 0)


def is_settled(machine: Machine) -> bool:
    """Say whether ``run_free`` has nothing to do: so a machine stands that has run, and not always one that was
    just revived."""
    if not machine.ready or not _is_alive(machine):
        return machine.status is not MachineStatus.READY
    frame = machine.fibers[machine.ready[0]].frames[-1]
    return frame.body.body.instructions[frame.pc][0] in _COSTLY


def deliver(machine: Machine, fact: Fact, at_us: int, order: int = 0) -> None:
    """Put a fact into the inbox. It is taken in by time, then by order, when facts may enter.

    ``order`` breaks ties: an effect's number; 0 for what does not answer an effect.
    """
    insort(machine.inbox, Delivery(at_us, order, fact), key=place_in_line)
    if isinstance(fact, EffectResult) and fact.number in machine.open:
        machine.open[fact.number].is_answered = True


def _is_alive(machine: Machine) -> bool:
    return machine.status in (MachineStatus.READY, MachineStatus.WAITING)


def _turn(machine: Machine, fuel: int) -> Turn:
    requests = tuple(machine.requests)
    output = "".join(machine.output)
    machine.requests.clear()
    machine.output.clear()
    main = machine.fibers[1]
    return Turn(
        machine.status,
        requests,
        output,
        fuel,
        main.result if machine.status is MachineStatus.COMPLETED else None,
        _error(machine),
    )


def _error(machine: Machine) -> Value:
    """Return the error that has parked the run, or of the cancellation that has ended it."""
    match machine.status:
        case MachineStatus.FAILED:
            wanted = FiberStatus.FAILED
        case MachineStatus.CANCELLED:
            wanted = FiberStatus.CANCELLED
        case _:
            return None
    return next(fiber.error for fiber in machine.fibers.values() if fiber.status is wanted)


def _take_inbox(machine: Machine, count: int) -> None:
    """Take in the first ``count`` facts in their order, up to one that parks the run. Those behind stay visible
    while one takes effect.

    It costs fuel, so that two facts that enter at the same fuel have entered together.
    """
    if machine.inbox:
        machine.fuel_used += 1
    for _ in range(count):
        if not _is_alive(machine):
            return
        fact = machine.inbox.pop(0).fact
        match fact:
            case EffectResult() as result:
                _take_result(machine, result)
            case Cancel(reason):
                _cancel(machine, reason)
            case Overdue(number):
                hurry(machine, number)
            case _:
                assert_never(fact)


def _take_result(machine: Machine, result: EffectResult) -> None:
    """Resume the fiber that waits for this effect. A result nobody waits for is dropped."""
    waiting = machine.open.pop(result.number, None)
    if waiting is None:
        return
    fiber = machine.fibers[waiting.fiber]
    assert fiber.waiting_for == result.number
    wake(machine, fiber)
    if result.error is not None:
        fiber.failed = waiting.request
        raise_error(machine, fiber, result.error)
        return
    frame = fiber.frames[-1]
    frame.stack[-1] = result.value
    frame.pc += 1


def _cancel(machine: Machine, reason: str) -> None:
    """Ask the first fiber to stop, and all members of the run's scope; the others belong to theirs."""
    machine.cancelled = reason
    scope = machine.scopes.get(0)
    members = [] if scope is None else list(scope.members)
    for each in [machine.fibers[number] for number in (1, *members)]:
        if not each.timer:
            cancel(machine, each, Cancellation(reason, 0))


def evaluate(
    machine: Machine,
    function: Value,
    arguments: Sequence[Value],
    budget: int,
    bindings: Bindings | None = None,
    wrote: Callable[[str], None] | None = None,
) -> Value:
    """Call a function in a sealed machine and return its result, whatever it is.

    For macros, queries and expressions. ``wrote`` gets what is printed. Raises FlowError with what
    the program raised, or with :limit/fuel when ``budget`` is spent.
    """
    assert machine.sealed
    for other in machine.fibers.values():  # nobody but the evaluation goes on: nobody is woken
        if isinstance(other.blocked_on, Promise):
            other.blocked_on.waiters.clear()
    fiber = Fiber(1, [], bindings=bindings)
    machine.fibers = {1: fiber}
    machine.scopes.clear()
    machine.ready.clear()
    machine.ready.append(1)
    machine.status = MachineStatus.READY
    called = call_value(machine, fiber, function, list(arguments))
    if not isinstance(called, Frame):
        return called
    called.then = Finish()
    fiber.frames.append(called)
    end = machine.fuel_used + budget
    while True:
        turn = run(machine, min(end - machine.fuel_used, _UNWATCHED))
        if turn.output and wrote is not None:
            wrote(turn.output)
        if turn.status is not MachineStatus.READY or machine.fuel_used >= end:
            break
        if machine.watch is not None:
            machine.watch(machine)
    if turn.status is MachineStatus.COMPLETED:
        return turn.result
    if turn.error is not None:
        raise FlowError(turn.error)
    raise flow_error("FM0309", "limit/fuel", f"the evaluation took more than {budget:,} steps")
