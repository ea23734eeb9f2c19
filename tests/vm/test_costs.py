"""What grows with its size, and no faster. Counted in fuel and in calls of Python, which no other process changes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

from flowmetal.embed.machine import Machine
from flowmetal.snapshot import encode
from flowmetal.vm.state import MachineStatus
from tests.vm.programs import program

NS = "(ns user (:require [flow.async :refer :all]))\n"


def calls_of(act: Callable[[], object]) -> int:
    """Return how many functions are called while something is done."""
    count = 0

    def one_more(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(one_more)
    try:
        act()
    finally:
        sys.setprofile(before)
    return count


def ready(text: str, size: int) -> Machine:
    """Return a machine whose main, called with a size, waits."""
    made = Machine(program(NS + text), size)
    assert made.run().status is MachineStatus.WAITING
    return made


def test_a_choice_takes_fuel_in_proportion_to_its_ports() -> None:
    text = NS + "(defn main [n] (alts! (vec (repeatedly n chan)) {:default 1}))"
    few, many = (Machine(program(text), n).run().fuel for n in (50, 200))
    assert many < 6 * few


def answered(size: int) -> int:
    """Return what it takes that so many fibers get their answers at one moment, the last one's first."""
    made = ready("(defn main [n] (run! await! (mapv (fn [_] (spawn! now!)) (range n))))", size)
    for number in sorted(made.state.open, reverse=True):
        made.deliver(number, 1, at_us=1)
    return calls_of(made.run)


def test_taking_in_an_answer_costs_the_same_however_many_others_wait() -> None:
    assert answered(400) < 6 * answered(100)


def cancelled(size: int) -> int:
    """Return what it takes to cancel so many fibers whose answers have all come."""
    text = """(defn main [n]
      (try (pmap! (fn [_] (/ 1 (now!))) (range n) {:concurrency n})
           (catch :default e 1)))"""
    made = ready(text, size)
    for number in sorted(made.state.open):
        made.deliver(number, 0, at_us=1)
    return calls_of(made.run)


def test_cancelling_a_fiber_costs_the_same_however_many_answers_wait() -> None:
    assert cancelled(400) < 6 * cancelled(100)


def nested(size: int) -> int:
    """Return what it takes that an error leaves so many scopes, each in a fiber of the one before."""
    text = """(defn down [n] (if (zero? n) (/ 1 (now!)) (all! (down (dec n)))))
      (defn main [n] (try (down n) (catch :default e (count (:frames e)))))"""
    made = ready(text, size)
    made.deliver(1, 0, at_us=1)
    return calls_of(made.run)


def test_an_error_costs_the_same_for_each_scope_that_it_leaves() -> None:
    assert nested(400) < 6 * nested(100)


def test_an_error_tells_of_the_nearest_of_those_who_wait_for_it() -> None:
    text = """(defn down [n] (if (zero? n) (/ 1 0) (await! (spawn! down (dec n)))))
      (defn main [n] (down n))"""
    few, many = (Machine(program(NS + text), n).run().error.frames for n in (300, 600))
    assert len(few) == len(many)
    assert many[-1] == ("... in more fibers", None)


def failing(size: int) -> int:
    """Return what it takes that so many fibers fail in their clean-up, beside as many others."""
    text = """(defn bad [i] (try (sleep! #dur "9s") (finally (throw (ex-info "too" {:i i})))))
      (defn main [n]
        (try
          (scope! [s]
            (dotimes [i n] (spawn! bad i))
            (scope! [t] (dotimes [i n] (spawn! bad i)) (now!) (/ 1 0)))
          (catch :default e (count (:suppressed (ex-data e))))))"""
    made = ready(text, size)
    made.deliver(1, 0, at_us=1)
    return calls_of(made.run)


def test_a_failure_beside_another_costs_the_same_however_many_there_are() -> None:
    assert failing(200) < 6 * failing(50)


def chosen(size: int) -> int:
    """Return what it takes that each of so many fibers, which wait beside each other for two channels, gets one value."""
    text = """(defn main [n]
      (let [stop (chan) work (chan)]
        (dotimes [_ n] (go! (loop [] (when (first (alts! [work stop])) (recur)))))
        (now!)
        (dotimes [i n] (>! work i))))"""
    made = ready(text, size)
    made.deliver(1, 1, at_us=1)
    return calls_of(made.run)


def test_a_choice_costs_the_same_however_many_wait_for_its_channels() -> None:
    assert 2 * chosen(400) < 9 * chosen(100)


def saved(size: int) -> int:
    """Return the bytes that are no part of big collections, in a run that goes through sorted items."""
    made = ready("(defn main [n] (doseq [_ (sort - (range n))] (now!)))", size)
    return len(encode(made.state).data)


def test_what_is_left_of_sorted_items_is_not_saved_at_each_effect() -> None:
    assert saved(1600) < 2 * saved(100)
