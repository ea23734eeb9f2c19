"""The records of the SQLite store: the table ``record``, and ``task`` for the space of that name.

Everything here happens inside a transaction that somebody else began. Runs are made and messages
put into inboxes here alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Final

from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store import rules
from flowmetal.store.clock import Clock
from flowmetal.store.operations.records import TASKS, Record, Standing
from flowmetal.store.protocol import InboxRow, Message, NewRun
from flowmetal.store.sqlite import rows
from flowmetal.store.sqlite.session import Session

_WAKE: Final = """
  state = CASE state WHEN 'waiting' THEN 'ready' ELSE state END,
  due_us = CASE state WHEN 'waiting' THEN ? ELSE due_us END"""

_ABOVE_ALL: Final = "\U0010ffff"  # in no key: names are printable
_DUE: Final = """
  SELECT space, CAST(key AS BLOB) AS key, due_us FROM record WHERE due_us IS NOT NULL AND due_us <= :until
  UNION ALL SELECT 'task', CAST(id AS BLOB), 0 FROM task WHERE state IN ('done', 'failed')
  UNION ALL SELECT 'task', CAST(id AS BLOB), lease_expires_us FROM task
    WHERE state = 'claimed' AND lease_expires_us <= :until
  ORDER BY due_us LIMIT :limit"""

_NEXT_DUE: Final = """
  SELECT min(due_us) FROM (
    SELECT * FROM (SELECT due_us FROM record WHERE due_us IS NOT NULL ORDER BY due_us LIMIT 1)
    UNION ALL SELECT * FROM (SELECT 0 FROM task WHERE state IN ('done', 'failed') LIMIT 1)
    UNION ALL SELECT * FROM (
      SELECT lease_expires_us FROM task WHERE state = 'claimed' ORDER BY lease_expires_us LIMIT 1))"""

_LATEST: Final = """
  SELECT max(us) FROM (
    SELECT max(created_us) AS us FROM run
    UNION ALL SELECT max(since_us) FROM interpreter
    UNION ALL SELECT max(time_us) FROM message WHERE consumed = 0)"""


@cache
def _task_columns() -> Sequence[str]:
    from flowmetal.store.operations.tasks import Task

    return [field.name for field in fields(Task)]


# What is written by plain SQL may be no UTF-8: that is for who wrote it, and holds up nobody else.
_AS_BYTES = {
    name: f"CAST({name} AS BLOB)"
    for name in ("queue", "name", "args", "idempotency_key", "worker", "result")
}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


class SqliteRecords:
    """See ``operations.records.Records``."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._execute = session.execute
        self._clock = clock

    def now_us(self) -> int:
        return self._clock.now_us()

    def get(self, space: str, key: str) -> Record | None:
        if space == TASKS:
            return self._task(key)
        found = self._execute(
            "SELECT key, CAST(fields AS BLOB), body, due_us FROM record WHERE space = ? AND key = ?",
            (space, key),
        ).fetchone()
        if found is None:
            return None
        key, fields, body, due_us = found
        return Record(key, _text(fields), body, due_us)

    def put(self, space: str, record: Record) -> None:
        if space == TASKS:
            values, columns = json.loads(record.fields), _task_columns()
            self._execute(
                f"INSERT OR REPLACE INTO task (id, {', '.join(columns)})"
                f" VALUES (?{', ?' * len(columns)})",
                (record.key, *(values[name] for name in columns)),
            )
            return
        self._execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?)", (space, *record))

    def delete(self, space: str, key: str) -> bool:
        if space == TASKS:
            return self._execute("DELETE FROM task WHERE id = ?", (key,)).rowcount == 1
        delete = "DELETE FROM record WHERE space = ? AND key = ?"
        return self._execute(delete, (space, key)).rowcount == 1

    def scan(self, space: str, prefix: str, after: str, limit: int) -> list[Record]:
        from_, compare = (after, ">") if after >= prefix else (prefix, ">=")
        found = self._execute(
            "SELECT key, fields, body, due_us FROM record"
            f" WHERE space = ? AND key {compare} ? AND key < ? ORDER BY key LIMIT ?",
            (space, from_, prefix + _ABOVE_ALL, limit),
        )
        return [Record(*row) for row in found.fetchall()]

    def due(self, now_us: int, limit: int) -> list[tuple[str, str]]:
        found = self._execute(_DUE, {"until": now_us, "limit": limit}).fetchall()
        return [(space, self._key(space, key)) for space, key, _ in found]

    def _key(self, space: str, key: bytes) -> str:
        """Return a key; a row whose key is no UTF-8, which nobody can name, is given one that is."""
        text = _text(key)
        if text.encode() != key:
            table, column = ("task", "id") if space == TASKS else ("record", "key")
            named = "CAST(CAST(? AS BLOB) AS TEXT)"
            where = "" if space == TASKS else " AND space = 'order'"
            self._execute(
                f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {column} = {named}{where}",
                (text, key),
            )
        return text

    def next_due_us(self) -> int | None:
        """Return when the first row is due."""
        (first_us,) = self._execute(_NEXT_DUE).fetchone()
        return None if first_us is None else int(first_us)

    def _task(self, key: str) -> Record | None:
        columns = _task_columns()
        select = f"SELECT {', '.join(_AS_BYTES.get(name, name) for name in columns)} FROM task WHERE id = ?"
        found = self._execute(select, (key,)).fetchone()
        if found is None:
            return None
        values = (_text(value) if type(value) is bytes else value for value in found)
        return Record(key, json.dumps(dict(zip(columns, values, strict=True))))

    # Runs

    def run(self, run: RunId) -> Standing | None:
        found = self._execute(
            "SELECT state, result, error, parent, created_us"
            " FROM run JOIN head USING (number) WHERE id = ?",
            (run,),
        ).fetchone()
        if found is None:
            return None
        state, result, error, parent, created_us = found
        return Standing(run, rules.state_of(state), result, error, parent, created_us)

    def create_run(self, new: NewRun) -> bool:
        now = self._clock.now_us()
        tags = json.dumps(dict(new.tags))
        fixed = (new.id, new.program, new.parent, new.queue, tags, now, new.input, new.grants)
        inserted = self._execute(rows.INSERT_RUN, fixed)
        if inserted.rowcount != 1:
            return False
        number = inserted.lastrowid
        assert number is not None
        first = () if new.first_event is None else (new.first_event,)
        state = rules.first_state(new.queue)
        due_us = rules.due_us(state, new.wake_at_us)
        self._execute(
            rows.INSERT_HEAD,
            (
                *(number, state.value, state.value, due_us, 0, len(first)),
                *(0, 0, None, None, b"", b"", None, None, None, b"", b""),
            ),
        )
        rows.insert_events(self._execute, number, 0, first, now)
        return True

    def again(self, run: RunId, id: RunId, queue: str) -> NewRun | None:
        found = self._execute(
            "SELECT number, program, input, grants, tags FROM run WHERE id = ?", (run,)
        ).fetchone()
        if found is None:
            return None
        number, program, input_, grants, tags = found
        first = self._execute(rows.SELECT_EVENTS, rows.events_range(number, 0, 1)).fetchone()
        event = None if first is None else rows.event(first)
        program_hash = ProgramHash(program)
        return rules.again(id, program_hash, input_, grants, rules.tags_of(tags, run), event, queue)

    def admit(self, run: RunId) -> None:
        self._execute(
            "UPDATE head SET state = 'ready', due_us = 0 WHERE state IN ('queued', 'ready')"
            " AND number = (SELECT number FROM run WHERE id = ?)",
            (run,),
        )

    def hasten(self) -> None:
        self._execute(
            "UPDATE head SET due_us = 0 WHERE due_us > ? AND owner IS NULL AND state = 'ready'"
            " AND started_us IS NOT NULL",
            (self._clock.now_us(),),
        )

    def latest_us(self) -> int:
        (latest_us,) = self._execute(_LATEST).fetchone()
        return int(latest_us or 0)

    def has_room(self, queue: str, owner: InterpreterId) -> bool:
        """Say whether an interpreter may drive one more run of a queue."""
        if not queue:
            return True
        from flowmetal.store.operations.queues import per_worker

        most = per_worker(self, queue)
        if most is None:
            return True
        (held,) = self._execute(
            "SELECT count(*) FROM head JOIN run USING (number) WHERE owner = ? AND queue = ?",
            (owner, queue),
        ).fetchone()
        return int(held) < most

    def deliver(self, run: RunId, message: Message) -> InboxRow | None:
        found = self._execute(
            "SELECT number, state FROM run JOIN head USING (number) WHERE id = ?", (run,)
        ).fetchone()
        if found is None:
            return None
        number = int(found[0])
        receipt = self.receipt(number, message.id)
        if receipt is not None or not rules.takes(rules.state_of(found[1]), message.kind):
            return receipt
        return self.put_message(number, message)

    def forget(self, run: RunId, message: str) -> None:
        self._execute(
            "DELETE FROM message WHERE run = (SELECT number FROM run WHERE id = ?)"
            " AND id = ? AND consumed",
            (run, message),
        )

    def receipt(self, number: int, message: str) -> InboxRow | None:
        """Return the row of a message that a run has, consumed or not."""
        found = self._execute(
            "SELECT number, time_us, id, kind, name, body FROM message WHERE run = ? AND id = ?",
            (number, message),
        ).fetchone()
        return None if found is None else rows.inbox_row(found)

    def put_message(self, number: int, message: Message) -> InboxRow:
        """Put a message that is new into an inbox, and wake its run."""
        now = self._clock.now_us()
        (count,) = self._execute(
            f"UPDATE head SET received = received + 1, {_WAKE} WHERE number = ? RETURNING received",
            (now, number),
        ).fetchone()
        row = InboxRow(count, now, message)
        self._execute(rows.INSERT_MESSAGE, rows.message_row(number, row, consumed=False))
        return row
