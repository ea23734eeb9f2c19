"""A run asks another one: what it says, and what is said when it cannot answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import flowmetal
from flowmetal.embed.asking import Thrown
from flowmetal.values import pr_str
from tests.stores import url_of

TEXT = """(ns shop (:require [flow.event :as event :refer [defquery query receive!]]))
(def orders (atom []))
(defquery total "The sum." [factor] (* factor (reduce + @orders)))
(defquery many [] (map inc (range 3)))
(defquery wrong [] (throw (ex-info "no total" {:type :shop/none :n 1})))
(defquery odd [] (throw (ex-info "odd" {:type :shop/odd :f inc :xs (map inc [1])})))
(defquery stopped [] (throw (ex-info "stop" {:type :flow/cancelled})))
(defn till [] (loop [] (let [n (receive! :order)] (when n (swap! orders conj n) (recur)))) :closed)
(defn asks [run name args] (apply query run name args))
(defn tries [run name] (try (query run name) (catch :default e [(:type e) (:run (ex-data e)) (ex-message e)])))
(defn starts [] (let [child (start! till [] {:delay #dur "50ms"})] (query child :total 3)))
"""


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[flowmetal.Engine]:
    with flowmetal.Engine(url_of(request.param, request, tmp_path)) as made:
        yield made


def start(engine: flowmetal.Engine, entry: str, *arguments: object) -> str:
    run, _ = engine.start(flowmetal.compile(TEXT), [*arguments], entry=entry)
    return str(run)


def test_a_run_answers_another_whether_it_waits_or_has_ended(engine: flowmetal.Engine) -> None:
    till = start(engine, "till")
    for number in (3, 4):
        engine.signal(till, "order", number)
    engine.interpret(until_idle=True)
    assert engine.result(start(engine, "asks", till, "total", [2])) == 14
    assert pr_str(engine.result(start(engine, "asks", till, "shop/many", []))) == "(1 2 3)"
    engine.signal(till, "order", None)
    assert pr_str(engine.result(till)) == ":closed"
    asking = start(engine, "asks", till, "total", [1])
    assert engine.result(asking) == 7
    assert not engine.verify(asking).problems


def test_what_a_query_throws_reaches_whoever_asked_with_the_run(engine: flowmetal.Engine) -> None:
    till = start(engine, "till")
    engine.interpret(until_idle=True)
    found = engine.result(start(engine, "tries", till, "wrong"))
    assert pr_str(found) == f'[:shop/none "{till}" "no total"]'


def test_whatever_a_query_throws_is_an_error_that_the_asker_can_catch(
    engine: flowmetal.Engine,
) -> None:
    till = start(engine, "till")
    engine.interpret(until_idle=True)
    found = engine.result(start(engine, "tries", till, "odd"))
    assert pr_str(found) == f'[:shop/odd "{till}" "odd"]'
    found = engine.result(start(engine, "tries", till, "stopped"))
    assert pr_str(found) == '[:connector/failed nil "run/query was cancelled: stop"]'
    with pytest.raises(Thrown) as caught:
        engine.query(till, "odd")
    assert caught.value.diagnostics[0].notes == (
        "data {:type :shop/odd, :f #fn[flow.core/inc], :xs (...)}",
    )


def test_a_question_that_has_no_answer_says_why(engine: flowmetal.Engine) -> None:
    till = start(engine, "till")
    engine.interpret(until_idle=True)
    unknown = engine.result(start(engine, "tries", till, "sum"))
    assert pr_str(unknown) == f'[:query/unknown "{till}" "the program shop has no query sum"]'
    nobody = engine.result(start(engine, "tries", "nobody", "total"))
    assert pr_str(nobody) == '[:run/unknown "nobody" "there is no run nobody"]'


def test_a_run_that_has_not_begun_is_asked_again(engine: flowmetal.Engine) -> None:
    assert engine.result(start(engine, "starts")) == 0
