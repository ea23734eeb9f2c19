"""The trees under big collections, against plain Python lists and dictionaries."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from flowmetal.values import (
    EMPTY_MAP,
    EMPTY_SET,
    EMPTY_VECTOR,
    FlowError,
    Map,
    Set,
    Vector,
    equal,
    hash_map,
    hash_of,
    keyword,
    set_of,
    vector,
)
from flowmetal.values.trie import SHRINK, SMALL, WIDTH, Bucket, Node, TableTrie, VectorTrie

SIZES = [0, 1, 15, 16, 17, SMALL - 1, SMALL, SMALL + 1, 255, 256, 257, 273, 4096, 4097, 4113, 5000]


def nodes_of(root: Node | None) -> set[int]:
    found = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if type(node) is Node:
            found.add(id(node))
            stack.extend(node.slots)
    return found


class VectorsAgainstLists(RuleBasedStateMachine):
    @initialize(size=st.sampled_from([0, 3, SMALL, SMALL + 1, 300, 5000]))
    def start(self, size: int) -> None:
        self.made = vector(range(size))
        self.model = list(range(size))
        self.versions: list[tuple[Vector, list[int]]] = []

    @rule(item=st.integers(), times=st.sampled_from([1, 1, 20]))
    def conj(self, item: int, times: int) -> None:
        for _ in range(times):
            self.made = self.made.conj(item)
            self.model.append(item)

    @rule(at=st.integers(0, 10_000), item=st.integers())
    def assoc(self, at: int, item: int) -> None:
        at %= len(self.model) + 1
        self.made = self.made.assoc(at, item)
        self.model[at : at + 1] = [item]

    @rule(times=st.sampled_from([1, 1, 17, 300]))
    def pop(self, times: int) -> None:
        for _ in range(min(times, len(self.model))):
            self.made = self.made.pop()
            self.model.pop()

    @rule(a=st.integers(0, 10_000), b=st.integers(0, 10_000))
    def subvec(self, a: int, b: int) -> None:
        low, high = sorted((a % (len(self.model) + 1), b % (len(self.model) + 1)))
        self.made = self.made.subvec(low, high)
        self.model = self.model[low:high]

    @rule()
    def keep(self) -> None:
        self.versions.append((self.made, list(self.model)))

    @rule(which=st.integers(0, 100))
    def go_back(self, which: int) -> None:
        if self.versions:
            made, model = self.versions[which % len(self.versions)]
            self.made, self.model = made, list(model)

    @invariant()
    def agrees(self) -> None:
        assert len(self.made) == len(self.model)
        assert list(self.made) == self.model
        for at in {0, len(self.model) // 2, len(self.model) - 1}:
            if 0 <= at < len(self.model):
                assert self.made.nth(at) == self.model[at]

    def teardown(self) -> None:
        for made, model in getattr(self, "versions", []):
            assert list(made) == model


TestVectorsAgainstLists = VectorsAgainstLists.TestCase
TestVectorsAgainstLists.settings = settings(max_examples=30, stateful_step_count=30)

KEYS = st.one_of(st.integers(0, 400), st.sampled_from([None, True, 1.0, "a", b"a", keyword("a")]))


class MapsAgainstDictionaries(RuleBasedStateMachine):
    """The model's keys are typed, so that Python's coercions do not get into it."""

    @initialize(size=st.sampled_from([0, SMALL, 300, 1000]))
    def start(self, size: int) -> None:
        self.made = hash_map((number, number) for number in range(size))
        self.members = set_of(range(size))
        self.model = {(int, number): number for number in range(size)}
        self.versions: list[tuple[Map, Set, dict]] = []

    @rule(key=KEYS, value=st.integers())
    def assoc(self, key: object, value: int) -> None:
        self.made = self.made.assoc(key, value)
        self.members = self.members.conj(key)
        self.model[type(key), key] = value

    @rule(low=st.integers(0, 500), count=st.integers(1, 100))
    def assoc_many(self, low: int, count: int) -> None:
        for key in range(low, low + count):
            self.assoc(key, -key)

    @rule(key=KEYS)
    def dissoc(self, key: object) -> None:
        self.made = self.made.dissoc(key)
        self.members = self.members.disj(key)
        self.model.pop((type(key), key), None)

    @rule(low=st.integers(0, 500), count=st.integers(1, 300))
    def dissoc_many(self, low: int, count: int) -> None:
        for key in range(low, low + count):
            self.dissoc(key)

    @rule()
    def lose_the_index(self) -> None:
        body = self.made.body
        if type(body) is TableTrie:
            self.made = Map.from_nodes(body.count, body.next_ordinal, body.shift, body.order)

    @rule()
    def keep(self) -> None:
        self.versions.append((self.made, self.members, dict(self.model)))

    @rule(which=st.integers(0, 100))
    def go_back(self, which: int) -> None:
        if self.versions:
            self.made, self.members, model = self.versions[which % len(self.versions)]
            self.model = dict(model)

    @invariant()
    def agrees(self) -> None:
        self.check(self.made, self.members, self.model)

    @staticmethod
    def check(made: Map, members: Set, model: dict) -> None:
        assert len(made) == len(members) == len(model)
        assert [((type(k), k), v) for k, v in made.items()] == list(model.items())
        assert [(type(k), k) for k in members] == list(model)

    @rule(key=KEYS)
    def look(self, key: object) -> None:
        assert (key in self.made) == (key in self.members) == ((type(key), key) in self.model)
        assert self.made.get(key, "none") == self.model.get((type(key), key), "none")
        found = self.made.find(key)
        assert (found is None) == (key not in self.made)

    def teardown(self) -> None:
        for version in getattr(self, "versions", []):
            self.check(*version)


TestMapsAgainstDictionaries = MapsAgainstDictionaries.TestCase
TestMapsAgainstDictionaries.settings = settings(max_examples=30, stateful_step_count=30)


@pytest.mark.parametrize("size", SIZES)
def test_a_vector_is_the_same_however_it_was_made(size):
    by_conj = EMPTY_VECTOR
    for number in range(size):
        by_conj = by_conj.conj(number)
    made = vector(range(size))
    assert list(by_conj) == list(made) == list(range(size))
    assert [made.nth(at) for at in range(size)] == list(range(size))
    assert equal(by_conj, made)
    assert hash_of(by_conj) == hash_of(made)
    while len(made):
        made = made.pop()
    assert made.body == ()


@pytest.mark.parametrize("size", SIZES)
def test_a_map_is_the_same_however_it_was_made(size):
    by_assoc, by_conj = EMPTY_MAP, EMPTY_SET
    for number in range(size):
        by_assoc = by_assoc.assoc(str(number), number)
        by_conj = by_conj.conj(str(number))
    made = hash_map((str(number), number) for number in range(size))
    assert list(by_assoc.items()) == list(made.items())
    assert all(made.get(str(number)) == number for number in range(size))
    assert equal(by_assoc, made)
    assert equal(by_conj, set_of(made.keys()))


def test_one_change_of_a_big_vector_makes_one_path_of_nodes():
    made = vector(range(100_000))
    before = nodes_of(made.root)
    assert len(nodes_of(made.assoc(50_000, "x").root) - before) <= 5
    assert len(nodes_of(made.conj("x").root) - before) <= 5
    assert len(nodes_of(made.pop().root) - before) <= 5
    assert len(nodes_of(made.subvec(10, 99_000).root) - before) <= 12


def test_one_change_of_a_big_map_makes_one_path_of_nodes():
    made = hash_map((number, number) for number in range(100_000))
    before = nodes_of(made.root)
    assert len(nodes_of(made.assoc(50_000, "x").root) - before) <= 5
    assert len(nodes_of(made.assoc("new", "x").root) - before) <= 5
    assert len(nodes_of(made.dissoc(50_000).root) - before) <= 5


def test_a_queue_of_any_age_holds_no_more_nodes_than_its_entries_need():
    made = hash_map((number, number) for number in range(SMALL + 10))
    for number in range(SMALL + 10, 20_000):
        made = made.assoc(number, number).dissoc(number - SMALL - 10)
    assert len(nodes_of(made.root)) < 20
    assert list(made.keys()) == list(range(20_000 - SMALL - 10, 20_000))


def test_what_stands_before_a_slice_is_let_go():
    made = vector(range(1000)).subvec(500, 900)
    slots = [item for leaf in leaves(made.root) for item in leaf]
    assert 499 not in slots
    assert 100 not in slots
    assert 900 not in slots


def leaves(root: Node | None) -> list[tuple[object, ...]]:
    assert root is not None
    if not any(type(slot) is Node for slot in root.slots):
        return [root.slots]
    return [leaf for slot in root.slots if slot is not None for leaf in leaves(slot)]


def test_a_map_that_shrank_is_plain_again_and_grows_again():
    made = hash_map((number, number) for number in range(SMALL + 1))
    assert type(made.body) is TableTrie
    while len(made) > SHRINK:
        made = made.dissoc(len(made) - 1)
    assert type(made.body) is dict
    assert type(vector(range(SMALL + 1)).body) is VectorTrie


def test_an_entry_at_the_border_of_two_leaves_does_not_flap():
    made = vector(range(SMALL + 1))
    for _ in range(10):
        made = made.pop()
    assert type(made.body) is VectorTrie


def test_a_vector_is_rebuilt_from_its_nodes():
    made = vector(range(1000)).subvec(37, 950)
    body = made.body
    assert isinstance(body, VectorTrie)
    again = Vector.from_nodes(body.start, body.count, body.shift, body.root, body.tail)
    assert list(again) == list(made)
    assert list(again.conj(1)) == [*made, 1]


def test_a_set_is_rebuilt_from_its_nodes_without_an_index():
    body = set_of(range(1000)).disj(5).body
    assert isinstance(body, TableTrie)
    again = Set.from_nodes(body.count, body.next_ordinal, body.shift, body.order)
    assert 5 not in again
    assert 6 in again
    assert list(again.conj(5))[-1] == 5


def test_nodes_keep_the_chunks_of_the_snapshot_through_changes_elsewhere():
    made = vector(range(1000))
    assert isinstance(made.root, Node)
    made.root.slots[0].chunk = b"written"
    assert made.assoc(999, 1).root.slots[0].chunk == b"written"
    assert made.assoc(0, 1).root.slots[0].chunk is None


def test_keys_with_the_same_hash_are_told_apart(monkeypatch):
    monkeypatch.setattr("flowmetal.values.trie.hash_of", lambda key: 7)
    made = hash_map((number, number) for number in range(100))
    assert all(made.get(number) == number for number in range(100))
    for number in range(0, 100, 2):
        made = made.dissoc(number)
    assert [number for number in range(100) if number in made] == list(range(1, 100, 2))
    assert made.assoc("new", 1).get("new") == 1


def test_keys_with_the_same_low_bits_make_a_deep_index_and_are_found(monkeypatch):
    monkeypatch.setattr("flowmetal.values.trie.hash_of", lambda key: key << 56)
    made = hash_map((number, number) for number in range(200)).assoc(200, 200)
    assert all(made.get(number) == number for number in range(201))
    assert not made.dissoc(77).get(77)


def test_an_index_that_was_built_at_once_and_one_that_grew_find_the_same():
    at_once = hash_map((number, number) for number in range(2000))
    grown = hash_map((number, number) for number in range(100))
    for number in range(100, 2000):
        grown = grown.assoc(number, number)
    assert all(at_once.get(number) == grown.get(number) == number for number in range(2000))
    assert type(grown.body.index) is Node
    assert type(hash_map((n, n) for n in range(65)).assoc(1, 2).body.index) is Node
    assert isinstance(Bucket({}).entries, dict)


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 40))
@settings(max_examples=60)
def test_a_slice_of_a_slice_is_a_slice(low, high, more):
    low, high = sorted((low, high))
    made = vector(range(3000)).subvec(low, high)
    cut = min(more, len(made))
    again = made.subvec(cut, len(made))
    assert list(again) == list(range(low + cut, high))
    grown = again
    for number in range(2 * WIDTH + 1):
        grown = grown.conj(number)
    assert list(grown) == [*range(low + cut, high), *range(2 * WIDTH + 1)]


@pytest.mark.parametrize("size", [3, 100])
def test_an_index_out_of_bounds_says_what_there_is(size):
    made = vector(range(size))
    for act in (
        lambda: made.nth(size),
        lambda: made.nth(-1),
        lambda: made.assoc(size + 1, 1),
        lambda: made.assoc(-1, 1),
        lambda: made.subvec(2, size + 1),
        lambda: made.subvec(2, 1),
        lambda: made.subvec(-1, 1),
    ):
        with pytest.raises(FlowError) as caught:
            act()
        assert caught.value.error.code == "FM0322"
        assert caught.value.error.type is keyword("index/out-of-bounds")
    assert made.get(size, "none") == "none"
    assert made.get(True, "none") == "none"
    with pytest.raises(FlowError, match="last index is"):
        made.nth(size)


def test_pop_of_an_empty_vector_is_an_error():
    with pytest.raises(FlowError, match="`pop` needs an element"):
        EMPTY_VECTOR.pop()
