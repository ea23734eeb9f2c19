"""Errors: found a handler first, unwound second, parked if there is none.

Raising has two phases. The **search** walks the frames from the top down and
asks each handler that protects the place whether it takes the error; nothing
is unwound meanwhile, and a handler that asks a function of the program
runs it in a frame above all others (``Search``). Only when a handler has said
yes does the **unwinding** drop frames, stopping at each finally block on the
way (``Pending``). If no handler says yes the fiber is parked: its error is
noted and every stack stands as it was, with no finally block run.

The search does not end with the fiber. It goes on in the one that awaits it, else
in the owner of its scope, from the scope's form outwards (``tracing.waiting_for``).
A handler found there decides the fate of all on the way: the fiber that failed
unwinds and ends; one that awaits it is told at its ``await!`` (``Fiber.verdict``);
a scope that it leaves is over: its other members are cancelled, and so is the
body of the form, which goes on to the handler (``Scope.verdict``).

A handler may also only look on (OBSERVER): it is called, and the search goes on. It may
choose a **restart**, one of the ways on that frames further out offer: an error of type
``:flow/restart`` that only such an offer takes. See ``restarts.py``.

A cancellation is an error that never leaves its fiber. When nobody takes it, it
unwinds everything, so that finally blocks run, and the fiber ends; in the owner of a scope
that has failed it unwinds as far as the form and turns into the failure there. Any other
error that would leave such a scope goes along with the failure, too (``:suppressed``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from flowmetal.bytecode.code import Handler, HandlerKind
from flowmetal.values import (
    ErrorValue,
    FlowError,
    Unrealised,
    Value,
    Vector,
    hash_map,
    keyword,
    show,
    vector,
)
from flowmetal.values.errors import flow_error
from flowmetal.values.map import EMPTY_MAP
from flowmetal.vm.calls import call_value
from flowmetal.vm.errors import CANCELLED, NO_FAILURES, RESTART, error_matches
from flowmetal.vm.fibers import (
    answer_is_here,
    end,
    hand_on_members,
    is_shielded,
    note_asked,
    set_down,
    stop_waiting,
)
from flowmetal.vm.naming import named
from flowmetal.vm.state import (
    Cancellation,
    Fiber,
    FiberStatus,
    Frame,
    Machine,
    MachineStatus,
    Pending,
    Retry,
    Scope,
    Search,
    Verdict,
)
from flowmetal.vm.tracing import backtrace, place, trace, waiting_for

_NAME = keyword("name")
SCOPE = keyword("scope")
_SUPPRESSED = keyword("suppressed")


def thrown(value: Value) -> FlowError:
    """Make the error that THROW raises for a value."""
    if isinstance(value, ErrorValue):
        return FlowError(value)
    return flow_error(
        "FM0306",
        "type/not-an-error",
        f'throw needs an error, got {show(value)}: write (throw (ex-info "message" {{...}}))',
    )


def with_suppressed(error: ErrorValue, more: Sequence[ErrorValue]) -> ErrorValue:
    """Return an error with those that others failed with at the same time as :suppressed data."""
    if not more:
        return error
    found = error.data.get(_SUPPRESSED)
    # A program may have its own idea of that key.
    known = found if isinstance(found, Vector) else ()
    data = error.data.assoc(_SUPPRESSED, vector((*known, *more)))
    return ErrorValue(
        error.type, error.message, data, error.cause, error.frames, error.retryable, error.code
    )


def too_deep() -> FlowError:
    """Make the error for data nested deeper than a native can follow."""
    return flow_error("FM0307", "limit/nesting", "a value is nested too deeply for this operation")


def raise_error(machine: Machine, fiber: Fiber, error: ErrorValue) -> None:
    """Begin the search for a handler of an error raised where the fiber stands."""
    if not error.frames:
        stays = error.type is CANCELLED  # in this fiber: who waits for it gets another error
        places = backtrace(fiber) if stays else trace(machine, fiber)
        error = named(error, fiber).with_frames(places)
    search(machine, fiber, error, fiber, len(fiber.frames) - 1, 0)


def search(
    machine: Machine, fiber: Fiber, error: ErrorValue, searched: Fiber, frame: int, row: int
) -> None:
    """Look for a handler from row ``row`` of a frame of ``searched`` on, and act on what is found."""
    if _search_frames(machine, fiber, error, searched, frame, row):
        return
    if error.type is CANCELLED:
        unwind(machine, fiber, error, -1, -1)
        return
    on_the_way = searched is not fiber
    last = fiber
    for each, top, _ in waiting_for(machine, fiber):
        last = each
        if on_the_way:
            on_the_way = each is not searched
        elif _search_frames(machine, fiber, error, each, top, 0):
            return
    home = machine.scopes.get(last.home) if last.number != 1 else None
    if home is not None and home.verdict is not None:
        # The scope has failed already, with an error that somebody takes: this one goes along.
        home.suppressed.append(error)
        _decide(machine, fiber, Verdict(error), last)
        return
    set_down(machine, fiber, FiberStatus.FAILED)
    fiber.error = error
    machine.status = MachineStatus.FAILED


def _search_frames(
    machine: Machine, fiber: Fiber, error: ErrorValue, searched: Fiber, frame: int, row: int
) -> bool:
    """Look for a handler in one fiber; say whether there was anything to act on."""
    frames = searched.frames
    failed = {
        scope.depth: verdict
        for scope, verdict in failed_scopes(machine, searched)
        if error.type is not CANCELLED or error.data.get(SCOPE) == scope.number
    }
    while frame >= 0:
        if frame in failed:
            # Where the scope goes on has been decided: a cancellation turns into its failure, any
            # other error goes along with that.
            verdict = failed[frame]
            if error.type is not CANCELLED:
                verdict = verdict._replace(error=error)
            _decide(machine, fiber, verdict, searched)
            return True
        standing = frames[frame]
        pc = place(frames, frame)
        handlers = standing.body.handlers
        while row < len(handlers):
            handler = handlers[row]
            if handler.start <= pc < handler.end and handler.kind is not HandlerKind.FINALLY:
                answer = _takes(machine, fiber, handler, standing, error)
                if isinstance(answer, Frame):
                    answer.then = Search(error, searched.number, frame, row)
                    fiber.frames.append(answer)
                    return True
                if answer:
                    _decide(machine, fiber, Verdict(error, frame, row), searched)
                    return True
            row += 1
        outer = standing.then
        if isinstance(outer, Search) and error.type is not RESTART:
            if not _observes(machine, fiber, outer):
                # The predicate of an outer search has failed itself: it does not take the error.
                unwind(machine, fiber, error, frame, -1)
                return True
            if error.type is not CANCELLED:
                # An observer has: its error is one of the form that it belongs to.
                further = machine.fibers[outer.fiber]
                search(machine, fiber, error, further, outer.frame, outer.handler + 1)
                return True
        frame -= 1
        row = 0
    return False


def failed_scopes(machine: Machine, fiber: Fiber) -> Iterator[tuple[Scope, Verdict]]:
    """Go through the scopes of ``fiber``'s own that have failed, the innermost first."""
    number = fiber.scope
    while number != fiber.home:
        scope = machine.scopes[number]
        if scope.verdict is not None:
            yield scope, scope.verdict
        number = scope.parent


