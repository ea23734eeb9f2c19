"""A file is the program that was written, or a ProgramError."""

from __future__ import annotations

import hashlib
import struct
from contextlib import suppress
from dataclasses import replace

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowmetal.bytecode.code import Definition, DefinitionKind, Function, Module, Program
from flowmetal.bytecode.file import read_modules, read_program, write_modules, write_program
from flowmetal.errors import ProgramError
from flowmetal.values import Value
from tests.bytecode.samples import INNER, F, Op, program, simple

DATA = write_program(program())
HEAD = 52


def sealed(content: bytes, version: int = 1, kind: int = 1) -> bytes:
    middle = struct.pack(">HBBQ", version, kind, 0, len(content))
    return DATA[:8] + middle + hashlib.sha256(middle + content).digest() + content


def changed(change: object) -> bytes:
    """The sample's content, changed as nested lists, under a right checksum."""
    content = msgpack.unpackb(DATA[HEAD:], strict_map_key=False)
    change(content)  # type: ignore[operator]
    return sealed(msgpack.packb(content))


def code_of(data: bytes) -> str:
    with pytest.raises(ProgramError) as caught:
        read_program(data)
    return caught.value.code


def look_at_all(found: Program) -> None:
    """Unpack what a decoder leaves for later."""
    for module in found.modules:
        for definition in module.definitions:
            repr(definition)
        for function in module.functions:
            repr(function)


def test_a_program_comes_back_as_it_was() -> None:
    back = read_program(DATA)
    assert back == program()
    assert back.hash == program().hash == DATA[20:52].hex()
    assert write_program(back) == DATA


def test_a_program_read_without_verifying_is_the_same() -> None:
    assert read_program(DATA, verify=False) == program()


def test_modules_come_back_as_they_were() -> None:
    assert read_modules(write_modules(program().modules)) == program().modules


def test_positions_and_names_have_no_part_in_the_hash() -> None:
    moved = replace(
        F,
        path="else.flow",
        bodies=tuple(replace(b, positions=(), local_names=()) for b in F.bodies),
    )
    assert moved.hash == F.hash
    assert replace(F, name="user/h").hash != F.hash


def test_every_truncated_length_is_refused() -> None:
    for length in range(len(DATA)):
        with pytest.raises(ProgramError):
            read_program(DATA[:length])


def test_every_flipped_bit_is_refused() -> None:
    for bit in range(len(DATA) * 8):
        flipped = bytearray(DATA)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ProgramError):
            read_program(bytes(flipped))


def test_something_behind_the_program_is_refused() -> None:
    assert code_of(DATA + b"\0") == "FM0803"


def test_other_files_are_recognised() -> None:
    assert code_of(b"(ns user)") == "FM0801"
    assert code_of(b"") == "FM0801"
    assert code_of(write_modules(program().modules)) == "FM0813"


def test_a_newer_version_says_so_and_what_to_do() -> None:
    with pytest.raises(ProgramError, match="format 2") as caught:
        read_program(sealed(DATA[HEAD:], version=2))
    assert caught.value.code == "FM0802"
    assert "upgrade" in caught.value.diagnostics[0].help[0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\x81" * 5_000 + b"\xc0",
        msgpack.packb(["user", [], [], 1]),
        msgpack.packb({"entry": "user"}),
        msgpack.packb(["user", ["b", "a"], []]),
        msgpack.packb(["user", [], [None]]),
        DATA[HEAD:] + b"\xc0",
    ],
)
def test_hostile_content_is_refused(content: bytes) -> None:
    with pytest.raises(ProgramError):
        read_program(sealed(content))


def test_a_function_whose_code_has_another_hash_is_refused() -> None:
    def change(content: Value) -> None:
        content[2][0][9][0][0] = bytes(16)

    assert code_of(changed(change)) == "FM0806"


def test_two_modules_of_one_name_are_refused() -> None:
    assert code_of(changed(lambda content: content[2].append(content[2][0]))) == "FM0807"


def test_a_function_that_is_in_twice_is_refused() -> None:
    def change(content: Value) -> None:
        content[2][0][9].append(content[2][0][9][0])

    assert code_of(changed(change)) == "FM0807"


