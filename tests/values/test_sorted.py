"""Sorted maps and sets against a model: a dictionary, sorted when it is looked at."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowmetal.values import (
    EMPTY_MAP,
    EMPTY_SORTED_MAP,
    DataError,
    FlowError,
    OrderedByFunction,
    SortedMap,
    SortedSet,
    decode_data,
    encode_data,
    equal,
    hash_map,
    hash_of,
    json_dumps,
    keyword,
    pr_str,
    seq,
    set_of,
    sorted_map,
    sorted_set,
    vector,
)
from flowmetal.values.sorted import entries_from, is_leaf, size_of
from flowmetal.values.trie import WIDTH

KEYS = st.integers(0, 300)
STEPS = st.lists(st.tuples(st.booleans(), KEYS), max_size=400)


def check_tree(made: SortedMap | SortedSet) -> None:
    """All leaves are at one depth, no node is too full or empty, sizes are right."""
    level = [] if made.root is None else [made.root]
    while level:
        assert all(0 < len(node.slots) <= WIDTH for node in level)
        leaves = {is_leaf(node) for node in level}
        assert len(leaves) == 1
        for node in level:
            assert size_of(node) == len(list(entries_from(node)))
        level = [] if leaves == {True} else [child for node in level for child in node.slots]


@given(STEPS)
@settings(max_examples=60)
def test_a_sorted_map_does_what_a_dictionary_does(steps) -> None:
    made, model = EMPTY_SORTED_MAP, {}
    for number, (adds, key) in enumerate(steps):
        if adds:
            made, model[key] = made.assoc(key, number), number
        else:
            made = made.dissoc(key)
            model.pop(key, None)
        assert made.get(key) == model.get(key)
    assert list(made.items()) == sorted(model.items())
    assert len(made) == len(model)
    check_tree(made)
    for position, entry in enumerate(sorted(model.items())):
        assert made.entry_at(position) == entry
        assert made.position_of(entry[0]) == position


@given(st.lists(KEYS, max_size=300), st.integers(0, 300))
@settings(max_examples=60)
def test_members_from_a_position_are_those_behind_it(keys, start) -> None:
    made = sorted_set(keys)
    assert list(made.members_from(start)) == sorted(set(keys))[start:]
    check_tree(made)


@given(st.lists(st.tuples(KEYS, KEYS), max_size=200))
@settings(max_examples=60)
def test_a_sorted_map_equals_a_map_with_the_same_entries(pairs) -> None:
    made, plain = sorted_map(pairs), hash_map(pairs)
    assert equal(made, plain)
    assert equal(plain, made)
    assert hash_of(made) == hash_of(plain)


@given(st.lists(st.tuples(KEYS, KEYS), max_size=200))
@settings(max_examples=60)
def test_a_sorted_map_comes_back_from_bytes_sorted(pairs) -> None:
    made = sorted_map(pairs)
    back = decode_data(encode_data(made))
    assert type(back) is SortedMap
    assert list(back.items()) == list(made.items())
    assert encode_data(back) == encode_data(made)


def test_removing_one_by_one_leaves_nothing() -> None:
    made = sorted_map((n, n) for n in range(2000))
    for n in range(1999, -1, -2):
        made = made.dissoc(n)
        made = made.dissoc(1999 - n)
    check_tree(made)
    assert len(made) == 0
    assert seq(made) is None


def test_changing_one_entry_shares_the_rest() -> None:
    made = sorted_map((n, n) for n in range(10_000))
    other = made.assoc(5_000, "x")
    shared = {id(node) for node in made.root.slots} & {id(node) for node in other.root.slots}
    assert len(shared) == len(made.root.slots) - 1


def test_a_key_that_is_there_stays_and_gets_the_new_value() -> None:
    made = sorted_map([(1, "a")]).assoc(1.0, "b")
    assert pr_str(made) == '{1 "b"}'


def test_keys_of_different_kinds_have_no_order() -> None:
    with pytest.raises(FlowError):
        sorted_map([(1, 1), ("a", 2)])


def test_equality_asks_for_no_order() -> None:
    assert not equal(sorted_map([(1, 1)]), hash_map([("a", 1)]))
    assert not equal(hash_map([("a", 1)]), sorted_map([(1, 1)]))
    assert equal(set_of([sorted_set([1])]), set_of([set_of([1])]))


def test_an_order_that_is_a_function_is_not_followed_and_is_no_data() -> None:
    made = SortedMap(sorted_map([(1, 2)]).root, order=object())
    with pytest.raises(OrderedByFunction):
        made.get(1)
    with pytest.raises(DataError):
        encode_data(vector([made]))
    assert equal(made, hash_map([(1, 2)]))


def test_bytes_out_of_order_are_refused() -> None:
    good = encode_data(sorted_set([1, 2]))
    with pytest.raises(DataError):
        decode_data(good[:-2] + b"\x02\x01")
    with pytest.raises(DataError):
        decode_data(good[:-2] + b"\x01\xc3")


def test_json_of_a_sorted_map_is_an_object() -> None:
    assert json_dumps(sorted_map([(keyword("b"), 1), (keyword("a"), 2)])) == '{"a":2,"b":1}'


def test_a_deep_value_with_sorted_parts_comes_back() -> None:
    value = sorted_map([(1, 2)])
    for _ in range(3000):
        value = sorted_map([(keyword("k"), value)])
    back = decode_data(encode_data(value))
    assert type(back) is SortedMap
    assert equal(back, value)
    assert not equal(EMPTY_MAP, back)
