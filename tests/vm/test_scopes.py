"""Cancellation, shields, failures across fibers: semantics.md, "Scopes and cancellation"."""

import pytest

from flowmetal.values import Instant, pr_str
from flowmetal.values.errors import flow_error
from flowmetal.vm import reviving
from flowmetal.vm.machine import deliver
from flowmetal.vm.state import FiberStatus, MachineStatus, Overdue
from flowmetal.vm.unwinding import is_cleaning_up
from tests.vm.fibers import NS, World, failure, value
from tests.vm.programs import k, machine

FAIL = '(throw (ex-info "no" {:type :my/error}))'


def logged(body: str) -> World:
    """Run a body in which ``(note! x)`` prints x."""
    world = World(f'(defn note! [x] (print (str x " ")))\n(defn main [] {body})')
    world.finish()
    return world


def test_cancelled_is_caught_only_by_that_name() -> None:
    text = """(scope! [s]
      (let [f (spawn! (fn [] (try (sleep! #dur "9s") (catch :default e (note! :default))
                                  (catch :flow/cancelled e (note! :cancelled)))))]
        (sleep! #dur "1s") (cancel! f)))"""
    assert logged(text).output == ":cancelled "


def test_a_cancellation_is_raised_once() -> None:
    text = """(scope! [s]
      (spawn! (fn [] (try (sleep! #dur "9s") (catch :flow/cancelled e (note! :caught)))
                     (sleep! #dur "2s") (note! :went-on)))
      (sleep! #dur "1s") (cancel! s) (cancel! s))"""
    world = logged(text)
    assert world.output == ":caught :went-on "
    assert world.now_us == 3_000_000


def test_finally_is_shielded_from_cancellation() -> None:
    text = """(scope! [s]
      (let [f (spawn! (fn [] (try (sleep! #dur "1s") (finally (sleep! #dur "3s") (note! :whole)))))]
        (sleep! #dur "2s") (cancel! f)))"""
    world = logged(text)
    assert world.output == ":whole "
    assert world.now_us == 4_000_000


def test_fibers_that_a_finally_block_starts_are_not_cancelled_with_it() -> None:
    text = """(with-timeout! #dur "1s" {:else :late}
      (try (sleep! #dur "9s") (finally (all! (do (sleep! #dur "1s") (note! :a)) (do (sleep! #dur "2s") (note! :b))))))"""
    assert logged(text).output == ":a :b "


def test_a_result_that_is_in_the_inbox_wins_over_the_cancellation() -> None:
    world = World("""(defn main []
      (race! (do (sleep! #dur "1s") :first)
             (do (sleep! #dur "1s") (print "slept") (sleep! #dur "1s") (print "never"))))""")
    assert world.finish().result == k("first")
    assert world.output == "slept"


def test_who_has_its_result_and_waits_for_nothing_more_is_not_cancelled() -> None:
    slept = '(do (sleep! #dur "1s") %s)'
    text = f"""(pmap! (fn [i] (scope! [s] {slept % "(if (zero? i) (/ 1 0) i)"})) [0 1 2]
                      {{:tolerate 0 :on-error :collect :concurrency 2}})"""
    assert value(f"(mapv (comp first keys) {text})") == "[:error :ok :skipped]"


def test_a_fiber_cancelled_while_computing_gets_it_at_its_next_switch_point() -> None:
    text = """(scope! [s]
      (let [f (spawn! (fn [] (loop [i 0] (when (< i 30000) (recur (inc i)))) (note! :computed) (sleep! #dur "1s") (note! :never)))]
        (spawn! (fn [] (cancel! f)))))"""
    assert logged(text).output in (":computed ", "")


def test_an_endless_loop_is_cancelled_at_the_end_of_its_quantum() -> None:
    text = '(defn main [] (race! (sleep! #dur "1s") (loop [] (recur))))'
    made = machine(NS + text)
    (request,) = made.run(100_000).requests
    made.deliver(request.number)
    turn = made.run(100_000)
    assert turn.status is MachineStatus.COMPLETED
    assert turn.fuel < 40_000


def test_a_fiber_that_has_not_begun_does_not_begin() -> None:
    world = logged(f"(try (all! {FAIL} (note! :never)) (catch :my/error e (note! :caught)))")
    assert world.output == ":caught "


def test_on_cancel_runs_when_it_is_cancelled_and_not_otherwise() -> None:
    text = """(do (on-cancel (note! :undo) (sleep! #dur "1s"))
      (with-timeout! #dur "1s" {:else 0} (on-cancel (note! :undone) (sleep! #dur "3s"))))"""
    assert logged(text).output == ":undone "


def test_a_body_that_catches_its_cancellation_cannot_save_a_scope_that_has_failed() -> None:
    text = f"""(try (scope! [s] (spawn! (fn [] (sleep! #dur "1s") {FAIL}))
                           (try (sleep! #dur "9s") (catch :flow/cancelled e (note! :caught))))
                   (catch :my/error e (note! :failed)))"""
    assert logged(text).output == ":caught :failed "


def test_a_handler_out_of_two_scopes_is_found_before_anything_unwinds() -> None:
    text = f"""(try (all! (all! (do (sleep! #dur "1s") {FAIL})
                               (try (sleep! #dur "9s") (finally (sleep! #dur "1s") (note! :inner))))
                         (try (sleep! #dur "9s") (finally (note! :outer))))
                   (catch (fn [e] (note! :asked) (= :my/error (:type (ex-data e)))) e (note! :handler)))"""
    world = logged(text)
    assert world.output == ":asked :outer :inner :handler "
    assert world.now_us == 2_000_000


