"""Bytes are a snapshot that checks out, or a SnapshotError; never anything else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowmetal.errors import SnapshotError
from flowmetal.snapshot import decode, encode
from flowmetal.snapshot.chunks import chunk_name
from flowmetal.values import Atom, Cons, LazySeq, Value, hash_map, keyword, list_of, set_of, vector
from flowmetal.vm.link import Image
from flowmetal.vm.state import (
    Bindings,
    Define,
    Fiber,
    FiberStatus,
    Finish,
    Frame,
    Machine,
    Pending,
    Retry,
)
from tests.snapshot.machines import (
    ASK,
    FUNCTIONS,
    STEP,
    closure,
    fetch,
    frame,
    image,
    machine,
    program,
)

IMAGE = image()


def sample() -> Machine:
    atom = Atom(None)
    atom.value = list_of([1, atom])
    lazy = LazySeq(None, Cons(1, LazySeq(closure(IMAGE, 1, 2))))
    made = machine(
        atom, lazy, hash_map([(vector([1]), set_of([1.5, "a"]))]), closure(IMAGE, atom, lazy), 1 << 70,
        hash_map([(index, "x" * 30) for index in range(70)]), image_=IMAGE,
    )  # fmt: skip
    made.fibers[1].bindings = Bindings({"user/*x*": atom}, None)
    return made


ENCODED = encode(sample())
DATA = ENCODED.data
HEAD = 14


def read(data: bytes) -> Machine:
    return decode(data, IMAGE, fetch(ENCODED.chunks))


def sealed(body: bytes) -> bytes:
    return DATA[:6] + hashlib.sha256(body).digest()[:8] + body


def code_of(data: bytes, image_: Image = IMAGE, chunks: dict[str, bytes] | None = None) -> str:
    with pytest.raises(SnapshotError) as caught:
        decode(data, image_, fetch(ENCODED.chunks if chunks is None else chunks))
    return caught.value.code


def test_every_truncated_length_is_refused() -> None:
    for length in range(len(DATA)):
        assert code_of(DATA[:length]) == "FM0910"


def test_every_flipped_bit_is_refused() -> None:
    for bit in range(len(DATA) * 8):
        flipped = bytearray(DATA)
        flipped[bit // 8] ^= 1 << bit % 8
        assert code_of(bytes(flipped)) in ("FM0910", "FM0903")


def test_a_newer_version_says_so() -> None:
    assert code_of(DATA[:4] + b"\0\3" + DATA[6:]) == "FM0903"


def test_unknown_code_names_the_function_and_what_to_do() -> None:
    # A program that has every function but the one that the run is in.
    other = Image(program([each for each in FUNCTIONS if each is not ASK]), IMAGE.natives)
    with pytest.raises(SnapshotError, match="user/ask") as caught:
        decode(DATA, other, fetch(ENCODED.chunks), upgrade=True)
    assert caught.value.code == "FM0907"
    assert "upgrade" in caught.value.diagnostics[0].help[0]


def test_another_program_is_refused_unless_asked_for() -> None:
    other = Image(program(tuple(reversed(FUNCTIONS))), IMAGE.natives)
    assert code_of(DATA, other) == "FM0906"
    decode(DATA, other, fetch(ENCODED.chunks), upgrade=True)


def test_a_native_function_that_is_gone_is_named() -> None:
    data = encode(machine(IMAGE.static["flow.core/inc"], image_=IMAGE)).data
    natives = IMAGE.natives
    IMAGE.natives = {}
    try:
        assert code_of(data) == "FM0908"
    finally:
        IMAGE.natives = natives


def test_a_missing_or_damaged_chunk_is_refused() -> None:
    assert code_of(DATA, chunks={}) == "FM0909"
    name = next(iter(ENCODED.chunks))
    damaged = {**ENCODED.chunks, name: ENCODED.chunks[name] + b"\xc0"}
    assert code_of(DATA, chunks=damaged) == "FM0909"


def in_chunk(body: bytes) -> str:
    """The code for a machine with a big map whose root is this chunk."""
    made = machine(hash_map([(index, index) for index in range(70)]), image_=IMAGE)
    encoded = encode(made)
    name = next(each for each in encoded.chunks if bytes.fromhex(each) in encoded.data)
    crafted = chunk_name(body)
    data = sealed(encoded.data[HEAD:].replace(bytes.fromhex(name), crafted))
    return code_of(data, chunks={**encoded.chunks, crafted.hex(): body})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"X",
        b"N",
        b"N\xc1",
        b"Tx",
        b"T\xff",
        b"Bx",
        b"N" + msgpack.packb([10]),
        b"N" + msgpack.packb([10, 1]),
        b"N" + msgpack.packb([10] + [[1, 2]] * 17),
        b"N" + msgpack.packb([1, 1]),
        b"N" + msgpack.packb([10, msgpack.ExtType(4, b"\0")]),
        b"N" + msgpack.packb([10, msgpack.ExtType(4, b"\7")]),
        b"N" + msgpack.packb([10, [1, msgpack.ExtType(6, b"\0")]]),
        b"N"
        + msgpack.packb([10, [1, msgpack.ExtType(4, b"\1")]])
        + msgpack.packb([21, 1, None, msgpack.ExtType(12, b"m")]),
    ],
)
def test_a_hostile_chunk_is_refused(body: bytes) -> None:
    assert in_chunk(body) == "FM0910"


def frames_of(change: Callable[[Machine, Fiber, list[Frame]], object]) -> str:
    """Change a machine into one that cannot be, and try to read what was saved of it."""
    made = sample()
    change(made, made.fibers[1], made.fibers[1].frames)
    encoded = encode(made)
    return code_of(encoded.data, chunks={**ENCODED.chunks, **encoded.chunks})


def set_(name: str, value: Value) -> Callable[[Machine, Fiber, list[Frame]], object]:
    return lambda made, fiber, frames: setattr(fiber, name, value)


@pytest.mark.parametrize(
    "change",
    [
        lambda made, fiber, frames: setattr(frames[2], "pc", 9),
        lambda made, fiber, frames: setattr(frames[2], "pc", 0),
        lambda made, fiber, frames: setattr(frames[1], "pc", 3),
        lambda made, fiber, frames: frames[2].stack.append(1),
        lambda made, fiber, frames: frames[1].stack.pop(),
        lambda made, fiber, frames: frames[2].stack.clear(),
        lambda made, fiber, frames: setattr(frames[0], "then", None),
        lambda made, fiber, frames: setattr(frames[1], "then", Finish()),
        lambda made, fiber, frames: setattr(frames[1], "then", Define("user/x")),
        lambda made, fiber, frames: setattr(frames[1], "then", Retry([])),
        lambda made, fiber, frames: frames.clear(),
        lambda made, fiber, frames: frames.pop(),
        lambda made, fiber, frames: frames.append(frame(IMAGE, STEP, 0, [])),
        lambda made, fiber, frames: frames[1].stack.__setitem__(0, Bindings({}, None)),
        lambda made, fiber, frames: frames[1].stack.__setitem__(0, Pending(None, 0, 0)),
        set_("status", FiberStatus.READY),
        set_("status", FiberStatus.FAILED),
        set_("status", FiberStatus.DONE),
        set_("waiting_for", 2),
        set_("waiting_for", None),
        lambda made, fiber, frames: made.open.clear(),
        lambda made, fiber, frames: made.fibers.clear(),
        lambda made, fiber, frames: made.ready.append(1),
        lambda made, fiber, frames: made.ready.append(7),
        lambda made, fiber, frames: setattr(made, "started", 9),
        lambda made, fiber, frames: setattr(made, "next_fiber", 1),
        lambda made, fiber, frames: setattr(made, "next_effect", 1),
        lambda made, fiber, frames: setattr(made, "random", -1),
        lambda made, fiber, frames: setattr(made, "quantum_left", 1 << 40),
        lambda made, fiber, frames: made.globals["user/v3"].captured.pop(),
        lambda made, fiber, frames: made.globals["user/v0"].__setattr__("watches", 1),
        lambda made, fiber, frames: made.globals["user/v0"].__setattr__("meta", 1),
    ],
)  # fmt: skip
def test_a_machine_that_cannot_be_is_refused(
    change: Callable[[Machine, Fiber, list[Frame]], object],
) -> None:
    assert frames_of(change) == "FM0910"


def accepted_or_refused(data: bytes) -> None:
    try:
        found = read(data)
    except SnapshotError:
        return
    encode(found)


@settings(max_examples=1000)
@given(st.integers(0, len(DATA) - HEAD - 1), st.binary(min_size=1, max_size=3))
def test_changed_bytes_under_a_right_checksum_are_refused_or_a_machine(at: int, new: bytes) -> None:
    body = DATA[HEAD:]
    accepted_or_refused(sealed(body[:at] + new + body[at + len(new) :]))


@settings(max_examples=300)
@given(st.data())
def test_changed_fields_under_a_right_checksum_are_refused_or_a_machine(
    data: st.DataObject,
) -> None:
    unpacker = msgpack.Unpacker(None, strict_map_key=False)
    unpacker.feed(DATA[HEAD:])
    parts = list(unpacker)
    where = data.draw(st.sampled_from([part for part in parts if part]))
    for _ in range(3):
        at = data.draw(st.integers(0, len(where) - 1))
        if type(where[at]) is list and where[at] and data.draw(st.booleans()):
            where = where[at]
        else:
            where[at] = data.draw(FIELDS)
            break
    accepted_or_refused(sealed(b"".join(msgpack.packb(part) for part in parts)))


FIELDS = (
    st.none()
    | st.booleans()
    | st.integers(-2, (1 << 64) - 1)
    | st.integers(-1, 30)
    | st.text(max_size=3)
    | st.binary(max_size=17)
    | st.floats()
    | st.lists(st.integers(-1, 5), max_size=5)
    | st.builds(msgpack.ExtType, st.integers(0, 14), st.binary(max_size=2))
    | st.builds(msgpack.ExtType, st.integers(9, 11), st.binary(min_size=16, max_size=16))
)


@settings(max_examples=200)
@given(
    st.lists(
        st.recursive(FIELDS, lambda inner: st.lists(inner, max_size=5), max_leaves=10), max_size=6
    )
)
def test_any_bytes_under_a_right_checksum_are_refused(parts: list[Value]) -> None:
    body = b"".join(msgpack.packb(part) for part in parts)
    assert code_of(sealed(body)).startswith("FM09")


@pytest.mark.parametrize(
    "body", [b"", b"\x91" * 100_000, b"\xdd\xff\xff\xff\xff", b"\xc1", b"\xd7\xff" + b"\0" * 8]
)
def test_hostile_msgpack_is_refused(body: bytes) -> None:
    assert code_of(sealed(body)) == "FM0910"


def test_a_map_that_is_its_own_key_is_refused() -> None:
    made = machine(hash_map([(hash_map([("marker", 1)]), 2)]), image_=IMAGE)
    data = encode(made).data
    body = data[HEAD:]
    inner = msgpack.packb([5, "marker", 1])
    at = body.index(inner)
    number = next(
        n for n in range(8) if msgpack.packb([5, msgpack.ExtType(4, bytes([n])), 2]) in body
    )
    crafted = (
        body[:at]
        + msgpack.packb([5, msgpack.ExtType(4, bytes([number])), 1])
        + body[at + len(inner) :]
    )
    assert code_of(sealed(crafted)) == "FM0910"


def test_keywords_and_texts_of_any_kind_survive() -> None:
    odd = ["", "\0", "a\0b", "é", "\U0001f600", "\udfff"]
    made = machine(*odd, *[keyword(text) for text in odd if text], image_=IMAGE)
    back = decode(encode(made).data, IMAGE, fetch({}))
    assert [back.globals[f"user/v{index}"] for index in range(6)] == odd
