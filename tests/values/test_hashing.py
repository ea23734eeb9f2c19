"""The stable hash, in this process and in others."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmetal.values import (
    Atom,
    Duration,
    ErrorValue,
    Instant,
    Regex,
    Volatile,
    char,
    hash_map,
    hash_of,
    keyword,
    lasting_hash,
    list_of,
    ratio,
    set_of,
    symbol,
    vector,
)
from flowmetal.values.hashing import _string_hashes

ROOT = Path(__file__).parents[2]

# Programs may have stored these: they never change.
PINNED = [
    (None, 0x00000000006E696C),
    (0, 0x0000000000000000),
    (1, 0x9E3779B9E17D05AC),
    (-1, 0x61C88646E17D05AD),
    (2**63, 0xF39CB2053F98E414),
    ("", 0xDE6ECFAAC38449E6),
    ("a", 0x1393410D2C03E5A4),
    (b"a", 0x7A6C1A99406B3FEE),
    (True, 0x0000000074727565),
    (False, 0x00000066616C7365),
    (1.5, 0x20C2CEE9E27E5CC4),
    (Decimal("1.50"), 0x9720158401E7E0A3),
    (ratio(1, 3), 0x4FC87AB5149E07F5),
    (keyword("ns/a"), 0x0CB5C70AB23C92F0),
    (symbol("ns/a"), 0xA8A298E38D06C076),
    (char("a"), 0x535F5E4FCF20E560),
    (Instant(1), 0x29CFF772C320E9CB),
    (Duration(1), 0x23B6A493E70CA1EF),
    (UUID(int=1), 0x06C5B6846FF4BA06),
    (Regex("a"), 0xEE4F03F13223CDC5),
    (vector(), 0x3514BD29FB70352B),
    (vector([1, "a"]), 0xE87746F767653A17),
    (set_of([1, "a"]), 0x349B20230F3D5DDF),
    (hash_map([(1, "a")]), 0x4DA24B4BD2E0CC0D),
    (ErrorValue(keyword("a"), "m"), 0xC24FF68902891D20),
]

PROGRAM = """
from flowmetal.values import *
from decimal import Decimal
big = hash_map((f"key{n}", n) for n in range(300)).dissoc("key7").assoc("new", keyword("x"))
members = set_of([keyword(f"k{n}") for n in range(100)] + [b"b", 1.5, Decimal(1), True, symbol("s")])
values = [
    big, members, vector([big, members]), hash_map([("a", 1), (b"a", 2), (keyword("a"), 3)]),
    "text", b"bytes", keyword("a/b"), symbol("a/b"), char("a"), 1.5, ratio(1, 3), Decimal("1.50"),
    Instant(5), Duration(5), 2**70, Secret("s"), Regex("a"), ErrorValue(keyword("a"), "m"),
]
for value in values:
    print(hash_of(value), encode_data(value).hex(), pr_str(value), json_dumps(value))
index = big.body.index
found = [big.get(f"key{n}") for n in range(300)]
def layout(node):
    if node is None: return None
    if hasattr(node, "slots"): return [layout(slot) for slot in node.slots]
    return list(node.entries.items())
print(layout(index), found)
"""


def output_under(seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_nothing_depends_on_pythons_hash_seed():
    first = output_under("0")
    assert len(first) > 10_000
    assert output_under("1") == first
    assert output_under("4242") == first


@pytest.mark.parametrize(("value", "pinned"), PINNED)
def test_hashes_never_change(value, pinned):
    assert hash_of(value) == pinned


@given(st.lists(st.integers(-(2**63), 2**63 - 1), unique=True))
def test_no_two_integers_of_64_bits_collide(numbers):
    assert len({hash_of(number) for number in numbers}) == len(numbers)


def test_things_that_look_alike_hash_apart():
    alike = ["a", char("a"), keyword("a"), symbol("a"), b"a", Regex("a"), 97, 97.0, Decimal(97)]
    alike += [ratio(97, 2), Instant(97), Duration(97), UUID(int=97), True, None, vector([97])]
    alike += [set_of([97]), hash_map([(97, 97)]), ErrorValue(keyword("a"), "a"), vector(["a"])]
    assert len({hash_of(value) for value in alike}) == len(alike)


def test_decimals_hash_by_value():
    for text in ("0", "0.0", "0E+5"):
        assert hash_of(Decimal(text)) == hash_of(Decimal(0))
    assert hash_of(Decimal("100")) == hash_of(Decimal("1E+2")) == hash_of(Decimal("100.00"))
    assert hash_of(Decimal("-1")) != hash_of(Decimal(1))


def test_order_counts_in_sequences_and_nowhere_else():
    assert hash_of(vector([1, 2])) != hash_of(vector([2, 1]))
    assert hash_of(vector([1, vector([2])])) != hash_of(vector([vector([1]), 2]))
    assert hash_of(set_of([1, 2])) == hash_of(set_of([2, 1]))
    assert hash_of(hash_map([(1, 2), (3, 4)])) == hash_of(hash_map([(3, 4), (1, 2)]))
    assert hash_of(hash_map([(1, 2), (3, 4)])) != hash_of(hash_map([(1, 4), (3, 2)]))


def test_a_hash_is_computed_once_and_dropped_by_a_change():
    made = vector([1, 2])
    assert made.cached_hash is None
    assert hash_of(made) == made.cached_hash
    assert made.conj(3).cached_hash is None
    assert list_of([1, 2]).cached_hash is None


def test_the_memory_of_string_hashes_is_bounded():
    for number in range(10_000):
        hash_of(f"string {number}")
    hash_of("x" * 1000)
    assert len(_string_hashes) <= 4096
    assert "x" * 1000 not in _string_hashes


def test_importing_values_imports_nothing_that_is_slow():
    code = "import sys, flowmetal.values; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    slow = {"decimal", "_decimal", "uuid", "datetime", "hashlib", "msgpack", "json", "fractions"}
    assert not slow & set(done.stdout.split())


def test_the_hash_that_a_program_sees_is_no_address() -> None:
    for first, second in (
        (Atom(1), Atom(2)),
        (vector([Atom(1), 2]), vector([Atom(1), 2])),
        (hash_map([("k", set_of([Volatile(1)]))]), hash_map([("k", set_of([Volatile(1)]))])),
        (hash_map([(vector([Atom(1)]), 1)]), hash_map([(vector([Atom(1)]), 1)])),
    ):
        assert hash_of(first) != hash_of(second)
        assert lasting_hash(first) == lasting_hash(second)
        assert lasting_hash(vector([first, 1])) == lasting_hash(vector([second, 1]))


def test_data_has_one_hash() -> None:
    for value in (1, "a", keyword("k"), vector([1, vector([2])]), hash_map([(vector([1]), 2)])):
        assert lasting_hash(value) == hash_of(value)


def test_the_lasting_hash_of_shared_parts_is_found_once() -> None:
    value = vector([Atom(1)])
    for _ in range(200):
        value = vector([value, value])
    assert lasting_hash(value) == lasting_hash(vector([value.nth(0), value.nth(1)]))
