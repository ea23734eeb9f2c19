"""Errors of waiting for fibers, and of what stands on them, each by its code."""

from __future__ import annotations

import pytest

from flowmetal import Engine, compile
from flowmetal.ids import RunId
from flowmetal.values import FiberRef, FlowError
from flowmetal.vm.scopes import ROWS
from flowmetal.vm.state import Fiber

HEAD = "(ns p (:require [flow.async :refer :all]))\n"


def code_of(body: str) -> str | None:
    with Engine("memory:") as engine:
        run, _ = engine.start(compile(f"{HEAD}(defn main [] {body})"))
        view = engine.drive(run)
        assert view.error is not None, view
        return view.error.code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('(let [f (spawn! (fn [] (sleep! #dur "1h")))] (cancel! f "enough") (await! f))', "FM0742"),
        (
            '(pmap! (fn [x] (throw (ex-info "no" {}))) [1 2 3] {:tolerate 1})',
            "FM0745",
        ),
        ('(poll-until! (fn [] 1) {:until even? :every #dur "1ms" :max-attempts 2})', "FM0746"),
        ("(>! (chan 1) nil)", "FM0747"),
    ],
)
def test_an_error_of_fibers_has_its_code(body: str, code: str) -> None:
    assert code_of(body) == code


def test_a_fiber_of_another_run_cannot_be_awaited() -> None:
    wait = next(native for native in ROWS if native.name == "flow.core/-wait!")
    from flowmetal.bytecode.code import Program
    from flowmetal.embed.natives import natives
    from flowmetal.vm.link import Image
    from flowmetal.vm.state import Machine

    machine = Machine(RunId("r"), Image(Program("p", ()), natives()), "", ())
    with pytest.raises(FlowError) as caught:
        wait.call(machine, Fiber(1, []), FiberRef(99))
    assert caught.value.error.code == "FM0743"
