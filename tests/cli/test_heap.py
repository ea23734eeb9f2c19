"""What takes too much memory outside of runs: macros, expressions, tests. And `fmvm run` itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GREEDY = """(let [text (loop [text "-" i 0] (if (= i 20) text (recur (str text text) (inc i))))]
  (loop [xs () i 0] (recur (conj xs (str text i)) (inc i))))"""


def shell(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "flowmetal.cli", "fmc" if words[0] == "test" else "fmvm", *words),
        cwd=folder,
        env={**os.environ, "FLOWMETAL_STORE": f"sqlite:{folder}/runs.db", **environment},
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_a_greedy_macro_is_an_error_of_the_compiler(tmp_path: Path) -> None:
    (tmp_path / "a.flow").write_text(f"(defmacro greedy [] {GREEDY})\n(defn main [] (greedy))\n")
    found = shell(tmp_path, "run", "a.flow")
    assert found.returncode != 0
    assert "the limit of the heap is 67,108,864" in found.stderr
    assert "a.flow:3" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_greedy_macro_of_code_that_a_run_evaluates_is_an_error_of_the_run(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.flow").write_text(
        f"(defn main [] (eval '(do (defmacro greedy [] {GREEDY}) (greedy))))\n"
    )
    found = shell(tmp_path, "run", "a.flow")
    assert found.returncode != 0
    assert "the limit of the heap is 67,108,864" in found.stderr


def test_a_run_that_takes_too_much_says_how_it_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.flow").write_text(f"(defn main [] {GREEDY})\n")
    found = shell(tmp_path, "run", "a.flow", "--id", "r", "--limit", "heap=5000000")
    assert found.returncode == 1
    assert "the limit of the heap is 5,000,000" in found.stderr
    shown = shell(tmp_path, "show", "r").stdout
    assert "FM1138" in shown
    assert "fmvm retry r --limit heap=" in shown
    assert "in user/main  a.flow:" in shown
    assert shell(tmp_path, "verify", "r").returncode == 0


def test_a_greedy_expression_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.flow").write_text('(defn main [] (sleep! #dur "1h"))\n')
    assert shell(tmp_path, "start", "a.flow", "--id", "r").returncode == 0
    assert shell(tmp_path, "interpreter", "--until-idle").returncode == 0
    found = shell(tmp_path, "eval", "r", GREEDY)
    assert found.returncode == 1
    assert "the limit of the heap is 67,108,864" in found.stderr
    assert shell(tmp_path, "why", "r").stdout.startswith("Run r is waiting")


def test_a_greedy_test_is_an_error_of_that_test(tmp_path: Path) -> None:
    (tmp_path / "a_test.flow").write_text(
        f"(ns a-test (:require [flow.test :refer [deftest is]]))\n(deftest eats (is (= 1 {GREEDY})))\n"
    )
    (tmp_path / "b_test.flow").write_text(
        "(ns b-test (:require [flow.test :refer [deftest is]]))\n(deftest good (is (= 1 1)))\n"
    )
    found = shell(tmp_path, "test", ".")
    assert found.returncode == 1
    told = found.stdout + found.stderr
    assert "the limit of the heap is 67,108,864" in told
    assert "eats" in told
    assert "Traceback" not in told


def test_a_greedy_form_in_a_conversation_ends_that_form_alone(tmp_path: Path) -> None:
    found = subprocess.run(
        (sys.executable, "-m", "flowmetal.cli", "fmvm", "repl"),
        cwd=tmp_path,
        input=f"{GREEDY}\n(+ 20 22)\n",
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert "the limit of the heap is 67,108,864" in found.stdout + found.stderr
    assert "42" in found.stdout
