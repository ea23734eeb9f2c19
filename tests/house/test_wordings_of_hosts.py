"""What a host is told that hands over what no program takes, or that asks about its runs: in its own words."""

from __future__ import annotations

import asyncio
import sys

import pytest

import flowmetal
from flowmetal.embed.machine import image_of
from flowmetal.embed.rendering import render
from flowmetal.embed.views import diagnostic_of
from flowmetal.errors import FlowmetalError
from flowmetal.ids import InterpreterId, RunId
from flowmetal.store.protocol import Claim, RunState
from flowmetal.values import ErrorValue, FiberRef
from flowmetal.vm import machine as vm
from tests.house.sessions import compare, said_of, same_every_time

SHOP = """(ns shop
  (:require [flow.event :as event]
            [flow.json :as json]))

(defforeign draw {:queue "images"} [path])
(defn main [] (event/receive! :paid))
(defn nothing [])
(defn same [x] x)
(defn pictures [] (draw "photo.jpg"))
(defn asks [] (event/await-callback! (event/callback!)))
(defn waits [x] (await! x))
(defn nested [n]
  (json/write (reduce (fn [inner _] [inner]) nil (range n))))
"""


@pytest.fixture(scope="module")
def shop() -> flowmetal.Program:
    return flowmetal.compile(SHOP)


@pytest.fixture
def engine() -> flowmetal.Engine:
    with flowmetal.Engine("memory:") as engine:
        yield engine


def ended(error: ErrorValue | None) -> str:
    """Return what a host shows of the error that a run ended in."""
    assert error is not None
    return same_every_time(render([diagnostic_of(error)], {"<text>": SHOP}))


def refused(error: pytest.ExceptionInfo[FlowmetalError]) -> str:
    return said_of(error.value)


def test_a_value_that_is_not_data(engine: flowmetal.Engine, shop: flowmetal.Program) -> None:
    with pytest.raises(FlowmetalError) as caught:
        engine.start(shop, [{"total": print}], entry="same")
    compare("FM0330", refused(caught))


def test_a_value_that_has_no_form_in_json() -> None:
    with pytest.raises(FlowmetalError) as caught:
        flowmetal.from_python({"orders": {17, 18}})
    compare("FM0332", refused(caught))


def test_an_argument_that_no_function_takes(
    engine: flowmetal.Engine, shop: flowmetal.Program
) -> None:
    with pytest.raises(FlowmetalError) as caught:
        engine.start(shop, 17, entry="same")
    compare("FM1333", refused(caught))


def test_a_run_that_is_driven_in_a_running_loop(engine: flowmetal.Engine) -> None:
    async def drive() -> None:
        engine.interpret()

    with pytest.raises(FlowmetalError) as caught:
        asyncio.run(drive())
    compare("FM1139", refused(caught))


def test_a_cancelled_run(engine: flowmetal.Engine, shop: flowmetal.Program) -> None:
    run, _ = engine.start(shop, id="order-17")
    engine.interpret(until_idle=True)
    engine.cancel(run, "ordered twice")
    compare("FM0702", ended(engine.view(run).error))


def test_a_task_that_a_worker_fails(engine: flowmetal.Engine, shop: flowmetal.Program) -> None:
    run, _ = engine.start(shop, id="order-17", entry="pictures")
    engine.interpret(until_idle=True)
    task = engine.claim_task("images", "worker-1")
    assert task is not None
    engine.end_task(task.id, task.attempt, '{"message": "no paper left"}', failed=True)
    compare("FM0736", ended(engine.drive(run).error))


def test_a_callback_of_a_run_that_is_being_moved(
    engine: flowmetal.Engine, shop: flowmetal.Program
) -> None:
    from flowmetal.embed.moving import _keeping

    run, _ = engine.start(shop, id="order-17", entry="asks")
    engine.interpret(until_idle=True)
    claim = engine.store.claim(RunId(run), InterpreterId("mover"), 10_000_000)
    assert isinstance(claim, Claim)
    row = engine.store.load(claim).row
    engine.store.commit(claim, _keeping(row, RunState.EXPORTING, (), release=False))
    with pytest.raises(FlowmetalError) as caught:
        engine.complete_callback("order-17.1", "paid")
    compare("FM0737", refused(caught))


def test_a_fiber_of_another_run(shop: flowmetal.Program) -> None:
    # No host can give one to a machine; a snapshot that somebody has changed may have one.
    state = vm.start(image_of(shop), "shop/waits", (FiberRef(99),), RunId("r"), 1)
    compare("FM0743", ended(vm.run(state, vm.UNLIMITED).error))


def test_a_machine_with_hardly_any_stack_left(shop: flowmetal.Program) -> None:
    """Natives need little of Python's stack; a host that is deep in its own may have less."""
    machine = flowmetal.Machine(shop, 250, entry="nested")
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(_depth() + 200)
    try:
        error = machine.run().error
    finally:
        sys.setrecursionlimit(before)
    compare("FM0307", ended(error))


def _depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    return depth
