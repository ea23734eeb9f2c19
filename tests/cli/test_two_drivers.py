"""Several processes and one run: who drives it, who waits, and where it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals

import pytest

PROGRAM = """
(ns held (:require [flow.event :refer [receive!]]))
(defn main []
  (println "begun")
  (let [answer (receive! :go)]
    (println "got" answer)
    answer))
"""


def fmvm(folder: Path, *words: str, background: bool = False) -> subprocess.Popen[str]:
    code = "import sys; sys.argv[0] = 'fmvm'; from flowmetal.cli.fmvm import main; main()"
    # What a script begins in its background ignores Ctrl-C.
    script = ["sh", "-c", '"$@" & exec 1>&- 2>&-; echo $! > pid; wait $!', "sh"]
    return subprocess.Popen(
        [*(script if background else []), sys.executable, "-u", "-c", code, *words],
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


HASTY = """
(ns hasty)
(defforeign missing [])
(defn main [] (println "here") (sleep! #dur "1ms") (println "still here") (when-not (missing) :ended))
"""


@pytest.fixture
def interpreter(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """An interpreter on the store that takes whatever it can get."""
    process = fmvm(tmp_path, "interpreter")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("interpreter ")
    yield process
    process.kill()
    process.communicate()


def test_a_run_that_is_started_to_be_driven_here_is_not_taken_by_an_interpreter(
    shell, interpreter: subprocess.Popen[str]
) -> None:
    shell.write("hasty.flow", HASTY.replace("(missing)", "false"))
    for _ in range(3):
        shown = shell("fmvm", "run", "hasty.flow")
        assert shown.out == "here\nstill here\n:ended\n"
        assert "driven by" not in shown.err


def test_a_run_that_is_retried_here_is_not_taken_by_an_interpreter(
    shell, interpreter: subprocess.Popen[str]
) -> None:
    source = """(ns fails) (defn fail [] (throw (ex-info "no" {})))
                (defn main [] (let [found (fail)] (println "got" found) :ended))"""
    shell.write("fails.flow", source)
    assert shell("fmvm", "run", "fails.flow", "--id", "f").status == 1
    shown = shell("fmvm", "retry", "f", "--value", '"text"')
    assert shown.out == "got text\n:ended\n"
    assert "driven by" not in shown.err


def test_functions_that_one_interpreter_lacks_are_performed_by_another(
    shell, interpreter: subprocess.Popen[str]
) -> None:
    shell.write("hasty.flow", HASTY)
    marked = "import flowmetal\n\n@flowmetal.foreign('hasty/missing')\n"
    shell.write("there.py", f"{marked}def missing():\n    return None\n")
    assert shell("fmvm", "start", "hasty.flow", "--id", "h").status == 0
    while "a process that performs hasty/missing" not in shell("fmvm", "why", "h").out:
        pass
    assert shell("fmvm", "interpreter", "--python", "there.py", "--until-idle").status == 0
    shown = shell("fmvm", "wait", "h", "--timeout", "30s")  # it may be the other one that goes on
    assert (shown.status, shown.out) == (0, ":ended\n")


CHILDREN = """
(ns family)
(defforeign missing [])
(defn child [] (println "child") (sleep! #dur "1ms") (println "goes on") 1)
(defn main [] (let [begun (start! child [])] [(missing) (await! begun)]))
"""


def test_children_are_driven_while_their_parent_waits_for_a_function_of_others(
    tmp_path: Path,
) -> None:
    (tmp_path / "family.flow").write_text(CHILDREN)
    marked = "import flowmetal\n\n@flowmetal.foreign('family/missing')\n"
    (tmp_path / "there.py").write_text(f"{marked}def missing():\n    return 0\n")
    process = fmvm(tmp_path, "run", "family.flow", "--id", "f")
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "child\n"
        assert process.stdout.readline() == "goes on\n"
        assert process.stderr.readline() == "run f\n"
        assert "waits for family/missing" in process.stderr.readline()
        other = fmvm(tmp_path, "interpreter", "--python", "there.py", "--until-idle")
        other.communicate(timeout=30)
        assert process.communicate(timeout=30)[0].endswith("[0 1]\n")
    finally:
        process.kill()


POLLS = """
(ns family (:require [flow.state :as state]))
(defforeign missing [])
(defn child [] (println "child") (loop [] (if (state/get! :set) 1 (do (sleep! #dur "1ms") (recur)))))
(defn main [] (let [begun (start! child [])] (SLEEP) (missing) (state/put! :set true) (await! begun)))
"""


@pytest.mark.parametrize("sleep", ["do", 'sleep! #dur "100ms"'])
def test_a_child_that_polls_does_not_keep_its_parent_from_the_answer_of_others(
    tmp_path: Path, sleep: str
) -> None:
    (tmp_path / "family.flow").write_text(POLLS.replace("SLEEP", sleep))
    marked = "import flowmetal\n\n@flowmetal.foreign('family/missing')\n"
    (tmp_path / "there.py").write_text(f"{marked}def missing():\n    return 0\n")
    process = fmvm(tmp_path, "run", "family.flow", "--id", "f")
    words = ("--only", "connectors", "--python", "there.py")
    performer = None
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "child\n"
        performer = fmvm(tmp_path, "serve", *words)
        assert process.communicate(timeout=30)[0] == "1\n"
    finally:
        process.kill()
        if performer is not None:
            performer.terminate()
            performer.communicate()


def test_sigterm_gives_the_run_back_as_ctrl_c_does(tmp_path: Path) -> None:
    (tmp_path / "held.flow").write_text(PROGRAM)
    first = fmvm(tmp_path, "run", "held.flow", "--id", "h")
    assert first.stdout is not None
    assert first.stdout.readline() == "begun\n"
    first.send_signal(SIGTERM)
    assert "Go on with: fmvm resume h" in first.communicate()[1]
    assert first.returncode == 130


def test_sigterm_gives_the_run_back_in_the_background_of_a_script_too(tmp_path: Path) -> None:
    (tmp_path / "held.flow").write_text(PROGRAM)
    script = fmvm(tmp_path, "run", "held.flow", "--id", "h", background=True)
    assert script.stdout is not None
    assert script.stdout.readline() == "begun\n"
    os.kill(int((tmp_path / "pid").read_text()), SIGTERM)
    assert "interrupted; the run is in the store" in script.communicate()[1]
    assert script.returncode == 130


BUSY = """
(ns busy (:require [flow.event :refer [receive!]] [flow.sh :refer [sh!]]))
(defn waits [] (sh! "true") (println "begun") (receive! :go))
(defn polls [] (sh! "true") (println "begun") (loop [] (sleep! #dur "1ms") (recur)))
"""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("entry", ["waits", "polls"])
@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
def test_a_run_that_has_performed_something_is_given_back_at_a_signal_too(
    tmp_path: Path, entry: str, number: Signals
) -> None:
    (tmp_path / "busy.flow").write_text(BUSY)
    words = ("run", "busy.flow", "--id", "b", "--entry", entry, "--allow-sh", "true")
    process = fmvm(tmp_path, *words)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    try:
        process.send_signal(number)
        # After ten seconds SIGTERM ends the process anyhow, and the run is not given back.
        assert "Go on with: fmvm resume b" in process.communicate(timeout=9)[1]
        assert process.returncode == 130
    finally:
        process.kill()
