"""What ``fmc explain`` shows is true: the wrong example raises the code, the right one does not."""

from __future__ import annotations

import pytest

import flowmetal
from flowmetal.embed.explaining import all_codes
from flowmetal.errors import ErrorCode

NOT_SHOWN_BY_PROGRAMS = {
    "FM0016",  # one form was asked for: reading a string, not a file
    "FM0046",  # reading data
    "FM0330",  # a value that a host hands over
}
"""Codes whose examples are run where they belong (tests/errors, tests/values)."""

FIRST_LINT, LAST_LINT = "FM0550", "FM0599"
"""What `fmc lint` says of programs that run; tests/tools has those."""

PROGRAMS = [
    row
    for row in all_codes().values()
    if row.code < "FM0800"
    and row.code not in NOT_SHOWN_BY_PROGRAMS
    and not FIRST_LINT <= row.code <= LAST_LINT
    and row.wrong
    and "fmvm " not in row.wrong
    and "a file of" not in row.wrong
]


def codes_of(text: str) -> set[str]:
    """Return the codes of everything that goes wrong when ``text`` is compiled and run."""
    if "(defn main" not in text:
        is_expression = not text.lstrip().startswith(("(ns", "(def", "(declare", "(require", "#!"))
        text = f"(defn main [] {text}\n)" if is_expression else f"{text}\n(defn main [])"
    try:
        program = flowmetal.compile(text)
    except flowmetal.FlowmetalError as error:
        return {one.code for one in error.diagnostics}
    with flowmetal.Engine("memory:") as engine:
        error = engine.drive(engine.start(program)[0]).error
    return set() if error is None else {error.code}


@pytest.mark.parametrize("row", PROGRAMS, ids=lambda row: row.code)
def test_the_wrong_example_raises_the_code(row: ErrorCode) -> None:
    # A text that does not read at all is not wrapped: brackets would close elsewhere.
    found = codes_of(row.wrong) | reading_codes(row.wrong)
    assert row.code in found, found


@pytest.mark.parametrize("row", PROGRAMS, ids=lambda row: row.code)
def test_the_right_example_does_not(row: ErrorCode) -> None:
    assert row.code not in codes_of(row.right)


def reading_codes(text: str) -> set[str]:
    try:
        flowmetal.compile(text)
    except flowmetal.FlowmetalError as error:
        return {one.code for one in error.diagnostics}
    return set()
