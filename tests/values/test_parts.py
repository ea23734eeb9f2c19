"""Keys of dispatch values: equal for equal values, and never longer than a name may be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowmetal.values import Value, keyword, list_of, vector
from flowmetal.values.parts import method_key


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (keyword("a"), ":a"),
        (vector(), "[]"),
        (vector([vector()]), "[[]]"),
        (vector([keyword("a"), list_of([1, "x"]), vector()]), '[:a [1 "x"] []]'),
        (list_of([-0.0, None]), "[0.0 nil]"),
    ],
)
def test_the_key_of_a_short_value_spells_it(value: Value, key: str) -> None:
    assert method_key(value) == key


def doubled(levels: int) -> Value:
    value: Value = 1
    for _ in range(levels):
        value = vector((value, value))
    return value


def nested(levels: int) -> Value:
    value: Value = 1
    for _ in range(levels):
        value = vector((value,))
    return value


@pytest.mark.parametrize(
    "made", [lambda: doubled(60), lambda: nested(5_000), lambda: vector(range(501))]
)
def test_the_key_of_a_large_value_is_short_and_that_of_an_equal_one(
    made: Callable[[], Value],
) -> None:
    assert method_key(made()) == method_key(made())
    assert len(method_key(made())) == 17
