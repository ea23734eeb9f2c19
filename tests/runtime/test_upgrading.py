"""Runs on new code: what they call is new, what they are in the middle of is what it was."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowmetal
from flowmetal.effects.errors import effect_error
from flowmetal.effects.requests import EffectFailed
from flowmetal.errors import RefusedError
from flowmetal.runtime.active import Step
from flowmetal.runtime.advance import advance
from flowmetal.runtime.committing import carry_out, commit_step
from flowmetal.runtime.loading import open_run
from flowmetal.store.protocol import RunState
from flowmetal.testing.world import ScriptedWorld
from flowmetal.values import pr_str
from tests.stores import url_of


@pytest.fixture(params=["memory", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path):
    with flowmetal.Engine(url_of(request.param, request, tmp_path)) as opened:
        yield opened


HEAD = "(ns u (:require [flow.event :refer [receive!]]))\n"
LOOP = (
    HEAD
    + """
(def seen (atom []))
(defn price [n] {v})
(defn turn [n] (swap! seen conj (price n)) nil)
(defn main [] (loop [i 0] (if (< i 4) (do (turn (receive! :go)) (recur (inc i))) @seen)))
"""
)
OLD, NEW = LOOP.replace("{v}", "(* n 1)"), LOOP.replace("{v}", "(* n 100)")


def begun(engine, source: str, *signals: object) -> str:
    run, _ = engine.start(flowmetal.compile(source))
    for signal in signals:
        engine.signal(run, "go", signal)
    engine.interpret(until_idle=True)
    return run


def ended(engine, run: str, *signals: object) -> str:
    for signal in signals:
        engine.signal(run, "go", signal)
    found = pr_str(engine.result(run))
    assert engine.verify(run).problems == []
    return found


def test_what_is_called_by_name_is_new_and_state_stays(engine) -> None:
    run = begun(engine, OLD, 1, 2)
    view = engine.upgrade(run, flowmetal.compile(NEW))
    assert view.outcome == "clean"  # neither main nor turn has other code
    assert ended(engine, run, 3, 4) == "[1 2 300 400]"


def test_states_of_both_sides_of_an_upgrade_can_be_looked_at(engine) -> None:
    run = begun(engine, OLD, 1, 2)
    before = max(event.seq for event in engine.events(run))
    engine.upgrade(run, flowmetal.compile(NEW))
    ended(engine, run, 3, 4)
    assert engine.eval(run, "(u/price 5)", at=before) == 5
    assert engine.eval(run, "(u/price 5)") == 500


COUNTING = (
    "(ns u) (defn more? [i] {v}) (defn main [] (loop [i 0] (if (more? i) (recur (inc i)) i)))"
)
ENDLESS, ENDING = COUNTING.replace("{v}", "true"), COUNTING.replace("{v}", "(< i 9)")


def computing(engine, source: str) -> str:
    """Start a run, and let it go while it computes."""
    run, _ = engine.start(flowmetal.compile(source))
    host = engine.host
    with host.claimed(run) as claim:
        active = open_run(host, claim, host.clock.monotonic_us())
        carry_out(active, advance(active, turns=1))
        commit_step(active, Step(RunState.READY, leave=True))
    return run


def test_what_a_run_was_before_an_upgrade_is_computed_no_further_than_that(engine) -> None:
    run = computing(engine, ENDLESS)
    last = max(event.seq for event in engine.events(run))
    stood = engine.eval(run, "i")
    assert stood > 1000
    engine.upgrade(run, flowmetal.compile(ENDING))
    result = ended(engine, run)
    assert engine.eval(run, "i", at=last) == stood
    made = engine.fork(run, at=last, program=flowmetal.compile(ENDING))
    assert ended(engine, made.id) == result


def test_a_run_that_was_upgraded_before_it_began_was_nowhere_in_the_old_program(engine) -> None:
    run, _ = engine.start(flowmetal.compile(ENDLESS))
    engine.upgrade(run, flowmetal.compile(ENDING))
    assert ended(engine, run) == "9"
    assert engine.eval(run, "(u/more? 10)", at=1) is True
    made = engine.fork(run, at=1, program=flowmetal.compile(ENDING))
    assert ended(engine, made.id) == "9"


def test_a_fork_of_what_computes_was_where_it_got_its_program(engine) -> None:
    run = computing(engine, ENDLESS)
    made = engine.fork(run, program=flowmetal.compile(ENDING))
    forked = next(event.seq for event in engine.events(made.id) if event.kind == "forked")
    ended(engine, made.id)
    assert engine.eval(made.id, "i", at=forked) == engine.eval(run, "i")


def test_a_frame_in_a_changed_function_keeps_its_code_until_it_returns(engine) -> None:
    changed = NEW.replace("(< i 4)", "(< i 3)")
    run = begun(engine, OLD, 1)
    view = engine.upgrade(run, flowmetal.compile(changed))
    assert (view.outcome, view.frames) == ("old-code", ("u/main",))
    assert ended(engine, run, 2, 3, 4) == "[1 200 300 400]"


def test_a_closure_that_the_run_holds_keeps_its_code(engine) -> None:
    source = (
        HEAD + "(defn make [k] (fn [n] (* {k} k n)))\n"
        "(defn main [] (let [f (make 2)] (receive! :go) [(f 1) ((make 2) 1)]))"
    )
    run = begun(engine, source.replace("{k}", "1"))
    view = engine.upgrade(run, flowmetal.compile(source.replace("{k}", "10")))
    assert any(name.startswith("u/make/") for name in view.functions)
    assert ended(engine, run, None) == "[2 20]"


USES = """(ns u (:require [flow.event :refer [receive!]] [flow.async :refer [all!]] [flow.string :as str]
                        [flow.saga :refer [saga! compensate!]]))
