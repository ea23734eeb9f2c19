from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repl.terminal import FMVM


def pipe(text: str, *words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", FMVM, "repl", *words], input=text, capture_output=True, text=True,
        timeout=60, check=False, cwd=folder,
    )  # fmt: skip


def test_each_value_stands_on_its_own_line() -> None:
    done = pipe('(+ 1 2)\n(println "hi") :b\n\n(defn f [x]\n  (inc x))\n(f 1) ; the end')
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\nhi\nnil\n:b\n#'user/f\n2\n", "")


def test_an_error_is_told_on_standard_error_and_in_the_status() -> None:
    done = pipe("(inc :a)\n(inc 1)\n")
    assert done.returncode == 1
    assert done.stdout == "2\n"
    assert done.stderr.startswith("error[FM0301]: `inc` needs a number")
    assert "<repl-1>:1:1" in done.stderr


def test_a_form_that_never_ends_is_an_error() -> None:
    done = pipe("(+ 1\n   2")
    assert done.returncode == 1
    assert "error[FM0011]: this `(` is never closed" in done.stderr


def test_nothing_at_all_is_fine() -> None:
    done = pipe("")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_very_long_form_is_read_in_reasonable_time() -> None:
    text = "(count [\n" + "  1234567890\n" * 20_000 + "])\n"
    assert pipe(text).stdout == "20000\n"


def test_a_refused_effect_names_the_flag() -> None:
    done = pipe('(require \'[flow.sh :as sh]) (sh/sh! "ls")\n')
    assert done.returncode == 1
    assert "--allow-sh" in done.stderr


def test_what_is_granted_happens(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello")
    text = '(require \'[flow.fs :as fs])\n(fs/slurp! "note.txt")\n'
    done = pipe(text, "--allow-fs=read:.", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, 'nil\n"hello"\n'), done.stderr


@pytest.mark.parametrize("text", ["\x00\n", "(\ud800)\n".encode("utf-8", "surrogatepass").decode("latin-1"), "#=(f)\n", ")\n", '"\\q"\n'])  # fmt: skip
def test_what_cannot_be_read_is_an_error_and_no_crash(text: str) -> None:
    done = pipe(text + "(+ 1 2)\n")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    assert done.stdout.endswith("3\n")


def test_doc_shows_examples_with_their_results() -> None:
    done = pipe("(doc mapv)\n")
    assert done.returncode == 0
    assert "\n  (mapv inc [1 2 3])           ;=> [2 3 4]\n" in done.stdout


def test_defonce_keeps_the_first_value_and_does_not_compute_another() -> None:
    done = pipe('(defonce a 1)\n(defonce a (println "again"))\na\n')
    assert (done.returncode, done.stdout) == (0, "#'user/a\n#'user/a\n1\n")


def raw(text: bytes, **more: object) -> subprocess.CompletedProcess[bytes]:
    made = subprocess.run(
        [sys.executable, "-c", FMVM, "repl"], input=text, timeout=60, check=False,
        stderr=subprocess.PIPE, **({"stdout": subprocess.PIPE} | more),
    )  # type: ignore[call-overload] # fmt: skip
    assert b"internal error" not in made.stderr, made.stderr
    return made


def test_nothing_is_evaluated_for_a_reader_who_has_gone(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = raw(b'1\n(throw (ex-info "reached" {}))\n', stdout=write)
    assert (done.returncode, b"reached" in done.stderr) == (130, False), done.stderr
    assert b"nobody reads the values; the forms that follow are not evaluated" in done.stderr


def test_a_full_output_is_told_once() -> None:
    with open("/dev/full", "w") as full:
        done = raw(b"1\n2\n3\n", stdout=full)
    assert done.returncode == 2
    assert done.stderr.count(b"nothing can be written to standard output: no space left") == 1


def test_what_the_locale_cannot_write_is_escaped() -> None:
    done = raw('"日本"\n1\n'.encode(), env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout) == (0, b'"\\u65e5\\u672c"\n1\n')


def test_input_that_is_not_utf_8_is_refused_with_its_line() -> None:
    done = raw(b'\xef\xbb\xbf(+ 1 2)\n"\xe9"\n3\n')
    assert (done.returncode, done.stdout) == (2, b"3\n")
    assert b"error[FM1304]: the input is not UTF-8: byte 0xe9 in line 2" in done.stderr
