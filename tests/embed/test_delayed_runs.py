"""Runs that are to begin later, and what is done with them until then."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowmetal
from flowmetal.errors import UsageError
from flowmetal.ids import RunId
from tests.stores import url_of

SOURCE = """
(ns d (:require [flow.event :refer [receive!]]))
(defn later [] (try (receive! :never) (finally (println "{what}"))))
(defn main [] (start! later [] {:id "later" :delay #dur "1h"}) (receive! :go))
"""
PROGRAM = flowmetal.compile(SOURCE)
OTHER = flowmetal.compile(SOURCE.replace("{what}", "other"))
LATER = RunId("later")


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path):
    with flowmetal.Engine(url_of(request.param, request, tmp_path)) as opened:
        opened.start(PROGRAM)
        opened.interpret(until_idle=True)
        yield opened


def has_begun(engine: flowmetal.Engine) -> bool:
    """Say whether the run has begun, now that everybody has done what is to be done."""
    engine.interpret(until_idle=True)
    return engine.store.snapshot(LATER) is not None


def test_a_run_that_was_paused_begins_when_it_was_to(engine) -> None:
    engine.pause("later")
    engine.unpause("later")
    assert not has_begun(engine)
    engine.signal("later", "never", 7)
    assert not has_begun(engine)


def test_a_run_that_got_new_code_begins_when_it_was_to(engine) -> None:
    assert engine.upgrade("later", OTHER).outcome == "clean"
    assert not has_begun(engine)


def test_a_run_whose_export_fails_begins_when_it_was_to(engine, tmp_path) -> None:
    with pytest.raises(UsageError):
        engine.export("later", str(tmp_path / "no such folder" / "later.fms"))
    assert not has_begun(engine)


def test_a_run_that_moves_begins_when_it_was_to(engine, tmp_path) -> None:
    path = engine.export("later", str(tmp_path / "later.fms"))
    with flowmetal.Engine("memory:") as there:
        there.import_run(path)
        assert not has_begun(there)


def test_why_says_when_a_run_is_to_begin(engine) -> None:
    assert "It begins at 2" in engine.why("later")


def test_a_run_that_is_to_begin_later_is_cancelled_at_once(engine) -> None:
    engine.pause("later")
    engine.unpause("later")
    assert not has_begun(engine)
    engine.cancel("later", drive=False)
    engine.interpret(until_idle=True)
    assert engine.view("later").state == "cancelled"


def test_a_run_that_is_driven_by_name_begins_at_once(engine) -> None:
    engine.pause("later")
    engine.unpause("later")
    engine.signal("later", "never", 7)
    assert engine.result("later") == 7
