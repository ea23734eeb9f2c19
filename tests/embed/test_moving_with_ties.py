"""Runs that move while they wait for others, hold what others want, or are answered by the world."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

import flowmetal
from flowmetal.embed import moving
from flowmetal.embed.retention import Retention
from flowmetal.errors import RefusedError, RunError, UsageError
from flowmetal.ids import RunId
from flowmetal.runtime.inheriting import last_token
from flowmetal.store.operations.vocabulary import (
    ClaimCalls,
    ReleasePermit,
    ShowCall,
    ShowTask,
    ShowTies,
)
from flowmetal.store.protocol import Claim, Commit, RunQuery, RunState
from flowmetal.testing.dying import Death
from flowmetal.values import RunRef, keyword, pr_str
from tests.stores import url_of

HEAD = """
(ns m (:require [flow.event :refer [receive! callback! await-callback! subscribe! await-shared!]]
                [flow.lock :refer [with-lock!]]))
(defn child [] (receive! :never))
(defn kind [f] (try (f) (catch :default e (:type e))))
"""


VALUE = keyword("value")


@pytest.fixture
def a():
    with flowmetal.Engine("memory:") as opened:
        yield opened


@pytest.fixture
def b():
    with flowmetal.Engine("memory:") as opened:
        yield opened


def parked(engine, body: str) -> str:
    run, _ = engine.start(flowmetal.compile(f"{HEAD} {body}"))
    engine.interpret(until_idle=True)
    return run


def move(a, b, run: str, tmp_path, **options) -> None:
    assert b.import_run(a.export(run, str(tmp_path / f"{run}.fms"), **options)) == run
    b.interpret(until_idle=True)


def test_a_callback_moves_and_is_answered_at_the_new_place_alone(a, b, tmp_path) -> None:
    run = parked(a, "(defn main [] (await-callback! (callback!)))")
    move(a, b, run, tmp_path)
    name = b.view(run).waiting[0].name
    with pytest.raises(RefusedError) as refused:
        a.complete_callback(name, 1)
    assert refused.value.code == "FM0731"
    b.complete_callback(name, 42)
    assert b.result(run) == 42


def test_a_token_is_good_at_the_new_place(a, b, tmp_path) -> None:
    source = "(defn main [] (let [c (callback!)] (flow.event/set-status! (:token c)) (await-callback! c)))"
    run = parked(a, source)
    token = a.view(run).status
    move(a, b, run, tmp_path)
    b.complete_callback(token=token, value=7)
    assert b.result(run) == 7


@pytest.mark.parametrize("place", ["memory", "sqlite", "postgresql"])
def test_an_import_that_dies_leaves_no_callback_that_takes_answers(
    a, place: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The run may be imported somewhere else then."""

    def die(point: str) -> None:
        if point == "within import_run":
            raise Death(point)

    run = parked(a, "(defn main [] (await-callback! (callback!)))")
    name = a.view(run).waiting[0].name
    file = a.export(run, str(tmp_path / "r.fms"))
    with flowmetal.Engine(url_of(place, request, tmp_path)) as there:
        there.store.hooks = die
        with pytest.raises(Death):
            there.import_run(file)
        there.store.hooks = None
        with pytest.raises(RunError) as refused:
            there.complete_callback(name, 1)
        assert refused.value.code == "FM0730"
        there.import_run(file)
        there.complete_callback(name, 2)
        assert there.result(run) == 2


def test_an_answer_that_came_before_the_move_comes_along(a, b, tmp_path) -> None:
    run = parked(a, "(defn main [] (await-callback! (callback!)))")
    a.complete_callback(a.view(run).waiting[0].name, 5)
    move(a, b, run, tmp_path)
    assert b.result(run) == 5


def test_a_run_with_a_callback_comes_back(a, b, tmp_path) -> None:
    run = parked(a, "(defn main [] (await-callback! (callback!)))")
    move(a, b, run, tmp_path)
    assert a.import_run(b.export(run, str(tmp_path / "back.fms"))) == run
    a.complete_callback(a.view(run).waiting[0].name, 9)
    assert a.result(run) == 9


