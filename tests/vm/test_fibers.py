"""Fibers and scopes: durability.md, "Fibers are structured", a test for each sentence."""

from flowmetal.values import pr_str
from flowmetal.vm.state import MachineStatus
from tests.vm.fibers import World, failure, value
from tests.vm.programs import k

SLOW = '(sleep! #dur "9s")'
FAIL = '(throw (ex-info "no" {:type :my/error}))'


def test_await_gives_what_the_function_of_a_fiber_returns() -> None:
    assert value("(await! (spawn! + 1 2))") == "3"
    assert value('(await! (spawn! (fn [x] (sleep! #dur "1s") x) :a))') == ":a"


def test_fibers_run_beside_each_other() -> None:
    world = World('(defn main [] (all! (sleep! #dur "3s") (sleep! #dur "2s") (sleep! #dur "3s")))')
    world.finish()
    assert world.now_us == 3_000_000


def test_one_turn_holds_the_requests_of_all_fibers() -> None:
    world = World('(defn main [] (all! (sleep! #dur "3s") (sleep! #dur "2s")))')
    assert [request.number for request in world.open] == [1, 2]


def test_all_gives_results_in_the_order_of_the_forms() -> None:
    assert value('(all! (do (sleep! #dur "2s") 1) (do (sleep! #dur "1s") 2) 3)') == "[1 2 3]"
    assert value("(all!)") == "[]"


def test_a_form_that_starts_fibers_does_not_end_before_they_have_ended() -> None:
    text = """(let [log (atom [])]
      (scope! [s] (spawn! (fn [] (sleep! #dur "2s") (swap! log conj :child))) (swap! log conj :body))
      (swap! log conj :after) @log)"""
    assert value(text) == "[:body :child :after]"


def test_a_run_ends_when_the_fibers_of_its_own_scope_have() -> None:
    world = World('(defn main [] (spawn! (fn [] (sleep! #dur "5s") (print "late"))) :main)')
    assert world.finish().result == k("main")
    assert world.output == "late"


def test_if_one_fails_its_siblings_are_cancelled_and_the_error_is_raised_at_the_scope() -> None:
    text = f"""(let [log (atom [])]
      (try (all! (do (sleep! #dur "1s") {FAIL})
                 (try {SLOW} (finally (sleep! #dur "2s") (swap! log conj :cleaned))))
           (catch :my/error e (swap! log conj (ex-message e)))))"""
    world = World(f"(defn main [] {text})")
    assert str(world.finish().result) == '[:cleaned "no"]'
    assert world.now_us == 3_000_000


def test_the_failing_fiber_has_unwound_before_the_handler_runs() -> None:
    text = f"""(let [log (atom [])]
      (try (await! (spawn! (fn [] (try {FAIL} (finally (sleep! #dur "1s") (swap! log conj :finally))))))
           (catch :my/error e (swap! log conj :handler))))"""
    assert value(text) == "[:finally :handler]"


def test_an_error_that_nobody_takes_parks_the_run_before_any_finally_block() -> None:
    world = World(
        f'(defn main [] (try (all! (do (sleep! #dur "1s") {FAIL}) {SLOW}) (finally (print "x"))))'
    )
    turn = world.finish()
    assert turn.status is MachineStatus.FAILED
    assert turn.error.type is k("my/error")
    assert world.output == ""
    stands = {number: fiber.status.value for number, fiber in world.machine.state.fibers.items()}
    assert stands == {1: "blocked", 2: "failed", 3: "waiting"}


def test_an_error_says_where_its_fiber_was_spawned_and_awaited() -> None:
    text = """(defn work [] (throw (ex-info "no" {})))
(defn main []
  (let [f (spawn! work)]
    (inc (await! f))))"""
    error = World(text).finish().error
    names = [name for name, _ in error.frames]
    assert "... in fiber #2 spawned at test.flow:4:11, awaited at test.flow:5:10" in names
    assert names[-1] == "user/main"


def test_a_service_was_spawned_where_its_go_stands_however_the_turns_were_cut() -> None:
    text = f"""(defn work! []
  (+ 1 2)
  (go! {SLOW})
  {SLOW})
(defn main [] (work!))"""
    whole, cut = World(text), World(text, budget=1)
    origin = whole.machine.state.fibers[2].origin
    assert origin is not None
    assert str(origin[0].span_at(origin[1])) == "test.flow:4:3"
    assert whole.machine.snapshot() == cut.machine.snapshot()


def test_an_error_in_a_fiber_of_the_library_s_own_says_which_line_spawned_it() -> None:
    text = """(defn main []
  (spawn! subs "abc" 5)
  (sleep! #dur "1h"))"""
    frames = World(text).finish().error.frames
    names = [name for name, _ in frames]
    assert names == ["flow.core/-call", "... in fiber #2 spawned by", "user/main"]
    assert str(frames[-1][1]) == "test.flow:3:3"


def test_a_deadlock_is_an_error_that_says_where_each_fiber_stands() -> None:
    turn = failure("(let [p (promise!)] (await! (spawn! (fn [] (await! p)))))")
    assert turn.error.type is k("flow/deadlock")
    assert turn.error.code == "FM0741"
    assert "fiber 1 at test.flow:2:35 waits for fiber 2" in turn.error.message
    assert "waits for a promise" in turn.error.message