def test_a_handler_that_says_no_leaves_everything_standing() -> None:
    text = f'(try (all! (do (sleep! #dur "1s") {FAIL}) (sleep! #dur "9s")) (catch (fn [e] (note! :asked) false) e 1) (finally (note! :never)))'
    world = logged(text)
    assert world.turn.status is MachineStatus.FAILED
    assert world.output == ":asked "
    assert {n: f.status.value for n, f in world.machine.state.fibers.items()} == {
        1: "blocked", 2: "failed", 3: "waiting",
    }  # fmt: skip


def test_a_predicate_that_computes_for_long_sees_the_world_stand_still() -> None:
    slow = "(loop [i 0] (if (< i 50000) (recur (inc i)) true))"
    text = f"""(try (all! {FAIL} (do (loop [i 0] (when (< i 60000) (recur (inc i)))) (note! :never)))
                   (catch (fn [e] {slow}) e (note! :handler)))"""
    assert ":handler " in logged(text).output


def test_all_failures_are_told_not_only_the_first() -> None:
    text = f"""(try (all! (do (sleep! #dur "1s") {FAIL})
                          (try (sleep! #dur "9s") (finally (throw (ex-info "too" {{:type :my/other}})))))
                   (catch :my/error e (mapv ex-message (:suppressed (ex-data e)))))"""
    assert value(text) == '["too"]'


def test_what_fibers_fail_with_while_an_error_of_the_body_leaves_their_scope_is_told_too() -> None:
    clean_up = '(try (sleep! #dur "9s") (finally (sleep! #dur "1s") (throw (ex-info "too" {:type :my/other}))))'
    body = f'(spawn! (fn [] {clean_up})) (sleep! #dur "1s") {FAIL}'
    told = "[(ex-message e) (mapv ex-message (:suppressed (ex-data e)))]"
    for form in (
        f"(scope! [s] {body})",
        f"(all! (scope! [s] {body}))",
        f'(all! (sleep! #dur "9s") (scope! [s] (scope! [t] {body})))',
        f"(await! (spawn! (fn [] (scope! [s] {body}))))",
    ):
        for taken in (":my/error", ":default"):
            assert value(f"(try {form} (catch {taken} e {told}))") == '["no" ["too"]]', form


@pytest.mark.parametrize("data", ["{}", "{:a 1}", "{:a (map inc (range 3))}"])
def test_failures_that_are_alike_are_all_told(data: str) -> None:
    clean_up = f'(try (sleep! #dur "9s") (finally (throw (ex-info "too" {data}))))'
    text = f"""(try (scope! [s] (spawn! (fn [] {clean_up}))
                        (scope! [t] (spawn! (fn [] {clean_up})) (sleep! #dur "1s") {FAIL}))
                   (catch :my/error e (mapv ex-message (:suppressed (ex-data e)))))"""
    assert value(text) == '["too" "too"]'


def test_no_cancellation_ends_a_scope_before_the_fibers_that_clean_up_in_it() -> None:
    text = f"""(try
                 (with-timeout! #dur "1s" {{:else :late}}
                   (try
                     (scope! [s]
                       (spawn! (fn [] (try {FAIL} (finally (sleep! #dur "5s") (note! :cleaned)))))
                       (try (throw (ex-info "body" {{}})) (finally (sleep! #dur "100ms"))))
                     (finally (note! :left))))
                 (catch :default e nil))"""
    assert logged(text).output == ":cleaned :left "


def test_what_fails_beside_a_failure_that_goes_along_is_told_too() -> None:
    text = """(letfn [(late [n] (try (sleep! #dur "1h") (finally (throw (ex-info n {})))))
                      (told [e] (into [(ex-message e)] (mapcat told (:suppressed (ex-data e)))))]
                (try
                  (all! (all! (late "a") (all! (late "b") (late "c")))
                        (do (sleep! #dur "1s") (throw (ex-info "no" {:type :my/error}))))
                  (catch :my/error e (sort (told e)))))"""
    assert value(text) == '("a" "b" "c" "no")'


@pytest.mark.parametrize("own", ["5", '"text"', "(map inc [1])", "nil", "{:a 1}"])
def test_what_a_program_calls_suppressed_is_not_in_the_way_of_failures(own: str) -> None:
    clean_up = '(try (sleep! #dur "9s") (finally (throw (ex-info "too" {}))))'
    text = f"""(try (scope! [s] (spawn! (fn [] {clean_up}))
                     (sleep! #dur "1s") (throw (ex-info "no" {{:suppressed {own}}})))
                   (catch :default e [(ex-message e) (mapv ex-message (:suppressed (ex-data e)))]))"""
    assert value(text) == '["no" ["too"]]'


def test_what_the_clean_up_of_the_body_fails_with_is_told_too() -> None:
    clean_up = '(try (sleep! #dur "9s") (finally (throw (ex-info "too" {:type :my/other}))))'
    told = "(catch Throwable e [(ex-message e) (mapv ex-message (:suppressed (ex-data e)))])"
    for form in (
        f'(scope! [s] (spawn! (fn [] (sleep! #dur "1s") {FAIL})) {clean_up})',
        f'(scope! [s] (spawn! (fn [] (sleep! #dur "1s") {FAIL})) (scope! [t] {clean_up}))',
        f'(all! (with-timeout! #dur "9s" {clean_up}) (do (sleep! #dur "1s") {FAIL}))',
        f'(with-timeout! #dur "1s" {clean_up})',
        f'(with-timeout! #dur "1s" (all! {clean_up} (sleep! #dur "9s")))',
    ):
        text = f"(try {form} {told})"
        assert value(text).endswith('["too"]]'), form


