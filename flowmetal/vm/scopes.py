"""What natives of the machine do about fibers: spawn, wait, deliver, join and close, cancel.

The rest of flow.async is written in Flowmetal over these. Those that may have to
wait raise ``Suspended`` and are executed again when the fiber is woken, so
each looks first and waits afterwards.
"""

from __future__ import annotations

from flowmetal.values import (
    ErrorValue,
    FiberRef,
    FlowError,
    Promise,
    Value,
    Vector,
    keyword,
    seq,
    show,
)
from flowmetal.values.cells import BROKEN, KEPT, OPEN, VOID
from flowmetal.values.errors import flow_error
from flowmetal.vm.errors import CANCELLED, FIBER_CANCELLED, NO_FAILURES
from flowmetal.vm.fibers import (
    Suspended,
    block,
    is_shielded,
    need_promise,
    no_handle,
    open_scope,
    settle,
    spawn,
    stop_waiting,
)
from flowmetal.vm.state import (
    Cancellation,
    Closure,
    Fiber,
    FiberStatus,
    Frame,
    Machine,
    Native,
    Pending,
    Scope,
    Verdict,
)
from flowmetal.vm.tracing import backtrace, own_place
from flowmetal.vm.unwinding import (
    cancel,
    check_cancellation,
    close,
    failed_scopes,
    forget_cancellation,
    is_to_stop,
    put_back,
    raise_error,
    take_cancellation,
    with_suppressed,
)

_TIMER = keyword("timer")


def _spawn(
    machine: Machine, fiber: Fiber, function: Value, arguments: Value, service: Value, call: Value
) -> FiberRef:
    """Begin a fiber; what is no closure is called by ``call``, which is one. A service may be a :timer."""
    items = seq(arguments)
    given = [] if items is None else list(items)
    if type(function) is not Closure:
        function, given = call, [function, *given]
    return spawn(machine, fiber, function, given, bool(service), service is _TIMER)


def _wait(machine: Machine, fiber: Fiber, wanted: Value) -> Value:
    """Return the value of a promise or a fiber, raise its error, or wait for it."""
    if not isinstance(wanted, Promise):
        raise no_handle("await!", "a fiber, a promise or a run", wanted)
    if wanted.state in (KEPT, BROKEN):
        verdict, fiber.verdict = fiber.verdict, None
        if wanted.state == KEPT:
            return wanted.value
        if verdict is not None and verdict.error is wanted.value:  # it did not end in another way
            raise Suspended(verdict)
        if wanted.value.type is FIBER_CANCELLED:  # with this one, perhaps: then nothing has failed
            _end_with_scope(machine, fiber)
            check_cancellation(machine, fiber)
        raise FlowError(wanted.value)
    if (
        isinstance(wanted, FiberRef)
        and wanted.number not in machine.fibers
        and not machine.sealed  # a copy has no other fibers, and waiting is refused there
    ):
        raise flow_error("FM0743", "fiber/unknown", f"fiber {wanted.number} is not of this run")
    try:
        check_cancellation(machine, fiber)
        return block(machine, fiber, wanted, "waiting")
    except FlowError:
        if wanted.ticket:
            wanted.state = VOID  # it is in queues already: what it would be given is nobody's
        raise


def _end_with_scope(machine: Machine, fiber: Fiber) -> None:
    """Cancel a fiber now that would be as soon as a cancellation further out has got to the scope that it is in."""
    inner = fiber
    while not is_shielded(inner, -1):
        scope = machine.scopes.get(inner.home)
        if scope is None or scope.owner == inner.number:
            return
        owner = machine.fibers[scope.owner]
        stack = owner.frames[scope.depth].stack
        at = _pending_at(stack)
        if at >= 0 and stack[at].error.type is CANCELLED:
            cancel(machine, fiber, Cancellation("its scope has ended", fiber.home))
            return
        inner = owner


def _wait_ticket(machine: Machine, fiber: Fiber, ticket: Value) -> Value:
    """Return the first of what a channel leaves with a ticket, or wait for it.

    It is one step, so that what an operator gives in place of an endless wait is what was waited for.
    """
    found = _wait(machine, fiber, ticket)
    if not isinstance(found, Vector) or not len(found):
        raise flow_error("FM0501", "type/mismatch", f"no channel has left {show(found)}")
    return found.nth(0)


def _deliver(machine: Machine, fiber: Fiber, promise: Value, value: Value) -> bool:
    return settle(machine, _open_end("deliver!", promise), KEPT, value)


def _fail(machine: Machine, fiber: Fiber, promise: Value, error: Value) -> bool:
    if not isinstance(error, ErrorValue):
        raise flow_error("FM0501", "type/mismatch", f"`fail!` needs an error, got {show(error)}")
    if error.type is CANCELLED:  # of whoever was to keep it: those who wait are not cancelled
        message = f"the promise was given up: {error.message}"
        error = flow_error("FM0742", "fiber/cancelled", message).error
    return settle(machine, _open_end("fail!", promise), BROKEN, error)


