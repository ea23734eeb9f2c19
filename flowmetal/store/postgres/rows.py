"""Between rows of the tables and what the protocol speaks of; and the SQL that gives and makes rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store import rules
from flowmetal.store.postgres.arrays import Array, BigInts, Booleans, Byteas, Texts
from flowmetal.store.protocol import (
    Event,
    InboxRow,
    Message,
    NewEvent,
    NewRun,
    RunQuery,
    RunRow,
)
from flowmetal.store.transfer import RunImage

Row = tuple[Any, ...]

# fmt: off
_COLUMNS = """
  run.id, run.program, head.state, head.epoch, head.seq, head.owner, head.lease_expires_us,
  head.due_us, run.input, run.grants, head.result, head.error, head.waiting, head.progress,
  run.tags, run.parent, run.created_us, head.started_us, head.ended_us, head.attempts,
  head.received, head.snapshot_format, run.queue, head.chain, head.anchor"""
# fmt: on
_TABLES = "flowmetal.run JOIN flowmetal.head USING (number)"

SELECT_RUN = f"SELECT {_COLUMNS} FROM {_TABLES} WHERE run.id = %s"
# A run's latest snapshot: that of its head, else the last one that is kept.
_LATEST_KEPT = """(
  SELECT event.snapshot FROM flowmetal.event WHERE event.run = head.number AND event.snapshot IS NOT NULL
  ORDER BY event.seq DESC LIMIT 1)"""
_LATEST = f"""
  CASE WHEN head.snapshot IS NULL AND head.snapshot_format > 0 THEN {_LATEST_KEPT}
    ELSE head.snapshot END"""
SELECT_SNAPSHOT = f"SELECT {_LATEST} FROM {_TABLES} WHERE run.id = %s"
# Brings the latest snapshot to the head, so that no event is needed for it.
MOVE_SNAPSHOT = f"""
  UPDATE flowmetal.head SET snapshot = {_LATEST_KEPT} WHERE number = %s AND snapshot IS NULL"""

# A history that is longer than a statement may last has to go, too.
AS_LONG_AS_IT_TAKES = "SET LOCAL statement_timeout = 0"

# What is trimmed is named: "<> ALL" would compare each row with all that stay.
DELETE_ANSWERS = """
  DELETE FROM flowmetal.message WHERE run = %s AND kind = 'result' AND consumed
    AND time_us < (SELECT time_us FROM flowmetal.event WHERE run = %s AND seq = %s)"""
SELECT_CHUNK_NAMES = "SELECT name FROM flowmetal.chunk WHERE run = %s"
DELETE_CHUNKS = "DELETE FROM flowmetal.chunk WHERE run = %s AND name = ANY (%s::text[])"
SELECT_KEPT = """
  SELECT seq FROM flowmetal.event WHERE run = %s AND seq <= %s AND snapshot IS NOT NULL"""
FORGET_SNAPSHOTS = """
  UPDATE flowmetal.event SET snapshot = NULL WHERE run = %s AND seq = ANY (%s::bigint[])"""

SELECT_LOADED = f"SELECT run.number, {_LATEST}, {_COLUMNS} FROM {_TABLES} WHERE run.id = %s"
SELECT_ALL_LOADED = f"""
  SELECT run.number, {_LATEST}, {_COLUMNS} FROM {_TABLES} WHERE run.id = ANY (%s::text[])"""

# Of many runs: what has come in up to a number each, and the first events after a number each.
SELECT_ALL_UNREAD = """
  SELECT message.run, message.number, time_us, id, kind, name, body
  FROM unnest(%(runs)s::bigint[], %(numbers)s::bigint[]) AS given (run, last)
    JOIN flowmetal.message ON message.run = given.run AND message.number <= given.last
  WHERE NOT consumed ORDER BY message.run, message.number"""
SELECT_UNCHAINED = """
  SELECT event.run, seq, time_us, kind, name, effect, data
  FROM unnest(%(runs)s::bigint[], %(numbers)s::bigint[]) AS given (run, told)
    JOIN flowmetal.event ON event.run = given.run AND event.seq > given.told
      AND event.seq <= given.told + %(limit)s
  ORDER BY event.run, seq"""
SELECT_INBOX = """
  SELECT number, time_us, id, kind, name, body FROM flowmetal.message
  WHERE run = (SELECT number FROM flowmetal.run WHERE id = %s) AND NOT consumed AND number > %s
  ORDER BY number"""
SELECT_RECEIPT = """
  SELECT number, time_us, id, kind, name, body FROM flowmetal.message
  WHERE run = (SELECT number FROM flowmetal.run WHERE id = %s) AND id = %s"""
FORGET_MESSAGE = """
  DELETE FROM flowmetal.message
  WHERE run = (SELECT number FROM flowmetal.run WHERE id = %s) AND id = %s AND consumed RETURNING number"""
SELECT_EVENTS = """
  SELECT seq, time_us, kind, name, effect, data FROM flowmetal.event
  WHERE run = (SELECT number FROM flowmetal.run WHERE id = %s) AND seq > %s ORDER BY seq LIMIT %s"""

# New runs, their heads and first events. Of each that was made: its id and when; an id that is taken
# makes none. The numbers are drawn first, so that the parts find each other without a join.
INSERT_RUNS = """
  WITH given AS MATERIALIZED (
    SELECT nextval('flowmetal.run_number_seq') AS number, given.*
    FROM unnest(%(ids)s::text[], %(programs)s::text[], %(parents)s::text[], %(queues)s::text[],
      %(tags)s::text[], %(inputs)s::bytea[], %(grants)s::bytea[], %(states)s::text[], %(dues)s::bigint[],
      %(kinds)s::text[], %(names)s::text[], %(effects)s::bigint[], %(times)s::bigint[], %(datas)s::bytea[])
      AS given (id, program, parent, queue, tags, input, grants, state, due_us, kind, name, effect,
        time_us, data)
  ), made AS (
    INSERT INTO flowmetal.run (number, id, program, parent, queue, tags, created_us, input, grants)
    OVERRIDING SYSTEM VALUE
    SELECT number, id, program, parent, queue, tags::jsonb, flowmetal.now_us(), input, grants
    FROM given ON CONFLICT (id) DO NOTHING RETURNING number, id, created_us
  ), placed AS (
    INSERT INTO flowmetal.head (number, state, state_before, due_us, epoch, seq, attempts,
      received, snapshot_format, lease_expires_us, waiting, progress)
    SELECT number, state, state, due_us, 0, CASE WHEN kind IS NULL THEN 0 ELSE 1 END, 0,
      0, 0, 0, ''::bytea, ''::bytea
    FROM given WHERE (number IN (SELECT number FROM made)) IS TRUE
  ), told AS (
    INSERT INTO flowmetal.event (run, seq, time_us, effect, kind, name, data)
    SELECT number, 1, CASE time_us WHEN 0 THEN flowmetal.now_us() ELSE time_us END,
      effect, kind, name, data
    FROM given WHERE kind IS NOT NULL AND (number IN (SELECT number FROM made)) IS TRUE
  )
  SELECT id, created_us FROM made"""

INSERT_EVENTS = """
  INSERT INTO flowmetal.event (run, seq, time_us, effect, kind, name, data)
  SELECT %(run)s::bigint, event.seq,
    CASE event.time_us WHEN 0 THEN %(now_us)s::bigint ELSE event.time_us END,
    event.effect, event.kind, event.name, event.data
  FROM unnest(%(seqs)s::bigint[], %(times)s::bigint[], %(effects)s::bigint[],
    %(kinds)s::text[], %(names)s::text[], %(datas)s::bytea[])
    AS event (seq, time_us, effect, kind, name, data)"""


def events_as_columns(events: Sequence[NewEvent | Event], after: int) -> dict[str, Array]:
    """Return the parameters that INSERT_EVENTS takes for events that follow number ``after``."""
    return {
        "seqs": BigInts(range(after + 1, after + 1 + len(events))),
        "times": BigInts(event.time_us for event in events),
        "effects": BigInts(event.effect for event in events),
        "kinds": Texts(text(event.kind) for event in events),
        "names": Texts(text(event.name) for event in events),
        "datas": Byteas(event.data for event in events),
    }


def text(name: str) -> str:
    """Return a name as PostgreSQL can keep it: it has no NUL."""
    return name.replace("\0", "\N{SYMBOL FOR NULL}") if "\0" in name else name


def new_runs(new: Sequence[NewRun]) -> dict[str, Array]:
    """Return the parameters of INSERT_RUNS for runs with ids that differ."""
    states = [rules.first_state(each.queue) for each in new]
    first = [each.first_event for each in new]
    return {
        "ids": Texts(each.id for each in new),
        "programs": Texts(each.program for each in new),
        "parents": Texts(each.parent for each in new),
        "queues": Texts(each.queue for each in new),
        "tags": Texts(json.dumps(dict(each.tags)) for each in new),
        "inputs": Byteas(each.input for each in new),
        "grants": Byteas(each.grants for each in new),
        "states": Texts(state.value for state in states),
        "dues": BigInts(map(first_due_us, new)),
        "kinds": Texts(None if event is None else text(event.kind) for event in first),
        "names": Texts(None if event is None else text(event.name) for event in first),
        "effects": BigInts(None if event is None else event.effect for event in first),
        "times": BigInts(None if event is None else event.time_us for event in first),
        "datas": Byteas(None if event is None else event.data for event in first),
    }


def first_due_us(new: NewRun) -> int | None:
    """Return when a new run can be claimed."""
    return rules.due_us(rules.first_state(new.queue), new.wake_at_us)


def made_row(new: NewRun, created_us: int) -> RunRow:
    """Return the row that INSERT_RUNS has made."""
    return RunRow(
        id=new.id,
        program=new.program,
        state=rules.first_state(new.queue),
        epoch=0,
        seq=0 if new.first_event is None else 1,
        owner=None,
        lease_expires_us=0,
        wake_at_us=first_due_us(new),
        input=new.input,
        grants=new.grants,
        result=None,
        error=None,
        waiting=b"",
        progress=b"",
        tags=dict(new.tags),
        parent=new.parent,
        created_us=created_us,
        started_us=None,
        ended_us=None,
        attempts=0,
        received=0,
        snapshot_format=0,
        queue=new.queue,
    )


def run_row(row: Row) -> RunRow:
    """Build a RunRow from what SELECT_RUN gives."""
    (
        id_, program, state, epoch, seq, owner_text, lease_expires_us, due_us, input_, grants,
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
        lease_expires_us=lease_expires_us,
        wake_at_us=due_us,
        input=input_,
        grants=grants,
        result=result,
        error=error,
        waiting=waiting,
        progress=progress,
        tags=rules.checked_tags(tags, id_),
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


def select_runs(query: RunQuery) -> tuple[str, list[Any]]:
    """Return the SELECT for a query and its parameters."""
    terms: list[str] = []
    values: list[Any] = []

    def add(term: str, *parameters: Any) -> None:
        terms.append(term)
        values.extend(parameters)

    if query.states:
        shown = "CASE WHEN state = 'ready' AND owner IS NOT NULL THEN 'running' ELSE state END"
        add(f"{shown} = ANY (%s::text[])", Texts(state.value for state in query.states))
    if query.program:
        add("starts_with(program, %s::text)", query.program)
    if query.tags:
        add("tags @> %s", Jsonb(dict(query.tags)))
    if query.id_prefix:
        add("run.id >= %s AND run.id < %s", query.id_prefix, query.id_prefix + "\U0010ffff")
    if query.parents:
        add("parent = ANY (%s::text[])", Texts(query.parents))
    if query.before is not None:
        add("(created_us, run.id) < (%s, %s)", *query.before)
    where = f"WHERE {' AND '.join(terms)}" if terms else ""
    select = f"SELECT {_COLUMNS} FROM {_TABLES} {where}"
    return f"{select} ORDER BY created_us DESC, run.id DESC LIMIT %s", [*values, query.limit]


_ORPHAN = (
    "UPDATE flowmetal.run SET parent = NULL"
    " WHERE parent = (SELECT id FROM flowmetal.run WHERE number = %s)"
)
DELETE_RUN = (
    _ORPHAN,
    *(
        f"DELETE FROM flowmetal.{table} WHERE {column} = %s"
        for table, column in (
            ("event", "run"),
            ("message", "run"),
            ("chunk", "run"),
            ("head", "number"),
            ("run", "number"),
        )
    ),
)
"""What deletes a run and all that belongs to it, by its number. Its children are nobody's then."""


