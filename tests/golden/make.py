"""Writes the golden files of the current formats: programs, snapshots, a store of each kind, a run in a file.

    python -m tests.golden.make

Run it once for each new version of a format and commit what it writes. Files
of released versions are never written again: they must load for ever.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

import msgpack

from flowmetal.bytecode.file import VERSION as PROGRAM_VERSION
from flowmetal.bytecode.file import write_program
from flowmetal.embed import Engine
from flowmetal.snapshot import encode
from flowmetal.snapshot.format import WITH_CODE, WITHOUT_CODE
from flowmetal.store.postgres.schema import VERSION as POSTGRES_VERSION
from flowmetal.store.sqlite.file import SCHEMA_VERSION
from flowmetal.store.transfer import FORMAT as RUN_FORMAT
from tests.golden.rows import postgres_rows, postgres_schema, postgres_sequences
from tests.golden.stores import fill
from tests.postgres import running
from tests.snapshot import test_own_code as own
from tests.snapshot.machines import by_instruction
from tests.snapshot.test_everywhere import answer, begin, program, result
from tests.sqlite import opened

FOLDER = Path(__file__).parent
EVERY = 500  # instructions between two of the snapshots
EVERY_OF_CODE = 40


def main() -> None:
    """Write programs and ``snapshots-N.msgpack``; N is the version of the format.

    ``program-N.fmb`` compiles nothing when it runs, ``program-N-evaluating.fmb`` does.
    """
    without_code()
    with_code()
    stores()


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


def stores() -> None:
    """Write stores as ``fill`` leaves them, of SQLite with the run that has left it."""
    with tempfile.TemporaryDirectory() as folder:
        place, run = Path(folder, "store.db"), FOLDER / f"run-{RUN_FORMAT}.fms"
        run.unlink(missing_ok=True)
        with Engine(f"sqlite:{place}") as engine:
            fill(engine, run)
        with opened(place) as file:
            file.execute("VACUUM INTO ?", (f"{folder}/whole.db",))
        data = Path(folder, "whole.db").read_bytes()
        (FOLDER / f"sqlite-{SCHEMA_VERSION}.db.gz").write_bytes(gzip.compress(data, mtime=0))
        with running() as server:
            url = server.new_store()
            with Engine(url) as engine:
                fill(engine, Path(folder, "run.fms"))
            made = {
                "schema": postgres_schema(url),
                "rows": postgres_rows(url),
                "sequences": postgres_sequences(url),
            }
        text = json.dumps(made, separators=(",", ":")).encode()
        (FOLDER / f"postgres-{POSTGRES_VERSION}.json.gz").write_bytes(gzip.compress(text, mtime=0))


if __name__ == "__main__":
    main()
