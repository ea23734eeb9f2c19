"""Forks: they go on from there, under keys of their own, and perform nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowmetal
from flowmetal.errors import RefusedError, UsageError
from flowmetal.ids import RunId
from flowmetal.runtime.active import Step
from flowmetal.runtime.advance import advance
from flowmetal.runtime.committing import carry_out, commit_step
from flowmetal.runtime.driving import drive
from flowmetal.runtime.forking import Choices, fork
from flowmetal.runtime.loading import open_run
from flowmetal.runtime.verifying import verify
from flowmetal.store.protocol import RunState
from flowmetal.testing.world import ScriptedWorld
from flowmetal.values import decode_data, keyword, pr_str
from tests.crash.corpus import CASES, Case
from tests.runtime.test_past import host_of, lived, row_of
from tests.stores import url_of

F = RunId("f")


@pytest.mark.parametrize("case", CASES[::3], ids=lambda case: case.name)
def test_a_fork_of_any_point_has_a_history_that_verifies(case: Case) -> None:
    trial = lived(case)
    host, row = host_of(trial), row_of(trial)
    for at in range(1, row.seq, max(3, row.seq // 8)):
        name = RunId(f"f{at}")
        try:
            made = fork(host, row.id, name, at)
        except RefusedError:  # it had ended there
            continue
        stored = trial.store.import_run(made.parts)
        assert verify(host, stored).problems == []
        trial.store.forget(name)


@pytest.mark.parametrize("case", CASES[1::3], ids=lambda case: case.name)
def test_a_fork_that_performs_anew_ends_and_verifies(case: Case) -> None:
    trial = lived(case)
    host, row = host_of(trial), row_of(trial)
    at = max(1, row.seq // 2)
    try:
        made = fork(host, row.id, F, at, Choices({}, perform=True))
    except RefusedError:
        return
    trial.store.import_run(made.parts)
    before = len(trial.world.performed)
    keys = {performed.key for performed in trial.world.performed}
    assert drive(host, F).row.state.value in ("completed", "failed", "cancelled", "waiting")
    assert keys.isdisjoint(performed.key for performed in trial.world.performed[before:])
    ended = trial.store.run(F)
    assert ended is not None
    assert verify(host, ended).problems == []
    trial.store.forget(F)


def test_a_fork_of_the_last_event_of_a_run_that_goes_on_meanwhile_says_what_was_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = """(ns p (:require [flow.event :refer [receive!]]))
      (defn main []
        (receive! :a)
        (loop [i 0] (if (< i 90000) (recur (inc i)) (do (println "printed") (receive! :b)))))"""
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(flowmetal.compile(source))
        engine.interpret(until_idle=True)
        engine.signal(run, "a")
        host = engine.host
        with host.claimed(RunId(run)) as claim:
            active = open_run(host, claim, host.clock.monotonic_us())  # type: ignore[arg-type]
            carry_out(active, advance(active, turns=1))
            commit_step(active, Step(RunState.READY, leave=True))
        last = max(event.seq for event in engine.events(run))
        look = engine.store.snapshot

        def going_on_meanwhile(run: RunId) -> bytes | None:
            monkeypatch.undo()
            engine.interpret(until_idle=True)
            return look(run)

        monkeypatch.setattr(engine.store, "snapshot", going_on_meanwhile)
        made = engine.fork(run, at=last)
        printed = [e for e in engine.events(made.id) if e.kind == "output"]
        assert [pr_str(event.data) for event in printed] == ['"printed\\n"']
        engine.interpret(until_idle=True)
        assert engine.verify(made.id).problems == []


def test_what_was_asked_for_and_given_up_on_the_way_is_in_the_history_of_the_fork() -> None:
    source = """(ns b (:require [flow.async :refer [race!]] [flow.event :refer [receive!]]))
      (defn main [] (race! :quick (receive! :never)) (sleep! #dur "1ms") (uuid!) :done)"""
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(flowmetal.compile(source))
        assert pr_str(engine.result(run)) == ":done"
        for at in [event.seq for event in engine.events(run)][:-2]:
            made = engine.fork(run, at=at, perform=True)
            assert engine.verify(made.id).problems == []
            assert pr_str(engine.result(made.id)) == ":done"
            assert engine.verify(made.id).problems == []


def test_what_was_asked_for_under_the_id_of_the_first_run_is_in_the_history_of_the_fork() -> None:
    source = """(ns i (:require [flow.event :refer [receive!]]))
      (defn main []
        (receive! :a)
        (receive! (str (run-id)) {:timeout #dur "1ms" :else nil})
        (receive! (str (run-id)) {:timeout #dur "2ms" :else :done}))"""
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(flowmetal.compile(source), id="first")
        engine.signal(run, "a")
        assert pr_str(engine.result(run)) == ":done"
        for at in [event.seq for event in engine.events(run)][2:-2]:
            made = engine.fork(run, at=at, perform=True)
            assert engine.verify(made.id).problems == []
            assert pr_str(engine.result(made.id)) == ":done"
            assert engine.verify(made.id).problems == []


def test_what_a_fork_asks_for_after_its_point_it_asks_under_its_own_id() -> None:
    source = """(ns i (:require [flow.event :refer [keep-shared! receive!]]))
      (defn main [] (receive! :go) (keep-shared! (run-id) 1))"""
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(flowmetal.compile(source), id="first")
        engine.signal(run, "go")
        assert engine.result(run) is True
        answered = next(e.seq for e in engine.events(run) if e.kind == "effect-resolved")
        made = engine.fork(run, at=answered)
        assert engine.result(made.id) is True  # it is the first to keep a promise of that name
        assert engine.verify(made.id).problems == []


@pytest.fixture(params=["memory", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path):
    with flowmetal.Engine(url_of(request.param, request, tmp_path)) as opened:
        yield opened


def parked(engine, source: str, **options) -> str:
    run, _ = engine.start(flowmetal.compile(source), **options)
    engine.interpret(until_idle=True)
    return run


BUSY = '(ns b (:require [flow.http :as http])) (defn main [] (:status (http/get! "http://127.0.0.1:9/")))'


def busy(engine) -> str:
    import flowmetal

    grants = flowmetal.grants(http=("127.0.0.1:9",))
    return parked(engine, BUSY, grants=grants)


def test_what_was_in_flight_is_held_and_a_result_lets_the_fork_go_on(engine) -> None:
    run = busy(engine)
    made = engine.fork(run)
    assert [kind for _, kind in made.held] == ["http/request"]
    engine.interpret(until_idle=True)
    assert "holds effect" in engine.why(made.id)
    assert engine.view(made.id).waiting[0].attempts == 0
    engine.decide(made.id, made.held[0][0], decode_data(flowmetal_map()))
    assert engine.result(made.id) == 200
    assert engine.verify(made.id).problems == []


def flowmetal_map() -> bytes:
    from flowmetal.values import encode_data, hash_map, keyword

    return encode_data(hash_map(((keyword("status"), 200),)))


def test_a_result_given_at_once_is_part_of_the_history(engine) -> None:
    run = busy(engine)
    number = engine.view(run).waiting[0].effect
    made = engine.fork(run, results={number: decode_data(flowmetal_map())})
    assert made.held == ()
    assert engine.result(made.id) == 200
    assert engine.verify(made.id).problems == []


def test_what_is_performed_anew_is_tried_again(engine) -> None:
    run = busy(engine)
    made = engine.fork(run)
    engine.decide(made.id, made.held[0][0])
    engine.interpret(until_idle=True)
    assert engine.view(made.id).waiting[0].attempts > 0


def test_an_at_most_once_effect_that_a_fork_holds_and_gives_up_is_in_doubt_for_the_next_attempt(
    engine,
) -> None:
    source = """(ns b) (defforeign pay {:at-most-once true} [x])
    (defn main [] (try (step! "pay" {:retry {:max-attempts 3 :backoff #dur "1ms"} :timeout #dur "20ms"} (pay 1))
                       (catch :default e (:type e))))"""
    run, _ = engine.start(flowmetal.compile(source))
    engine.interpret(until_idle=True)  # nobody pays here
    made = engine.fork(run, at=next(e.seq for e in engine.events(run) if e.name == "b/pay"))
    assert [kind for _, kind in made.held] == ["b/pay"]
    paid: list[object] = []
    engine.host.world = ScriptedWorld(functions={"b/pay": paid.append})
    assert pr_str(engine.result(made.id)) == ":effect/in-doubt"
    assert paid == []


def test_a_result_of_an_effect_that_is_not_open_is_refused(engine) -> None:
    run = busy(engine)
    with pytest.raises(UsageError) as refused:
        engine.fork(run, results={77: 1})
    assert refused.value.code == "FM1135"


def test_nothing_goes_on_after_the_end(engine) -> None:
    run = parked(engine, "(defn main [] 1)")
    with pytest.raises(RefusedError) as refused:
        engine.fork(run)
    assert refused.value.code == "FM1136"


SIGNALS = """
(ns s (:require [flow.event :refer [receive!]]))
(defn main [] (let [a (receive! :a)] [a (receive! :b)]))
"""


def test_a_signal_that_came_later_than_the_point_is_not_the_forks(engine) -> None:
    run = parked(engine, SIGNALS)
    asked = max(event.seq for event in engine.events(run))
    engine.signal(run, "a", 1)
    engine.interpret(until_idle=True)
    early, late = engine.fork(run, at=asked), engine.fork(run)
    for name in (early.id, late.id):
        engine.signal(name, "b", 2)
    assert list(engine.result(late.id)) == [1, 2]
    engine.signal(early.id, "a", 3)
    assert list(engine.result(early.id)) == [3, 2]
    for name in (early.id, late.id):
        assert engine.verify(name).problems == []


def test_signals_that_came_at_one_moment_keep_their_order_in_a_fork(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = """(ns o (:require [flow.event :refer [receive!]]))
      (defn main []
        (let [two [(receive! :x) (receive! :x)]] (receive! :go) (conj two (receive! :x))))"""
    with flowmetal.Engine("memory:") as engine:
        now_us = engine.now_us()
        monkeypatch.setattr(engine.store, "now_us", lambda: now_us)
        run, _ = engine.start(flowmetal.compile(source))
        for n in (1, 2, 3):
            engine.signal(run, "x", n)
        engine.interpret(until_idle=True)
        made = engine.fork(run, at=1)
        engine.signal(made.id, "go")
        assert pr_str(engine.result(made.id)) == "[1 2 3]"


def test_a_signal_that_the_history_has_by_then_is_the_forks(engine) -> None:
    run = parked(engine, SIGNALS)
    engine.signal(run, "a", 1)
    engine.interpret(until_idle=True)
    taken = next(event.seq for event in engine.events(run) if event.kind == "signal-received")
    made = engine.fork(run, at=taken)
    engine.signal(made.id, "b", 2)
    assert list(engine.result(made.id)) == [1, 2]
    assert engine.verify(made.id).problems == []


def test_a_signal_that_had_come_when_an_earlier_event_was_noted_is_the_forks(engine) -> None:
    run = parked(engine, SIGNALS)
    engine.pause(run)
    engine.signal(run, "a", 1)
    engine.signal(run, "b", 2)
    engine.unpause(run)  # noted after both had come, and before they are received
    engine.interpret(until_idle=True)
    taken = next(event.seq for event in engine.events(run) if event.kind == "signal-received")
    made = engine.fork(run, at=taken)
    engine.interpret(until_idle=True)
    assert pr_str(engine.view(made.id).result) == "[1 2]"
    assert engine.verify(made.id).problems == []


REQUESTS = """
(ns r (:require [flow.event :refer [receive! receive-request! reply!]]))
(defn main []
  (receive! :go)
  (receive! :on)
  (let [request (receive-request! :ask)]
    (reply! request :done)
    (:value request)))
"""


def test_a_fork_has_the_status_that_the_first_run_had_by_then(engine) -> None:
    run = parked(
        engine,
        "(ns s (:require [flow.event :refer [receive! set-status!]]))"
        "(defn main [] (set-status! :one) (receive! :go) (set-status! :two) (receive! :go))",
    )
    at = max(event.seq for event in engine.events(run))
    engine.signal(run, "go")
    engine.interpret(until_idle=True)
    for seq, status in ((2, None), (at, ":one"), (None, ":two")):
        found = engine.view(engine.fork(run, at=seq).id).status
        assert (found is None and status is None) or pr_str(found) == status


def test_a_request_that_had_come_by_then_is_what_it_was(engine) -> None:
    run = parked(engine, REQUESTS)
    engine.signal(run, "ask", {"n": 1})
    engine.signal(run, "go")
    engine.interpret(until_idle=True)
    between = max(event.seq for event in engine.events(run))
    engine.signal(run, "on")
    first = engine.result(run)
    made = engine.fork(run, at=between)
    engine.signal(made.id, "on")
    assert engine.result(made.id) == first
    assert engine.verify(made.id).problems == []


@pytest.mark.parametrize("end", ["result", "cancel", "cancel now"])
def test_nothing_goes_on_after_the_end_though_the_run_has_moved_away(
    engine, tmp_path: Path, end: str
) -> None:
    long = "1ms" if end == "result" else "1h"
    run = parked(engine, f'(defn main [] (sleep! #dur "{long}") (uuid!))')
    if end == "result":
        result = engine.result(run)
    else:
        engine.cancel(run, now=end == "cancel now")
    engine.export(run, str(tmp_path / "r.fms"))
    last = max(event.seq for event in engine.events(run))
    for at in (None, last, last - 1):
        with pytest.raises(RefusedError) as refused:
            engine.fork(run, at=at)
        assert refused.value.code == "FM1136"
    assert engine.verify(run).problems == []
    assert engine.eval(run, "(+ 1 2)") == 3
    if end == "result":
        assert engine.show(run).fibers == ()
        engine.import_run(str(tmp_path / "r.fms"))
        assert engine.result(run) == result
        assert engine.verify(run).problems == []


INHERITED = """
(ns i (:require [flow.event :refer [receive! callback! await-callback!]]
                [flow.lock :refer [with-lock!]]))
(defn child [] (receive! :never))
(defn said [f] (try (f) (catch :fork/inherited e (:inherited (ex-data e)))))
(defn main []
  (let [c (callback!) k (start! child)]
    (said (fn [] (with-lock! :stock
      (receive! :go)
      [(said (fn [] (await-callback! c {:timeout #dur "1ms"})))
       (said (fn [] (await! k)))])))))
"""


def test_a_fork_does_not_signal_or_stop_the_child_of_the_first_run(engine) -> None:
    text = """(ns i (:require [flow.event :refer [receive! signal!]]))
              (defn child [] (receive! :word))
              (defn said [f] (try (f) (catch :fork/inherited e (:kind (ex-data e)))))
              (defn main []
                (let [k (start! child)]
                  (receive! :go)
                  [(said (fn [] (signal! k :word 1))) (said (fn [] (cancel! k)))]))"""
    run = parked(engine, text)
    made = engine.fork(run)
    engine.signal(made.id, "go")
    assert pr_str(engine.result(made.id)) == '["signal/send" "run/cancel"]'
    engine.signal(run, "go")
    assert pr_str(engine.result(run)) == "[nil true]"


def test_what_the_first_run_owns_is_an_error_in_the_fork(engine) -> None:
    run = parked(engine, INHERITED)
    made = engine.fork(run)
    assert [text.split()[0] for text in made.inherited] == ["callback", "child", "lock"]
    engine.signal(made.id, "go")
    assert str(engine.result(made.id)).startswith("lock stock ")
    failed = [event for event in engine.events(made.id) if event.kind == "effect-failed"]
    assert "FM0739" in {event.data.get(keyword("error")).code for event in failed}
    assert engine.verify(made.id).problems == []
