"""The SQL of claims, leases and messages: who may write a run, and what wakes it.

READ COMMITTED looks again at a row that it had to wait for, so conditions hold
for the newest version of it. Rows that others are claiming are skipped; common table
expressions that lock are MATERIALIZED, because under some plans a sub-select with
LIMIT and FOR UPDATE is run again and again and locks more than its limit.
"""

from __future__ import annotations

from typing import NamedTuple

from flowmetal.ids import InterpreterId
from flowmetal.store import rules
from flowmetal.store.postgres.rows import Row
from flowmetal.store.protocol import RunState

# Who has this lock may wait for rows with rows in hand (records.py).
ALONE = "pg_advisory_xact_lock('flowmetal.record'::regclass::oid::int, 0)"

_IS_GONE = "pg_try_advisory_xact_lock_shared(%(lock_class)s::int, interpreter.number)"

_FOUND = f"""found AS MATERIALIZED (
  SELECT head.number, head.state, head.owner, head.lease_expires_us, head.seq, head.snapshot_format,
    interpreter.description, clock.us AS now_us,
    head.owner IS NOT NULL AND head.lease_expires_us > clock.us
      AND NOT coalesce({_IS_GONE}, false) AS is_driven
  FROM clock, flowmetal.run JOIN flowmetal.head USING (number)
    LEFT JOIN flowmetal.interpreter ON interpreter.id = head.owner
  WHERE run.id = %(run)s FOR UPDATE OF head
)"""
# A claim or a renewal that a crash of the server undoes harms nobody: whatever is committed on the
# strength of it comes after it in the log, and is undone with it or keeps it. So nobody waits for the disk.
_SOON = "soon AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))"
_CLOCK = "clock AS MATERIALIZED (SELECT flowmetal.now_us() AS us)"

_SHOWN = """
  found.state, found.owner, found.lease_expires_us, found.snapshot_format,
  coalesce(found.description, 'interpreter ' || found.owner, 'nobody')"""

CLAIM = f"""
  WITH {_CLOCK}, {_FOUND}, {_SOON}, taken AS (
    UPDATE flowmetal.head SET owner = %(owner)s, epoch = epoch + 1,
      attempts = attempts + CASE WHEN found.owner = %(owner)s THEN 0 ELSE 1 END,
      lease_expires_us = flowmetal.now_us() + %(lease_us)s,
      started_us = coalesce(head.started_us, flowmetal.now_us())
    FROM found, soon
    WHERE head.number = found.number AND (found.owner = %(owner)s OR NOT found.is_driven)
      AND found.state = ANY (%(states)s::text[]) AND found.snapshot_format <= %(format)s
    RETURNING head.epoch, head.seq
  )
  SELECT taken.epoch, taken.seq, found.is_driven AND found.owner <> %(owner)s, {_SHOWN}
  FROM found LEFT JOIN taken ON true"""

LOOK = f"""
  WITH {_CLOCK}, {_FOUND}
  SELECT found.number, found.seq, found.is_driven, found.now_us, {_SHOWN} FROM found"""

LOOK_ON = LOOK.replace("FOR UPDATE OF head", "")