def test_a_body_that_only_unwinds_has_no_failure_of_its_own() -> None:
    text = '(try (with-timeout! #dur "1s" (sleep! #dur "9s")) (catch :timeout e (ex-data e)))'
    assert ":suppressed" not in value(text)


def test_failures_at_the_same_moment_are_all_told_when_nobody_takes_them() -> None:
    fail = '(do (sleep! #dur "1s") (throw (ex-info "{}" {{}})))'
    turn = failure(f"(all! {fail.format('one')} {fail.format('two')})")
    assert turn.error.message == "one"


def test_an_error_of_an_awaited_fiber_is_raised_at_the_await_and_cancels_nobody() -> None:
    text = f"""(scope! [s]
      (let [other (spawn! (fn [] (sleep! #dur "2s") :other))
            f (spawn! (fn [] (sleep! #dur "1s") {FAIL}))]
        [(try (await! f) (catch :my/error e :caught)) (await! other)]))"""
    assert value(text) == "[:caught :other]"


def test_every_fiber_that_awaits_a_failed_one_gets_the_error() -> None:
    text = f"""(let [f (spawn! (fn [] (sleep! #dur "1s") {FAIL}))
                     wait (fn [] (try (await! f) (catch :my/error e :caught)))]
                 (all! (wait) (wait)))"""
    assert value(text) == "[:caught :caught]"


def test_a_timeout_that_nobody_takes_parks_with_the_body_standing() -> None:
    world = World(
        '(defn main [] (with-timeout! #dur "1s" (try (sleep! #dur "9s") (finally (print "no")))))'
    )
    turn = world.finish()
    assert turn.error.type is k("timeout")
    assert world.output == ""
    assert world.machine.state.fibers[1].status.value == "waiting"


def test_nested_timeouts_each_catch_their_own() -> None:
    text = '(with-timeout! #dur "1s" {:else :outer} (with-timeout! #dur "5s" {:else :inner} (sleep! #dur "9s")))'
    assert value(text) == ":outer"
    text = '(with-timeout! #dur "5s" {:else :outer} (with-timeout! #dur "1s" {:else :inner} (sleep! #dur "9s")))'
    assert value(text) == ":inner"


def test_deadline_is_that_of_the_nearest_timeout() -> None:
    text = '(with-timeout! #dur "5s" (with-timeout! #dur "9s" (= (deadline) (with-timeout! #dur "20s" (deadline)))))'
    assert value(text) == "true"
    assert value("(deadline)") == "nil"


def test_dynamic_bindings_are_conveyed_and_set_stays_at_home() -> None:
    text = """(def ^:dynamic *who* :root)
(defn main [] (binding [*who* :me]
  [(await! (spawn! (fn [] *who*))) (await! (spawn! (fn [] (set! *who* :child) *who*))) *who*]))"""
    assert str(World(text).finish().result) == "[:me :child :me]"


def test_cancelling_a_run_cancels_all_its_fibers_and_waits_for_their_finally_blocks() -> None:
    world = World("""(defn main []
      (spawn! (fn [] (try (sleep! #dur "9s") (finally (sleep! #dur "2s") (print "child ")))))
      (all! (try (sleep! #dur "9s") (finally (sleep! #dur "1s") (print "inner ")))))""")
    world.machine.cancel("enough")
    world.compute()
    turn = world.finish()
    assert turn.status is MachineStatus.CANCELLED
    assert world.output == "inner child "


def test_a_run_that_is_cancelled_before_it_begins_does_nothing() -> None:
    made = machine("(def x (do (print 1) 1)) (defn main [] (print 2) x)")
    made.cancel("enough")
    turn = made.run()
    assert (turn.status, turn.output, turn.error.message) == (MachineStatus.CANCELLED, "", "enough")


def test_a_fiber_that_is_back_at_its_first_instruction_has_begun() -> None:
    world = logged("""(scope! [s]
      (let [f (spawn! (fn [] (try (loop [] (recur)) (finally (note! :cleaned)))))]
        (dotimes [n 20000] n)
        (cancel! f)))""")
    assert world.output == ":cleaned "


def test_a_run_whose_last_fibers_are_cancelled_has_not_completed() -> None:
    text = """(defn main []
      (spawn! (fn [] (try (sleep! #dur "9s") (finally (print "child ")))))
      (go! (sleep! #dur "9s"))
      :done)"""
    world = World(text)
    world.machine.cancel("enough")
    world.compute()
    turn = world.finish()
    assert (turn.status, turn.result) == (MachineStatus.CANCELLED, None)
    assert turn.error.message == "enough"
    assert world.output == "child "


def test_a_run_whose_last_fibers_go_on_after_their_cancellation_completes() -> None:
    world = World("""(defn main []
      (spawn! (fn [] (try (sleep! #dur "9s") (catch :flow/cancelled e (print "child ")))))
      :done)""")
    world.machine.cancel("enough")
    world.compute()
    turn = world.finish()
    assert (turn.status, turn.result) == (MachineStatus.COMPLETED, k("done"))


def test_swap_sees_no_other_fiber_in_between() -> None:
    text = """(let [a (atom 0)
          slow (fn [n] (loop [i 0] (if (< i 15000) (recur (inc i)) (inc n))))]
      (all! (swap! a slow) (swap! a slow) (swap! a slow))
      @a)"""
    assert value(text) == "3"