def take_answer(machine: Machine, fiber: Fiber, then: Search, takes: bool) -> None:
    """Go on after the predicate of a handler has answered."""
    searched = _who_was_asked(machine, fiber, then)
    if searched is None:
        search(machine, fiber, then.error, fiber, -1, 0)
    elif not takes or _observes(machine, fiber, then):
        search(machine, fiber, then.error, searched, then.frame, then.handler + 1)
    else:
        _decide(machine, fiber, Verdict(then.error, then.frame, then.handler), searched)


def _decide(machine: Machine, fiber: Fiber, verdict: Verdict, taker: Fiber) -> None:
    """Let an error of ``fiber`` go to its handler in ``taker``; all on the way there end."""
    if taker is not fiber:
        before = fiber
        for each, _, scope in list(waiting_for(machine, fiber)):
            fate = verdict if each is taker else Verdict(verdict.error)
            if scope is None:
                each.verdict = fate
            else:
                _fail_scope(machine, scope, fate, before)
            if each is taker:
                break
            before = each
        verdict = Verdict(verdict.error)
    go_to(machine, fiber, verdict)


def _fail_scope(machine: Machine, scope: Scope, verdict: Verdict, failing: Fiber) -> None:
    """End a scope because of a member: the others are cancelled, and the body of the form."""
    scope.verdict = verdict
    cancellation = Cancellation(f"fiber {failing.number} failed", scope.number)
    for number in list(scope.members):
        member = machine.fibers[number]
        if number != failing.number and not member.timer:
            cancel(machine, member, cancellation)
    if not scope.closing:
        cancel(machine, machine.fibers[scope.owner], cancellation)


