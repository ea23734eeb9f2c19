"""Between rows of the tables and what the protocol speaks of; and the SELECTs that give the rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store import rules
from flowmetal.store.clock import Clock
from flowmetal.store.protocol import (
    Event,
    InboxRow,
    Message,
    NewEvent,
    RunQuery,
    RunRow,
    RunState,
)

SEQ_BITS = 32
_LAST_SEQ = (1 << SEQ_BITS) - 1

OPEN_FILE = " "
"""Stands between boot and file in ``interpreter.boot_id``."""

# fmt: off
_RUN_COLUMNS = """
  run.id, run.program, head.state, head.epoch, head.seq, head.owner, head.lease_boot_us,
  interpreter.boot_id, head.due_us, run.input, run.grants, head.result, head.error, head.waiting,
  head.progress, run.tags, run.parent, run.created_us, head.started_us, head.ended_us,
  head.attempts, head.received, head.snapshot_format, run.queue, head.chain, head.anchor"""
_RUN_TABLES = """
  run JOIN head USING (number) LEFT JOIN interpreter ON interpreter.id = head.owner"""
# fmt: on

SELECT_RUN = f"SELECT {_RUN_COLUMNS} FROM {_RUN_TABLES} WHERE run.id = ?"
SELECT_EVENTS = (
    "SELECT key, time_us, kind, name, effect, data FROM event"
    " WHERE key > ? AND key <= ? ORDER BY key LIMIT ?"
)
SELECT_UNREAD = (
    "SELECT number, time_us, id, kind, name, body FROM message"
    " WHERE run = ? AND consumed = 0 AND number > ? ORDER BY number"
)
_LATEST_KEPT = (
    "SELECT snapshot FROM event WHERE key > ? AND key < ? AND snapshot IS NOT NULL"
    " ORDER BY key DESC LIMIT 1"
)
MOVE_SNAPSHOT = f"UPDATE head SET snapshot = ({_LATEST_KEPT}) WHERE number = ? AND snapshot IS NULL"
"""Brings the latest snapshot to the head, so that no event is needed for it."""

DELETE_ANSWERS = (
    "DELETE FROM message WHERE run = ? AND kind = 'result' AND consumed"
    " AND time_us < (SELECT time_us FROM event WHERE key = ?)"
)
"""No effect that is over is answered once more; what came from outside is remembered as long as its run lives."""

# No number twice: whoever was stopped may still have that of a run which was forgotten meanwhile.
_FORGOTTEN = """coalesce(
  (SELECT json_extract(fields, '$.number') FROM record WHERE space = 'forgotten' AND key = 'run'), 0)"""
INSERT_RUN = f"""
  INSERT OR IGNORE INTO run (number, id, program, parent, queue, tags, created_us, input, grants)
  VALUES (1 + max(coalesce((SELECT max(number) FROM run), 0), {_FORGOTTEN}), ?, ?, ?, ?, ?, ?, ?, ?)"""
_NOTE_FORGOTTEN = f"""
  INSERT OR REPLACE INTO record (space, key, fields)
  VALUES ('forgotten', 'run', json_object('number', max(?, {_FORGOTTEN})))"""
INSERT_HEAD = (
    "INSERT INTO head VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, NULL, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
INSERT_MESSAGE = "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_CHUNK = "INSERT OR IGNORE INTO chunk VALUES (?, ?, ?)"
INSERT_EVENT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)"
_EVENTS_AT_ONCE = 16  # as many as one statement inserts

_RunTuple = tuple[
    str, str, str, int, int, str | None, int, str | None, int | None, bytes, bytes,
    bytes | None, bytes | None, bytes, bytes, str, str | None, int, int | None, int | None,
    int, int, int, str, bytes, bytes,
]  # fmt: skip
_UnreadTuple = tuple[int, int, str, str, str, bytes]

# What a file gives is what was written, unless it was damaged: SQLite does not look at types then.
_int, _text, _bytes = frozenset({int}), frozenset({str}), frozenset({bytes})
_none = frozenset({type(None)})
_HEAD_TYPES = (_int, _text, _text | _none, _int, _int, _int, _int)
_RUN_TYPES = (
    _text, _text, _text, _int, _int, _text | _none, _int, _text | _none, _int | _none, _bytes, _bytes,
    _bytes | _none, _bytes | _none, _bytes, _bytes, _text, _text | _none, _int, _int | _none, _int | _none,
    _int, _int, _int, _text, _bytes, _bytes,
)  # fmt: skip
_EVENT_TYPES = (int, int, str, str, int, bytes)
_UNREAD_TYPES = (int, int, str, str, str, bytes)


class Head(NamedTuple):
    """What a claim has to know of a run."""

    number: int
    state: RunState
    owner: InterpreterId | None
    lease_boot_us: int
    epoch: int
    seq: int
    snapshot_format: int


SELECT_HEAD = (
    "SELECT number, state, owner, lease_boot_us, epoch, seq, snapshot_format"
    " FROM run JOIN head USING (number) WHERE id = ?"
)


def head(row: tuple[int, str, str | None, int, int, int, int]) -> Head:
    if not _is_of(row, _HEAD_TYPES):
        raise rules.damaged("the row of a run")
    number, state, owner, *rest = row
    return Head(
        number, rules.state_of(state), None if owner is None else InterpreterId(owner), *rest
    )


def _is_of(row: Sequence[object], types: Sequence[frozenset[type]]) -> bool:
    return all(type(value) in allowed for value, allowed in zip(row, types, strict=True))


def run_row(row: _RunTuple, clock: Clock) -> RunRow:
    """Build a RunRow from what SELECT_RUN gives. A lease of another boot has expired at 0."""
    if not _is_of(row, _RUN_TYPES):
        raise rules.damaged("the row of a run")
    (
        id_, program, state, epoch, seq, owner_text, lease_boot_us, boot_id, due_us, input_, grants,
        result, error, waiting, progress, tags, parent, created_us, started_us, ended_us,
        attempts, received, snapshot_format, queue, chain, anchor,
    ) = row  # fmt: skip
    owner = None if owner_text is None else InterpreterId(owner_text)
    return RunRow(
        id=RunId(id_),
        program=ProgramHash(program),
        state=rules.shown_state(rules.state_of(state), owner),
        epoch=epoch,
        seq=seq,
        owner=owner,
        lease_expires_us=lease_end_us(owner, boot_id, lease_boot_us, clock),
        wake_at_us=due_us,
        input=input_,
        grants=grants,
        result=result,
        error=error,
        waiting=waiting,
        progress=progress,
        tags=rules.tags_of(tags, id_),
        parent=None if parent is None else RunId(parent),
        created_us=created_us,
        started_us=started_us,
        ended_us=ended_us,
        attempts=attempts,
        received=received,
        snapshot_format=snapshot_format,
        queue=queue,
        chain=chain,
        anchor=anchor,
    )


def lease_end_us(
    owner: InterpreterId | None, boot_id: str | None, lease_boot_us: int, clock: Clock
) -> int:
    """Return the end of a lease by the time of day, 0 if there is none or it is of another boot."""
    if owner is None or (boot_id or "").partition(OPEN_FILE)[0] != clock.boot_id:
        return 0
    return clock.now_us() + lease_boot_us - clock.boot_us()


def select_runs(query: RunQuery) -> tuple[str, list[str | int]]:
    """Return the SELECT for a query and its parameters."""
    terms: list[str] = []
    values: list[str | int] = []

    def add(term: str, *parameters: str | int) -> None:
        terms.append(term)
        values.extend(parameters)

    if query.states:
        marks = ", ".join("?" for _ in query.states)
        shown = "CASE WHEN state = 'ready' AND owner IS NOT NULL THEN 'running' ELSE state END"
        add(f"{shown} IN ({marks})", *(state.value for state in query.states))
    if query.program:
        add("substr(program, 1, ?) = ?", len(query.program), query.program)
    for key, value in query.tags.items():
        add("EXISTS (SELECT 1 FROM json_each(tags) WHERE key = ? AND value = ?)", key, value)
    if query.id_prefix:
        add("run.id >= ? AND run.id < ?", query.id_prefix, query.id_prefix + "\U0010ffff")
    if query.parents:
        add("parent IN (SELECT value FROM json_each(?))", json.dumps(list(query.parents)))
    if query.before is not None:
        add("(created_us, run.id) < (?, ?)", *query.before)
    where = f"WHERE {' AND '.join(terms)}" if terms else ""
    select = f"SELECT {_RUN_COLUMNS} FROM {_RUN_TABLES} {where}"
    return f"{select} ORDER BY created_us DESC, run.id DESC LIMIT ?", [*values, query.limit]


def event_key(number: int, seq: int) -> int:
    return number << SEQ_BITS | seq


def event_row(
    number: int, seq: int, event: NewEvent, now_us: int, snapshot: bytes | None = None
) -> tuple[int, int, str, str, int, bytes, bytes | None]:
    """Return the parameters of INSERT_EVENT."""
    key = number << SEQ_BITS | seq
    return (
        key,
        event.time_us or now_us,
        event.kind,
        event.name,
        event.effect,
        event.data,
        snapshot,
    )


def insert_events(
    execute: Callable[..., object],
    number: int,
    after: int,
    events: Sequence[NewEvent],
    now_us: int,
    kept: bytes | None = None,
) -> None:
    """Append events to the history of a run whose last one is number ``after``.

    ``kept`` is the snapshot to be kept beside the last one.
    """
    last = after + len(events)
    for start in range(0, len(events), _EVENTS_AT_ONCE):
        some = events[start : start + _EVENTS_AT_ONCE]
        values: list[object] = []
        for seq, event in enumerate(some, after + start + 1):
            values += event_row(number, seq, event, now_us, kept if seq == last else None)
        try:
            execute(_insert_events(len(some)), values)
        except sqlite3.IntegrityError:
            raise rules.damaged("the history of a run", "it is longer than its row says") from None


@cache
def _insert_events(count: int) -> str:
    """Return INSERT_EVENT for so many rows."""
    return INSERT_EVENT + ", (?, ?, ?, ?, ?, ?, ?)" * (count - 1)


def events_range(number: int, after: int, limit: int) -> tuple[int, int, int]:
    """Return the parameters of SELECT_EVENTS."""
    return event_key(number, min(max(after, 0), _LAST_SEQ)), event_key(number, _LAST_SEQ), limit


def seq_of(key: int) -> int:
    """Return the number of the event that has the key."""
    return key & _LAST_SEQ


def latest_snapshot(execute: Callable[..., sqlite3.Cursor], number: int) -> bytes | None:
    """Return a run's latest snapshot: that of its head, else the last one that is kept. None: it never ran."""
    found = execute(
        "SELECT snapshot, snapshot_format FROM head WHERE number = ?", (number,)
    ).fetchone()
    if found is None or found[0] is not None or not found[1]:
        return None if found is None else found[0]
    kept = execute(_LATEST_KEPT, (event_key(number, 0), event_key(number + 1, 0))).fetchone()
    return None if kept is None else kept[0]