def _open_end(function: str, promise: Value) -> Promise:
    if not isinstance(promise, Promise) or isinstance(promise, FiberRef):
        raise flow_error(
            "FM0501", "type/mismatch", f"`{function}` needs a promise, got {show(promise)}"
        )
    return promise


def _is_settled(machine: Machine, fiber: Fiber, promise: Value) -> bool:
    return need_promise("realized?", promise).state != OPEN


def _open(machine: Machine, fiber: Fiber) -> int:
    return open_scope(machine, fiber)


def _join(machine: Machine, fiber: Fiber, number: int) -> None:
    """Wait until the workers of a scope have ended; raise the failure of one."""
    scope = _innermost(machine, fiber, number)
    if scope.verdict is not None:
        if not is_to_stop(machine, fiber):
            # The body has caught its cancellation: the scope has failed anyway.
            put_back(fiber, Cancellation("a fiber failed", number))
        raise FlowError(take_cancellation(machine, fiber))
    if scope.workers:
        check_cancellation(machine, fiber)
        block(machine, fiber, number, "a scope")


def _close(machine: Machine, fiber: Fiber, number: int) -> None:
    """End a scope: cancel the members that are left, wait for them, and let its failure go on."""
    scope = _innermost(machine, fiber, number)
    if scope.depth != len(fiber.frames) - 1:
        raise flow_error("FM0748", "scope/unknown", f"scope {number} is another form's")
    if not scope.closing and scope.verdict is None:
        # It ends because its body has failed: what its members fail with meanwhile goes along.
        scope.verdict = _failing(fiber)
    # What its body was asked to stop for: it has stopped, or had its result already. Raised later, for somebody else's
    # cancellation, it would end the form before its fibers have ended.
    forget_cancellation(fiber, number)
    close(machine, scope, Cancellation("its scope has ended", number))
    if scope.members:
        block(machine, fiber, number, "a scope")
    del machine.scopes[number]
    fiber.scope = scope.parent
    _go_on(machine, fiber, scope)


def _innermost(machine: Machine, fiber: Fiber, number: Value) -> Scope:
    """Return the scope that a fiber is in: they end in the order in which they began."""
    scope = machine.scopes.get(number) if type(number) is int else None
    if scope is None or number != fiber.scope or scope.owner != fiber.number:
        raise flow_error("FM0748", "scope/unknown", f"{show(number)} is not the innermost scope")
    return scope


def _go_on(machine: Machine, fiber: Fiber, scope: Scope) -> None:
    """Let the failure of a scope that is over reach its handler, all other failures along with it."""
    stack = fiber.frames[-1].stack
    at = _pending_at(stack)
    pending = stack[at] if at >= 0 else None
    verdict = scope.verdict
    if verdict is not None and (pending is None or pending.error is not verdict.error):
        if pending is not None and pending.error.type not in NO_FAILURES:
            scope.suppressed.append(pending.error)  # the body's own, of its clean-up
        error = with_suppressed(verdict.error, scope.suppressed)
        _amend_verdicts(machine, verdict.error, error)
        raise Suspended(Verdict(error, verdict.frame, verdict.handler))
    if pending is not None and scope.suppressed:
        error = with_suppressed(pending.error, scope.suppressed)
        _amend_pending(fiber.frames[-1], pending.error, error)
        _amend_verdicts(machine, pending.error, error)


def _pending_at(stack: list[Value]) -> int:
    """Return where on the stack of a frame is what its innermost finally block goes on with, or -1."""
    return max((i for i, value in enumerate(stack) if type(value) is Pending), default=-1)


def _failing(fiber: Fiber) -> Verdict | None:
    """Return what unwinds the topmost function of a fiber, in a finally block, if it is a failure."""
    stack = fiber.frames[-1].stack
    at = _pending_at(stack)
    if at < 0 or stack[at].error.type in NO_FAILURES:
        return None
    return Verdict(stack[at].error, stack[at].frame, stack[at].handler)


def _failure(machine: Machine, fiber: Fiber) -> ErrorValue | None:
    """Return the error that unwinds the function that asks."""
    failing = _failing(fiber)
    return None if failing is None else failing.error


def _own_failure(machine: Machine, fiber: Fiber) -> ErrorValue | None:
    """Return that error if what the function has called has raised it; a scope further out that has failed, or whose
    time is up, ends the function as a cancellation does."""
    error = _failure(machine, fiber)
    top = len(fiber.frames) - 1
    further_out = any(
        verdict.error is error and scope.depth < top
        for scope, verdict in failed_scopes(machine, fiber)
    )
    return None if further_out else error


def _amend_failure(machine: Machine, fiber: Fiber, error: Value) -> None:
    """Let a failure go on as another error, which tells more, to the handler that has taken it.

    Where the handler is further out than the fiber, the scopes on the way keep it until they end.
    """
    failing = _failing(fiber)
    if failing is None or not isinstance(error, ErrorValue):
        return
    _amend_pending(fiber.frames[-1], failing.error, error)
    _amend_verdicts(machine, failing.error, error)