def test_an_effect_and_a_wait_are_refused_in_a_swap_function() -> None:
    for what in ("(spawn! inc 1)", "(await! (promise!))", "(all! 1)", "(<! (chan))"):
        assert failure(f"(swap! (atom 0) (fn [_] {what}))").error.code == "FM0313"


def test_a_lazy_sequence_cannot_wait() -> None:
    assert failure('(doall (map await! [(spawn! sleep! #dur "1s")]))').error.code == "FM0313"


def test_keys_of_effects_in_a_retried_step_do_not_depend_on_what_runs_beside() -> None:
    text = """(ns user (:require [flow.async :refer :all] [flow.retry :as retry]))
(def tries (atom 0))
(defn main []
  (step! "both" {:retry (retry/policy {:max-attempts 3 :backoff (retry/constant #dur "1s")})}
    (swap! tries inc)
    (all! (do (sleep! (if (= 1 @tries) #dur "3s" #dur "1s")) (now!))
          (do (sleep! #dur "2s") (now!)))
    (when (= 1 @tries) (throw (ex-info "again" {})))))"""
    world = World(text)
    world.finish()
    keys = [line for line in world.log if line.startswith("time/now")]
    assert len(keys) == 4
    assert sorted(keys[:2]) == sorted(keys[2:])
    assert len(set(keys[:2])) == 2


def test_clean_up_that_takes_too_long_loses_what_it_waits_for() -> None:
    world = World("""(defn main [] (with-timeout! #dur "1s" {:else :late}
      (try (try (sleep! #dur "9s") (finally (perform :time/now {}) (print "no "))) (finally (print "outer ")))))""")
    world.step()
    world.now_us = 1_000_000
    for request in list(world.open):
        if world.due.get(request.number) == 1_000_000:
            world.machine.deliver(request.number, at_us=1_000_000)
    world.compute()
    assert [request.kind for request in world.open] == ["time/now"]
    deliver(world.machine.state, Overdue(1), 31_000_000)
    world.compute()
    assert world.turn.result == k("late")
    assert world.output == "outer "


def test_clean_up_in_fibers_of_its_own_may_take_no_longer() -> None:
    world = World("""(defn main [] (with-timeout! (ms 1) {:else :late}
      (try (sleep! (seconds 9))
           (finally (all! (try (sleep! (seconds 900)) (finally (print "inner "))))))))""")
    while not is_cleaning_up(world.machine.state, world.machine.state.fibers[1]):
        world.step()
    assert world.machine.state.fibers[1].status is FiberStatus.BLOCKED
    deliver(world.machine.state, Overdue(1), 31_000_000)
    world.compute()
    assert world.turn.result == k("late")
    assert world.output == "inner "


def test_many_fibers_in_one_run() -> None:
    assert value("(reduce + (pmap! inc (range 2000) {:concurrency 2000}))") == str(
        sum(range(1, 2001))
    )


def test_the_members_of_ended_scopes_are_not_kept() -> None:
    world = World('(defn main [] (dotimes [i 50] (all! i (sleep! #dur "1s"))))')
    world.finish()
    assert list(world.machine.state.fibers) == [1]
    assert world.machine.state.scopes == {}


@pytest.mark.parametrize("budget", [1, 7, 1 << 40])
def test_budgets_change_nothing(budget: int) -> None:
    text = """(defn work [n] (loop [i 0] (when (< i 6000) (recur (inc i)))) (print n " ") n)
(defn main [] [(all! (work 1) (work 2) (do (sleep! #dur "1s") (work 3))) (pmap! work (range 4) {:concurrency 2})])"""
    whole, parts = World(text), World(text, budget=max(budget, 500))
    assert str(whole.finish().result) == str(parts.finish().result)
    assert whole.output == parts.output
    assert whole.machine.state.fuel_used == parts.machine.state.fuel_used


def test_a_time_out_that_comes_behind_the_winner_of_a_race_in_one_batch_is_too_late() -> None:
    made = machine(
        NS
        + """(defforeign ask [x])
    (defn main []
      [(with-timeout! #dur "1s" {:else :late} (race! (ask :go) (ask :never))) (ask :then)])"""
    )
    made.deliver(made.run().requests[0].number, Instant(0))
    limit, go, _ = made.run().requests
    assert limit.kind == "time/sleep"
    made.deliver(go.number, k("won"), at_us=1)
    made.deliver(limit.number, at_us=2)
    turn = made.run()
    assert turn.status is MachineStatus.WAITING
    made.deliver(turn.requests[0].number, k("then"))
    assert pr_str(made.run().result) == "[:won :then]"


def test_an_answer_that_came_in_time_is_not_lost_to_a_timeout_that_enters_with_it() -> None:
    """An interpreter that was down lets both in at once; the times at which they came decide."""
    text = (
        NS + '(defforeign ask [x])\n(defn main [] (with-timeout! #dur "1s" {:else :late} (ask 1)))'
    )
    for answered_us, wanted in ((1, ":won"), (3, ":late")):
        made = machine(text)
        made.deliver(made.run().requests[0].number, Instant(0))
        ask, limit = made.run().requests
        assert limit.kind == "time/sleep"
        made.deliver(limit.number, at_us=2)
        made.deliver(ask.number, k("won"), at_us=answered_us)
        assert pr_str(made.run().result) == wanted


