import pytest

from flowmetal.embed.machine import Machine
from flowmetal.values import ErrorValue, Map, Vector, vector
from flowmetal.vm.state import FiberStatus, MachineStatus
from tests.vm.programs import k, machine, main, program, run


def words(body: str) -> list[str]:
    turn = run(f"(defn main [] {body})")
    return turn.output.split()


def test_a_handler_of_the_type_takes_the_error() -> None:
    assert main('(try (throw (ex-info "no" {:type :a/b})) (catch :a/b e (:message e)))') == "no"


def test_handlers_are_tried_in_their_order() -> None:
    body = '(try (throw (ex-info "no" {:type :a/b})) (catch :x e 1) (catch :a/b e 2) (catch :default e 3))'
    assert main(body) == 2


def test_an_inner_handler_comes_before_an_outer_one() -> None:
    assert main("(try (try (/ 1 0) (catch :default e :in)) (catch :default e :out))") is k("in")


def test_an_error_in_a_handler_goes_to_the_outer_handler() -> None:
    body = "(try (try (/ 1 0) (catch :default e (+ 1 nil))) (catch :type/mismatch e :outer))"
    assert main(body) is k("outer")


def test_class_names_of_clojure_select_by_type() -> None:
    assert main("(try (/ 1 0) (catch ArithmeticException e 1))") == 1
    assert main("(try (nth [1] 5) (catch IndexOutOfBoundsException e 2))") == 2
    assert main('(try (throw (ex-info "a" {})) (catch clojure.lang.ExceptionInfo e 3))') == 3
    assert main("(try (/ 1 0) (catch ExceptionInfo e 4) (catch Throwable e 5))") == 5


def test_a_predicate_selects_before_anything_is_unwound() -> None:
    text = """
    (def seen (atom []))
    (defn wanted? [e] (swap! seen conj :asked) (= 7 (:n (ex-data e))))
    (defn main []
      (try
        (try (throw (ex-info "n" {:n 7})) (finally (swap! seen conj :finally)))
        (catch wanted? e (conj @seen :caught))))"""
    turn = run(text)
    assert turn.result == vector([k("asked"), k("finally"), k("caught")])


def test_a_predicate_that_says_no_leaves_the_search_going() -> None:
    assert (
        main("(try (try (/ 1 0) (catch string? e 1)) (catch map? e 2) (catch :default e 3))") == 3
    )


def test_a_predicate_that_fails_does_not_take_the_error() -> None:
    body = "(try (/ 1 0) (catch (fn [e] (+ nil 1)) e 1) (catch :arithmetic/divide-by-zero e 2))"
    assert main(body) == 2


def test_a_predicate_with_a_finally_of_its_own_runs_it() -> None:
    body = """(try (/ 1 0)
                (catch (fn [e] (try (+ nil 1) (finally (print "p ")))) e 1)
                (catch :default e (print "d ")))"""
    assert words(body) == ["p", "d"]


def test_finally_runs_once_on_the_way_out_of_each_kind() -> None:
    assert words('(try (print "a ") (finally (print "f ")))') == ["a", "f"]
    assert words('(try (/ 1 0) (catch :default e (print "c ")) (finally (print "f ")))') == [
        "c",
        "f",
    ]
    body = '(try (try (/ 1 0) (finally (print "f "))) (catch :default e (print "c ")))'
    assert words(body) == ["f", "c"]


def test_finally_blocks_run_from_the_inside_out_over_frames() -> None:
    text = """
    (defn inner [] (try (/ 1 0) (finally (print "1 "))))
    (defn middle [] (try (inner) 5 (finally (print "2 "))))
    (defn main [] (try (middle) (catch :default e (print "3 "))))"""
    assert run(text).output.split() == ["1", "2", "3"]


def test_an_error_in_a_finally_replaces_the_first_one() -> None:
    body = "(try (try (/ 1 0) (finally (+ nil 1))) (catch :default e (:type e)))"
    assert main(body) is k("type/mismatch")


def test_the_value_of_a_try_is_not_that_of_its_finally() -> None:
    assert main("(try 1 (finally 2))") == 1


