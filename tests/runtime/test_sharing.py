"""What runs do to each other: children, signals, callbacks, locks, queues, shared state.

Every claim is tried with the machine saved at each effect by the store, and on SQLite with more than
one interpreter where several contend.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowmetal
from flowmetal.embed.retention import Retention
from flowmetal.embed.views import RunView
from flowmetal.errors import RefusedError, RunError
from flowmetal.ids import RunId
from flowmetal.runtime.family import pause_s
from flowmetal.store.protocol import Claim, Commit, NewEvent, RunState
from flowmetal.testing.world import ScriptedWorld
from flowmetal.values import ErrorValue, Value, hash_map, keyword, pr_str
from tests.stores import url_of

HEAD = """(ns p
  (:require [flow.event :as event] [flow.lock :as lock :refer [with-lock! with-permit!]]
            [flow.queue :as queue :refer [defqueue]] [flow.state :as state]))
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[flowmetal.Engine]:
    with flowmetal.Engine(url_of(request.param, request, tmp_path)) as opened:
        yield opened


def program(text: str) -> flowmetal.Program:
    return flowmetal.compile(HEAD + text)


def drive(engine: flowmetal.Engine, text: str, *arguments: Value) -> RunView:
    run, _ = engine.start(program(text), arguments)
    return engine.drive(run)


def result(engine: flowmetal.Engine, text: str, *arguments: Value) -> str:
    view = drive(engine, text, *arguments)
    assert view.error is None, view.error.message
    return pr_str(view.result)


def error(engine: flowmetal.Engine, text: str) -> ErrorValue:
    found = drive(engine, text).error
    assert found is not None
    return found


def start(engine: flowmetal.Engine, text: str, id: str) -> str:
    """Start a run and let it go as far as it gets by itself."""
    run, _ = engine.start(program(text), id=id)
    engine.interpret(until_idle=True)
    return run


# Children


@pytest.mark.parametrize("engine", ["memory", "sqlite", "postgresql"], indirect=True)
def test_a_run_of_somebody_else_that_has_the_id_of_a_child_is_not_taken_for_it(engine) -> None:
    start(engine, "(defn main [] :of-somebody)", "batch.1")
    start(engine, "(defn main [] :of-somebody)", "batch.step-1.0")
    text = """(defn child [x] x)
              (defn main []
                [(await! (start! child [:ours]))
                 (step! "again" {:retry {:max-attempts 2 :backoff #dur "1ms"}}
                   (let [run (start! child [:ours])]
                     (when (= 1 (attempt)) (throw (ex-info "no" {})))
                     (await! run)))])"""
    engine.start(program(text), id="batch")
    assert pr_str(engine.result("batch")) == "[:ours :ours]"
    ids = {run.id for run in engine.runs()}
    assert ids == {"batch", "batch.1", "batch.1-2", "batch.step-1.0", "batch.step-1.0-2"}