def test_a_loser_of_a_race_that_fails_behind_the_winner_is_too_late() -> None:
    text = NS + (
        "(defforeign ask [x])\n"
        '(defn main [] (race! (ask 1) (do (ask 2) (throw (ex-info "lost" {:type :lost})))))'
    )
    made = machine(text)
    first, second = made.run().requests
    made.deliver(first.number, k("won"), at_us=1)
    made.deliver(second.number, at_us=1)
    assert pr_str(made.run().result) == ":won"


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ("(with-timeout! (ms 2) {:else :late} (sleep! (seconds 9)))", ":late"),
        ("(await! (promise!) {:timeout (ms 2) :else :late})", ":late"),
        ("(race! (do (sleep! (ms 1)) (throw (ex-info \"no\" {:type :x}))) (sleep! (seconds 9)))", ":x"),
        ("(scope! [s] (spawn! (fn [] (throw (ex-info \"no\" {:type :x})))) (sleep! (seconds 9)))", ":x"),
        ("(all! (throw (ex-info \"no\" {:type :x})) (sleep! (seconds 9)))", ":x"),
        ("(pmap! (fn [n] (sleep! (ms n)) (/ 1 (- n 3))) [9999 3] )", ":arithmetic"),
        ("(with-timeout! (ms 9) {:else :outer} (try (with-timeout! (ms 2) (sleep! (seconds 9))) (catch :timeout e :inner)))", ":inner"),
        ("(with-timeout! (ms 2) {:else :late} (try (sleep! (seconds 9)) (finally (sleep! (ms 3)))))", ":late"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("cancelled", [False, True])
def test_what_a_finally_block_begins_can_be_cancelled(
    form: str, wanted: str, cancelled: bool
) -> None:
    body = f"(try {form} (catch :x e :x) (catch Throwable e :arithmetic))"
    guarded = f"(try (sleep! (seconds 5)) (finally (reset! seen {body})))"
    outer = f"(with-timeout! (ms 1) {{:else nil}} {guarded})" if cancelled else guarded
    world = World(f"(defn main [] (let [seen (atom nil)] {outer} @seen))")
    assert pr_str(world.finish().result) == wanted
    assert world.now_us < 6_000_000


def test_a_cancellation_waits_while_a_finally_block_cancels_what_it_has_begun() -> None:
    world = logged("""(do
      (scope! [s]
        (let [f (spawn! (fn []
                  (try :done
                       (finally
                         (note! (with-timeout! (ms 5) {:else :late} (sleep! (seconds 9))))
                         (note! (race! (do (sleep! (ms 1)) :first) (sleep! (seconds 9))))))
                  (note! :after)
                  (sleep! (ms 1))
                  (note! :never)))]
          (sleep! (ms 2))
          (cancel! f)))
      nil)""")
    assert world.output == ":late :first :after "


def test_two_cancellations_that_wait_are_saved() -> None:
    world = World("""(defn main []
      (scope! [s]
        (let [f (spawn! (fn []
                  (try :done
                       (finally
                         (try (scope! [t]
                                (spawn! (fn [] (sleep! (ms 3)) (throw (ex-info "no" {:type :x}))))
                                (sleep! (ms 3))
                                (sleep! (seconds 9)))
                              (catch :x e (print "inner ")))))
                  (sleep! (seconds 9))))]
          (sleep! (ms 2))
          (cancel! f)
          :body)))""")
    assert world.finish().result == k("body")
    assert (world.output, world.now_us) == ("inner ", 3000)


def test_a_timer_lasts_as_long_as_its_scope_whatever_else_is_cancelled() -> None:
    wait = "(select! (<! (chan)) ([v] v) :timeout (seconds 2) :late)"
    for body in (
        f"(scope! [s] (spawn! (fn [] (sleep! (ms 1)) (cancel! s))) {wait})",
        f"""(let [seen (atom nil)]
              (try (all! (do (sleep! (ms 1)) (throw (ex-info "no" {{}})))
                         (try (sleep! (seconds 9)) (finally (reset! seen {wait}))))
                   (catch Throwable e @seen)))""",
    ):
        assert value(body) == ":late"
    world = World(f"(defn main [] (try 1 (finally (print {wait}))))")
    world.machine.cancel("enough")
    world.compute()
    world.finish()
    assert (world.output, world.now_us) == (":late", 2_000_000)


def test_a_scope_does_not_wait_for_its_timers() -> None:
    world = logged("""(scope! [s]
      (let [slow (timeout (seconds 3600))]
        (spawn! (fn [] (try (sleep! (seconds 9)) (finally (alts! [(timeout (seconds 1)) slow]) (note! :clean)))))
        (sleep! (ms 1))
        (cancel! s)))""")
    assert (world.output, world.now_us) == (":clean ", 1_001_000)


ASKS = """(let [in (chan)]
  (go! (loop [] (select! (<! in) ([v] (print v "")) :timeout (seconds 300) nil) (recur)))
  (sleep! (ms 10))
  (>! in :job)
  :done)"""


@pytest.mark.parametrize(
    ("body", "output"),
    [
        (ASKS, ":job "),
        ("(go! (sleep! (ms 10)) (timeout (seconds 300)) (sleep! (seconds 9))) (sleep! (ms 10)) :done", ""),
        ("(go! (try (sleep! (seconds 9)) (finally (go! (sleep! (seconds 300)))))) (sleep! (ms 10)) :done", ""),
        (
            """(go! (try (sleep! (seconds 9))
                      (finally (go! (try (sleep! (seconds 9)) (finally (go! (sleep! (seconds 300)))))))))
               (sleep! (ms 10)) :done""",
            "",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["%s", "(scope! [s] %s)"])
def test_what_a_service_begins_after_its_cancellation_is_cancelled_too(
    form: str, body: str, output: str
) -> None:
    world = World(f"(defn main [] {form % body})")
    assert world.finish().result == k("done")
    assert (world.output, world.now_us) == (output, 10_000)


@pytest.mark.parametrize("form", ["%s", "(scope! [s] %s)"])
def test_what_the_clean_up_of_a_service_waits_for_is_not_cancelled_before_it(form: str) -> None:
    for begun in (
        "(alts! [(timeout (seconds 2))])",
        "(let [c (chan)] (go! (sleep! (seconds 2)) (>! c 1)) (<! c))",
        "(await! (spawn! (fn [] (sleep! (seconds 2)))))",
        "(spawn! (fn [] (sleep! (seconds 2)) (print :clean)))",
    ):
        body = f"""(go! (try (sleep! (seconds 9)) (finally {begun} (print :clean))))
                   (go! (try (sleep! (seconds 9)) (finally (sleep! (seconds 1)))))
                   (sleep! (seconds 1)) :done"""
        world = World(f"(defn main [] {form % body})")
        assert world.finish().result == k("done"), begun
        assert world.now_us == 3_000_000, begun
        assert world.output.startswith(":clean"), begun


FAILING_CLEAN_UP = '(try (sleep! #dur "9s") (finally (note! :f) (throw (ex-info "no" {:type :x}))))'


@pytest.mark.parametrize(
    "form",
    [
        f'(try {FAILING_CLEAN_UP} (catch :default e (note! :caught) (sleep! #dur "9s") (note! :on)))',
        f'(step! "a" {{:retry {{:max-attempts 3}}}} {FAILING_CLEAN_UP})',
        f'(do (settle! {FAILING_CLEAN_UP}) (sleep! #dur "9s") (note! :on))',
        f'(with-restart [:r "r" (fn [] (sleep! #dur "9s") (note! :on))] (with-handler [:x (fn [e] (invoke-restart :r))] {FAILING_CLEAN_UP}))',
    ],
)
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        '(with-timeout! #dur "3s" {{:else 1}} {})',
        '(race! (sleep! #dur "3s") {})',
        '(with-timeout! #dur "3s" {{:else 1}} (with-timeout! #dur "60s" {}))',
        f'(try (all! {{}} (do (sleep! #dur "3s") {FAIL.replace("{", "{{").replace("}", "}}")})) (catch :my/error e 1))',
    ],
)
def test_a_cancellation_goes_on_though_clean_up_fails_and_that_is_caught(
    around: str, form: str
) -> None:
    world = World(f'(defn note! [x] (print (str x " ")))\n(defn main [] {around.format(form)})')
    while not any(request.kind == "time/sleep" for request in world.open):
        world.step()
    if around == "{}":
        world.machine.cancel("enough")
        world.compute()
    world.finish()
    assert world.output in (":f ", ":f :caught ")
    assert world.now_us in (0, 3_000_000)


def test_a_timeout_that_clean_up_has_taken_too_long_for_cancels_nobody_else() -> None:
    world = World("""(defn main []
      (with-timeout! (seconds 1) {:else :late}
        (try (sleep! (seconds 9))
             (finally (try (sleep! (seconds 99)) (finally (throw (ex-info "no" {})))))))
      (sleep! (seconds 5))
      :done)""")
    while world.now_us < 1_000_000:
        world.step()
    deliver(world.machine.state, Overdue(1), 31_000_000)
    world.compute()
    assert world.finish().result == k("done")


def test_a_run_that_fails_in_its_clean_up_tells_of_that_and_not_of_its_cancellation() -> None:
    world = World("""(defn main []
      (spawn! (fn [] (try (sleep! (seconds 9)) (finally (throw (ex-info "no" {:type :x}))))))
      (sleep! (seconds 9)))""")
    world.machine.cancel("enough")
    world.compute()
    assert world.turn.status is MachineStatus.FAILED
    assert world.turn.error.type is k("x")


def test_who_awaits_a_fiber_that_is_cancelled_with_it_is_cancelled_and_has_not_failed() -> None:
    text = f"""(try (scope! [s]
       (let [x (spawn! (fn [] (sleep! #dur "9s")))]
         (spawn! (fn [] (sleep! #dur "1s") {FAIL}))
         (try (await! x) (catch :default e (note! :handled)))))
       (catch :my/error e (note! (:suppressed (ex-data e)))))"""
    assert logged(text).output == " "


@pytest.mark.parametrize(
    "awaits",
    [
        "(all! (await! x))",
        "(scope! [t] (await! (spawn! (fn [] (await! x)))))",
        "(all! (all! (await! x)))",
        "(pmap! await! [x x])",
        '(with-timeout! #dur "9s" (all! (await! x)))',
    ],
)
def test_who_awaits_a_fiber_in_a_scope_that_is_cancelled_with_it_has_not_failed(
    awaits: str,
) -> None:
    text = f"""(try (scope! [s]
       (let [x (spawn! (fn [] (sleep! #dur "9s")))]
         (spawn! (fn [] (try {awaits} (catch :default e (note! :handled)))))
         (sleep! #dur "1s") {FAIL}))
       (catch :my/error e (note! (:suppressed (ex-data e)))))"""
    assert logged(text).output == " "


def test_what_clean_up_awaits_fails_though_a_cancellation_has_begun_it() -> None:
    text = f"""(try (scope! [s]
       (spawn! (fn [] (try (sleep! #dur "9s")
                        (finally
                          (let [x (spawn! (fn [] (sleep! #dur "9s")))]
                            (try (all! (await! x) (cancel! x "no"))
                              (catch :fiber/cancelled e (note! :handled))))))))
       (sleep! #dur "1s") {FAIL})
       (catch :my/error e (note! (:suppressed (ex-data e)))))"""
    assert logged(text).output == ":handled  "


SLOW = '(spawn! (fn [] (sleep! (seconds 2)) (try (throw (ex-info "no" {:type :x})) (finally (sleep! (seconds 120))))))'


def test_a_fiber_whose_clean_up_took_too_long_has_left_what_was_decided_where_it_waited() -> None:
    world = World(f"""(defn main []
      (let [b {SLOW}]
        (with-timeout! (seconds 1) {{:else :late}}
          (try (sleep! (seconds 3600))
               (finally (try (await! b) (catch :x e :ok)))))))""")
    while world.now_us != 2_000_000:
        world.step()
    deliver(world.machine.state, Overdue(1), 31_000_000)
    world.compute()  # and it goes through bytes
    assert world.machine.state.fibers[1].status is FiberStatus.DONE
    assert world.machine.state.fibers[1].verdict is None
    assert world.finish().error.type is k("x")  # b has failed, and nobody has taken that


FAILING = '(spawn! (fn [] (sleep! #dur "1s") (try (throw (ex-info "no" {:type :my/error})) (finally (sleep! #dur "5s")))))'


@pytest.mark.parametrize(
    ("wait", "result"),
    [
        ('(try (await! f {:timeout #dur "2s" :else :late}) (catch :my/error e :caught))', ":told"),
        ('(with-timeout! #dur "2s" {:else :late} (await! f))', ":told"),
        ('(race! (sleep! #dur "2s") (await! f))', ":told"),
        ('[(await! f {:timeout #dur "2s" :else :late}) (try (await! f) (catch :my/error e :later))]', "[:late :later]"),
    ],
)  # fmt: skip
def test_a_failure_reaches_its_scope_when_who_was_to_take_it_has_left_meanwhile(
    wait: str, result: str
) -> None:
    text = f'(try (scope! [s] (let [f {FAILING} got {wait}] (sleep! #dur "9s") got)) (catch :my/error e :told))'
    assert value(text) == result


def test_a_failure_that_nobody_is_left_to_take_parks_the_run_where_the_clean_up_ends() -> None:
    world = World(f"""(defn main []
      (let [f {FAILING}
            x (spawn! (fn [] (try (await! f) (catch :my/error e :caught))))]
        (sleep! #dur "2s")
        (cancel! x)
        (sleep! #dur "9s")
        (await! f)))""")
    assert world.finish().error.type is k("my/error")
    assert world.now_us == 6_000_000
    reviving.supply(world.machine.state, 7)
    world.compute()
    assert world.finish().result == 7


def test_a_failure_whose_taker_is_cancelled_with_their_scope_is_told_beside_its_failure() -> None:
    text = f"""(try (scope! [s]
       (let [f {FAILING}]
         (spawn! (fn [] (try (await! f) (catch :my/error e :caught))))
         (sleep! #dur "2s")
         (throw (ex-info "first" {{}}))))
       (catch :default e [(ex-message e) (mapv ex-message (:suppressed (ex-data e)))]))"""
    assert value(text) == '["first" ["no"]]'


def test_an_error_reaches_the_await_that_waits_for_it_and_not_one_before() -> None:
    text = """(let [p (promise!)
                    b (spawn! (fn [] (try (throw (ex-info "no" {:type :x})) (finally (await! p)))))
                    one (try (await! b) (catch :flow/deadlock e :deadlock) (catch :default e :no))]
                (deliver! p 1)
                [one (try (await! b) (catch :x e :second))])"""
    assert value(text) == "[:deadlock :second]"


@pytest.mark.parametrize(
    ("end", "wanted"),
    [
        (":fine", "[:fine :other]"),
        ("(sleep! (seconds 9))", "[:cancelled :other]"),
    ],
)
def test_what_was_decided_about_an_error_does_not_hold_for_another_end(
    end: str, wanted: str
) -> None:
    text = f"""(let [b (spawn! (fn []
                           (try (try (throw (ex-info "no" {{:type :x}}))
                                     (finally (throw (ex-info "too" {{:type :y}}))))
                                (catch :y e nil))
                           {end}))
                     c (spawn! (fn [] (sleep! (seconds 1)) (cancel! b)))]
                 [(try (try (await! b) (catch :x e :x)) (catch :fiber/cancelled e :cancelled))
                  (try (await! (spawn! (fn [] (throw (ex-info "no" {{:type :z}})))))
                       (catch :z e :other))])"""
    assert value(text) == wanted


ASKING = "(defforeign ask [x])\n"


def test_an_error_that_comes_behind_the_timeout_of_its_form_is_told_with_it() -> None:
    """An interpreter that was down lets both in at once; the timeout came first."""
    for catch in ("", "(catch :never e :never)", "(catch :boom e :boom)"):
        made = machine(
            f'{NS}{ASKING}(defn main [] (try (with-timeout! #dur "1s" {{:else :late}} (ask 1)) {catch}))'
        )
        made.deliver(made.run().requests[0].number, Instant(0))
        ask, limit = made.run().requests
        made.deliver(limit.number, at_us=2)
        made.deliver(ask.number, error=flow_error("FM0704", "boom", "boom"), at_us=3)
        assert pr_str(made.run().result) == ":late", catch


RELEASES = '(try (sleep! (seconds 9)) (finally (throw (ex-info "release" {}))))'


@pytest.mark.parametrize(
    "body",
    [
        RELEASES,
        f"(scope! [s] {RELEASES})",
        '(try (sleep! (seconds 9)) (finally (await! (spawn! (fn [] (throw (ex-info "release" {})))))))',
        '(try (sleep! (seconds 9)) (finally (scope! [s] (spawn! (fn [] (throw (ex-info "release" {})))))))',
    ],
)
def test_clean_up_that_fails_does_not_take_the_place_of_what_has_been_decided(body: str) -> None:
    assert value(f"(with-timeout! (ms 1) {{:else :late}} {body})") == ":late"
    told = "(catch :timeout e (mapv ex-message (:suppressed (ex-data e))))"
    assert value(f"(try (with-timeout! (ms 1) {body}) {told})") == '["release"]'
    in_a_fiber = f"(await! (spawn! (fn [] (with-timeout! (ms 1) {{:else :late}} {body}))))"
    assert value(in_a_fiber) == ":late"


def test_an_error_of_a_form_that_has_failed_is_still_caught_within_it() -> None:
    body = '(try (sleep! (seconds 9)) (finally (try (throw (ex-info "no" {:type :x})) (catch :x e (note! :in)))))'
    world = logged(f"(with-timeout! (ms 1) {{:else :late}} {body})")
    assert (world.turn.result, world.output) == (k("late"), ":in ")


def test_a_cancellation_is_raised_after_an_error_that_came_while_it_unwound_a_scope() -> None:
    world = logged("""(race!
      (do (sleep! (ms 10)) :won)
      (do (try (all! (do (sleep! (ms 10)) (throw (ex-info "no" {:type :x}))))
               (catch :x e (note! :caught)))
          (sleep! (seconds 3600))
          (note! :charged)))""")
    assert (world.turn.result, world.output) == (k("won"), ":caught ")
    assert world.now_us == 10_000


def test_a_run_that_is_cancelled_ends_though_its_clean_up_fails_and_that_is_caught() -> None:
    world = World("""(defforeign receive [])
(defn main []
  (loop []
    (try (all! (try (receive) (finally (throw (ex-info "release" {})))))
         (catch Throwable e (print (ex-message e))))
    (recur)))""")
    world.machine.cancel("enough")
    world.compute()
    for _ in range(9):
        if world.turn.status is MachineStatus.WAITING:
            world.step()
    assert (world.turn.status, world.output) == (MachineStatus.CANCELLED, "release")


def test_a_timeout_is_not_lost_to_an_error_further_in_that_was_decided_before_it() -> None:
    text = f"""{NS}{ASKING}(defn main []
      (with-timeout! (seconds 1) {{:else :late}}
        (try (scope! [s]
               (spawn! (fn [] (ask 2) (throw (ex-info "no" {{:type :x}}))))
               (ask 3)
               (ask 4))
             (catch :x e nil))
        (ask 5)
        :never))"""
    made = machine(text)
    made.deliver(made.run().requests[0].number, Instant(0))
    three, limit, two = made.run().requests
    assert limit.kind == "time/sleep"
    made.deliver(two.number, at_us=1)
    made.deliver(limit.number, at_us=2)
    made.deliver(three.number, at_us=3)
    turn = made.run()
    assert (turn.status, turn.result) == (MachineStatus.COMPLETED, k("late"))


SPAWNS = "(spawn! (fn [] (sleep! (seconds 1)) (note! :saved)))"


@pytest.mark.parametrize(
    "form",
    [
        f"(with-timeout! (seconds 9) {SPAWNS} :ok)",
        "(with-timeout! (seconds 9) (spawn! note! :saved) :ok)",
        f'(step! "s" {{:timeout (seconds 9)}} {SPAWNS} :ok)',
        f"(pmap! (fn [i] {SPAWNS} i) [1])",
        f"(pmap! (fn [i] {SPAWNS} i) [1] {{:on-error :collect}})",
        f"(pmap! (fn [i] {SPAWNS} i) [1] {{:tolerate 1}})",
        f"(all! {SPAWNS})",
        f"(any! (do {SPAWNS} 1))",
        f"(let [from (chan) to (chan 1)] (spawn! (fn [] (>! from 1) (close! from))) (await! (pipeline! 1 to (map (fn [i] {SPAWNS} i)) from)))",
    ],
)  # fmt: skip
def test_a_form_that_ends_well_waits_for_what_was_spawned_in_it(form: str) -> None:
    world = logged(f"(do {form} (note! :ended))")
    assert world.output == ":saved :ended "


def test_what_was_spawned_in_a_timeout_has_no_longer_than_it() -> None:
    body = "(spawn! (fn [] (sleep! (seconds 9)) (note! :never))) :ok"
    world = logged(f"(note! (with-timeout! (seconds 2) {{:else :late}} {body}))")
    assert (world.output, world.now_us) == (":late ", 2_000_000)


def test_what_the_forms_of_a_race_have_spawned_ends_with_it() -> None:
    spawned = "(spawn! (fn [] (sleep! (seconds 9)) (note! :never)))"
    assert logged(f"(note! (race! (do {spawned} :won) (sleep! (seconds 99))))").output == ":won "
    kept = "(scope! [s] (spawn! (fn [] (sleep! (seconds 9)) (note! :saved))) :won)"
    assert logged(f"(note! (race! {kept} (sleep! (seconds 99))))").output == ":saved :won "
