"""Runs go from one interpreter to the next: at once when it ends or dies, and no more when they kill it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

import pytest

from flowmetal.embed import Beginning, Engine, compile
from flowmetal.ids import RunId
from flowmetal.runtime.crashes import PATIENCE, PATIENCE_WITH_EFFECTS
from tests.postgres import Server
from tests.torture.worker import worker

PROGRAM = """
(ns torture)
(defforeign quick [run i])
(defforeign deadly [run])
(defforeign deadly-and-slow [run])
(defn main [run] (loop [i 0] (quick run i) (recur (inc i))))
(defn kills [run] (deadly run))
(defn kills-slowly [run] (deadly-and-slow run))
(defn ends [run n] (loop [i 0] (if (< i n) (do (quick run i) (recur (inc i))) i)))
"""
AT_ONCE_S = 4.0
"""Less than half a lease: nobody has waited for its end."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:{tmp_path}/store.db"
        return
    server: Server = request.getfixturevalue("postgres")
    with server.empty_store() as made:
        yield made


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    with Engine(url) as opened:
        yield opened


@pytest.mark.parametrize("how", [SIGTERM, SIGKILL])
def test_the_runs_of_an_interpreter_that_ends_go_on_at_once(
    engine: Engine, url: str, tmp_path: Path, how: Signals
) -> None:
    engine.start(compile(PROGRAM), ["r"], id="r")
    with worker(url, tmp_path) as first:
        until(lambda: driver(engine) is not None and seq(engine) > 20)
        with worker(url, tmp_path) as second:
            time.sleep(1.5)  # it has come up and waits
            first_driver = driver(engine)
            first.send_signal(how)
            began = time.monotonic()
            until(lambda: driver(engine) not in (None, first_driver))
            before = seq(engine)
            until(lambda: seq(engine) > before)
            assert time.monotonic() - began < AT_ONCE_S
            assert first.wait(10) == (0 if how is SIGTERM else -SIGKILL)
            assert second.poll() is None
            row = engine.store.run(RunId("r"))
            assert row is not None
            assert row.attempts <= 1


@pytest.mark.parametrize(
    ("how", "most"),
    [
        ("kills", PATIENCE),
        pytest.param(
            "kills-slowly",
            PATIENCE_WITH_EFFECTS,
            marks=pytest.mark.skipif(
                not os.environ.get("FLOWMETAL_EVERYTHING"), reason="make torture"
            ),
        ),
    ],
)
def test_a_run_that_kills_its_interpreters_is_put_aside_and_hurts_no_other(
    engine: Engine, url: str, tmp_path: Path, how: str, most: int
) -> None:
    program = compile(PROGRAM)
    engine.start_many(program, [Beginning(["k"], "k")], entry=how)
    engine.start_many(program, [Beginning(["e", 50], "e")], entry="ends")
    deaths = 0
    while engine.view("k").state != "failed":
        assert deaths <= most
        with worker(url, tmp_path) as process:
            until(lambda: process.poll() is not None or engine.view("k").state == "failed")
            deaths += process.poll() is not None
            if process.poll() is None:
                until(lambda: engine.view("e").state == "completed")
    assert deaths == most
    error = engine.view("k").error
    assert error is not None
    assert error.code == "FM1108"
    assert (tmp_path / "journal").read_text().count("deadly") == deaths


def driver(engine: Engine) -> str | None:
    row = engine.store.run(RunId("r"))
    return None if row is None else row.owner


def seq(engine: Engine) -> int:
    row = engine.store.run(RunId("r"))
    return 0 if row is None else row.seq


def until(is_so: Callable[[], bool], limit_s: float = 30) -> None:
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)
