"""Ways on that a program offers: chosen by a host when nobody caught the error, saved with the stack."""

from __future__ import annotations

import pytest

from flowmetal.embed.machine import Machine
from flowmetal.embed.natives import natives
from flowmetal.ids import RunId
from flowmetal.snapshot import decode, encode
from flowmetal.values import FlowError, pr_str
from flowmetal.vm.link import Image
from flowmetal.vm.machine import run, start
from flowmetal.vm.restarts import invoke_restart, restarts
from flowmetal.vm.state import MachineStatus
from tests.vm.programs import k, machine, program

PARKS = """
(def seen (atom []))
(defn rates [] (throw (ex-info "down" {:type :rates/down})))
(defn convert [n]
  (with-restart [:use-cached "use yesterday's rates" (fn [] (* 2 n))
                 :use "use this rate" (fn [rate] (* rate n))]
    (try (rates) (finally (swap! seen conj :finally)))))
(defn main []
  (with-restart [:give-up "return nothing" (fn [] nil)]
    (let [converted (mapv convert [1 2])] [converted @seen])))
"""


def parked(text: str = PARKS) -> Machine:
    made = machine(text)
    assert made.run().status is MachineStatus.FAILED
    return made


def test_a_parked_machine_says_what_it_offers_innermost_first() -> None:
    offered = parked().restarts()
    assert [(pr_str(each.name), each.description) for each in offered] == [
        (":use-cached", "use yesterday's rates"),
        (":use", "use this rate"),
        (":give-up", "return nothing"),
    ]


def test_a_machine_that_is_not_parked_offers_nothing() -> None:
    assert machine(PARKS).restarts() == ()


def test_a_restart_goes_on_at_its_form_through_the_finally_blocks() -> None:
    made = parked()
    made.restart("use-cached")
    assert made.run().status is MachineStatus.FAILED  # the second one
    made.restart("use", 7)
    assert pr_str(made.run().result) == "[[2 14] [:finally :finally]]"


def test_a_restart_further_out_leaves_everything_inside() -> None:
    made = parked()
    made.restart("give-up")
    turn = made.run()
    assert (turn.status, turn.result) == (MachineStatus.COMPLETED, None)


def test_a_parked_machine_keeps_its_restarts_over_a_snapshot() -> None:
    made = Machine.restore(parked().snapshot(), program(PARKS))
    made.restart("use", 5)
    assert made.run().status is MachineStatus.FAILED
    again = Machine.restore(made.snapshot(), program(PARKS))
    again.restart("use", 6)
    assert pr_str(again.run().result) == "[[5 12] [:finally :finally]]"


@pytest.mark.parametrize(
    ("name", "arguments", "type_text"),
    [
        ("unknown", (), "restart/unknown"),
        ("use", (), "arity"),
        ("use", (object,), "data/not-data"),
    ],
)
def test_a_choice_that_cannot_be_made_changes_nothing(name, arguments, type_text) -> None:
    made = parked()
    before = made.snapshot()
    given = [made.state.globals["user/rates"] for _ in arguments]
    with pytest.raises(FlowError) as caught:
        made.restart(name, *given)
    assert caught.value.error.type.text == type_text
    assert made.snapshot() == before


def test_nothing_is_restarted_where_nothing_failed() -> None:
    with pytest.raises(FlowError) as caught:
        machine(PARKS).restart("use-cached")
    assert caught.value.error.type is k("restart/unknown")


def test_an_error_in_a_handler_parks_with_the_whole_stack_standing() -> None:
    made = parked("""
    (defn main []
      (with-restart [:go-on "go on" (fn [] :went-on)]
        (with-handler [:default (fn [e] (+ 1 nil))]
          (try (throw (ex-info "first" {})) (finally (println "finally"))))))""")
    names = [frame.body.owner.name for frame in made.state.fibers[1].frames]
    assert names[0] == "user/main"
    assert len(names) == 2
    made.restart("go-on")
    turn = made.run()
    assert (turn.result, turn.output) == (k("went-on"), "finally\n")


STEPPED = (
    PARKS
    + """
(defn run-all []
  (with-handler [:rates/down (fn [e] (println "asked") (invoke-restart :use (count (restarts))))]
    (try (main) (finally (println "end")))))
"""
)


def test_choosing_survives_a_snapshot_after_every_instruction() -> None:
    image = Image(program(STEPPED), natives(), single_steps=True)
    state = start(image, "user/run-all", (), RunId("r"))
    output, steps = "", 0
    while state.status is MachineStatus.READY:
        state.steps = 1
        output += run(state).output
        state.known.clear()
        saved = encode(state)
        state = decode(saved.data, image, lambda names, s=saved: {n: s.chunks[n] for n in names})
        steps += 1
    assert pr_str(state.fibers[1].result) == "[[3 6] [:finally :finally]]"
    assert output == "asked\nasked\nend\n"
    assert steps > 100


def test_the_functions_for_a_host_work_on_the_bare_machine() -> None:
    state = parked().state
    assert [each.name.text for each in restarts(state)] == ["use-cached", "use", "give-up"]
    invoke_restart(state, k("give-up"), ())
    assert state.status is MachineStatus.READY


def test_a_fiber_may_choose_what_the_one_that_waits_for_it_offers() -> None:
    turn = machine("""
    (ns user (:require [flow.async :refer [all!]]))
    (defn main []
      (with-restart [:give-up "go on without" (fn [] :gave-up)]
        (all! (throw (ex-info "no" {:type :no})) (sleep! #dur "1h"))))""")
    assert turn.run().status is MachineStatus.FAILED
    assert [each.name.text for each in turn.restarts()] == ["give-up"]
    turn.restart("give-up")
    assert turn.run().result is k("gave-up")
