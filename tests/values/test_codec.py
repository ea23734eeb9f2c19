"""Values as bytes."""

from __future__ import annotations

from decimal import Decimal

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flowmetal.source import Span
from flowmetal.values import (
    EMPTY_MAP,
    Atom,
    Cons,
    DataError,
    ErrorValue,
    FiberRef,
    LazySeq,
    Range,
    Reduced,
    Repeat,
    decode_data,
    encode_data,
    equal,
    hash_map,
    keyword,
    list_of,
    pr_str,
    ratio,
    set_of,
    symbol,
    vector,
)
from tests.values.strategies import WRAPS, data, lazy_over, nested

A = keyword("a")


@given(data)
def test_a_value_comes_back_equal_and_printed_the_same(value):
    again = decode_data(encode_data(value))
    assert equal(again, value)
    assert pr_str(again) == pr_str(value)


@given(data)
def test_the_bytes_of_what_came_back_are_the_same_bytes(value):
    written = encode_data(value)
    assert encode_data(decode_data(written)) == written
    assert encode_data(value, with_meta=True) == written


def test_an_integer_that_a_raised_limit_lets_a_run_have_comes_back():
    number = 1 << (1 << 24)
    assert decode_data(encode_data(number)) == number


def test_nan_comes_back():
    assert pr_str(decode_data(encode_data(float("nan")))) == "##NaN"


@pytest.mark.parametrize("size", [64, 65, 300])
def test_history_does_not_show_in_the_bytes(size):
    pairs = [(str(number), number) for number in range(size)]
    grown, members, items = EMPTY_MAP, set_of([]), vector()
    for key, value in pairs:
        grown, members, items = grown.assoc(key, value), members.conj(key), items.conj(value)
    grown = grown.assoc("x", 1).dissoc("x")
    for number in range(200):
        items = items.conj(number)
    for _ in range(200):
        items = items.pop()
    assert encode_data(grown) == encode_data(hash_map(pairs))
    assert encode_data(members) == encode_data(set_of(key for key, _ in pairs))
    assert encode_data(items) == encode_data(vector(range(size)))


def test_sequences_are_written_as_lists():
    same = encode_data(list_of([0, 1, 2]))
    for made in (Range(0, 3), lazy_over([0, 1, 2]), Cons(0, list_of([1, 2]))):
        assert encode_data(made) == same
    assert encode_data(vector([0, 1, 2])) != same


def test_what_msgpack_has_is_plain_msgpack():
    value = hash_map([("a", vector([1, None, True, 1.5, b"x"]))])
    assert msgpack.unpackb(encode_data(value)) == {"a": [1, None, True, 1.5, b"x"]}


def test_metadata_is_written_on_request():
    meta = hash_map([(A, 1)])
    made = vector([symbol("x").with_meta(meta), list_of([1]).with_meta(meta)]).with_meta(meta)
    plain = decode_data(encode_data(made))
    assert plain.meta is None
    assert plain.nth(0).meta is None
    full = decode_data(encode_data(made, with_meta=True))
    assert equal(full.meta, meta)
    assert equal(full.nth(0).meta, meta)
    assert equal(full.nth(1).meta, meta)
    assert equal(full, made)


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("depth", [200, 1000, *range(1018, 1028), 5_000])
def test_deep_values_come_back(wrap, depth):
    made = nested(depth, wrap)
    written = encode_data(made)
    again = decode_data(written)
    assert equal(again, made)
    assert encode_data(again) == written


def test_the_depth_from_which_a_table_is_written_is_fixed():
    # It follows from msgpack: a version with another limit would give deep values other bytes.
    assert encode_data(nested(1023)).startswith(b"\x91\x91")
    assert not encode_data(nested(1024)).startswith(b"\x91\x91")


def test_deep_values_keep_their_metadata_on_request():
    meta = hash_map([(A, 1)])
    made = vector([nested(2000), symbol("x").with_meta(meta)]).with_meta(meta)
    again = decode_data(encode_data(made, with_meta=True))
    assert equal(again, made)
    assert equal(again.meta, meta)
    assert equal(again.nth(1).meta, meta)


def test_an_error_keeps_all_its_parts():
    frames = (("demo/f", Span("a.flow", 1, 2, 3, 4)), ("demo/g", None))
    error = ErrorValue(A, "m", hash_map([(A, 1)]), ErrorValue(A, None), frames, False, "FM0301")
    for made in (error, decode_data(encode_data(vector([nested(2000), error]))).nth(1)):
        again = decode_data(encode_data(made))
        assert equal(again, error)
        assert (again.frames, again.code) == (frames, "FM0301")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Atom(1), "#atom[1] is not data"),
        (vector([1, hash_map([(A, Atom(1))])]), "#atom[1] is not data (at [1 :a])"),
        (hash_map([(Atom(1), 2)]), "#atom[1] is not data (at [#atom[1]])"),
        (set_of([FiberRef(1)]), "#flow/fiber 1 is not data (at [0])"),
        (vector([LazySeq(object())]), "an unrealised lazy sequence is not data (at [0])"),
        (Cons(1, LazySeq(object())), "an unrealised lazy sequence is not data (at [nil])"),
        (vector([Reduced(1)]), "#reduced[1] is not data (at [0])"),
        (object(), "a value of the Python type object is not data"),
        (
            ErrorValue(A, "m", hash_map([(A, object())])),
            "a value of the Python type object is not data (at [:data :a])",
        ),
        (Range(0, None), "a sequence of more than 1,000,000 elements is not data"),
        (Range(0, 10**12), "a sequence of more than 1,000,000 elements is not data"),
        (Repeat(None, 1), "a sequence of more than 1,000,000 elements is not data"),
    ],
)
def test_what_is_not_data_is_named_with_its_place(value, message):
    with pytest.raises(DataError) as caught:
        encode_data(value)
    assert caught.value.message == message
    assert caught.value.code == "FM0330"


