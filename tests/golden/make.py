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
from flowmetal.snapshot.format import VERSION as SNAPSHOT_VERSION
from tests.snapshot.test_everywhere import begin, program, result, steps

FOLDER = Path(__file__).parent
EVERY = 500  # instructions between two of the snapshots


def main() -> None:
    """Write ``program-N.fmb`` and ``snapshots-N.msgpack``; N is the version of the format."""
    machine = begin()
    chunks: dict[str, bytes] = {}
    snapshots = []
    for number in steps(machine):
        if number % EVERY == 0:
            encoded = encode(machine)
            chunks |= encoded.chunks
            snapshots.append(encoded.data)
    (FOLDER / f"program-{PROGRAM_VERSION}.fmb").write_bytes(write_program(program()))
    (FOLDER / f"snapshots-{SNAPSHOT_VERSION}.msgpack").write_bytes(
        msgpack.packb([PROGRAM_VERSION, snapshots, chunks, result(machine)])
    )


if __name__ == "__main__":
    main()
