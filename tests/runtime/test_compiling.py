"""What a run may ask of the compiler: bounded work, and a copy of itself for its macros."""

from __future__ import annotations

import pytest

import flowmetal
from flowmetal.values import pr_str


@pytest.fixture
def engine():
    with flowmetal.Engine("memory:") as opened:
        yield opened


def result(engine, body: str) -> str:
    run, _ = engine.start(flowmetal.compile(f"(ns c) {body}"))
    found = pr_str(engine.result(run))
    assert engine.verify(run).problems == []
    return found


def caught(form: str) -> str:
    return f"(defn main [] (try {form} (catch :default e (ex-message (or (ex-cause e) e)))))"


def test_a_macro_that_goes_on_for_ever_is_stopped(engine) -> None:
    body = "(defmacro busy [] (loop [i 0] (recur (inc i)))) " + caught("(eval '(busy))")
    assert "the macros of one form took more than 2,000,000 steps" in result(engine, body)


def test_macros_that_make_macro_calls_share_one_budget(engine) -> None:
    body = "(defmacro more [n] (if (= n 0) 1 `(+ (more ~(dec n)) (more ~(dec n))))) "
    assert result(engine, body + caught("(eval '(more 6))")) == "64"
    found = result(engine, body + caught("(eval '(more 40))"))
    assert "the macros of one form took more than 2,000,000 steps" in found


def test_a_form_that_is_too_large_is_refused_before_it_is_compiled(engine) -> None:
    for form in (
        "(list 'quote (mapv vector (range 60000)))",
        "(reduce (fn [made _] (list '+ made made)) 1 (range 100))",
    ):
        assert "more than 50,000 lists" in result(engine, caught(f"(eval {form})"))


def test_macros_see_the_state_of_the_run_and_do_not_change_it(engine) -> None:
    body = """
      (def seen (atom [1]))
      (defmacro seen-now [] (swap! seen conj :macro) (list 'quote @seen))
      (defn main []
        (swap! seen conj 2)
        [(eval '(seen-now)) (eval '[(seen-now) (seen-now)]) @seen])"""
    assert result(engine, body) == "[[1 2 :macro] [[1 2 :macro] [1 2 :macro :macro]] [1 2]]"


def test_macros_see_what_was_defined_before_them_in_the_same_text(engine) -> None:
    body = """
      (defn main []
        (load-string "(def base 40) (defn plus [n] (+ base n)) (defmacro sum [n] (plus n)) (sum 2)"))"""
    assert result(engine, body) == "42"


def test_a_macro_sees_the_bindings_of_the_fiber(engine) -> None:
    body = """
      (def ^:dynamic *level* 0)
      (defmacro level [] *level*)
      (defn main [] (binding [*level* 3] (eval '(level))))"""
    assert result(engine, body) == "3"


def test_names_that_macros_make_up_are_never_the_same(engine) -> None:
    body = """
      (defmacro fresh [] (list 'quote (gensym "x")))
      (defn main [] (count (set [(eval '(fresh)) (eval '(fresh)) (gensym "x") (eval '(fresh))])))"""
    assert result(engine, body) == "4"


def test_of_many_fibers_one_goes_on_before_the_form_of_the_next_is_compiled(engine) -> None:
    body = "(defn main [] (flow.async/all! (println (eval '(+ 1 1))) (println (eval '(+ 1 2)))))"
    run, _ = engine.start(flowmetal.compile(f"(ns c) {body}"))
    assert pr_str(engine.result(run)) == "[nil nil]"
    assert [e.kind for e in engine.events(run) if e.kind in ("effect-resolved", "output")] == [
        *("effect-resolved", "output") * 2
    ]
    assert engine.verify(run).problems == []


def test_a_name_that_refer_all_has_lent_may_be_defined_later_too(engine) -> None:
    program = flowmetal.compile(
        "(ns c (:require [flow.string :refer :all])) (defn trim [x] [:mine x])"
        "(defn main [] (eval '(do (in-ns 'c) (defn trim [x] [:again x]) (defn lower-case [x] [:l x])"
        " (trim (lower-case 1)))))"
    )
    run, _ = engine.start(program)
    assert pr_str(engine.result(run)) == "[:again [:l 1]]"
