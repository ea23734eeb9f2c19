"""Ordinary Clojure programs print here, byte for byte, what they print in Clojure.

The programs and how they are recorded: programs.py, record_programs.py.
"""

from __future__ import annotations

import difflib

import pytest

from tests.differential.programs import FAILED, THEMES, Runner, read_answers, read_programs


@pytest.fixture(scope="module")
def runner() -> Runner:
    return Runner()


@pytest.mark.parametrize("theme", THEMES)
def test_programs_print_what_they_print_in_clojure(theme: str, runner: Runner) -> None:
    answers = read_answers(theme)
    wrong = []
    for program in read_programs(theme):
        here, clojure = runner.run(program), answers[program.name]
        if _comparable(here) != _comparable(clojure):
            lines = difflib.unified_diff(clojure.splitlines(), here.splitlines(), lineterm="", n=0)
            wrong.append("\n".join([program.name, *list(lines)[2:]]))
    assert not wrong, "\n" + "\n".join(wrong)


def _comparable(printed: str) -> list[str]:
    """Return the lines; of an error that ended the program only that it did: its wording is ours."""
    return [FAILED if line.startswith(f"{FAILED} ") else line for line in printed.splitlines()]


@pytest.mark.parametrize("theme", THEMES)
def test_every_program_has_a_name_of_its_own_and_an_answer(theme: str) -> None:
    names = [program.name for program in read_programs(theme)]
    assert len(names) == len(set(names))
    assert set(names) == set(read_answers(theme))
