"""The plain-SQL interface: what docs/store.md promises to other programs."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store.protocol import Claim, Commit, Message, NewEvent, NewRun, RunState
from flowmetal.store.sqlite import SqliteStore

DOCUMENT = Path(__file__).parents[2] / "docs" / "store.md"


def columns(connection: sqlite3.Connection, view: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({view})")]


def test_the_views_have_the_columns_that_are_documented(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "store.db").close()
    connection = sqlite3.connect(tmp_path / "store.db")
    rows = re.findall(r"^\| `(runs|events|messages)` \| (.*) \|$", DOCUMENT.read_text(), re.M)
    for view, documented in rows:
        names = re.sub(r" \([^)]*\)", "", documented).split(", ")
        assert columns(connection, view) == names
    assert len(rows) == 3
    connection.close()


def test_the_documented_queries_answer_while_a_run_is_driven(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    run = RunId("order-17")
    store.create_run(NewRun(run, ProgramHash("f"), b"", b"", {}, NewEvent("started", "", 0, b"")))
    claim = store.claim(run, InterpreterId("ann"), 10_000_000)
    assert isinstance(claim, Claim)
    store.commit(claim, Commit([NewEvent("a", "b", 1, b"")], RunState.RUNNING, b"s"))
    store.send(run, Message("m1", "signal", "go", b""))
    queries, *_ = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), re.S)
    connection = sqlite3.connect(tmp_path / "store.db")
    listed, history, inbox = (
        connection.execute(query).fetchall() for query in queries.split(";") if query.strip()
    )
    connection.close()
    store.close()
    assert listed[0][:2] == ("order-17", "running")
    assert history == [(1, "started", "", 0), (2, "a", "b", 1)]
    assert inbox == [(1, "signal", "go", "m1")]
