"""What stands for a key in a dictionary: none of Python's coercions may leak."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import pytest

from flowmetal.values import (
    EMPTY_MAP,
    EMPTY_SET,
    Duration,
    Instant,
    Value,
    char,
    decode_data,
    encode_data,
    hash_map,
    key_of,
    keyword,
    list_of,
    pr_str,
    ratio,
    set_of,
    symbol,
    value_of_key,
    vector,
)
from flowmetal.values.keys import key_of_many

ONES = [
    (1, "integer"),
    (1.0, "float"),
    (True, "true"),
    (Decimal(1), "decimal"),
    ("1", "string"),
    (char("1"), "char"),
    (b"1", "bytes"),
    (keyword("1"), "keyword"),
    (symbol("1"), "symbol"),
    (0, "zero"),
    (False, "false"),
    (0.0, "float zero"),
    (None, "nil"),
    ("", "empty string"),
    (b"", "empty bytes"),
    (vector(), "empty vector"),
    (EMPTY_SET, "empty set"),
    (EMPTY_MAP, "empty map"),
]
MODULUS = 2**61 - 1  # Python hashes an integer by its rest
ALIKE: dict[str, Callable[[int], Value]] = {
    "integers": lambda number: number * MODULUS,
    "ratios": lambda number: ratio(2 * number * MODULUS + 1, 2),
    "decimals": lambda number: Decimal(number * MODULUS),
    "instants": lambda number: Instant(number * MODULUS),
    "durations": lambda number: Duration(number * MODULUS),
    "UUIDs": lambda number: UUID(int=number * MODULUS),
}
FILL = [(keyword(f"fill{number}"), number) for number in range(100)]


@pytest.mark.parametrize("fill", [[], FILL], ids=["small", "big"])
def test_one_in_all_its_kinds_is_as_many_keys(fill):
    made = hash_map(fill + ONES)
    assert len(made) == len(fill) + len(ONES)
    for key, name in ONES:
        assert made.get(key) == name
        assert key in made
        assert type(made.find(key).key) is type(key)


@pytest.mark.parametrize("fill", [[], FILL], ids=["small", "big"])
def test_one_in_all_its_kinds_is_as_many_keys_by_assoc_and_dissoc(fill):
    made = hash_map(fill)
    for key, name in ONES:
        made = made.assoc(key, name)
    for at, (key, _) in enumerate(ONES):
        made = made.dissoc(key)
        assert key not in made
        assert len(made) == len(fill) + len(ONES) - at - 1


def test_one_in_all_its_kinds_is_as_many_members():
    keys = [key for key, _ in ONES]
    assert len(set_of(keys)) == len(ONES)
    assert [pr_str(key) for key in set_of(keys)] == [pr_str(key) for key in keys]


def test_a_large_integer_that_was_computed_is_the_key_that_was_written():
    assert hash_map([(10**30, "x")]).get(10**15 * 10**15) == "x"


def test_zeros_of_both_signs_are_one_key():
    assert hash_map([(0.0, 1), (-0.0, 2)]).get(0.0) == 2


def test_decimals_of_different_scale_are_one_key():
    made = hash_map([(Decimal("1.0"), 1), (Decimal("1.00"), 2)])
    assert len(made) == 1
    assert pr_str(made) == "{1.0M 2}"


@pytest.mark.parametrize("fill", [[], FILL], ids=["small", "big"])
def test_nan_is_never_found_again(fill):
    nan = float("nan")
    made = hash_map(fill).assoc(nan, 1).assoc(nan, 2)
    assert len(made) == len(fill) + 2
    assert nan not in made
    assert made.get(nan) is None


@pytest.mark.parametrize("fill", [[], FILL], ids=["small", "big"])
def test_a_list_finds_the_value_under_an_equal_vector(fill):
    made = hash_map([*fill, (vector([1, 2]), "pair")])
    assert made.get(list_of([1, 2])) == "pair"
    assert pr_str(made.find(list_of([1, 2]))) == '[[1 2] "pair"]'


def test_keys_come_back_as_they_went_in():
    for key, _ in ONES:
        assert value_of_key(key_of(key)) is key


@pytest.mark.parametrize("kind", ALIKE)
def test_many_keys_that_python_hashes_alike_are_told_apart_by_a_hash_of_ours(kind: str) -> None:
    keys = [ALIKE[kind](number) for number in range(1, 2_000)]
    assert len(set(map(hash, keys))) < 10
    assert len(set(map(hash, map(key_of_many, keys)))) == len(keys)
    made = hash_map((key, at) for at, key in enumerate(keys))
    assert [made.get(key) for key in keys] == list(range(len(keys)))
    assert decode_data(encode_data(made)) == made
    assert decode_data(encode_data(set_of(keys))) == set_of(keys)


def test_decimals_of_different_scale_are_one_key_among_many_too() -> None:
    keys = [Decimal(number) for number in range(2_000)]
    assert len(set_of([*keys, *(key + Decimal("0.00") for key in keys)])) == len(keys)