def test_a_var_that_is_fixed_twice_is_refused() -> None:
    def change(content: Value) -> None:
        content[2][0][8].append(content[2][0][8][1])

    assert code_of(changed(change)) == "FM0807"


def test_an_entry_that_is_not_there_is_refused() -> None:
    assert code_of(write_program(replace(program(), entry="other"))) == "FM0812"


def with_definition(definition: Definition, *functions: Function) -> bytes:
    return write_program(Program("user", (Module("user", (), (definition,), functions),)))


def test_definitions_need_code_that_can_be_called() -> None:
    kind = DefinitionKind.FUNCTION
    assert code_of(with_definition(Definition("user/f", kind, F.hash))) == "FM0806"
    assert code_of(with_definition(Definition("user/f", kind, INNER.hash), INNER)) == "FM0805"
    assert code_of(with_definition(Definition("user/f", kind))) == "FM0805"
    assert code_of(with_definition(Definition("", kind, F.hash), F, INNER)) == "FM0805"


def test_a_nested_function_that_is_missing_is_refused() -> None:
    assert (
        code_of(with_definition(Definition("user/f", DefinitionKind.FUNCTION, F.hash), F))
        == "FM0806"
    )


def test_an_unknown_instruction_is_refused() -> None:
    code = msgpack.packb(["user/f", 0, [], b"", [], [[0, False, 0, b"\xee", [0], [], []]]])
    hash = hashlib.sha256(code).digest()[:16]

    def change(content: Value) -> None:
        content[2][0][9].append([hash, code, msgpack.packb(["", [], [[[], [[], [], [], [], []]]]])])

    assert code_of(changed(change)) == "FM0808"


def test_functions_are_verified() -> None:
    bad = simple((Op.POP, 0), (Op.RETURN, 0))
    definition = Definition("user/f", DefinitionKind.FUNCTION, bad.hash)
    assert code_of(with_definition(definition, bad)) == "FM0810"


def fuzz(content: bytes) -> None:
    """Content under a right checksum is refused, or is a program in every part."""
    for read in (read_program, lambda data: read_program(data, verify=False)):
        with suppress(ProgramError):
            look_at_all(read(sealed(content)))


@settings(max_examples=300)
@given(st.integers(0, len(DATA) - HEAD - 1), st.binary(min_size=1, max_size=4))
def test_changed_bytes_under_a_right_checksum_are_refused_or_verified(at: int, new: bytes) -> None:
    content = DATA[HEAD:]
    fuzz(content[:at] + new + content[at + len(new) :])


def rehash(content: Value) -> None:
    """Give all functions the hash of their code."""
    for module in content[2]:
        for function in module[9]:
            function[0] = hashlib.sha256(function[1]).digest()[:16]


@settings(max_examples=500)
@given(st.integers(0, 1), st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_changed_code_under_a_right_hash_is_refused_or_verified(
    which: int, at: int, new: bytes
) -> None:
    def change(content: Value) -> None:
        function = content[2][0][9][which]
        code = function[1]
        place = at % len(code)
        function[1] = code[:place] + new + code[place + len(new) :]
        old = {each[0]: each for each in content[2][0][9]}
        rehash(content)
        for definition in content[2][0][8]:
            if definition[2] in old:
                definition[2] = old[definition[2]][0]

    fuzz(changed(change)[HEAD:])


@settings(max_examples=200)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-1, 70)
        | st.binary(max_size=4)
        | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=10),
        max_leaves=30,
    )
)
def test_any_content_under_a_right_checksum_is_refused_or_verified(content: Value) -> None:
    fuzz(msgpack.packb(["user", [], [content]]))
    fuzz(msgpack.packb(content))


def test_a_native_function_that_this_version_does_not_have_is_named() -> None:
    from flowmetal.vm.link import Image

    native = Definition("user/n", DefinitionKind.NATIVE, None, "flow.core/gone")
    with pytest.raises(ProgramError, match="flow.core/gone") as caught:
        Image(read_program(with_definition(native)), {})
    assert caught.value.code == "FM0820"
