"""Forms that do not end the scopes that they have begun: no compiler of ours makes such code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import pytest

from flowmetal.bytecode.code import Body, Function, Handler, HandlerKind, Program
from flowmetal.bytecode.opcodes import Op
from flowmetal.bytecode.verifier import verify
from flowmetal.embed.natives import natives
from flowmetal.errors import ProgramError
from flowmetal.ids import RunId
from flowmetal.snapshot import decode, encode
from flowmetal.values import Duration, hash_map, keyword, vector
from flowmetal.vm import machine as vm
from flowmetal.vm.link import Image
from flowmetal.vm.state import MachineStatus
from tests.fuzz.mutants import run_verified, with_main
from tests.vm.fibers import failure

CONSTANTS = (
    vector(["flow.core/-open-scope!", 0]), vector(["flow.core/-close-scope!", 1]), None,
    "flow.core/spawn!", "time/sleep", hash_map([(keyword("for"), Duration(1_000_000))]),
)  # fmt: skip
OPEN, CLOSE, NIL = (Op.NATIVE, 0), (Op.NATIVE, 1), (Op.CONST, 2)
POP, RETURN, THROW, SELF = (Op.POP, 0), (Op.RETURN, 0), (Op.THROW, 0), (Op.SELF, 0)
SLEEP = ((Op.CONST, 5), (Op.PERFORM, 4))
END = (NIL, RETURN)


def body(*code: tuple[Op, int], parameters: int = 0, handlers: tuple[Handler, ...] = ()) -> Body:
    return Body(parameters, False, parameters, code, handlers)


def main(*bodies: Body) -> Function:
    return Function("user/main", 0, CONSTANTS, (), bodies)


def handler(kind: HandlerKind, start: int, end: int, target: int) -> Handler:
    return Handler(start, end, target, 0, kind, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        body(OPEN, RETURN),
        body(NIL, CLOSE, RETURN),
        body(OPEN, POP, OPEN, CLOSE, RETURN),
        body(NIL, (Op.JUMP_IF_FALSE, 4), OPEN, POP, *END),
        body(OPEN, POP, NIL, THROW, RETURN, handlers=(handler(HandlerKind.ANY, 0, 4, 4),)),
        body(OPEN, POP, SELF, (Op.TAIL_CALL, 0)),
    ],
)
def test_code_that_leaves_a_scope_open_is_refused(wrong: Body) -> None:
    with pytest.raises(ProgramError) as refused:
        verify(main(wrong), {}.get)
    assert refused.value.code == "FM0811"


def test_code_that_ends_its_scope_on_each_way_is_accepted() -> None:
    ends = (NIL, NIL, OPEN, CLOSE, POP, (Op.END_FINALLY, 0), RETURN)
    verify(main(body(OPEN, CLOSE, RETURN)), {}.get)
    verify(main(body(*ends, handlers=(handler(HandlerKind.FINALLY, 0, 1, 2),))), {}.get)


def test_scopes_are_not_opened_by_a_value() -> None:
    assert failure("((deref (resolve 'flow.core/-open-scope!)))").error.code == "FM0748"


def test_the_members_of_a_scope_whose_form_is_gone_are_cancelled_and_waited_for() -> None:
    leaves = (OPEN, POP, (Op.VAR, 3), SELF, NIL, (Op.CALL, 2), POP, *SLEEP, POP, NIL, THROW, CLOSE)
    ends = (OPEN, (Op.SET_LOCAL, 0), *SLEEP, NIL, (Op.LOCAL, 0), CLOSE, POP, (Op.END_FINALLY, 0))
    caught = handler(HandlerKind.ANY, 0, 4, 4)
    function = main(
        body(SELF, NIL, NIL, (Op.CALL, 2), POP, *SLEEP, RETURN, handlers=(caught,)),
        body(*ends, RETURN, parameters=1, handlers=(handler(HandlerKind.FINALLY, 2, 5, 5),)),
        body(*leaves, RETURN, parameters=2),
    )
    machine = run_saved(with_main(function))
    assert machine.status is MachineStatus.COMPLETED
    assert (machine.scopes, list(machine.fibers)) == ({}, [1])


@pytest.mark.parametrize("found", ["d865755616"])
def test_what_a_fuzzer_has_found_can_be_saved(found: str) -> None:
    run_verified(bytes.fromhex(found))


def _chosen(chunks: Mapping[str, bytes], names: Iterable[str]) -> dict[str, bytes]:
    return {name: chunks[name] for name in names}


def run_saved(program: Program) -> vm.Machine:
    """Run a program, saved and read again after each turn; every effect has the result 1."""
    image = Image(program, natives())
    machine = vm.start(image, "user/main", [], RunId("saved"))
    while vm.run(machine, 100_000).status is MachineStatus.WAITING:
        saved = encode(machine)
        machine = decode(saved.data, image, partial(_chosen, saved.chunks))
        for number in list(machine.open):
            vm.deliver(machine, vm.EffectResult(number, 1), 0, number)
    return machine