def test_the_token_of_a_forgotten_run_opens_no_callback_of_one_with_its_id(a, b, tmp_path) -> None:
    source = "(defn main [] (let [c (callback!)] (flow.event/set-status! (:token c)) (await-callback! c)))"
    program = flowmetal.compile(f"{HEAD} {source}")
    for engine in (b, a):
        engine.start(program, id="x")
        engine.interpret(until_idle=True)
    old = b.view("x").status
    b.cancel("x")
    b.collect(Retention(ended_us=0))
    move(a, b, "x", tmp_path)
    with pytest.raises(RunError) as refused:
        b.complete_callback(token=old, value="for another")
    assert refused.value.code == "FM0730"
    b.complete_callback(token=b.view("x").status, value=1)
    assert b.result("x") == 1


def test_a_file_that_is_too_old_opens_no_callback(a, b, tmp_path) -> None:
    run = parked(a, "(defn main [] (let [c (callback!)] (receive! :go) (await-callback! c)))")
    old = a.export(run, str(tmp_path / "old.fms"))
    a.import_run(old)
    a.signal(run, "go")
    a.interpret(until_idle=True)
    name = a.view(run).waiting[0].name
    new = a.export(run, str(tmp_path / "new.fms"))
    with pytest.raises(RunError) as refused:
        a.import_run(old)
    assert refused.value.code == "FM1104"
    assert "went on since this file was written" in refused.value.message
    with pytest.raises(RefusedError):
        a.complete_callback(name, "lost")
    assert b.import_run(new) == run
    b.complete_callback(name, "heard")
    assert b.result(run) == "heard"


def test_a_run_in_line_for_a_lock_stands_in_line_at_the_new_place(a, b, tmp_path) -> None:
    holder = parked(a, "(defn main [] (with-lock! :l (receive! :go)))")
    run = parked(a, "(defn main [] (with-lock! :l :mine))")
    move(a, b, run, tmp_path)
    assert pr_str(b.result(run)) == ":mine"
    a.signal(holder, "go", 1)
    assert a.result(holder) == 1


def test_who_holds_a_lock_is_not_moved_unless_forced(a, b, tmp_path) -> None:
    run = parked(a, "(defn main [] (kind (fn [] (with-lock! :l (receive! :go)))))")
    with pytest.raises(RefusedError) as refused:
        a.export(run, str(tmp_path / "r.fms"))
    assert refused.value.code == "FM1203"
    assert "lock l" in refused.value.message
    move(a, b, run, tmp_path, force=True)
    other = parked(a, "(defn main [] (with-lock! :l :free))")
    assert pr_str(a.result(other)) == ":free"
    b.signal(run, "go", 1)
    assert pr_str(b.result(run)) == ":moved/left-behind"


def test_a_lock_that_is_given_while_the_file_is_written_does_not_travel(a, tmp_path) -> None:
    parked(a, "(defn main [] (with-lock! :l (receive! :go)))")
    run = parked(a, "(defn main [] (with-lock! :l (receive! :go)))")

    def let_go(point: str) -> None:
        if point == "after operate" and a.store.run(RunId(run)).state is RunState.EXPORTING:
            a.store.hooks = None
            a.perform(ReleasePermit("l", 1))

    a.store.hooks = let_go
    with pytest.raises(RefusedError) as refused:
        a.export(run, str(tmp_path / "r.fms"))
    assert "lock l 2" in refused.value.message
    a.signal(run, "go", 1)
    assert a.result(run) == 1


def test_what_was_left_behind_has_a_code_and_a_name(a, b, tmp_path) -> None:
    run = parked(a, "(defn main [] (with-lock! :l (receive! :go)))")
    move(a, b, run, tmp_path, force=True)
    b.signal(run, "go", 1)
    failed = b.drive(run)
    assert failed.error is not None
    assert failed.error.code == "FM0738"
    assert "lock l 1" in failed.error.message


def test_an_open_child_keeps_its_parent_and_a_forced_one_is_an_error(a, b, tmp_path) -> None:
    run = parked(a, "(defn main [] (let [k (start! child)] (kind (fn [] (await! k)))))")
    with pytest.raises(RefusedError):
        a.export(run, str(tmp_path / "r.fms"))
    move(a, b, run, tmp_path, force=True)
    assert pr_str(b.result(run)) == ":moved/left-behind"