# What can be claimed: runs of the dead, runs whose lease is over, runs that are due.
# LIMIT and FOR UPDATE belong to each kind; {lock} is left out for a mere look.
_READY = """
  WITH clock AS MATERIALIZED (SELECT flowmetal.now_us() AS us),
  gone AS MATERIALIZED (
    SELECT id FROM flowmetal.interpreter WHERE {is_gone}
  ), busy AS MATERIALIZED (
    -- How many runs of a queue the claimer may take yet, for queues that say so.
    SELECT record.key AS queue, (record.fields::jsonb ->> 'per_worker')::bigint - (
        SELECT count(*) FROM flowmetal.head JOIN flowmetal.run USING (number)
        WHERE head.owner = %(owner)s AND run.queue = record.key) AS room
    FROM flowmetal.record WHERE space = 'queue' AND record.fields::jsonb ->> 'per_worker' IS NOT NULL
  ), lost AS MATERIALIZED (
    -- Runs of such queues that are to be taken over, which come first. What the claimer has lost is none more.
    SELECT number, queue, room, row_number() OVER (PARTITION BY queue ORDER BY number) AS place
    FROM (
      SELECT head.number, queue, room
      FROM gone JOIN flowmetal.head ON head.owner = gone.id
        JOIN flowmetal.run USING (number) JOIN busy USING (queue)
      WHERE head.owner IS NOT NULL AND head.owner <> %(owner)s AND {can_go_on}
      UNION
      SELECT head.number, queue, room
      FROM flowmetal.head JOIN flowmetal.run USING (number) JOIN busy USING (queue)
      WHERE owner IS NOT NULL AND lease_expires_us <= (SELECT us FROM clock) AND owner <> %(owner)s
        AND {can_go_on}) AS line
  ), first AS MATERIALIZED (
    -- Of those that are due, as many of each such queue as there is room for then, which may be none.
    SELECT line.number FROM busy, LATERAL (
      SELECT head.number FROM flowmetal.head JOIN flowmetal.run USING (number)
      WHERE due_us IS NOT NULL AND owner IS NULL AND due_us <= (SELECT us FROM clock) AND {can_be_read}
        AND run.queue = busy.queue
      ORDER BY due_us, number
      LIMIT greatest(0, room - (SELECT count(*) FROM lost WHERE lost.queue = busy.queue))) AS line
  ), orphan AS MATERIALIZED (
    SELECT head.number FROM gone JOIN flowmetal.head ON head.owner = gone.id
    WHERE head.owner IS NOT NULL AND {can_go_on} AND {has_room}
    LIMIT %(limit)s {lock}
  ), late AS MATERIALIZED (
    SELECT number FROM flowmetal.head
    WHERE owner IS NOT NULL AND lease_expires_us <= (SELECT us FROM clock) AND {can_go_on} AND {has_room}
    ORDER BY lease_expires_us LIMIT %(limit)s - (SELECT count(*) FROM orphan) {lock}
  ), due AS MATERIALIZED (
    SELECT head.number FROM flowmetal.head JOIN flowmetal.run USING (number)
    WHERE due_us IS NOT NULL AND owner IS NULL AND due_us <= (SELECT us FROM clock) AND {can_be_read}
      AND ((run.queue IN (SELECT queue FROM busy)) IS NOT TRUE OR head.number IN (SELECT number FROM first))
    ORDER BY due_us
    LIMIT greatest(0, %(limit)s - (SELECT count(*) FROM orphan) - (SELECT count(*) FROM late)) {lock}
  ), ready AS MATERIALIZED (
    SELECT number FROM orphan UNION SELECT number FROM late UNION SELECT number FROM due
  )"""
_CAN_BE_READ = "snapshot_format <= %(format)s AND attempts <= %(attempts)s"
# All that a queue has let begin may be due. A join with it would be a loop in a loop; with IS NOT TRUE, or under OR,
# IN is a look into a hash table.
_HAS_ROOM = "(head.number IN (SELECT number FROM lost WHERE place > room)) IS NOT TRUE"
# The server may get to a statement when its sender has died, and would find what that held free: a claim in
# the name of the dead, and a death that is counted twice.
_LIVES = "NOT EXISTS (SELECT 1 FROM gone WHERE gone.id = %(owner)s)"


def _ready(lock: str, condition: str) -> str:
    can_be_read = f"{_CAN_BE_READ} AND {condition}"
    can_go_on = f"state IN ('ready', 'waiting') AND {can_be_read}"
    return _READY.format(
        is_gone=_IS_GONE,
        can_go_on=can_go_on,
        can_be_read=can_be_read,
        has_room=_HAS_ROOM,
        lock=lock,
    )


CLAIM_READY = (
    _ready("FOR UPDATE OF head SKIP LOCKED", _LIVES)
    + f", {_SOON}"
    + """, taken AS (
    UPDATE flowmetal.head SET owner = %(owner)s, epoch = epoch + 1, attempts = attempts + 1,
      lease_expires_us = flowmetal.now_us() + %(lease_us)s,
      started_us = coalesce(started_us, flowmetal.now_us())
    FROM ready, soon WHERE head.number = ready.number
    RETURNING head.number, head.epoch, head.seq, head.due_us
  )
  SELECT run.id, taken.epoch, taken.seq FROM taken JOIN flowmetal.run USING (number)
  ORDER BY taken.due_us NULLS FIRST, number"""
)
"""What has been due longest comes first, also among those that are taken together: it begins first."""

IS_SOMETHING_READY = _ready("", "true") + " SELECT 1 FROM ready LIMIT 1"

