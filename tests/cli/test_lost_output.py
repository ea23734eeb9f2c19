"""Standard output that takes nothing more: full, closed, or without a reader. No run is harmed by it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flowmetal

SOURCE = '(defn main [& args] (println "one") (sleep! #dur "1ms") (println "two") :end)'

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def fmvm(tmp_path: Path) -> Command:
    (tmp_path / "p.flow").write_text(SOURCE)
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {
        **os.environ, "FLOWMETAL_STORE": f"sqlite:{tmp_path}/t.db", "PYTHONPATH": paths,
    }  # fmt: skip

    def command(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        made = subprocess.run(
            [sys.executable, "-m", "flowmetal.cli", "fmvm", *words],
            cwd=tmp_path, text=True, check=False,
            **{"stderr": subprocess.PIPE, **more, "env": environment | more.get("env", {})},
        )  # type: ignore[call-overload] # fmt: skip
        assert "Traceback" not in (made.stderr or ""), made.stderr
        assert "internal error" not in (made.stderr or ""), made.stderr
        return made

    return command


def state(folder: Path, run: str) -> str:
    with flowmetal.Engine(f"sqlite:{folder}/t.db") as engine:
        return engine.view(run).state


def without_reader() -> int:
    read, write = os.pipe()
    os.close(read)
    return write


def test_an_interpreter_whose_log_is_full_drives_on(fmvm: Command, tmp_path: Path) -> None:
    with flowmetal.Engine(f"sqlite:{tmp_path}/t.db") as engine:
        text = '(defn main [] (println "one") :end)'
        engine.start_many(flowmetal.compile(text), [flowmetal.Beginning(id=n) for n in "ab"])
    with open("/dev/full", "w") as full:
        made = fmvm("interpreter", "--until-idle", stdout=full)
    assert made.returncode == 0
    assert made.stderr.count("what runs say is not shown any more: standard output") == 1
    assert [state(tmp_path, run) for run in "ab"] == ["completed", "completed"]


def test_a_run_whose_reader_has_gone_is_left_in_the_store(fmvm: Command, tmp_path: Path) -> None:
    made = fmvm("run", "p.flow", "--id", "r", stdout=without_reader())
    assert made.returncode == 130
    assert (
        "nobody reads the output; the run is in the store. Go on with: fmvm resume r" in made.stderr
    )
    assert state(tmp_path, "r") != "running"
    assert fmvm("resume", "r", stdout=subprocess.PIPE).stdout.endswith(":end\n")


BOTH = {"stderr": subprocess.STDOUT}


@pytest.mark.parametrize(
    ("body", "status", "becomes"),
    [
        ('(println "one") (sleep! #dur "1ms") :end', 130, "waiting"),
        (":end", 0, "completed"),
        ('(throw (ex-info "no" {}))', 1, "failed"),
        ('(sh! "true")', 3, "failed"),
    ],
)
def test_a_run_of_which_nobody_reads_anything_has_the_status_of_what_it_came_to(
    fmvm: Command, tmp_path: Path, body: str, status: int, becomes: str
) -> None:
    (tmp_path / "q.flow").write_text(
        f"(ns q (:require [flow.sh :refer [sh!]]))(defn main [] {body})"
    )
    made = fmvm("run", "q.flow", "--id", "q", stdout=without_reader(), **BOTH)
    assert (made.returncode, state(tmp_path, "q")) == (status, becomes)


def test_what_a_verb_decides_is_its_status_though_nobody_reads_it(
    fmvm: Command, tmp_path: Path
) -> None:
    fmvm("start", "p.flow", "--id", "r", stdout=subprocess.DEVNULL)
    fmvm("pause", "r", stdout=subprocess.DEVNULL)
    assert fmvm("resume", "r", stdout=without_reader(), **BOTH).returncode == 4
    assert fmvm("show", "no", stdout=without_reader(), **BOTH).returncode == 2
    (tmp_path / "t.db").chmod(0o666)
    assert fmvm("doctor", stdout=without_reader(), **BOTH).returncode == 1
    assert fmvm("doctor", "--json", stdout=without_reader()).returncode == 1


@pytest.mark.parametrize("stream", ["/dev/full", "pipe"])
def test_an_interpreter_without_a_reader_of_its_log_drives(
    fmvm: Command, tmp_path: Path, stream: str
) -> None:
    fmvm("start", "p.flow", "--id", "r", stdout=subprocess.DEVNULL)
    log = without_reader() if stream == "pipe" else os.open(stream, os.O_WRONLY)
    made = fmvm("interpreter", "--until-idle", stdout=subprocess.DEVNULL, stderr=log)
    assert (made.returncode, state(tmp_path, "r")) == (0, "completed")


def test_a_list_says_what_it_cannot_be_written_to(fmvm: Command) -> None:
    fmvm("start", "p.flow", stdout=subprocess.DEVNULL)
    with open("/dev/full", "w") as full:
        made = fmvm("ps", stdout=full)
    assert made.returncode == 2
    assert "nothing can be written to standard output: no space left" in made.stderr
    assert fmvm("ps", stdout=without_reader()).returncode == 0
    assert fmvm("events", "no", stdout=without_reader()).returncode == 2


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("ps", "--help")])
def test_help_that_cannot_be_written_is_no_mistake_of_ours(
    fmvm: Command, words: tuple[str, ...]
) -> None:
    with open("/dev/full", "w") as full:
        made = fmvm(*words, stdout=full)
    assert made.returncode == 2
    assert "nothing can be written to standard output: no space left" in made.stderr
    assert fmvm(*words, stdout=without_reader()).returncode == 0


def test_a_stream_that_is_closed_is_no_trouble(fmvm: Command) -> None:
    fmvm("start", "p.flow", stdout=subprocess.DEVNULL)
    assert fmvm("ps", preexec_fn=lambda: os.close(1)).returncode == 0


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_json_is_json_whatever_standard_output_can_take(
    fmvm: Command, tmp_path: Path, encoding: str
) -> None:
    text = "\xe9 \u20ac \U0001f600 \udcff"
    with flowmetal.Engine(f"sqlite:{tmp_path}/t.db") as engine:
        run, _ = engine.start(flowmetal.compile("(defn main [text] text)"), [text])
        engine.drive(run)
    for words in (("resume", run, "--json"), ("events", run, "--json", "--follow")):
        shown = fmvm(
            *words, encoding=encoding, stdout=subprocess.PIPE, env={"PYTHONIOENCODING": encoding}
        )
        assert text in json.dumps(
            [json.loads(line) for line in shown.stdout.splitlines()], ensure_ascii=False
        )


@pytest.mark.parametrize("verb", [("fmvm", "repl"), ("fmc", "fmt", "-")])
def test_forms_and_sources_that_cannot_be_read_are_a_mistake_in_the_call(
    tmp_path: Path, verb: tuple[str, ...]
) -> None:
    with (tmp_path / "written").open("wb") as other:
        refused = subprocess.run(
            [sys.executable, "-m", "flowmetal.cli", *verb],
            stdin=other, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert refused.returncode == 2
    assert "standard input cannot be read" in refused.stderr


@pytest.mark.parametrize("words", [("--input", "-"), ("--each", "-")])
def test_a_standard_input_that_cannot_be_read_is_a_mistake_in_the_call(
    fmvm: Command, tmp_path: Path, words: tuple[str, str]
) -> None:
    with (tmp_path / "written").open("wb") as other:
        refused = fmvm("start", "p.flow", *words, stdin=other)
    assert refused.returncode == 2
    assert f"[FM1303]: {words[0]}: standard input cannot be read" in refused.stderr
