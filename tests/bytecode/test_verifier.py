"""What must not be run is refused, each kind of it."""

from __future__ import annotations

import pytest

from flowmetal.bytecode.code import Body, CaseTable, Function, Handler, HandlerKind
from flowmetal.bytecode.opcodes import Op
from flowmetal.bytecode.verifier import stack_map, verify
from flowmetal.errors import ProgramError
from flowmetal.ids import CodeHash
from flowmetal.values import vector
from tests.bytecode.samples import INNER, F, simple

KNOWN = {INNER.hash: INNER}
RETURN = (Op.RETURN, 0)
NIL = (Op.CONST, 0)
FINALLY = HandlerKind.FINALLY
ANY = HandlerKind.ANY


def refused(function: Function) -> str:
    with pytest.raises(ProgramError) as caught:
        verify(function, KNOWN.get)
    return caught.value.code


def test_the_sample_is_verified() -> None:
    verify(F, KNOWN.get)
    verify(INNER, KNOWN.get)


def test_the_depth_before_each_instruction_is_known() -> None:
    found = stack_map(F, F.bodies[0], KNOWN.get)
    assert found.depths[:16] == (0, 1, 0, 1, 0, 1, 0, 1, 1, 2, 1, 1, 0, 1, 2, 2)
    assert found.pendings == {14: (1,), 15: (1,)}


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (simple(), "FM0809"),
        (simple(NIL, RETURN), "FM0809"),
        (simple((Op.LOCAL, 1), RETURN), "FM0809"),
        (simple((Op.LOCAL, -1), RETURN), "FM0809"),
        (simple((Op.DUP, 1), RETURN), "FM0809"),
        (simple((Op.CAPTURED, 0), RETURN), "FM0809"),
        (simple((Op.CLOSURE, 0), RETURN), "FM0809"),
        (simple((Op.CLOSURE, 0), RETURN, functions=(CodeHash("0" * 32),)), "FM0806"),
        (simple((Op.CLOSURE, 0), RETURN, functions=(INNER.hash,)), "FM0810"),
        (simple((Op.VAR, 0), RETURN, constants=[1]), "FM0809"),
        (simple(NIL, (Op.PERFORM, 0), RETURN, constants=[None]), "FM0809"),
        (simple((Op.NATIVE, 0), RETURN, constants=["x"]), "FM0809"),
        (simple((Op.NATIVE, 0), RETURN, constants=[vector(["x", -1])]), "FM0809"),
        (simple((Op.NATIVE, 0), RETURN, constants=[vector(["x", True])]), "FM0809"),
        (simple((Op.NATIVE, 0), RETURN, constants=[vector(["x", 1])]), "FM0810"),
        (simple((Op.BIND, 0), RETURN, constants=[vector([1])]), "FM0809"),
        (simple((Op.POP, 0), RETURN), "FM0810"),
        (simple(RETURN), "FM0810"),
        (simple(NIL, (Op.CALL, 1), RETURN, constants=[None]), "FM0810"),
        (simple(NIL, (Op.MAP, 1 << 40), RETURN, constants=[None]), "FM0810"),
        (simple(NIL, constants=[None]), "FM0809"),
        (simple(NIL, RETURN, NIL, constants=[None]), None),
        (simple((Op.JUMP, 0), NIL, RETURN, constants=[None]), "FM0809"),
        (simple((Op.JUMP, 9), NIL, RETURN, constants=[None]), "FM0809"),
        (simple(NIL, (Op.JUMP_IF_FALSE, 3), NIL, NIL, RETURN, constants=[None]), "FM0810"),
        (simple(NIL, (Op.LOOP, 0), constants=[None]), "FM0810"),
        (simple((Op.LOOP, 1), NIL, RETURN, constants=[None]), "FM0809"),
        (simple((Op.LOOP, 0)), None),
        (simple(NIL, (Op.CASE, 0), NIL, RETURN, constants=[None]), "FM0809"),
        (simple(NIL, (Op.CASE, 0), NIL, RETURN, constants=[None], tables=(CaseTable((1,), (2,), 2),)), "FM0809"),
        (simple(NIL, (Op.CASE, 0), NIL, RETURN, constants=[None], tables=(CaseTable((0,), (), 2),)), "FM0809"),
        (simple(NIL, (Op.CASE, 0), NIL, RETURN, constants=[None], tables=(CaseTable((0,), (1,), 2),)), "FM0809"),
        (simple(NIL, (Op.CASE, 0), NIL, RETURN, constants=[None], tables=(CaseTable((0,), (2,), 2),)), None),
        (simple((Op.UNBIND, 0), NIL, RETURN, constants=[None]), "FM0811"),
        (simple(NIL, (Op.BIND, 1), NIL, RETURN, constants=[None, vector(["user/x"])]), "FM0811"),
        (simple(NIL, NIL, (Op.END_FINALLY, 0), RETURN, constants=[None]), None),
        (simple(NIL, (Op.LOCAL, 0), (Op.END_FINALLY, 0), RETURN, constants=[None]), "FM0811"),
    ],
)  # fmt: skip
def test_code_is_refused_or_not(function: Function, code: str | None) -> None:
    if code is None:
        verify(function, KNOWN.get)
    else:
        assert refused(function) == code