_RENEW = f"""
  WITH {_SOON}, given AS MATERIALIZED (
    SELECT * FROM unnest(%(runs)s::text[], %(epochs)s::bigint[], %(owners)s::text[])
      AS given (id, epoch, owner)
  ), held AS MATERIALIZED (
    SELECT head.number, given.id, given.epoch
    FROM given JOIN flowmetal.run USING (id) JOIN flowmetal.head USING (number)
    WHERE head.epoch = given.epoch AND head.owner = given.owner
    FOR UPDATE OF head{{or_skip}}
  )
  UPDATE flowmetal.head SET lease_expires_us = flowmetal.now_us() + %(lease_us)s
  FROM held, soon WHERE head.number = held.number
  RETURNING held.id, held.epoch"""
RENEW_ONE = _RENEW.format(or_skip="")
RENEW_FREE = _RENEW.format(or_skip=" SKIP LOCKED")
"""Renew what nobody has locked just now: with many rows in hand nobody waits for one more."""

RELEASE = """
  UPDATE flowmetal.head SET owner = NULL, lease_expires_us = 0, attempts = greatest(0, attempts - 1)
  FROM flowmetal.run
  WHERE run.id = %s AND head.number = run.number AND head.epoch = %s AND head.owner = %s
  RETURNING head.number"""

# At the end of a process: its runs are for others, and so is its name.
_GIVE_BACK = f"""
  WITH alone AS MATERIALIZED (SELECT {ALONE})
  UPDATE flowmetal.head SET owner = NULL, lease_expires_us = 0, attempts = greatest(0, attempts - 1)
  FROM alone WHERE owner = ANY (%s::text[])"""
LEAVE = (
    _GIVE_BACK,
    "DELETE FROM flowmetal.interpreter WHERE id = ANY (%s::text[])",
)

SET_STATE = """
  UPDATE flowmetal.head SET seq = seq + 1, epoch = epoch + 1, owner = NULL, lease_expires_us = 0,
    state = %(state)s, due_us = %(due_us)s,
    state_before = CASE state WHEN 'exporting' THEN state_before ELSE state END,
    ended_us = CASE WHEN %(ended)s THEN coalesce(ended_us, %(now_us)s) END,
    result = CASE WHEN %(ended)s THEN result END, error = CASE WHEN %(ended)s THEN error END
  WHERE number = %(number)s"""

# The id makes a message come in once: a second one is not inserted, and changes nothing.
SEND = """
  WITH target AS MATERIALIZED (
    SELECT head.number, head.state, head.received
    FROM flowmetal.run JOIN flowmetal.head USING (number)
    WHERE run.id = %(run)s FOR UPDATE OF head
  ), added AS (
    INSERT INTO flowmetal.message (run, number, time_us, id, kind, name, body)
    SELECT number, received + 1, flowmetal.now_us(), %(id)s, %(kind)s, %(name)s, %(body)s
    FROM target WHERE state <> ALL (%(closed)s::text[])
    ON CONFLICT (run, id) DO NOTHING
    RETURNING run, number, time_us
  ), woken AS (
    UPDATE flowmetal.head SET received = added.number,
      state = CASE state WHEN 'waiting' THEN 'ready' ELSE state END,
      due_us = CASE state WHEN 'waiting' THEN added.time_us ELSE due_us END
    FROM added WHERE head.number = added.run
  )
  SELECT target.state, added.number, added.time_us FROM target LEFT JOIN added ON true"""


class Head(NamedTuple):
    """What a claim has to know of a run."""

    state: RunState
    owner: InterpreterId | None
    lease_expires_us: int
    snapshot_format: int
    description: str


def head(row: Row) -> tuple[int | None, int, bool, Head]:
    """Read what CLAIM gives: epoch and number of the claim, or None; is another driving it; the run."""
    epoch, seq, is_driven, *shown = row
    return epoch, seq, bool(is_driven), _head(shown)


def looked(row: Row) -> tuple[int, int, bool, int, Head]:
    """Read what LOOK gives: number, sequence number, is somebody driving it, the time, the run."""
    number, seq, is_driven, now_us, *shown = row
    return number, seq, is_driven, now_us, _head(shown)


def _head(shown: list[object]) -> Head:
    state, owner, lease_expires_us, snapshot_format, description = shown
    assert isinstance(lease_expires_us, int)
    assert isinstance(snapshot_format, int)
    return Head(
        rules.state_of(str(state)),
        None if owner is None else InterpreterId(str(owner)),
        lease_expires_us,
        snapshot_format,
        str(description),
    )
