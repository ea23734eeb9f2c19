"""Equality and identity."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowmetal.values import (
    EMPTY_LIST,
    EMPTY_MAP,
    Atom,
    Cons,
    ErrorValue,
    IndexedSeq,
    LazySeq,
    MapEntry,
    Range,
    Realise,
    Repeat,
    Unrealised,
    char,
    equal,
    hash_map,
    hash_of,
    identical,
    keyword,
    list_of,
    ratio,
    set_of,
    symbol,
    vector,
)
from tests.values.strategies import WRAPS, data, lazy_over, model, nested

NAN = float("nan")
TREE = hash_map((number, number) for number in range(200))
SAME = [
    (1, 1),
    (10**40, 10**20 * 10**20),
    (0.0, -0.0),
    (Decimal("1.0"), Decimal("1.00")),
    (ratio(1, 2), ratio(2, 4)),
    (keyword("a/b"), keyword("a/b")),
    (symbol("a/b"), symbol("a/b")),
    (symbol("a"), symbol("a").with_meta(EMPTY_MAP)),
    (char("a"), char("a")),
    (char("\U0001f600"), char("\U0001f600")),
    (vector([1]), list_of([1])),
    (vector([1, 2]), MapEntry(1, 2)),
    (vector([0, 1, 2]), Range(0, 3)),
    (vector([0.0, 1.0]), Range(0.0, 2.0)),
    (vector([7, 7]), Repeat(2, 7)),
    (vector([2, 3]), IndexedSeq(vector([1, 2, 3]), 1)),
    (list_of([1, 2]), Cons(1, list_of([2]))),
    (vector([1, 2]), lazy_over([1, 2])),
    (vector(), EMPTY_LIST),
    (vector(), LazySeq(None, None)),
    (vector(range(100)), list_of(range(100))),
    (hash_map([(1, 2), (3, 4)]), hash_map([(3, 4), (1, 2)])),
    (set_of([1, vector([2])]), set_of([list_of([2]), 1])),
    (hash_map([(vector([1]), 1)]), hash_map([(list_of([1]), 1)])),
    (TREE, hash_map(reversed(list(TREE.items())))),
    (TREE, TREE.assoc("x", 1).dissoc("x")),
    (ErrorValue(keyword("a"), "m", code="FM0301"), ErrorValue(keyword("a"), "m")),
]
DIFFERENT = [
    (1, 1.0),
    (1, True),
    (0, False),
    (1, Decimal(1)),
    (1.0, Decimal(1)),
    (0.5, ratio(1, 2)),
    (NAN, NAN),
    (char("a"), "a"),
    (keyword("a"), symbol("a")),
    (keyword("a"), "a"),
    (symbol("a"), "a"),
    (b"a", "a"),
    (vector([97]), b"a"),
    (vector([char("a")]), "a"),
    (None, False),
    (None, EMPTY_LIST),
    (vector([1]), vector([1.0])),
    (vector([1]), vector([1, 2])),
    (vector([1]), lazy_over([1, 2])),
    (lazy_over([1]), lazy_over([1, 2])),
    (vector([1]), set_of([1])),
    (vector(), EMPTY_MAP),
    (set_of([]), EMPTY_MAP),
    (vector([NAN]), vector([NAN])),
    (hash_map([(1, 2)]), hash_map([(1, 3)])),
    (hash_map([(1, None)]), hash_map([(2, None)])),
    (hash_map([(vector([1]), 1)]), hash_map([(vector([2]), 1)])),
    (set_of([vector([1])]), set_of([vector([2])])),
    (set_of([1, 2]), set_of([1, 3])),
    (TREE, TREE.assoc(7, 8)),
    (Atom(1), Atom(1)),
    (ErrorValue(keyword("a"), "m"), ErrorValue(keyword("a"), "n")),
    (ErrorValue(keyword("a"), "m"), hash_map([])),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_these_are_equal_both_ways_and_hash_the_same(a, b):
    assert equal(a, b)
    assert equal(b, a)
    assert hash_of(a) == hash_of(b)


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_these_are_different_both_ways(a, b):
    assert not equal(a, b)
    assert not equal(b, a)


@given(data, data)
def test_equality_is_what_the_model_says(a, b):
    assert equal(a, b) == (model(a) == model(b))


@given(data)
def test_equal_values_hash_the_same(value):
    other = next(iter(vector([value])))
    assert equal(value, other)
    for pair in (vector([value]), list_of([value]), lazy_over([value])):
        assert hash_of(pair) == hash_of(vector([other]))


@given(st.lists(data, max_size=4).map(vector))
def test_equality_does_not_depend_on_the_class_of_a_sequence(items):
    forms = [items, list_of(items), lazy_over(list(items))]
    assert all(equal(a, b) for a in forms for b in forms)


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_hundred_thousand_levels_are_compared_and_hashed(wrap):
    depth = 100_000 if wrap == "vector" else 5_000  # the rest walk the same stack
    a, b = nested(depth, wrap), nested(depth, wrap)
    assert equal(a, b)
    assert hash_of(a) == hash_of(b)
    assert not equal(a, vector([b]))


def test_a_collection_is_equal_to_itself_without_a_look_inside():
    itself = vector([NAN])
    assert equal(itself, itself)
    endless = LazySeq(object())
    assert equal(endless, endless)


def test_comparing_with_a_vector_asks_for_one_cell_more_than_it_has():
    lazy = LazySeq(object())
    with pytest.raises(Unrealised) as caught:
        equal(vector([1, 2]), Cons(1, lazy))
    assert caught.value.lazy is lazy
    assert caught.value.depth is Realise.DEEP
    assert caught.value.cells == 2


def test_comparing_two_lazy_sequences_asks_for_all():
    lazy = LazySeq(object())
    with pytest.raises(Unrealised) as caught:
        equal(lazy, LazySeq(object()))
    assert caught.value.lazy is lazy
    assert caught.value.cells is None


def test_a_difference_before_the_first_unrealised_cell_is_enough():
    assert not equal(vector([1, 2]), Cons(9, LazySeq(object())))


def test_an_endless_range_differs_from_a_vector():
    assert not equal(Range(0, None), vector([0, 1]))
    assert not equal(vector([7]), Repeat(None, 7))


@settings(max_examples=50)
@given(data)
def test_scalars_are_identical_by_value_and_collections_by_identity(value):
    assert identical(value, value)
    assert identical(1000 * 1000, 10**6)
    assert identical("ab", "".join(["a", "b"]))
    assert not identical(vector([1]), vector([1]))
    assert not identical(1, 1.0)
