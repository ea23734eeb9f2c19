"""flow.test, run by the runner: what is reported, what is refused, what survives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import flowmetal
from flowmetal.testing.results import Outcome
from flowmetal.testing.suite import Selection, run_files
from flowmetal.values import pr_str
from flowmetal.vm.state import MachineStatus

NS = """(ns a-test
  (:require [clojure.test :refer :all]
            [flow.test :as t :refer [with-stubs]]
            [flow.http :as http]
            [flow.event :refer [receive!]]
            [flow.time :refer [hours days]]))
"""


@pytest.fixture
def run(tmp_path: Path):
    def run(body: str, name: str = "a_test.flow", head: str = NS, **selection) -> Outcome:
        (tmp_path / name).write_text(head + body)
        return run_files([str(tmp_path / name)], Selection(**selection))

    return run


def codes(outcome: Outcome) -> list[str]:
    return [p.diagnostic.code for result in outcome.results for p in result.problems]


def notes(outcome: Outcome) -> list[str]:
    return [n for result in outcome.results for p in result.problems for n in p.diagnostic.notes]


def counts(outcome: Outcome) -> tuple[int, int, int, int]:
    assert not outcome.broken, outcome.broken
    total = outcome.counts
    return (total.test, total.passed, total.fail, total.error)


# assertions


def test_assertions_that_hold(run) -> None:
    outcome = run("""
