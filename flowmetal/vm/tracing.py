"""Where fibers stand, as errors and listings tell it.

An error of a fiber goes on to whoever waits for the fiber, so what it remembers
does too: behind its own frames a line says where the fiber was spawned and
where it is waited for, and the frames of that place follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flowmetal.source import Span
from flowmetal.vm.state import Fiber, Frame, Machine, Retry, Scope, Search, Site

LIBRARY = "flow."
"""How the names of the library's functions begin: people look for their own line."""

_SHOWN_FRAMES = 40
"""How many frames an error remembers from the top, and as many from the bottom."""

_SHOWN_FIBERS = 40
"""How many of those who wait for one another it remembers."""

Places = tuple[tuple[str, Span | None], ...]


def place(frames: list[Frame], index: int) -> int:
    """Return the instruction that frame ``index`` is executing."""
    frame = frames[index]
    if index + 1 < len(frames) and not isinstance(frames[index + 1].then, (Retry, Search)):
        return frame.pc - 1
    return frame.pc


def backtrace(fiber: Fiber, top: int | None = None) -> Places:
    """Return where each frame stands, most recent first, the middle left out if there are many.

    ``top`` is the frame to begin with, if it is not the topmost.
    """
    frames = fiber.frames
    indices = list(range(len(frames) - 1 if top is None else top, -1, -1))
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


def trace(machine: Machine, fiber: Fiber) -> Places:
    """Return where an error of ``fiber`` comes from: its frames, and those of who waits for it."""
    found = list(backtrace(fiber))
    before = fiber
    for count, (each, top, scope) in enumerate(waiting_for(machine, fiber)):
        if count == _SHOWN_FIBERS:
            found.append(("... in more fibers", None))
            break
        places = backtrace(each, top)
        found += [(_crossing(before, places, scope), None), *places]
        before = each
    if own_place(found) is None and fiber.origin is not None:
        # The library alone runs in it, and nobody of the program waits for it.
        body, pc = fiber.origin
        found += [
            (f"... in fiber #{fiber.number} spawned by", None),
            (body.owner.name, body.span_at(pc)),
        ]
    return tuple(found)


def _crossing(fiber: Fiber, places: Places, scope: Scope | None) -> str:
    text = f"... in fiber #{fiber.number}"
    spawned = None if fiber.origin is None else fiber.origin[0].span_at(fiber.origin[1])
    if spawned is not None:
        text += f" spawned at {spawned}"
    waiting = own_place(places)
    if waiting is not None and (scope is None or waiting != spawned):
        text += f", awaited at {waiting}"
    return text


def own_place(places: Iterable[tuple[str, Span | None]]) -> Span | None:
    """Return the first place that is the program's own."""
    return next(
        (at for name, at in places if at is not None and not name.startswith(LIBRARY)), None
    )


def origin_of(fiber: Fiber) -> Site | None:
    """Return the instruction of the program's own code that a fiber is executing."""
    frames = fiber.frames
    for index in range(len(frames) - 1, -1, -1):
        frame = frames[index]
        for body, pc in ((frame.body, place(frames, index)), *frame.history):
            if not body.owner.name.startswith(LIBRARY):
                return body, pc
    return None


def waiting_for(machine: Machine, fiber: Fiber) -> Iterator[tuple[Fiber, int, Scope | None]]:
    """Go through those whom an error of ``fiber`` reaches, nearest first.

    Each is a fiber and the frame at which the error arrives: the topmost of one that
    awaits the fiber, else the frame of the scope, which is then the third. It
    ends before the run's own scope, and before a scope that has failed already.
    """
    visited = {fiber.number}
    while fiber.number != 1:
        handle = fiber.handle
        scope = None
        if handle is not None and handle.waiters:
            following = machine.fibers[handle.waiters[0]]
            top = len(following.frames) - 1
        else:
            scope = machine.scopes[fiber.home]
            if scope.number == 0 or scope.verdict is not None:
                return
            following, top = machine.fibers[scope.owner], scope.depth
        if following.number in visited:
            return
        visited.add(following.number)
        yield following, top, scope
        fiber = following
