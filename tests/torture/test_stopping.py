"""SIGTERM while a function of the host runs: the runs are free at once, and the process ends soon."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals

import pytest

from flowmetal import Engine, compile

FUNCTIONS = """
import time
import flowmetal

def tell(text):
    with open({journal!r}, "a") as file:
        file.write(text + chr(10))

@flowmetal.foreign("t/slow", slow=True)
def slow(idempotency_key):
    tell(idempotency_key)
    time.sleep({seconds})
    return 7

@flowmetal.foreign("t/quick")
def quick():
    tell("quick")
    time.sleep({seconds})
"""
PROGRAM = """
(ns t (:require [flow.event :refer [receive!]]))
(defforeign slow [])
(defforeign quick [])
(defn main [] (slow))
(defn once [] (try (perform "t/slow" {:args [] :at-most-once true}) (catch :effect/in-doubt e :in-doubt)))
(defn holds [] (quick))
(defn counts [] (loop [i 0] (if (= i 100000000) i (recur (inc i)))))
"""
SOON_S = 20
"""The three seconds that a function is given, on a machine with much else to do."""


def test_a_slow_function_holds_up_neither_its_run_nor_others_nor_the_end(tmp_path: Path) -> None:
    with Engine(f"sqlite:{tmp_path}/runs.db") as engine:
        program = compile(PROGRAM)
        engine.start(program, id="r")
        engine.start(program, entry="once", id="o")
        engine.start(program, entry="counts", id="c")
        with interpreter(tmp_path, seconds=120) as process:
            until(lambda: told(tmp_path) >= 2 and owner(engine, "c") is not None)
            process.terminate()
            until(lambda: all(owner(engine, run) is None for run in ("r", "o", "c")))
            assert process.wait(SOON_S) == 0
        with interpreter(tmp_path, seconds=0):
            until(lambda: engine.view("r").state == engine.view("o").state == "completed")
        assert engine.view("r").result == 7
        assert str(engine.view("o").result) == ":in-doubt"
        keys = (tmp_path / "journal").read_text().split()
        assert keys.count("r/0/1") == 2
        assert keys.count("o/0/1") == 1


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
def test_a_second_signal_ends_the_process_at_once_even_if_a_function_holds_up_everything(
    tmp_path: Path, number: Signals
) -> None:
    with Engine(f"sqlite:{tmp_path}/runs.db") as engine:
        engine.start(compile(PROGRAM), entry="holds", id="h")
        with interpreter(tmp_path, seconds=120) as process:
            until(lambda: told(tmp_path) >= 1)
            process.send_signal(number)
            end = time.monotonic() + SOON_S
            while process.poll() is None and time.monotonic() < end:
                time.sleep(0.1)  # both at once would be one
                process.send_signal(number)
            assert process.poll() == -number


def test_who_waits_for_a_store_that_does_not_answer_is_ended() -> None:
    code = "import time; from flowmetal.cli.ending import end_soon; end_soon(0.1); time.sleep(60)"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "ended without it" in done.stderr


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
def test_the_first_signal_is_heard_though_a_function_holds_up_everything(
    tmp_path: Path, number: Signals
) -> None:
    code = f"""
import os, time
from flowmetal import Engine, compile, foreign
@foreign("t/quick")
def quick():
    os.kill(os.getpid(), {int(number)})
    time.sleep(60)
with Engine("memory:", functions=[quick]) as engine:
    engine.start(compile('(ns t) (defforeign quick []) (defn main [] (quick))'))
    engine.interpret(on_signal=lambda: os._exit(7))
"""
    words = (sys.executable, "-c", code)
    assert subprocess.run(words, cwd=tmp_path, timeout=30).returncode == 7


@contextlib.contextmanager
def interpreter(folder: Path, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    (folder / "functions.py").write_text(
        FUNCTIONS.format(journal=str(folder / "journal"), seconds=seconds)
    )
    words = ("fmvm", "interpreter", "--store", f"sqlite:{folder}/runs.db")
    process = subprocess.Popen(
        (sys.executable, "-m", "flowmetal.cli", *words, "--python", "functions.py"), cwd=folder
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def told(folder: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return len((folder / "journal").read_text().split())
    return 0


def owner(engine: Engine, run: str) -> str | None:
    from flowmetal.ids import RunId

    row = engine.store.run(RunId(run))
    assert row is not None
    return row.owner


def until(is_so: Callable[[], bool], limit_s: float = 60) -> None:
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)