(def words (atom ["a"]))
(defn undo [x] (swap! words conj x))
(defn main []
  (try
    (saga! (compensate! undo "undone")
           (all! (receive! :go))
           (throw (ex-info (str/join "-" (map str/upper-case @words)) {:type :u/no})))
    (catch :u/no e (conj (reverse (sort @words)) (ex-message e)))))"""


def test_old_code_keeps_what_it_needs_of_the_library_and_the_new_program_does_not(engine) -> None:
    plain = "(ns u) (def words (atom [])) (defn undo [x] x) (defn main [] 1)"
    run = begun(engine, USES)
    engine.upgrade(run, flowmetal.compile(plain))
    engine.upgrade(run, flowmetal.compile(plain.replace("1", "2")))
    assert ended(engine, run, None) == '("A" "undone" "a")'


def test_old_code_that_evaluates_code_keeps_the_library_for_it(engine) -> None:
    evaluates = f"{HEAD}(defn main [] (receive! :go) (eval '(mapv inc [1 2])))"
    plain = f"{HEAD}(defn main [] (receive! :go) nil)"
    run = begun(engine, evaluates)
    at = engine.last_event(run)
    engine.upgrade(run, flowmetal.compile(plain))
    engine.upgrade(run, flowmetal.compile(plain.replace("nil", "1")))
    forked = engine.fork(run, at=at, program=flowmetal.compile(plain)).id
    assert [ended(engine, each, None) for each in (run, forked)] == ["[2 3]"] * 2


def test_an_upgraded_run_can_be_upgraded_again(engine) -> None:
    run = begun(engine, OLD, 1)
    engine.upgrade(run, flowmetal.compile(NEW.replace("(< i 4)", "(< i 3)")))
    engine.signal(run, "go", 2)
    engine.interpret(until_idle=True)
    third = LOOP.replace("{v}", "(* n 1000)")
    assert engine.upgrade(run, flowmetal.compile(third)).outcome == "clean"
    assert ended(engine, run, 3, 4) == "[1 200 3000 4000]"


def test_vars_that_did_not_exist_are_computed_and_methods_are_new(engine) -> None:
    old = (
        HEAD
        + """
