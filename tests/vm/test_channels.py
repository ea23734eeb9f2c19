"""Channels, pmap! and polling: their rules, and the errors of those who break them."""

import pytest

from flowmetal.vm.state import MachineStatus
from tests.vm.fibers import World, failure, value
from tests.vm.programs import k

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
    ("(alts! (chan))",                                                  "FM0501", "type/mismatch"),
    ("(alts! [(chan)] {:prio true})",                                   "FM0512", "option/unknown"),
    ("(alts! [(chan)] :default)",                                       "FM0501", "type/mismatch"),
    ("(chan {:policy :small :size 1})",                                 "FM0501", "type/mismatch"),
    ("(offer! 1 2)",                                                    "FM0501", "type/mismatch"),
    ("(poll! 1)",                                                       "FM0501", "type/mismatch"),
    ("(cancel! 1.0)",                                                   "FM0501", "type/mismatch"),
    ('(cancel! "order-17")',                                            "FM0501", "type/mismatch"),
    ("(await! (promise!) {:timeout 5})",                                "FM0501", "type/mismatch"),
    ('(await! (promise!) {:timout #dur "1s"})',                         "FM0512", "option/unknown"),
    ('(with-timeout! #dur "1s" {:esle 1} 2)',                           "FM0512", "option/unknown"),
    ("(with-timeout! 5 1)",                                             "FM0501", "type/mismatch"),
]
# fmt: on


@pytest.mark.parametrize(("body", "code", "kind"), ERRORS)
def test_a_mistake_is_an_error_that_says_what_it_is(body: str, code: str, kind: str) -> None:
    error = failure(body).error
    assert (error.code, error.type) == (code, k(kind))
    assert error.frames


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


def test_as_many_failures_as_a_fraction_says_are_tolerated() -> None:
    text = """(count (filter :error (pmap! (fn [x] (when (< x 29) (throw (ex-info "no" {})))) (range 100)
                                         {:tolerate 0.29})))"""
    assert value(text) == "29"


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


@pytest.mark.parametrize("wait", ["(<! c)", "(alts! [c (chan)])", "(select! (<! c) ([v] v))"])
def test_a_taker_that_was_cancelled_before_it_could_wait_is_given_nothing(wait: str) -> None:
    text = f"""(let [c (chan) go (promise!) f (spawn! (fn [] (await! go) {wait}))]
      (sleep! (ms 1)) (deliver! go 1) (cancel! f) (sleep! (ms 1))
      [(offer! c :kept) (realized? f)])"""
    assert value(text) == "[nil true]"


def test_the_value_of_a_put_that_was_cancelled_before_it_could_wait_is_not_taken() -> None:
    for put in ("(>! c :x)", "(alts! [[c :x]])"):
        text = f"""(let [c (chan) go (promise!) f (spawn! (fn [] (await! go) {put}))]
          (sleep! (ms 1)) (deliver! go 1) (cancel! f) (sleep! (ms 1))
          (poll! c))"""
        assert value(text) == "nil"


def test_who_is_refused_to_wait_at_a_channel_is_given_nothing() -> None:
    text = (
        "(let [c (chan)] (try (doall (map <! [c])) (catch :effect/refused e nil)) (offer! c :kept))"
    )
    assert value(text) == "nil"


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


def test_a_put_that_waits_goes_through_the_transducer_as_soon_as_there_is_room() -> None:
    text = """(let [ch (chan 1 (filter even?)) log (atom [])]
      (>! ch 2)
      (doseq [n [3 5 4 6]] (go! (>! ch n) (swap! log conj n)))
      (sleep! (ms 1))
      (let [first-out (<! ch)]
        (sleep! (ms 1))
        [first-out @log (<! ch) (<! ch)]))"""
    assert value(text) == "[2 [3 5 4] 4 6]"


def test_puts_go_through_a_transducer_in_the_order_in_which_they_were_put() -> None:
    text = """(let [ch (chan 1 (map inc))]
      (>! ch 0)
      (go! (>! ch 1))
      (sleep! (ms 1))
      (let [a (<! ch)]
        (go! (>! ch 2))
        [a (<! ch) (<! ch)]))"""
    assert value(text) == "[1 2 3]"


def test_a_put_that_waits_when_its_channel_is_closed_goes_through_the_transducer() -> None:
    text = """(let [ch (chan 1 (partition-all 2))
                  puts (mapv (fn [n] (spawn! (fn [] (>! ch n)))) (range 6))]
      (sleep! (ms 1))
      (close! ch)
      [(mapv await! puts) (>! ch :late) (<! ch) (<! ch) (<! ch) (<! ch)])"""
    assert value(text) == "[[true true true true true true] false [0 1] [2 3] [4 5] nil]"


