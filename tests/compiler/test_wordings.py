"""What is said about wrong programs, word for word: ``tests/golden/compiler`` and ``wrong_programs.txt``.

``tests/golden/wrong_programs.txt`` has programs of every sort, ``wrong_programs.expected`` what is said
about each, and ``tests/golden/compiler/CODE.txt`` what is said about the example of each code.
To accept new wording, delete the file and run this test twice.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from flowmetal.embed.rendering import render
from flowmetal.embed.session import Session
from flowmetal.errors import Diagnostic, FlowmetalError
from flowmetal.errors.codes_compiler import CODES
from flowmetal.source import Source

GOLDEN = Path(__file__).parent.parent / "golden"
PROGRAMS = (GOLDEN / "wrong_programs.txt").read_text("utf-8").rstrip("\n").split("\n----\n")
NAME = "example.flow"
WITH_EXAMPLES = [row for row in CODES if row.wrong and "a file of" not in row.wrong and row.code < "FM03"]  # fmt: skip
HOST = re.compile(r"Traceback|\.py\b|0x7f")
BUDGET = 12
"""Lines that one mistake may cost."""


@cache
def session() -> Session:
    return Session()


@cache
def diagnostics(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(FlowmetalError) as caught:
        session().compile_text(Source(NAME, text + "\n"))
    return caught.value.diagnostics


def shown(text: str) -> str:
    return render(diagnostics(text), {NAME: text + "\n"}, width=80)


def compare(file: Path, found: str) -> None:
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(found, "utf-8")
        pytest.fail(f"{file.name} was missing and is written; read it")
    assert found == file.read_text("utf-8")


@pytest.mark.parametrize("row", WITH_EXAMPLES, ids=lambda row: row.code)
def test_each_complaint_is_worded_as_agreed(row) -> None:
    compare(GOLDEN / "compiler" / f"{row.code}.txt", shown(row.wrong) + "\n")


def test_wrong_programs_of_every_sort_are_told_what_is_agreed() -> None:
    parts = [f"{text}\n>>>>\n{shown(text)}\n" for text in PROGRAMS]
    compare(GOLDEN / "wrong_programs.expected", "----\n".join(parts))


def test_every_complaint_points_into_the_program_and_says_nothing_of_the_host() -> None:
    for text in [*PROGRAMS, *(row.wrong for row in WITH_EXAMPLES)]:
        lines = (text + "\n").split("\n")
        assert not HOST.search(shown(text)), text
        for each in diagnostics(text):
            span = each.span
            assert span is not None, text
            assert 1 <= span.line <= span.end_line <= len(lines), (text, span)
            assert span.end_col <= len(lines[span.end_line - 1]) + 1, (text, span)
            assert len(render((each,), {NAME: text + "\n"}, width=80).splitlines()) <= BUDGET, text
