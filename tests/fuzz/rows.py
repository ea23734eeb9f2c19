"""Rows that a worker or an ordering party writes by plain SQL, with anything in them.

The interpreter goes on, a run beside is not held up, and every order and every task that was
answered comes to an end that says what was wrong.
"""

from __future__ import annotations

import atexit
import json
import sqlite3
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import flowmetal
from tests.fuzz.mutants import Choices

PROGRAM = """(ns work (:require [flow.event :as event]))
(defforeign resize [path] {:queue "images" :retry {:max-attempts 2 :initial #dur "0s"}})
(defn main [& more] (try (resize "a") (catch :default e {:type (:type (ex-data e)) :said (str e)})))
(defn beside [] 7)
"""
_NUMBERS = (
    "0",
    "1",
    "-1",
    "2",
    "9223372036854775807",
    "-9223372036854775808",
    "9e999",
    "-9e999",
    "1e300",
    "0.5",
    "NULL",
)
_TEXTS = ("''", "'null'", "'1'", "'{'", "'\u00e9'", "CAST(x'ff00' AS TEXT)", "'a' || char(0) || 'b'", "NULL",
          "replace(hex(zeroblob(60000)), '00', '[')", "'{\"type\": 7, \"message\": [1], \"data\": 3}'",
          "'{\"type\": \"\", \"message\": \"m\"}'", "'{\"type\": \"a b/c/d\", \"retryable\": 1}'", "'{\"$\": 1}'", "'\"\\ud800\"'", "'1e999'",
          "'NaN'", "'{\"type\": \":my/type\", \"data\": {\"a\": {\"$set\": [1, 1]}}}'", "replace(hex(zeroblob(5000)), '00', '9')",
          "'{\"type\": {\"a\": 1}}'", "'{\"data\": {\"$instant\": 1e400}}'")  # fmt: skip
_COLUMNS = {
    "result": _TEXTS, "worker": _TEXTS, "attempt": _NUMBERS, "lease_expires_us": _NUMBERS, "ready_us": _NUMBERS, "lease_us": _NUMBERS,
    "expires_us": _NUMBERS, "max_attempts": _NUMBERS, "first_wait_us": _NUMBERS, "factor": _NUMBERS, "most_wait_us": _NUMBERS,
    "queue": _TEXTS, "name": _TEXTS, "args": _TEXTS, "idempotency_key": _TEXTS,
}  # fmt: skip
_FIELDS = (
    "start",
    "signal",
    "cancel",
    "run",
    "args",
    "input",
    "entry",
    "tags",
    "value",
    "reason",
    "other",
)
_VALUES: tuple[Any, ...] = (
    "work", "beside", "nobody", "", "a b", "x" * 300, "\x00", "\ud800", 0, -1, 1 << 80, 1.5, None, True, [], [1], {}, {"a": "b"}, {"a": 1},
    {"$set": [1, 1]}, {"$": 1}, {"": ""}, "../x", [[[]]], "work/main", "flow.core/inc", {"\ud800": "x"}, {"a": "\x00"},
)  # fmt: skip


class World:
    """A store on disk, an engine on it, and somebody who writes plain SQL."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name, "store.db")
        self.engine = flowmetal.Engine(f"sqlite:{path}")
        self.engine.deploy(flowmetal.compile(PROGRAM), "work")
        self.plain = sqlite3.connect(path, isolation_level=None)
        self.count = 0
        atexit.register(self.close)

    def close(self) -> None:
        """Close both, and take the store away."""
        atexit.unregister(self.close)
        self.plain.close()
        self.engine.close()
        self._folder.cleanup()

    def execute(self, sql: str, *given: object) -> int:
        """Write by plain SQL; return how many rows, -1 if the table refuses it."""
        try:
            return self.plain.execute(sql, given).rowcount
        except sqlite3.IntegrityError:
            return -1


@cache
def world() -> World:
    return World()


def heeded(data: bytes) -> None:
    """Write what ``data`` stands for, let an interpreter work, and check what became of it."""
    here, choose = world(), Choices(data)
    here.count += 1
    name = f"r{here.count}"
    program = flowmetal.compile(PROGRAM)
    here.engine.start(program, [], id=name)
    here.engine.interpret(until_idle=True)
    here.execute("UPDATE task SET state = 'claimed', attempt = 1, worker = 'w' WHERE run = ?", name)
    columns = list(_COLUMNS)
    for _ in range(choose.below(4)):
        column = columns[choose.below(len(columns)) if choose.below(2) else 0]
        words = _COLUMNS[column]
        here.execute(
            f"UPDATE task SET {column} = {words[choose.below(len(words))]} WHERE run = ?", name
        )
    state = ("done", "failed", "failed", "claimed")[choose.below(4)]
    here.execute("UPDATE task SET state = ? WHERE run = ?", state, name)
    ordered = here.execute(
        f"INSERT INTO record (space, key, fields, due_us) VALUES ('order', ?, {_order(choose)}, 0)",
        name,
    )
    here.engine.start(program, [], entry="beside", id=f"{name}-beside")
    here.engine.interpret(until_idle=True)
    assert here.engine.view(f"{name}-beside").state == "completed"
    view = here.engine.view(name)
    assert view.state in ("completed", "waiting"), view
    if state == "done":
        assert view.state == "completed", view
    if ordered == 1:
        ((fields,),) = here.plain.execute(
            "SELECT fields FROM record WHERE space = 'order' AND key = ?", (name,)
        ).fetchall()
        assert {"done", "error"} & json.loads(fields).keys(), fields
    here.plain.execute("DELETE FROM task WHERE run = ?", (name,))
    here.engine.cancel(name, drive=False) if view.state == "waiting" else None
    here.engine.interpret(until_idle=True)


def _order(choose: Choices) -> str:
    """Return the fields of an order, as an expression of SQL."""
    if choose.below(3) == 0:
        return _TEXTS[choose.below(len(_TEXTS))]
    fields = {
        _FIELDS[choose.below(len(_FIELDS))]: _VALUES[choose.below(len(_VALUES))]
        for _ in range(choose.below(5))
    }
    if choose.below(3):
        fields[("start", "signal", "cancel")[choose.below(3)]] = "work"
    return "'" + json.dumps(fields).replace("'", "''") + "'"
