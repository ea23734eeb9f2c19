"""Frames that somebody claims a fiber has, held against what the verifier knows.

The machine trusts its frames: that the pc stands at an instruction, that the
stack is as deep as this instruction expects, that an unwinding lies only where
END_FINALLY will take it. The verifier's stack maps say what must be the case at
each pc, so a snapshot that passes here cannot make the machine do what verified
code cannot.
"""

from __future__ import annotations

from collections.abc import Callable

from flowmetal.bytecode.code import Function
from flowmetal.bytecode.opcodes import Op
from flowmetal.bytecode.verifier import StackMap, stack_map
from flowmetal.ids import CodeHash
from flowmetal.snapshot.damage import require
from flowmetal.vm.link import Image
from flowmetal.vm.state import (
    Define,
    Fiber,
    FiberStatus,
    Finish,
    Machine,
    Pending,
    Retry,
    Search,
)

# A NATIVE calls where a collection is ordered by a function of the program.
_CALLS = frozenset({Op.CALL, Op.APPLY, Op.NATIVE})
_STANDING = frozenset(
    {FiberStatus.READY, FiberStatus.WAITING, FiberStatus.FAILED, FiberStatus.BLOCKED}
)


def check_fibers(machine: Machine) -> None:
    """Raise SnapshotError FM0910 if a fiber cannot be as it is said to be."""
    maps: dict[tuple[CodeHash, int], StackMap] = {}
    ready = list(machine.ready)
    require(len(set(ready)) == len(ready), "the ready fibers")
    for fiber in machine.fibers.values():
        where = f"fiber {fiber.number}"
        require(bool(fiber.frames) == (fiber.status in _STANDING), where)
        require((fiber.number in ready) == (fiber.status is FiberStatus.READY), where)
        require((fiber.status is FiberStatus.WAITING) == (fiber.waiting_for is not None), where)
        require(fiber.error is not None or fiber.status is not FiberStatus.FAILED, where)
        for index in range(len(fiber.frames)):
            _check_frame(machine, fiber, index, maps)
        if fiber.waiting_for is not None:
            effect = machine.open.get(fiber.waiting_for)
            require(effect is not None and effect.fiber == fiber.number, where)
            top = fiber.frames[-1]
            require(top.body.body.instructions[top.pc][0] is Op.PERFORM, where)
    for effect in machine.open.values():
        waiting = machine.fibers.get(effect.fiber)
        require(
            waiting is not None and waiting.waiting_for == effect.request.number,
            f"effect {effect.request.number}",
        )
    require(set(ready) <= machine.fibers.keys(), "the ready fibers")


def _check_frame(
    machine: Machine, fiber: Fiber, index: int, maps: dict[tuple[CodeHash, int], StackMap]
) -> None:
    frame = fiber.frames[index]
    body = frame.body
    function = body.owner.function
    where = f"the frame of {function.name} at instruction {frame.pc}"
    known = maps.get((function.hash, body.index))
    if known is None:
        known = stack_map(function, body.body, _resolver(machine.image))
        maps[function.hash, body.index] = known
    require(0 <= frame.pc < len(known.depths), where)
    depth = known.depths[frame.pc]
    _check_then(machine, fiber, index, where)
    above = fiber.frames[index + 1] if index + 1 < len(fiber.frames) else None
    if above is not None and above.then is None:
        # It has called, and what was called will push the result.
        require(frame.pc > 0 and body.body.instructions[frame.pc - 1][0] in _CALLS, where)
        depth = None if depth is None else depth - 1
    slots = body.body.locals
    require(depth is not None and len(frame.stack) == slots + depth, where)
    pendings = {slots + at for at in known.pendings.get(frame.pc, ())}
    for at, value in enumerate(frame.stack):
        if type(value) is Pending:
            require(at in pendings, where)
            check_target(fiber, index, value.frame, value.handler, where)
        else:
            require(value is None or at not in pendings, where)


def _check_then(machine: Machine, fiber: Fiber, index: int, where: str) -> None:
    match fiber.frames[index].then:
        case Finish() | Define():
            require(index == 0, where)
        case None | Retry():
            require(index > 0, where)
        case Search(_, number, frame, handler):
            require(index > 0 and frame >= 0 and handler >= 0, where)
            if number == fiber.number:  # else the machine looks whether that one is still there
                require(frame < index, where)
                check_target(fiber, index, frame, handler, where)


def check_target(fiber: Fiber, index: int, frame: int, handler: int, where: str) -> None:
    """Check where an unwinding or a search is to go: a handler of this frame or one below."""
    require(-1 <= frame <= index, where)
    if frame < 0:
        require(handler == -1, where)
    elif handler < 0:
        require(handler == -1 and isinstance(fiber.frames[frame].then, Search), where)
    else:
        require(handler < len(fiber.frames[frame].body.body.handlers), where)


def _resolver(image: Image) -> Callable[[CodeHash], Function | None]:
    def resolve(name: CodeHash) -> Function | None:
        found = image.functions.get(name)
        return None if found is None else found.function

    return resolve
