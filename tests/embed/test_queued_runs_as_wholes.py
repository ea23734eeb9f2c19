"""Runs of a queue that are given new code, or written to a file, while the queue goes on without asking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import flowmetal
from flowmetal.embed import moving, upgrading
from flowmetal.errors import UsageError
from flowmetal.ids import InterpreterId, RunId
from flowmetal.store.operations.vocabulary import DeadLetters
from flowmetal.store.protocol import Claim, Commit, NewEvent, RunState
from flowmetal.values import encode_data, keyword
from tests.stores import url_of

SOURCE = """
(ns q (:require [flow.event :refer [receive!]] [flow.queue :refer [defqueue]]))
(defqueue jobs {:concurrency 1})
(defn job [n] {what})
(defn main [n] (run! (fn [i] (start! job [i] {:queue jobs :id (str "job-" i)})) (range n)))
"""
WAITS = flowmetal.compile(SOURCE.replace("{what}", "(receive! :go)"))
FAILS = flowmetal.compile(SOURCE.replace("{what}", '(throw (ex-info "no" {:type :no}))'))
WORKS = flowmetal.compile(SOURCE.replace("{what}", "n"))


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path):
    with flowmetal.Engine(url_of(request.param, request, tmp_path)) as opened:
        yield opened


def begun(engine: flowmetal.Engine, program: flowmetal.Program, count: int) -> None:
    engine.start(program, [count])
    engine.interpret(until_idle=True)


def letters(engine: flowmetal.Engine) -> list[str]:
    found = engine.perform(DeadLetters("q/jobs")).get(keyword("value"))
    return [letter.get(keyword("run")) for letter in found]


def test_a_dead_letter_that_is_upgraded_and_goes_on_is_none_any_more(engine) -> None:
    begun(engine, FAILS, 1)
    engine.upgrade("job-0", WORKS)
    assert letters(engine) == ["job-0"]
    engine.supply("job-0", 5)
    assert letters(engine) == []
    assert engine.result("job-0") == 5


def test_a_dead_letter_whose_export_failed_is_none_any_more_when_it_goes_on(
    engine, tmp_path: Path
) -> None:
    begun(engine, FAILS, 1)
    with pytest.raises(UsageError):
        engine.export("job-0", str(tmp_path / "nowhere" / "r.fms"))
    assert letters(engine) == ["job-0"]
    engine.supply("job-0", 5)
    assert letters(engine) == []


def test_a_run_that_moves_away_is_no_dead_letter_here(engine, tmp_path: Path) -> None:
    begun(engine, FAILS, 1)
    engine.export("job-0", str(tmp_path / "r.fms"))
    assert letters(engine) == []


@pytest.mark.parametrize("now", [False, True])
def test_a_failed_run_that_is_cancelled_is_no_dead_letter(engine, now: bool) -> None:
    begun(engine, FAILS, 1)
    assert engine.cancel("job-0", now=now) == "cancelled"
    assert letters(engine) == []


def finishing_the_first(
    engine: flowmetal.Engine, then: Callable[..., object]
) -> Callable[..., object]:
    """Return what lets the first run of the queue end, so that the second is admitted, and goes on then."""

    def doing(*arguments: object, **more: object) -> object:
        engine.signal("job-0", "go", 0)
        assert engine.result("job-0") == 0
        return then(*arguments, **more)

    return doing


def test_a_queued_run_that_is_admitted_while_its_export_fails_begins(
    engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **more: object) -> None:
        raise UsageError("FM1312", "no room", hint="make some")

    begun(engine, WAITS, 2)
    assert engine.view("job-1").state == "queued"
    monkeypatch.setattr(moving, "write_bytes", finishing_the_first(engine, fail))
    with pytest.raises(UsageError):
        engine.export("job-1")
    engine.interpret(until_idle=True)
    assert engine.view("job-1").state == "waiting"


def test_a_queued_run_that_is_admitted_while_it_gets_new_code_begins(
    engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(engine, WAITS, 2)
    monkeypatch.setattr(upgrading, "_look", finishing_the_first(engine, upgrading._look))
    engine.upgrade("job-1", WORKS)
    engine.interpret(until_idle=True)
    assert engine.view("job-1").state == "completed"


def test_a_queued_run_whose_upgrade_or_export_came_to_nothing_waits_in_its_queue(
    engine, tmp_path: Path
) -> None:
    begun(engine, WAITS, 2)
    engine.upgrade("job-1", WORKS)
    with pytest.raises(UsageError):
        engine.export("job-1", str(tmp_path / "nowhere" / "r.fms"))
    claim = engine.store.claim(
        RunId("job-1"), InterpreterId(engine.name), 10_000_000, even=(RunState.QUEUED,)
    )
    assert isinstance(claim, Claim)
    event = NewEvent("exported", "", 0, encode_data(None))
    engine.store.commit(claim, Commit((event,), RunState.EXPORTING))  # and its process dies
    engine.abandon_export("job-1")
    engine.interpret(until_idle=True)
    assert engine.view("job-1").state == "queued"
    engine.signal("job-0", "go", 0)
    engine.interpret(until_idle=True)
    assert engine.result("job-1") == 1
