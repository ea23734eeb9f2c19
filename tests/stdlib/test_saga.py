"""Sagas, and effects that say how to find out and how to undo."""

from __future__ import annotations

import pytest

from flowmetal.effects.requests import EffectRequest
from flowmetal.values import FlowError, Value, keyword, pr_str
from flowmetal.vm.machine import deliver
from flowmetal.vm.state import Overdue
from flowmetal.vm.unwinding import is_cleaning_up
from tests.stdlib.world import World, failure
from tests.vm.fibers import World as Clock


def program(body: str) -> str:
    return (
        "(ns main (:require [flow.saga :refer [saga! compensate! step+undo!]]"
        " [flow.retry :as retry] [flow.http :as http]))\n"
        "(def log (atom []))\n"
        "(defn note [x] (swap! log conj x))\n"
        f"(defn main [& args] {body})"
    )


def run(body: str, world: World | None = None) -> str:
    return pr_str((world or World()).run(program(body)))


def test_a_saga_that_succeeds_returns_its_value_and_undoes_nothing() -> None:
    assert run("[(saga! (compensate! note 1) :done) @log]") == "[:done []]"


def test_what_was_done_is_undone_last_things_first() -> None:
    body = """(try (saga! (compensate! note 1) (compensate! note 2) (throw (ex-info "no" {:type :x})))
                   (catch :x e @log))"""
    assert run(body) == "[2 1]"


def test_the_error_is_thrown_again_with_what_was_undone() -> None:
    body = """(try (saga! (compensate! note 1) (throw (ex-info "no" {:type :x :n 7})))
                   (catch :x e [(ex-message e) (ex-data e)]))"""
    assert run(body) == '["no" {:type :x, :n 7, :compensated [{:undo "main/note", :ok true}]}]'


def test_an_undo_that_fails_is_reported_and_the_others_go_on() -> None:
    body = """(defn bad [] (throw (ex-info "stuck" {:retryable? false})))
      (defn go []
        (try (saga! (compensate! note 1) (compensate! bad) (throw (ex-info "no" {:type :x})))
             (catch :x e [(mapv :ok (:compensated (ex-data e))) (ex-message (:error (first (:compensated (ex-data e))))) @log])))"""
    text = program("nil").replace("(defn main", body + "(defn main").replace("nil)", "(go))")
    assert pr_str(World().run(text)) == '[[false true] "stuck" [1]]'


def test_in_parallel_all_is_undone_at_once_and_told_in_the_usual_order() -> None:
    text = """(ns main (:require [flow.saga :refer [saga! compensate!]]))
      (def log (atom []))
      (defn slow [d x] (sleep! d) (swap! log conj x) (when (= x 2) (throw (ex-info "stuck" {:retryable? false}))))
      (defn main []
        (try (saga! {:parallel true}
               (compensate! slow #dur "3s" 1) (compensate! slow #dur "2s" 2) (compensate! slow #dur "4s" 3)
               (throw (ex-info "no" {:type :x})))
             (catch :x e [@log (mapv :ok (:compensated (ex-data e)))])))"""
    world = Clock(text)
    assert pr_str(world.finish().result) == "[[2 1 3] [true false true]]"
    assert world.now_us == 4_000_000


def test_with_stop_nothing_is_undone_after_an_undo_that_failed() -> None:
    body = """(try (saga! {:on-undo-error :stop}
                     (compensate! note 1)
                     (compensate! (fn [] (throw (ex-info "stuck" {:retryable? false}))))
                     (throw (ex-info "no" {:type :x})))
                   (catch :x e [(mapv :ok (:compensated (ex-data e))) @log]))"""
    assert run(body) == "[[false] []]"


def test_an_undo_is_tried_again_by_its_own_policy() -> None:
    body = """(let [n (atom 0)]
        (try (saga! {:undo-retry {:max-attempts 3 :backoff #dur "1s" :jitter :none}}
               (compensate! (fn [] (when (< (swap! n inc) 3) (throw (ex-info "later" {})))))
               (throw (ex-info "no" {:type :x})))
             (catch :x e [@n (mapv :ok (:compensated (ex-data e)))])))"""
    world = World()
    assert run(body, world) == "[3 [true]]"
    assert world.kinds() == ["time/sleep", "time/sleep"]


def test_undo_expressions_see_the_result() -> None:
    body = """(try (saga! (step+undo! [r (+ 20 1)] (note r)) (step+undo! (note :done) (note :undone))
                          (throw (ex-info "no" {:type :x})))
                   (catch :x e @log))"""
    assert run(body) == "[:done :undone 21]"


