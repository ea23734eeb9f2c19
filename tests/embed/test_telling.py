"""Whoever drives a run in the foreground and sees nothing is told what it waits for, each thing once."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowmetal
from flowmetal.embed.explanation import MOST_LOOKED_AT, long_waits
from flowmetal.ids import RunId
from flowmetal.store.protocol import RunRow
from flowmetal.values import RunRef, vector

SOURCE = """
(ns t (:require [flow.event :refer [receive!]] [flow.async :refer [pmap!]] [flow.http :as http]))
(defforeign pay [x])
(defn main [] (pay 1))
(defn signal [] (receive! :go))
(defn child [] (receive! :go))
(defn request [] (http/get! "http://127.0.0.1:9/"))
(defn parent [] (await! (start! child [])))
(defn all-of [runs] (pmap! await! runs {:concurrency 200}))
(defn fails [message] (throw (ex-info message {})))
"""


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("main", "waits for t/pay"),
        ("signal", "the signal `go`"),
        ("request", "the last time because GET http://127.0.0.1:9/ could not connect"),
        ("parent", "the signal `go`"),
    ],
)
def test_what_lasts_is_told_once(tmp_path: Path, entry: str, told: str) -> None:
    url = f"sqlite:{tmp_path}/t.db"
    notes: list[tuple[str, str]] = []
    with flowmetal.Engine(url) as outside:

        def note(run: str, text: str) -> None:
            notes.append((run, text))
            if entry in ("main", "request"):
                outside.cancel(run, drive=False)
            else:
                outside.signal(run, "go")

        with flowmetal.Engine(url, on_trouble=note) as engine:
            grants = flowmetal.grants(http=["127.0.0.1:9"])
            run, _ = engine.start(flowmetal.compile(SOURCE), entry=entry, grants=grants)
            view = engine.drive(run)
    assert view.state in ("completed", "cancelled")
    ((whose, text),) = notes
    assert told in text
    assert (whose == run) is (entry != "parent")


@pytest.mark.parametrize(
    ("message", "told"),
    [("no\nmoney", "no ..."), ("no paper", "no paper"), (None, "user")],
)
def test_an_interpreter_tells_of_a_run_that_it_leaves_parked(
    message: str | None, told: str
) -> None:
    notes: list[tuple[str, str]] = []
    with flowmetal.Engine("memory:", on_trouble=lambda *note: notes.append(note)) as engine:
        program = flowmetal.compile(SOURCE)
        run, _ = engine.start(program, [message], entry="fails", id="f")
        engine.interpret(until_idle=True)
        assert notes == [(run, f"it has failed: {told}; `fmvm show f` shows where")]


def test_runs_that_await_each_other_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with flowmetal.Engine("memory:") as engine:
        program = flowmetal.compile(SOURCE)
        for run, other in (("a", "b"), ("b", "a")):
            engine.start(program, [vector([RunRef(other)] * 3)], entry="all-of", id=run)
        engine.interpret(until_idle=True)
        row = engine.store.run(RunId("a"))
        looks = looked_at(engine, monkeypatch)
        assert list(long_waits(row, engine.store, engine.now_us(), ())) == []
        assert looks == ["b"]


def test_of_many_runs_that_are_awaited_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with flowmetal.Engine("memory:") as engine:
        program = flowmetal.compile(SOURCE)
        runs = [f"c{number}" for number in range(150)]
        engine.start_many(program, [flowmetal.Beginning(id=run) for run in runs], entry="child")
        engine.start(program, [vector(map(RunRef, runs))], entry="all-of", id="p")
        engine.interpret(until_idle=True)
        told: set[tuple[str, int]] = set()
        for _ in range(10):  # seconds
            looks = looked_at(engine, monkeypatch)
            row = engine.store.run(RunId("p"))
            told |= {wait[:2] for wait in long_waits(row, engine.store, engine.now_us(), told)}
            assert len(looks) <= 1 + MOST_LOOKED_AT
        assert len(told) >= MOST_LOOKED_AT - 1


def looked_at(engine: flowmetal.Engine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the runs are added that are read from now on."""
    looks: list[str] = []
    read = engine.store.run

    def note(run: RunId) -> RunRow | None:
        looks.append(run)
        return read(run)

    monkeypatch.setattr(engine.store, "run", note)
    return looks
