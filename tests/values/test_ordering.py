"""The order of values."""

from __future__ import annotations

from decimal import Decimal
from functools import cmp_to_key
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmetal.values import (
    EMPTY_MAP,
    Duration,
    FlowError,
    Instant,
    char,
    compare,
    hash_map,
    keyword,
    list_of,
    ratio,
    symbol,
    vector,
)
from tests.values.strategies import decimals, integers, ratios

ASCENDING = [
    [None, -1, ratio(1, 2), Decimal("0.6"), 0.7, 1, 10**40],
    [None, "", "A", "a", "b"],
    [None, False, True],
    [keyword("a"), keyword("b"), keyword("a/a"), keyword("b/a")],
    [symbol("a"), symbol("b"), symbol("a/a")],
    [char("a"), char("b")],
    [Instant(1), Instant(2)],
    [Duration(-1), Duration(2)],
    [UUID(int=1), UUID(int=2**127)],
    [vector(), vector([9]), vector([1, 1]), vector([1, 2]), vector([1, None, 1])],
    [vector([vector([1])]), vector([vector([2])]), vector([vector([1, 1])])],
]


@pytest.mark.parametrize("values", ASCENDING)
def test_these_are_in_ascending_order(values):
    for at, a in enumerate(values):
        for other, b in enumerate(values):
            assert compare(a, b) == (at > other) - (at < other)


def test_equal_numbers_of_different_kinds_stand_together():
    assert compare(1, 1.0) == compare(1.0, Decimal(1)) == 0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, "a"),
        (keyword("a"), symbol("a")),
        (True, 1),
        (EMPTY_MAP, hash_map(((1, 2),))),
        (list_of([1]), list_of([1])),
        (vector(), list_of([])),
    ],
)
def test_these_have_no_order(a, b):
    with pytest.raises(FlowError, match="have no order") as caught:
        compare(a, b)
    assert caught.value.error.code == "FM0327"


def test_deep_vectors_are_compared():
    assert compare(nested_vectors(10_000, 1), nested_vectors(10_000, 2)) == -1


def nested_vectors(depth, value):
    made = value
    for _ in range(depth):
        made = vector([made])
    return made


@given(st.lists(st.one_of(integers, ratios, decimals)))
def test_exact_numbers_sort(numbers):
    ordered = sorted(numbers, key=cmp_to_key(compare))
    assert all(compare(a, b) <= 0 for a, b in pairwise(ordered))
