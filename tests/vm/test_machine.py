import pytest

from flowmetal.embed.machine import Machine, image_of
from flowmetal.embed.natives import natives
from flowmetal.errors import RunError
from flowmetal.ids import RunId
from flowmetal.values import ErrorValue, FlowError, pr_str, vector
from flowmetal.values.meter import DEFAULT
from flowmetal.vm import machine as vm
from flowmetal.vm import reviving
from flowmetal.vm.link import Image
from flowmetal.vm.state import FiberStatus, MachineStatus
from tests.vm.programs import k, machine, program, result, run

COUNT = "(defn main [] (loop [i 0] (if (< i 50000) (recur (inc i)) i)))"


def test_an_unknown_entry_is_an_error_that_names_it() -> None:
    with pytest.raises(RunError) as caught:
        Machine(program(COUNT), entry="nothing")
    assert caught.value.code == "FM1120"
    assert "user/nothing" in caught.value.message


def test_a_wrong_number_of_arguments_is_an_error_that_shows_the_argument_list() -> None:
    with pytest.raises(RunError) as caught:
        Machine(program("(defn main [order] order)"))
    assert caught.value.code == "FM1121"
    assert "[order]" in caught.value.message


def test_a_budget_pauses_a_program_without_changing_what_it_does() -> None:
    whole = machine(COUNT)
    turn = whole.run()
    parts = machine(COUNT)
    slices = 0
    while parts.run(777).status is MachineStatus.READY:
        slices += 1
    assert slices > 60
    assert parts.state.fibers[1].result == turn.result == 50000
    assert parts.state.fuel_used == whole.state.fuel_used


def test_no_fuel_is_no_progress() -> None:
    made = machine(COUNT)
    assert made.run(0).status is MachineStatus.READY
    assert made.state.fuel_used == 0


def test_recursion_a_million_deep_is_bounded_by_memory_alone() -> None:
    text = "(defn deep [n] (if (= n 0) 0 (inc (deep (dec n)))))\n(defn main [] (deep 1000000))"
    assert result(text) == 1_000_000


def test_endless_recursion_is_an_error_of_the_language() -> None:
    limits = DEFAULT.with_changes(frames=50_000)
    text = "(defn deep [n] (inc (deep n)))\n(defn main [] (deep 1))"
    error = Machine(program(text), limits=limits).run().error
    assert error.code == "FM0308"
    assert "--limit frames=N" in error.message
    text = "(defn deep [n] (inc (deep n)))\n(defn main [] (try (deep 1) (catch StackOverflowError e :caught)))"
    assert Machine(program(text), limits=limits).run().result is k("caught")


def test_tail_calls_do_not_grow_the_stack() -> None:
    text = """
    (declare odd)
    (defn even [n] (if (= n 0) true (odd (dec n))))
    (defn odd [n] (if (= n 0) false (even (dec n))))
    (defn main [] (even 100001))"""
    made = machine(text)
    while made.run(10_000).status is MachineStatus.READY:
        assert len(made.state.fibers[1].frames) == 1
    assert made.state.fibers[1].result is False


def test_results_enter_by_their_time_and_not_by_their_arrival() -> None:
    made = machine("(defn main [] [(perform :time/now {}) (perform :time/now {})])")
    made.run()
    made.deliver(1, "b", at_us=20)
    made.deliver(1, "a", at_us=10)
    made.run()
    made.deliver(2, "c")
    assert made.run().result == vector(["a", "c"])


def test_what_the_host_gives_a_machine_is_data_as_it_comes_back_from_a_snapshot() -> None:
    made = Machine(program("(defn main [x] [x (perform :time/now {})])"), {"a": [1]})
    made.run()
    with pytest.raises(FlowError, match="is not data"):
        made.deliver(1, object())
    made.deliver(1, [{"b": 2}])
    restored = Machine.restore(
        made.snapshot(), program("(defn main [x] [x (perform :time/now {})])")
    )
    assert pr_str(restored.run().result) == '[{"a" [1]} [{"b" 2}]]'
    with pytest.raises(FlowError, match="is not data"):
        Machine(program("(defn main [x] x)"), object())


