"""What docs/operations.md tells an operator to type, typed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import psycopg
import pytest

import flowmetal
from tests.docs.test_documentation import blocks
from tests.postgres import Server, programs

WAITS = """(ns waits (:require [flow.event :refer [receive!]]))
(def seen (atom 0))
(defn main [] (swap! seen inc) [(receive! :go) (swap! seen inc)])
"""


def statements(beginning: str) -> str:
    """Return the block of SQL that begins so."""
    (found,) = [sql for sql in blocks("docs/operations.md", "sql") if sql.startswith(beginning)]
    return found


def waiting(url: str) -> None:
    """Leave a run that waits for its signal, and one that nobody has begun."""
    with flowmetal.Engine(url) as engine:
        engine.start(flowmetal.compile(WAITS), id="w")
        engine.interpret(until_idle=True)
        engine.start(flowmetal.compile(WAITS), id="new")


def goes_on(url: str) -> None:
    with flowmetal.Engine(url) as engine:
        assert engine.view("new").state == "ready"
        engine.signal("w", "go", 7)
        assert list(engine.result("w")) == [7, 2]
        assert engine.verify("w").problems == []


@pytest.fixture
def database(postgres: Server):
    postgres.execute("CREATE DATABASE operated")
    yield postgres.socket_url("operated")
    postgres.execute("DROP DATABASE operated WITH (FORCE)")


def test_workers_and_reporting_can_do_with_their_grants_what_is_said(
    postgres: Server, database: str
) -> None:
    for role in ("worker", "reporting"):
        postgres.execute(f"CREATE ROLE {role} LOGIN")
    flowmetal.Engine(database).close()  # the owner makes the schema
    postgres.execute(statements("GRANT USAGE"), "operated")
    waiting(database.replace("flowmetal@", "worker@", 1))
    with psycopg.connect(database.replace("flowmetal@", "reporting@", 1)) as connection:
        found = {}
        for sql in statements("-- how many runs").split("\n\n"):
            said = sql.strip().splitlines()[0].removeprefix("-- ")
            found[said] = connection.execute(sql.encode()).fetchall()
    assert sorted(found["how many runs are in which state"]) == [("ready", 1), ("waiting", 1)]
    (late,) = [rows for said, rows in found.items() if said.startswith("runs that could go on")]
    assert late[0][0] == 1
    goes_on(database.replace("flowmetal@", "worker@", 1))
    postgres.execute("DROP OWNED BY worker, reporting", "operated")
    postgres.execute("DROP ROLE worker, reporting")


def test_a_dump_goes_on_in_another_database(
    postgres: Server, database: str, tmp_path: Path
) -> None:
    names = [shutil.which(name) or programs() / name for name in ("pg_dump", "psql")]
    if not all(os.path.exists(name) for name in names):
        pytest.skip("there is a server and no pg_dump")
    waiting(database)
    dumped = subprocess.run(
        [names[0], "--schema=flowmetal", database], capture_output=True, check=True
    )
    (tmp_path / "store.sql").write_bytes(dumped.stdout)
    postgres.execute("CREATE DATABASE restored")
    restored = postgres.socket_url("restored")
    try:
        subprocess.run(
            [names[1], "-q", "-v", "ON_ERROR_STOP=1", "-d", restored, "-f", tmp_path / "store.sql"],
            capture_output=True,
            check=True,
        )
        goes_on(restored)
        goes_on(database)
    finally:
        postgres.execute("DROP DATABASE restored WITH (FORCE)")


def test_a_backup_of_a_file_that_is_in_use_goes_on(tmp_path: Path) -> None:
    """``sqlite3 runs.db ".backup copy.db"`` is this call of SQLite's."""
    waiting(f"sqlite:{tmp_path}/runs.db")
    with (
        flowmetal.Engine(f"sqlite:{tmp_path}/runs.db") as engine,
        sqlite3.connect(tmp_path / "runs.db") as used,
        sqlite3.connect(tmp_path / "copy.db") as copy,
    ):
        engine.start(flowmetal.compile(WAITS), id="later")
        used.backup(copy)
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(tmp_path / "copy.db", tmp_path / "elsewhere" / "runs.db")
    goes_on(f"sqlite:{tmp_path}/elsewhere/runs.db")