def test_an_inner_saga_that_succeeded_is_not_undone_by_the_outer_one() -> None:
    body = """(try (saga! (compensate! note :outer)
                          (saga! (compensate! note :inner) :fine)
                          (throw (ex-info "no" {:type :x})))
                   (catch :x e @log))"""
    assert run(body) == "[:outer]"


def test_an_error_that_leaves_two_sagas_tells_what_both_have_undone() -> None:
    body = """(try (saga! (compensate! note 1) (compensate! note 2)
                     (saga! (compensate! (fn [] (throw (ex-info "stuck" {:retryable? false}))))
                            (throw (ex-info "no" {:type :x}))))
                   (catch :x e (mapv :ok (:compensated (ex-data e)))))"""
    assert run(body) == "[false true true]"


def test_an_undo_cannot_register_undos_of_its_own() -> None:
    body = """(try (saga! (compensate! (fn [] (compensate! note 1))) (throw (ex-info "no" {:type :x})))
                   (catch :x e (:type (ex-data (:error (first (:compensated (ex-data e))))))))"""
    world = World()
    assert run(body, world) == "nil"


def test_compensate_outside_of_a_saga_is_an_error() -> None:
    with pytest.raises(FlowError, match="need a saga!") as caught:
        run("(compensate! note 1)")
    assert caught.value.error.code == "FM0540"


def test_undo_outside_of_a_saga_is_an_error_before_anything_is_done() -> None:
    world = World()
    with pytest.raises(FlowError, match="need a saga!"):
        run('(http/post! "u" {:undo (fn [r] nil)})', world)
    assert world.asked == []


def test_an_option_that_a_saga_does_not_know_is_an_error() -> None:
    with pytest.raises(FlowError, match="`saga!` does not know the option :on-error"):
        run("(saga! {:on-error :stop} 1)")
    with pytest.raises(FlowError, match=":continue or :stop"):
        run("(saga! {:on-undo-error :go} 1)")


def test_a_failing_saga_that_parks_has_undone_nothing() -> None:
    world = World()
    with pytest.raises(FlowError) as caught:
        run(
            '(saga! {:park true} (compensate! (fn [] (http/get! "u"))) (throw (ex-info "no" {})))',
            world,
        )
    assert world.asked == []
    assert keyword("compensated") not in caught.value.error.data


def test_a_parking_saga_is_undone_when_somebody_takes_the_error() -> None:
    body = """(try (saga! {:park true} (compensate! note 1) (throw (ex-info "no" {:type :x})))
                   (catch :x e @log))"""
    assert run(body) == "[1]"


def test_who_takes_the_error_of_a_parking_saga_is_told_what_was_undone() -> None:
    body = """(try (saga! (compensate! note 1)
                     (saga! {:park true} (compensate! note 2) (compensate! note 3)
                            (throw (ex-info "no" {:type :x :n 7}))))
                   (catch :x e [(:n (ex-data e)) (mapv :ok (:compensated (ex-data e))) @log]))"""
    assert run(body) == "[7 [true true true] [3 2 1]]"


def test_what_a_parking_saga_has_undone_reaches_who_takes_the_error_in_another_fiber() -> None:
    saga = """(saga! {:park true} (compensate! note 1)
                     (sleep! (ms 1)) (throw (ex-info "no" {:type :x})))"""
    told = "(catch :x e (mapv :ok (:compensated (ex-data e))))"
    waits = "(try (sleep! (seconds 9)) (finally (sleep! (ms 2))))"
    for body in (
        f"(try (all! {saga} {waits}) {told})",
        f"(try (all! (all! {waits} {saga}) {waits}) {told})",
        f"(scope! [s] (let [f (spawn! (fn [] {saga}))] (try (await! f) {told})))",
        f"(scope! [s] (let [f (spawn! (fn [] {saga}))] (try (all! (await! f) {waits}) {told})))",
        f"(mapv :ok (:compensated (ex-data (:error (first (settle! {saga} {waits}))))))",
    ):
        assert pr_str(fibers(body).finish().result) == "[true]", body


