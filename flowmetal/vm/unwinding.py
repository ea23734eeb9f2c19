"""Errors: found a handler first, unwound second, parked if there is none.

Raising has two phases. The **search** walks the frames from the top down and
asks each handler that protects the place whether it takes the error; nothing
is unwound meanwhile, and a handler that asks a function of the program
runs it in a frame above all others (``Search``). Only when a handler has said
yes does the **unwinding** drop frames, stopping at each finally block on the
way (``Pending``). If no handler says yes the fiber is parked: its error is
noted and its stack stands as it was, with no finally block run.

A cancellation is different in one way: when nobody takes it, it unwinds
everything, so that finally blocks run, and the fiber ends.
"""

from __future__ import annotations

from flowmetal.bytecode.code import Handler, HandlerKind
from flowmetal.source import Span
from flowmetal.values import ErrorValue, FlowError, Keyword, Value, show
from flowmetal.values.errors import flow_error
from flowmetal.vm.calls import call_value
from flowmetal.vm.errors import error_matches
from flowmetal.vm.state import (
    Fiber,
    FiberStatus,
    Frame,
    Machine,
    MachineStatus,
    Pending,
    Retry,
    Search,
)

CANCELLED = Keyword.of("flow", "cancelled")

_SHOWN_FRAMES = 40
"""How many frames an error remembers from the top, and as many from the bottom."""


def thrown(value: Value) -> FlowError:
    """Make the error that THROW raises for a value."""
    if isinstance(value, ErrorValue):
        return FlowError(value)
    return flow_error(
        "FM0306",
        "type/not-an-error",
        f'throw needs an error, got {show(value)}: write (throw (ex-info "message" {{...}}))',
    )


def too_deep() -> FlowError:
    """Make the error for data nested deeper than a native can follow."""
    return flow_error("FM0307", "limit/nesting", "a value is nested too deeply for this operation")


def raise_error(machine: Machine, fiber: Fiber, error: ErrorValue) -> None:
    """Begin the search for a handler of an error raised where the fiber stands."""
    if not error.frames:
        error = error.with_frames(backtrace(fiber))
    search(machine, fiber, error, len(fiber.frames) - 1, 0)


def search(machine: Machine, fiber: Fiber, error: ErrorValue, frame: int, row: int) -> None:
    """Look for a handler from row ``row`` of frame ``frame`` on, and act on what is found."""
    frames = fiber.frames
    while frame >= 0:
        standing = frames[frame]
        pc = place(frames, frame)
        handlers = standing.body.handlers
        while row < len(handlers):
            handler = handlers[row]
            if handler.start <= pc < handler.end and handler.kind is not HandlerKind.FINALLY:
                answer = _takes(machine, fiber, handler, standing, error)
                if isinstance(answer, Frame):
                    answer.then = Search(error, frame, row)
                    frames.append(answer)
                    return
                if answer:
                    unwind(machine, fiber, error, frame, row)
                    return
            row += 1
        if isinstance(standing.then, Search):
            # The predicate of an outer search has failed itself: it does not take the error.
            unwind(machine, fiber, error, frame, -1)
            return
        frame -= 1
        row = 0
    if error.type is CANCELLED:
        unwind(machine, fiber, error, -1, -1)
    else:
        fiber.status = FiberStatus.FAILED
        fiber.error = error
        machine.status = MachineStatus.FAILED


def _takes(
    machine: Machine, fiber: Fiber, handler: Handler, frame: Frame, error: ErrorValue
) -> Value:
    """Answer whether a handler takes an error, or give the frame that will tell."""
    match handler.kind:
        case HandlerKind.ANY:
            return error.type is not CANCELLED
        case HandlerKind.TYPE:
            return error_matches(error, frame.body.owner.function.constants[handler.operand])
        case _:
            if error.type is CANCELLED:
                return False
            answer = call_value(machine, fiber, frame.stack[handler.operand], [error])
            return answer if isinstance(answer, Frame) else answer not in (None, False)


def unwind(machine: Machine, fiber: Fiber, error: ErrorValue, target: int, row: int) -> None:
    """Drop frames down to handler ``row`` of frame ``target``, through the finally blocks.

    ``row`` -1 drops the target frame too and goes on with the search it was part
    of; ``target`` -1 ends the fiber.
    """
    frames = fiber.frames
    while frames:
        top = len(frames) - 1
        frame = frames[top]
        pc = place(frames, top)
        for index, handler in enumerate(frame.body.handlers):
            if top == target and index == row:
                _enter(frame, handler, [error])
                return
            if handler.kind is HandlerKind.FINALLY and handler.start <= pc < handler.end:
                _enter(frame, handler, [None, Pending(error, target, row)])
                return
        frames.pop()
        if top == target:
            outer = frame.then
            assert isinstance(outer, Search), "an unwinding ends at a handler or at a predicate"
            search(machine, fiber, outer.error, outer.frame, outer.handler + 1)
            return
        if frames and not isinstance(frame.then, (Retry, Search)):
            frames[-1].pc -= 1  # back to the call itself, so that its handlers protect it
    fiber.status = FiberStatus.CANCELLED
    fiber.error = error
    if fiber.number == 1:
        machine.status = MachineStatus.CANCELLED


def _enter(frame: Frame, handler: Handler, operands: list[Value]) -> None:
    del frame.stack[frame.body.local_count + handler.depth :]
    frame.stack += operands
    frame.pc = handler.target


def place(frames: list[Frame], index: int) -> int:
    """Return the instruction that frame ``index`` is executing."""
    frame = frames[index]
    if index + 1 < len(frames) and not isinstance(frames[index + 1].then, (Retry, Search)):
        return frame.pc - 1
    return frame.pc


def backtrace(fiber: Fiber) -> tuple[tuple[str, Span | None], ...]:
    """Return where each frame stands, most recent first, the middle left out if there are many."""
    frames = fiber.frames
    indices = list(range(len(frames) - 1, -1, -1))
    found: list[tuple[str, Span | None]] = []
    left_out = len(indices) - 2 * _SHOWN_FRAMES
    for position, index in enumerate(indices):
        if left_out > 0 and _SHOWN_FRAMES <= position < _SHOWN_FRAMES + left_out:
            if position == _SHOWN_FRAMES:
                found.append((f"... {left_out} more frames", None))
            continue
        frame = frames[index]
        found.append((frame.body.owner.name, frame.body.span_at(place(frames, index))))
        found += [(body.owner.name, body.span_at(pc)) for body, pc in frame.history]
        lost = frame.dropped - len(frame.history)
        if lost:
            plural = "s" if lost > 1 else ""
            found.append((f"... {lost} frame{plural} dropped by tail calls", None))
    return tuple(found)