def test_what_is_not_data_is_found_in_the_depth():
    made = Atom(1)
    for _ in range(2000):
        made = vector([made])
    with pytest.raises(DataError, match="is not data"):
        encode_data(made)


def test_a_sequence_that_contains_itself_is_not_data():
    ring = LazySeq(None)
    ring.value = Cons(1, ring)
    with pytest.raises(DataError):
        encode_data(ring)
    inside = LazySeq(None)
    inside.value = Cons(inside, None)
    with pytest.raises(DataError):
        encode_data(inside)


def packed(value):
    return msgpack.packb(value)


def ext(code, data=b""):
    return msgpack.ExtType(code, data)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\xc1",
        packed(1) + b"\x00",
        packed([1, 2])[:-1],
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xffa",
        b"\xa1\xff",
        packed({1: 2})[:-1] + b"\xc1",
        b"\x82\x01\x02\x01\x03",
        b"\x82\x91\x01\x02\x92" + packed(ext(32, b"l")) + b"\x01\x03",
        packed(ext(99)),
        packed(msgpack.Timestamp(1)),
        packed([msgpack.Timestamp(1)]),
        packed(ext(32, b"l")),
        packed([1, ext(32, b"l")]),
        packed([ext(32, b"?"), 1]),
        packed([ext(32, b"e"), 1, 1]),
        packed([ext(32, b"t"), 1]),
        packed([ext(32, b"t"), 1, 2]),
        packed([ext(32, b"m"), 1, 2]),
        packed([ext(32, b"x"), 1, 2, 3, 4, 5, 6, 7]),
        packed([ext(32, b"x")]),
        packed({ext(32, b"l"): 1}),
        packed([ext(33, b"\x00")]),
        packed(ext(33, b"\x00")),
        packed([ext(34, b"v"), 1]),
        packed([ext(32, b"f")]),
        packed([ext(32, b"f"), 1]),
        packed([ext(32, b"f"), [ext(34, b"v"), ext(33, b"\x00")]]),
        packed([ext(32, b"f"), [ext(34, b"v")], [ext(34, b"v")]]),
        packed(
            [ext(32, b"f"), [ext(34, b"v")], [ext(34, b"v"), ext(33, b"\x00"), ext(33, b"\x00")]]
        ),
        packed([ext(32, b"f"), [ext(34, b"M"), 1]]),
        packed([ext(32, b"f"), [ext(34, b"M"), 1, 2, 1, 3]]),
        packed(ext(1, b"\xff")),
        packed(ext(3, b"ab")),
        packed(ext(3, b"")),
        packed(ext(4, b"\x05")),
        packed(ext(4, b"")),
        packed(ext(5, b"2/4")),
        packed(ext(5, b"1/0")),
        packed(ext(5, b"1/1")),
        packed(ext(5, b"x/y")),
        packed(ext(5, b"+1/2")),
        packed(ext(6, b"1E")),
        packed(ext(6, b"zE0")),
        packed(ext(6, b"1E99999999999999999999")),
        packed(ext(6, b"1E+1")),
        packed(ext(6, b"1E3000000000")),
        packed(ext(7, b"\x00\x05")),
        packed(ext(9, b"short")),
        packed(ext(10, b"no slash")),
    ],
)
def test_damaged_bytes_are_refused(damaged):
    with pytest.raises(DataError) as caught:
        decode_data(damaged)
    assert caught.value.code == "FM0331"


EVERYTHING = encode_data(
    vector(
        [
            hash_map(
                [(A, vector([1, 2**70, -(2**70)])), (True, Decimal("1.50")), (1, ratio(1, 3))]
            ),
            set_of([list_of([1.5, "text", b"bytes"]), symbol("a/b")]),
            ErrorValue(A, "m", EMPTY_MAP, None, (("f", Span("a", 1, 2, 3, 4)),), True, "FM0301"),
        ]
    )
)


def test_every_flipped_bit_is_an_error_or_another_value():
    for at in range(len(EVERYTHING)):
        for bit in range(8):
            damaged = bytearray(EVERYTHING)
            damaged[at] ^= 1 << bit
            try:
                value = decode_data(bytes(damaged))
            except DataError:
                continue
            assert encode_data(decode_data(encode_data(value))) == encode_data(value)


def test_every_truncation_is_an_error():
    for length in range(len(EVERYTHING)):
        with pytest.raises(DataError):
            decode_data(EVERYTHING[:length])


@given(st.binary(max_size=60))
@example(b"\x91" * 2000 + b"\xc0")
@settings(max_examples=300)
def test_any_bytes_are_an_error_or_a_value(noise):
    try:
        value = decode_data(noise)
    except DataError:
        return
    assert encode_data(decode_data(encode_data(value))) == encode_data(value)