def test_a_put_that_was_cancelled_never_goes_through_a_transducer() -> None:
    text = """(let [ch (chan 1 (map inc)) lost (do (>! ch 0) (spawn! (fn [] (>! ch 100))))]
      (sleep! (ms 1))
      (cancel! lost)
      (close! ch)
      [(<! ch) (<! ch)])"""
    assert value(text) == "[1 nil]"


def test_an_error_of_a_transducer_is_raised_in_the_fiber_that_put() -> None:
    text = """(let [ch (chan 1 (map (fn [n] (/ 6 n))))
                  _ (>! ch 1)
                  bad (spawn! (fn [] (try (>! ch 0) (catch :default e (ex-message e)))))
                  good (spawn! (fn [] (>! ch 2)))]
      (sleep! (ms 1))
      [(<! ch) (<! ch) (await! bad) (await! good)])"""
    assert value(text) == '[6 3 "Divide by zero" true]'


def test_a_choice_that_puts_through_a_transducer_keeps_its_other_ways_open() -> None:
    text = """(let [ch (chan 1 (map inc))
                  _ (>! ch 0)
                  late (spawn! (fn [] (first (alts! [[ch 1] (timeout (ms 9))]))))
                  _ (sleep! (ms 1))
                  early (spawn! (fn [] (first (alts! [[ch 2] (timeout (ms 99))]))))]
      (sleep! (ms 20))
      [(await! late) (<! ch) (await! early) (<! ch) (poll! ch)])"""
    assert value(text) == "[nil 1 true 3 nil]"


def test_a_transducer_that_has_enough_lets_go_of_those_that_wait_to_put() -> None:
    text = """(let [ch (chan 1 (take 2))
                  puts (mapv (fn [n] (spawn! (fn [] (>! ch n)))) (range 4))]
      (sleep! (ms 1))
      [(<! ch) (<! ch) (<! ch) (mapv await! puts) (>! ch 9)])"""
    assert value(text) == "[0 1 nil [true true true true] false]"


def test_a_tap_that_nobody_reads_yet_does_not_keep_the_value_from_the_others() -> None:
    text = """(let [source (chan) m (mult source) a (tap! m (chan)) b (tap! m (chan 1 (map inc)))]
      (go! (>! source 1) (>! source 2) (close! source))
      [(<! b) (<! a) (<! b) (<! a) (<! b) (<! a)])"""
    assert value(text) == "[2 1 3 2 nil nil]"


def test_a_topic_whose_subscriber_is_slow_does_not_hold_up_another() -> None:
    text = """(let [source (chan) p (pub source :topic)
                  a (sub! p :a (chan)) a2 (sub! p :a (chan)) b (sub! p :b (chan)) c (sub! p :c (chan))]
      (go! (doseq [[topic n] [[:a 1] [:b 2] [:none 3] [:b 4]]] (>! source {:topic topic :n n})) (close! source))
      (let [n (fn [ch] (:n (<! ch)))]
        [(n b) (n b) (n a2) (n a) (<! c) (<! a) (<! b)]))"""
    assert value(text) == "[2 4 1 1 nil nil nil]"


def test_a_timeout_of_select_is_gone_when_something_else_was_chosen() -> None:
    text = """(let [ch (chan)]
      (go! (dotimes [n 50] (sleep! (ms 1)) (>! ch n)) (close! ch))
      (loop [seen 0]
        (select!
          (<! ch) ([n] (if n (recur (inc seen)) (do (sleep! (ms 1)) seen)))
          :timeout (seconds 3600) :late)))"""
    world = World(f"(defn main [] {text})")
    while world.turn.status is MachineStatus.WAITING:
        assert len(world.machine.state.fibers) <= 3
        world.step()
    assert world.turn.result == 50


def test_what_is_tapped_or_subscribed_when_the_source_is_over_is_closed_at_once() -> None:
    text = """(let [source (chan) m (mult source) p (pub (tap! m (chan)) :topic)]
      (close! source)
      (sleep! (ms 1))
      [(<! (tap! m (chan))) (<! (sub! p :a (chan))) (offer! (tap! m (chan 1) false) 1)])"""
    assert value(text) == "[nil nil true]"


def test_a_pipeline_whose_end_is_closed_takes_no_more_values() -> None:
    text = """(let [from (chan) to (chan) taken (atom 0)
                  done (pipeline! 2 to (map (fn [x] (sleep! (ms 1)) x)) from)]
      (go! (dotimes [n 100] (>! from n) (swap! taken inc)))
      (let [first-one (<! to)]
        (close! to)
        [first-one (await! done) (< @taken 10)]))"""
    assert value(text) == "[0 nil true]"