@pytest.mark.parametrize("engine", ["memory", "sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("end", ["x", "(throw (ex-info (str x) {}))"])
def test_the_child_of_a_forgotten_run_is_not_that_of_a_later_one_with_its_id(
    engine, end: str
) -> None:
    text = f"""(defn child [x] {end})
               (defn main [x] (try (await! (start! child [x])) (catch :default e (ex-message e))))"""
    for x in (1, 2, 3):
        engine.start(program(text), [x], id="nightly")
        engine.interpret(until_idle=True)
        assert str(engine.view("nightly").result) == str(x)
        assert engine.store.forget(RunId("nightly"))


@pytest.mark.parametrize("engine", ["memory"], indirect=True)
def test_what_is_tagged_reads_as_it_is_written(engine) -> None:
    drive(
        engine, "(defn child [] 1) (defn main [] (start! child [] {:tags {:vip true :n 5 :k :kw}}))"
    )
    (child,) = engine.runs(tags={"vip": "true"})
    assert child.tags == {"vip": "true", "n": "5", "k": "kw"}


@pytest.mark.parametrize("end", [":done", '(throw (ex-info "no" {}))'])
def test_the_children_of_a_run_that_ends_at_once_are_driven_beside_it(engine, end: str) -> None:
    text = f"""(defn grandchild [] 1) (defn child [] (start! grandchild []))
              (defn main [] (start! child []) {end})"""
    drive(engine, text)
    children = [run for run in engine.runs() if run.parent]
    assert [run.state for run in children] == ["completed"] * 2


@pytest.mark.parametrize("engine", ["memory", "sqlite", "postgresql"], indirect=True)
def test_who_drives_a_run_drives_what_children_have_started_that_have_ended(engine) -> None:
    text = """(defn leaf [] (event/receive! :go))
              (defn branch [] (start! leaf [] {:id "leaf"}))
              (defn child [] (await! (start! branch [])))
              (defn main [] (await! (await! (start! child [])) {:timeout #dur "5s" :else :nobody-drove-it}))"""
    run = start(engine, text, "p")
    assert [each.state for each in engine.runs() if each.id not in ("p", "leaf")] == [
        "completed"
    ] * 2
    engine.signal("leaf", "go", 7)
    assert engine.result(run) == 7


def test_a_child_gives_its_result_to_whoever_awaits_it(engine) -> None:
    text = "(defn double [x] (* 2 x)) (defn main [] (await! (start! double [21])))"
    assert result(engine, text) == "42"


def test_a_run_is_a_value_that_prints_and_reads_back(engine) -> None:
    text = """(defn child [] 1)
              (defn main [] (let [c (start! child [] {:id "c-1"})]
                              [(pr-str c) (await! (read-string (pr-str c)))]))"""
    assert result(engine, text) == '["#flow/run \\"c-1\\"" 1]'


def test_a_childs_error_is_thrown_with_its_id(engine) -> None:
    text = """(defn child [] (throw (ex-info "no" {:type :bad :a 1})))
              (defn main [] (try (await! (start! child [] {:id "c"}))
                                 (catch :bad e [(ex-message e) (ex-data e)])))"""
    assert result(engine, text) == '["no" {:type :bad, :a 1, :run "c"}]'
    assert engine.view("c").state == "failed"


@pytest.mark.parametrize("engine", ["memory", "sqlite", "postgresql"], indirect=True)
def test_an_error_whose_data_is_not_data_ends_a_run_and_is_told_as_it_is_shown(engine) -> None:
    text = """(defn child [xs]
                (throw (ex-info "no" {:type :bad :f inc :xs (map inc xs) :deep [{:a (atom 1)} 2] 3 4}
                                (ex-info "why" {:g inc :b 5}))))
              (defn main []
                (try (await! (start! child [[1]] {:id "c"}))
                     (catch :bad e [(dissoc (ex-data e) :run) (ex-data (ex-cause e))])))"""
    assert result(engine, text) == (
        '[{:type :bad, :f "#fn[flow.core/inc]", :xs "(...)", :deep [{:a "#atom[1]"} 2], 3 4}'
        ' {:g "#fn[flow.core/inc]", :b 5}]'
    )
    assert engine.view("c").state == "failed"


@pytest.mark.parametrize("engine", ["memory"], indirect=True)
def test_an_error_whose_data_shares_its_parts_without_end_ends_a_run(engine) -> None:
    text = """(defn main []
                (let [m (reduce (fn [m _] [m m]) [] (range 60))]
                  (throw (ex-info "no" {:type :bad :m m :all (vec (repeat 1000 m)) :f inc}))))"""
    found = error(engine, text)
    assert (found.type, found.data.get(keyword("f"))) == (keyword("bad"), "#fn[flow.core/inc]")


def test_a_child_that_was_cancelled_is_an_error_that_can_be_caught(engine) -> None:
    text = """(defn child [] (sleep! #dur "1h"))
              (defn main [] (let [c (start! child [] {:id "c"})]
                              (cancel! c "enough")
                              (try (await! c) (catch :run/cancelled e (ex-message e)))))"""
    assert result(engine, text) == '"run c was cancelled: enough"'


def test_a_child_that_was_stopped_before_it_began_is_an_error_with_a_code(engine) -> None:
    text = """(defn child [] 1)
              (defn main [] (await! (start! child [] {:id "c" :delay #dur "1h"})))"""
    run = start(engine, text, "p")
    event = NewEvent("moved", "", 0, b"")
    engine.store.set_state("c", (RunState.READY,), RunState.MOVED, event)
    found = engine.drive(run).error
    assert (found.type, found.code) == (keyword("run/moved"), "FM0733")


def test_children_run_beside_each_other_and_have_children(engine) -> None:
    text = """(defn leaf [n] (sleep! #dur "5ms") n)
              (defn branch [n] (+ (await! (start! leaf [n])) (await! (start! leaf [n]))))
              (defn main [] (let [runs (mapv (fn [n] (start! branch [n])) [1 2 3])]
                              (mapv await! runs)))"""
    assert result(engine, text) == "[2 4 6]"


def test_a_backlog_of_signals_is_not_received_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "(defn main [n] (dotimes [_ n] (event/receive! :go)) (println n) :all)"
    with flowmetal.Engine("memory:") as opened:
        run, _ = opened.start(program(text), [300])
        for number in range(300):
            opened.signal(run, "go", number)
        steps, commit = [], opened.store.commit

        def counted(claim: Claim, step: Commit) -> Claim:
            steps.append(len(step.events))
            return commit(claim, step)

        monkeypatch.setattr(opened.store, "commit", counted)
        assert opened.result(run) is keyword("all")
    assert max(steps) < 210
    assert sum(steps) == 900 + 2


def test_looking_for_children_that_wait_takes_a_share_of_the_time() -> None:
    for took_s in (0.001, 0.03, 0.1):
        assert took_s / (took_s + pause_s(took_s)) <= 0.2
    assert pause_s(60) == 0.5  # a child that is ready waits no longer for its turn


def test_who_drives_a_run_takes_children_that_others_could_not_serve(tmp_path: Path) -> None:
    text = """(defforeign f [x]) (defn child [x] (f x))
              (defn main [] (await! (start! child [21])))"""
    url = f"sqlite:{tmp_path}/store.db"
    with flowmetal.Engine(url) as engine:
        run = start(engine, text, "p")
    double = flowmetal.foreign("p/f")(lambda x: 2 * x)
    with flowmetal.Engine(url, functions=[double]) as engine:
        assert engine.result(run) == 42


def test_waiting_for_a_child_can_time_out(engine) -> None:
    text = """(defn child [] (event/receive! :never))
              (defn main [] (await! (start! child []) {:timeout #dur "20ms" :else :late}))"""
    assert result(engine, text) == ":late"
    text = """(defn child [] (event/receive! :never))
              (defn main [] (await! (start! child []) {:timeout #dur "20ms"}))"""
    assert error(engine, text).type is keyword("timeout")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ('{:id "c"}', ":run/exists"),
        ('{:id "c" :if-exists :attach}', ":first"),
        ('{:id "c" :if-exists :cancel}', ":second"),
    ],
)
def test_a_child_whose_id_is_taken(engine, options: str, wanted: str) -> None:
    text = f"""(defn child [x] (event/receive! :go {{:timeout #dur "30ms" :else x}}))
               (defn main []
                 (start! child [:first] {{:id "c"}})
                 (try (await! (start! child [:second] {options}))
                      (catch :default e (:type (ex-data e) (-type e)))))"""
    text = text.replace("(:type (ex-data e) (-type e))", ":run/exists")
    assert result(engine, text) == wanted


