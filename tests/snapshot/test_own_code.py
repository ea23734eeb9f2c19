"""What a run has compiled itself is saved with it, as much of it as is needed, and believed as little."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import msgpack
import pytest
from msgpack import ExtType

from flowmetal import compile
from flowmetal.bytecode.code import Program
from flowmetal.bytecode.file import read_program, write_program
from flowmetal.effects.requests import EffectResult
from flowmetal.embed.machine import Machine as Embedded
from flowmetal.embed.natives import natives
from flowmetal.errors import SnapshotError
from flowmetal.ids import RunId
from flowmetal.runtime.compiling import compile_for
from flowmetal.snapshot import Encoded, decode, encode
from flowmetal.snapshot.format import HEAD_BYTES, MAGIC
from flowmetal.values import FlowError, Instant, pr_str
from flowmetal.vm.effects import COMPILE
from flowmetal.vm.link import Image
from flowmetal.vm.machine import deliver, run, start
from flowmetal.vm.state import Machine, MachineStatus
from tests.snapshot.machines import fetch

CORPUS = Path(__file__).parent / "evaluating.flow"
ENDING = (
    '[22 36 9 24 {:a [1 2 3], :b "text of this run"} true "let needs a value for every name" 1]'
)


@cache
def program() -> Program:
    return read_program(write_program(compile(CORPUS)))


def begin(single_steps: bool = True) -> Machine:
    image = Image(program(), natives(), single_steps)
    return start(image, "evaluating/main", (), RunId("r1"))


def answer(machine: Machine) -> None:
    """Answer what the machine waits for; the same answer to the same question."""
    for effect in list(machine.open.values()):
        request = effect.request
        result = EffectResult(request.number, Instant(request.number))
        if request.kind == COMPILE:
            try:
                result = EffectResult(request.number, compile_for(machine, request))
            except FlowError as failed:
                result = EffectResult(request.number, None, failed.error)
        deliver(machine, result, 0, request.number)


def ending(machine: Machine) -> str:
    while machine.status in (MachineStatus.READY, MachineStatus.WAITING):
        answer(machine)
        run(machine)
    assert machine.status is MachineStatus.COMPLETED, machine.fibers[1].error
    return pr_str(machine.fibers[1].result)


def restored(encoded: Encoded, chunks: dict[str, bytes], single_steps: bool = True) -> Machine:
    image = Image(program(), natives(), single_steps)
    return decode(encoded.data, image, fetch(chunks | encoded.chunks))


def saved() -> list[tuple[Encoded, dict[str, bytes]]]:
    """Return the snapshots after every instruction, with the chunks that there were."""
    machine = begin()
    chunks: dict[str, bytes] = {}
    found = []
    while machine.status in (MachineStatus.READY, MachineStatus.WAITING):
        if machine.status is MachineStatus.WAITING:
            answer(machine)
        machine.steps = 1
        run(machine)
        encoded = encode(machine)
        chunks |= encoded.chunks
        found.append((encoded, dict(chunks)))
    return found


def test_the_program_without_moves_ends_as_it_should() -> None:
    assert ending(begin(False)) == ENDING


def test_a_snapshot_after_every_instruction_restores_to_the_same_bytes() -> None:
    states = saved()
    assert {encoded.version for encoded, _ in states} == {1, 2}
    for encoded, chunks in states:
        again = encode(restored(encoded, chunks))
        assert again.data == encoded.data


def test_a_restored_machine_ends_as_the_first_one() -> None:
    for encoded, chunks in saved()[::23]:
        assert ending(restored(encoded, chunks, False)) == ENDING


def test_a_machine_in_a_programs_hands_answers_the_compiler_itself() -> None:
    machine = Embedded(program(), entry="main")
    turn = machine.run()
    while turn.status is MachineStatus.WAITING:
        assert {request.kind for request in turn.requests} == {"time/now"}
        for request in turn.requests:
            machine.deliver(request.number, Instant(request.number))
        machine = Embedded.restore(machine.snapshot(), program())
        turn = machine.run()
    assert pr_str(turn.result) == ENDING


def evaluations(count: int) -> Embedded:
    made = compile(
        "(ns grows)"
        "(defn value-of [form] (flow.core/-evaluate-compiled"
        ' (perform :code/compile {:form form :namespace "grows"})))'
        "(def named [+]) (defn main [n] (dotimes [i n] (value-of (list '+ i 1))) (sleep! 1))".replace(
            "(sleep! 1)", '(sleep! #dur "1s")'
        )
    )
    machine = Embedded(made, count)
    machine.run()
    return machine


def test_what_was_evaluated_and_is_not_needed_any_more_is_not_saved() -> None:
    few, many = evaluations(1).snapshot(), evaluations(200).snapshot()
    assert len(many) <= len(few) + 8


def test_what_is_not_needed_any_more_does_not_stay_in_memory() -> None:
    made = compile(
        "(ns grows) (def named [+])"
        "(defn value-of [form] (flow.core/-evaluate-compiled"
        ' (perform :code/compile {:form form :namespace "grows"})))'
        "(defn main [n] (let [kept (value-of '(fn [x] (+ x 1000)))]"
        ' (dotimes [i n] (value-of (list (quote +) i 1)) (sleep! #dur "1s")) (kept 1)))'
    )
    machine = Embedded(made, 300)
    turn = machine.run()
    most = 0
    while turn.status is MachineStatus.WAITING:
        machine.snapshot()
        image = machine.state.image
        assert image.base is not None
        most = max(most, len(image.functions) - len(image.base.functions))
        for request in turn.requests:
            machine.deliver(request.number)
        turn = machine.run()
    assert turn.result == 1001
    assert most < 100


def test_a_run_that_compiles_nothing_is_written_in_the_format_without_code() -> None:
    assert evaluations(0).snapshot()[2:].find(MAGIC + b"\0\1") >= 0
    assert evaluations(1).snapshot().find(MAGIC + b"\0\2") >= 0


# -- what nobody has compiled


def parts(encoded: Encoded) -> list[object]:
    unpacker = msgpack.Unpacker(None, ext_hook=ExtType, strict_map_key=False)
    unpacker.feed(encoded.data[HEAD_BYTES:])
    return list(unpacker)


def made_up(encoded: Encoded, code: object, version: int = 2) -> Encoded:
    """Return a snapshot with other code, and a checksum that matches."""
    rest = parts(encoded)[1:]
    body = b"".join(msgpack.packb(part) for part in [code, *rest])
    head = MAGIC + version.to_bytes(2, "big") + hashlib.sha256(body).digest()[:8]
    return Encoded(head + body, encoded.chunks)


def with_code() -> tuple[Encoded, dict[str, bytes], bytes]:
    """Return a snapshot that has code, and that code."""
    encoded, chunks = next(state for state in reversed(saved()) if state[0].version == 2)
    code = parts(encoded)[0]
    if isinstance(code, ExtType):
        return encoded, chunks, chunks[code.data.hex()][1:]
    assert isinstance(code, bytes)
    return encoded, chunks, code


def test_code_that_is_written_into_the_snapshot_itself_is_read() -> None:
    encoded, chunks, code = with_code()
    machine = restored(made_up(encoded, code), chunks)
    assert encode(machine).data == encoded.data


@pytest.mark.parametrize("code", [None, b"", 5, [], "text", b"no code", ExtType(11, b"x" * 16)])
def test_what_is_no_code_is_refused(code: object) -> None:
    encoded, chunks, _ = with_code()
    with pytest.raises(SnapshotError):
        decode(
            made_up(encoded, code).data,
            Image(program(), natives()),
            lambda names: {name: chunks[name] for name in names if name in chunks},
        )


def test_every_flipped_bit_of_the_code_is_noticed() -> None:
    encoded, chunks, code = with_code()
    for at in range(0, len(code) * 8, 7):
        flipped = bytearray(code)
        flipped[at // 8] ^= 1 << (at % 8)
        with pytest.raises(SnapshotError):
            restored(made_up(encoded, bytes(flipped)), chunks)


def test_code_that_the_snapshot_needs_and_does_not_have_is_named() -> None:
    encoded, chunks, _ = with_code()
    without = b"".join(msgpack.packb(part) for part in parts(encoded)[1:])
    head = MAGIC + b"\0\1" + hashlib.sha256(without).digest()[:8]
    with pytest.raises(SnapshotError) as caught:
        restored(Encoded(head + without, encoded.chunks), chunks)
    assert caught.value.code == "FM0907"
