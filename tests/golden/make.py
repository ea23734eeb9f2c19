"""Writes the golden files of the current formats: a program, and snapshots of a run of it.

    python -m tests.golden.make

Run it once for each new version of a format and commit what it writes. Files
of released versions are never written again: they must load for ever.
"""

from __future__ import annotations

from pathlib import Path

import msgpack

from flowmetal.bytecode.file import VERSION as PROGRAM_VERSION
from flowmetal.bytecode.file import write_program
from flowmetal.snapshot import encode
from flowmetal.snapshot.format import WITH_CODE, WITHOUT_CODE
from tests.snapshot import test_own_code as own
from tests.snapshot.machines import by_instruction
from tests.snapshot.test_everywhere import answer, begin, program, result

FOLDER = Path(__file__).parent
EVERY = 500  # instructions between two of the snapshots
EVERY_OF_CODE = 40


def main() -> None:
    """Write programs and ``snapshots-N.msgpack``; N is the version of the format.

    ``program-N.fmb`` compiles nothing when it runs, ``program-N-evaluating.fmb`` does.
    """
    without_code()
    with_code()


def without_code() -> None:
    machine = begin()
    chunks: dict[str, bytes] = {}
    snapshots = []
    for number in by_instruction(machine, answer):
        if number % EVERY == 0:
            encoded = encode(machine)
            chunks |= encoded.chunks
            snapshots.append(encoded.data)
    (FOLDER / f"program-{PROGRAM_VERSION}.fmb").write_bytes(write_program(program()))
    (FOLDER / f"snapshots-{WITHOUT_CODE}.msgpack").write_bytes(
        msgpack.packb([str(PROGRAM_VERSION), snapshots, chunks, result(machine)])
    )


def with_code() -> None:
    name = f"{PROGRAM_VERSION}-evaluating"
    states = [state for state in own.saved() if state[0].version == WITH_CODE]
    snapshots = [encoded.data for encoded, _ in states[::EVERY_OF_CODE]]
    (FOLDER / f"program-{name}.fmb").write_bytes(write_program(own.program()))
    (FOLDER / f"snapshots-{WITH_CODE}.msgpack").write_bytes(
        msgpack.packb([name, snapshots, states[-1][1], own.ENDING])
    )


if __name__ == "__main__":
    main()