def event(row: Row) -> Event:
    return Event(*row)


def inbox_row(row: Row) -> InboxRow:
    number, time_us, id_, kind, name, body = row
    return InboxRow(number, time_us, Message(id_, kind, name, body))


# A whole run at once: import

INSERT_WHOLE_RUN = """
  INSERT INTO flowmetal.run (id, program, parent, queue, tags, created_us, input, grants)
  VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING RETURNING number"""
INSERT_WHOLE_HEAD = """
  INSERT INTO flowmetal.head (number, state, state_before, due_us, epoch, seq, attempts, received,
    snapshot_format, lease_expires_us, started_us, ended_us, waiting, progress, snapshot, result, error, chain,
    anchor)
  VALUES (%s, %s, %s, %s, %s, %s, 0, %s, %s, 0, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""
INSERT_MESSAGES = """
  INSERT INTO flowmetal.message (run, number, time_us, consumed, id, kind, name, body)
  SELECT %(run)s::bigint, entry.*
  FROM unnest(%(numbers)s::bigint[], %(times)s::bigint[], %(consumed)s::boolean[], %(ids)s::text[],
    %(kinds)s::text[], %(names)s::text[], %(bodies)s::bytea[]) AS entry"""
INSERT_CHUNKS = """
  INSERT INTO flowmetal.chunk (run, name, data)
  SELECT %(run)s::bigint, part.* FROM unnest(%(names)s::text[], %(datas)s::bytea[]) AS part"""


def whole_run(row: RunRow) -> list[Any]:
    """Return the parameters of INSERT_WHOLE_RUN."""
    tags = Jsonb(dict(row.tags))
    return [row.id, row.program, row.parent, row.queue, tags, row.created_us, row.input, row.grants]


def whole_head(number: int, epoch: int, image: RunImage) -> list[Any]:
    """Return the parameters of INSERT_WHOLE_HEAD."""
    row = image.row
    return [
        *(number, row.state.value, row.state.value, row.wake_at_us, epoch, row.seq),
        *(row.received, row.snapshot_format, row.started_us, row.ended_us),
        *(row.waiting, row.progress, image.snapshot, row.result, row.error, row.chain, row.anchor),
    ]


def messages_as_columns(inbox: Sequence[tuple[InboxRow, bool]]) -> dict[str, Array]:
    """Return the parameters of INSERT_MESSAGES but the run."""
    return {
        "numbers": BigInts(entry.number for entry, _ in inbox),
        "times": BigInts(entry.time_us for entry, _ in inbox),
        "consumed": Booleans(consumed for _, consumed in inbox),
        "ids": Texts(entry.message.id for entry, _ in inbox),
        "kinds": Texts(entry.message.kind for entry, _ in inbox),
        "names": Texts(entry.message.name for entry, _ in inbox),
        "bodies": Byteas(entry.message.body for entry, _ in inbox),
    }