def cancel(machine: Machine, fiber: Fiber, cancellation: Cancellation) -> None:
    """Ask a fiber to stop: at once if it waits, else at its next switch point; once for its home."""
    own = machine.scopes.get(cancellation.scope)
    if own is None or own.owner != fiber.number or own.number == 0:
        if fiber.asked:
            return
        note_asked(machine, fiber)
    machine.stopping.add(fiber.number)
    match fiber.status:
        case FiberStatus.DONE | FiberStatus.CANCELLED | FiberStatus.FAILED:
            return
        case FiberStatus.READY:
            if fiber.fresh:
                end(machine, fiber, FiberStatus.CANCELLED, error_of(cancellation))
                return
            waits = False
        case FiberStatus.WAITING:
            waits = not answer_is_here(machine, fiber)
        case FiberStatus.BLOCKED:
            waits = True
        case _:
            assert_never(fiber.status)
    put_back(fiber, cancellation)
    if waits and is_to_stop(machine, fiber):
        stop_waiting(machine, fiber)
        raise_error(machine, fiber, take_cancellation(machine, fiber))


def close(machine: Machine, scope: Scope, over: Cancellation) -> None:
    """Cancel the members of a scope that ends, and when those have ended what they have begun meanwhile.

    Is asked again whenever nobody is left of those that have been asked to stop. Timers go last:
    clean-up of the others may wait for them. Workers that clean-up has begun are waited for.
    """
    if not scope.closing:
        scope.closing = True
        for member in [machine.fibers[each] for each in scope.members]:
            if not member.timer:
                cancel(machine, member, over)
    while scope.members and not scope.workers and not scope.asked:
        members = [machine.fibers[each] for each in scope.members]
        for member in [each for each in members if not each.timer] or members:
            cancel(machine, member, over)


def _reach(machine: Machine, fiber: Fiber, cancellation: Cancellation) -> int:
    """Return the frame down to which a cancellation unwinds."""
    scope = machine.scopes.get(cancellation.scope)
    return scope.depth if scope is not None and scope.owner == fiber.number else -1


def _others(fiber: Fiber, scope: int) -> list[Cancellation]:
    return [each for each in fiber.cancels if each.scope != scope]


def put_back(fiber: Fiber, cancellation: Cancellation) -> None:
    """Let a cancellation be raised where the fiber next waits, at most one of a scope."""
    fiber.cancels = (*_others(fiber, cancellation.scope), cancellation)


def _due(machine: Machine, fiber: Fiber) -> Cancellation | None:
    """Return the cancellation that may be raised where the fiber is, of several the one that unwinds most."""
    found = [
        (reach, each)
        for each in fiber.cancels
        if not is_shielded(fiber, reach := _reach(machine, fiber, each))
    ]
    return min(found, key=lambda one: one[0])[1] if found else None


def is_to_stop(machine: Machine, fiber: Fiber) -> bool:
    """Say whether a cancellation was asked for that may be raised where the fiber is."""
    return bool(fiber.cancels) and _due(machine, fiber) is not None


def take_cancellation(machine: Machine, fiber: Fiber) -> ErrorValue:
    """Return the error of the cancellation that is to be raised now; it will not be raised again.

    Those of scopes further in end with it; those that are shielded yet wait for their time.
    """
    due = _due(machine, fiber)
    assert due is not None
    reach = _reach(machine, fiber, due)
    fiber.cancels = tuple(each for each in fiber.cancels if _reach(machine, fiber, each) < reach)
    fiber.verdict = None
    return error_of(due)


def forget_cancellation(fiber: Fiber, scope: int) -> None:
    """The scope has ended: what was asked for ends with it."""
    fiber.cancels = tuple(_others(fiber, scope))


def error_of(cancellation: Cancellation) -> ErrorValue:
    """Return the error that a cancellation is raised as."""
    data = hash_map(((SCOPE, cancellation.scope),)) if cancellation.scope else EMPTY_MAP
    reason = cancellation.reason or "the run was cancelled"
    return flow_error("FM0702", "flow/cancelled", reason, data).error


def check_cancellation(machine: Machine, fiber: Fiber) -> None:
    """Raise what was asked for, if the fiber may be cancelled where it is: a switch point.

    A handler that is asked about an error may not wait, and is told so.
    """
    if is_to_stop(machine, fiber) and not is_asking(fiber.frames):
        raise FlowError(take_cancellation(machine, fiber))


def interrupt(machine: Machine, fiber: Fiber) -> None:
    """Raise what was asked for in a fiber that computes.

    A handler that is asked about an error is not listened to any further: the error goes on as if
    the handler did not take it, so that neither is lost, and the cancellation is raised later.
    """
    frames = fiber.frames
    asking = [index for index, frame in enumerate(frames) if isinstance(frame.then, Search)]
    if asking:
        due = _due(machine, fiber)
        assert due is not None
        unwind(machine, fiber, error_of(due), asking[-1], -1)
    else:
        raise_error(machine, fiber, take_cancellation(machine, fiber))


