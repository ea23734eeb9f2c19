"""A failed effect that the store performs is retried: what answers it the second time reaches the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowmetal import Engine, compile
from flowmetal.store.operations.vocabulary import ClaimTask, EndTask
from flowmetal.values import keyword
from tests.stores import url_of

PROGRAM = compile("""
(ns p (:require [flow.event :refer [await-callback! callback! receive! signal!]]
                      [flow.saga :refer [compensate! saga!]]))
(defforeign resize {:queue "images" :retry 2} [x])
(defn kid [x] (if (= x :good) :grown (throw (ex-info "ill" {}))))
(defn sender [] (signal! #flow/run "later" :go 1) :sent)
(defn tasker [] (resize 1))
(defn parent [] (await! (start! kid [:bad] {:id "kid"})))
(defn undone [x] (saga! (compensate! println x) (throw (ex-info "ill" {}))))
(defn guarded [] (saga! {:park true} (compensate! println 1) (await! (start! undone [2] {:id "kid"}))))
(defn caller [] (await-callback! (callback! {:name "x"})))
(defn later [] (receive! :go))
""")
BROKEN = '{"type": "image/broken", "message": "no image", "retryable": false}'


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with Engine(url_of(request.param, request, tmp_path)) as engine:
        yield engine


def driven(engine: Engine, run: str) -> str:
    engine.interpret(until_idle=True)
    return engine.view(run).state


def work(engine: Engine, result: str, *, failed: bool = False) -> tuple[str, int]:
    """Claim the task and say what it came to; return its id and the attempt."""
    claimed = engine.perform(ClaimTask("images", "w"))
    task, attempt = claimed.get(keyword("id")), claimed.get(keyword("attempt"))
    assert task is not None
    said = engine.perform(EndTask(task, attempt, result, failed))
    assert said.get(keyword("value"))
    return task, attempt


def test_an_operation_of_the_store_is_answered_anew(engine: Engine) -> None:
    engine.start(PROGRAM, entry="sender", id="s")
    assert driven(engine, "s") == "failed"
    engine.start(PROGRAM, entry="later", id="later")
    engine.retry("s")
    assert driven(engine, "s") == "completed"
    assert engine.verify("s").problems == []


def test_a_task_that_failed_is_offered_again_and_its_result_arrives(engine: Engine) -> None:
    engine.start(PROGRAM, entry="tasker", id="t")
    driven(engine, "t")
    task, first = work(engine, BROKEN, failed=True)
    assert driven(engine, "t") == "failed"
    engine.retry("t")
    driven(engine, "t")
    late = engine.perform(EndTask(task, first, "7"))
    assert not late.get(keyword("value"))
    assert work(engine, BROKEN, failed=True) == (task, first + 1)  # the same word, and a new one
    assert driven(engine, "t") == "failed"
    engine.retry("t")
    driven(engine, "t")
    work(engine, "5")
    assert driven(engine, "t") == "completed"
    assert engine.view("t").result == 5
    assert engine.verify("t").problems == []


def test_a_parent_gets_what_its_child_came_to_when_both_go_on(engine: Engine) -> None:
    engine.start(PROGRAM, entry="parent", id="p")
    assert driven(engine, "p") == "failed"
    engine.retry("p")
    assert driven(engine, "p") == "failed"  # the child is what it was
    engine.supply("kid", 7)
    assert driven(engine, "kid") == "completed"
    engine.retry("p")
    assert driven(engine, "p") == "completed"
    assert engine.view("p").result == 7
    assert engine.verify("p").problems == []


def test_a_parent_that_has_compensated_nothing_is_tried_again_when_its_child_has(
    engine: Engine,
) -> None:
    engine.start(PROGRAM, entry="guarded", id="p")
    assert driven(engine, "p") == "failed"
    engine.supply("kid", 7)
    assert driven(engine, "kid") == "completed"
    engine.retry("p")
    assert driven(engine, "p") == "completed"
    assert engine.view("p").result == 7
    assert engine.verify("p").problems == []


def test_a_callback_that_has_failed_fails_again(engine: Engine) -> None:
    engine.start(PROGRAM, entry="caller", id="c")
    driven(engine, "c")
    engine.complete_callback("c.1", failed=True)
    for _ in range(2):
        assert driven(engine, "c") == "failed"
        engine.retry("c")
    assert driven(engine, "c") == "failed"
