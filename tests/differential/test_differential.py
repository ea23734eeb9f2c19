"""What Clojure answers is what Flowmetal answers, but for the deviations that are declared.

The corpus and how it is recorded: cases.py, record.py. The deviations:
deviations.py, each of which docs/deviations.md explains.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowmetal.values.seq import Range
from tests.differential.cases import AREAS, ERROR, read_answers, read_area
from tests.differential.deviations import DEVIATIONS, expected_here
from tests.differential.evaluation import Evaluation
from tests.differential.printed import unordered

DOCUMENT = Path(__file__).parents[2] / "docs" / "deviations.md"
DECLARED = {expression for expressions in DEVIATIONS.values() for expression in expressions}


@pytest.fixture(scope="module")
def evaluation() -> Iterator[Evaluation]:
    with pytest.MonkeyPatch.context() as patch:
        # Some twenty expressions print what has no end: a million elements each are as many seconds.
        patch.setattr(sys.modules[Range.__module__], "_LONGEST_WALK", 50_000)
        yield Evaluation()


@pytest.mark.parametrize("name", AREAS)
def test_expressions_print_what_clojure_prints(name: str, evaluation: Evaluation) -> None:
    area, answers = read_area(name), read_answers(name)
    found = evaluation.answers(name, area.definitions, area.expressions)
    wrong, agreeing = [], []
    for expression, here in zip(area.expressions, found, strict=True):
        if _agree(answers[expression], here):
            agreeing.append(expression)
        elif expression not in DECLARED:
            wrong.append(f"{expression}\n    Clojure {answers[expression]}\n    here    {here}")
    assert not wrong, "\n" + "\n".join(wrong)
    assert not DECLARED.intersection(agreeing), "declared as deviations, but they agree"


def _agree(clojure: str, here: str) -> bool:
    if clojure.startswith(ERROR) or here.startswith(ERROR):
        return clojure.startswith(ERROR) and here.startswith(ERROR)
    expected = expected_here(clojure)
    return expected == here or unordered(expected) == unordered(here)


def test_every_deviation_is_an_expression_of_the_corpus() -> None:
    known = {expression for name in AREAS for expression in read_area(name).expressions}
    assert known >= DECLARED


def test_every_deviation_is_explained() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert [title for title in DEVIATIONS if f"**{title}.**" not in text] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{:a 1, :b #{1 2}}", "{:b #{2 1}, :a 1}"),
        (r'{"a}" \}, \{ "#{"}', r'{\{ "#{", "a}" \}}'),
    ],
)
def test_the_order_of_maps_and_sets_is_not_compared(one: str, other: str) -> None:
    assert unordered(one) == unordered(other)


@pytest.mark.parametrize(
    ("one", "other"), [("[1 2]", "[2 1]"), ("[1]", "(1)"), ("{1 2}", "#{1 2}")]
)
def test_other_differences_are_compared(one: str, other: str) -> None:
    assert unordered(one) != unordered(other)