def hurry(machine: Machine, number: int) -> None:
    """Raise :flow/cancelled in a fiber that cleans up after one for too long, shielded as it is.

    What it waits for is abandoned; the finally blocks further out still run.
    """
    fiber = machine.fibers.get(number)
    if fiber is None or not is_cleaning_up(machine, fiber) or answer_is_here(machine, fiber):
        return
    stop_waiting(machine, fiber)
    raise_error(machine, fiber, error_of(Cancellation("its clean-up took too long", fiber.home)))


def is_cleaning_up(machine: Machine, fiber: Fiber) -> bool:
    """Say whether a fiber waits in a finally block that a cancellation has entered, or waits for.

    One that ends a scope does not count: its members are cleaning up. One that waits for what a
    scope is for does: a finally block has begun it.
    """
    if fiber.status is FiberStatus.BLOCKED:
        on = fiber.blocked_on
        if isinstance(on, int) and machine.scopes[on].closing:
            return False
    elif fiber.status is not FiberStatus.WAITING:
        return False
    if fiber.cancels:  # it was in the block before it was asked to stop
        return True
    failed = {
        id(s.verdict.error): s.depth
        for s in machine.scopes.values()
        if s.verdict and s.owner == fiber.number
    }
    return any(
        isinstance(value, Pending)
        and (value.error.type is CANCELLED or index > failed.get(id(value.error), index))
        for index, frame in enumerate(fiber.frames)
        for value in frame.stack
    )


def is_stopping(machine: Machine) -> bool:
    """Say whether the run has been cancelled as a whole and nobody has caught that: it ends, if not yet."""
    main = machine.fibers[1]
    if main.status not in (FiberStatus.DONE, FiberStatus.CANCELLED):
        return _ends_with_run(main)
    return any(_ends_with_run(each) for each in machine.fibers.values() if each.home == 0)


def _ends_with_run(fiber: Fiber) -> bool:
    return any(asked.scope == 0 for asked in fiber.cancels) or any(
        isinstance(value, Pending)
        and value.error.type is CANCELLED
        and not value.error.data.get(SCOPE, 0)
        for frame in fiber.frames
        for value in frame.stack
    )


def _takes(
    machine: Machine, fiber: Fiber, handler: Handler, frame: Frame, error: ErrorValue
) -> Value:
    """Answer whether a handler takes an error, or give the frame that will tell."""
    if error.type is RESTART:
        return handler.kind is HandlerKind.RESTART and any(
            offer[0] is error.data.get(_NAME) for offer in offers(frame, handler)
        )
    match handler.kind:
        case HandlerKind.RESTART:
            return False
        case HandlerKind.ANY:
            return error.type is not CANCELLED
        case HandlerKind.TYPE:
            return error_matches(error, frame.body.owner.function.constants[handler.operand])
        case _:
            if error.type is CANCELLED:
                return False
            try:
                answer = call_value(machine, fiber, frame.stack[handler.operand], [error])
            except (FlowError, Unrealised, RecursionError):
                return False  # a predicate that fails itself does not take the error
            if isinstance(answer, Frame):
                return answer
            return handler.kind is HandlerKind.PREDICATE and answer not in (None, False)


def _who_was_asked(machine: Machine, fiber: Fiber, asked: Search) -> Fiber | None:
    """Return the fiber whose handler is asked about an error of ``fiber``, None if the error does not
    reach that any more: it was cancelled meanwhile."""
    if asked.fiber == fiber.number:
        return fiber
    for each, top, _ in waiting_for(machine, fiber):
        if each.number == asked.fiber:
            return each if _protects(each, top, asked) else None
    return None


def _protects(fiber: Fiber, top: int, asked: Search) -> bool:
    if not 0 <= asked.frame <= top:
        return False
    handlers = fiber.frames[asked.frame].body.handlers
    if asked.handler >= len(handlers):
        return False
    handler = handlers[asked.handler]
    return handler.start <= place(fiber.frames, asked.frame) < handler.end


def _observes(machine: Machine, fiber: Fiber, asked: Search) -> bool:
    searched = _who_was_asked(machine, fiber, asked)
    if searched is None:
        return False
    handler = searched.frames[asked.frame].body.handlers[asked.handler]
    return handler.kind is HandlerKind.OBSERVER


def is_asking(frames: Sequence[Frame]) -> bool:
    """Say whether one of some frames is that of a handler that was asked about an error further down."""
    return any(isinstance(frame.then, Search) for frame in frames)


