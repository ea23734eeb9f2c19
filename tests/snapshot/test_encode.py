"""What goes into a snapshot comes out of it: values, sharing, cycles, size."""

from __future__ import annotations

import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from flowmetal.snapshot import encode, references
from flowmetal.snapshot.format import Kind
from flowmetal.snapshot.objects import CHUNK_KINDS
from flowmetal.values import (
    EMPTY_LIST,
    EMPTY_MAP,
    Atom,
    Cons,
    Delay,
    Duration,
    ErrorValue,
    IndexedSeq,
    Instant,
    LazySeq,
    MapEntry,
    Range,
    Reduced,
    Regex,
    Repeat,
    RunRef,
    Secret,
    TaggedLiteral,
    Value,
    VarRef,
    Vector,
    Volatile,
    char,
    equal,
    hash_map,
    keyword,
    list_of,
    ratio,
    seq,
    set_of,
    symbol,
    vector,
)
from flowmetal.vm.state import Bindings, Closure, FiberStatus, Finish
from tests.snapshot.machines import STEP, closure, frame, image, machine, restored, trip

A_META = hash_map([(keyword("a"), 1)])
BIG_MAP = hash_map([(index, vector([index, str(index)])) for index in range(1000)])

SCALARS: list[Value] = [
    None,
    True,
    False,
    -1,
    (1 << 64) - 1,
    1 << 64,
    -(1 << 63) - 1,
    1 << 5000,
    1.5,
    float("inf"),
    -0.0,
    "x",
    "x" * 2000,
    b"abc",
    b"a" * 2000,
    "\ud800",
    "\ud800" * 2000,
    keyword("a/b"),
    symbol("a/b"),
    Decimal("1.50"),
    uuid.UUID(int=5),
    char("a"),
    ratio(1, 3),
    Instant(-5),
    Duration(1 << 70),
    Secret("s"),
    Regex("a+", "i"),
    RunRef("r"),
    VarRef("user/x"),
]

COLLECTIONS: list[Value] = [
    vector([]),
    vector([1, vector([2])]),
    EMPTY_LIST,
    EMPTY_MAP,
    EMPTY_LIST.with_meta(A_META),
    list_of([1, 2, 3]),
    list_of([1, 2, 3]).with_meta(A_META),
    Cons(1, list_of([2])),
    set_of([1, "a"]),
    set_of(range(200)),
    hash_map([(1.5, 1), (True, 2), (b"x", 3), (Decimal("1.5"), 4), (1, 5)]),
    hash_map([(hash_map([(hash_map([(1, 2)]), 3)]), 4)]),
    hash_map([(vector([set_of([1])]), 1)]),
    BIG_MAP,
    BIG_MAP.dissoc(500).with_meta(A_META),
    vector(range(1000)).with_meta(A_META),
    vector([0] * 1000),
    vector(range(1000)).subvec(10, 900),
    vector(range(1000)).subvec(7, 100).conj(1),
    MapEntry(1, 2),
    Range(0, 10),
    Range(0, 10, ratio(1, 2)),
    Repeat(3, "x"),
    IndexedSeq(vector([1, 2]), 1),
    seq(BIG_MAP),
    seq("abc"),
    seq(hash_map([(1, 2)])),
    seq(set_of(range(100))),
    TaggedLiteral(symbol("x"), vector([1])),
    symbol("q").with_meta(A_META),
    ErrorValue(
        keyword("x"), "m", cause=ErrorValue(keyword("y"), "z" * 3000), frames=(("a", None),)
    ),
    LazySeq(None, Cons(1, LazySeq(None, Cons(2, LazySeq(None, None))))),
]


@pytest.mark.parametrize("value", SCALARS + COLLECTIONS, ids=lambda value: type(value).__name__)
def test_a_value_comes_back_as_it_was(value: Value) -> None:
    (back,) = trip(value)
    assert type(back) is type(value)
    assert equal(back, value)
    assert getattr(back, "meta", None) == getattr(value, "meta", None)


def test_maps_keep_their_order() -> None:
    keys = [f"k{(index * 7919) % 1000}" for index in range(1000)]
    small, big = trip(
        hash_map([(key, 1) for key in keys[:50]]), hash_map([(key, 1) for key in keys])
    )
    assert list(small.keys()) == keys[:50]
    assert list(big.keys()) == keys


def test_an_error_keeps_its_frames() -> None:
    error = COLLECTIONS[-2]
    (back,) = trip(error)
    assert back.frames == error.frames
    assert back.cause.message == "z" * 3000


def test_shared_collections_stay_shared() -> None:
    shared = vector([1])
    one, other, same = trip(vector([shared]), list_of([shared]), shared)
    assert one.nth(0) is same
    assert other.first is same


def test_equal_collections_that_were_two_stay_two() -> None:
    one, other = trip(vector([1]), vector([1]))
    assert one is not other