def delete_run(execute: Callable[..., object], number: int) -> None:
    """Delete a run and all that belongs to it; its number is not given again, and its children are nobody's."""
    execute(_NOTE_FORGOTTEN, (number,))
    execute(
        "UPDATE run SET parent = NULL WHERE parent = (SELECT id FROM run WHERE number = ?)",
        (number,),
    )
    execute("DELETE FROM event WHERE key BETWEEN ? AND ?", events_range(number, 0, -1)[:2])
    for table, column in (
        ("message", "run"),
        ("chunk", "run"),
        ("head", "number"),
        ("run", "number"),
    ):
        execute(f"DELETE FROM {table} WHERE {column} = ?", (number,))


def event(row: tuple[int, int, str, str, int, bytes]) -> Event:
    if tuple(map(type, row)) != _EVENT_TYPES:
        raise rules.damaged("a row of the history")
    key, time_us, kind, name, effect, data = row
    return Event(key & _LAST_SEQ, time_us, kind, name, effect, data)


def inbox_row(row: _UnreadTuple) -> InboxRow:
    if tuple(map(type, row)) != _UNREAD_TYPES:
        raise rules.damaged("a message of a run")
    number, time_us, id_, kind, name, body = row
    return InboxRow(number, time_us, Message(id_, kind, name, body))


def message_row(
    number: int, row: InboxRow, *, consumed: bool
) -> tuple[int, str, int, int, str, str, bytes, bool]:
    """Return the parameters of INSERT_MESSAGE."""
    message = row.message
    said = (message.kind, message.name, message.body)
    return (number, message.id, row.number, row.time_us, *said, consumed)
