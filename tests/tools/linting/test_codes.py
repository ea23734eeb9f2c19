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


def test_names_and_codes_stay_what_they_are() -> None:
    """Sources name them to switch lints off."""
    assert NAMES == {
        "FM0551": "effect-in-lazy-seq",
        "FM0552": "effect-in-swap",
        "FM0553": "missing-bang",
        "FM0554": "unbounded-memoize",
        "FM0555": "number-as-duration",
        "FM0556": "unused-binding",
        "FM0557": "unused-require",
        "FM0558": "unused-refer",
        "FM0559": "unused-private",
        "FM0560": "shadowed-core",
        "FM0561": "wrong-arity",
        "FM0562": "unreachable-code",
        "FM0563": "constant-condition",
        "FM0564": "repeated-condition",
        "FM0565": "redundant-do",
        "FM0566": "redundant-let",
        "FM0567": "compared-with-nil",
        "FM0568": "misplaced-docstring",
        "FM0569": "unused-value",
        "FM0570": "inner-def",
        "FM0571": "deprecated",
        "FM0572": "unknown-lint",
    }
