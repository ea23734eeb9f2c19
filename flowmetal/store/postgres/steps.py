"""The statement of a commit: one step of one run, or of many at once.

Events, inbox, chunks and the row itself are written by one statement with an array for
each column, so that a step costs one way to the server and one wait for its disk,
and a hundred steps cost one too. The compare-and-swap is its heart: only
rows that still have the claim's owner, epoch and sequence number are changed, and
only for those the rest is written. What it returns are the runs that were,
with the number of messages that each has got.

In a group the rows are locked first, in the order of their ids. Without the lock of the records (records.py) a group
does not wait for a row: if it does not get all, it changes nothing, and is made again with that lock.

What a statement leaves out (no chunks, say) is not in its text: there are a few
texts, each of which the server plans once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from flowmetal.ids import RunId
from flowmetal.store import rules
from flowmetal.store.postgres.arrays import OF_TYPE, Array
from flowmetal.store.postgres.rows import text
from flowmetal.store.protocol import ENDED, NOT_SAID, Claim, Commit, RunState

_NEVER = (1 << 63) - 1  # a message number that no run reaches

# Parameter, type, name of a column of what is given for each step.
# fmt: off
_GIVEN = (
    ("id", "text"), ("epoch", "bigint"), ("seq", "bigint"), ("owner", "text"),
    ("after", "bigint"), ("seen", "bigint"), ("latest", "bigint"), ("state", "text"), ("due_us", "bigint"),
    ("ended", "boolean"), ("release", "boolean"), ("kept", "boolean"), ("snapshot", "bytea"),
    ("format", "integer"),
    ("waiting", "bytea"), ("progress", "bytea"), ("result", "bytea"), ("error", "bytea"),
    ("chain", "bytea"),
)
_EVENT = (
    ("id", "text"), ("seq", "bigint"), ("time_us", "bigint"), ("effect", "bigint"),
    ("kind", "text"), ("name", "text"), ("data", "bytea"), ("snapshot", "bytea"),
)
# fmt: on
_CHUNK = (("id", "text"), ("name", "text"), ("data", "bytea"))
_CONSUMED = (("id", "text"), ("number", "bigint"))

# The rows to change, with what is given for them: found by key, and in a group locked in order.
_TARGET = """, target AS MATERIALIZED (
  SELECT run.number, given.* FROM given JOIN flowmetal.run USING (id){locked}
)"""
_LOCKED = """
    JOIN flowmetal.head USING (number) ORDER BY given.id COLLATE "C" FOR UPDATE OF head"""
_SKIPPED = " SKIP LOCKED"
_ALL = """
    AND (SELECT count(*) FROM target) = (SELECT count(*) FROM given)"""

_STEP = """, step AS (
  UPDATE flowmetal.head SET seq = target.after,
    state = CASE WHEN head.received > target.seen THEN 'ready' ELSE target.state END,
    due_us = CASE WHEN head.received > target.seen THEN clock.us ELSE target.due_us END,
    state_before = CASE head.state WHEN 'exporting' THEN head.state_before ELSE head.state END,
    ended_us = CASE WHEN target.ended THEN coalesce(head.ended_us, clock.us) END,
    snapshot = CASE WHEN NOT target.kept THEN coalesce(target.snapshot, head.snapshot) END,
    snapshot_format = coalesce(target.format, head.snapshot_format),
    waiting = coalesce(target.waiting, head.waiting),
    progress = coalesce(target.progress, head.progress),
    result = target.result, error = target.error,
    attempts = CASE WHEN target.release THEN 0 ELSE 1 END,
    chain = coalesce(target.chain, head.chain),
    owner = CASE WHEN NOT target.release THEN head.owner END,
    lease_expires_us = CASE WHEN NOT target.release THEN head.lease_expires_us ELSE 0 END
  FROM target, clock
  WHERE head.number = target.number
    AND head.epoch = target.epoch AND head.seq = target.seq AND head.owner = target.owner
    AND head.received <= target.latest{all}
  RETURNING target.id, head.received
)"""

# A join with `step` would be a loop in a loop; IS TRUE makes it a look into a hash table.
_DONE = "({name}.id IN (SELECT id FROM step)) IS TRUE"

_EVENTS = """, told AS (
  INSERT INTO flowmetal.event (run, seq, time_us, effect, kind, name, data, snapshot)
  SELECT run.number, event.seq, CASE event.time_us WHEN 0 THEN clock.us ELSE event.time_us END,
    event.effect, event.kind, event.name, event.data, event.snapshot
  FROM {event} JOIN flowmetal.run USING (id), clock WHERE {done}
)"""

_CHUNKS = """, kept AS (
  INSERT INTO flowmetal.chunk (run, name, data)
  SELECT run.number, chunk.name, chunk.data FROM {chunk} JOIN flowmetal.run USING (id) WHERE {done}
  ON CONFLICT (run, name) DO NOTHING
)"""

_TAKEN = """, taken AS (
  UPDATE flowmetal.message SET consumed = true FROM {read} JOIN flowmetal.run USING (id)
  WHERE message.run = run.number AND message.number = read.number AND NOT message.consumed
    AND {done}
)"""


@cache
def _sql(*, many: bool, waits: bool, events: bool, chunks: bool, consumed: bool) -> str:
    """Return the statement that has these parts."""
    locked = (_LOCKED if waits else _LOCKED + _SKIPPED) if many else ""
    return (
        "WITH clock AS MATERIALIZED (SELECT flowmetal.now_us() AS us)"
        f", given AS MATERIALIZED (SELECT * FROM {_unnest('given', _GIVEN)})"
        + _TARGET.format(locked=locked)
        + _STEP.format(all=_ALL if many and not waits else "")
        + (_part(_EVENTS, "event", _EVENT) if events else "")
        + (_part(_CHUNKS, "chunk", _CHUNK) if chunks else "")
        + (_part(_TAKEN, "read", _CONSUMED) if consumed else "")
        + " SELECT id, received FROM step"
    )


def _part(text: str, name: str, columns: Sequence[tuple[str, str]]) -> str:
    return text.format(**{name: _unnest(name, columns), "done": _DONE.format(name=name)})


def _unnest(name: str, columns: Sequence[tuple[str, str]]) -> str:
    """Return rows made of one array parameter for each column."""
    arrays = ", ".join(f"%({name}_{column})s::{kind}[]" for column, kind in columns)
    return f"unnest({arrays}) AS {name} ({', '.join(column for column, _ in columns)})"


def statement(
    steps: Sequence[tuple[Claim, Commit]], *, waits: bool = True
) -> tuple[str, dict[str, Array]]:
    """Return the statement for these steps, no two of one run, and its parameters.

    ``waits``: for rows that others have locked; else several steps are made all or, if one of their rows is locked, none.
    """
    given = [_given(claim, commit) for claim, commit in steps]
    values = _columns("given", _GIVEN, given)
    events = [row for claim, commit in steps for row in _events(claim, commit)]
    chunks = [
        (claim.run, name, data) for claim, commit in steps for name, data in commit.chunks.items()
    ]
    consumed = [(claim.run, number) for claim, commit in steps for number in commit.consumed]
    if events:
        values |= _columns("event", _EVENT, events)
    if chunks:
        values |= _columns("chunk", _CHUNK, chunks)
    if consumed:
        values |= _columns("read", _CONSUMED, consumed)
    sql = _sql(
        many=len(steps) > 1,
        waits=waits,
        events=bool(events),
        chunks=bool(chunks),
        consumed=bool(consumed),
    )
    return sql, values


def rounds(steps: Sequence[tuple[Claim, Commit]]) -> list[list[tuple[Claim, Commit]]]:
    """Return the steps in groups in which no run is twice; one group, as a rule."""
    found: list[dict[RunId, tuple[Claim, Commit]]] = [{}]
    for claim, commit in steps:
        if claim.run in found[-1]:
            found.append({})
        found[-1][claim.run] = (claim, commit)
    return [list(group.values()) for group in found]


def after(claim: Claim, commit: Commit, received: int) -> Claim:
    """Return the claim for the next step. What the store is asked may be answered by a message."""
    said = NOT_SAID if commit.operations else received
    return Claim(claim.run, claim.owner, claim.epoch, claim.seq + len(commit.events), said)


def _columns(
    name: str, columns: Sequence[tuple[str, str]], rows: Sequence[tuple[Any, ...]]
) -> dict[str, Array]:
    turned = zip(columns, zip(*rows, strict=True), strict=True)
    return {f"{name}_{column}": OF_TYPE[kind](values) for (column, kind), values in turned}


def _given(claim: Claim, commit: Commit) -> tuple[Any, ...]:
    stored, keeps = rules.stored_state(commit.state), _keeps(commit)
    return (
        *(claim.run, claim.epoch, claim.seq, claim.owner, claim.seq + len(commit.events)),
        commit.seen if commit.state is RunState.WAITING else _NEVER,
        commit.seen if commit.heeds else _NEVER,
        stored.value,
        rules.due_us(stored, commit.wake_at_us, parked=commit.release),
        *(commit.state in ENDED, commit.release, keeps, None if keeps else commit.snapshot),
        None if commit.snapshot is None else commit.snapshot_format,
        *(commit.waiting, commit.progress, commit.result, commit.error, commit.chain),
    )


def _keeps(commit: Commit) -> bool:
    """Say whether the snapshot is written beside the last event, and not into the head."""
    return commit.keep and bool(commit.events) and commit.snapshot is not None


def _events(claim: Claim, commit: Commit) -> list[tuple[Any, ...]]:
    last = claim.seq + len(commit.events)
    kept = commit.snapshot if _keeps(commit) else None
    return [
        (
            claim.run,
            seq,
            event.time_us,
            event.effect,
            text(event.kind),
            text(event.name),
            event.data,
            kept if seq == last else None,
        )
        for seq, event in enumerate(commit.events, claim.seq + 1)
    ]
