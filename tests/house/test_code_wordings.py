"""What one sees when the wrong example of a code is run or linted, word for word: ``tests/golden/run`` and ``lint``.

The compiler and the reader have theirs in tests/compiler and tests/reader. To accept new wording, delete the
file and run this test twice.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flowmetal.errors import ErrorCode
from tests.house.sessions import LIBRARY_LINE, TIME
from tests.house.test_code_examples import FIRST_LINT, LAST_LINT, PROGRAMS, all_codes
from tests.shell import Shell

GOLDEN = Path(__file__).parent.parent / "golden"
RUN = [
    row
    for row in PROGRAMS
    if not (GOLDEN / "compiler" / f"{row.code}.txt").exists() and row.code >= "FM01"
]
LINTS = [row for row in all_codes().values() if FIRST_LINT <= row.code <= LAST_LINT and row.wrong]
HOST = re.compile(r"Traceback|\.py\b|0x7f")
BUDGET = 14
"""Lines that one mistake may cost when its program was run: excerpt, frames and the run's own line."""


def source_of(text: str) -> str:
    """Return the example as a program, which has a ``main``."""
    if "(defn main" in text:
        return f"{text}\n"
    is_expression = not text.lstrip().startswith(("(ns", "(def", "(declare", "(require", "#!"))
    return f"(defn main [] {text}\n)\n" if is_expression else f"{text}\n(defn main [])\n"


def same_every_time(text: str) -> str:
    """Return what was shown, without what differs from run to run."""
    for pattern, word in (LIBRARY_LINE, TIME):
        text = pattern.sub(word, text)
    lines = [line for line in text.splitlines() if line != "run example"]
    return re.sub(r"program [0-9a-f]{12}", "program HASH", "\n".join(lines)) + "\n"


def compare(file: Path, found: str) -> None:
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(found, "utf-8")
        pytest.fail(f"{file.name} was missing and is written; read it")
    assert found == file.read_text("utf-8")
    assert not HOST.search(found)


@pytest.mark.parametrize("row", RUN, ids=lambda row: row.code)
def test_what_a_wrong_program_ends_in_is_worded_as_agreed(row: ErrorCode, shell: Shell) -> None:
    shell.write("example.flow", source_of(row.wrong))
    shown = shell("fmvm", "run", "example.flow", "--id", "example")
    found = same_every_time(shown.err)
    assert shown.status == 1
    assert len(found.splitlines()) <= BUDGET
    compare(GOLDEN / "run" / f"{row.code}.txt", found)


@pytest.mark.parametrize("row", LINTS, ids=lambda row: row.code)
def test_what_a_lint_says_is_worded_as_agreed(row: ErrorCode, shell: Shell) -> None:
    shell.write("example.flow", f"{row.wrong}\n")
    shown = shell("fmc", "lint", "example.flow")
    assert f"[{row.code}]" in shown.err + shown.out
    compare(GOLDEN / "lint" / f"{row.code}.txt", shown.out + shown.err)