def test_a_retried_step_finds_the_child_that_it_has_started_and_takes_no_other_for_it(
    engine,
) -> None:
    text = """(defn child [x] x)
              (defn main []
                (start! child [:before] {:id "taken"})
                (step! "s" {:retry {:backoff #dur "1ms"}}
                  (let [c (start! child [:ours] {:id "ours"})]
                    (when (< (attempt) 3) (throw (ex-info "again" {})))
                    [(await! c)
                     (try (start! child [:other] {:id "taken"}) (catch :run/exists e :taken))])))"""
    assert result(engine, text) == "[:ours :taken]"


@pytest.mark.parametrize("options", ["{}", '{:id "c"}'])
def test_a_retried_step_starts_another_child_in_the_place_of_one_that_failed(
    engine, options: str
) -> None:
    text = f"""(defn child []
                 (state/update! "tries" (fnil inc 0))
                 (when (< (state/get! "tries") 3) (throw (ex-info "busy" {{:type :c/busy}})))
                 :done)
              (defn main []
                (let [made (atom [])]
                  (step! "s" {{:retry {{:max-attempts 5 :backoff #dur "1ms"}}}}
                    (let [c (start! child [] {options})]
                      (swap! made conj c)
                      (await! c)
                      (when (< (attempt) 5) (throw (ex-info "later" {{}})))))
                  [(count @made) (count (distinct @made)) (state/get! "tries")]))"""
    assert result(engine, text) == "[5 3 3]"


@pytest.mark.parametrize("options", ["{}", '{:id "c"}', '{:id "c" :if-exists :cancel}'])
def test_a_retried_step_replaces_a_child_that_has_failed_and_no_other(engine, options: str) -> None:
    text = f"""(defn flaky [] (when (< (state/update! "n" (fnil inc 0)) 3) (throw (ex-info "not yet" {{}}))) :done)
               (defn slow [] (event/receive! :go))
               (defn main []
                 [(step! "s" {{:retry {{:backoff #dur "1ms"}}}} (await! (start! flaky [] {options})))
                  (state/get! "n")
                  (let [seen (atom #{{}})]
                    (step! "t" {{:retry {{:backoff #dur "1ms"}}}}
                      (let [run (start! slow [] {options.replace('"c"', '"d"')})]
                        (swap! seen conj run)
                        (when (< (attempt) 3) (throw (ex-info "again" {{}})))
                        (event/signal! run :go :went)
                        [(await! run) (count @seen)])))])"""
    assert result(engine, text) == "[:done 3 [:went 1]]"


@pytest.mark.parametrize(
    "effect",
    ["(queue/redrive! mail {:runs 5})", "(queue/redrive! mail {:runs [5]})",
     '(perform :run/start {:entry "t/main" :args 5})', "(state/scan! 5)",
     "(lock/throttle! 5)", "(with-permit! 5 1)"],
)  # fmt: skip
def test_a_value_that_an_effect_cannot_take_is_an_error_of_the_program(engine, effect: str) -> None:
    text = f"(queue/defqueue mail {{:concurrency 1}}) (defn main [] {effect})"
    assert error(engine, text).type.text in ("effect/bad-argument", "type/mismatch")


@pytest.mark.parametrize("span", ['#dur "0s"', '#dur "-3s"'])
@pytest.mark.parametrize(
    ("effect", "option"),
    [('(with-lock! "l" {:lease SPAN} 1)', "lease"), ('(with-lock! "l" (lock/renew! SPAN))', "lease"),
     ('(perform :rate/take {:name "r" :limit 1 :per SPAN})', "per"), ('(state/put! "k" 1 {:ttl SPAN})', "ttl"),
     ("(event/callback! {:heartbeat SPAN})", "heartbeat"), ("(queue/enqueue! mail child [])", "per"),
     ('(perform :promise/settle {:name "p" :value 1 :keep SPAN})', "keep")],
)  # fmt: skip
def test_what_ends_when_it_begins_is_refused(engine, effect: str, option: str, span: str) -> None:
    text = f"""(queue/defqueue mail {{:rate {{:limit 1 :per SPAN}}}}) (defn child [] 1)
               (defn main [] {effect})""".replace("SPAN", span)
    found = error(engine, text)
    assert found.type is keyword("effect/bad-argument")
    assert f":{option} is longer than nothing" in (found.message or "")


def test_only_functions_of_the_program_can_begin_a_run(engine) -> None:
    found = error(engine, "(defn main [] (start! (fn [] 1) []))")
    assert (found.code, found.type) == ("FM0501", keyword("type/mismatch"))
    found = error(engine, "(defn child [x] x) (defn main [] (start! child [1 2]))")
    assert found.type is keyword("run/cannot-start")


def test_an_option_that_is_not_known_is_an_error(engine) -> None:
    found = error(engine, "(defn child [] 1) (defn main [] (start! child [] {:dealy 1}))")
    assert found.code == "FM0512"
    found = error(engine, "(defn child [] 1) (defn main [] (start! child [] {:if-exists :maybe}))")
    assert ":fail or :attach or :cancel" in (found.message or "")


def test_cancelling_a_parent_cancels_its_child(engine) -> None:
    text = """(defn child [] (event/receive! :never))
              (defn main [] (await! (start! child [] {:id "c"})))"""
    run = start(engine, text, "p")
    assert engine.cancel(run) == "cancelled"
    engine.interpret(until_idle=True)
    assert engine.view("c").state == "cancelled"


def test_a_child_that_is_to_begin_later_can_be_cancelled_now(engine) -> None:
    text = """(defn child [] 1)
              (defn main []
                (let [c (start! child [] {:delay #dur "1h"})]
                  (cancel! c "sold out")
                  (try (await! c) (catch :run/cancelled e :cancelled))))"""
    assert result(engine, text) == ":cancelled"


def test_a_child_goes_on_when_its_parent_completes(engine) -> None:
    text = """(defn child [] (sleep! #dur "20ms") :done)
              (defn main [] (start! child [] {:id "c"}) :over)"""
    assert result(engine, text) == ":over"
    assert engine.drive("c").result is keyword("done")


