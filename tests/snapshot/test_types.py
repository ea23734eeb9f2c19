"""Dispatch, comparators, transducers and watches run in frames: saved after every instruction."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from flowmetal import compile
from flowmetal.bytecode.code import Program
from flowmetal.bytecode.file import read_program, write_program
from flowmetal.embed.natives import natives
from flowmetal.ids import RunId
from flowmetal.snapshot import decode, encode
from flowmetal.vm.link import Image
from flowmetal.vm.machine import run, start
from flowmetal.vm.state import MachineStatus
from tests.snapshot.machines import by_instruction, fetch
from tests.snapshot.test_everywhere import answer

EACH = 5 if os.environ.get("FLOWMETAL_EVERYTHING") else 10
"""Instructions from one machine that is saved to the next."""

WANTED = (
    "[12 10 1 5 [0 #inst",
    "12 [:shape #inst",
    "[[:w 1 3] [:w 3 9]]",
    "[[19 361] 49 18",
    ":somebody #types.Item{:cost 1, :n 2, :extra #{1}} #reified[types/Priced] #fn[types/area]",
)


@cache
def program() -> Program:
    return read_program(write_program(compile(Path(__file__).parent / "types.flow")))


def test_whatever_calls_a_function_can_be_saved_in_the_middle() -> None:
    image = Image(program(), natives(), single_steps=True)
    machine = start(image, "types/main", (), RunId("r1"))
    other, fast = (Image(program(), natives(), single) for single in (True, False))
    chunks: dict[str, bytes] = {}
    samples = []
    for number in by_instruction(machine, answer):
        if number % EACH:
            continue
        encoded = encode(machine)
        chunks |= encoded.chunks
        assert encode(decode(encoded.data, other, fetch(chunks))).data == encoded.data, number
        if number % 600 == 0:
            samples.append(encoded.data)
    assert machine.status is MachineStatus.COMPLETED, machine.fibers[1].error
    final = machine.fibers[1].result
    for part in WANTED:
        assert part in final, (part, final)
    for data in samples:
        restored = decode(data, fast, fetch(chunks))
        while restored.status in (MachineStatus.READY, MachineStatus.WAITING):
            answer(restored)
            run(restored)
        assert restored.fibers[1].result == final


def test_tables_that_the_program_fixes_cost_a_snapshot_nothing() -> None:
    machine = start(Image(program(), natives()), "types/main", (), RunId("r1"))
    run(machine)
    assert set(machine.defined) == {"flow.core/-hierarchy"}
