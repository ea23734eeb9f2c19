"""Stores of every released schema, and runs in files: each run ends here as it was to end there."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from flowmetal.embed import Engine
from flowmetal.store.postgres.schema import VERSION as POSTGRES_VERSION
from flowmetal.store.sqlite.file import SCHEMA_VERSION
from flowmetal.store.transfer import FORMAT as RUN_FORMAT
from tests.golden.rows import fill_postgres, postgres_schema, sqlite_schema
from tests.golden.stores import ENDS, TRAVELLED, elsewhere, finish, finish_travelling
from tests.postgres import Server

FOLDER = Path(__file__).parent
SQLITE = sorted(FOLDER.glob("sqlite-*.db.gz"))
POSTGRES = sorted(FOLDER.glob("postgres-*.json.gz"))
RUNS = sorted(FOLDER.glob("run-*.fms"))


def test_the_current_schemas_and_files_of_runs_have_golden_files() -> None:
    assert FOLDER / f"sqlite-{SCHEMA_VERSION}.db.gz" in SQLITE
    assert FOLDER / f"postgres-{POSTGRES_VERSION}.json.gz" in POSTGRES
    assert FOLDER / f"run-{RUN_FORMAT}.fms" in RUNS


@pytest.mark.parametrize("golden", SQLITE, ids=lambda path: path.name)
def test_the_runs_in_a_file_of_an_older_flowmetal_end_as_they_were_to_end(
    golden: Path, tmp_path: Path
) -> None:
    place = tmp_path / "store.db"
    place.write_bytes(gzip.decompress(golden.read_bytes()))
    with Engine(f"sqlite:{place}", functions=[elsewhere]) as engine:
        assert finish(engine) == ENDS
        assert not [row.id for row in engine.runs() if engine.verify(row.id).problems]


@pytest.mark.parametrize("golden", POSTGRES, ids=lambda path: path.name)
def test_the_runs_in_a_postgresql_of_an_older_flowmetal_end_as_they_were_to_end(
    golden: Path, postgres: Server
) -> None:
    url = postgres.new_store()
    Engine(url).close()
    found = json.loads(gzip.decompress(golden.read_bytes()))
    fill_postgres(url, found["rows"], found["sequences"])
    with Engine(url, functions=[elsewhere]) as engine:
        assert finish(engine) == ENDS
        assert not [row.id for row in engine.runs() if engine.verify(row.id).problems]


@pytest.mark.parametrize("golden", RUNS, ids=lambda path: path.name)
def test_a_run_in_a_file_of_an_older_flowmetal_ends_as_it_was_to_end(golden: Path) -> None:
    with Engine("memory:") as engine:
        engine.import_run(str(golden))
        assert finish_travelling(engine) == TRAVELLED
        assert not engine.verify("travelling").problems


def test_the_tables_of_a_new_file_are_those_of_their_version(tmp_path: Path) -> None:
    """Others read them: a change of them is a new version, with a golden file of its own."""
    golden, new = tmp_path / "golden.db", tmp_path / "new.db"
    golden.write_bytes(gzip.decompress((FOLDER / f"sqlite-{SCHEMA_VERSION}.db.gz").read_bytes()))
    Engine(f"sqlite:{new}").close()
    assert sqlite_schema(new) == sqlite_schema(golden)


def test_the_tables_of_a_new_postgresql_are_those_of_their_version(postgres: Server) -> None:
    data = (FOLDER / f"postgres-{POSTGRES_VERSION}.json.gz").read_bytes()
    url = postgres.new_store()
    Engine(url).close()
    assert postgres_schema(url) == json.loads(gzip.decompress(data))["schema"]