def test_a_deployed_program_is_started_by_its_name(engine) -> None:
    engine.deploy(flowmetal.compile("(ns other) (defn main [x] [:other x])"), "other")
    assert result(engine, '(defn main [] (await! (start! "other" [1])))') == "[:other 1]"
    assert error(engine, '(defn main [] (start! "nobody" []))').code == "FM0732"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "wait",
    [
        '(event/receive! :never {:timeout #dur "1ms"})',
        '(event/await-callback! (event/callback! {:timeout #dur "1ms"}))',
        '(event/await-callback! (event/callback!) {:timeout #dur "1ms"})',
        '(event/await-shared! "never" {:timeout #dur "1ms"})',
        '(await! (start! child []) {:timeout #dur "1ms"})',
        '(with-lock! "a" (await! (spawn! (fn [] (with-lock! "a" {:wait #dur "1ms"} 1)))))',
    ],
)
def test_a_step_is_tried_again_when_the_time_of_its_wait_is_up(engine, wait: str) -> None:
    text = f"""(defn child [] (event/receive! :never))
               (defn main []
                 (let [tries (atom 0)]
                   (try (step! "s" {{:retry {{:max-attempts 2 :backoff #dur "1ms"}}}}
                          (swap! tries inc)
                          {wait})
                        (catch :timeout e @tries))))"""
    assert result(engine, text) == "2"


# Signals


def test_a_run_signals_another(engine) -> None:
    text = """(defn child [] (event/receive! :go))
              (defn main [] (let [c (start! child [])]
                              (event/signal! c :go {:a 1})
                              (await! c)))"""
    assert result(engine, text) == "{:a 1}"


def test_a_signal_with_reply(engine) -> None:
    text = """(defn server [] (let [{:keys [from n]} (event/receive! :ask)]
                                (event/signal! from :answer (* n n))))
              (defn main [] (let [s (start! server [])]
                              (event/signal! s :ask {:from (:run (run-info)) :n 7})
                              (event/receive! :answer)))"""
    assert result(engine, text) == "49"


def test_a_signal_with_another_payload_in_a_later_attempt_is_another_signal(engine) -> None:
    text = """(defn main []
      (let [me (:id (run-info))]
        (step! "tell" {:retry {:backoff #dur "1ms"}}
          (event/signal! me :same 0)
          (event/signal! me :attempt (attempt))
          (when (< (attempt) 3) (throw (ex-info "again" {}))))
        (conj (mapv (fn [_] (event/receive! :attempt)) (range 3))
              (event/receive! :same)
              (event/receive! :same {:timeout #dur "1ms" :else :once}))))"""
    assert result(engine, text) == "[1 2 3 0 :once]"
    (run,) = engine.runs()
    rekeyed = [event for event in engine.events(run.id) if event.kind == "effect-rekeyed"]
    assert [event.name for event in rekeyed] == ["signal/send", "signal/send"]


def test_a_signal_to_nobody_is_an_error(engine) -> None:
    found = error(engine, '(defn main [] (event/signal! #flow/run "nobody" :go))')
    assert (found.type, found.code) == (keyword("run/unknown"), "FM1101")


# Callbacks

CALLS = """(defn main [ms]
  (let [cb (event/callback! {:timeout #dur "1h"})]
    (event/set-status! (:id cb))
    (event/receive! :go {:timeout #dur "5ms" :else nil})
    [(event/await-callback! cb) (event/await-callback! cb)]))"""


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_a_callback_delivered_five_times_at_once_counts_once(engine, moment: str) -> None:
    text = """(defn main []
      (let [cb (event/callback!)]
        (event/set-status! (:id cb))
        (event/receive! :wait)
        (let [found (event/await-callback! cb)]
          (event/receive! :end)
          found)))"""
    run = start(engine, text, "r")
    callback = engine.view(run).status
    if moment != "before":
        engine.signal(run, "wait")
        engine.interpret(until_idle=True)
    if moment == "after":
        engine.complete_callback(callback, 0, delivery="first")
        engine.interpret(until_idle=True)
    receipts = []

    def deliver(n: int) -> None:
        with flowmetal.Engine(engine.store_url) as other:
            receipts.append(other.complete_callback(callback, n, delivery=f"d{n}"))

    threads = [threading.Thread(target=deliver, args=(n,)) for n in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(r.delivery, r.time_us) for r in receipts}) == 1
    assert sum(r.first for r in receipts) == (0 if moment == "after" else 1)
    if moment == "before":
        engine.signal(run, "wait")
    engine.signal(run, "end")
    view = engine.drive(run)
    wanted = 0 if moment == "after" else int(receipts[0].delivery[1:])
    assert view.result == wanted
    taken = [event for event in engine.events(run) if event.name == "callback/await"]
    assert [event.kind for event in taken] == ["effect-requested", "effect-resolved"]


def test_a_callback_is_answered_by_its_token_and_failed(engine) -> None:
    text = """(defn main []
      (let [cb (event/callback!)]
        (event/set-status! (:token cb))
        (try (event/await-callback! cb) (catch :callback/failed e [(ex-message e) (ex-data e)]))))"""
    run = start(engine, text, "r")
    token = engine.view(run).status
    assert len(token) == 43
    said = hash_map([(keyword("type"), "card"), (keyword("message"), "declined")])
    engine.complete_callback(token=token, value=said, failed=True)
    assert pr_str(engine.drive(run).result) == '["declined" {:type :card}]'


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (
            '{"error": "declined", "code": 5}',
            '["the callback was failed" {:error "declined", :code 5}]',
        ),
        (
            '{"message": {"en": "no"}, "code": 5, "data": {"code": 6}}',
            '["{:en \\"no\\"}" {:code 6}]',
        ),
        (
            '{"type": "card", "data": 5, "at": 7}',
            '["the callback was failed" {:at 7, :value 5, :type :card}]',
        ),
        ("5", '["the callback was failed" {:value 5}]'),
    ],
)
def test_nothing_is_lost_of_what_a_callback_was_failed_with(engine, said: str, error: str) -> None:
    text = """(defn main []
      (try (event/await-callback! (event/callback!)) (catch :callback/failed e [(ex-message e) (ex-data e)])))"""
    run = start(engine, text, "r")
    engine.complete_callback("r.1", flowmetal.from_python(json.loads(said)), failed=True)
    assert pr_str(engine.drive(run).result) == error