def test_what_was_undone_and_what_failed_beside_it_both_reach_who_takes_the_error() -> None:
    saga = """(saga! {:park true} (compensate! note 1)
                (spawn! (fn [] (try (sleep! (seconds 9)) (finally (throw (ex-info "beside" {}))))))
                (sleep! (ms 1)) (throw (ex-info "no" {:type :x})))"""
    waits = """(try (sleep! (seconds 9)) (finally (throw (ex-info "later" {}))))"""
    told = """(catch :x e [(mapv :ok (:compensated (ex-data e)))
                          (mapv ex-message (:suppressed (ex-data e)))])"""
    for body, printed in (
        (f"(try {saga} {told})", '[[true] ["beside"]]'),
        (f"(try (all! {saga} {waits}) {told})", '[[true] ["beside" "later"]]'),
        (f"(try (all! (all! {waits} {saga}) (sleep! (seconds 9))) {told})", '[[true] ["beside" "later"]]'),
    ):  # fmt: skip
        assert pr_str(fibers(body).finish().result) == printed, body


def test_a_parking_saga_whose_fiber_fails_tells_what_was_undone() -> None:
    body = """(try
        (saga! {:park true} (compensate! note :undone)
               (spawn! (fn [] (sleep! (ms 1)) (throw (ex-info "no" {:type :x}))))
               (sleep! (seconds 9)))
        (catch :x e [@log (mapv :ok (:compensated (ex-data e)))]))"""
    assert pr_str(fibers(body).finish().result) == "[[:undone] [true]]"


def test_an_effect_names_what_undoes_it() -> None:
    world = World({"http/request": lambda request: request.args.get(keyword("url"))})
    body = """(try (saga! (http/post! "a" {:undo (fn [r] (http/delete! (str "undo-" r)))})
                          (http/post! "b" {:undo (fn [r] (http/delete! (str "undo-" r)))})
                          (throw (ex-info "no" {:type :x})))
                   (catch :x e :undone))"""
    assert run(body, world) == ":undone"
    urls = [request.args.get(keyword("url")) for request in world.asked]
    assert urls == ["a", "b", "undo-b", "undo-a"]


def test_a_saga_in_a_retried_step_asks_under_new_keys_each_time() -> None:
    world = World()
    body = """(let [n (atom 0)]
        (step! "pay" {:retry {:max-attempts 2 :backoff #dur "1s" :jitter :none}}
          (saga! (http/post! "a")
                 (when (= 1 (swap! n inc)) (throw (ex-info "no" {})))
                 :paid)))"""
    assert run(body, world) == ":paid"
    first, second = (request.key for request in world.of("http/request"))
    assert first != second


