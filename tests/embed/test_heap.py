"""The limit of the heap: a run that takes too much fails, and can be retried under a larger limit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from flowmetal import Engine, Limits, compile
from flowmetal.errors import RefusedError
from flowmetal.values import Value
from tests.stores import url_of

HEAP = 200_000
SMALL = Limits(heap=HEAP)
ENOUGH = Limits(heap=100 * HEAP)

COUNTING = """
(defn main [n] (loop [i 0 xs ()] (if (= i n) (count xs) (recur (inc i) (conj xs i)))))
"""
WAITING = """
(require '[flow.event :refer [receive!]])
(defn main [n]
  (let [xs (loop [i 0 xs ()] (if (= i n) xs (recur (inc i) (conj xs i))))
        told (receive! :go)]
    [told (count xs)]))
"""
FIBERS = """
(require '[flow.async :refer [all!]] '[flow.event :refer [receive!]])
(defn grow [n] (loop [i 0 xs ()] (if (= i n) (count xs) (recur (inc i) (conj xs i)))))
(defn main [n] (all! (receive! :go) (do (sleep! #dur "1ms") (grow n)) (sleep! #dur "2ms")))
"""
TOO_MANY = 60_000


@pytest.fixture(autouse=True)
def look_whenever_it_may_have_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a look takes: on a busy machine there are few otherwise."""
    monkeypatch.setattr("flowmetal.runtime.heap.PAUSE", 0)


@pytest.fixture(params=["sqlite", "postgres"])
def open_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Engine]:
    url = url_of(request.param, request, tmp_path)
    return lambda limits=SMALL: opened(url, limits)


def opened(
    url: str, limits: Limits = SMALL, on_output: Callable[[str, str], None] | None = None
) -> Engine:
    """Return an engine in a process that grows with each look: what was freed before is used again otherwise."""
    engine = Engine(url, limits=limits, on_output=on_output)
    engine.host.resident = count(HEAP, HEAP).__next__
    return engine


def started(engine: Engine, text: str, *arguments: Value) -> str:
    return engine.start(compile(text), list(arguments))[0]


@pytest.mark.parametrize(
    "step",
    [
        "(conj xs 1)",
        "(cons xs nil)",
        "(assoc xs (count xs) 7)",
        '(conj xs (str (count xs) "-text"))',
    ],
)
@pytest.mark.parametrize("begin", ["()", "[]"])
def test_a_run_that_collects_without_end_fails(step: str, begin: str, tmp_path: Path) -> None:
    if (begin, step) == ("()", "(assoc xs (count xs) 7)"):
        begin = "{}"
    with opened(f"sqlite:{tmp_path}/runs.db") as engine:
        run = started(engine, f"(defn main [] (loop [xs {begin}] (recur {step})))")
        view = engine.drive(run)
        assert view.state == "failed"
        assert view.error is not None
        assert view.error.type.text == "limit/heap"
        assert "--limit heap=" in view.error.message
        assert view.error.data.get(_key("bytes")) > HEAP


def test_it_goes_on_where_it_stood_under_a_larger_limit(
    open_engine: Callable[..., Engine],
) -> None:
    with open_engine() as engine:
        run = started(engine, COUNTING, TOO_MANY)
        assert engine.drive(run).state == "failed"
    with open_engine(ENOUGH) as engine:
        engine.retry(run)
        assert engine.result(run) == TOO_MANY
        assert engine.verify(run).problems == []


def test_without_a_larger_limit_it_fails_again(tmp_path: Path) -> None:
    with opened(f"sqlite:{tmp_path}/runs.db") as engine:
        run = started(engine, "(defn main [] (loop [xs ()] (recur (conj xs 1))))")
        assert engine.drive(run).state == "failed"
        engine.retry(run)
        assert engine.drive(run).state == "failed"
        assert [event.kind for event in engine.events(run)][-3:] == ["failed", "revived", "failed"]
        assert engine.verify(run).problems == []


def test_a_run_that_would_wait_fails_instead_and_waits_under_a_larger_limit(
    open_engine: Callable[..., Engine],
) -> None:
    with open_engine() as engine:
        run = started(engine, WAITING, TOO_MANY)
        engine.interpret(until_idle=True)
        assert engine.view(run).state == "failed"
        assert engine.verify(run).problems == []
    with open_engine(ENOUGH) as engine:
        engine.retry(run)
        engine.interpret(until_idle=True)
        assert engine.view(run).state == "waiting"
        engine.signal(run, "go", "told")
        engine.interpret(until_idle=True)
        assert engine.view(run).state == "completed"
        assert list(engine.view(run).result) == ["told", TOO_MANY]
        assert engine.verify(run).problems == []


def test_what_other_fibers_wait_for_is_there_when_it_goes_on(
    open_engine: Callable[..., Engine],
) -> None:
    with open_engine() as engine:
        run = started(engine, FIBERS, TOO_MANY)
        assert engine.drive(run).state == "failed"
    with open_engine(ENOUGH) as engine:
        engine.retry(run)
        engine.signal(run, "go", "told")
        assert list(engine.result(run)) == ["told", TOO_MANY, None]
        assert engine.verify(run).problems == []


def test_a_program_cannot_catch_it_and_no_finally_runs(tmp_path: Path) -> None:
    text = """
    (defn main []
      (try (loop [xs ()] (recur (conj xs 1)))
           (catch :default e (println "caught"))
           (finally (println "finally"))))
    """
    told: list[str] = []
    with opened(
        f"sqlite:{tmp_path}/runs.db", on_output=lambda run, text: told.append(text)
    ) as engine:
        run = started(engine, text)
        assert engine.drive(run).state == "failed"
        assert told == []
        stands = engine.show(run).fibers[0]
        assert stands.frames
        for refused in (
            lambda: engine.supply(run, 1),
            lambda: engine.throw(run, "mine", "no"),
            lambda: engine.restart(run, "use-value"),
        ):
            with pytest.raises(RefusedError) as caught:
                refused()
            assert caught.value.code == "FM1132"
        assert "put aside" in engine.why(run)
        assert engine.cancel(run, "enough") == "cancelled"
        assert told == ["finally\n"]


def test_a_child_that_takes_too_much_has_failed_for_its_parent(tmp_path: Path) -> None:
    text = """
    (defn child [] (loop [xs ()] (recur (conj xs 1))))
    (defn main [] (try (await! (start! child [])) (catch :limit/heap e (:type (ex-data e)) :told)))
    """
    with opened(f"sqlite:{tmp_path}/runs.db") as engine:
        run = started(engine, text)
        assert engine.result(run) == _key("told")


def test_what_is_shared_counts_once(tmp_path: Path) -> None:
    text = """
    (defn main []
      (let [many (vec (range 3000))
            versions (mapv (fn [i] (conj many i)) (range 100))
            text (apply str (repeat 5000 "-"))]
        (sleep! #dur "1ms")
        [(count versions) (count (mapv (fn [i] {:text text :i i}) (range 100)))]))
    """
    with opened(f"sqlite:{tmp_path}/runs.db") as engine:
        run = started(engine, text)
        assert list(engine.result(run)) == [100, 100]


def test_many_of_the_same_count_each(tmp_path: Path) -> None:
    """They are saved in next to nothing, for chunks are named by their content."""
    text = '(defn main [] (let [xs (vec (repeat 60000 1))] (sleep! #dur "1ms") (count xs)))'
    with opened(f"sqlite:{tmp_path}/runs.db") as engine:
        assert engine.drive(started(engine, text)).state == "failed"


def test_a_run_that_changes_much_and_keeps_little_does_not_fail(tmp_path: Path) -> None:
    text = """
    (defn main []
      (loop [i 0 m {}]
        (if (= i 3000) (count m)
          (do (uuid!) (recur (inc i) (assoc m (mod i 100) (vec (range i (+ i 100)))))))))
    """
    with opened(f"sqlite:{tmp_path}/runs.db") as engine:
        assert engine.result(started(engine, text)) == 100


def _key(name: str) -> Value:
    from flowmetal.values import keyword

    return keyword(name)
