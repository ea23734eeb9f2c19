"""What is said of a file that is no program, and of a snapshot that no machine can go on from: FM08xx, FM09xx."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import msgpack
import pytest

import flowmetal
from flowmetal.bytecode.assembler import assemble
from flowmetal.bytecode.code import Definition, DefinitionKind, Function, Module, Program
from flowmetal.bytecode.file import write_modules, write_program
from flowmetal.reader import read_string
from flowmetal.snapshot import decode, encode
from flowmetal.vm.link import Image
from tests.bytecode.samples import Op, program, simple
from tests.house.sessions import compare, said_of, shown_by
from tests.shell import Shell
from tests.snapshot import machines

DATA = write_program(program())
HEAD = 52


def sealed(content: bytes, version: int = 1) -> bytes:
    """Return a file whose checksum is right, whatever is in it."""
    middle = struct.pack(">HBBQ", version, 1, 0, len(content))
    return DATA[:8] + middle + hashlib.sha256(middle + content).digest() + content


def changed(change: Callable[[Any], object]) -> bytes:
    content = msgpack.unpackb(DATA[HEAD:], strict_map_key=False)
    change(content)
    return sealed(msgpack.packb(content))


def of_another_hash(content: Any) -> None:
    content[2][0][9][0][0] = bytes(16)


def of_an_unknown_instruction(content: Any) -> None:
    code = msgpack.packb(["user/f", 0, [], b"", [], [[0, False, 0, b"\xee", [0], [], []]]])
    rest = msgpack.packb(["", [], [[[], [[], [], [], [], []]]]])
    content[2][0][9].append([hashlib.sha256(code).digest()[:16], code, rest])


def with_function(function: Function) -> bytes:
    definition = Definition("user/f", DefinitionKind.FUNCTION, function.hash)
    return write_program(Program("user", (Module("user", (), (definition,), (function,)),)))


def with_a_native() -> bytes:
    native = Definition("user/n", DefinitionKind.NATIVE, None, "flow.core/gone")
    main = simple((Op.CONST, 0), (Op.RETURN, 0), constants=[None])
    start = Definition("user/main", DefinitionKind.FUNCTION, main.hash)
    module = Module("user", (), (native, start), (main,))
    return write_program(Program("user", (module,)))


CONST, RETURN = (Op.CONST, 0), (Op.RETURN, 0)
PROGRAMS = {
    "FM0801": b"(ns shop)\n",
    "FM0802": sealed(DATA[HEAD:], version=2),
    "FM0803": DATA[:-20],
    "FM0804": DATA[:-1] + bytes((DATA[-1] ^ 1,)),
    "FM0805": sealed(msgpack.packb(["user", [], [None]])),
    "FM0806": changed(of_another_hash),
    "FM0807": changed(lambda content: content[2].append(content[2][0])),
    "FM0808": changed(of_an_unknown_instruction),
    "FM0809": with_function(simple((Op.LOCAL, 9), RETURN)),
    "FM0810": with_function(simple((Op.POP, 0), RETURN)),
    "FM0811": with_function(simple((Op.UNBIND, 0), CONST, RETURN, constants=[None])),
    "FM0812": write_program(replace(program(), entry="other")),
    "FM0813": write_modules(program().modules),
    "FM0820": with_a_native(),
}


@pytest.mark.parametrize("code", PROGRAMS)
def test_a_file_that_is_no_program_is_worded_as_agreed(code: str, shell: Shell) -> None:
    shell.write("shop.fmb", PROGRAMS[code])
    compare(code, shown_by(shell, "fmvm run shop.fmb --id order-17"))


def test_a_text_that_is_no_listing() -> None:
    with pytest.raises(flowmetal.FlowmetalError) as caught:
        assemble("function user/f\n  body 0 of 1 locals\n  0 PUSH 1\n", read_string)
    compare("FM0814", said_of(caught.value))


# Snapshots

IMAGE = machines.image()
ENCODED = encode(machines.machine("x" * 100_000, IMAGE.static["flow.core/inc"], image_=IMAGE))
WITHOUT_ASK = machines.program([each for each in machines.FUNCTIONS if each is not machines.ASK])
REVERSED = machines.program(tuple(reversed(machines.FUNCTIONS)))

SNAPSHOTS: dict[str, Callable[[], object]] = {
    "FM0903": lambda: restored(ENCODED.data[:4] + b"\0\3" + ENCODED.data[6:]),
    "FM0906": lambda: restored(image=Image(REVERSED, IMAGE.natives)),
    "FM0907": lambda: restored(image=Image(WITHOUT_ASK, IMAGE.natives), upgrade=True),
    "FM0908": lambda: restored(image=without_natives()),
    "FM0909": lambda: restored(chunks={}),
    "FM0910": lambda: restored(ENCODED.data[:-20]),
}


def without_natives() -> Image:
    image = machines.image()
    image.natives = {}
    return image


def restored(
    data: bytes = ENCODED.data,
    *,
    image: Image = IMAGE,
    chunks: Mapping[str, bytes] = ENCODED.chunks,
    upgrade: bool = False,
) -> object:
    return decode(data, image, machines.fetch(chunks), upgrade=upgrade)


@pytest.mark.parametrize("code", SNAPSHOTS)
def test_a_snapshot_that_is_of_no_use_is_worded_as_agreed(code: str) -> None:
    with pytest.raises(flowmetal.FlowmetalError) as caught:
        SNAPSHOTS[code]()
    compare(code, said_of(caught.value))
