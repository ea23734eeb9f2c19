"""The table of instructions: the verifier moves the stack as each picture says."""

from __future__ import annotations

import pytest

from flowmetal.bytecode.code import CaseTable, Function
from flowmetal.bytecode.opcodes import Op
from flowmetal.bytecode.verifier import stack_map
from flowmetal.values import vector
from tests.bytecode.samples import INNER, simple

CONSTANTS = [None, "user/x", vector(["user/x", "user/y"]), vector(["flow.core/f", 2])]
NIL = (Op.CONST, 0)
NEEDS_BINDINGS = (NIL, NIL, (Op.BIND, 2))

# fmt: off
ROWS = [
    #   instruction   operand  before  after
    (Op.CONST,         0,       0,      1),
    (Op.LOCAL,         0,       0,      1),
    (Op.SET_LOCAL,     0,       1,      0),
    (Op.CAPTURED,      0,       0,      1),
    (Op.SELF,          0,       0,      1),
    (Op.VAR,           1,       0,      1),
    (Op.DYNAMIC,       1,       0,      1),
    (Op.POP,           0,       1,      0),
    (Op.DUP,           0,       1,      2),
    (Op.JUMP_IF_FALSE, 3,       1,      0),
    (Op.CALL,          2,       3,      1),
    (Op.APPLY,         1,       3,      1),
    (Op.CLOSURE,       0,       1,      1),
    (Op.PATCH,         0,       2,      1),
    (Op.NATIVE,        3,       2,      1),
    (Op.THROW,         0,       1,      1),
    (Op.END_FINALLY,   0,       2,      1),
    (Op.PERFORM,       1,       1,      1),
    (Op.DEF,           1,       1,      1),
    (Op.SET_VAR,       1,       1,      1),
    (Op.WRITE,         0,       1,      1),
    (Op.ADD,           0,       2,      1),
    (Op.SUB,           0,       2,      1),
    (Op.MUL,           0,       2,      1),
    (Op.LT,            0,       2,      1),
    (Op.LE,            0,       2,      1),
    (Op.GT,            0,       2,      1),
    (Op.GE,            0,       2,      1),
    (Op.EQ,            0,       2,      1),
    (Op.INC,           0,       1,      1),
    (Op.DEC,           0,       1,      1),
    (Op.NOT,           0,       1,      1),
    (Op.IS_NIL,        0,       1,      1),
    (Op.VECTOR,        3,       3,      1),
    (Op.MAP,           2,       4,      1),
    (Op.SET,           2,       2,      1),
]
# fmt: on


def depths(*code: tuple[Op, int], tables: tuple[CaseTable, ...] = ()) -> tuple[int | None, ...]:
    made: Function = simple(
        *code, constants=CONSTANTS, captures=1, functions=(INNER.hash,), tables=tables
    )
    return stack_map(made, made.bodies[0], {INNER.hash: INNER}.get).depths


@pytest.mark.parametrize(("op", "operand", "before", "after"), ROWS, ids=lambda row: str(row))
def test_the_stack_moves_as_the_picture_says(op: Op, operand: int, before: int, after: int) -> None:
    if op is Op.JUMP_IF_FALSE:
        operand = before + 1
    code = [NIL] * before + [(op, operand), NIL, (Op.RETURN, 0)]
    found = depths(*code)
    assert (found[before], found[before + 1]) == (before, after)


@pytest.mark.parametrize(
    ("op", "operand", "before"),
    [
        (Op.RETURN, 0, 1),
        (Op.TAIL_CALL, 2, 3),
        (Op.TAIL_APPLY, 1, 3),
        (Op.LOOP, 0, 0),
    ],
)
def test_nothing_follows_an_instruction_that_leaves(op: Op, operand: int, before: int) -> None:
    found = depths(*[NIL] * before, (op, operand), NIL, (Op.RETURN, 0))
    assert found[before + 1 :] == (None, None)
    assert not op.falls_through


def test_jumps_lead_where_they_say() -> None:
    assert depths((Op.JUMP, 2), NIL, NIL, (Op.RETURN, 0)) == (0, None, 0, 1)
    table = CaseTable((0,), (2,), 3)
    assert depths(NIL, (Op.CASE, 0), (Op.JUMP, 3), NIL, (Op.RETURN, 0), tables=(table,)) == (
        0,
        1,
        0,
        0,
        1,
    )


def test_bindings_begin_and_end() -> None:
    assert depths(*NEEDS_BINDINGS, (Op.UNBIND, 0), NIL, (Op.RETURN, 0)) == (0, 1, 2, 0, 0, 1)
