"""Order, metadata and places of maps, sets, vectors and lists."""

from __future__ import annotations

import pytest

from flowmetal.source import Span
from flowmetal.values import (
    EMPTY_LIST,
    EMPTY_MAP,
    EMPTY_SET,
    EMPTY_VECTOR,
    MapEntry,
    equal,
    hash_map,
    hash_of,
    keyword,
    list_of,
    pr_str,
    set_of,
    symbol,
    vector,
)

META = EMPTY_MAP.assoc(keyword("doc"), "x")
SPAN = Span("a.flow", 1, 1, 1, 3)
ALL = [
    (vector([1, 2]), lambda made: made.conj(3)),
    (vector(range(100)), lambda made: made.conj(3)),
    (list_of([1, 2]), lambda made: made.conj(3)),
    (hash_map([(1, 2)]), lambda made: made.assoc(3, 4)),
    (hash_map((n, n) for n in range(100)), lambda made: made.assoc("x", 4)),
    (set_of([1, 2]), lambda made: made.conj(3)),
    (set_of(range(100)), lambda made: made.conj("x")),
]


def test_a_map_keeps_insertion_order():
    made = hash_map([("b", 1), ("a", 2)]).assoc("c", 3).assoc("b", 9)
    assert list(made.items()) == [("b", 9), ("a", 2), ("c", 3)]
    assert list(made.dissoc("b").assoc("b", 1).keys()) == ["a", "c", "b"]


def test_a_big_map_keeps_insertion_order():
    made = hash_map((str(number), number) for number in range(500)).assoc("7", "new")
    assert [key for key, _ in made.items()] == [str(number) for number in range(500)]
    made = made.dissoc("7").assoc("7", 0)
    assert list(made.keys())[-1] == "7"
    assert [entry.key for entry in made][:2] == ["0", "1"]


def test_of_equal_members_the_first_is_kept():
    members = set_of([vector([1]), list_of([1])])
    assert pr_str(members) == "#{[1]}"
    assert pr_str(members.get(list_of([1]))) == "[1]"
    assert members.conj(list_of([1])) is members
    big = set_of([*range(100), vector([1])])
    assert pr_str(big.get(list_of([1]))) == "[1]"
    assert big.get("none", 5) == 5


def test_removing_what_is_not_there_gives_the_same_object():
    for made in (hash_map([(1, 2)]), hash_map((n, n) for n in range(100))):
        assert made.dissoc("x") is made
    for made in (set_of([1]), set_of(range(100))):
        assert made.disj("x") is made


@pytest.mark.parametrize(("made", "change"), ALL)
def test_metadata_is_kept_by_changes_and_has_no_part_in_equality(made, change):
    marked = made.with_meta(META)
    assert marked.meta is META
    assert made.meta is None
    assert equal(marked, made)
    assert hash_of(marked) == hash_of(made)
    assert change(marked).meta is META
    assert pr_str(marked) == pr_str(made)


@pytest.mark.parametrize(("made", "change"), ALL)
def test_places_are_kept_with_metadata_and_dropped_by_any_change(made, change):
    placed = made.with_spans(SPAN, (SPAN,))
    assert placed.span is SPAN
    assert placed.item_spans == (SPAN,)
    assert placed.with_meta(META).span is SPAN
    assert placed.with_meta(META).item_spans == (SPAN,)
    assert equal(placed, made)
    assert hash_of(placed) == hash_of(made)
    assert change(placed).span is None
    assert change(placed).item_spans is None


def test_constructors_take_places_and_metadata():
    for make in (vector, list_of, set_of):
        made = make([1], META, SPAN, (SPAN,))
        assert (made.meta, made.span, made.item_spans) == (META, SPAN, (SPAN,))
    made = hash_map([(1, 2)], META, SPAN, (SPAN, SPAN))
    assert (made.meta, made.span, made.item_spans) == (META, SPAN, (SPAN, SPAN))
    assert list_of([], None, SPAN).span is SPAN
    assert len(list_of([], None, SPAN)) == 0
    assert symbol("a", SPAN).with_meta(META).span is SPAN


def test_empty_collections_are_shared():
    assert list_of([]) is EMPTY_LIST
    assert EMPTY_LIST.rest is EMPTY_LIST
    assert EMPTY_LIST.first is None
    assert list(EMPTY_LIST.with_meta(META).conj(1)) == [1]
    assert len(EMPTY_MAP) == len(EMPTY_SET) == len(EMPTY_VECTOR) == 0


def test_a_map_entry_is_a_vector_of_two():
    entry = MapEntry(1, 2)
    assert (entry.key, entry.value, len(entry)) == (1, 2, 2)
    assert type(entry.conj(3)) is not MapEntry
    assert list(entry.conj(3)) == [1, 2, 3]


def test_a_list_of_two_hundred_thousand_cells_is_made_walked_and_freed():
    made = list_of(range(200_000))
    assert len(made) == 200_000
    assert made.rest.count == 199_999
    assert sum(1 for _ in made) == 200_000
    del made