(defmulti area :shape)
(defmethod area :square [s] (* (:side s) (:side s)))
(defn main [] (let [s (receive! :go)] (area s)))
"""
    )
    new = (
        HEAD
        + """
(def factors (atom {:line (apply + [1 2 3])}))
(defmulti area :shape)
(defmethod area :square [s] (* (:side s) (:side s)))
(defmethod area :line [s] (:line @factors))
(defn main [] (let [s (receive! :go)] (area s)))
"""
    )
    run = begun(engine, old)
    engine.upgrade(run, flowmetal.compile(new))
    shape = engine.eval(run, "{:shape :line}")
    assert ended(engine, run, shape) == "6"


def test_a_run_that_has_not_begun_begins_with_the_new_code(engine) -> None:
    run, _ = engine.start(flowmetal.compile("(defn main [] 1)"))
    assert engine.upgrade(run, flowmetal.compile("(defn main [] 2)")).outcome == "clean"
    assert ended(engine, run) == "2"


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("(defn main [] (receive! :go))", "price"),
        ("(defn price [n] n) (defn turn [n] n) (def seen 1)", "no function u/main"),
    ],
)
def test_what_cannot_go_on_is_refused_and_nothing_changes(engine, new: str, why: str) -> None:
    source = HEAD + "(defn price [n] n)\n(defn main [] (price (receive! :go)))"
    run = begun(engine, source)
    program = flowmetal.compile(HEAD + new)
    assert why in engine.upgrade(run, program, dry_run=True).text()
    with pytest.raises(RefusedError) as refused:
        engine.upgrade(run, program)
    assert refused.value.code == "FM1134"
    assert ended(engine, run, 7) == "7"


def test_records_with_other_fields_are_refused(engine) -> None:
    source = (
        HEAD
        + "(defrecord Order {f})\n(defn main [] (let [o (map->Order {})] (receive! :go) (:a o)))"
    )
    run = begun(engine, source.replace("{f}", "[a b]"))
    view = engine.upgrade(run, flowmetal.compile(source.replace("{f}", "[b a]")), dry_run=True)
    assert view.outcome == "refused"
    assert "u/Order" in view.text()


def test_a_constant_that_a_run_holds_does_not_change_under_it(engine) -> None:
    source = HEAD + "(def table {t})\n(defn main [] (let [t table] (receive! :go) [t table]))"
    run = begun(engine, source.replace("{t}", "{:a 1}"))
    engine.upgrade(run, flowmetal.compile(source.replace("{t}", "{:a 2}")))
    assert ended(engine, run, None) == "[{:a 1} {:a 2}]"


def test_a_literal_that_a_run_holds_is_saved_alike_wherever_the_code_comes_from(tmp_path) -> None:
    source = HEAD + (
        "(def fixed [7 [8]])\n(def seen (atom nil))\n(defn pair [] [1 [2]])\n"
        "(defn main [] (reset! seen [[3 [4]] (pair) fixed])\n"
        ' (receive! :go) (println "{x}") [@seen (identical? fixed (peek @seen))'
        " (identical? (pair) (second @seen))])"
    )
    new = flowmetal.compile(source.replace("{x}", "new"))
    url = f"sqlite:{tmp_path / 'store.db'}"
    with flowmetal.Engine(url) as compiled:
        run = begun(compiled, source.replace("{x}", "old"))
        compiled.fork(run, id="one", program=new)
        assert compiled.verify("one").problems == []
    with flowmetal.Engine(url) as read:
        read.fork(run, id="two", program=new)
        for fork in ("one", "two"):
            assert read.verify(fork).problems == []
            assert ended(read, fork, 1) == "[[[3 [4]] [1 [2]] [7 [8]]] true true]"


def test_a_fork_goes_on_with_another_program(engine) -> None:
    run = begun(engine, OLD, 1, 2)
    made = engine.fork(run, program=flowmetal.compile(NEW))
    assert ended(engine, made.id, 3, 4) == "[1 2 300 400]"
    assert ended(engine, run, 3, 4) == "[1 2 3 4]"


def test_an_upgraded_run_moves_with_its_code(engine, tmp_path) -> None:
    run = begun(engine, OLD, 1)
    engine.upgrade(run, flowmetal.compile(NEW.replace("(< i 4)", "(< i 3)")))
    path = engine.export(run, str(tmp_path / "r.fms"))
    with flowmetal.Engine("memory:") as there:
        assert there.import_run(path) == run
        for signal in (2, 3, 4):
            there.signal(run, "go", signal)
        assert pr_str(there.result(run)) == "[1 200 300 400]"
        assert there.verify(run).problems == []


def test_the_current_namespace_and_the_arguments_stay(engine) -> None:
    source = HEAD + "(defn main [a] (receive! :go) [*ns* (resolve 'main) *command-line-args* {v}])"
    run, _ = engine.start(flowmetal.compile(source.replace("{v}", "1")), ["x"])
    engine.interpret(until_idle=True)
    engine.upgrade(run, flowmetal.compile(source.replace("{v}", "2")))
    assert ended(engine, run, 0) == '[u #\'u/main ("x") 1]'


PAY = """(ns u (:require [flow.event :refer [receive!]] [flow.async :refer [all!]]))
(defforeign pay {OPTIONS} [x]) (defn main [] (all! (pay 1) (receive! :go)))"""


def paying(options: str) -> flowmetal.Program:
    return flowmetal.compile(PAY.replace("OPTIONS", options))


@pytest.mark.parametrize("once", ["", ":at-most-once true"])
def test_a_task_that_a_worker_has_stays_its_own_when_the_new_program_has_no_queue(
    engine, once: str
) -> None:
    world = engine.host.world
    run, _ = engine.start(paying(f':queue "till" {once}'))
    engine.interpret(until_idle=True)
    task = engine.claim_task("till", "w")
    engine.upgrade(run, paying(once))
    paid: list[object] = []
    engine.host.world = ScriptedWorld(functions={"u/pay": paid.append})
    engine.signal(run, "go", 2)
    engine.interpret(until_idle=True)
    engine.host.world = world
    assert engine.end_task(task.id, task.attempt, '"paid"')
    engine.interpret(until_idle=True)
    assert pr_str(engine.view(run).result) == '["paid" 2]'
    assert paid == []


def test_what_the_host_has_begun_is_given_to_workers_that_alone_perform_it_by_the_new_program(
    engine,
) -> None:
    def fails(_: object) -> None:
        raise EffectFailed(effect_error("FM0705", "u/no", "no", retryable=True))

    world = engine.host.world
    engine.host.world = ScriptedWorld(functions={"u/pay": fails})
    run, _ = engine.start(paying(':retry {:max-attempts 2 :backoff #dur "1h" :jitter :none}'))
    engine.interpret(until_idle=True)
    engine.host.world = world
    engine.upgrade(run, paying(':queue "till"'))
    engine.signal(run, "go", 2)
    engine.interpret(until_idle=True)
    task = engine.claim_task("till", "w")
    assert task is not None
    assert engine.end_task(task.id, task.attempt, '"paid"')
    engine.interpret(until_idle=True)
    assert pr_str(engine.view(run).result) == '["paid" 2]'


def test_what_others_were_asked_to_perform_is_given_to_workers_by_the_new_program(engine) -> None:
    run, _ = engine.start(paying(""))
    engine.interpret(until_idle=True)
    engine.upgrade(run, paying(':queue "till"'))
    engine.signal(run, "go", 2)
    engine.interpret(until_idle=True)
    task = engine.claim_task("till", "w")
    assert engine.end_task(task.id, task.attempt, '"paid"')
    engine.interpret(until_idle=True)
    assert pr_str(engine.view(run).result) == '["paid" 2]'
