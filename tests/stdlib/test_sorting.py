"""The merge sort that asks one question at a time sorts as Python does, and so does the one that asks nobody."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from flowmetal.embed.natives import natives
from flowmetal.stdlib.natives.sorting import sort_at_once, sorter, sorter_next
from flowmetal.values import Value, Vector, vector

NATIVES = natives()
KEYS = st.lists(st.integers(-5, 5), max_size=70)


def asked(keys: list[int], say: Callable[[int, int], Value]) -> list[int]:
    """Sort the places of the keys; ``say`` is the comparator."""
    state = sorter(vector(keys), vector(range(len(keys))))
    while isinstance(state, Vector):
        state = sorter_next(state, say(state.nth(0), state.nth(1)))
    return list(state)


def places(keys: list[int], *, falling: bool = False) -> list[int]:
    return sorted(range(len(keys)), key=keys.__getitem__, reverse=falling)


@given(KEYS)
def test_a_comparator_that_says_a_number_sorts_and_keeps_equal_items_as_they_stand(keys) -> None:
    assert asked(keys, lambda later, earlier: later - earlier) == places(keys)


@given(KEYS)
def test_a_comparator_that_says_whether_sorts_and_keeps_equal_items_as_they_stand(keys) -> None:
    assert asked(keys, lambda later, earlier: later > earlier) == places(keys, falling=True)


@given(KEYS)
def test_a_comparator_that_says_nothing_leaves_all_as_it_is(keys) -> None:
    assert asked(keys, lambda later, earlier: None) == list(range(len(keys)))


@given(KEYS)
def test_numbers_are_sorted_at_once_by_less_and_greater(keys) -> None:
    for name, falling in (("flow.core/<", False), ("flow.core/>", True)):
        found = sort_at_once(NATIVES[name], vector(keys), vector(range(len(keys))))
        assert list(found) == places(keys, falling=falling)


def test_what_python_compares_otherwise_is_asked_about() -> None:
    rising = NATIVES["flow.core/<"]
    for keys in ([1, 2.5], [True, 1], [float("nan"), 1.0], ["a", "b"], [1, None]):
        assert sort_at_once(rising, vector(keys), vector(keys)) is None
    assert sort_at_once(NATIVES["flow.core/+"], vector([1]), vector([1])) is None
