"""What the verifier does not know of values, the machine looks at: an error of the program, no crash."""

from __future__ import annotations

import pytest

from flowmetal.bytecode.code import Body, Function
from flowmetal.bytecode.opcodes import Op
from flowmetal.bytecode.verifier import verify
from flowmetal.embed.machine import Machine
from flowmetal.values import Value, vector
from flowmetal.vm.state import MachineStatus
from tests.fuzz.mutants import with_main
from tests.vm.programs import run


def error_of(constants: tuple[Value, ...], *code: tuple[Op, int]) -> tuple[str, str]:
    """Run verified code; return the type and the code of the error that it ends with."""
    main = Function("user/main", 0, constants, (), (Body(0, False, 0, code),))
    verify(main, {}.get)
    turn = Machine(with_main(main)).run()
    assert turn.status is MachineStatus.FAILED
    return turn.error.type.text, turn.error.code


@pytest.mark.parametrize("closure", [1, None, vector([1])])
def test_a_captured_value_is_set_only_in_a_closure(closure: Value) -> None:
    patch = ((Op.CONST, 0), (Op.CONST, 0), (Op.PATCH, 0), (Op.RETURN, 0))
    assert error_of((closure,), *patch) == ("type/mismatch", "FM0314")


def test_a_captured_value_that_a_closure_does_not_have_is_not_set() -> None:
    code = ((Op.SELF, 0), (Op.SELF, 0), (Op.PATCH, 3), (Op.RETURN, 0))
    assert error_of((), *code) == ("type/mismatch", "FM0314")


def test_only_text_is_written() -> None:
    assert error_of((5,), (Op.CONST, 0), (Op.WRITE, 0), (Op.RETURN, 0))[1] == "FM0314"


@pytest.mark.parametrize("count", [0, 2, 3])
def test_a_native_is_not_called_with_a_number_of_arguments_that_it_does_not_take(
    count: int,
) -> None:
    push = [(Op.CONST, 0)] * count
    constants = (1, vector(["flow.core/inc", count]))
    code = (*push, (Op.NATIVE, 1), (Op.RETURN, 0))
    assert error_of(constants, *code) == ("arity", "FM0303")


@pytest.mark.parametrize(
    "call",
    [
        "(#'flow.core/-intern! 1 2)",
        "(apply #'flow.core/-intern! [1 2])",
        "(let [f @#'flow.core/-intern!] (f 1 2))",
        "(do (#'flow.core/-intern! 1 2) 3)",
        "(#'flow.core/-write 5)",
    ],
)
def test_the_library_s_own_functions_refuse_what_they_do_not_take(call: str) -> None:
    turn = run(f"(defn main [] {call})")
    assert turn.error is not None
    assert turn.error.code == "FM0314"
    caught = run(f"(defn main [] (try {call} (catch :type/mismatch e :caught)))")
    assert str(caught.result) == ":caught"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("await! 5", "`await!` needs a fiber, a promise or a run, got 5"),
        (
            'await! "till"',
            '`await!` needs a fiber, a promise or a run, got "till": the run of that id is #flow/run "till"',
        ),
        (
            'cancel! "till"',
            '`cancel!` needs a fiber, a scope or a run, got "till": the run of that id is #flow/run "till"',
        ),
    ],
)
def test_who_gives_the_id_of_a_run_is_told_how_to_write_the_run(call: str, message: str) -> None:
    turn = run(f"(defn main [] ({call}))")
    assert turn.error is not None
    assert turn.error.message == message


@pytest.mark.parametrize("thunk", ["5", ":k", "inc", "nil"])
def test_a_lazy_sequence_is_made_of_a_function_that_can_be_saved(thunk: str) -> None:
    turn = run(f"(defn main [] (make-lazy-seq {thunk}))")
    assert turn.error is not None
    assert turn.error.type.text == "type/mismatch"