def _amend_verdicts(machine: Machine, before: ErrorValue, error: ErrorValue) -> None:
    """Let those whom an error has still to reach know it as another one: who awaits it, the scopes that it has to
    leave with their forms, which unwind for it already, and a scope with whose failure it goes along."""
    for each in machine.fibers.values():
        if each.verdict is not None and each.verdict.error is before:
            each.verdict = each.verdict._replace(error=error)
    for scope in machine.scopes.values():
        scope.suppressed = [error if each is before else each for each in scope.suppressed]
        if scope.verdict is not None and scope.verdict.error is before:
            scope.verdict = scope.verdict._replace(error=error)
            _amend_pending(machine.fibers[scope.owner].frames[scope.depth], before, error)


def _amend_pending(frame: Frame, before: ErrorValue, error: ErrorValue) -> None:
    at = _pending_at(frame.stack)
    if at >= 0 and frame.stack[at].error is before:
        frame.stack[at] = Pending(error, frame.stack[at].frame, frame.stack[at].handler)


def _cancel(machine: Machine, fiber: Fiber, what: Value, reason: Value) -> bool:
    """Cancel a fiber, or all members of a scope; say whether there was anything to cancel."""
    text = reason if isinstance(reason, str) else "" if reason is None else show(reason)
    if isinstance(what, FiberRef):
        found = machine.fibers.get(what.number)
        if found is None or found.handle is not what:
            return False
        cancel(machine, found, Cancellation(text or "it was cancelled", found.home))
        return True
    if type(what) is not int:
        raise no_handle("cancel!", "a fiber, a scope or a run", what)
    scope = machine.scopes.get(what)
    if scope is None:
        return False
    asked = Cancellation(text or "its scope was cancelled", what)
    for member in [machine.fibers[each] for each in scope.members]:
        if member is not fiber and not member.timer:
            cancel(machine, member, asked)
    return True


def _time_out(machine: Machine, fiber: Fiber, number: int, error: ErrorValue) -> None:
    """Raise the error of a scope whose time is up, as if where its owner stands."""
    check_cancellation(machine, fiber)  # the scope has ended already: its time does not count
    scope = machine.scopes.get(number) if type(number) is int else None
    if scope is None or not isinstance(error, ErrorValue):
        raise flow_error("FM0748", "scope/unknown", f"{show(number)} is no scope")
    owner = machine.fibers[scope.owner]
    raise FlowError(error.with_frames(backtrace(owner)))


def _scope_of(machine: Machine, fiber: Fiber) -> int:
    return fiber.scope


def _fiber_of(machine: Machine, fiber: Fiber) -> int:
    return fiber.number


def find_deadlock(machine: Machine) -> bool:
    """Raise :flow/deadlock if every fiber waits for another; say whether that is so."""
    if machine.open or machine.inbox or machine.ready:
        return False
    blocked = [each for each in machine.fibers.values() if each.status is FiberStatus.BLOCKED]
    free = [each for each in blocked if not _is_closing(machine, each)]
    if not free:
        return False
    stand = [
        f"fiber {each.number}{_stands_at(each)} waits for {waited_for(each)}" for each in blocked
    ]
    shown = stand if len(stand) <= 10 else [*stand[:10], f"and {len(stand) - 10} more"]
    error = flow_error(
        "FM0741", "flow/deadlock", f"nothing can happen any more: {'; '.join(shown)}"
    ).error
    stop_waiting(machine, free[0])
    raise_error(machine, free[0], error)
    return True


def _is_closing(machine: Machine, fiber: Fiber) -> bool:
    on = fiber.blocked_on
    return isinstance(on, int) and machine.scopes[on].closing


def _stands_at(fiber: Fiber) -> str:
    at = own_place(backtrace(fiber))
    return "" if at is None else f" at {at}"


def waited_for(fiber: Fiber) -> str:
    """Say in words what a blocked fiber waits for."""
    on = fiber.blocked_on
    match on:
        case FiberRef():
            return f"fiber {on.number}"
        case Promise():
            return "a channel" if on.ticket else "a promise"
        case int():
            return "the fibers of its scope"
        case _:
            return ""


WAITING_NATIVES = frozenset(
    f"flow.core/{name}" for name in ("-wait!", "-wait-ticket!", "-join!", "-close-scope!")
)
"""Those at which a fiber may stand blocked."""


def _native(name: str, call: object, count: int) -> Native:
    return Native(f"flow.core/{name}", call, count, count, wants_machine=True)  # type: ignore[arg-type]


# fmt: off
ROWS = (
    #       name             function     arguments
    _native("-spawn!",       _spawn,      4),
    _native("-wait!",        _wait,       1),
    _native("-wait-ticket!", _wait_ticket, 1),
    _native("-deliver!",     _deliver,    2),
    _native("-fail!",        _fail,       2),
    _native("-settled?",     _is_settled, 1),
    _native("-open-scope!",  _open,       0),
    _native("-join!",        _join,       1),
    _native("-close-scope!", _close,      1),
    _native("-scope",        _scope_of,   0),
    _native("-fiber",        _fiber_of,   0),
    _native("-cancel!",      _cancel,     2),
    _native("-time-out!",    _time_out,   2),
    _native("-failure",      _failure,    0),
    _native("-own-failure",  _own_failure, 0),
    _native("-amend-failure!", _amend_failure, 1),
)
# fmt: on
