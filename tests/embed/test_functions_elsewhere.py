"""A run whose function this process does not have goes on where somebody has it, and is held by nobody."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import flowmetal
from flowmetal.store.operations.vocabulary import ClaimCalls
from flowmetal.store.protocol import RunState

SOURCE = """
(ns away)
(defforeign double [n])
(defn main [n] (double n))
"""


@flowmetal.foreign("away/double")
def double(n: int) -> int:
    return 2 * n


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'runs.db'}"


def test_an_interpreter_without_the_function_leaves_the_run_to_one_that_has_it(url: str) -> None:
    with flowmetal.Engine(url) as without, flowmetal.Engine(url, functions=[double]) as with_it:
        run, _ = without.start(flowmetal.compile(SOURCE), [21])
        without.interpret(until_idle=True)
        row = without.store.run(run)
        assert row is not None
        assert row.state is RunState.WAITING
        with_it.interpret(until_idle=True)
        assert without.view(run).result == 42


def test_who_waits_for_such_a_run_in_the_foreground_says_so_and_holds_it_not(url: str) -> None:
    told: list[tuple[str, str]] = []
    known = threading.Event()

    def tell(run: str, text: str) -> None:
        told.append((run, text))
        known.set()

    with (
        flowmetal.Engine(url, on_trouble=tell) as without,
        flowmetal.Engine(url, functions=[double]) as with_it,
        ThreadPoolExecutor() as pool,
    ):
        run, _ = without.start(flowmetal.compile(SOURCE), [21], id="r")
        waiting = pool.submit(without.result, run)
        assert known.wait(10)
        assert with_it.result(run) == 42
        assert waiting.result(10) == 42
    text = "waits for away/double, which nobody here performs: see --python"
    assert told == [("r", text)]


def test_why_says_how_often_who_performed_a_call_has_died(url: str) -> None:
    with flowmetal.Engine(url) as engine:
        run, _ = engine.start(flowmetal.compile(SOURCE), [21])
        engine.interpret(until_idle=True)
        assert "died" not in engine.why(run)
        for _ in range(2):
            engine.store.operate(ClaimCalls(["away/double"], "one that dies", 0, 1))
            engine.store.attend()
        assert engine.why(run).count("Who performed it has died 2 times.") == 1
        engine.store.operate(ClaimCalls(["away/double"], "one that lives", 1_000_000, 1))
        said = "one that lives performs it. Who performed it has died 2 times."
        assert said in engine.why(run)
