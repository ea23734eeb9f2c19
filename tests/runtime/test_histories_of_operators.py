"""What operators do with a run, one thing after the other, is in its history, which leads to where the run stands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest

import flowmetal
from flowmetal.embed.retention import Retention
from flowmetal.errors import RefusedError, RunError

HEAD = """
(ns o (:require [flow.event :refer [receive!]] [flow.async :refer [all!]]))
(defforeign away [x])
(defn f [] {version})
"""
ALONE = (
    HEAD
    + """
(defn main []
  (let [x (try (throw (ex-info "choose" {:type :choose})) (finally nil))]
    (println x)
    (try (receive! :go) (finally (f) (println "the end")))))
"""
)
BESIDE_OTHERS = (
    HEAD
    + """
(defn main []
  (all! (receive! :no) (receive! :go) (let [x (throw (ex-info "choose" {:type :choose}))] (receive! x) (f))))
"""
)
CHOICES: dict[str, Callable[[flowmetal.Engine, str], object]] = {
    "cancel": lambda engine, run: engine.cancel(run, "enough", drive=False),
    "value": lambda engine, run: engine.supply(run, "x"),
    "throw": lambda engine, run: engine.throw(run, "a/b", "other"),
}
THINGS = ("upgrade", "pause", "drive", "cancel", "trim", "fork on new code", "move")


@flowmetal.foreign("o/away")
def away(x: int) -> int:
    raise ConnectionError("no route")


@pytest.fixture
def engine() -> Iterator[flowmetal.Engine]:
    with flowmetal.Engine("memory:", functions=[away]) as opened:
        yield opened


def compiled(source: str, version: int) -> flowmetal.Program:
    return flowmetal.compile(source.replace("{version}", str(version)))


def parked(engine: flowmetal.Engine, program: flowmetal.Program, id: str) -> str:
    run, _ = engine.start(program, id=id)
    assert engine.drive(run).state == "failed"
    return run


def do(engine: flowmetal.Engine, run: str, thing: str, new: flowmetal.Program, file: Path) -> str:
    """Do a thing with a run, and return the run that came of it."""
    match thing:
        case "upgrade":
            engine.upgrade(run, new)
        case "pause":
            engine.pause(run)
        case "drive":
            engine.interpret(until_idle=True)
        case "cancel":
            engine.cancel(run, "enough", drive=False)
        case "trim":
            engine.collect(Retention(history_us=0, snapshots=1))
        case "fork on new code":
            return engine.fork(run, program=new).id
        case _:
            engine.export(run, str(file))
            engine.import_run(str(file))
            file.unlink()
    return run


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("source", [ALONE, BESIDE_OTHERS], ids=["alone", "beside others"])
def test_what_is_done_after_a_revival_leads_to_where_the_run_stands(
    engine, tmp_path: Path, source: str, choice: str
) -> None:
    old, new = compiled(source, 1), compiled(source, 2)
    for number, things in enumerate(product(THINGS, repeat=2)):
        run = parked(engine, old, f"run-{number}")
        CHOICES[choice](engine, run)
        for thing in things:
            with suppress(RunError, RefusedError):
                run = do(engine, run, thing, new, tmp_path / "r.fms")
            assert engine.verify(run).problems == [], (things, thing)


def test_a_run_that_is_asked_to_stop_twice_is_told_so_once_in_its_history(engine) -> None:
    run, _ = engine.start(
        compiled(f"{HEAD} (defn main [] (try (receive! :go) (finally (away 1))))", 1)
    )
    engine.interpret(until_idle=True)
    for reason in ("enough", "really"):
        engine.cancel(run, reason, drive=False)
    engine.interpret(until_idle=True)
    assert engine.view(run).state == "failed"
    assert [event.kind for event in engine.events(run)].count("cancel-requested") == 2
    assert engine.verify(run).problems == []


def test_a_run_that_computed_after_its_revival_when_it_was_asked_to_stop_has_a_sound_history(
    engine,
) -> None:
    source = f"""{HEAD}
    (def count-up (atom 0))
    (defn main []
      (throw (ex-info "choose" {{:type :choose}}))
      (all! (try (receive! :go) (finally (away @count-up)))
            (dotimes [_ 200000] (swap! count-up inc))))
    """
    run = parked(engine, compiled(source, 1), "run")
    engine.supply(run, 1)
    driver = threading.Thread(target=lambda: engine.interpret(until_idle=True))
    driver.start()
    while not any(event.kind == "effect-requested" for event in engine.events(run)):
        engine.store.wait_for_change(0.01)
    engine.cancel(run, "enough")
    driver.join(60)
    assert engine.view(run).state == "failed"
    assert engine.verify(run).problems == []
