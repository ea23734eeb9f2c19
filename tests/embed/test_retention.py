"""What the retention policy takes away, and that nothing else is lost."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowmetal import Engine, compile
from flowmetal.embed import Beginning, retention
from flowmetal.embed.retention import Retention
from flowmetal.errors import RunError
from flowmetal.ids import RunId
from flowmetal.runtime.active import Step
from flowmetal.runtime.advance import advance
from flowmetal.runtime.committing import carry_out, commit_step
from flowmetal.runtime.loading import open_run
from flowmetal.store.protocol import Claim, RunRow, RunState
from flowmetal.testing.dying import Death
from flowmetal.values import pr_str
from tests.stores import url_of

LONG = """
(ns a (:require [flow.event :refer [receive!]]))
(defn main [n]
  (loop [i 0 m (into {} (map (fn [k] [k (str "value " k)]) (range 300)))]
    (if (< i n)
      (do (sleep! #dur "1ms") (recur (inc i) (assoc m i (str i))))
      (do (receive! :go) (count m)))))
"""


@pytest.fixture(params=["memory", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with Engine(url_of(request.param, request, tmp_path)) as opened:
        yield opened


def waiting(engine: Engine, n: int = 30) -> str:
    run, _ = engine.start(compile(LONG), [n])
    engine.interpret(until_idle=True)
    while (
        engine.view(run).state != "waiting" or engine.view(run).waiting[0].kind != "signal/receive"
    ):
        engine.interpret(until_idle=True)
    return run


TOLD = """
(ns told (:require [flow.event :refer [publish! receive! set-status! signal! subscribe!]]))
(defn listen []
  (let [news (subscribe! "news")]
    (loop [heard []]
      (set-status! heard)
      (recur (conj heard (receive! :report) (receive! news))))))
(defn stand [] (receive! :never))
(defn main [n]
  (when (= n 1) (start! listen [] {:id "listener" :on-parent-end :keep}))
  (receive! :go)
  (let [listener (start! listen [] {:id "listener" :if-exists :attach})
        one (start! stand [] {:id (str "one-" n)})]
    (signal! listener :report n)
    (step! "publish" {:retry 2} (publish! "news" (- n)))
    (cancel! one)))
"""


def test_what_a_run_says_is_heard_though_one_of_its_id_that_is_forgotten_has_said_it(
    engine: Engine,
) -> None:
    for n in (1, 2):
        engine.start(compile(TOLD), [n], id="report")
        engine.interpret(until_idle=True)
        engine.signal("report", "go")
        engine.interpret(until_idle=True)
        assert engine.view("report").state == "completed"
        assert "report" in engine.collect(Retention(ended_us=0)).runs
    assert pr_str(engine.view("listener").status) == "[1 -1 2 -2]"


def test_a_run_that_ended_long_ago_goes_whole(engine: Engine) -> None:
    run, _ = engine.start(compile("(defn main [] 1)"))
    assert engine.result(run) == 1
    assert engine.collect().runs == []
    assert engine.collect(Retention(ended_us=0), dry_run=True).runs == [run]
    assert engine.view(run).state == "completed"
    assert engine.collect(Retention(ended_us=0)).runs == [run]
    with pytest.raises(RunError, match="there is no run"):
        engine.view(run)


def test_a_child_stays_while_its_parent_may_await_it(engine: Engine) -> None:
    source = """(ns f (:require [flow.event :refer [receive!]]))
      (defn child [x] x)
      (defn main [] (start! child [1] {:id "forgotten"})
        (let [kept (mapv (fn [i] (start! child [i] {:id (str "kept-" i)})) (range 40))]
          (receive! :go)
          (reduce + (mapv await! kept))))"""
    run, _ = engine.start(compile(source))
    while engine.view(run).waiting_text(0) != "the signal `go`":
        engine.interpret(until_idle=True)
    engine.interpret(until_idle=True)
    assert engine.collect(Retention(ended_us=0)).runs == ["forgotten"]
    engine.signal(run, "go")
    assert engine.result(run) == sum(range(40))
    assert len(engine.collect(Retention(ended_us=0)).runs) == 41


def test_a_child_stays_whose_parent_has_not_heard_yet_that_it_was_started(engine: Engine) -> None:
    source = "(defn child [] 7) (defn main [] (await! (start! child [])))"
    run, _ = engine.start(compile(source))

    def die(point: str) -> None:
        if point.startswith("after commit") and engine.store.inbox(RunId(run), 0):
            engine.store.hooks = None
            raise Death(point)

    engine.store.hooks = die
    with pytest.raises(Death):
        engine.drive(run)
    child = next(view.id for view in engine.runs() if view.parent == run)
    assert engine.result(child) == 7
    assert engine.collect(Retention(ended_us=0)).runs == []
    assert engine.result(run) == 7


def test_no_more_than_some_runs_are_in_hand_at_a_time(engine: Engine) -> None:
    engine.start_many(compile("(ns a) (defn main [n] n)"), [Beginning([1])] * 1200)
    last, _ = engine.start(compile("(ns a) (defn main [] 1)"), [])
    engine.cancel(last, now=True)
    seen: list[int] = []

    def count(moment: str) -> None:
        if moment == "before forget":
            seen.append(sum(isinstance(each, RunRow) for each in gc.get_objects()))

    before = sum(isinstance(each, RunRow) for each in gc.get_objects())
    engine.store.hooks = count
    assert engine.collect(Retention(ended_us=0)).runs == [last]
    (now,) = seen
    assert now - before < 1000


def test_a_failed_run_stays_for_it_can_be_revived(engine: Engine) -> None:
    run, _ = engine.start(compile('(defn main [] (throw (ex-info "no" {})))'))
    assert engine.drive(run).state == "failed"
    assert engine.collect(Retention(ended_us=0)).runs == []


def test_chunks_that_nothing_refers_to_go_and_the_run_goes_on(engine: Engine) -> None:
    run = waiting(engine)
    before = len(engine.store.chunk_names(run))
    assert engine.collect().chunks == 0, "kept snapshots refer to all of them"
    dry = engine.collect(Retention(snapshots="latest"), dry_run=True)
    assert len(engine.store.chunk_names(run)) == before
    gone = engine.collect(Retention(snapshots="latest"))
    assert gone.chunks > 0
    assert (gone.chunks, gone.snapshots) == (dry.chunks, dry.snapshots)
    assert len(engine.store.chunk_names(run)) == before - gone.chunks
    engine.signal(run, "go")
    assert engine.result(run) == 300
    assert engine.verify(run).problems == []


def test_of_every_ten_events_one_snapshot_stays_however_often_one_asks(engine: Engine) -> None:
    run = waiting(engine)
    before = [seq for seq, _ in engine.store.kept_snapshots(run)]
    for _ in range(3):
        engine.collect(Retention(snapshots=10))
        after = [seq for seq, _ in engine.store.kept_snapshots(run)]
        assert [seq // 10 for seq in after] == sorted({seq // 10 for seq in before})
    assert engine.eval(run, "i", at=before[15]) >= 14


@pytest.mark.parametrize("snapshots", ["latest", 10])
def test_old_events_go_though_older_snapshots_have_gone_before(engine: Engine, snapshots) -> None:
    run = waiting(engine)
    for _ in range(3):
        engine.collect(Retention(snapshots=snapshots))
    last = engine.store.run(run).seq  # type: ignore[arg-type, union-attr]
    gone = engine.collect(Retention(history_us=0, snapshots=snapshots))
    assert gone.events > last - 12
    assert engine.collect(Retention(history_us=0, snapshots=snapshots)).events == 0
    assert engine.verify(run).problems == []
    with pytest.raises(RunError, match="event 1 is not there"):
        engine.eval(run, "i", at=2)
    engine.signal(run, "go")
    assert engine.result(run) == 300
    assert engine.verify(run).problems == []


def test_old_events_go_and_an_anchor_stays(engine: Engine) -> None:
    run = waiting(engine)
    last = engine.store.run(run).seq  # type: ignore[arg-type, union-attr]
    gone = engine.collect(Retention(history_us=0))
    assert gone.events > last // 2
    assert next(engine.events(run)).seq == gone.events + 1
    found = engine.verify(run)
    assert found.problems == []
    assert (found.first, found.replayed) == (gone.events + 1, True)
    with pytest.raises(RunError) as caught:
        engine.eval(run, "i", at=2)
    assert caught.value.code == "FM1131"
    engine.signal(run, "go")
    assert engine.result(run) == 300
    assert engine.verify(run).problems == []


OWNS = """
(ns o (:require [flow.event :refer [receive! callback! await-callback!]]
                [flow.lock :refer [with-lock!]]))
(defn child [] (receive! :never))
(defn said [f] (try (f) (catch :fork/inherited e (:inherited (ex-data e)))))
(defn main []
  (let [c (callback!) k (start! child)]
    (said (fn []
      (with-lock! :stock
        (loop [i 0 m (into {} (map (fn [k] [k (str "value " k)]) (range 300)))]
          (if (< i 10)
            (do (sleep! #dur "1ms") (recur (inc i) (assoc m i (str i))))
            (do (receive! :go)
                [(said (fn [] (await-callback! c {:timeout #dur "1ms"})))
                 (said (fn [] (cancel! k "by the fork")))]))))))))
"""


def test_a_fork_of_a_trimmed_run_knows_what_is_not_its_own(engine: Engine) -> None:
    run, _ = engine.start(compile(OWNS))
    for _ in range(30):
        engine.interpret(until_idle=True)
        if engine.view(run).waiting_text(0).startswith("the signal"):
            break
    whole = engine.fork(run)
    assert len(whole.inherited) == 3
    assert engine.collect(Retention(history_us=0)).events > 5
    trimmed = engine.fork(run)
    assert trimmed.inherited == whole.inherited
    for fork in (whole, trimmed):
        engine.signal(fork.id, "go")
        assert engine.result(fork.id) == "lock stock 1"
    (child,) = [view for view in engine.runs() if view.parent == run]
    assert child.state == "waiting"


GIVES_UP = """
(ns o (:require [flow.event :refer [receive!]] [flow.lock :refer [with-lock!]]))
(defn child [] :done)
(defn said [f] (try (f) (catch :fork/inherited e (:inherited (ex-data e)))))
(defn main []
  (let [k (start! child [] {:on-parent-end :keep})]
    [(said (fn []
       (with-lock! :stock
         (await! k)
         (dotimes [_ 10] (sleep! #dur "1ms"))
         (receive! :go))))
     (said (fn [] (await! k)))]))
"""


def test_a_fork_of_a_trimmed_run_knows_what_the_run_has_let_go_of_since(engine: Engine) -> None:
    run, _ = engine.start(compile(GIVES_UP), id="r")
    while not engine.view(run).waiting_text(0).startswith("the signal"):
        engine.interpret(until_idle=True)
    (child,) = [view.id for view in engine.runs() if view.parent == run]
    assert engine.collect(Retention(history_us=0)).events > 5
    at = max(event.seq for event in engine.events(run))
    engine.signal(run, "go", 7)
    assert pr_str(engine.result(run)) == "[7 :done]"
    fork = engine.fork(run, at=at)
    engine.signal(fork.id, "go")
    assert list(engine.result(fork.id)) == ["lock stock 1", f"child run {child}"]


OPEN = """
(ns o (:require [flow.event :refer [receive!]] [flow.async :refer [all!]]))
(defforeign pay [x] {:queue "payments" :at-most-once true})
(defn counts [] (loop [i 0] (if (receive! :go) (recur (inc i)) i)))
(defn main [] (all! (pay 5) (sleep! #dur "1h") (receive! :rare {:timeout #dur "1h"}) (counts)))
"""


def open_for_long(engine: Engine) -> str:
    """Leave a run with effects that it asked for before what is kept of its history."""
    run, _ = engine.start(compile(OPEN), id="r")
    for _ in range(9):
        engine.signal(run, "go", 1)
    engine.interpret(until_idle=True)
    assert engine.collect(Retention(history_us=0)).events > 5
    assert "o/pay" not in [event.name for event in engine.events(run)]
    return run


def test_a_fork_of_a_trimmed_run_holds_what_was_asked_for_before_the_cut(engine: Engine) -> None:
    run = open_for_long(engine)
    due = [wait.until_us for wait in engine.view(run).waiting]
    fork = engine.fork(run)
    assert fork.held == ((1, "o/pay"),)
    engine.interpret(until_idle=True)
    assert [wait.until_us for wait in engine.view(fork.id).waiting] == due
    assert "o/pay" not in [event.name for event in engine.events(fork.id)]
    answered = engine.fork(run, results={1: "paid"})
    assert answered.held == ()
    for at in sorted(event.seq for event in engine.events(run)):
        assert engine.fork(run, at=at).held == ((1, "o/pay"),)


def test_a_fork_knows_a_signal_that_was_waited_for_before_the_cut(engine: Engine) -> None:
    run = open_for_long(engine)
    at = max(event.seq for event in engine.events(run))
    engine.signal(run, "rare", 8)
    engine.interpret(until_idle=True)
    fork = engine.fork(run, at=at)
    assert fork.held == ((1, "o/pay"),)
    engine.signal(fork.id, "rare", 9)
    engine.interpret(until_idle=True)
    received = [event for event in engine.events(fork.id) if event.kind == "signal-received"]
    assert pr_str(received[-1].data).endswith(":value 9}")


def test_a_history_that_is_trimmed_while_it_is_read_is_read_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = engine.store.events
    trims: list[int | None] = []

    def trimmed_meanwhile(*words: int, **named: int) -> object:
        if trims and trims[-1] is None:
            trims[-1] = 0
            trims[-1] = engine.collect(Retention(history_us=0)).events
        return events(*words, **named)

    monkeypatch.setattr(engine.store, "events", trimmed_meanwhile)
    for look in (
        lambda run: engine.verify(run),
        lambda run: engine.verify(engine.fork(run).id),
    ):
        run = waiting(engine, 10)
        trims.append(None)
        assert look(run).problems == []
        assert trims[-1] is not None
        assert trims[-1] > 5


@pytest.mark.parametrize("when", ["events", "claim"])
def test_of_two_who_trim_a_run_at_one_moment_one_leaves_it_for_the_next_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    run = waiting(engine, 10)
    whose = type(engine.host) if when == "claim" else engine.store
    look = getattr(whose, when)

    def after_the_other(*words: object, **named: object) -> object:
        monkeypatch.undo()
        assert engine.collect(Retention(history_us=0, snapshots="latest")).events > 10
        return look(*words, **named)

    monkeypatch.setattr(whose, when, after_the_other)
    assert engine.collect(Retention(history_us=0, snapshots=5)).busy == [run]
    assert engine.verify(run).problems == []
    engine.signal(run, "go")
    assert engine.result(run) == 300


COMPUTING = """
(ns c (:require [flow.event :refer [receive!]]))
(defn main [n]
  (let [sent (atom (vec (range 2000)))]
    (receive! :go)
    (loop [i 0]
      (if (< i n) (do (swap! sent conj i) (recur (inc i))) (count @sent)))))
"""


def compute(engine: Engine, run: str) -> None:
    """Let a run compute for a while, and give it back: it saves its state, and there is no event."""
    host = engine.host
    with host.claimed(RunId(run)) as claim:
        assert isinstance(claim, Claim)
        active = open_run(host, claim, host.clock.monotonic_us())
        carry_out(active, advance(active, turns=3))
        commit_step(active, Step(RunState.READY, leave=True))


def test_what_a_run_has_saved_while_it_was_looked_at_stays_though_nothing_has_happened(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = engine.start(compile(COMPUTING), [100_000])
    engine.interpret(until_idle=True)
    engine.signal(run, "go")
    compute(engine, run)
    needed = retention._needed

    def computing_meanwhile(*words: object) -> object:
        found = needed(*words)  # type: ignore[arg-type]
        compute(engine, run)
        return found

    monkeypatch.setattr(retention, "_needed", computing_meanwhile)
    seqs = [engine.store.run(RunId(run)).seq]  # type: ignore[union-attr]
    assert engine.collect(Retention(snapshots="latest")).busy == [run]
    seqs.append(engine.store.run(RunId(run)).seq)  # type: ignore[union-attr]
    assert seqs[0] == seqs[1]
    assert engine.result(run) == 102_000


def test_a_run_that_has_moved_is_not_said_to_be_driven(engine: Engine, tmp_path) -> None:
    run = waiting(engine)
    engine.export(run, str(tmp_path / "run.fms"))
    assert engine.collect(Retention(history_us=0, snapshots="latest")).busy == []


def test_a_trimmed_run_can_move(engine: Engine, tmp_path) -> None:
    run = waiting(engine)
    engine.collect(Retention(history_us=0, snapshots=5))
    path = engine.export(run, str(tmp_path / "run.fms"))
    with Engine("memory:") as elsewhere:
        assert elsewhere.import_run(path) == run
        assert elsewhere.verify(run).problems == []
        elsewhere.signal(run, "go")
        assert elsewhere.result(run) == 300
