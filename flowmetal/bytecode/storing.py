"""Whether the slot of a local has got its value at a place in a body."""

from __future__ import annotations

from flowmetal.bytecode.code import Body, Function
from flowmetal.bytecode.opcodes import Op, Operand
from flowmetal.bytecode.verifier import protecting


def has_value(function: Function, body: Body, pc: int, slot: int) -> bool:
    """Say whether a slot may hold anything before ``pc`` that was stored there, or given as an argument.

    A slot that is no parameter begins as nil, and before a loop the compiler clears those that nobody reads
    any more. So a literal nil counts for nothing: it cannot be told from that.
    """
    given = slot < body.parameters + body.variadic
    stores = {p for p, (op, n) in enumerate(body.instructions) if op is Op.SET_LOCAL and n == slot}
    clearing = {p for p in stores if _is_nil(function, body, p - 1)}
    before = _before(body)
    seen, ahead = {pc}, [pc]
    while ahead:
        place = ahead.pop()
        if place == 0 and given:
            return True
        for last in before.get(place, ()):
            if last in stores - clearing:
                return True
            if last not in seen and last not in clearing:
                seen.add(last)
                ahead.append(last)
    return False


def _is_nil(function: Function, body: Body, place: int) -> bool:
    op, operand = body.instructions[place]
    return op is Op.CONST and function.constants[operand] is None


def _before(body: Body) -> dict[int, list[int]]:
    """Return from where each instruction may be reached."""
    found: dict[int, list[int]] = {}
    protected = protecting(body)
    for place, (op, operand) in enumerate(body.instructions):
        targets = [place + 1] if op.falls_through else []
        if op.operand in (Operand.TARGET, Operand.BACK):
            targets.append(operand)
        elif op is Op.CASE:
            targets += [*body.tables[operand].targets, body.tables[operand].default]
        targets += [row.target for row in next(protected)]
        for target in targets:
            found.setdefault(target, []).append(place)
    return found
