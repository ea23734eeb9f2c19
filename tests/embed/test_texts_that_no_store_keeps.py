"""NUL, and half of a surrogate pair: JSON from outside can bring them, and not every store can write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import flowmetal
from flowmetal.errors import RunError
from flowmetal.values import keyword, vector

TEXTS = pytest.mark.parametrize("text", ["a\0b", "\ud800"], ids=["nul", "half"])


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        postgres: Any = request.getfixturevalue("postgres")
        return postgres.new_store()
    return "memory:" if request.param == "memory" else f"sqlite:{tmp_path}/runs.db"


@TEXTS
def test_who_names_a_callback_so_is_told_what_to_do(store: str, text: str) -> None:
    with flowmetal.Engine(store) as engine:
        for name in (engine.complete_callback, engine.beat_callback):
            with pytest.raises(RunError) as caught:
                name(text)
            assert [(each.code, each.help) for each in caught.value.diagnostics] == [
                ("FM1021", ("write it in other characters",))
            ]


@TEXTS
@pytest.mark.parametrize(
    "effect",
    [
        "(state/get! text)",
        "(start! child [] {:tags {:customer text}})",
        "(await! (start! child [] {:id text}))",
        "(event/signal! (run-id) :go 1 {:id text})",
        '(event/signal! (run-id) :go 1 {:id "effect/0.9"})',
        "(perform :p/work {:args [1] :idempotency-key text})",
    ],
)
def test_a_program_is_told_of_it_and_goes_on(store: str, effect: str, text: str) -> None:
    program = flowmetal.compile(
        "(ns p (:require [flow.state :as state] [flow.event :as event]))\n"
        '(defforeign work {:queue "w"} [x])\n'
        "(defn child [])\n"
        f"(defn main [text] (try {effect} (catch :effect/bad-argument e :told) (catch :default e (:type e))))"
    )
    with flowmetal.Engine(store) as engine:
        run = engine.start(program, [text])[0]
        assert engine.result(run) == keyword("told")


@TEXTS
def test_an_argument_of_a_task_arrives_or_is_refused(store: str, text: str) -> None:
    """In JSON NUL is written with an escape."""
    program = flowmetal.compile(
        '(defforeign work {:queue "w"} [x]) '
        "(defn main [text] (try (work text) (catch :effect/bad-argument e :told)))"
    )
    with flowmetal.Engine(store) as engine:
        run = engine.start(program, [text])[0]
        engine.interpret(until_idle=True)
        task = engine.claim_task("w", "w-1")
        if task is not None:
            engine.end_task(task.id, task.attempt, task.arguments)
        assert engine.result(run) in (vector([text]), keyword("told"))


@TEXTS
def test_a_run_that_fails_with_such_a_type_is_parked_and_sound(store: str, text: str) -> None:
    program = flowmetal.compile('(defn main [text] (throw (ex-info "no" {:type (keyword text)})))')
    with flowmetal.Engine(store) as engine:
        run = engine.start(program, [text])[0]
        engine.interpret(until_idle=True)
        view = engine.view(run)
        assert view.state == "failed"
        assert view.error.type.text == text
        assert engine.verify(run).problems == []