def test_an_error_that_parks_a_run_leaves_what_came_with_it_for_later() -> None:
    made = machine(
        """(ns user (:require [flow.async :refer [all!]]))
        (defn main [] (all! (perform :time/now {}) (perform :time/now {}) (loop [i 0] (if (< i 50000) (recur (inc i)) i))))"""
    )
    assert made.run(12_000).status is MachineStatus.READY
    for number in (1, 2):
        made.deliver(number, error=ErrorValue(k("my/error"), f"no {number}"))
    for number in (1, 2):
        turn = made.run()
        assert (turn.status, turn.error.message) == (MachineStatus.FAILED, f"no {number}")
        assert sum(f.status is FiberStatus.FAILED for f in made.state.fibers.values()) == 1
        reviving.supply(made.state, number)
    assert made.run().result == vector([1, 2, 50000])


def test_output_is_told_once_and_in_order() -> None:
    made = machine('(defn main [] (print "a") (perform :time/now {}) (print "b") (print "c"))')
    assert made.run().output == "a"
    made.deliver(1)
    assert made.run().output == "bc"
    assert made.run().output == ""


def test_initialisers_run_in_order_before_the_entry() -> None:
    text = """
    (def a (do (print "a ") 1))
    (print "between ")
    (def b (do (print "b ") (inc a)))
    (defn main [] (print "main") b)"""
    turn = run(text)
    assert turn.output == "a between b main"
    assert turn.result == 2


def test_an_initialiser_that_fails_fails_the_run_with_its_place() -> None:
    text = "(def ^:dynamic *n* 0)\n(def a (perform :time/now {}))\n(defn main [] a)"
    from flowmetal.errors import CompileError

    with pytest.raises(CompileError):
        program(text)


def test_the_state_of_vars_is_that_of_one_machine() -> None:
    text = "(def counter (atom 0))\n(defn main [] (swap! counter inc))"
    assert result(text) == 1
    assert result(text) == 1


def test_rand_is_decided_by_the_seed() -> None:
    made = program("(defn main [] [(rand) (rand-int 100)])")
    first, again = Machine(made, seed=7).run().result, Machine(made, seed=7).run().result
    other = Machine(made, seed=8).run().result
    assert first == again != other


def test_single_steps_come_to_the_same_end() -> None:
    made = program("(defn f [x] (* 2 x))\n(defn main [] (reduce + (map f (range 20))))")
    image = Image(made, natives(), single_steps=True)
    state = vm.start(image, "user/main", [], RunId("r"))
    steps = 0
    while True:
        state.steps = 1
        turn = vm.run(state)
        if turn.status is not MachineStatus.READY:
            break
        steps += 1
    assert turn.result == 380
    assert steps > 500
    whole = vm.start(image_of(made), "user/main", [], RunId("r"))
    vm.run(whole)
    assert whole.fuel_used == state.fuel_used


def test_dynamic_vars_are_bound_for_the_extent_of_the_body() -> None:
    text = """
    (def ^:dynamic *depth* 0)
    (defn look [] *depth*)
    (defn main []
      [(look)
       (binding [*depth* 1] (set! *depth* (inc *depth*)) (look))
       (try (binding [*depth* 9] (/ 1 0)) (catch :default e (look)))])"""
    assert result(text) == vector([0, 2, 0])


def test_a_variadic_function_takes_an_endless_sequence() -> None:
    assert (
        result("(defn f [a & more] (+ a (first more)))\n(defn main [] (apply f (iterate inc 1)))")
        == 3
    )


def test_closures_of_letfn_see_each_other() -> None:
    text = """(defn main []
      (letfn [(e? [n] (if (= n 0) true (o? (dec n)))) (o? [n] (if (= n 0) false (e? (dec n))))]
        (e? 10)))"""
    assert result(text) is True


def test_calling_what_is_no_function_says_what_it_is() -> None:
    error = run("(defn main [] (let [x 5] (x 1)))").error
    assert error.code == "FM0302"
    assert error.message == "5 is not a function"


def test_keywords_maps_sets_vectors_and_vars_are_functions() -> None:
    body = "[(:a {:a 1}) ({:a 2} :a) (#{3} 3) ([4] 0) (#'inc 4) (:b {} 6) ('c {'c 7})]"
    assert result(f"(defn main [] {body})") == vector([1, 2, 3, 4, 5, 6, 7])


def test_an_arity_error_shows_all_argument_lists() -> None:
    text = "(defn f ([a] a) ([a b & more] a))\n(defn main [] (let [g f] (g)))"
    error = run(text).error
    assert error.code == "FM0303"
    assert "[a]" in error.message
    assert "[a b & more]" in error.message