def test_an_error_that_nobody_catches_leaves_the_stack_standing_and_runs_no_finally() -> None:
    text = """
    (defn charge [n] (let [amount (* n 2)] (/ amount 0)))
    (defn main [] (try (inc (charge 4)) (finally (print "finally"))))"""
    made = machine(text)
    turn = made.run()
    assert turn.status is MachineStatus.FAILED
    assert turn.output == ""
    fiber = made.state.fibers[1]
    assert fiber.status is FiberStatus.FAILED
    assert [frame.body.owner.name for frame in fiber.frames] == ["user/main", "user/charge"]
    top = fiber.frames[-1]
    assert 8 in top.stack  # the local `amount` can still be looked at
    assert turn.error.frames[0][0] == "user/charge"
    assert turn.error.frames[0][1].line == 2


def test_the_frames_of_an_error_are_most_recent_first_with_their_places() -> None:
    text = "(defn a [x]\n  (inc (+ x nil)))\n(defn b [x]\n  (inc (a x)))\n(defn main []\n  (inc (b 1)))"
    error = run(text).error
    assert [(name, span.line) for name, span in error.frames] == [
        ("user/a", 2),
        ("user/b", 4),
        ("user/main", 6),
    ]


def test_an_error_is_traced_through_the_last_tail_calls() -> None:
    error = run("(defn a [x] (inc (/ x 0)))\n(defn b [x] (a x))\n(defn main [] (b 1))").error
    assert [name for name, _ in error.frames] == ["user/a", "user/b", "user/main"]


def test_a_deep_stack_is_shown_in_part() -> None:
    text = "(defn deep [n] (if (= n 0) (/ 1 0) (inc (deep (dec n)))))\n(defn main [] (inc (deep 5000)))"
    error = run(text).error
    assert len(error.frames) == 81
    assert error.frames[40][0] == "... 4922 more frames"


def test_throwing_what_is_no_error_says_what_to_write() -> None:
    error = run('(defn main [] (throw "no"))').error
    assert error.code == "FM0306"
    assert "ex-info" in error.message


def test_an_error_is_data_in_the_handler() -> None:
    body = '(try (throw (ex-info "m" {:a 1} (ex-info "c" {}))) (catch :default e [(ex-message e) (ex-data e) (ex-message (ex-cause e))]))'
    found = main(body)
    assert isinstance(found, Vector)
    assert found.nth(0) == "m"
    assert isinstance(found.nth(1), Map)
    assert found.nth(2) == "c"


def test_a_caught_error_does_not_leak_operands() -> None:
    text = """
    (defn main []
      (loop [i 0 total 0]
        (if (< i 2000)
          (recur (inc i) (+ total (try (+ 1 (+ 2 (/ 1 0))) (catch :default e 1))))
          total)))"""
    made = machine(text)
    assert made.run().result == 2000


def test_cancelling_runs_finally_and_is_not_caught_by_default() -> None:
    text = """
    (defn main []
      (try
        (try (sleep! (seconds 5)) (catch :default e :caught) (finally (print "inner ")))
        (finally (sleep! (seconds 1)) (print "outer "))))""".replace(
        "(defn main", "(ns user (:require [flow.time :refer [seconds]]))\n(defn main"
    )
    made = machine(text)
    assert made.run().status is MachineStatus.WAITING
    made.cancel("enough")
    turn = made.run()
    assert turn.status is MachineStatus.WAITING  # an effect inside finally
    assert turn.output == "inner "
    made.deliver(turn.requests[0].number)
    turn = made.run()
    assert turn.output == "outer "
    assert turn.status is MachineStatus.CANCELLED
    assert turn.error.type is k("flow/cancelled")


def test_cancellation_is_caught_by_its_name() -> None:
    text = "(defn main [] (try (receive! :go) (catch :flow/cancelled e (:message e))))".replace(
        "(defn main", "(ns user (:require [flow.event :refer [receive!]]))\n(defn main"
    )
    made = machine(text)
    made.run()
    made.cancel("enough")
    assert made.run().result == "enough"


def test_cancellation_reaches_an_endless_loop_where_its_quantum_ends() -> None:
    made = machine('(defn main [] (try (loop [] (recur)) (finally (print "f"))))')
    assert made.run(25_000).status is MachineStatus.READY
    made.cancel("enough")
    turn = made.run(25_000)
    assert turn.status is MachineStatus.CANCELLED
    assert turn.output == "f"


