"""Names that somebody probably meant, and none that nobody did."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmetal.errors.suggestions import FOREIGN_NAMES, did_you_mean, distance, nearest

CORE = [
    "println",
    "print",
    "reduce",
    "map",
    "mapv",
    "filter",
    "swap!",
    "empty?",
    "parse-long",
    "inc",
]


@pytest.mark.parametrize(
    ("name", "offers"),
    [
        ("printl", ["println", "print"]),
        ("redcue", ["reduce"]),
        ("fliter", ["filter"]),
        ("swap", ["swap!"]),
        ("empty", ["empty?"]),
        ("parseLong", ["parse-long"]),
        ("MAP", ["map"]),
        ("mpa", ["map"]),
        ("xyzzy", []),
        ("", []),
    ],
)
def test_near_names_are_offered_the_nearest_first(name: str, offers: list[str]) -> None:
    assert nearest(name, CORE) == offers


def test_equally_near_names_keep_the_order_they_came_in() -> None:
    assert nearest("item", ["items", "item1", "items", "sort"]) == ["items", "item1"]


def test_no_more_than_three_names_are_offered() -> None:
    assert len(nearest("value", [f"value{n}" for n in range(9)])) == 3


def test_a_name_is_never_offered_for_itself() -> None:
    assert nearest("map", ["map", "mapv"]) == ["mapv"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("swap", "did you mean `swap!`, with `!`?"),
        ("reduce?", "did you mean `reduce`, without `?`?"),
        ("redcue", "did you mean `reduce`?"),
        ("printl", "did you mean `println` or `print`?"),
        ("null", "write nil"),
        ("xyzzy", None),
    ],
)
def test_the_help_line_names_what_differs(name: str, line: str | None) -> None:
    assert did_you_mean(name, CORE) == line


def test_a_swap_of_neighbours_is_one_slip() -> None:
    assert distance("abcd", "abdc", 9) == 1
    assert distance("abc", "abc", 9) == 0
    assert distance("kitten", "sitting", 9) == 3


@given(st.text(max_size=8), st.text(max_size=8), st.integers(0, 8))
def test_a_limit_cuts_the_distance_and_changes_nothing_below(
    first: str, second: str, limit: int
) -> None:
    full = distance(first, second, 100)
    assert distance(first, second, limit) == min(full, limit + 1)
    assert full == distance(second, first, 100)


def test_help_for_foreign_names_starts_with_a_verb() -> None:
    assert {text.split()[0] for text in FOREIGN_NAMES.values()} <= {"use", "write"}