def test_who_waits_for_what_a_cancelled_fiber_was_to_deliver_is_not_cancelled() -> None:
    world = World(
        f"""(defn main []
              (let [p (promise!)
                    maker (spawn! (fn [] (try {SLOW} (catch :flow/cancelled e (fail! p e) (throw e)))))
                    waiter (spawn! (fn [] (try (await! p) (catch :default e [(:type e) (ex-message e)]))))]
                (sleep! #dur "1s")
                (cancel! maker "no more")
                (await! waiter)))"""
    )
    assert pr_str(world.finish().result) == '[:fiber/cancelled "the promise was given up: no more"]'


def test_a_delay_that_two_fibers_force_is_computed_once() -> None:
    world = World(
        f"(defn main [] (let [n (atom 0) d (delay {SLOW} (swap! n inc))] [(all! @d (force d)) @n (realized? d)]))"
    )
    assert pr_str(world.finish().result) == "[[1 1] 1 true]"


def test_who_waits_for_a_delay_gets_the_error_of_its_body() -> None:
    world = World(
        f"""(defn main []
              (let [n (atom 0) d (delay (swap! n inc) {SLOW} {FAIL})]
                [(map :error (settle! (try @d (catch :my/error e 1)) (try @d (catch :my/error e 2)))) (try @d (catch :my/error e @n))]))"""
    )
    assert pr_str(world.finish().result) == "[(nil nil) 1]"


def test_a_delay_whose_fiber_is_cancelled_is_computed_by_who_waits_for_it() -> None:
    world = World(
        f"""(defn main []
              (let [d (delay {SLOW} :got)
                    first-one (spawn! (fn [] (on-cancel (print "away ") @d)))
                    second-one (spawn! (fn [] @d))]
                (sleep! #dur "1ms")
                (cancel! first-one)
                (await! second-one)))"""
    )
    assert pr_str(world.finish().result) == ":got"
    assert world.output == "away "


def test_a_delay_whose_time_is_up_or_whose_scope_has_failed_is_computed_by_who_comes_next() -> None:
    world = World(
        f"""(defn main []
              (let [n (atom 0)
                    slow-once (fn [] (delay (if (odd? (swap! n inc)) {SLOW} :got)))
                    timed-out (slow-once)
                    failed (slow-once)]
                (with-timeout! #dur "1s" {{:else :late}} @timed-out)
                (try (scope! [_]
                       (spawn! (fn [] (sleep! #dur "1s") {FAIL}))
                       @timed-out
                       @failed)
                     (catch :my/error e nil))
                [@timed-out @failed @n]))"""
    )
    assert pr_str(world.finish().result) == "[:got :got 4]"


def test_a_delay_that_needs_its_own_value_is_a_deadlock_at_once() -> None:
    turn = failure("(let [d (atom nil)] (reset! d (delay (inc @@d))) @@d)")
    assert (turn.error.code, turn.error.type) == ("FM0741", k("flow/deadlock"))
    assert "its own value" in turn.error.message


def test_race_gives_the_first_to_finish_and_cancels_the_others() -> None:
    world = World(f'(defn main [] (race! (do (sleep! #dur "1s") :first) {SLOW}))')
    assert world.finish().result == k("first")
    assert world.now_us == 1_000_000


def test_a_failure_can_win_a_race() -> None:
    assert value(f"(try (race! {FAIL} {SLOW}) (catch :my/error e :lost))") == ":lost"


def test_any_gives_the_first_success() -> None:
    assert value(f'(any! {FAIL} (do (sleep! #dur "1s") :ok) {SLOW})') == ":ok"


def test_any_fails_with_all_failures_when_all_fail() -> None:
    turn = failure(f"(any! {FAIL} {FAIL})")
    assert turn.error.code == "FM0744"
    assert len(turn.error.data.get(k("failures"))) == 2


def test_settle_gives_failures_as_values() -> None:
    assert (
        value(f"(mapv (fn [r] (or (:ok r) (ex-message (:error r)))) (settle! 1 {FAIL}))")
        == '[1 "no"]'
    )


def test_a_timeout_cancels_the_body_and_is_thrown() -> None:
    text = f'(try (with-timeout! #dur "1s" {SLOW}) (catch :timeout e :late))'
    world = World(f"(defn main [] {text})")
    assert world.finish().result == k("late")
    assert world.now_us == 1_000_000
    assert value(f'(with-timeout! #dur "1s" {{:else :late}} {SLOW})') == ":late"
    assert value('(with-timeout! #dur "9s" {:else :late} (sleep! #dur "1s") :done)') == ":done"


def test_no_other_cancellation_cuts_the_clean_up_of_on_cancel_short() -> None:
    world = World(
        f"""(defn main []
              (with-timeout! #dur "5s" {{:else :outer}}
                (with-timeout! #dur "1s" {{:else :inner}}
                  (on-cancel (do {SLOW} (print "cleaned"))
                    (sleep! #dur "1h")))))"""
    )
    assert pr_str(world.finish().result) == ":outer"
    assert world.output == "cleaned"


def test_whoever_awaits_a_cancelled_fiber_gets_an_error_and_is_not_cancelled() -> None:
    text = f'(let [f (spawn! (fn [] {SLOW}))] (sleep! #dur "1s") (cancel! f) (try (await! f) (catch :default e (:code (ex-info "" {{:code 1}})) :told)))'
    assert value(text) == ":told"


def test_a_fiber_is_printed_by_its_number_and_is_no_data() -> None:
    assert value("(pr-str (spawn! inc 1))") == '"#flow/fiber 2"'
    turn = failure("(spawn! inc 1)")
    assert turn.error.code == "FM0311"