def protected(
    *rows: Handler, block: tuple[tuple[Op, int], ...] = ((Op.END_FINALLY, 0),)
) -> Function:
    """0 NIL, 1 POP, 2 NIL, 3 NIL, 4 the block, RETURN: 0 to 3 are protected by ``rows``."""
    return simple(NIL, (Op.POP, 0), NIL, NIL, *block, RETURN, constants=[None], handlers=rows)


def test_a_finally_block_is_verified() -> None:
    verify(protected(Handler(0, 3, 4, 0, FINALLY)), KNOWN.get)


@pytest.mark.parametrize(
    "row",
    [
        Handler(0, 3, 9, 0, FINALLY),
        Handler(0, 3, 2, 0, FINALLY),
        Handler(-1, 3, 4, 0, FINALLY),
        Handler(3, 0, 4, 0, FINALLY),
        Handler(0, 3, 4, -1, FINALLY),
        Handler(0, 3, 4, 1, FINALLY),
        Handler(0, 3, 4, 0, FINALLY, 1),
        Handler(0, 3, 4, 1, ANY),
        Handler(0, 3, 4, 1, HandlerKind.TYPE, 0),
        Handler(0, 3, 4, 1, HandlerKind.PREDICATE, 1),
    ],
)
def test_a_handler_that_does_not_fit_is_refused(row: Handler) -> None:
    assert refused(protected(row)) in ("FM0810", "FM0811")


@pytest.mark.parametrize(
    "block",
    [
        ((Op.POP, 0),),
        ((Op.DUP, 0), (Op.POP, 0), (Op.END_FINALLY, 0)),
        ((Op.SET_LOCAL, 0),),
        ((Op.VECTOR, 2),),
        ((Op.THROW, 0),),
    ],
)
def test_only_end_finally_takes_an_unwinding(block: tuple[tuple[Op, int], ...]) -> None:
    assert refused(protected(Handler(0, 3, 4, 0, FINALLY), block=block)) == "FM0811"


def test_returning_out_of_a_finally_range_is_refused() -> None:
    code = simple(
        NIL,
        RETURN,
        NIL,
        NIL,
        (Op.END_FINALLY, 0),
        RETURN,
        constants=[None],
        handlers=(Handler(0, 2, 4, 0, FINALLY),),
    )
    assert refused(code) == "FM0811"


def test_each_instruction_is_held_against_the_handlers_that_protect_it_alone() -> None:
    count = 20_000
    code = [*((Op.CONST, 0), (Op.POP, 0)) * count, NIL, RETURN]
    rows = tuple(Handler(at, at + 1, at + 1, 0, HandlerKind.ANY) for at in range(0, 2 * count, 2))
    verify(simple(*code, constants=[None], handlers=rows), KNOWN.get)


@pytest.mark.parametrize("item", [NIL, (Op.CONST, 1)])
def test_what_many_operands_below_a_finally_block_are_takes_no_space(item: tuple[Op, int]) -> None:
    count = 20_000
    made = [item] * count + [(Op.VECTOR, count), NIL]
    code = [*made, (Op.END_FINALLY, 0), RETURN]
    row = Handler(0, count + 2, count + 2, 0, FINALLY)
    verify(simple(*code, constants=[None, 1], handlers=(row,)), KNOWN.get)


def test_two_bodies_for_one_count_are_refused() -> None:
    body = Body(0, False, 0, (NIL, RETURN))
    assert refused(Function("user/f", 0, (None,), (), (body, body))) == "FM0811"
    assert refused(Function("user/f", 0, (None,), (), ())) == "FM0811"
    assert (
        refused(Function("user/f", 0, (None,), (), (Body(1, True, 1, (NIL, RETURN)),))) == "FM0811"
    )