def test_what_nobody_catches_has_its_code(engine) -> None:
    text = '(defn main [] (event/break-shared! "p" 1) (event/await-shared! "p"))'
    assert error(engine, text).code == "FM0735"
    text = "(defn main [] (event/await-callback! (event/callback!)))"
    run = start(engine, text, "r")
    engine.complete_callback("r.1", "no", failed=True)
    assert engine.drive(run).error.code == "FM0734"
    text = '(defforeign draw {:queue "images"} [x]) (defn main [] (draw 1))'
    run = start(engine, text, "t")
    task = engine.claim_task("images", "w")
    engine.end_task(task.id, task.attempt, '"broken"', failed=True)
    assert engine.drive(run).error.code == "FM0736"


@pytest.mark.parametrize("after", ["timeout", "heartbeat"])
def test_a_callback_that_expires_is_a_timeout_that_says_by_what(engine, after: str) -> None:
    text = f"""(defn main []
      (let [cb (event/callback! {{:{after} #dur "10ms"}})]
        (try (event/await-callback! cb) (catch :timeout e (:after (ex-data e))))))"""
    assert result(engine, text) == f":{after}"


def test_a_callback_of_nobody_and_of_a_run_that_has_ended(engine) -> None:
    with pytest.raises(RunError, match="no callback") as caught:
        engine.complete_callback("nobody.1", 1)
    assert caught.value.code == "FM0730"
    text = "(defn main [] (event/set-status! (:id (event/callback!))) :done)"
    run, _ = engine.start(program(text))
    view = engine.drive(run)
    with pytest.raises(RefusedError) as refused:
        engine.complete_callback(view.status, 1)
    assert refused.value.code == "FM0731"


# Promises and topics


def test_a_promise_of_several_runs(engine) -> None:
    text = """(defn waits [] (event/await-shared! "p"))
              (defn main [] (let [c (start! waits []) d (start! waits [])]
                              [(event/keep-shared! "p" 1) (event/keep-shared! "p" 2)
                               (await! c) (await! d)]))"""
    assert result(engine, text) == "[true false 1 1]"
    text = """(defn main [] (event/break-shared! "q" {:a 1})
                            (try (event/await-shared! "q") (catch :promise/broken e (ex-data e))))"""
    assert result(engine, text) == "{:value {:a 1}}"


@pytest.mark.parametrize("engine", ["memory", "sqlite", "postgresql"], indirect=True)
def test_who_waits_for_what_a_cancelled_run_was_to_do_is_not_cancelled(engine) -> None:
    text = """(defn maker [boss name]
                (try (event/signal! boss :ready nil) (event/receive! :never)
                     (catch :flow/cancelled e (event/break-shared! name e) (throw e))))
              (defn seller [boss]
                (let [request (event/receive-request! :buy)]
                  (try (event/signal! boss :ready nil) (event/receive! :never)
                       (catch :flow/cancelled e (event/reject! request e) (throw e)))))
              (defn type-of [f] (try (f) (catch :default e [(:type e) (ex-message (:value (ex-data e)))])))
              (defn main []
                (let [m (start! maker [(run-id) "p"]) s (start! seller [(run-id)])]
                  (all! (type-of (fn [] (event/await-shared! "p")))
                        (type-of (fn [] (event/ask! s :buy)))
                        (do (event/receive! :ready) (event/receive! :ready)
                            (cancel! m "no more") (cancel! s "no more") nil))))"""
    head = "(require '[flow.async :refer [all!]])"
    assert result(engine, head + text) == (
        '[[:promise/broken "no more"] [:promise/broken "no more"] nil]'
    )


def test_a_topic(engine) -> None:
    text = """(defn main []
      (event/publish! :t 0)
      (let [now (event/subscribe! :t) start (event/subscribe! :t {:from :start})]
        (event/publish! :t 1)
        [(event/receive! now) (event/receive! start) (event/receive! start)
         (event/unsubscribe! now) (event/publish! :t 2)
         (event/receive! now {:timeout #dur "1ms" :else :none})]))"""
    assert result(engine, text) == "[1 0 1 true 1 :none]"


def test_a_retried_body_publishes_once(engine) -> None:
    text = """(defn main []
      (let [s (event/subscribe! :t)
            told (step! "tell" {:retry {:max-attempts 3 :backoff #dur "1ms"}}
                   (let [told (event/publish! :t :same)]
                     (event/publish! :t (attempt))
                     (if (< (attempt) 3) (throw (ex-info "again" {})) told)))
            get! (fn [] (event/receive! s {:timeout #dur "1ms" :else :none}))]
        [told (get!) (get!) (get!) (get!) (get!)]))"""
    assert result(engine, text) == "[1 :same 1 2 3 :none]"


def test_what_has_come_by_a_subscription_is_gone_with_it(engine) -> None:
    text = """(defn main []
      (let [one (event/subscribe! :t) other (event/subscribe! :t)
            get! (fn [s] (event/receive! s {:timeout #dur "1ms" :else :none}))]
        (event/signal! (run-id) :go)
        (dotimes [n 3] (event/publish! :t n))
        [(event/receive! one) (event/unsubscribe! one) (get! one) (get! other) (event/receive! :go)
         (get! other)]))"""
    run, _ = engine.start(program(text))
    assert pr_str(engine.drive(run).result) == "[0 true :none 0 nil 1]"
    assert [row.message.name for row in engine.store.inbox(RunId(run), 0)] == ["0.2"]


