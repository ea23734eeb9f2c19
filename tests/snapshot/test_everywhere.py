"""A machine can be saved after any instruction, and the one that comes back is the same.

The program corpus.flow runs one instruction at a time. After each one the
machine is saved and restored, and the restored one must give the same bytes.
Sampled machines are carried on to the end, here and in another process, and
must come to the same result through the same states.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

from flowmetal import compile
from flowmetal.bytecode.code import Program
from flowmetal.bytecode.file import read_program, write_program
from flowmetal.effects.requests import EffectResult
from flowmetal.embed.natives import natives
from flowmetal.ids import RunId
from flowmetal.snapshot import decode, encode
from flowmetal.values import ErrorValue, Instant, Value, keyword, pr_str
from flowmetal.vm.link import Image
from flowmetal.vm.machine import deliver, run, start
from flowmetal.vm.state import Machine, MachineStatus
from tests.snapshot.machines import by_instruction, fetch

CORPUS = Path(__file__).parent / "corpus.flow"


@cache
def program() -> Program:
    return read_program(write_program(compile(CORPUS)))


def image(single_steps: bool = True) -> Image:
    return Image(program(), natives(), single_steps)


def begin() -> Machine:
    return start(image(), "corpus/main", (), RunId("r1"))


def answer(machine: Machine) -> None:
    """Answer what the machine waits for; the same answer to the same question."""
    for effect in list(machine.open.values()):
        request = effect.request
        value: Value = None
        error = None
        if request.kind == "time/now":
            value = Instant(request.number)
        elif request.kind == "env/get" and request.number % 2:
            error = ErrorValue(keyword("user/refused"), "no")
        elif request.kind == "env/get":
            value = "x" * 2000
        deliver(machine, EffectResult(request.number, value, error), 0, request.number)


def result(machine: Machine) -> str:
    assert machine.status is MachineStatus.COMPLETED, machine.fibers[1].error
    return pr_str(machine.fibers[1].result)


def carried_on(data: bytes, chunks: dict[str, bytes]) -> str:
    """Restore, run to the end at full speed, and return the result."""
    machine = decode(data, image(False), fetch(chunks))
    while machine.status in (MachineStatus.READY, MachineStatus.WAITING):
        answer(machine)
        run(machine)
    return result(machine)


def test_a_snapshot_after_every_instruction_restores_to_the_same_bytes() -> None:
    machine = begin()
    chunks: dict[str, bytes] = {}
    samples: list[bytes] = []
    other = image()
    for number in by_instruction(machine, answer):
        encoded = encode(machine)
        chunks |= encoded.chunks
        restored = decode(encoded.data, other, fetch(chunks))
        again = encode(restored)
        assert again.data == encoded.data, number
        assert again.chunks == {}
        if number % 150 == 0:
            samples.append(encoded.data)
    final = result(machine)
    assert ":same true" in final
    for data in samples:
        assert carried_on(data, chunks) == final


def test_a_restored_machine_goes_through_the_same_states() -> None:
    machine = begin()
    chunks: dict[str, bytes] = {}
    restored: Machine | None = None
    for number in by_instruction(machine, answer):
        encoded = encode(machine)
        chunks |= encoded.chunks
        if restored is not None:
            if restored.status is MachineStatus.WAITING:
                answer(restored)
            restored.steps = 1
            run(restored)
            assert encode(restored).data == encoded.data, number
        if number % 97 == 0:
            restored = decode(encoded.data, image(), fetch(chunks))


def test_another_process_with_another_hash_seed_goes_on() -> None:
    script = (
        "import sys, msgpack\n"
        "from tests.snapshot.test_everywhere import *\n"
        "for data, chunks in msgpack.unpackb(sys.stdin.buffer.read()):\n"
        "    machine = decode(data, image(), fetch(chunks))\n"
        "    assert encode(machine).data == data\n"
        "    print(carried_on(data, chunks))\n"
    )
    machine = begin()
    chunks: dict[str, bytes] = {}
    samples = []
    for number in by_instruction(machine, answer):
        if number % 400 == 0:
            encoded = encode(machine)
            chunks |= encoded.chunks
            samples.append((encoded.data, chunks))
    import msgpack

    done = subprocess.run(
        [sys.executable, "-c", script],
        input=msgpack.packb(samples),
        capture_output=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": "."},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert set(done.stdout.decode().splitlines()) == {result(machine)}