@pytest.mark.parametrize(
    "wish", ['{:queue {:queue "q"}}', "{:on-parent-end :keep}", '{:delay #dur "1h"}']
)
def test_a_child_that_goes_on_without_its_parent_keeps_it_too(a, b, tmp_path, wish: str) -> None:
    run = parked(
        a, f"(defn main [] (let [k (start! child [] {wish})] (receive! :go) (kind #(await! k))))"
    )
    with pytest.raises(RefusedError) as refused:
        a.export(run, str(tmp_path / "r.fms"))
    assert refused.value.code == "FM1203"
    assert f"child run {run}.1" in refused.value.message
    move(a, b, run, tmp_path, force=True)
    b.signal(run, "go")
    assert pr_str(b.result(run)) == ":moved/left-behind"
    assert a.view(f"{run}.1").state in ("waiting", "ready", "queued")


def test_a_run_with_many_children_names_some(a, tmp_path) -> None:
    run = parked(a, "(defn main [] (dotimes [_ 12] (start! child)) (receive! :go))")
    with pytest.raises(RefusedError) as refused:
        a.export(run, str(tmp_path / "r.fms"))
    assert refused.value.message.endswith(f"child run {run}.10 and 2 more")


def test_a_child_that_has_ended_keeps_nobody(a, b, tmp_path) -> None:
    run = parked(
        a, "(defn one [] 1) (defn main [] (let [k (start! one)] (+ (await! k) (receive! :go))))"
    )
    move(a, b, run, tmp_path)
    b.signal(run, "go", 1)
    assert b.result(run) == 2


@pytest.mark.parametrize(
    ("child", "found"),
    [
        ("42", "42"),
        ('(throw (ex-info "no" {:type :own/kind :n 7}))', "[:own/kind 7]"),
    ],
)
def test_what_children_came_to_is_awaited_at_the_new_place_and_at_the_next(
    a, b, tmp_path, child: str, found: str
) -> None:
    source = f"""
    (defn ended [] {child})
    (defn outcome [k] (try (await! k) (catch :default e [(:type e) (:n (ex-data e))])))
    (defn main []
      (let [k (start! ended)] (receive! :go) (let [first (outcome k)] (receive! :go) [first (outcome k)])))"""
    run = parked(a, source)
    move(a, b, run, tmp_path)
    b.signal(run, "go")
    b.interpret(until_idle=True)
    with flowmetal.Engine("memory:") as c:
        move(b, c, run, tmp_path)
        c.signal(run, "go")
        assert pr_str(c.result(run)) == f"[{found} {found}]"


def test_an_end_that_came_along_is_gone_with_its_run_and_nobody_else_gets_it(
    a, b, tmp_path
) -> None:
    run = parked(
        a, "(defn one [] 1) (defn main [] (let [k (start! one)] (receive! :go) (await! k)))"
    )
    move(a, b, run, tmp_path)
    other, _ = b.start(
        flowmetal.compile(f"{HEAD} (defn main [k] (kind #(await! k)))"), [RunRef(f"{run}.1")]
    )
    assert pr_str(b.result(other)) == ":run/unknown"
    b.signal(run, "go")
    assert b.result(run) == 1
    assert list(b.store.operate(ShowTies(RunId(run))).get(keyword("ends"))) == []


def test_what_the_children_of_a_run_came_to_that_had_ended_is_nobody_elses(a, b, tmp_path) -> None:
    source = """
    (require '[flow.retry :refer [with-retry!]])
    (defn one [n] n)
    (defn main [n] (with-retry! {:max-attempts 2} (await! (start! one [n]))))"""
    program = flowmetal.compile(f"{HEAD} {source}")
    a.start(program, [1], id="r")
    assert a.result("r") == 1
    move(a, b, "r", tmp_path)
    assert b.collect(Retention(ended_us=0)).runs == ["r"]
    b.start(program, [2], id="r")
    assert b.result("r") == 2


