"""Errors of the language, and the table of their codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import flowmetal.values
from flowmetal.errors import FlowmetalError
from flowmetal.errors.codes_values import CODES
from flowmetal.source import Span
from flowmetal.values import (
    EMPTY_MAP,
    DataError,
    ErrorValue,
    FlowError,
    equal,
    fail,
    hash_map,
    keyword,
    type_error,
)


def test_fail_raises_an_error_of_the_language():
    data = hash_map([(1, 2)])
    with pytest.raises(FlowError, match="no such thing") as caught:
        fail("FM0301", "key/missing", "no such thing", data)
    error = caught.value.error
    assert (error.type, error.code, error.data) == (keyword("key/missing"), "FM0301", data)
    assert type_error("FM0301", "m").error.type is keyword("type/mismatch")


def test_where_an_error_came_from_has_no_part_in_equality():
    error = ErrorValue(keyword("a"), "m", code="FM0301")
    raised = error.with_frames((("f", Span("a", 1, 1, 1, 2)),))
    assert raised.frames[0][0] == "f"
    assert raised.code == "FM0301"
    assert equal(raised, ErrorValue(keyword("a"), "m"))
    assert hash_map([(raised, 1)]).get(error) == 1
    assert not equal(error, ErrorValue(keyword("a"), "m", EMPTY_MAP, error))
    assert not equal(error, ErrorValue(keyword("a"), "m", retryable=True))


def test_a_chain_of_causes_may_be_long():
    error, same = ErrorValue(keyword("a"), "m"), ErrorValue(keyword("a"), "m")
    for _ in range(5_000):
        error = ErrorValue(keyword("a"), "m", cause=error)
        same = ErrorValue(keyword("a"), "m", cause=same)
    assert equal(error, same)
    assert hash(error) == hash(same)


def test_a_data_error_is_one_of_ours_with_a_code():
    error = DataError("FM0330", "x is not data")
    assert isinstance(error, FlowmetalError)
    assert error.code == "FM0330"


def test_every_code_that_is_raised_here_is_explained_and_the_other_way_round():
    sources = Path(flowmetal.values.__file__).parent.glob("*.py")
    raised = {
        code
        for source in sources
        for code in re.findall(r'"(FM03\d\d)"', source.read_text("utf-8"))
    }
    assert raised == {row.code for row in CODES}


@pytest.mark.parametrize("row", CODES, ids=lambda row: row.code)
def test_explanations_are_complete(row):
    assert row.title
    assert row.explanation
    assert row.wrong
    assert row.right
    assert all(len(line) <= 100 for line in row.explanation.splitlines())
