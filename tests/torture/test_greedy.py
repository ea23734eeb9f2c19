"""A run that collects without end, in a real interpreter beside others: it fails alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flowmetal import Engine, compile
from flowmetal.runtime.starting import Beginning
from tests.stores import url_of

PROGRAM = """
(defn greedy [] (loop [xs () i 0] (recur (conj xs [i (str i)]) (inc i))))
(defn modest [n] (sleep! #dur "100ms") (loop [i 0 m {}] (if (= i 2000) n (recur (inc i) (assoc m (mod i 50) i)))))
"""
HEAP = 4_000_000
MODEST = 20


@pytest.mark.parametrize("place", ["sqlite", "postgres"])
def test_a_greedy_run_fails_alone_and_the_interpreter_stays_small(
    place: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = url_of(place, request, tmp_path)
    with Engine(url) as engine:
        program = compile(PROGRAM)
        engine.start(program, entry="greedy", id="greedy")
        engine.start_many(program, [Beginning([n], f"m{n}") for n in range(MODEST)], entry="modest")
        words = (sys.executable, "-m", "flowmetal.cli", "fmvm", "interpreter", "--store", url)
        process = subprocess.Popen((*words, "--limit", f"heap={HEAP}"))
        try:
            modest = [f"m{n}" for n in range(MODEST)]
            end = time.monotonic() + 120
            while engine.view("greedy").state != "failed" or any(
                engine.view(run).state != "completed" for run in modest
            ):
                assert time.monotonic() < end
                assert process.poll() is None
                time.sleep(0.1)
            most_mb = peak_mb(process.pid)
        finally:
            process.terminate()
            process.wait(30)
        view = engine.view("greedy")
        assert view.error is not None
        assert (view.error.code, view.error.type.text) == ("FM1138", "limit/heap")
        assert engine.view("m7").result == 7
        # Twenty of the interpreter's own thirty megabytes and some, and a few tens of the run's.
        assert most_mb is None or most_mb < 250


def peak_mb(pid: int) -> int | None:
    """Return the most memory that a process has taken; None where nobody says."""
    if not os.path.exists(f"/proc/{pid}/status"):
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return None if found is None else int(found[1]) // 1024