(defmacro unless [c x] `(if ~c nil ~x))
(defn twice [x] (* 2 x))
(deftest all
  (is true)
  (is (= 4 (twice 2)) "message")
  (is (and 1 2))
  (is (unless false 1))
  (is (let [f odd?] (f 3)))
  (let [local even?] (is (local 4)))
  (is (:a {:a 1}))
  (is (instance? String "x"))
  (is (thrown? Exception (/ 1 0)))
  (is (thrown? :my/type (throw (ex-info "x" {:type :my/type}))))
  (is (thrown? clojure.lang.ExceptionInfo (throw (ex-info "x" {}))))
  (is (thrown-with-msg? Exception #"n.t" (throw (ex-info "is not so" {})))))
""")
    assert counts(outcome) == (1, 12, 0, 0), notes(outcome)


def test_is_returns_the_value_that_it_checked(run) -> None:
    assert counts(run("(deftest a (is (= 3 (is (+ 1 2)))))")) == (1, 2, 0, 0)


def test_assertions_that_do_not_hold(run) -> None:
    outcome = run("""
(deftest all
  (is nil)
  (is (= 1 2))
  (is (not (odd? 3)))
  (is (thrown? Exception 1))
  (is (thrown-with-msg? Exception #"other" (/ 1 0))))
""")
    assert counts(outcome) == (1, 0, 5, 0)


def test_an_error_of_another_class_is_an_error(run) -> None:
    assert counts(run("(deftest a (is (thrown? :my/type (/ 1 0))) (is 1))")) == (1, 1, 0, 1)


def test_a_call_with_a_wrong_number_of_arguments_is_an_error_of_the_run(run) -> None:
    outcome = run("(deftest a (is (thrown? Exception (min))) (is (thrown? Exception (abs 1 2))))")
    assert counts(outcome) == (1, 2, 0, 0)


def test_an_error_outside_of_an_assertion_ends_the_test_alone(run) -> None:
    outcome = run("(deftest a (+ 1 nil) (is true))\n(deftest b (is true))")
    assert counts(outcome) == (2, 1, 0, 1)


def test_nested_data_is_compared_path_by_path(run) -> None:
    outcome = run("(deftest a (is (= {:a {:b [1 2 3] :c #{1}}} {:a {:b [1 5] :c #{2}} :d 4})))")
    assert notes(outcome)[2:] == [
        "at [:d] extra 4",
        "at [:a :b 2] missing 3",
        "at [:a :b 1] different: expected 2, got 5",
        "at [:a :c] missing 1",
        "at [:a :c] extra 2",
    ]


@pytest.mark.parametrize(
    "endless", ["(range)", "(iterate inc 0)", "(map inc (range))", "(repeat [1])"]
)
def test_sequences_without_end_are_shown_cut(run, endless: str) -> None:
    outcome = run(
        f"(deftest a (is (= {endless} [0 1])) (is (nil? {endless})) (is (= [1 {endless}] [2 3])))"
    )
    assert counts(outcome) == (1, 0, 3, 0)
    assert all(len(note) < 2_500 for note in notes(outcome))


def test_what_differs_deep_inside_is_shown_at_the_end_of_a_short_path(run) -> None:
    outcome = run("""
(defn deep [x] (reduce (fn [v _] [v]) x (range 5000)))
(deftest a (is (= (deep 1) (deep 2))))""")
    assert counts(outcome) == (1, 0, 1, 0)
    assert notes(outcome)[2].startswith(f"at [{'0 ' * 29}0] different: expected [[")


def test_tests_may_change_what_others_may_not(run) -> None:
    outcome = run("""
(defn price [] 1)
(defn total [] (price))
(deftest a
  (is (= 2 (with-redefs [price (fn [] 2)] (total))))
  (is (= 1 (total)))
  (alter-var-root #'price (fn [f] (fn [] (inc (f)))))
  (is (= 2 (total)))
  (intern 'a-test 'price (fn [] 11))
  (is (= 11 (total))))
""")
    assert counts(outcome) == (1, 4, 0, 0), notes(outcome)


def test_records_differ_by_their_fields(run) -> None:
    outcome = run("(defrecord P [x y])\n(deftest a (is (= (->P 1 2) (->P 1 3))))")
    assert notes(outcome)[2:] == ["at [:y] different: expected 2, got 3"]


def test_a_failure_points_at_its_form(run) -> None:
    (result,) = run("(deftest a\n  (is (= 1\n         2)))").results
    span = result.problems[0].diagnostic.span
    assert span is not None
    assert (span.line, span.col, Path(span.path).name) == (8, 7, "a_test.flow")


def test_a_row_of_are_points_at_its_values(run) -> None:
    (result,) = run("(deftest a (are [x y] (= x (inc y))\n  2 1\n  3 1\n  5 4))").results
    assert [problem.diagnostic.span.line for problem in result.problems] == [9]


def test_contexts_and_messages_are_shown(run) -> None:
    outcome = run('(deftest a (testing "outer" (testing "inner" (is (= 1 2) (str "m" 1)))))')
    assert notes(outcome)[:2] == ["outer inner", "m1"]


def test_printed_text_belongs_to_its_test(run) -> None:
    outcome = run('(deftest a (println "one"))\n(deftest b (println "two"))')
    assert [result.output for result in outcome.results] == ["one\n", "two\n"]


def test_assert_expr_and_report_are_open(run) -> None:
    outcome = run("""
(defmethod assert-expr 'near? [msg form]
  (let [[_ a b] form]
    `(let [ok# (< (abs (- ~a ~b)) 0.1)]
       (do-report {:type (if ok# :pass :fail) :message ~msg :expected '~form :actual ok#}))))
(defmethod report :noted [m] (println "noted" (:n m)) (inc-report-counter :pass))
(deftest a (is (near? 1.0 1.05)) (is (near? 1.0 2.0)) (do-report {:type :noted :n 7}))
""")
    assert counts(outcome) == (1, 2, 1, 0)
    assert outcome.results[0].output == "noted 7\n"


def test_assert_expr_is_open_below_a_form_that_computes_long(run) -> None:
    outcome = run("""
(def sum (reduce + (range 100000)))
(defmethod assert-expr 'even-sum? [msg form] `(do-report {:type :pass}))
(deftest a (is (even-sum? sum)))
""")
    assert counts(outcome) == (1, 1, 0, 0)


# tests


def test_fixtures_wrap_each_and_all(run) -> None:
    outcome = run("""
(def log (atom []))
(use-fixtures :once (fn [f] (swap! log conj :once) (f)))
(use-fixtures :each (fn [f] (swap! log conj :in) (f) (swap! log conj :out))
                    {:before (fn [] (swap! log conj :before))})
(deftest a (is (= [:once :in :before] @log)))
(deftest b (is (= [:once :in :before :out :in :before] @log)))
""")
    assert counts(outcome) == (2, 2, 0, 0), notes(outcome)


def test_a_fixture_that_fails_is_an_error(run) -> None:
    each = run(
        "(use-fixtures :each (fn [f] (/ 1 0)))\n(deftest a (is true))\n(deftest b (is true))"
    )
    assert counts(each) == (0, 0, 0, 2)
    once = run("(use-fixtures :once (fn [f] (/ 1 0)))\n(deftest a (is true))")
    assert counts(once) == (0, 0, 0, 1)


def test_with_test_and_set_test(run) -> None:
    outcome = run(
        "(with-test (defn f [] 1) (is (= 1 (f))))\n(defn g [] 2)\n(set-test g (is (= 2 (g))))"
    )
    assert counts(outcome) == (2, 2, 0, 0)


def test_an_initialiser_that_fails_says_where(run) -> None:
    outcome = run("(def a (/ 1 0))\n(deftest b (is true))")
    assert [one.span.line for one in outcome.broken] == [7]


def test_tests_are_chosen_by_a_part_of_their_names(run) -> None:
    outcome = run("(deftest one (is true))\n(deftest two (is true))", pattern="TW")
    assert [result.name for result in outcome.results] == ["a-test/two"]
    assert outcome.left_out == 1


def test_the_first_failure_may_be_the_last(run) -> None:
    text = "(deftest one (is true))\n(deftest two (is false))\n(deftest three (is true))"
    outcome = run(text, fail_fast=True)
    assert [result.name for result in outcome.results] == ["a-test/one", "a-test/two"]


def test_a_seed_decides_the_order(run) -> None:
    text = "".join(f"(deftest t{n} (is true))\n" for n in range(20))
    first, again = run(text, seed=1), run(text, seed=1)
    names = [result.name for result in first.results]
    assert names == [result.name for result in again.results]
    assert names != sorted(names, key=lambda name: int(name[8:]))


def test_a_portable_file_runs_unchanged(run) -> None:
    outcome = run(
        """(ns portable-test
  #?(:clj (:use clojure.test)
     :cljs (:require [cljs.test :refer-macros [deftest is]])
     :default (:require [clojure.test :refer :all])))
(deftest a
  (is (thrown? #?(:clj Throwable :cljs js/Error :default :default) (throw (ex-info "" {}))))
  (is (= #?(:flow :flow :default :other) :flow)))
""",
        name="portable_test.cljc",
        head="",
    )
    assert counts(outcome) == (1, 2, 0, 0), notes(outcome)


def test_a_program_may_run_its_own_tests() -> None:
    machine = flowmetal.Machine(
        flowmetal.compile("""(ns own (:require [clojure.test :refer [deftest is run-tests successful?]]))
(deftest good (is (= 1 1)))
(deftest bad (is (= 1 2) "why"))
(defn main [] (let [sum (run-tests 'own)] [sum (successful? sum)]))""")
    )
    turn = machine.run()
    assert turn.status is MachineStatus.COMPLETED, turn.error
    assert pr_str(turn.result) == "[{:test 2, :pass 1, :fail 1, :error 0} false]"
    assert "FAIL in (bad)" in turn.output
    assert "actual: (not (= 1 2))" in turn.output
    assert "1 failures, 0 errors." in turn.output


# the world


@pytest.mark.parametrize(
    "form",
    [
        '(http/get! "http://x")',
        '(perform :sh/run {:argv ["ls"]})',
        '(perform :env/get {:name "A"})',
    ],
)
def test_an_effect_without_a_stub_is_refused(run, form: str) -> None:
    outcome = run(f"(deftest a (is {form}))")
    assert codes(outcome) == ["FM0650"]
    assert "with-stubs" in outcome.results[0].problems[0].diagnostic.message


@pytest.mark.parametrize(
    "form",
    [
        '(http/get! "http://x")',
        '(http/post! "http://x" {:json 1})',
        '(flow.sh/shell! "ls")',
        '(flow.fs/spit! "f" "text")',
        '(flow.fs/glob! "*")',
    ],
)
def test_the_stub_that_a_refusal_names_is_that_of_the_function_that_asked(run, form: str) -> None:
    outcome = run(f"(deftest a (is {form}))")
    named = re.search(
        r"\(with-stubs (.*) \.\.\.\)", outcome.results[0].problems[0].diagnostic.message
    )
    assert named is not None
    stubs = re.sub(r"\b(sh|fs)/", r"flow.\1/", named[1])
    assert codes(run(f"(deftest a (with-stubs {stubs} (is {form})))")) == []


def test_stubs_stand_for_effectful_functions_and_go_away(run) -> None:
    outcome = run("""
(defn fetch! [id] (:status (http/get! (str "http://x/" id))))
(deftest a
  (with-stubs {http/get! (fn [url] (if (= url "http://x/1") {:status 200} {:status 404}))}
    (is (= [200 404] [(fetch! 1) (fetch! 2)]))
    (is (= [["http://x/1"] ["http://x/2"]] (map :args (t/stub-calls http/get!)))))
  (with-stubs {http/get! {:status 500}} (is (= 500 (fetch! 1))))
  (try (with-stubs {http/get! (fn [url] (throw (ex-info "down" {})))} (fetch! 1))
       (catch :default e (is (= "down" (ex-message e)))))
  (is (thrown? :effect/unstubbed (fetch! 1))))
""")
    assert counts(outcome) == (1, 5, 0, 0), notes(outcome)


def test_a_stub_is_refused_where_its_effect_would_be(run) -> None:
    outcome = run("""(deftest a
  (with-stubs {http/get! (fn [url] 1)}
    (is (thrown? :effect/refused (swap! (atom 0) (fn [_] (http/get! "u")))))))""")
    assert counts(outcome) == (1, 1, 0, 0), notes(outcome)


def test_the_clock_moves_when_somebody_waits(run) -> None:
    outcome = run("""(deftest a
  (t/with-clock [c #inst "2026-03-01T00:00:00Z"]
    (is (= #inst "2026-03-01T00:00:00Z" (now!)))
    (t/advance! c (days 3))
    (sleep! (hours 1))
    (is (= #inst "2026-03-04T01:00:00Z" (now!)))
    (is (= :nobody (receive! :go {:timeout (hours 2) :else :nobody})))
    (is (= #inst "2026-03-04T03:00:00Z" (now!)))))
(deftest b (is (= #inst "2026-01-01T00:00:00Z" (now!))))""")
    assert counts(outcome) == (2, 5, 0, 0), notes(outcome)


def test_waiting_for_nobody_is_an_error(run) -> None:
    outcome = run("(deftest a (receive! :go))\n(deftest b (is true))")
    assert codes(outcome) == ["FM0653"]
    assert counts(outcome) == (2, 1, 0, 1)


# crashes

ORDER = """
(defn order! [n]
  (let [begun (now!)]
    (step! "pay" (http/post! (str "http://pay/" n) {}))
    (sleep! (hours n))
    (loop [i 0 done []]
      (if (< i 3)
        (recur (inc i) (conj done (:status (http/get! (str "http://x/" i)))))
        {:done done :id (uuid!) :took (not= begun (now!)) :random (rand)}))))
"""


def test_a_durable_function_is_the_same_however_often_it_is_killed(run) -> None:
    outcome = run(f"""{ORDER}
(deftest a
  (with-stubs {{http/get! {{:status 200}} http/post! {{:status 201}}}}
    (is (= [200 200 200] (:done (t/check-durable order! [2] {{:kills 40}}))))
    (is (= 1 (count (t/stub-calls http/post!))))
    (is (thrown? :my/error (t/check-durable (fn [] (throw (ex-info "x" {{:type :my/error}}))) [])))))""")
    assert counts(outcome) == (1, 3, 0, 0), notes(outcome)


def test_a_call_that_was_made_before_the_crash_is_made_again_under_its_key(run) -> None:
    outcome = run(f"""{ORDER}
(deftest a
  (with-stubs {{http/get! {{:status 200}} http/post! {{:status 201}}}}
    (is (:took (t/crash-at :after http/post! (order! 1))))
    (let [calls (t/stub-calls http/post!)]
      (is (= 2 (count calls)))
      (is (apply = calls)))))
(deftest b
  (with-stubs {{http/get! {{:status 200}} http/post! {{:status 201}}}}
    (is (:took (t/crash-at :before http/post! (order! 1))))
    (is (= 1 (count (t/stub-calls http/post!))))))""")
    assert counts(outcome) == (2, 5, 0, 0), notes(outcome)


def test_crashes_inside_of_each_other_happen_each_at_its_own_call(run) -> None:
    outcome = run("""(deftest a
  (with-stubs {http/get! 1 http/post! 2}
    (is (= 2 (t/crash-at :after http/post!
               (t/crash-at :before http/get! (http/get! "a"))
               (http/post! "b" {}))))
    (is (= 1 (count (t/stub-calls http/get!))))
    (is (= 2 (count (t/stub-calls http/post!))))))""")
    assert counts(outcome) == (1, 3, 0, 0), notes(outcome)


def test_killed_machines_may_crash_where_they_plan_it_too(run) -> None:
    body = "(fn [] (let [x (t/crash-at :before f (f))] (reduce + (range 30000)) x))"
    outcome = run(
        "(defn f [] 1)"
        f"(deftest a (is (= 1 (t/check-durable {body} [] {{:kills 50 :seed 3}}))))"
        "(deftest b (is (= 1 (t/crash-at :after f (t/check-durable f [])))))"
    )
    assert counts(outcome) == (2, 2, 0, 0), notes(outcome)


def test_a_clock_is_set_back_though_the_machine_died_while_it_was_set(run) -> None:
    set_clock = '(t/with-clock [c #inst "2030-01-01"] (reduce + (range 300)) (http/post! "x" {}))'
    outcome = run(f"""(deftest a
  (with-stubs {{http/post! 1}}
    (t/crash-at :after http/post! {set_clock})
    (is (= #inst "2026-01-01" (now!)))))
(deftest b
  (with-stubs {{http/post! 1}}
    (is (= #inst "2026-01-01" (t/check-durable (fn [] {set_clock} (now!)) [])))))""")
    assert counts(outcome) == (2, 2, 0, 0), notes(outcome)


def test_a_crash_that_does_not_happen_is_a_failure(run) -> None:
    outcome = run("(deftest a (t/crash-at :before http/post! 1))")
    assert counts(outcome) == (1, 0, 1, 0)
    assert "nothing crashed: flow.http/post! was not called" in notes(outcome)[0]


@pytest.mark.parametrize("options", ['{:kills "x"}', "{:kills 0}", "{:kill 5}"])
def test_options_of_check_durable_are_checked(run, options: str) -> None:
    outcome = run(f"(deftest a (is (= 1 (t/check-durable + [1] {options}))))")
    assert counts(outcome) == (1, 0, 0, 1)
    [problem] = [p for result in outcome.results for p in result.problems]
    assert "`check-durable`" in problem.diagnostic.message


def test_what_needs_the_runner_says_so_elsewhere() -> None:
    program = flowmetal.compile(
        "(ns a (:require [flow.test :as t]))\n(defn main [] (t/check-durable + [1 2]))"
    )
    error = flowmetal.Machine(program).run().error
    assert error is not None
    assert error.code == "FM0651"


def test_a_machine_that_differs_after_its_death_is_told(run, monkeypatch) -> None:
    from flowmetal.testing import driven as module

    calls: list[int] = []
    restore = module.Machine.restore

    def forgetful(data, program):
        machine = restore(data, program)
        calls.append(1)
        if len(calls) > 2:
            machine.state.random += 1
        return machine

    monkeypatch.setattr(module.Machine, "restore", forgetful)
    outcome = run("(deftest a (t/check-durable (fn [] (mapv (fn [_] (rand)) (range 50))) []))")
    assert codes(outcome) == ["FM0652"]


def test_the_arguments_of_a_stub_stay_what_they_are_beside_a_function(run) -> None:
    outcome = run("""
(ns a-test (:require [flow.test :as t :refer [deftest is with-stubs]]))
(defn ship [order] order)
(deftest a
  (with-stubs {start! nil}
    (start! ship [{:id 7}] {:id "s-7" :then [ship]})
    (is (= [["#fn[a-test/ship]" [{:id 7}] {:id "s-7" :then ["#fn[a-test/ship]"]}]]
           (map :args (t/stub-calls start!))))))""")
    assert counts(outcome) == (1, 1, 0, 0), notes(outcome)


def test_files_without_ns_are_run_each_for_itself(tmp_path: Path) -> None:
    files = []
    for number in (1, 2):
        files.append(str(tmp_path / f"t{number}_test.flow"))
        Path(files[-1]).write_text(
            "(require '[flow.test :refer [deftest is]])"
            f"(defn f [] {number}) (deftest t{number} (is (= {number} (f))))"
        )
    outcome = run_files(files, Selection())
    assert counts(outcome) == (2, 2, 0, 0), outcome.broken
    assert [result.name for result in outcome.results] == ["user/t1", "user/t2"]


def test_a_test_that_ends_the_machine_takes_no_others_along(run) -> None:
    outcome = run("""(deftest a (is true))
(deftest b (spawn! (fn [] (sleep! (hours 1)) (throw (ex-info "left behind" {})))) (sleep! (hours 2)))
(deftest c (is true))
(deftest d (spawn! (fn [] (throw (ex-info "at once" {})))))
(deftest e (is true))""")
    assert [(result.name, result.counts.is_good) for result in outcome.results] == [
        ("a-test/a", True),
        ("a-test/b", False),
        ("a-test/c", True),
        ("a-test/d", False),
        ("a-test/e", True),
    ]
