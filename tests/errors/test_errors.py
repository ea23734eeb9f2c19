"""Errors as Python exceptions: every one of them can leave the process that it was raised in."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

import flowmetal
from flowmetal.errors import FlowmetalError, Incomplete, RunError


def _of_the_compiler() -> None:
    flowmetal.compile("(defn main [] (printn 1) (foo))")


def _of_a_run() -> None:
    with flowmetal.Engine("memory:") as engine:
        program = flowmetal.compile('(defn main [] (throw (ex-info "no money" {:amount 10})))')
        engine.result(engine.start(program)[0])


def _of_a_function() -> None:
    raise flowmetal.EffectFailed.of("card/declined", "no money", {"amount": 10})


def _of_a_machine() -> None:
    flowmetal.Machine(flowmetal.compile("(defn main [x] x)"), object())


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
@pytest.mark.parametrize("fails", [_of_the_compiler, _of_a_run, _of_a_function, _of_a_machine])
def test_an_error_is_the_same_when_it_has_been_to_another_process(
    fails: Callable[[], None], again: Callable[[BaseException], BaseException]
) -> None:
    with pytest.raises(Exception) as raised:
        fails()
    error = raised.value
    same = again(error)
    assert type(same) is type(error)
    assert str(same) == str(error)
    assert same.args == error.args
    assert vars(same).keys() == vars(error).keys()
    if isinstance(error, FlowmetalError):
        assert isinstance(same, FlowmetalError)
        assert same.diagnostics == error.diagnostics
    if isinstance(error, flowmetal.RunFailed):
        assert isinstance(same, flowmetal.RunFailed)
        assert same.view.error == error.view.error


def test_errors_of_every_kind_are_pickled() -> None:
    kinds: list[type[FlowmetalError]] = [FlowmetalError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    assert {Incomplete, RunError} < set(kinds)
    for kind in kinds:
        error = kind.__new__(kind, "what is wrong")
        assert pickle.loads(pickle.dumps(error)).args == ("what is wrong",)
