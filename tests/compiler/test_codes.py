"""Every code of the compiler is raised by its own example, and the right example compiles."""

from __future__ import annotations

import pytest

from flowmetal.errors.codes_compiler import CODES
from tests.compiler.support import Compilation, problems

EXAMPLES = [row for row in CODES if row.wrong and row.code < "FM03"]


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: row.code)
def test_the_wrong_example_of_a_code_raises_it(row):
    assert {problem.code for problem in problems(row.wrong)} == {row.code}


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: row.code)
def test_the_right_example_of_a_code_compiles(row):
    Compilation().module(row.right)


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: row.code)
def test_the_span_of_a_problem_lies_in_the_file(row):
    for problem in problems(row.wrong):
        assert problem.span.path == "demo.flow"
        assert problem.span.line == 1


def test_messages_are_one_short_sentence_in_a_plain_tone():
    for row in EXAMPLES:
        for problem in problems(row.wrong):
            assert len(problem.message) <= 100, problem.message
            assert not problem.message.endswith(".")
            assert "illegal" not in problem.message.lower()