# Locks


def test_a_lock_gives_growing_tokens_and_is_free_afterwards(engine) -> None:
    text = """(defn main [] [(with-lock! "l" (lock/token)) (with-lock! "l" {:lease #dur "1m"} (lock/token))
                             (try (with-lock! "l" (throw (ex-info "x" {:type :x}))) (catch :x e :caught))
                             (with-lock! "l" {:wait #dur "0s"} (lock/token))])"""
    assert result(engine, text) == "[1 2 :caught 4]"
    assert error(engine, "(defn main [] (lock/token))").type is keyword("lock/none")


def test_who_waits_too_long_for_a_lock_gets_a_timeout_or_its_else(engine) -> None:
    text = """(defn holds [parent]
                (with-lock! "l" (event/signal! parent :held) (event/receive! :end)))
              (defn main []
                (let [c (start! holds [(:run (run-info))])]
                  (event/receive! :held)
                  (let [found [(with-lock! "l" {:wait #dur "10ms" :else :no} :yes)
                               (try (with-lock! "l" {:wait #dur "10ms"} :yes) (catch :timeout e :late))
                               (lock/singleton! "l" :in)]]
                    (event/signal! c :end)
                    (await! c)
                    (conj found (with-lock! "l" {:wait #dur "1s"} :yes)))))"""
    assert result(engine, text) == "[:no :late :busy :yes]"


def test_a_failed_run_holds_no_lock(engine) -> None:
    text = """(defn child [] (with-lock! "l" (throw (ex-info "x" {}))))
              (defn main [] (try (await! (start! child [])) (catch :default e nil))
                            (with-lock! "l" {:wait #dur "1s"} (lock/token)))"""
    assert result(engine, text) == "2"


