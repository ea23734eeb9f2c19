"""Every lint finds something in its wrong example, and no lint anything in a right one."""

from __future__ import annotations

import pytest

from flowmetal.errors.codes_lint import CODES
from flowmetal.source import Source
from flowmetal.tools.linting import NAMES, lint_source


@pytest.mark.parametrize("row", CODES, ids=lambda row: row.code)
def test_the_wrong_example_of_a_lint_is_found(row) -> None:
    found = [finding.code for finding in lint_source(Source("a.flow", row.wrong))]
    assert row.code in found


@pytest.mark.parametrize("row", CODES, ids=lambda row: row.code)
def test_no_lint_finds_anything_in_a_right_example(row) -> None:
    assert [str(each) for each in lint_source(Source("a.flow", row.right))] == []


@pytest.mark.parametrize("row", CODES, ids=lambda row: row.code)
def test_the_explanation_of_a_lint_begins_with_its_name(row) -> None:
    assert row.explanation.startswith(f"{NAMES[row.code]}: ")


def test_every_lint_has_a_row() -> None:
    assert sorted(NAMES) == [row.code for row in CODES]