def test_a_step_that_is_tried_again_after_a_move_starts_no_child_that_has_ended_a_second_time(
    a, b, tmp_path
) -> None:
    source = """
    (require '[flow.retry :refer [constant with-retry!]])
    (defn one [] 1)
    (defn main []
      (with-retry! {:max-attempts 3 :backoff (constant #dur "1ms")}
        (let [k (start! one) n (await! k)]
          (if (= 1 (attempt)) (do (receive! :go) (throw (ex-info "again" {}))) n))))"""
    run = parked(a, source)
    move(a, b, run, tmp_path)
    b.signal(run, "go")
    b.interpret(until_idle=True)
    assert b.result(run) == 1
    assert len(b.store.runs(RunQuery())) == 1


def test_a_child_of_that_name_that_was_started_here_is_meant_before_one_that_has_ended_elsewhere(
    a, b, tmp_path
) -> None:
    source = """
    (defn one [n] n)
    (defn main []
      (start! one [1] {:id "the-one"})
      (receive! :go)
      (await! (start! one [2] {:id "the-one"})))"""
    run = parked(a, source)
    move(a, b, run, tmp_path)
    b.signal(run, "go")
    b.interpret(until_idle=True)
    assert b.result(run) == 2


def test_a_lock_that_is_taken_anew_is_not_the_one_that_was_left_behind(a, b, tmp_path) -> None:
    source = """
    (defn main []
      (let [seen (atom [])]
        (swap! seen conj (kind #(with-lock! :l (receive! :go))))
        (swap! seen conj (kind #(with-lock! :l :again)))
        (flow.event/set-status! @seen)
        (receive! :end)))"""
    run = parked(a, source)
    move(a, b, run, tmp_path, force=True)
    b.signal(run, "go")
    b.interpret(until_idle=True)
    assert pr_str(b.view(run).status) == "[:moved/left-behind :again]"
    other = parked(b, "(defn main [] (with-lock! :l :free))")
    assert pr_str(b.result(other)) == ":free"


def test_who_is_in_line_for_a_lock_that_its_own_run_has_left_keeps_it_there(a, b, tmp_path) -> None:
    source = """
    (require '[flow.async :refer [all!]])
    (defn main []
      (all! (kind #(with-lock! :l (receive! :go)))
            (kind #(with-lock! :l (receive! :end)))))"""
    run = parked(a, source)
    move(a, b, run, tmp_path, force=True)
    b.signal(run, "go")
    other = parked(b, "(defn main [] (with-lock! :l :free))")
    assert b.view(other).state == "waiting"
    b.signal(run, "end", 5)
    assert pr_str(b.result(run)) == "[:moved/left-behind 5]"
    assert pr_str(b.result(other)) == ":free"


def test_a_copy_takes_a_lock_of_its_own_in_another_store(a, b, tmp_path) -> None:
    source = """
    (defn main []
      [(kind #(with-lock! :l (receive! :go))) (kind #(with-lock! :l :again))])"""
    run = parked(a, source)
    path, copy = a.export_copy(run, str(tmp_path / "copy.fms"))
    b.import_run(path)
    b.signal(copy.id, "go")
    assert pr_str(b.result(copy.id)) == "[:fork/inherited :again]"


def test_a_file_of_anybody_makes_no_token_that_cannot_be_counted_on() -> None:
    names = ["lock l 3", "left lock l 12", "lock l m 99", f"left lock l {10**30}", "lock l -1"]
    assert last_token(frozenset(names), "l") == 12
    assert last_token(frozenset(names), "other") == 0


def test_a_child_that_is_started_anew_is_not_the_one_that_was_left_behind(a, b, tmp_path) -> None:
    source = """
    (defn one [n] (receive! :go) n)
    (defn main []
      [(kind #(await! (start! one [1] {:id "the-one"})))
       (kind #(await! (start! one [2] {:id "the-one"})))])"""
    run = parked(a, source)
    move(a, b, run, tmp_path, force=True)
    b.signal("the-one", "go")
    assert pr_str(b.result(run)) == "[:moved/left-behind 2]"
    assert b.verify(run).problems == []


def test_what_was_started_anew_and_left_behind_again_is_no_more_the_runs_own(
    a, b, tmp_path
) -> None:
    source = """
    (defn one [n] (receive! :go) n)
    (defn main []
      (mapv (fn [n] (kind #(await! (start! one [n] {:id "the-one"})))) [1 2 3]))"""
    run = parked(a, source)
    move(a, b, run, tmp_path, force=True)
    with flowmetal.Engine("memory:") as c:
        move(b, c, run, tmp_path, force=True)
        c.signal("the-one", "go")
        assert pr_str(c.result(run)) == "[:moved/left-behind :moved/left-behind 3]"


