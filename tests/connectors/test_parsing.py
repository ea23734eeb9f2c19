"""JSON from the world, however it was meant."""

from __future__ import annotations

import pytest

from flowmetal.connectors.parsing import MOST_PARTS, TooManyParts, parse_json
from flowmetal.values import DataError

COMMAS = b"," * (MOST_PARTS + 1)


def test_a_string_that_is_not_closed_does_not_hold_up_the_interpreter() -> None:
    """To look for the end of a string from each of these quotes took hours."""
    with pytest.raises(DataError):
        parse_json(b'"' + rb"\"" * 20_000 + COMMAS)


@pytest.mark.parametrize("escaped", [rb"\"", rb"\\", rb"\\\"", rb"\u0022", rb"\n"])
def test_what_stands_in_a_string_is_no_part_whatever_is_escaped_there(escaped: bytes) -> None:
    found = parse_json(b'["' + escaped + COMMAS + escaped + b'"]')
    assert len(found.nth(0)) >= len(COMMAS) + 2


@pytest.mark.parametrize("before", [b'""', rb'"\\"', rb'"\\\\\"\\"'])
def test_what_stands_behind_a_string_is_a_part_however_the_string_ends(before: bytes) -> None:
    with pytest.raises(TooManyParts):
        parse_json(b"[" + before + COMMAS + b"]")
