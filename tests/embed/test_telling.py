"""Whoever drives a run in the foreground and sees nothing is told what it waits for, each thing once."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowmetal

SOURCE = """
(ns t (:require [flow.event :refer [receive!]]))
(defforeign pay [x])
(defn main [] (pay 1))
(defn signal [] (receive! :go))
(defn child [] (receive! :go))
(defn parent [] (await! (start! child [])))
(defn fails [message] (throw (ex-info message {})))
"""


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("main", "waits for t/pay"),
        ("signal", "the signal `go`"),
        ("parent", "the signal `go`"),
    ],
)
def test_what_lasts_is_told_once(tmp_path: Path, entry: str, told: str) -> None:
    url = f"sqlite:{tmp_path}/t.db"
    notes: list[tuple[str, str]] = []
    with flowmetal.Engine(url) as outside:

        def note(run: str, text: str) -> None:
            notes.append((run, text))
            if entry == "main":
                outside.cancel(run, drive=False)
            else:
                outside.signal(run, "go")

        with flowmetal.Engine(url, on_trouble=note) as engine:
            run, _ = engine.start(flowmetal.compile(SOURCE), entry=entry)
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