def test_a_child_that_was_started_elsewhere_is_meant_before_the_one_that_was_left_here(
    a, b, tmp_path
) -> None:
    source = """
    (defn one [n] (receive! :go) n)
    (defn main []
      (start! one [1] {:id "the-one"})
      (receive! :go)
      (let [k (start! one [2] {:id "the-one"})]
        (await! k)
        (receive! :go)
        (await! k)))"""
    run = parked(a, source)
    move(a, b, run, tmp_path, force=True)
    b.signal(run, "go")
    b.interpret(until_idle=True)
    b.signal("the-one", "go")
    b.interpret(until_idle=True)
    a.signal("the-one", "go")
    a.interpret(until_idle=True)
    assert a.import_run(b.export(run, str(tmp_path / "back.fms"))) == run
    a.interpret(until_idle=True)
    with flowmetal.Engine("memory:") as c:
        move(a, c, run, tmp_path)
        assert c.export(run, str(tmp_path / "home.fms"))
    assert a.import_run(str(tmp_path / "home.fms")) == run
    a.signal(run, "go")
    a.interpret(until_idle=True)
    assert (a.result(run), a.result("the-one")) == (2, 1)


def test_each_attempt_of_a_step_awaits_the_child_that_it_has_started(a, b, tmp_path) -> None:
    source = """
    (require '[flow.retry :refer [constant with-retry!]])
    (defn one [] (receive! :go))
    (defn main []
      (with-retry! {:max-attempts 3 :backoff (constant #dur "1ms")}
        (let [k (start! one)]
          (try (await! k) (catch :moved/left-behind e (throw (ex-info "anew" {})))))))"""
    run = parked(a, source)
    move(a, b, run, tmp_path, force=True)
    while not (children := b.store.runs(RunQuery(parents=(RunId(run),)))):
        b.interpret(until_idle=True)
    b.signal(children[0].id, "go", 7)
    assert b.result(run) == 7


def test_a_fork_of_what_has_started_a_child_anew_has_inherited_that(a, b, tmp_path) -> None:
    source = """
    (defn one [n] (receive! :go) n)
    (defn main []
      [(kind #(await! (start! one [1] {:id "the-one"})))
       (kind #(await! (start! one [2] {:id "the-one"})))])"""
    run = parked(a, source)
    move(a, b, run, tmp_path, force=True)
    made = b.fork(run, perform=True)
    assert pr_str(b.result(made.id)) == "[:moved/left-behind :fork/inherited]"


def test_who_waits_for_a_moved_run_is_told(a, b, tmp_path) -> None:
    run = parked(a, "(defn main [] (receive! :go))")
    waiter, _ = a.start(
        flowmetal.compile(f"{HEAD} (defn main [id] (kind (fn [] (await! id))))"), [RunRef(run)]
    )
    a.interpret(until_idle=True)
    move(a, b, run, tmp_path)
    assert pr_str(a.result(waiter)) == ":run/moved"


def test_a_subscription_stays_and_what_it_would_bring_is_an_error(a, b, tmp_path) -> None:
    run = parked(a, "(defn main [] (let [s (subscribe! :t)] (kind (fn [] (receive! s)))))")
    with pytest.raises(RefusedError) as refused:
        a.export(run, str(tmp_path / "r.fms"))
    assert "subscription" in refused.value.message
    move(a, b, run, tmp_path, force=True)
    assert pr_str(b.result(run)) == ":moved/left-behind"


def test_a_shared_promise_is_waited_for_at_the_new_place_if_forced(a, b, tmp_path) -> None:
    run = parked(a, "(defn main [] (await-shared! :p))")
    with pytest.raises(RefusedError):
        a.export(run, str(tmp_path / "r.fms"))
    move(a, b, run, tmp_path, force=True)
    other = parked(b, "(defn main [] (flow.event/keep-shared! :p 3))")
    assert b.result(other) is True
    assert b.result(run) == 3


CAREFUL = '(defforeign pay [x] {:queue "till" :at-most-once true}) (defn main [] (pay 1))'


