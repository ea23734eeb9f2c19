"""Sequences: taking collections apart, lazily where they are lazy."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmetal.values import (
    EMPTY_LIST,
    EMPTY_MAP,
    Atom,
    Cons,
    FlowError,
    IndexedSeq,
    LazySeq,
    List,
    Range,
    Realise,
    Repeat,
    Unrealised,
    char,
    cons,
    count,
    equal,
    first,
    hash_map,
    hash_of,
    is_seq,
    iterate_seq,
    keyword,
    list_of,
    next_,
    pr_str,
    ratio,
    require_realised,
    rest,
    seq,
    set_of,
    vector,
)
from tests.values.strategies import lazy_over

ITEMS = [1, 2, 3]
FULL = [
    vector(ITEMS),
    list_of(ITEMS),
    lazy_over(ITEMS),
    Cons(1, lazy_over([2, 3])),
    Cons(1, list_of([2, 3])),
    IndexedSeq(vector([0, 1, 2, 3]), 1),
    IndexedSeq((1, 2, 3), 0),
    Range(1, 4),
    set_of(ITEMS),
    b"\x01\x02\x03",
]
EMPTY = [
    None,
    vector(),
    EMPTY_LIST,
    EMPTY_MAP,
    set_of([]),
    "",
    b"",
    LazySeq(None, None),
    LazySeq(None, LazySeq(None, None)),
    Range(0, 0),
    Range(5, 0),
    Range(0, 5, -1),
    Range(0, 0, 0),
    Repeat(0, 1),
    Repeat(-1, 1),
]


def walked(value):
    found = []
    value = seq(value)
    while value is not None:
        found.append(first(value))
        value = next_(value)
    return found


@pytest.mark.parametrize("made", FULL)
def test_any_collection_is_taken_apart_the_same(made):
    assert walked(made) == ITEMS
    assert list(iterate_seq(made)) == ITEMS
    assert count(made) == 3
    assert list(iterate_seq(rest(made))) == [2, 3]
    assert list(iterate_seq(rest(rest(rest(made))))) == []


@pytest.mark.parametrize("made", EMPTY)
def test_an_empty_collection_has_no_seq(made):
    assert seq(made) is None
    assert first(made) is None
    assert next_(made) is None
    assert rest(made) is EMPTY_LIST
    assert list(iterate_seq(made)) == []
    assert count(made) == 0


def test_strings_give_characters_and_maps_entries():
    assert walked("aé") == [char("a"), char("é")]
    assert list(iterate_seq("ab")) == [char("a"), char("b")]
    entries = walked(hash_map([(1, 2), (3, 4)]))
    assert pr_str(vector(entries)) == "[[1 2] [3 4]]"
    assert [entry.key for entry in entries] == [1, 3]


def test_a_big_map_or_set_with_holes_is_walked_by_its_tree():
    made = hash_map((number, -number) for number in range(300))
    members = set_of(range(300))
    for number in range(0, 300, 3):
        made, members = made.dissoc(number), members.disj(number)
    left = [number for number in range(300) if number % 3]
    assert [entry.value for entry in walked(made)] == [-number for number in left]
    assert walked(members) == left
    view = rest(rest(members))
    assert list(view) == left[2:]
    assert count(view) == len(left) - 2
    assert list(rest(seq(made))) == list(made)[1:]


def test_a_view_of_a_big_vector_walks_its_tree():
    view = seq(vector(range(1000)))
    for _ in range(990):
        view = next_(view)
    assert list(view) == list(range(990, 1000))
    assert first(view) == 990
    assert count(view) == 10


def test_an_unrealised_cell_is_asked_for_one_step():
    lazy = LazySeq(object())
    for take in (seq, first, rest, next_):
        with pytest.raises(Unrealised) as caught:
            take(lazy)
        assert caught.value.lazy is lazy
        assert caught.value.depth is Realise.STEP
    with pytest.raises(Unrealised) as caught:
        next_(Cons(1, lazy))
    assert caught.value.lazy is lazy
    assert rest(Cons(1, lazy)) is lazy


def test_a_whole_walk_asks_for_all_or_for_as_many_cells_as_it_wants():
    lazy = LazySeq(object())
    with pytest.raises(Unrealised) as caught:
        count(Cons(1, lazy))
    assert (caught.value.depth, caught.value.cells) == (Realise.ALL, None)
    with pytest.raises(Unrealised) as caught:
        list(iterate_seq(Cons(1, lazy), Realise.ALL, 10))
    assert caught.value.cells == 9
    for act in (hash_of, pr_str, require_realised):
        with pytest.raises(Unrealised) as caught:
            act(vector([1, hash_map([(1, Cons(1, lazy))])]))
        assert caught.value.lazy is lazy
        assert caught.value.depth is Realise.DEEP


def test_require_realised_lets_data_pass_and_endless_data_too():
    require_realised(vector([1, lazy_over([1]), Range(0, None), Repeat(None, 1)]))
    require_realised(Range(0, 10**15))
    with pytest.raises(Unrealised):
        require_realised(Repeat(None, LazySeq(object())))


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(-5, 5).filter(bool))
def test_a_range_of_integers_is_pythons(start, end, step):
    made = Range(start, end, step)
    assert list(made) == walked(made) == list(range(start, end, step))
    assert count(made) == len(range(start, end, step))
    assert list(rest(made)) == list(range(start, end, step))[1:]


def test_a_range_may_have_any_numbers():
    assert pr_str(Range(0, 1, ratio(1, 3))) == "(0 1/3 2/3)"
    assert pr_str(Range(0.0, 1.0, 0.25)) == "(0.0 0.25 0.5 0.75)"
    assert count(Range(0, 1, 0.25)) == 4


def test_a_sequence_without_an_end_has_no_count():
    for endless in (Range(0, None), Repeat(None, 1), Range(0, 5, 0)):
        with pytest.raises(FlowError) as caught:
            count(endless)
        assert caught.value.error.code == "FM0324"
    assert rest(Repeat(None, 1)).first == 1
    assert first(rest(Range(0, None))) == 1


def test_cons_puts_before_anything():
    assert type(cons(1, None)) is List
    assert list(cons(1, vector([2]))) == [1, 2]
    assert list(cons(1, "")) == [1]
    assert equal(cons(1, list_of([2])), list_of([1, 2]))
    lazy = LazySeq(object())
    assert cons(1, lazy).rest is lazy


@pytest.mark.parametrize("value", [5, keyword("a"), 1.5, Atom(1), True, char("a")])
def test_what_is_no_collection_is_named(value):
    for take in (seq, first, rest, next_, count, iterate_seq):
        with pytest.raises(FlowError, match="a collection is needed") as caught:
            take(value)
        assert caught.value.error.code == "FM0323"


def test_what_is_a_seq():
    assert all(map(is_seq, [EMPTY_LIST, list_of([1]), LazySeq(object()), Range(0, 1)]))
    assert not any(map(is_seq, [vector(), EMPTY_MAP, None, "a", set_of([])]))


def test_metadata_of_sequences():
    meta = hash_map([(1, 2)])
    for made in (
        Range(0, 3),
        Repeat(2, 1),
        IndexedSeq(vector([1]), 0),
        Cons(1, None),
        lazy_over([1]),
    ):
        assert made.with_meta(meta).meta is meta
        assert equal(made.with_meta(meta), made)


@pytest.mark.parametrize("endless", [Range(0, None), Repeat(None, 1)])
def test_a_native_walk_over_an_endless_sequence_gives_up(endless, monkeypatch):
    monkeypatch.setattr(sys.modules[Range.__module__], "_LONGEST_WALK", 50_000)
    for act in (hash_of, pr_str, lambda value: list(iterate_seq(value))):
        with pytest.raises(FlowError, match="has no end") as caught:
            act(endless)
        assert caught.value.error.code == "FM0324"
