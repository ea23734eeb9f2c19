"""A retried step whose time is up gives up what is in flight; nobody knows whether that was done."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import flowmetal
from flowmetal.embed.retention import Retention

HEAD = """
(ns t (:require [flow.event :refer [receive!]] [flow.saga :refer [compensate! saga!]]))
(def policy {:max-attempts 3 :backoff #dur "1ms"})
"""
PAY = "(defforeign pay {:at-most-once true} [x])"
STEP = '(defn main [] (step! "pay" {:retry policy :timeout #dur "700ms"} (pay 1)))'


def engine(url: str, keys: list[str], hanging: int) -> flowmetal.Engine:
    @flowmetal.foreign("t/pay")
    async def pay(x: int, idempotency_key: str) -> int:
        keys.append(idempotency_key)
        if len(keys) <= hanging:
            await asyncio.sleep(60)
        return x

    return flowmetal.Engine(url, functions=[pay])


def test_an_at_most_once_effect_that_was_given_up_is_in_doubt_when_the_step_asks_again() -> None:
    keys: list[str] = []
    with engine("memory:", keys, hanging=1) as made:
        run, _ = made.start(flowmetal.compile(HEAD + PAY + STEP))
        view = made.drive(run)
        assert view.error is not None
        assert view.error.type.text == "effect/in-doubt"
        assert len(keys) == 1
        made.retry(run)  # somebody has looked, and says that it is to be done
        assert made.drive(run).result == 1
    assert keys == keys[:1] * 2


def test_any_other_effect_is_asked_for_again_under_its_key() -> None:
    keys: list[str] = []
    with engine("memory:", keys, hanging=1) as made:
        run, _ = made.start(flowmetal.compile(HEAD + "(defforeign pay [x])" + STEP))
        assert made.result(run) == 1
    assert keys == keys[:1] * 2


def test_a_bound_function_of_an_earlier_attempt_asks_under_keys_of_this_one() -> None:
    source = """(ns t) (defforeign pay [x])
      (defn main []
        (let [earlier (atom nil)]
          (step! "pay" {:retry {:max-attempts 3 :backoff #dur "1ms"}}
            (when-not @earlier (reset! earlier (bound-fn [] [(attempt) (pay 9)])))
            (pay 1)
            (when (= (attempt) 1) (throw (ex-info "again" {})))
            [(@earlier) (pay 9)])))"""
    keys: list[str] = []
    with engine("memory:", keys, hanging=0) as made:
        run, _ = made.start(flowmetal.compile(source))
        assert str(made.result(run)) == "[[2 9] 9]"
    assert len(keys) == 4
    assert len(set(keys)) == 3  # of pay 1, in two attempts, and of each pay 9


WAITS = """
  (defn main []
    (step! "pay" {:retry policy}
      (try (flow.async/with-timeout! #dur "700ms" (pay 1))
           (catch :timeout e (receive! :go) (throw (ex-info "again" {})))
           (catch :effect/in-doubt e :in-doubt))))"""


def test_what_was_given_up_is_in_doubt_in_a_fork_unless_it_is_to_be_performed() -> None:
    keys: list[str] = []
    with engine("memory:", keys, hanging=1) as made:
        run, _ = made.start(flowmetal.compile(HEAD + PAY + WAITS))
        made.interpret(until_idle=True)
        for perform, result, performed in ((False, ":in-doubt", 1), (True, "1", 2)):
            fork = made.fork(run, perform=perform).id
            made.signal(fork, "go")
            assert str(made.result(fork)) == result
            assert len(set(keys)) == len(keys) == performed


def test_what_was_given_up_is_in_doubt_in_a_fork_of_any_point_behind_it() -> None:
    keys: list[str] = []
    with engine("memory:", keys, hanging=1) as made:
        run, _ = made.start(flowmetal.compile(HEAD + PAY + WAITS))
        made.interpret(until_idle=True)
        made.signal(run, "go")
        assert str(made.result(run)) == ":in-doubt"
        seq = {(event.kind, event.name): event.seq for event in made.events(run)}
        its_time_was_up = next(e.seq for e in made.events(run) if e.kind == "effect-abandoned") - 2
        for at in range(its_time_was_up, seq["completed", ""] - 1):
            fork = made.fork(run, at=at).id
            made.interpret(until_idle=True)
            if made.view(fork).result is None:
                made.signal(fork, "go")
            assert str(made.result(fork)) == ":in-doubt", at
            assert not made.verify(fork).problems
        assert len(keys) == 1
        fork = made.fork(run, at=its_time_was_up, perform=True).id
        made.signal(fork, "go")
        assert made.result(fork) == 1


def test_what_was_given_up_is_in_doubt_in_a_fork_though_the_history_was_trimmed() -> None:
    keys: list[str] = []
    with engine("memory:", keys, hanging=1) as made:
        waits = WAITS.replace("(receive! :go)", "(receive! :zero) (receive! :one) (receive! :go)")
        run, _ = made.start(flowmetal.compile(HEAD + PAY + waits))
        made.interpret(until_idle=True)
        made.signal(run, "zero")
        made.interpret(until_idle=True)
        assert made.collect(Retention(history_us=0)).events
        assert "effect-abandoned" not in [event.kind for event in made.events(run)]
        at = max(event.seq for event in made.events(run))
        made.signal(run, "one")
        made.interpret(until_idle=True)
        fork = made.fork(run, at=at).id
        made.signal(fork, "one")
        made.signal(fork, "go")
        assert str(made.result(fork)) == ":in-doubt"
        assert len(keys) == 1


def test_what_was_given_up_is_in_doubt_after_a_restart_and_at_another_place(tmp_path: Path) -> None:
    keys: list[str] = []
    with engine("memory:", keys, hanging=1) as made:
        run, _ = made.start(flowmetal.compile(HEAD + PAY + WAITS))
        made.interpret(until_idle=True)
        file = made.export(run, str(tmp_path / "run.fms"))
    with engine(f"sqlite:{tmp_path / 'runs.db'}", keys, hanging=1) as made:
        made.import_run(file)
        made.interpret(until_idle=True)
    with engine(f"sqlite:{tmp_path / 'runs.db'}", keys, hanging=1) as made:
        made.signal(run, "go")
        made.interpret(until_idle=True)
        assert str(made.result(run)) == ":in-doubt"
        assert not made.verify(run).problems
    assert len(keys) == 1


@pytest.mark.parametrize(
    "body",
    [
        "(saga! (pay 1))",
        "(do (now!) (saga! (saga! (now!) (pay 1))))",
        '(saga! (step! "inner" {:retry 2} (pay 1)))',
        '(saga! (compensate! println 1) (now!) (step! "inner" {} (saga! (pay 1))))',
    ],
)
def test_what_was_given_up_in_a_saga_is_in_doubt_when_the_step_asks_again(body: str) -> None:
    keys: list[str] = []
    step = f'(defn main [] (step! "pay" {{:retry policy :timeout #dur "700ms"}} {body}))'
    with engine("memory:", keys, hanging=1) as made:
        run, _ = made.start(flowmetal.compile(HEAD + PAY + step))
        error = made.drive(run).error
        assert error is not None
        assert error.type.text == "effect/in-doubt"
        assert not made.verify(run).problems
    assert len(keys) == 1


def test_what_a_saga_asks_for_in_the_place_of_what_was_given_up_is_another_effect() -> None:
    keys: list[str] = []
    step = (
        '(defn main [] (step! "pay" {:retry policy :timeout #dur "700ms"} (saga! (pay (attempt)))))'
    )
    with engine("memory:", keys, hanging=1) as made:
        run, _ = made.start(flowmetal.compile(HEAD + PAY + step))
        assert made.result(run) == 2
    assert len(set(keys)) == len(keys) == 2


def test_what_is_verified_is_looked_for_once_and_then_done() -> None:
    keys: list[str] = []
    source = """
      (def asked (atom 0))
      (defn done? [e] (swap! asked inc) nil)
      (defn main []
        [(step! "pay" {:retry policy :timeout #dur "700ms"}
           (flow.core/-effect! "pay" {:args [1]} {:verify done?} #{}
             (fn [args] (perform :t/pay args))))
         @asked])"""
    with engine("memory:", keys, hanging=1) as made:
        run, _ = made.start(flowmetal.compile(HEAD + "(defforeign pay [x])" + source))
        assert str(made.result(run)) == "[1 1]"
    assert keys == keys[:1] * 2


def test_what_was_given_up_elsewhere_is_in_doubt_for_a_quick_function(tmp_path: Path) -> None:
    url, called = f"sqlite:{tmp_path / 'runs.db'}", []

    @flowmetal.foreign("t/pay")
    def pay(x: int) -> int:
        called.append(x)
        return x

    with flowmetal.Engine(url) as made:  # its call is offered to others, and given up
        run, _ = made.start(flowmetal.compile(HEAD + PAY + WAITS))
        while not any(wait.name == "go" for wait in made.view(run).waiting):
            made.store.wait_for_change(0.05)
            made.interpret(until_idle=True)
    with flowmetal.Engine(url, functions=[pay]) as made:
        made.signal(run, "go")
        assert str(made.result(run)) == ":in-doubt"
        assert not made.verify(run).problems
    assert called == []
