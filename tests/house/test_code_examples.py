"""What ``fmc explain`` shows is true: the wrong example raises the code, the right one does not."""

from __future__ import annotations

import pytest

import flowmetal
from flowmetal.embed.explaining import all_codes
from flowmetal.errors import ErrorCode

READ_AS_DATA = {"FM0046"}
"""Codes of reading data, which no program shows (tests/errors/test_codes_reader.py has them)."""

PROGRAMS = [
    row
    for row in all_codes().values()
    if row.code < "FM0800"
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
    if row.code in READ_AS_DATA:
        return
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