def test_cells_inside_of_a_list_keep_their_identity() -> None:
    whole = list_of(range(10))
    lazy = LazySeq(None, Cons(1, LazySeq(None, Cons(2, None))))
    values = trip(whole, whole.rest.rest, lazy, lazy.value, lazy.value.rest)
    assert values[0].rest.rest is values[1]
    assert values[1].count == 8
    assert values[2].value is values[3]
    assert values[3].rest is values[4]


def test_a_tail_met_before_its_list_is_shared_too() -> None:
    whole = list_of(range(10))
    tail, again = trip(whole.rest.rest, whole)
    assert again.rest.rest is tail


def test_an_atom_may_hold_itself() -> None:
    atom = Atom(None, A_META)
    atom.value = vector([atom])
    (back,) = trip(atom)
    assert back.value.nth(0) is back
    assert back.meta == A_META


def test_a_lazy_sequence_may_be_circular() -> None:
    circle = LazySeq(None)
    circle.value = Cons(1, circle)
    (back,) = trip(circle)
    assert back.value.rest is back


def test_functions_of_letfn_may_refer_to_each_other() -> None:
    own = image()
    one = closure(own, None, 1)
    other = closure(own, one, 2)
    one.captured[0] = other
    made = machine(one, other, image_=own)
    back = restored(encode(made))
    assert back.globals["user/v0"].captured[0] is back.globals["user/v1"]
    assert back.globals["user/v1"].captured == [back.globals["user/v0"], 2]


def test_functions_with_metadata_keep_it() -> None:
    own = image()
    plain = own.functions[STEP.hash].plain
    back = restored(
        encode(machine(closure(own, 1, 2).with_meta(A_META), plain.with_meta(A_META), image_=own))
    )
    assert back.globals["user/v0"].meta == A_META
    assert back.globals["user/v1"].meta == A_META


def test_what_the_program_fixes_is_the_program_s_own() -> None:
    own = image()
    literal = own.functions[STEP.hash]
    config = own.static["user/config"]
    made = machine(
        own.static["user/step"], own.static["flow.core/inc"], config, config.nth(1), image_=own
    )
    back = restored(encode(made))
    assert literal.plain is not back.globals["user/v0"]
    for index, name in enumerate(["user/step", "flow.core/inc", "user/config"]):
        assert back.globals[f"user/v{index}"] is back.image.static[name]
    assert back.globals["user/v3"] is back.image.static["user/config"].nth(1)


def test_a_literal_of_a_function_is_the_same_object_afterwards() -> None:
    made = machine()
    ask = made.fibers[1].frames[-1]
    ask.stack[4] = ask.body.owner.function.constants[1]
    back = restored(encode(made)).fibers[1].frames[-1]
    assert back.stack[4] is back.body.owner.function.constants[1]


def test_other_cells_and_thunks_come_back() -> None:
    own = image()
    thunk = closure(own, 1, 2)
    made = machine(
        Volatile(3), Delay(thunk), Delay(None, 5, True), Reduced(4), LazySeq(thunk), image_=own
    )
    back = restored(encode(made))
    values = [back.globals[f"user/v{index}"] for index in range(5)]
    assert values[0].value == 3
    assert values[1].thunk is values[4].thunk
    assert (values[2].value, values[2].realised) == (5, True)
    assert values[3].value == 4
    assert isinstance(values[4].thunk, Closure)


def test_bindings_come_back_shared() -> None:
    made = machine()
    outer = Bindings({"user/*a*": 1}, None)
    made.fibers[1].bindings = Bindings({"user/*b*": vector([1]), "user/*c*": None}, outer)
    back = restored(encode(made)).fibers[1].bindings
    assert back is not None
    assert back.outer is not None
    assert (list(back.values), back.outer.values) == (["user/*b*", "user/*c*"], {"user/*a*": 1})


def test_the_counters_of_the_machine_come_back() -> None:
    made = machine()
    made.fuel_used, made.quantum_left, made.next_gensym, made.generation = 10**12, 5, 9, 3
    made.cancelled = "enough"
    back = restored(encode(made))
    for name in ("run", "entry", "arguments", "generation", "status", "started", "next_effect",
                 "next_fiber", "next_gensym", "random", "fuel_used", "quantum_left", "cancelled"):  # fmt: skip
        assert getattr(back, name) == getattr(made, name)
    assert back.open[1].request == made.open[1].request
    assert back.fibers[1].status is FiberStatus.WAITING
    assert isinstance(back.fibers[1].frames[0].then, Finish)


def test_three_frames_and_twenty_values_take_less_than_400_bytes() -> None:
    made = machine(*range(6))
    assert len(encode(made).data) < 400


