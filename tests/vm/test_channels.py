"""Channels, pmap! and polling: their rules, and the errors of those who break them."""

import pytest

from flowmetal.values import FiberRef
from tests.vm.fibers import World, failure, value
from tests.vm.programs import k, machine

# fmt: off
ERRORS = [
    # expression                                                        code      type
    ('(let [f (spawn! sleep! #dur "9s")] (sleep! #dur "1s") (cancel! f) (await! f))', "FM0742", "fiber/cancelled"),
    ("(pmap! (fn [x] (/ 1 x)) [0 0] {:tolerate 0})",                    "FM0745", "async/too-many-failures"),
    ("(poll-until! (fn [] false) {:max-attempts 2})",                   "FM0746", "poll/exhausted"),
    ('(poll-until! (fn [] false) {:timeout #dur "3s"})',                "FM0746", "poll/exhausted"),
    ("(>! (chan 1) nil)",                                               "FM0747", "chan/nil"),
    ("(flow.core/-join! 99)",                                           "FM0748", "scope/unknown"),
    ("(pmap! inc [1] {:concurrency 0})",                                "FM0501", "type/mismatch"),
    ("(pmap! inc [1] {:concurency 1})",                                 "FM0512", "option/unknown"),
    ("(race!)",                                                         "FM0501", "type/mismatch"),
    ("(await! 1)",                                                      "FM0501", "type/mismatch"),
    ("(deliver! (spawn! inc 1) 1)",                                     "FM0501", "type/mismatch"),
    ("(<! [])",                                                         "FM0501", "type/mismatch"),
    ("(with-timeout! 5 1)",                                             "FM0501", "type/mismatch"),
]
# fmt: on


@pytest.mark.parametrize(("body", "code", "kind"), ERRORS)
def test_a_mistake_is_an_error_that_says_what_it_is(body: str, code: str, kind: str) -> None:
    error = failure(body).error
    assert (error.code, error.type) == (code, k(kind))
    assert error.frames


def test_a_fiber_of_another_run_is_unknown() -> None:
    made = machine("(defn main [x] (await! x))", FiberRef(99))
    error = made.run().error
    assert error.code == "FM0743"


def test_nothing_starts_when_the_concurrency_is_wrong() -> None:
    world = World("(defn main [] (pmap! (fn [x] (print x)) [1 2] {:concurrency -1}))")
    world.finish()
    assert world.output == ""


def test_items_start_in_the_order_of_their_indices_and_so_many_at_a_time() -> None:
    text = """(let [running (atom 0) most (atom 0)]
      (pmap! (fn [x] (swap! running inc) (swap! most max @running) (print x "") (sleep! #dur "1s") (swap! running dec))
             (range 7) {:concurrency 3})
      @most)"""
    world = World(f"(defn main [] {text})")
    assert world.finish().result == 3
    assert world.output == "0 1 2 3 4 5 6 "
    assert world.now_us == 3_000_000


def test_enough_stops_and_cancels_the_rest() -> None:
    text = "(pmap! (fn [x] (sleep! (seconds x)) x) [5 1 2 9] {:enough 2})"
    assert value(text) == "[{:skipped true} {:ok 1} {:ok 2} {:skipped true}]"


def test_a_fraction_of_failures_counts_against_all_items() -> None:
    text = "(mapv keys (pmap! (fn [x] (/ 1 x)) [0 1 0 1] {{:on-error :collect :tolerate {} :concurrency 1}}))"
    assert value(text.format("0.5")) == "[(:error) (:ok) (:error) (:ok)]"
    assert value(text.format("0.25")) == "[(:error) (:ok) (:error) (:skipped)]"


def test_results_are_in_index_order_unless_asked_otherwise() -> None:
    assert value("(pmap! (fn [x] (sleep! (seconds x)) x) [3 1 2])") == "[3 1 2]"
    assert value("(pmap! (fn [x] (sleep! (seconds x)) x) [3 1 2] {:ordered false})") == "[1 2 3]"


def test_a_throwing_function_is_not_retried_by_poll_until() -> None:
    assert failure('(poll-until! (fn [] (throw (ex-info "no" {}))) {})').error.message == "no"


def test_a_pending_put_survives_closing_and_a_taker_gets_nil_after_it() -> None:
    text = '(let [c (chan)] (go! (>! c 1)) (sleep! #dur "1s") (close! c) [(<! c) (<! c) (>! c 2)])'
    assert value(text) == "[1 nil false]"


def test_takers_are_served_first_come_first_served() -> None:
    text = """(let [c (chan) taker (fn [name] (let [v (<! c)] [name v]))]
      (all! (taker :a) (taker :b) (do (>! c 1) (>! c 2))))"""
    assert value(text) == "[[:a 1] [:b 2] true]"


def test_a_cancelled_taker_loses_no_value() -> None:
    text = """(let [c (chan) f (spawn! (fn [] (<! c)))]
      (sleep! #dur "1s") (cancel! f)
      (all! (>! c :kept) (<! c)))"""
    assert value(text) == "[true :kept]"


def test_a_choice_takes_one_thing_and_leaves_the_rest() -> None:
    text = """(let [a (chan 1) b (chan 1)]
      (all! (let [[v] (alts! [a b] :priority true)] v) (do (>! a 1) (>! b 2)))
      [(poll! a) (poll! b)])"""
    assert value(text) == "[nil 2]"


def test_an_error_of_a_transducer_goes_to_its_handler() -> None:
    text = """(let [c (chan 3 (map (fn [x] (/ 6 x))) (fn [e] :bad))]
      (>! c 2) (>! c 0) (>! c 3) [(<! c) (<! c) (<! c)])"""
    assert value(text) == "[3 :bad 2]"


def test_a_transducer_that_has_enough_closes_the_channel() -> None:
    text = "(let [c (chan 5 (take 2))] [(>! c 1) (>! c 2) (>! c 3) (<! c) (<! c) (<! c)])"
    assert value(text) == "[true true false 1 2 nil]"
