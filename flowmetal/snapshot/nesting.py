"""Fibers and scopes that somebody claims a machine has, held against each other.

The machine trusts that a scope's owner and members are there, that a fiber which is
blocked is known to what it waits for, and that an error which has been decided
about has somewhere to go. What is redundant in memory (the members of a
scope) is made here from what the snapshot says once.
"""

from __future__ import annotations

from flowmetal.bytecode.opcodes import Op
from flowmetal.snapshot.damage import require
from flowmetal.snapshot.frames import check_target
from flowmetal.values import FiberRef, Promise
from flowmetal.values.cells import OPEN
from flowmetal.vm.scopes import WAITING_NATIVES
from flowmetal.vm.state import Fiber, FiberStatus, Machine, Scope, Verdict


def check_scopes(machine: Machine) -> None:
    """Fill in the members of scopes. Raises SnapshotError FM0910 if they and the fibers disagree."""
    for fiber in machine.fibers.values():
        if fiber.number == 1:
            require(fiber.home == 0 and fiber.handle is None, "the first fiber")
            continue
        where = f"fiber {fiber.number}"
        home = machine.scopes.get(fiber.home)
        require(home is not None and fiber.handle is not None, where)
        assert home is not None
        assert fiber.handle is not None
        require(fiber.handle.number == fiber.number and fiber.handle.state == OPEN, where)
        home.members[fiber.number] = None
        home.workers += not fiber.service
        home.asked += fiber.asked
    for scope in machine.scopes.values():
        _check_scope(machine, scope)
        if scope.verdict is not None:
            machine.stopping.add(scope.owner)
    for fiber in machine.fibers.values():
        _check_fiber(machine, fiber)
        if fiber.asked:
            machine.stopping.add(fiber.number)


def _check_scope(machine: Machine, scope: Scope) -> None:
    where = f"scope {scope.number}"
    owner = machine.fibers.get(scope.owner)
    require(owner is not None and 0 <= scope.number < machine.next_scope, where)
    assert owner is not None
    if scope.number == 0:
        require(scope.owner == 1 and bool(scope.members) and scope.depth == -1, where)
        require(scope.verdict is None, where)
        return
    require(0 <= scope.depth < len(owner.frames), where)
    if scope.verdict is not None:
        _check_verdict(owner, scope.depth + 1, scope.verdict, where)


def _check_fiber(machine: Machine, fiber: Fiber) -> None:
    where = f"fiber {fiber.number}"
    if fiber.verdict is not None and _stands_at_wait(fiber):
        _check_verdict(fiber, len(fiber.frames), fiber.verdict, where)
    else:
        fiber.verdict = None  # of a wait that it has left already
    number, depth = fiber.scope, len(fiber.frames) - 1
    while number != fiber.home:
        scope = machine.scopes.get(number)
        require(scope is not None and scope.owner == fiber.number, where)
        assert scope is not None
        require(scope.depth <= depth and scope.parent < number, where)  # begun later, ended first
        number, depth = scope.parent, scope.depth
    require((fiber.status is FiberStatus.BLOCKED) == (fiber.blocked_on is not None), where)
    match fiber.blocked_on:
        case FiberRef() as handle:
            found = machine.fibers.get(handle.number)
            require(found is not None and found.handle is handle, where)
            require(fiber.number in handle.waiters, where)
        case Promise() as promise:
            require(promise.state == OPEN and fiber.number in promise.waiters, where)
        case int() as number:
            require(
                number == fiber.scope > 0 and machine.scopes[number].owner == fiber.number, where
            )
        case None:
            return
    require(_stands_at_wait(fiber), where)


def _stands_at_wait(fiber: Fiber) -> bool:
    if not fiber.frames:
        return False
    top = fiber.frames[-1]
    op, operand = top.body.body.instructions[top.pc]
    return op is Op.NATIVE and (top.body.owner.function.constants[operand][0] in WAITING_NATIVES)


def _check_verdict(fiber: Fiber, below: int, verdict: Verdict, where: str) -> None:
    require(verdict.frame < below, where)
    check_target(fiber, below, verdict.frame, verdict.handler, where)