def test_one_changed_key_of_a_big_map_costs_about_a_kilobyte() -> None:
    big = hash_map([(index, str(index)) for index in range(100_000)])
    made = machine(big)
    first = encode(made)
    made.globals["user/v0"] = big.assoc(50_000, "changed")
    second = encode(made)
    assert sum(map(len, second.chunks.values())) + len(second.data) < 2500
    assert len(second.chunks) < 8
    back = restored(second, {**first.chunks, **second.chunks})
    assert equal(back.globals["user/v0"], made.globals["user/v0"])


def test_an_unchanged_map_adds_no_chunks() -> None:
    made = machine(BIG_MAP)
    assert encode(made).chunks
    assert encode(made).chunks == {}


def test_another_machine_writes_the_chunks_of_a_shared_map_again() -> None:
    first = encode(machine(BIG_MAP))
    assert encode(machine(BIG_MAP)).chunks == first.chunks


def test_a_big_map_of_cells_is_no_chunk_and_keeps_them() -> None:
    atom = Atom(1)
    one, cell = trip(hash_map([(index, atom) for index in range(100)]), atom)
    assert one.get(50) is cell


def test_a_collection_that_two_big_ones_share_is_itself_if_it_equals_nothing_else() -> None:
    odd = vector([float("nan"), vector([1])])
    one, other = (
        hash_map([(index, (odd, size)[index != 70]) for index in range(size)])
        for size in (100, 200)
    )
    one, other = trip(one, other)
    assert equal(one.get(70), other.get(70))


@pytest.mark.parametrize(
    "odd",
    [
        set_of([float("nan")]),
        hash_map([(float("nan"), 1)]),
        set_of([float("nan"), *range(100)]),
        vector([float("nan"), *range(100)]),
        vector([float("nan"), *range(5000)]),
        hash_map([*((index, index) for index in range(5000)), (float("nan"), 1)]),
        Reduced(1),
        vector([Reduced(1)]),
    ],
    ids=["set", "map", "big set", "big vector", "deep vector", "big map", "reduced", "inner"],
)
def test_what_equals_itself_alone_is_itself_in_a_big_collection_too(odd: Value) -> None:
    assert not equal(odd, trip(odd)[0])
    kept, big = trip(odd, vector([odd, *range(100)]))
    assert equal(kept, big[0])


def test_a_chunk_with_reduced_values_of_before_can_be_read() -> None:
    assert Kind.REDUCED in CHUNK_KINDS


def test_references_names_what_a_store_must_keep() -> None:
    encoded = encode(machine(BIG_MAP, "x" * 5000))
    reached: set[str] = set()
    waiting = list(references(encoded.data))
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting += [each for each in references(encoded.chunks[name]) if each not in reached]
    assert reached == set(encoded.chunks)


def deep(kind: str, depth: int) -> Value:
    made: Value = None
    for index in range(depth):
        if kind == "cons":
            made = Cons(index, made)
        elif kind == "lazy":
            made = LazySeq(None, Cons(index, made))
        elif kind == "atom":
            made = Atom(made)
        elif kind == "vector":
            made = vector([made])
        elif kind == "big":
            made = vector([made, *range(70)])
        else:
            made = ErrorValue(keyword("x"), "m", cause=made)
    return made


@pytest.mark.parametrize(
    ("kind", "depth"),
    [
        ("cons", 200_000),
        ("lazy", 50_000),
        ("atom", 20_000),
        ("vector", 20_000),
        ("big", 500),
        ("error", 20_000),
    ],
)
def test_depth_is_no_limit(kind: str, depth: int) -> None:
    trip(deep(kind, depth))


def test_a_deep_stack_comes_back() -> None:
    made = machine()
    frames = made.fibers[1].frames
    frames[1:1] = [frame(made.image, STEP, 4, [index]) for index in range(20_000)]
    encoded = encode(made)
    back = restored(encoded)
    assert len(back.fibers[1].frames) == 20_003
    assert encode(back).data == encoded.data


def test_another_process_with_another_hash_seed_writes_the_same_bytes() -> None:
    script = (
        "from tests.snapshot.test_encode import *\n"
        "e = encode(machine(*[v for v in SCALARS + COLLECTIONS]))\n"
        "print(e.data.hex(), sorted(e.chunks))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(outputs) == 1


def test_vectors_of_any_history_are_vectors_afterwards() -> None:
    grown = Vector()
    for index in range(300):
        grown = grown.conj(index)
    for _ in range(150):
        grown = grown.pop()
    (back,) = trip(grown)
    assert list(back.conj(1).assoc(3, "x")) == [0, 1, 2, "x", *range(4, 150), 1]


def test_threads_may_encode_machines_at_the_same_time() -> None:
    machines = [
        machine(vector([vector([index, at]) for at in range(60)] * 50)) for index in range(8)
    ]
    wanted = [encode(each).data for each in machines]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert list(pool.map(lambda each: encode(each).data, machines)) == wanted
