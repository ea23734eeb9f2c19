"""The records of the PostgreSQL store: the table ``record``, and ``task`` for the space of that name.

Transactions that use records come one after the other: each takes one advisory lock of the store
before anything else, so that what is not there (a lock that is free, an empty line) can be relied on.
They lock the heads of runs in the order in which operations name them. Nobody waits in a circle with them, because
without that lock nobody waits for the head of one run with that of another in hand: what changes many heads at once
skips those that are locked, and does these one at a time, or all with the lock. Steps that ask for nothing and do not
end a run take it for that alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final

from flowmetal.ids import ProgramHash, RunId
from flowmetal.store import rules
from flowmetal.store.operations.records import Record, Standing
from flowmetal.store.operations.tasks import Task
from flowmetal.store.postgres import claims, rows
from flowmetal.store.postgres.arrays import Texts
from flowmetal.store.protocol import InboxRow, Message, NewRun, RunState

Execute = Callable[[str, Any], list[rows.Row]]

LOCK: Final = f"SELECT {claims.ALONE}"
_ABOVE_ALL: Final = "\U0010ffff"  # in no key: names are printable
_TASK: Final = tuple(field.name for field in fields(Task))
_TASK_COLUMNS: Final = ", ".join(_TASK)
_SELECT_TASK: Final = f"SELECT {_TASK_COLUMNS} FROM flowmetal.task WHERE id = %s"
_PUT_TASK: Final = (
    f"INSERT INTO flowmetal.task (id, {_TASK_COLUMNS})"
    f" VALUES (%s, {', '.join('%s' for _ in _TASK)}) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _TASK)
)
_PUT: Final = """
  INSERT INTO flowmetal.record (space, key, fields, body, due_us) VALUES (%s, %s, %s, %s, %s)
  ON CONFLICT (space, key) DO UPDATE
  SET fields = excluded.fields, body = excluded.body, due_us = excluded.due_us"""
_DUE: Final = """
  SELECT space, key FROM (
    SELECT space, key, due_us FROM flowmetal.record WHERE due_us IS NOT NULL AND due_us <= %(until)s
    UNION ALL SELECT 'task', id, 0 FROM flowmetal.task WHERE state IN ('done', 'failed')
    UNION ALL SELECT 'task', id, lease_expires_us FROM flowmetal.task
      WHERE state = 'claimed' AND lease_expires_us <= %(until)s) AS due
  ORDER BY due_us LIMIT %(limit)s"""
HAS_CALLS: Final = """
  SELECT EXISTS (SELECT 1 FROM unnest(%s::text[]) AS served (prefix)
    JOIN flowmetal.record ON space = 'call-line'
      AND key COLLATE "C" >= served.prefix AND key COLLATE "C" < served.prefix || chr(1114111))"""

NEXT_DUE: Final = """
  SELECT least(
    (SELECT min(due_us) FROM flowmetal.record WHERE due_us IS NOT NULL),
    (SELECT 0 FROM flowmetal.task WHERE state IN ('done', 'failed') LIMIT 1),
    (SELECT min(lease_expires_us) FROM flowmetal.task WHERE state = 'claimed'))"""
_LATEST: Final = """
  SELECT max(us) FROM (
    SELECT max(created_us) AS us FROM flowmetal.run
    UNION ALL SELECT max(since_us) FROM flowmetal.interpreter
    UNION ALL SELECT max(time_us) FROM flowmetal.message WHERE NOT consumed) AS latest"""
NEXT_WAKE: Final = f"""
  SELECT least(
    (SELECT due_us FROM flowmetal.head WHERE due_us IS NOT NULL AND owner IS NULL
     AND snapshot_format <= %s ORDER BY due_us LIMIT 1),
    ({NEXT_DUE}))"""

# Those of some runs on which something hangs, or that may hang on their parent, in the order given (the key of
# a tie: ties.py).
TIED: Final = """
  SELECT given.id FROM unnest(%s::text[]) WITH ORDINALITY AS given (id, place)
  WHERE EXISTS (SELECT FROM flowmetal.record WHERE space = 'tie'
    AND key COLLATE "C" > given.id || E'\\t' AND key COLLATE "C" < given.id || E'\\n')
    OR EXISTS (SELECT FROM flowmetal.run WHERE run.id = given.id AND parent IS NOT NULL)
  ORDER BY place"""


class PostgresRecords:
    """See ``operations.records.Records``. Made for one transaction."""

    def __init__(self, execute: Execute, *, only_reads: bool = False) -> None:
        """``only_reads``: the transaction is one that cannot write, nor keep others from writing a task."""
        self._execute = execute
        self._select_task = _SELECT_TASK if only_reads else f"{_SELECT_TASK} FOR UPDATE"
        self._now_us: int | None = None

    def now_us(self) -> int:
        if self._now_us is None:
            self._now_us = int(self._execute("SELECT flowmetal.now_us()", None)[0][0])
        return self._now_us

    def get(self, space: str, key: str) -> Record | None:
        if space == Task.SPACE:
            return self._task(key)
        found = self._execute(
            "SELECT key, fields, body, due_us FROM flowmetal.record WHERE space = %s AND key = %s",
            (space, key),
        )
        return Record(*found[0]) if found else None

    def put(self, space: str, record: Record) -> None:
        if space == Task.SPACE:
            values = json.loads(record.fields)
            self._execute(_PUT_TASK, (record.key, *(values[name] for name in _TASK)))
        else:
            self._execute(_PUT, (space, *record))

    def delete(self, space: str, key: str) -> bool:
        if space == Task.SPACE:
            delete = "DELETE FROM flowmetal.task WHERE id = %s RETURNING 1"
            return bool(self._execute(delete, (key,)))
        delete = "DELETE FROM flowmetal.record WHERE space = %s AND key = %s RETURNING 1"
        return bool(self._execute(delete, (space, key)))

    def scan(self, space: str, prefix: str, after: str, limit: int) -> list[Record]:
        from_, compare = (after, ">") if after >= prefix else (prefix, ">=")
        found = self._execute(
            "SELECT key, fields, body, due_us FROM flowmetal.record"
            f" WHERE space = %s AND key {compare} %s AND key < %s ORDER BY key LIMIT %s",
            (space, from_, prefix + _ABOVE_ALL, limit),
        )
        return [Record(*row) for row in found]

    def due(self, now_us: int, limit: int) -> list[tuple[str, str]]:
        found = self._execute(_DUE, {"until": now_us, "limit": limit})
        return [(space, key) for space, key in found]

    def _task(self, key: str) -> Record | None:
        found = self._execute(self._select_task, (key,))
        if not found:
            return None
        return Record(key, json.dumps(dict(zip(_TASK, found[0], strict=True))))

    # Runs

    def run(self, run: RunId) -> Standing | None:
        found = self._execute(
            "SELECT state, result, error, parent, created_us"
            " FROM flowmetal.run JOIN flowmetal.head USING (number) WHERE id = %s",
            (run,),
        )
        if not found:
            return None
        state, result, error, parent, created_us = found[0]
        return Standing(run, rules.state_of(state), result, error, parent, created_us)

    def create_run(self, new: NewRun) -> bool:
        return bool(self._execute(rows.INSERT_RUNS, rows.new_runs([new])))

    def again(self, run: RunId, id: RunId, queue: str) -> NewRun | None:
        found = self._execute(
            "SELECT program, input, grants, tags FROM flowmetal.run WHERE id = %s", (run,)
        )
        if not found:
            return None
        program, input_, grants, tags = found[0]
        first = self._execute(rows.SELECT_EVENTS, (run, 0, 1))
        event = rows.event(first[0]) if first else None
        tags = rules.checked_tags(tags, run)
        return rules.again(id, ProgramHash(program), input_, grants, tags, event, queue)

    def admit(self, run: RunId) -> None:
        self._execute(
            "UPDATE flowmetal.head SET state = 'ready', due_us = 0 FROM flowmetal.run"
            " WHERE run.id = %s AND head.number = run.number AND state IN ('queued', 'ready')",
            (run,),
        )

    def hasten(self) -> None:
        self._execute(
            "UPDATE flowmetal.head SET due_us = 0 WHERE due_us > flowmetal.now_us() AND owner IS NULL"
            " AND state = 'ready' AND started_us IS NOT NULL",
            None,
        )

    def latest_us(self) -> int:
        return int(self._execute(_LATEST, None)[0][0] or 0)

    def forget(self, run: RunId, message: str) -> None:
        self._execute(rows.FORGET_MESSAGE, (run, message))

    def deliver(self, run: RunId, message: Message) -> InboxRow | None:
        taken = [state for state in RunState if not rules.takes(state, message.kind)]
        values = {
            "run": run,
            "id": message.id,
            "kind": message.kind,
            "name": message.name,
            "body": message.body,
            "closed": Texts(state.value for state in taken),
        }
        found = self._execute(claims.SEND, values)
        if not found:
            return None
        _, number, time_us = found[0]
        if number is not None:
            return InboxRow(number, time_us, message)
        receipt = self._execute(rows.SELECT_RECEIPT, (run, message.id))
        return rows.inbox_row(receipt[0]) if receipt else None