class InDoubt:
    """In doubt so many times, then answers."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, request: EffectRequest) -> Value:
        assert request.args.get(keyword("at-most-once")) is True
        assert keyword("verify") not in request.args
        if self.left:
            self.left -= 1
            return failure("who knows", "effect/in-doubt", False)
        return "performed"


def test_verify_gives_the_result_that_the_world_has_already() -> None:
    world = World({"http/request": InDoubt(1)})
    assert run('(http/post! "u" {:verify (fn [e] "found")})', world) == '"found"'
    assert len(world.asked) == 1


def test_what_did_not_happen_is_performed_again_under_the_same_key() -> None:
    world = World({"http/request": InDoubt(2)})
    assert run('(http/post! "u" {:verify (fn [e] nil)})', world) == '"performed"'
    keys = {request.key for request in world.asked}
    assert len(world.asked) == 3
    assert len(keys) == 1


@pytest.mark.parametrize(
    "body",
    [
        '(step! "s" {:retry 3} %s)',
        '(step! "s" {:retry 3} (saga! %s))',
        '(step! "o" {:retry 3} (step! "s" {:retry 3} %s))',
        "(do %s)",
    ],
)
def test_what_could_not_be_verified_is_in_doubt_and_not_tried_again(body: str) -> None:
    policy = "" if "step" in body else ":retry {:retry-if (fn [e] true)}"
    effect = f'(http/post! "u" {{:verify (fn [e] (throw (ex-info "out of order" {{:type :down}}))) {policy}}})'
    world = World({"http/request": InDoubt(9)})
    with pytest.raises(FlowError) as caught:
        run(body % effect, world)
    error = caught.value.error
    assert error.type is keyword("effect/in-doubt")
    assert [each.message for each in error.data.get(keyword("suppressed"))] == ["out of order"]
    assert len(world.of("http/request")) == 1


@pytest.mark.parametrize(
    ("form", "asked"),
    [
        ("(flow.async/any! CHARGE CHARGE)", 2),
        ("(flow.async/any! (flow.async/any! CHARGE))", 1),
        ("(flow.async/pmap! (fn [_] CHARGE) [1 2] {:tolerate 0 :concurrency 1})", 1),
    ],
)
def test_what_is_in_doubt_among_other_failures_is_not_tried_again(form: str, asked: int) -> None:
    world = World({"http/request": lambda _: failure("who knows", "effect/in-doubt", False)})
    body = form.replace("CHARGE", '(http/post! "u" {:at-most-once true})')
    with pytest.raises(FlowError):
        run(f'(step! "s" {{:retry {{:retry-if (fn [e] true)}}}} {body})', world)
    assert len(world.of("http/request")) == asked


@pytest.mark.parametrize(
    ("body", "attempts"),
    [
        ('(http/post! "u" {:verify (fn [e] nil)})', None),
        ('(http/post! "u" {:verify (fn [e] nil) :retry 2})', 2),
        ('(step! "s" {:retry 3} (http/post! "u" {:verify (fn [e] nil)}))', 1),
    ],
)
def test_what_is_verified_is_tried_again_as_without(body: str, attempts: int | None) -> None:
    world = World({"http/request": InDoubt(0)})
    run(body, world)
    policy = world.of("http/request")[0].args.get(keyword("retry"))
    assert policy is True if attempts is None else policy.get(keyword("max-attempts")) == attempts


def test_verify_is_not_asked_about_errors_that_leave_no_doubt() -> None:
    world = World({"http/request": lambda request: failure("no", "http/status", False)})
    with pytest.raises(FlowError, match="no"):
        run('(http/post! "u" {:verify (fn [e] (throw (ex-info "asked" {})))})', world)


FIBERS = """(ns user (:require [flow.async :refer :all] [flow.time :refer [ms seconds]] [flow.saga :refer [saga! compensate!]]))
(def log (atom []))
(defn note [x] (swap! log conj x))
(defn main [] %s)"""


def fibers(body: str) -> Clock:
    return Clock(FIBERS % body)


def test_what_a_fiber_in_a_saga_has_done_is_undone_with_the_rest() -> None:
    body = """(try
        (saga! (compensate! note :first)
               (spawn! (fn [] (try (sleep! (seconds 9)) (finally (sleep! (ms 1)) (note :did) (compensate! note :undone)))))
               (sleep! (ms 5))
               (throw (ex-info "no" {:type :x})))
        (catch :x e @log))"""
    assert pr_str(fibers(body).finish().result) == "[:did :undone :first]"


def test_a_fiber_that_fails_fails_its_saga() -> None:
    body = """(try
        (saga! (compensate! note :undone)
               (spawn! (fn [] (sleep! (ms 1)) (throw (ex-info "no" {:type :x}))))
               (sleep! (seconds 9)))
        (catch :x e [@log (mapv :ok (:compensated (ex-data e)))]))"""
    assert pr_str(fibers(body).finish().result) == "[[:undone] [true]]"


def test_an_undo_that_takes_longer_than_clean_up_may_keeps_no_other_from_being_run() -> None:
    body = """(do (with-timeout! (ms 5) {:else :late}
                  (saga! (compensate! note :undone) (compensate! (fn [] (sleep! (seconds 900)))) (sleep! (seconds 9))))
                @log)"""
    world = fibers(body)
    while not is_cleaning_up(world.machine.state, world.machine.state.fibers[1]):
        world.step()
    deliver(world.machine.state, Overdue(1), 31_000_000)
    world.compute()
    assert pr_str(world.turn.result) == "[:undone]"


NOT_UNDONE = """(saga! (compensate! note 1)
  (compensate! (fn [] (throw (ex-info "stuck" {:retryable? false}))))
  (sleep! (seconds 900)))"""


def test_what_a_cancelled_saga_could_not_undo_goes_along_with_what_cancelled_it() -> None:
    world = fibers(f"""(try (all! {NOT_UNDONE} (do (sleep! (ms 5)) (throw (ex-info "no" {{:type :x}}))))
      (catch :x e
        (let [left (first (:suppressed (ex-data e)))]
          [@log (ex-message left) (mapv :ok (:compensated (ex-data left)))])))""")
    said = "1 of 2 undos of a cancelled saga failed: stuck"
    assert pr_str(world.finish().result) == f'[[1] "{said}" [false true]]'


def test_what_a_saga_that_lost_a_race_could_not_undo_is_logged() -> None:
    world = fibers(f"[(race! {NOT_UNDONE} (do (sleep! (ms 5)) :won)) @log]")
    assert pr_str(world.finish().result) == "[:won [1]]"
    assert [line.split()[0] for line in world.log if line.startswith("log/")] == ["log/write"]


def test_a_cancelled_run_whose_saga_could_not_be_undone_has_failed() -> None:
    world = fibers(NOT_UNDONE)
    world.machine.cancel("no more")
    world.compute()
    assert world.finish().error.code == "FM0541"
