from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import flowmetal
from flowmetal.embed.asking import Thrown
from flowmetal.errors import RunError, UsageError
from tests.stores import url_of

SHOP = """(ns shop (:require [flow.event :as event :refer [defquery]]))
(def orders (atom [1 2 3]))
(defquery total "Sum of the orders." [] (reduce + @orders))
(defquery above [least] (filter #(> % least) @orders))
(defquery breaks [] (sleep! #dur "1s"))
(defquery changes [] (swap! orders conj 100))
(defquery endless [] (loop [] (recur)))
(defn hidden [] @orders)
(defn main [end]
  (swap! orders conj 4)
  (event/receive! :go)
  (if (= end :fail) (throw (ex-info "no" {})) @orders))
"""


@pytest.fixture(params=["memory", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[flowmetal.Engine]:
    with flowmetal.Engine(url_of(request.param, request, tmp_path)) as engine:
        yield engine


def waiting(engine: flowmetal.Engine, end: object = None) -> str:
    run = engine.start(flowmetal.compile(SHOP), [end])[0]
    engine.interpret(until_idle=True)
    return run


def test_a_query_reads_a_run_that_waits(engine) -> None:
    run = waiting(engine)
    assert engine.query(run, "total") == 10
    assert engine.query(run, "shop/total") == 10


def test_arguments_are_those_of_the_function_and_the_answer_is_realised(engine) -> None:
    assert list(engine.query(waiting(engine), "above", 2)) == [3, 4]


def test_a_query_changes_nothing(engine) -> None:
    run = waiting(engine)
    before = len(list(engine.events(run)))
    assert list(engine.query(run, "changes"))[-1] == 100
    assert engine.query(run, "total") == 10
    assert len(list(engine.events(run))) == before


def test_the_past_is_asked_for_the_queries_of_the_program_of_then(engine) -> None:
    run = waiting(engine)
    before = max(event.seq for event in engine.events(run))
    new = SHOP.replace("defquery total", "defquery sum").replace("> %", "< %")
    engine.upgrade(run, flowmetal.compile(new))
    assert (engine.query(run, "total", at=before), engine.query(run, "sum")) == (10, 10)
    assert list(engine.query(run, "above", 2, at=before)) == [3, 4]
    assert list(engine.query(run, "above", 2)) == [1]
    for name, at in (("total", None), ("sum", before)):
        with pytest.raises(UsageError, match=f"has no query {name}"):
            engine.query(run, name, at=at)


def test_a_fork_answers_before_anybody_drives_it(engine) -> None:
    from flowmetal.values import keyword

    run = waiting(engine, keyword("fail"))
    before = max(event.seq for event in engine.events(run))
    assert engine.query(engine.fork(run).id, "total") == 10
    engine.signal(run, "go")
    engine.interpret(until_idle=True)
    failed = engine.fork(run).id
    assert engine.view(failed).state == "failed"
    assert engine.query(failed, "total") == 10
    assert engine.query(engine.fork(run, at=before).id, "total") == 10


@pytest.mark.parametrize(("end", "state"), [(None, "completed"), ("fail", "failed")])
def test_runs_that_have_ended_answer_too(engine, end, state) -> None:
    from flowmetal.values import keyword

    run = waiting(engine, keyword(end) if end else None)
    engine.signal(run, "go")
    engine.interpret(until_idle=True)
    assert engine.view(run).state == state
    assert engine.query(run, "total") == 10


def test_effects_are_refused_in_a_query(engine) -> None:
    with pytest.raises(Thrown) as caught:
        engine.query(waiting(engine), "breaks")
    assert "time/sleep" in caught.value.message


def test_a_query_without_end_is_stopped(engine) -> None:
    with pytest.raises(Thrown):
        engine.query(waiting(engine), "endless")


@pytest.mark.parametrize("name", ["hidden", "main", "totl", "flow.core/inc", ""])
def test_what_is_no_query_is_not_asked(engine, name) -> None:
    with pytest.raises(UsageError) as caught:
        engine.query(waiting(engine), name)
    assert caught.value.code == "FM1332"


def test_a_run_that_has_not_begun_says_so(engine) -> None:
    run = engine.start(flowmetal.compile(SHOP), [None])[0]
    with pytest.raises(RunError) as caught:
        engine.query(run, "total")
    assert caught.value.code == "FM1133"


def test_wrong_arguments_are_the_error_of_the_query(engine) -> None:
    with pytest.raises(Thrown):
        engine.query(waiting(engine), "total", 1, 2)


def test_the_command_prints_the_answer(shell) -> None:
    shell.write("shop.flow", SHOP)
    run = shell("fmvm", "start", "shop.flow", "x").out.strip()
    shell("fmvm", "interpreter", "--until-idle")
    assert shell("fmvm", "query", run, "total").out == "10\n"
    assert shell("fmvm", "query", run, "above", "[2]", "--json").out == "[3, 4]\n"
    assert shell("fmvm", "query", run, "above", "2").out == "(3 4)\n"
    assert shell("fmvm", "query", run, "totl").status == 2
    assert shell("fmvm", "query", run, "breaks").status == 1
