"""A whole run out of the tables and into them: what export and import do in their transactions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowmetal.store import rules
from flowmetal.store.operations import operate_all
from flowmetal.store.protocol import RunRow
from flowmetal.store.sqlite import rows
from flowmetal.store.sqlite.records import SqliteRecords
from flowmetal.store.sqlite.session import Session
from flowmetal.store.transfer import RunImage, pack, unpack

if TYPE_CHECKING:
    from flowmetal.store.operations.vocabulary import Operation

__all__ = ["insert_run", "read_parts", "unpack"]


def read_parts(session: Session, number: int, row: RunRow) -> dict[str, bytes]:
    """Read everything of a run. Its state is the one that it had before it was exported."""
    execute = session.execute
    state, before = execute(
        "SELECT state, state_before FROM head WHERE number = ?", (number,)
    ).fetchone()
    program = execute("SELECT data FROM program WHERE hash = ?", (row.program,)).fetchone()
    chunks = execute("SELECT name, data FROM chunk WHERE run = ?", (number,)).fetchall()
    events = execute(rows.SELECT_EVENTS, rows.events_range(number, 0, -1)).fetchall()
    messages = execute(
        "SELECT number, time_us, id, kind, name, body, consumed FROM message"
        " WHERE run = ? ORDER BY number",
        (number,),
    ).fetchall()
    return pack(
        row,
        rules.state_of(before if state == "exporting" else state),
        None if program is None else program[0],
        rows.latest_snapshot(execute, number),
        dict(chunks),
        [rows.event(found) for found in events],
        [(rows.inbox_row(found[:6]), found[6] == 1) for found in messages],
    )


def insert_run(
    session: Session, records: SqliteRecords, image: RunImage, beside: Sequence[Operation]
) -> None:
    """Write everything of a run, and perform what brings along what hangs on it. Raises RunError FM1104 if its id
    is taken."""
    new = image.row
    epoch = max(new.epoch, _make_room(session, new))
    tags = json.dumps(dict(new.tags))
    inserted = session.execute(
        rows.INSERT_RUN,
        (new.id, new.program, new.parent, new.queue, tags, new.created_us, new.input, new.grants),
    )
    number = inserted.lastrowid
    if inserted.rowcount != 1 or number is None:
        raise rules.run_exists(new.id)
    session.execute(
        rows.INSERT_HEAD,
        (
            *(number, new.state.value, new.state.value, new.wake_at_us, epoch, new.seq),
            *(new.received, new.snapshot_format, new.started_us, new.ended_us),
            *(new.waiting, new.progress, image.snapshot, new.result, new.error),
            *(new.chain, new.anchor),
        ),
    )
    if image.program is not None:
        program = (new.program, image.program)
        session.execute("INSERT OR IGNORE INTO program VALUES (?, ?)", program)
    session.executemany(
        rows.INSERT_CHUNK, [(number, name, data) for name, data in image.chunks.items()]
    )
    session.executemany(
        rows.INSERT_EVENT,
        [
            (rows.event_key(number, e.seq), e.time_us, e.kind, e.name, e.effect, e.data, None)
            for e in image.events
        ],
    )
    session.executemany(
        rows.INSERT_MESSAGE,
        [rows.message_row(number, entry, consumed=consumed) for entry, consumed in image.inbox],
    )
    operate_all(records, beside)


def _make_room(session: Session, coming: RunRow) -> int:
    """Take away what a run left behind when it moved, if it is that run which comes back.

    Return the first epoch that nobody had here, so that whoever drove it before stays shut out.
    """
    execute = session.execute
    found = execute(
        "SELECT number, state, created_us, seq, epoch FROM run JOIN head USING (number)"
        " WHERE id = ?",
        (coming.id,),
    ).fetchone()
    if found is None:
        return 0
    number, state, created_us, seq, epoch = found
    rules.check_import(coming, rules.state_of(state), created_us, seq)
    rows.delete_run(execute, number)
    return int(epoch) + 1