ASKED = "(catch (fn [e] (loop [i 0] (if (< i 50000) (recur (inc i)) true))) e :asked)"
"""A handler that thinks for several quanta."""


def test_a_cancellation_while_a_handler_is_asked_is_raised_where_the_fiber_next_waits() -> None:
    thrown = '(throw (ex-info "no" {}))'
    for form in (
        f"(try {thrown} {ASKED})",
        f"(with-handler [:default (fn [e] (loop [] (recur)))] {thrown})",
        f"(try {thrown} (catch (fn [e] (try (loop [] (recur)) (catch :flow/cancelled e true))) e 1))",
    ):
        text = f'(defn main [] (try {form} (catch :default e (print "on ") (sleep! #dur "9s") 1)))'
        made = machine(text)
        assert made.run(25_000).status is MachineStatus.READY
        made.cancel("enough")
        turn = made.run()
        assert turn.status is MachineStatus.CANCELLED, form
        assert turn.output == "on ", form


def test_a_handler_that_may_not_wait_is_told_so_in_a_fiber_that_is_to_stop() -> None:
    text = """(defn main []
      (try (throw (ex-info "no" {}))
           (catch (fn [e] (loop [i 0] (when (< i 9000) (recur (inc i)))) (sleep! #dur "1s")) e 1)
           (catch :default e (sleep! #dur "1s") 2)))"""
    made = machine(text)
    made.run(8_000)
    made.cancel("enough")
    assert made.run().status is MachineStatus.CANCELLED


@pytest.mark.parametrize(
    "wait",
    [
        f"(try (await! f) {ASKED})",
        "(with-handler [:default (fn [e] (loop [i 0] (if (< i 50000) (recur (inc i)))))] (await! f))",
    ],
)
def test_who_is_asked_about_an_error_may_be_cancelled_meanwhile(wait: str) -> None:
    text = f"""(ns user (:require [flow.async :refer :all]))
    (defn main []
      (try
        (scope! [s]
          (let [f (spawn! (fn [] (perform :time/now {{}}) (throw (ex-info "no" {{}}))))]
            (spawn! (fn [] {wait}))
            (spawn! (fn [] (perform :time/now {{}})))
            (sleep! #dur "9s")))
        (catch :my/other e (mapv ex-message (:suppressed (ex-data e))))))"""
    made = machine(text)
    made.run()
    made.deliver(2)
    assert made.run(25_000).status is MachineStatus.READY  # the handler is asked
    made.deliver(3, error=ErrorValue(k("my/other"), "other"))
    while (turn := made.run(5_000)).status is MachineStatus.READY:
        made = Machine.restore(made.snapshot(), program(text))
    assert turn.result == vector(["no"])


def test_tail_calls_beyond_those_remembered_are_said_to_be_dropped() -> None:
    text = """
    (declare odd)
    (defn even [n] (if (= n 0) (/ 1 n) (odd (dec n))))
    (defn odd [n] (if (= n 0) false (even (dec n))))
    (defn main [] (even 100))"""
    error = run(text).error
    assert [name for name, _ in error.frames] == [
        "user/even",
        "user/odd",
        "user/even",
        "user/main",
        "... 98 frames dropped by tail calls",
    ]


def test_an_error_below_several_tail_calls_names_who_made_the_first() -> None:
    text = """
    (defn e [n] (/ 1 n))
    (defn d [n] (e n))
    (defn c [n] (d n))
    (defn b [n] (c n))
    (defn a [n] (b n))
    (defn main [] (a 0))"""
    names = [name for name, _ in run(text).error.frames]
    assert names == ["user/e", "user/d", "user/c", "user/b", "user/a", "user/main"]


def test_a_selector_that_cannot_be_asked_does_not_take_the_error() -> None:
    for selector in ("5", "odd?", "(fn [] true)"):
        text = f'(try (try (throw (ex-info "no" {{}})) (catch {selector} e 1)) (catch :default e :outer))'
        assert main(f"(let [p {selector}] {text.replace(f'catch {selector}', 'catch p')})") is k(
            "outer"
        )