def offers(frame: Frame, handler: Handler) -> list[Vector]:
    """Return the restarts that a handler of kind RESTART offers: [name description function]."""
    given = frame.stack[handler.operand]
    rows = list(given) if isinstance(given, Vector) else []
    return [row for row in rows if isinstance(row, Vector) and len(row) == 3]


def go_to(machine: Machine, fiber: Fiber, verdict: Verdict) -> None:
    """Unwind to where has been decided."""
    unwind(machine, fiber, verdict.error, verdict.frame, verdict.handler)


def unwind(machine: Machine, fiber: Fiber, error: ErrorValue, target: int, row: int) -> None:
    """Drop frames down to handler ``row`` of frame ``target``, through the finally blocks.

    ``row`` -1 drops the target frame too and goes on with the search it was part
    of; ``target`` -1 ends the fiber, if anybody will hear of it. An effect that failed is over,
    unless a handler was asked about its error and this is one of the handler's own.
    """
    frames = fiber.frames
    if target < 0 and _reaches_nobody(machine, fiber, error):
        search(machine, fiber, error, fiber, len(frames) - 1, 0)
        return
    if fiber.failed is not None and not is_asking(frames[: target + 1]):
        fiber.failed = None
    while frames:
        top = len(frames) - 1
        frame = frames[top]
        pc = place(frames, top)
        for index, handler in enumerate(frame.body.handlers):
            if top == target and index == row:
                _ask_again(machine, fiber, error, frame, handler.depth)
                enter(frame, handler, [error])
                return
            if handler.kind is HandlerKind.FINALLY and handler.start <= pc < handler.end:
                _ask_again(machine, fiber, error, frame, handler.depth)
                enter(frame, handler, [None, Pending(error, target, row)])
                return
        _ask_again(machine, fiber, error, frame, 0)
        frames.pop()
        if fiber.scope != fiber.home:
            _leave_scopes(machine, fiber)
        if top == target:
            outer = frame.then
            assert isinstance(outer, Search), "an unwinding ends at a handler or at a predicate"
            take_answer(machine, fiber, outer, False)
            return
        if frames and not isinstance(frame.then, (Retry, Search)):
            frames[-1].pc -= 1  # back to the call itself, so that its handlers protect it
    status = FiberStatus.CANCELLED if error.type is CANCELLED else FiberStatus.FAILED
    end(machine, fiber, status, error)


def _ask_again(machine: Machine, fiber: Fiber, error: ErrorValue, frame: Frame, depth: int) -> None:
    """An error ends the finally blocks of a frame down to ``depth``: let what has unwound the fiber to there be raised
    again where it next waits, if it has to go further: a cancellation, or the failure of a scope further out."""
    if error.type is CANCELLED:
        return
    for value in frame.stack[frame.body.local_count + depth :]:
        if type(value) is not Pending or value.error is error:
            continue
        before = value.error
        if before.type is CANCELLED:
            number = before.data.get(SCOPE, 0)
            if fiber.asked and type(number) is int and number <= fiber.home:
                put_back(fiber, Cancellation(before.message or "", number))
        for outer, verdict in failed_scopes(machine, fiber):
            if verdict.error is before:
                put_back(fiber, Cancellation("a fiber failed", outer.number))


def _reaches_nobody(machine: Machine, fiber: Fiber, error: ErrorValue) -> bool:
    """Say whether a failure that is to end a fiber was on its way to somebody who has left since.

    While finally blocks take their time, who awaited the fiber may be cancelled.
    """
    if fiber.handle is None or fiber.handle.waiters or error.type in NO_FAILURES:
        return False
    if machine.scopes[fiber.home].verdict is not None:
        return False
    return all(
        scope.verdict is None or scope.verdict.error is not error
        for scope in machine.scopes.values()
    )


def _leave_scopes(machine: Machine, fiber: Fiber) -> None:
    """End the scopes whose forms are gone: a form that has no finally block, or a damaged one.

    Their members are cancelled; who waits for them from now on is the scope further out.
    """
    while fiber.scope != fiber.home and machine.scopes[fiber.scope].depth >= len(fiber.frames):
        left = hand_on_members(machine, fiber)
        over = Cancellation("its scope has ended", fiber.scope)
        for member in (machine.fibers[number] for number in left if number in machine.fibers):
            cancel(machine, member, over)


def enter(frame: Frame, handler: Handler, operands: list[Value]) -> None:
    """Let a frame go on at a handler, with what it finds on the stack there."""
    del frame.stack[frame.body.local_count + handler.depth :]
    frame.stack += operands
    frame.pc = handler.target