def test_an_at_most_once_task_that_a_worker_has_keeps_its_run_here(a, b, tmp_path) -> None:
    run = parked(a, CAREFUL)
    claimed = a.claim_task("till", "w1")
    with pytest.raises(RefusedError) as refused:
        a.export(run, str(tmp_path / "r.fms"))
    assert refused.value.code == "FM1202"
    assert a.end_task(claimed.id, claimed.attempt, "5")
    assert a.result(run) == 5


def test_such_a_task_is_in_doubt_at_the_new_place_if_it_is_forced_there(a, b, tmp_path) -> None:
    run = parked(a, CAREFUL)
    a.claim_task("till", "w1")
    move(a, b, run, tmp_path, in_doubt=True)
    assert b.claim_task("till", "w2") is None
    assert b.view(run).error.type.text == "effect/in-doubt"


def taken_as_it_leaves(a, monkeypatch: pytest.MonkeyPatch, take) -> list[object]:
    """Let ``take`` take something of a run between the first look at it and the moment from which nothing comes in."""
    commit, found = a.store.commit, []

    def after_it(claim: Claim, changed: Commit) -> Claim:
        if changed.state is RunState.EXPORTING:
            found.append(take())
        return commit(claim, changed)

    monkeypatch.setattr(a.store, "commit", after_it)
    return found


def test_a_task_that_is_claimed_as_its_run_leaves_is_not_given_to_a_second_worker(
    a, tmp_path, monkeypatch
) -> None:
    run = parked(a, CAREFUL.replace("(pay 1)", "(receive! :go) (pay 1)"))
    a.signal(run, "go")
    a.interpret(until_idle=True)
    found = taken_as_it_leaves(a, monkeypatch, lambda: a.claim_task("till", "w1"))
    with pytest.raises(RefusedError, match="FM1202"):
        a.export(run, str(tmp_path / "r.fms"))
    a.interpret(until_idle=True)
    assert a.claim_task("till", "w2") is None
    assert a.end_task(found[0].id, found[0].attempt, "5")
    assert a.result(run) == 5


def test_a_call_that_is_taken_as_its_run_leaves_is_not_offered_to_a_second_process(
    a, tmp_path, monkeypatch
) -> None:
    source = "(defforeign pay [x] {:at-most-once true}) (defn main [] (receive! :go) (pay 1))"
    run = parked(a, source)
    a.signal(run, "go")
    a.interpret(until_idle=True)

    def take(who: str) -> list[object]:
        return list(a.store.operate(ClaimCalls(["m/pay"], who, 60_000_000, 9)).get(VALUE))

    found = taken_as_it_leaves(a, monkeypatch, lambda: take("p1"))
    with pytest.raises(RefusedError, match="FM1202"):
        a.export(run, str(tmp_path / "r.fms"))
    assert len(found[0]) == 1
    a.interpret(until_idle=True)
    assert take("p2") == []
    assert a.store.operate(ShowCall(RunId(run), 2)).get(keyword("performer")) == "p1"


CLAIM_BY_SQL = """
  UPDATE task SET state = 'claimed', attempt = attempt + 1, worker = 'w', lease_expires_us = :now_us + lease_us
  WHERE id = (SELECT id FROM task WHERE queue = 'till' AND state = 'open' AND ready_us <= :now_us
                AND coalesce(expires_us, :now_us + 1) > :now_us
              ORDER BY ready_us LIMIT 1)"""