def test_two_interpreters_contend_for_a_lock_and_never_share_it(engine) -> None:
    text = """(defn main []
      (dotimes [_ 3]
        (with-lock! "l"
          (let [n (state/get! "n" 0)]
            (assert (nil? (state/get! "inside")))
            (state/put! "inside" (lock/token))
            (state/put! "n" (inc n))
            (state/delete! "inside"))))
      :done)"""
    made = [engine.start(program(text))[0] for _ in range(6)]

    def interpret() -> None:
        with flowmetal.Engine(engine.store_url) as other:
            for run in made:
                other.wait(run, 1) or other.interpret(until_idle=True)

    threads = [threading.Thread(target=interpret) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {engine.drive(run).state for run in made} == {"completed"}
    assert result(engine, '(defn main [] (state/get! "n"))') == "18"


def test_permits_rates_and_debouncing(engine) -> None:
    text = """(defn main []
      (let [sem (lock/semaphore "s" 2)
            rate (lock/rate-limit "r" {:limit 1 :per #dur "1h"})]
        [(with-permit! sem (with-permit! sem (with-permit! sem {:wait #dur "0s" :else :full} :in)))
         (lock/throttle! rate)
         (lock/throttle! rate {:wait #dur "1s" :else :too-many})
         (lock/debounce! "d" #dur "1ms" (fn [] :called))]))"""
    assert result(engine, text) == "[:full nil :too-many :called]"


def test_a_debounce_that_is_cancelled_leaves_nothing(engine) -> None:
    text = """(defn main []
      [(flow.async/with-timeout! #dur "1ms" {:else :late} (lock/debounce! "d" #dur "1h" (fn [] :called)))
       (state/scan! "")])"""
    assert result(engine, text) == "[:late []]"


# State


def test_shared_state(engine) -> None:
    text = """(defn main []
      [(state/get! "k") (state/get! "k" :none) (state/put! "k" {:a 1}) (state/put! :k [2] {:if-version 1})
       (try (state/put! "k" 3 {:if-version 1}) (catch :state/conflict e (:version (ex-data e))))
       (state/get-with-version! "k") (state/update! "n" (fnil + 10) 5) (state/scan! "k")
       (state/delete! "k") (state/delete! "k")
       (state/put! "t" 1 {:ttl #dur "5ms"}) (sleep! #dur "10ms") (state/get! "t")])"""
    assert result(engine, text) == (
        '[nil :none 1 2 2 {:value [2], :version 2} 15 [{:key "k", :value [2], :version 2}]'
        " true false 3 nil nil]"
    )


# Queues


def test_a_queue_lets_one_run_after_the_other_begin_by_priority(engine) -> None:
    text = """(defqueue jobs {:concurrency 1})
      (defn job [x] (state/update! "order" (fnil conj []) x) x)
      (defn first-job [] (event/receive! :go))
      (defn main []
        (let [a (queue/enqueue! jobs first-job [])
              b (queue/enqueue! jobs job [:b])
              c (queue/enqueue! jobs job [:c] {:priority 5})
              d (queue/enqueue! jobs job [:d] {:dedup-key "k"})
              e (queue/enqueue! jobs job [:e] {:dedup-key "k"})]
          (event/signal! a :go)
          [(mapv await! [b c d e]) (= d e) (state/get! "order")]))"""
    assert result(engine, text) == "[[:b :c :d :d] true [:c :b :d]]"


def test_a_queued_child_that_failed_is_replaced_by_the_next_attempt(engine) -> None:
    text = """(defqueue jobs {:concurrency 1})
      (defn job [] (or (state/get! "fixed") (throw (ex-info "no" {:type :bad}))))
      (defn main []
        [(step! "s" {:retry {:max-attempts 2 :backoff #dur "0s"}}
           (let [r (queue/enqueue! jobs job [] {:id "a"})]
             (try (await! r) (finally (state/put! "fixed" :done)))))
         (try (queue/enqueue! jobs job [] {:id "a"}) (catch :run/exists e :taken))
         (= #flow/run "a" (queue/enqueue! jobs job [] {:id "a" :if-exists :attach}))
         (await! (start! job [] {:id "a" :queue jobs :if-exists :cancel}))])"""
    assert result(engine, text) == "[:done :taken true :done]"


def test_dead_letters_are_listed_and_driven_again(engine) -> None:
    text = """(defqueue jobs {:concurrency 1})
      (defn job [x] (if (state/get! "fixed") x (throw (ex-info "no" {:type :bad}))))
      (defn main []
        (let [a (queue/enqueue! jobs job [1] {:id "a"})
              failed (try (await! a) (catch :bad e :failed))
              letters (queue/dead jobs)]
          (state/put! "fixed" true)
          [failed (mapv (fn [l] [(:run l) (ex-message (:error l))]) letters)
           (mapv await! (queue/redrive! jobs)) (queue/dead jobs)]))"""
    assert result(engine, text) == '[:failed [[#flow/run "a" "no"]] [1] []]'


def test_a_dead_letter_is_driven_again_whatever_is_left_of_its_history(engine) -> None:
    """The history of the new one began with an event of the old one's middle."""
    text = """(defqueue jobs {:concurrency 1})
      (defn job [x] (event/receive! :go) (throw (ex-info "no" {:type :bad})))
      (defn main [] (queue/enqueue! jobs job [1] {:id "a"}))
      (defn again [] (queue/redrive! jobs))"""
    start(engine, text, "r")
    assert engine.collect(Retention(history_us=0, snapshots="latest")).events > 0
    engine.signal("a", "go")
    engine.interpret(until_idle=True)
    engine.start(program(text), entry="again")
    engine.interpret(until_idle=True)
    events = [event.kind for event in engine.events("a-2")]
    assert events == ["started", "effect-requested"]


# Tasks


def test_a_foreign_function_with_a_queue_is_performed_by_a_worker(engine) -> None:
    text = """(defforeign resize {:queue "images" :retry 2} [url width])
              (defn main [] [(resize "u" 10) (try (resize "v" 1) (catch :image/bad e (ex-data e)))])"""
    run = start(engine, text, "r")
    task = engine.claim_task("images", "w1")
    assert task is not None
    assert (task.name, task.arguments, task.run) == ("p/resize", '["u",10]', "r")
    assert engine.end_task(task.id, task.attempt, '{"size": 3}')
    engine.interpret(until_idle=True)
    task = engine.claim_task("images", "w1")
    assert task is not None
    assert engine.beat_task(task.id, task.attempt)
    said = '{"type": "image/bad", "message": "no image", "data": {"at": 1}, "retryable": false}'
    assert engine.end_task(task.id, task.attempt, said, failed=True)
    view = engine.drive(run)
    assert pr_str(view.result) == ('[{:size 3} {:at 1, :kind "p/resize", :attempts 1}]')


@pytest.mark.parametrize("once", ["", " :at-most-once true"])
def test_a_task_is_left_to_workers_by_an_interpreter_that_has_a_function_of_its_name(
    engine, once: str
) -> None:
    text = f"""(defforeign resize {{:queue "images"{once}}} [url])
              (defn main [] (flow.async/all! (resize "u") (event/receive! :go)))"""
    run = start(engine, text, "r")
    task = engine.claim_task("images", "w1")
    asked: list[Value] = []
    engine.host.world = ScriptedWorld(functions={"p/resize": asked.append})
    engine.signal(run, "go", 1)
    engine.interpret(until_idle=True)
    assert engine.end_task(task.id, task.attempt, "7")
    engine.interpret(until_idle=True)
    assert pr_str(engine.view(run).result) == "[7 1]"
    assert asked == []


@pytest.mark.parametrize(("said", "failed"), [("[1, 2]", False), ('{"type": "busy"}', True)])
def test_what_a_worker_says_of_a_task_that_was_given_up_is_written_down_and_told_to_nobody(
    engine, said: str, failed: bool
) -> None:
    text = """(defforeign resize {:queue "images"} [url])
              (defn main [] [(flow.async/race! (resize "u") (event/receive! :stop)) (event/receive! :go)])"""
    run = start(engine, text, "r")
    task = engine.claim_task("images", "w1")
    assert task is not None
    engine.signal(run, "stop", "late")
    engine.interpret(until_idle=True)
    assert not engine.end_task(task.id, task.attempt, said, failed=failed)
    assert not engine.end_task(task.id, task.attempt, said, failed=failed)
    engine.interpret(until_idle=True)
    (late,) = (event for event in engine.events(run) if event.kind == "effect-late")
    word = '{:error {:type "busy"}}' if failed else "{:value [1 2]}"
    assert pr_str(late.data) == word
    engine.signal(run, "go", 7)
    engine.interpret(until_idle=True)
    assert pr_str(engine.result(run)) == '["late" 7]'
    assert not engine.verify(run).problems


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "said",
    [
        '{"type": "image/bad", "retryable": false}',
        '{"data": {"retryable?": false}}',
        '{"type": "busy"}',
    ],
)
def test_what_a_worker_says_of_trying_again_holds_for_the_program_too(engine, said) -> None:
    text = """(defforeign draw {:queue "images"} [x])
              (defn main [] (try (draw 1) (catch :default e (:retryable? e))))"""
    run = start(engine, text, "r")
    task = engine.claim_task("images", "w1")
    assert engine.end_task(task.id, task.attempt, said, failed=True)
    assert engine.result(run) is (False if "false" in said else None)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_task_whose_time_is_up_is_over_although_nobody_has_claimed_it(engine) -> None:
    text = """(defforeign draw {:queue "images" :timeout #dur "50ms"} [x])
              (defn main [] (try (draw 1) (catch :timeout e :over)))"""
    run = start(engine, text, "r")
    assert pr_str(engine.result(run)) == ":over"
    assert engine.claim_task("images", "w") is None


