"""The transactions of the SQLite store: the protocol, method by method.

The rule for reading it: a write method is one ``with self._session.writing``
block, checks come before the first change, and a step changes exactly one row
of ``head`` or nothing at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from flowmetal.errors import Conflict, StoreError
from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store import rules
from flowmetal.store.chain import UNCHAINED, length
from flowmetal.store.clock import Clock, SetBack, SystemClock
from flowmetal.store.operations import (
    Unattended,
    attend,
    end_run,
    is_a_look,
    is_behind,
    look_again,
    operate,
    perform_all,
    put_off,
    revive_run,
)
from flowmetal.store.protocol import (
    ANY_ATTEMPTS,
    ENDED,
    NOT_SAID,
    Claim,
    Commit,
    Event,
    Held,
    InboxRow,
    Loaded,
    Message,
    NewEvent,
    NewRun,
    RunQuery,
    RunRow,
    RunState,
    Trim,
)
from flowmetal.store.sqlite import rows
from flowmetal.store.sqlite.liveness import Liveness
from flowmetal.store.sqlite.records import SqliteRecords
from flowmetal.store.sqlite.rows import Head
from flowmetal.store.sqlite.session import Session
from flowmetal.values import Map

if TYPE_CHECKING:
    from flowmetal.store.operations.vocabulary import Operation

_NEVER = 1 << 62  # a message number that no run reaches

# The compare-and-swap. Without a {release} it touches no index: a run that is
# held is in none that mentions what is set here.
_STEP = """
  UPDATE head SET seq = ?,
    state = CASE WHEN received > ? THEN 'ready' ELSE ? END,
    due_us = CASE WHEN received > ? THEN ? ELSE ? END,
    state_before = CASE state WHEN 'exporting' THEN state_before ELSE state END,
    ended_us = CASE WHEN ? THEN coalesce(ended_us, ?) END,
    snapshot = CASE WHEN ? THEN NULL ELSE coalesce(?, snapshot) END, snapshot_format = coalesce(?, snapshot_format),
    waiting = coalesce(?, waiting), progress = coalesce(?, progress), chain = coalesce(?, chain),
    result = ?, error = ?, {release}
  WHERE number = ? AND epoch = ? AND seq = ? AND owner = ? AND received <= ?
  RETURNING received"""
_KEEP = _STEP.format(release="attempts = 1")
_RELEASE = _STEP.format(release="attempts = 0, owner = NULL, lease_boot_us = 0")

_PAGE = 20
_TAKEABLE = """
  SELECT number, id, queue, due_us FROM head JOIN run USING (number)
  WHERE due_us IS NOT NULL AND owner IS NULL AND due_us <= ? AND snapshot_format <= ?
    AND attempts <= ? AND (due_us, number) > (?, ?)
    AND queue NOT IN (SELECT value FROM json_each(?))
  ORDER BY due_us, number LIMIT ?"""


class SqliteStore:
    """See ``protocol.Store``. Threads may share one; processes open their own."""

    def __init__(self, path: Path, clock: Clock | None = None, timeout_s: float = 30) -> None:
        """Open the file, or make it. ``timeout_s`` is how long to queue behind other writers."""
        self._clock = clock or SystemClock()
        self._set_back = SetBack()
        # One file has one place for its locks, whatever link or folder it is reached by.
        self._path = Path(os.path.realpath(path))
        self._session = Session(self._path, self._clock.now_us(), timeout_s)
        self._execute = self._session.execute
        self._liveness = Liveness(self._session, self._clock)
        self._records = SqliteRecords(self._session, self._clock)
        # Of the runs that this process has claimed, for who has a claim: one that was lost may be forgotten since.
        self._numbers: dict[RunId, int] = {}

    @property
    def url(self) -> str:
        return f"sqlite:{self._path}"

    @property
    def is_remote(self) -> bool:
        return False

    @property
    def hooks(self) -> Callable[[str], None] | None:
        return self._session.hooks

    @hooks.setter
    def hooks(self, hooks: Callable[[str], None] | None) -> None:
        self._session.hooks = hooks

    def now_us(self) -> int:
        return self._clock.now_us()

    def wait_for_change(self, timeout_s: float) -> None:
        self._session.wait_for_change(timeout_s)

    def close(self) -> None:
        """Give back what this process still holds, and close the file."""
        self._session.close(remove_locks=self._liveness.leave())

    def abandon(self, owner: InterpreterId) -> None:
        """Behave as if the interpreter's process had died: for crash tests inside one process."""
        self._liveness.abandon(owner)

    # Programs and runs

    def put_program(self, program: ProgramHash, data: bytes) -> None:
        if self.program(program) is None:
            with self._session.writing("put_program"):
                self._execute("INSERT OR IGNORE INTO program VALUES (?, ?)", (program, data))

    def program(self, program: ProgramHash) -> bytes | None:
        with self._session.reading():
            select = "SELECT data FROM program WHERE hash = ?"
            found = self._execute(select, (program,)).fetchone()
        return None if found is None else found[0]

    def create_run(self, new: NewRun) -> tuple[RunRow, bool]:
        rules.check_new(new)
        with self._session.writing("create_run"):
            made = self._records.create_run(new)
            row = self._row(new.id)
            assert row is not None
        if made:
            self._session.announce()
        return row, made

    def create_runs(self, new: Sequence[NewRun]) -> list[bool]:
        for each in new:
            rules.check_new(each)
        with self._session.writing("create_runs"):
            made = [self._records.create_run(each) for each in new]
        if any(made):
            self._session.announce()
        return made

    def run(self, run: RunId) -> RunRow | None:
        with self._session.reading():
            return self._row(run)

    def runs(self, query: RunQuery) -> list[RunRow]:
        with self._session.reading():
            found = self._execute(*rows.select_runs(query)).fetchall()
        return [rows.run_row(row, self._clock) for row in found]

    def _row(self, run: RunId) -> RunRow | None:
        found = self._execute(rows.SELECT_RUN, (run,)).fetchone()
        return None if found is None else rows.run_row(found, self._clock)

    # Claims

    def claim(
        self,
        run: RunId,
        owner: InterpreterId,
        lease_us: int,
        *,
        even: Collection[RunState] = (),
        snapshot_format: int = 1,
    ) -> Claim | Held | None:
        self._liveness.enter(owner)
        with self._session.writing("claim", lasting=False):
            head = self._head(run)
            if head is None:
                return None
            driven = head.owner != owner and self._liveness.drives(head.owner, head.lease_boot_us)
            if driven or not rules.may_claim(head.state, even):
                return self._held(head)
            rules.check_snapshot_format(run, head.snapshot_format, snapshot_format)
            return self._take(run, head.number, owner, lease_us, again=head.owner == owner)

    def claim_ready(
        self,
        owner: InterpreterId,
        lease_us: int,
        limit: int,
        *,
        snapshot_format: int = 1,
        attempts: int = ANY_ATTEMPTS,
    ) -> list[Claim]:
        with self._session.reading():
            if not limit or not any(self._takeable(owner, 1, snapshot_format, attempts)):
                return []
        self._liveness.enter(owner)
        with self._session.writing("claim_ready", lasting=False):
            # One by one: each that is taken may be the last of its queue that this owner may take.
            takeable = self._takeable(owner, limit, snapshot_format, attempts)
            return [
                self._take(run, number, owner, lease_us) for number, run in islice(takeable, limit)
            ]

    def renew(self, claims: Sequence[Claim], lease_us: int) -> list[Claim]:
        if not claims:
            return []
        update = "UPDATE head SET lease_boot_us = ? WHERE number = ? AND epoch = ? AND owner = ?"
        with self._session.writing("renew", lasting=False):
            until = self._clock.boot_us() + lease_us
            held = [
                claim
                for claim in claims
                if self._execute(update, (until, *self._claim_key(claim))).rowcount == 1
            ]
        for claim in {*claims}.difference(held):
            self._numbers.pop(claim.run, None)
        return held

    def release(self, claim: Claim) -> None:
        with self._session.writing("release"):
            released = self._execute(
                "UPDATE head SET owner = NULL, lease_boot_us = 0, attempts = max(0, attempts - 1)"
                " WHERE number = ? AND epoch = ? AND owner = ?",
                self._claim_key(claim),
            ).rowcount
        self._numbers.pop(claim.run, None)
        if released:
            self._session.announce()

    def _takeable(
        self,
        owner: InterpreterId,
        wanted: int,
        snapshot_format: int,
        attempts: int,
    ) -> Iterator[tuple[int, RunId]]:
        """Yield number and id of runs that can be claimed: those of the dead, those that are due.

        Passes over those of whose queue ``owner`` drives as many as it may. ``wanted``: about so
        many will be asked for.
        """
        size = max(wanted, _PAGE)
        full: set[str] = set()  # what is taken on the way makes no room
        for number, run, queue in chain(
            self._liveness.orphans(owner, size, snapshot_format, attempts),
            self._due(size, snapshot_format, attempts, full),
        ):
            if queue in full:
                continue
            if queue and not self._records.has_room(queue, owner):
                full.add(queue)
                continue
            yield number, run

    def _due(
        self, size: int, snapshot_format: int, attempts: int, full: Collection[str]
    ) -> Iterator[tuple[int, RunId, str]]:
        """Yield number, id and queue of runs that nobody has and that are due, the earliest first.

        ``full``: queues that nothing more is wanted of. It may grow on the way, and each page leaves out what
        is in it by then: many may wait in one of them.
        """
        after = (-1, -1)
        while True:
            values = (self.now_us(), snapshot_format, attempts, *after, json.dumps([*full]), size)
            page = self._execute(_TAKEABLE, values).fetchall()
            for number, run, queue, due_us in page:
                after = (due_us, number)
                yield number, run, queue
            if len(page) < size:
                return

    def _take(
        self, run: RunId, number: int, owner: InterpreterId, lease_us: int, *, again: bool = False
    ) -> Claim:
        self._execute(
            "UPDATE head SET owner = ?, lease_boot_us = ?, epoch = epoch + 1,"
            " attempts = attempts + ?, started_us = coalesce(started_us, ?) WHERE number = ?",
            (owner, self._clock.boot_us() + lease_us, int(not again), self.now_us(), number),
        )
        select = "SELECT epoch, seq FROM head WHERE number = ?"
        epoch, seq = self._execute(select, (number,)).fetchone()
        self._numbers[run] = number
        return Claim(run, owner, epoch, seq)

    def _head(self, run: RunId) -> Head | None:
        found = self._execute(rows.SELECT_HEAD, (run,)).fetchone()
        return None if found is None else rows.head(found)

    def driver(self, run: RunId) -> Held | None:
        with self._session.reading():
            head = self._head(run)
            if head is None or not self._liveness.drives(head.owner, head.lease_boot_us):
                return None
            return self._held(head)

    def _held(self, head: Head) -> Held:
        boot_id, description = self._liveness.describe(head.owner)
        expires_us = rows.lease_end_us(head.owner, boot_id, head.lease_boot_us, self._clock)
        state = rules.shown_state(head.state, head.owner)
        return Held(state, head.owner, description, expires_us)

    def _number(self, run: RunId) -> int:
        """Return the run's number, 0 if there is no such run."""
        found = self._execute("SELECT number FROM run WHERE id = ?", (run,)).fetchone()
        return 0 if found is None else int(found[0])

    def _claimed_number(self, claim: Claim) -> int:
        """Return the number of a run if the claim holds; else that of no other run."""
        return self._numbers.get(claim.run) or self._number(claim.run)

    def _claim_key(self, claim: Claim) -> tuple[int, int, InterpreterId]:
        return self._claimed_number(claim), claim.epoch, claim.owner

    # Steps

    def load(self, claim: Claim) -> Loaded:
        with self._session.reading():
            return self._load(claim)

    def load_all(self, claims: Sequence[Claim]) -> list[Loaded | StoreError]:
        with self._session.reading():
            return [rules.or_trouble(self._load_one, claim) for claim in claims]

    def _load_one(self, claim: Claim) -> Loaded:
        with self._session.judging():
            return self._load(claim)

    def _load(self, claim: Claim) -> Loaded:
        row = self._current(claim)
        number = self._number(claim.run)
        snapshot = rows.latest_snapshot(self._execute, number)
        unread = []
        if row.received:
            unread = self._execute(rows.SELECT_UNREAD, (number, 0)).fetchall()
        unchained = []
        if row.seq > (told := length(row.chain)):
            span = rows.events_range(number, told, UNCHAINED)
            unchained = self._execute(rows.SELECT_EVENTS, span).fetchall()
        return Loaded(
            row, snapshot, tuple(map(rows.inbox_row, unread)), tuple(map(rows.event, unchained))
        )

    def _current(self, claim: Claim) -> RunRow:
        row = self._row(claim.run)
        key = (claim.owner, claim.epoch, claim.seq)
        if row is None or (row.owner, row.epoch, row.seq) != key:
            raise rules.lost_claim(claim.run)
        return row

    def snapshot(self, run: RunId) -> bytes | None:
        with self._session.reading():
            return rows.latest_snapshot(self._execute, self._number(run))

    def kept_snapshot(self, run: RunId, at: int) -> tuple[int, bytes] | None:
        with self._session.reading():
            number = self._number(run)
            found = self._execute(
                "SELECT key, snapshot FROM event WHERE key > ? AND key <= ?"
                " AND snapshot IS NOT NULL ORDER BY key DESC LIMIT 1",
                (rows.event_key(number, 0), rows.event_key(number, at)),
            ).fetchone()
        return None if found is None else (rows.seq_of(found[0]), found[1])

    def kept_snapshots(self, run: RunId) -> list[tuple[int, int]]:
        with self._session.reading():
            first, last, _ = rows.events_range(self._number(run), 0, -1)
            found = self._execute(
                "SELECT key, length(snapshot) FROM event WHERE key > ? AND key <= ?"
                " AND snapshot IS NOT NULL ORDER BY key",
                (first, last),
            ).fetchall()
        return [(rows.seq_of(key), size) for key, size in found]

    def chunk_names(self, run: RunId) -> list[str]:
        with self._session.reading():
            select = "SELECT name FROM chunk WHERE run = ?"
            return [name for (name,) in self._execute(select, (self._number(run),)).fetchall()]

    def trim(self, claim: Claim, trim: Trim) -> None:
        with self._session.writing("trim"):
            self._current(claim)
            number = self._number(claim.run)
            first = rows.event_key(number, 0)
            self._execute(rows.MOVE_SNAPSHOT, (first, rows.event_key(number + 1, 0), number))
            if trim.events:
                last = rows.event_key(number, min(trim.events, claim.seq))
                self._execute(rows.DELETE_ANSWERS, (number, last))
                self._execute("DELETE FROM event WHERE key > ? AND key <= ?", (first, last))
                update = "UPDATE head SET anchor = ? WHERE number = ?"
                self._execute(update, (trim.anchor, number))
            if trim.snapshots:
                kept = self._execute(
                    "SELECT key FROM event WHERE key > ? AND key <= ? AND snapshot IS NOT NULL",
                    (first, rows.event_key(number, trim.snapshots)),
                ).fetchall()
                self._session.executemany(
                    "UPDATE event SET snapshot = NULL WHERE key = ?",
                    [(key,) for (key,) in kept if rows.seq_of(key) not in trim.but],
                )
            if trim.chunks is not None:
                select = "SELECT name FROM chunk WHERE run = ?"
                names = [name for (name,) in self._execute(select, (number,)).fetchall()]
                self._session.executemany(
                    "DELETE FROM chunk WHERE run = ? AND name = ?",
                    [(number, name) for name in names if name not in trim.chunks],
                )

    def forget(self, run: RunId) -> bool:
        with self._session.writing("forget"):
            head = self._head(run)
            if head is None or head.state not in ENDED:
                return False
            if self._liveness.drives(head.owner, head.lease_boot_us):
                return False
            rows.delete_run(self._execute, head.number)
        self._numbers.pop(run, None)
        return True

    def chunks(self, run: RunId, names: Sequence[str]) -> dict[str, bytes]:
        select = "SELECT data FROM chunk WHERE run = ? AND name = ?"
        with self._session.reading():
            number = self._number(run)
            found = {name: self._execute(select, (number, name)).fetchone() for name in names}
        return {name: row[0] for name, row in found.items() if row is not None}

    def commit(self, claim: Claim, commit: Commit) -> Claim:
        with self._session.writing("commit"):
            after = self._step(claim, commit)
            if after is None:
                raise rules.lost_claim(claim.run)
        self._stepped(claim, commit)
        return after

    def commit_all(self, steps: Sequence[tuple[Claim, Commit]]) -> list[Claim | Conflict]:
        with self._session.writing("commit_all"):
            afters = [self._step(claim, commit) for claim, commit in steps]
        for claim, commit in steps:
            self._stepped(claim, commit)
        return [
            rules.lost_claim(claim.run) if after is None else after
            for (claim, _), after in zip(steps, afters, strict=True)
        ]

    def _step(self, claim: Claim, commit: Commit) -> Claim | None:
        """Write one step in the open transaction. None: the claim no longer holds, nothing written."""
        number = self._claimed_number(claim)
        now = self._clock.now_us()
        seq = claim.seq + len(commit.events)
        ended, seen = False, _NEVER
        if commit.state is RunState.RUNNING:  # by far the most frequent
            stored, state = RunState.READY, "ready"
        else:
            stored, state = commit.state, commit.state.value
            ended = commit.state in ENDED
            if commit.state is RunState.WAITING:
                seen = commit.seen
        due_us = rules.due_us(stored, commit.wake_at_us, parked=commit.release)
        keeps = commit.keep and bool(commit.events) and commit.snapshot is not None
        changed = self._execute(
            _RELEASE if commit.release else _KEEP,
            (
                *(seq, seen, state, seen, now, due_us, ended, now, keeps, commit.snapshot),
                None if commit.snapshot is None else commit.snapshot_format,
                *(commit.waiting, commit.progress, commit.chain, commit.result, commit.error),
                *(number, claim.epoch, claim.seq, claim.owner),
                commit.seen if commit.heeds else _NEVER,
            ),
        ).fetchall()
        if not changed:
            self._numbers.pop(claim.run, None)
            return None
        ((received,),) = changed
        if commit.program is not None:
            self._execute("UPDATE run SET program = ? WHERE number = ?", (commit.program, number))
        if commit.grants is not None:
            self._execute("UPDATE run SET grants = ? WHERE number = ?", (commit.grants, number))
        kept = commit.snapshot if keeps else None
        rows.insert_events(self._execute, number, claim.seq, commit.events, now, kept)
        if commit.chunks:
            self._session.executemany(
                rows.INSERT_CHUNK,
                [(number, name, data) for name, data in commit.chunks.items()],
            )
        if commit.consumed:
            self._session.executemany(
                "UPDATE message SET consumed = 1 WHERE run = ? AND number = ? AND consumed = 0",
                [(number, consumed) for consumed in commit.consumed],
            )
        if commit.operations:
            perform_all(self._records, claim.run, commit.operations)
            received = NOT_SAID  # the answers may be messages
        if commit.revived:
            revive_run(self._records, claim.run)
        if ended:
            end_run(self._records, claim.run)
        return Claim(claim.run, claim.owner, claim.epoch, seq, received)

    def _stepped(self, claim: Claim, commit: Commit) -> None:
        if commit.release:
            self._numbers.pop(claim.run, None)
        if commit.release or commit.operations or commit.state is not RunState.RUNNING:
            self._session.announce()

    # Messages and history

    def send(self, run: RunId, message: Message) -> InboxRow | None:
        rules.check_text(message.id, message.kind, message.name)
        with self._session.writing("send"):
            head = self._head(run)
            if head is None:
                return None
            receipt = self._records.receipt(head.number, message.id)
            if receipt is not None:
                return receipt
            rules.check_open(run, head.state)
            receipt = self._records.put_message(head.number, message)
        self._session.announce()
        return receipt

    def operate(self, operation: Operation) -> Map:
        if is_a_look(operation):
            with self._session.reading():
                return operate(self._records, operation)[0]
        with self._session.writing("operate"):
            found, written = operate(self._records, operation)
        if written:
            self._session.announce()
        return found

    def has_calls(self, kinds: Collection[str]) -> bool:
        from flowmetal.store.operations.calls import are_offered

        with self._session.reading():
            return are_offered(self._records, kinds)

    def attend(self) -> bool:
        with self._session.reading():
            again = self._set_back.is_seen(
                self.now_us(), self._clock.boot_us(), lambda: is_behind(self._records)
            )
            if not again and not self._records.due(self.now_us(), 1):
                return False
        if again:  # by itself, or a damaged row would undo it
            with self._session.writing("attend"):
                look_again(self._records)
            self._set_back.heeded()
        try:
            with self._session.writing("attend"):
                found = attend(self._records)
        except Unattended as row:
            with self._session.writing("attend"):
                put_off(self._records, row)
            raise
        self._session.announce()
        return found

    def inbox(self, run: RunId, after: int) -> list[InboxRow]:
        with self._session.reading():
            found = self._execute(rows.SELECT_UNREAD, (self._number(run), after)).fetchall()
        return [rows.inbox_row(row) for row in found]

    def events(self, run: RunId, after: int = 0, limit: int = 1000) -> list[Event]:
        with self._session.reading():
            span = rows.events_range(self._number(run), after, limit)
            found = self._execute(rows.SELECT_EVENTS, span).fetchall()
        return [rows.event(row) for row in found]

    def next_wake_us(self, *, snapshot_format: int = 1) -> int | None:
        with self._session.reading():
            found = self._execute(
                "SELECT due_us FROM head WHERE due_us IS NOT NULL AND owner IS NULL"
                " AND snapshot_format <= ? ORDER BY due_us LIMIT 1",
                (snapshot_format,),
            ).fetchone()
            due_us = self._records.next_due_us()
        dues = [us for us in (due_us, None if found is None else int(found[0])) if us is not None]
        return min(dues, default=None)

    def set_state(
        self, run: RunId, expected: Sequence[RunState], state: RunState, event: NewEvent
    ) -> RunRow:
        stored = rules.stored_state(state)
        with self._session.writing("set_state"):
            head = self._head(run)
            if head is None:
                raise rules.no_such_run(run)
            if self._liveness.drives(head.owner, head.lease_boot_us):
                raise rules.still_driven(run, self._liveness.describe(head.owner)[1])
            rules.check_expected(run, head.state, head.owner, expected)
            now, ended = self.now_us(), state in ENDED
            self._execute(
                "UPDATE head SET seq = seq + 1, epoch = epoch + 1, owner = NULL, lease_boot_us = 0,"
                " state = ?, due_us = ?,"
                " state_before = CASE state WHEN 'exporting' THEN state_before ELSE state END,"
                " ended_us = CASE WHEN ? THEN coalesce(ended_us, ?) END,"
                " result = CASE WHEN ? THEN result END, error = CASE WHEN ? THEN error END"
                " WHERE number = ?",
                (
                    *(stored.value, rules.due_us(stored, 0)),
                    *(ended, now, ended, ended, head.number),
                ),
            )
            rows.insert_events(self._execute, head.number, head.seq, (event,), now)
            if ended:
                end_run(self._records, run)
            elif head.state is RunState.FAILED:
                revive_run(self._records, run)
            row = self._row(run)
            assert row is not None
        self._session.announce()
        return row

    # Export and import

    def export_run(self, claim: Claim) -> dict[str, bytes]:
        from flowmetal.store.sqlite import moving  # few need it, and it is slow to import

        with self._session.reading():
            row = self._current(claim)
            return moving.read_parts(self._session, self._number(claim.run), row)

    def import_run(self, parts: Mapping[str, bytes], beside: Sequence[Operation] = ()) -> RunRow:
        from flowmetal.store.sqlite import moving

        image = moving.unpack(parts)
        with self._session.writing("import_run"):
            moving.insert_run(self._session, self._records, image, beside)
            row = self._row(image.row.id)
            assert row is not None
        self._session.announce()
        return row
