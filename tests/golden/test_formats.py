"""Programs and snapshots of every released format load, and the runs end as they did then."""

from __future__ import annotations

from pathlib import Path

import msgpack
import pytest

from flowmetal.bytecode.disassembler import disassemble
from flowmetal.bytecode.file import VERSION as PROGRAM_VERSION
from flowmetal.bytecode.file import read_program, write_program
from flowmetal.embed.natives import natives
from flowmetal.snapshot import decode, encode
from flowmetal.snapshot.format import VERSION as SNAPSHOT_VERSION
from flowmetal.snapshot.format import WITH_CODE, WITHOUT_CODE
from flowmetal.vm.link import Image
from flowmetal.vm.machine import run
from flowmetal.vm.state import MachineStatus
from tests.snapshot import test_own_code as own
from tests.snapshot.machines import fetch
from tests.snapshot.test_everywhere import answer, result

FOLDER = Path(__file__).parent
PROGRAMS = sorted(FOLDER.glob("program-*.fmb"))
SNAPSHOTS = sorted(FOLDER.glob("snapshots-*.msgpack"))


def test_the_current_formats_have_golden_files() -> None:
    assert FOLDER / f"program-{PROGRAM_VERSION}.fmb" in PROGRAMS
    assert FOLDER / f"snapshots-{SNAPSHOT_VERSION}.msgpack" in SNAPSHOTS


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_of_a_released_format_loads(path: Path) -> None:
    data = path.read_bytes()
    program = read_program(data)
    assert f"{program.entry}/main" in disassemble(program)
    if path.stem.startswith(f"program-{PROGRAM_VERSION}"):
        assert write_program(program) == data


@pytest.mark.parametrize("path", SNAPSHOTS, ids=lambda path: path.stem)
def test_a_run_saved_in_a_released_format_ends_as_it_did(path: Path) -> None:
    name, snapshots, chunks, wanted = msgpack.unpackb(path.read_bytes())
    program = read_program((FOLDER / f"program-{name}.fmb").read_bytes())
    for data in snapshots:
        machine = decode(data, Image(program, natives()), fetch(chunks))
        if path.stem in (f"snapshots-{WITHOUT_CODE}", f"snapshots-{WITH_CODE}"):
            assert encode(machine).data == data
        while machine.status in (MachineStatus.READY, MachineStatus.WAITING):
            (own.answer if program.entry == "evaluating" else answer)(machine)
            run(machine)
        assert result(machine) == wanted