@pytest.mark.parametrize("engine", ["memory", "sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("queue", [':queue "till"', ""], ids=["queue", "none"])
def test_an_at_most_once_task_that_nobody_has_claimed_in_time_is_not_in_doubt(
    engine, queue
) -> None:
    text = f"""(defforeign pay {{:timeout #dur "50ms" {queue} :at-most-once true}} [x])
              (defn main [] (pay 1))"""
    run = start(engine, text, "r")
    assert engine.drive(run).error.type.text == "timeout"
    assert engine.claim_task("till", "w") is None
    assert engine.verify(run).problems == []


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "options",
    ['{:timeout #dur "1s"}', '{:retry 5 :heartbeat #dur "500ms"}'],
    ids=["time", "lost"],
)
def test_an_at_most_once_task_that_a_worker_may_have_done_is_in_doubt(engine, options) -> None:
    text = f"""(defforeign pay {options[:-1]} :queue "till" :at-most-once true}} [x])
               (defn main [] (pay 1))"""
    run = start(engine, text, "r")
    assert engine.claim_task("till", "w") is not None
    found = engine.drive(run).error
    assert (found.type.text, found.retryable) == ("effect/in-doubt", False)
    assert engine.claim_task("till", "w") is None


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("type_", ["flow/cancelled", ":flow/cancelled", "a b", "", 5, ["x"]])
def test_a_worker_cannot_throw_what_is_no_type_or_cancels_the_run(engine, type_) -> None:
    text = """(defforeign draw {:queue "images"} [x])
              (defn main [] (try (draw 1) (catch :task/failed e [(ex-message e) (ex-data e)])))"""
    run = start(engine, text, "r")
    task = engine.claim_task("images", "w1")
    said = json.dumps({"type": type_, "message": "no"})
    assert engine.end_task(task.id, task.attempt, said, failed=True)
    message, data = engine.result(run)
    assert message == "p/draw: no"
    assert flowmetal.to_python(data)["type"] == type_


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_worker_needs_nothing_but_the_sql_that_is_documented(engine) -> None:
    text = """(defforeign resize {:queue "images" :retry 2} [url])
              (defn main [] [(resize "u") (try (resize "v") (catch :image/bad e :bad))])"""
    run = start(engine, text, "r")
    document = Path(__file__).parents[2] / "docs" / "store.md"
    claim, beat, done, failed = re.findall(r"^UPDATE task.*?;", document.read_text(), re.M | re.S)
    worker = sqlite3.connect(engine.store_url.removeprefix("sqlite:"), isolation_level=None)
    now = {"now_us": engine.now_us(), "queue": "images", "worker": "w"}
    ((id_, attempt, name, args, *_),) = worker.execute(claim, now).fetchall()
    assert (attempt, name, args) == (1, "p/resize", '["u"]')
    mine = {"id": id_, "attempt": attempt, "now_us": engine.now_us()}
    assert worker.execute(beat, mine).rowcount == 1
    assert worker.execute(done, {**mine, "result": '{"ok": true}'}).rowcount == 1
    assert worker.execute(beat, mine).rowcount == 0
    engine.interpret(until_idle=True)
    now["now_us"] = engine.now_us()
    ((id_, attempt, *_),) = worker.execute(claim, now).fetchall()
    said = {"id": id_, "attempt": attempt, "error": '{"type":"image/bad","retryable":false}'}
    assert worker.execute(failed, said).rowcount == 1
    assert pr_str(engine.drive(run).result) == "[{:ok true} :bad]"
    left = worker.execute("SELECT count(*) FROM record WHERE space LIKE 'task%'").fetchall()
    assert left == [(0,)]  # a line that only workers with SQL stand in grows without end
    worker.close()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_runs_are_started_signalled_and_stopped_by_the_sql_that_is_documented(engine) -> None:
    text = """(defn main [n] [n (event/receive! :approved) (event/receive! :never)])"""
    engine.deploy(program(text), "shop")
    document = (Path(__file__).parents[2] / "docs" / "store.md").read_text()
    begin, send, stop = re.findall(r"^INSERT INTO record.*?;", document, re.M | re.S)
    (look,) = re.findall(r"^SELECT fields FROM record.*?;", document, re.M)
    other = sqlite3.connect(engine.store_url.removeprefix("sqlite:"), isolation_level=None)
    other.execute(begin)
    engine.interpret(until_idle=True)
    view = engine.view("order-18")
    assert (view.state, view.tags) == ("waiting", {"customer": "42"})
    other.execute(send)
    with pytest.raises(sqlite3.IntegrityError):
        other.execute(send)
    engine.interpret(until_idle=True)
    ((said,),) = other.execute(look).fetchall()
    assert json.loads(said)["done"] == {"run": "order-18", "number": 1}
    assert "the signal `never`" in engine.why("order-18")
    other.execute(stop)
    engine.interpret(until_idle=True)
    assert engine.view("order-18").state == "cancelled"
    other.close()


# What is shown


def test_why_says_who_holds_what(engine) -> None:
    start(engine, '(defn main [] (with-lock! "l" {:lease #dur "1h"} (event/receive! :end)))', "a")
    start(engine, '(defn main [] (with-lock! "l" :in))', "b")
    assert "the lock `l`" in engine.why("b")
    assert "held by run a (token 1, lease until " in engine.why("b")
    start(engine, "(defn main [] (event/await-callback! (event/callback!)))", "c")
    assert "the callback c.1 since " in engine.why("c")
    assert "`fmvm callback c.1 JSON` answers it" in engine.why("c")
    named = "(defn main [] (event/await-callback! (event/callback! {:name :approval})))"
    start(engine, named, "named")
    assert "the callback `approval`, named.1, since " in engine.why("named")
    start(engine, '(defn main [] (await! #flow/run "b"))', "d")
    assert "the end of run b" in engine.why("d")
    assert "which is waiting" in engine.why("d")
