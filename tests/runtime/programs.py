"""Programs made by hand: what the runtime needs to be tested without a compiler."""

from __future__ import annotations

from flowmetal.bytecode.code import Body, Definition, DefinitionKind, Function, Module, Program
from flowmetal.bytecode.opcodes import Op
from flowmetal.values import Value, hash_map, keyword


def program(*instructions: tuple[Op, Value], parameters: int = 0, locals: int = 8) -> Program:
    """A program whose ``t/main`` has these instructions; constants stand in place."""
    constants: list[Value] = []
    body: list[tuple[Op, int]] = []
    for op, operand in instructions:
        if op in (Op.CONST, Op.PERFORM):
            constants.append(operand)
            operand = len(constants) - 1
        body.append((op, operand))
    function = Function(
        "t/main", 0, tuple(constants), (), (Body(parameters, False, locals, tuple(body)),)
    )
    definition = Definition("t/main", DefinitionKind.FUNCTION, function.hash)
    return Program("t", (Module("t", (), (definition,), (function,)),))


def args(**pairs: Value) -> Value:
    return hash_map((keyword(name.replace("_", "-")), value) for name, value in pairs.items())


def performs(kind: str, count: int) -> Program:
    """Perform ``kind`` with {:i 1} ... {:i n} and return the sum of the results."""
    return program(
        (Op.CONST, 0), (Op.SET_LOCAL, 0),  # the sum
        (Op.CONST, 0), (Op.SET_LOCAL, 1),  # i
        (Op.LOCAL, 1), (Op.CONST, count), (Op.LT, 0), (Op.JUMP_IF_FALSE, 18),
        (Op.LOCAL, 1), (Op.INC, 0), (Op.SET_LOCAL, 1),
        (Op.LOCAL, 0), (Op.CONST, keyword("i")), (Op.LOCAL, 1), (Op.MAP, 1),
        (Op.PERFORM, kind), (Op.ADD, 0), (Op.JUMP, 20),
        (Op.LOCAL, 0), (Op.RETURN, 0),
        (Op.SET_LOCAL, 0), (Op.LOOP, 4),
    )  # fmt: skip


def sequence(*effects: tuple[str, Value]) -> Program:
    """Perform effects one after the other and return the vector of their results."""
    code: list[tuple[Op, Value]] = []
    for kind, given in effects:
        code += [(Op.CONST, given), (Op.PERFORM, kind)]
    return program(*code, (Op.VECTOR, len(effects)), (Op.RETURN, 0))
