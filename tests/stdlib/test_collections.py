"""What the natives of collections share with what they were given."""

from __future__ import annotations

import pytest

from flowmetal.stdlib.natives.collections import into
from flowmetal.stdlib.natives.matching import match_rest
from flowmetal.values import hash_map, keyword, list_of, vector
from flowmetal.values.trie import Node

META = hash_map([(keyword("doc"), "numbers")])


def leaves(root: Node | None) -> set[int]:
    """Return the identities of the nodes of a tree that hold no nodes."""
    assert root is not None
    if not any(type(slot) is Node for slot in root.slots):
        return {id(root)}
    return set().union(*(leaves(slot) for slot in root.slots if type(slot) is Node))


def test_a_large_vector_with_a_few_items_more_shares_what_it_was() -> None:
    large = vector(range(10_000), META)
    made = into(large, list_of(["a", "b"]))
    assert list(made) == [*range(10_000), "a", "b"]
    assert made.meta == META
    assert leaves(large.root) <= leaves(made.root)


@pytest.mark.parametrize("size", [0, 1, 64, 65, 512])
@pytest.mark.parametrize("more", [0, 1, 63, 64, 65, 600])
def test_any_vector_takes_any_items_in_their_order(size: int, more: int) -> None:
    made = into(vector(range(size), META), vector(range(more)))
    assert list(made) == [*range(size), *range(more)]
    assert made.meta == META


def test_the_rest_of_a_large_vector_in_a_match_shares_what_it_is() -> None:
    large = vector(range(10_000), META)
    rest = match_rest(large, 1)
    assert list(rest) == list(range(1, 10_000))
    assert rest.meta is None
    assert len(leaves(large.root) & leaves(rest.root)) > 600


@pytest.mark.parametrize("size", [0, 1, 2])
def test_the_rest_of_a_small_vector_and_of_an_entry_is_a_vector(size: int) -> None:
    assert match_rest(vector((1, 2)), size) == vector((1, 2)[size:])
    (entry,) = hash_map([(1, 2)])
    assert match_rest(entry, size) == vector((1, 2)[size:])
