"""Two processes that resume one run: one drives it, the other says who does and waits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
(ns held (:require [flow.event :refer [receive!]]))
(defn main []
  (println "begun")
  (let [answer (receive! :go)]
    (println "got" answer)
    answer))
"""


def fmvm(folder: Path, *words: str) -> subprocess.Popen[str]:
    code = "import sys; sys.argv[0] = 'fmvm'; from flowmetal.cli.fmvm import main; main()"
    return subprocess.Popen(
        [sys.executable, "-u", "-c", code, *words],
        cwd=folder,
        env={**os.environ, "FLOWMETAL_STORE": f"sqlite:{folder}/runs.db"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_second_process_says_who_drives_and_waits_for_the_end(tmp_path: Path) -> None:
    (tmp_path / "held.flow").write_text(PROGRAM)
    first = fmvm(tmp_path, "run", "held.flow", "--id", "h")
    assert first.stdout is not None
    assert first.stdout.readline() == "begun\n"
    second = fmvm(tmp_path, "resume", "h")
    assert second.stderr is not None
    told = second.stderr.readline()
    assert told.startswith("run h is driven by ")
    assert str(first.pid) in told
    assert fmvm(tmp_path, "signal", "h", "go", "7").communicate()[1] == ""
    assert first.communicate()[0] == "got 7\n7\n"
    assert second.communicate()[0] == "7\n"
    assert (first.returncode, second.returncode) == (0, 0)


def test_why_knows_at_once_that_the_interpreter_of_a_run_is_gone(tmp_path: Path) -> None:
    (tmp_path / "held.flow").write_text(PROGRAM)
    first = fmvm(tmp_path, "run", "held.flow", "--id", "h")
    assert first.stdout is not None
    assert first.stdout.readline() == "begun\n"
    told = fmvm(tmp_path, "why", "h").communicate()[0]
    assert "driven by interpreter" in told
    assert f"process {first.pid} on" in told
    first.kill()
    first.communicate()
    told = fmvm(tmp_path, "why", "h").communicate()[0]
    assert "driven by" not in told
    assert "is gone" in told
    assert "takes it over at once, and so does `fmvm resume h`" in told


def test_the_second_process_takes_over_when_the_first_is_killed(tmp_path: Path) -> None:
    (tmp_path / "held.flow").write_text(PROGRAM)
    first = fmvm(tmp_path, "run", "held.flow", "--id", "h")
    assert first.stdout is not None
    assert first.stdout.readline() == "begun\n"
    second = fmvm(tmp_path, "resume", "h")
    assert second.stderr is not None
    assert second.stderr.readline().startswith("run h is driven by ")
    first.kill()
    first.communicate()
    assert fmvm(tmp_path, "signal", "h", "go", "8").communicate()[1] == ""
    assert second.communicate()[0] == "got 8\n8\n"
