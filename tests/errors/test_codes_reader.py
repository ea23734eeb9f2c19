"""The examples of the reader's codes are true."""

from __future__ import annotations

import pytest

from flowmetal.errors import ErrorCode, ReadError
from flowmetal.errors.codes_reader import CODES
from flowmetal.reader import ReadOptions, read_string

WITH_EXAMPLES = [row for row in CODES if row.wrong]


def options_for(row: ErrorCode) -> ReadOptions:
    return ReadOptions(edn=row.code == "FM0046")


@pytest.mark.parametrize("row", WITH_EXAMPLES, ids=lambda row: row.code)
def test_the_wrong_example_raises_the_code_and_the_right_one_reads(row: ErrorCode) -> None:
    with pytest.raises(ReadError) as caught:
        read_string(row.wrong, options_for(row))
    assert caught.value.code == row.code
    read_string(row.right, options_for(row))


def test_codes_are_distinct_and_explained() -> None:
    assert len({row.code for row in CODES}) == len(CODES)
    assert all(row.title and row.explanation for row in CODES)


def test_first_sentences_are_short_and_without_a_full_stop() -> None:
    for row in WITH_EXAMPLES:
        with pytest.raises(ReadError) as caught:
            read_string(row.wrong, options_for(row))
        assert len(caught.value.message) <= 80
        assert not caught.value.message.endswith(".")