def claim_by_sql(store: Path) -> int:
    """Claim a task as docs/store.md says, and return how many that were."""
    with closing(sqlite3.connect(store)) as worker, worker:
        return worker.execute(CLAIM_BY_SQL, {"now_us": time.time_ns() // 1000}).rowcount


@pytest.mark.parametrize("fails", [False, True])
def test_a_task_is_not_claimed_by_sql_while_the_file_of_its_run_is_written(
    tmp_path, monkeypatch, fails
) -> None:
    store, write, claimed = tmp_path / "a.db", moving.write_bytes, []

    def written(path: str, data: bytes, **how: Any) -> None:
        write(path, data, **how)
        claimed.append(claim_by_sql(store))
        if fails:
            raise OSError("no room")

    with flowmetal.Engine(f"sqlite:{store}") as engine:
        run = parked(engine, CAREFUL)
        monkeypatch.setattr(moving, "write_bytes", written)
        with suppress(OSError):
            engine.export(run, str(tmp_path / "r.fms"))
        assert claimed == [0]
        assert engine.store.run(run).state is (RunState.WAITING if fails else RunState.MOVED)
        assert claim_by_sql(store) == fails


def test_a_task_waits_as_long_as_before_when_its_run_stays(tmp_path, monkeypatch) -> None:
    def written(path: str, data: bytes, **how: Any) -> None:
        shown.append(engine.store.operate(ShowTask(RunId(run), 1)).get(keyword("ready")))
        raise OSError("no room")

    with flowmetal.Engine("memory:") as engine:
        run, shown = parked(engine, CAREFUL), []
        before = engine.store.operate(ShowTask(RunId(run), 1)).get(keyword("ready"))
        monkeypatch.setattr(moving, "write_bytes", written)
        with pytest.raises(OSError, match="no room"):
            engine.export(run, str(tmp_path / "r.fms"))
        after = engine.store.operate(ShowTask(RunId(run), 1)).get(keyword("ready"))
        assert (shown, after) == ([before], before)
        assert engine.claim_task("till", "w").id


def test_what_a_worker_has_goes_on_if_its_run_stays_because_the_file_cannot_be_written(
    a, tmp_path
) -> None:
    run = parked(a, CAREFUL)
    claimed = a.claim_task("till", "w1")
    with pytest.raises(UsageError, match="FM1312"):
        a.export(run, str(tmp_path / "nowhere" / "r.fms"), in_doubt=True)
    a.interpret(until_idle=True)
    assert a.end_task(claimed.id, claimed.attempt, "5")
    assert a.result(run) == 5


def test_an_at_most_once_task_that_nobody_has_taken_moves_like_any_other(a, b, tmp_path) -> None:
    run = parked(a, CAREFUL)
    move(a, b, run, tmp_path)
    claimed = b.claim_task("till", "w2")
    assert b.end_task(claimed.id, claimed.attempt, "5")
    assert b.result(run) == 5


def test_a_task_is_withdrawn_and_asked_again_under_its_key(a, b, tmp_path) -> None:
    run = parked(a, '(defforeign render [x] {:queue "gpu"}) (defn main [] (render 1))')
    claimed = a.claim_task("gpu", "w1")
    assert claimed is not None
    move(a, b, run, tmp_path)
    assert a.beat_task(claimed.id, claimed.attempt) is False
    again = b.claim_task("gpu", "w2")
    assert again is not None
    assert again.idempotency_key == claimed.idempotency_key
    assert b.end_task(again.id, again.attempt, "5")
    assert b.result(run) == 5


@pytest.mark.parametrize("options", ["", " :at-most-once true"])
def test_a_run_that_has_moved_asks_for_a_task_once_however_often_it_is_loaded(
    a, b, tmp_path, options
) -> None:
    body = "(flow.async/all! (render 1) (+ (receive! :x) (receive! :y)))"
    run = parked(a, f'(defforeign render [x] {{:queue "gpu"{options}}}) (defn main [] {body})')
    move(a, b, run, tmp_path)
    claimed = b.claim_task("gpu", "w1")
    for number, name in enumerate("xy"):
        b.signal(run, name, number)
        b.interpret(until_idle=True)
        assert b.claim_task("gpu", "w2") is None
    assert b.end_task(claimed.id, claimed.attempt, "5")
    assert pr_str(b.result(run)) == "[5 1]"


def test_a_run_that_has_moved_keeps_its_place_in_line_however_often_it_is_loaded(
    a, b, tmp_path
) -> None:
    holder = '(defn main [] (with-lock! "l" (receive! :end)))'
    parked(a, holder)
    holds = parked(b, holder)
    run = parked(
        a, '(defn main [] (flow.async/all! (with-lock! "l" (receive! :go)) (receive! :x)))'
    )
    move(a, b, run, tmp_path)
    behind = parked(b, '(defn main [] (with-lock! "l" :got))')
    b.signal(run, "x")
    b.interpret(until_idle=True)
    b.signal(holds, "end")
    b.interpret(until_idle=True)
    assert b.view(behind).state == "waiting"
