"""The transactions of the PostgreSQL store: the protocol, method by method.

The rule for reading it: a write is one statement, or one ``with self._session.writing``
block; READ COMMITTED and a compare-and-swap are enough. Every time is the server's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowmetal.errors import Conflict, StoreError
from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store import rules
from flowmetal.store.chain import UNCHAINED, length
from flowmetal.store.clock import SetBack
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
from flowmetal.store.postgres import claims, rows, steps
from flowmetal.store.postgres.address import read_address
from flowmetal.store.postgres.arrays import BigInts, Texts
from flowmetal.store.postgres.records import (
    HAS_CALLS,
    LOCK,
    NEXT_DUE,
    NEXT_WAKE,
    TIED,
    Execute,
    PostgresRecords,
)
from flowmetal.store.postgres.session import Session
from flowmetal.store.protocol import (
    ANY_ATTEMPTS,
    ENDED,
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
from flowmetal.values import Map

if TYPE_CHECKING:
    from flowmetal.store.operations.vocabulary import Operation

_CLOSED = Texts(state.value for state in rules.CLOSED)

_Current = tuple[int, bytes | None, RunRow]
"""Number, latest snapshot and row of a run whose claim holds."""


class PostgresStore:
    """See ``protocol.Store``. Threads may share one; processes open their own."""

    def __init__(self, url: str, *, clock_lasts_s: float = 10.0) -> None:
        """Connect, and make the tables or bring them up to date if need be.

        ``clock_lasts_s``: how long the distance to the server's clock is believed.
        """
        self._address = read_address(url)
        self._session = Session(self._address, clock_lasts_s)
        self._set_back = SetBack()

    @property
    def url(self) -> str:
        return self._address.shown

    @property
    def is_remote(self) -> bool:
        return True

    @property
    def hooks(self) -> Callable[[str], None] | None:
        return self._session.hooks

    @hooks.setter
    def hooks(self, hooks: Callable[[str], None] | None) -> None:
        self._session.hooks = hooks

    def now_us(self) -> int:
        return self._session.now_us()

    def wait_for_change(self, timeout_s: float) -> None:
        self._session.wait_for_change(timeout_s)

    def close(self) -> None:
        """Give back what this process still holds, and close the connections."""
        self._session.close(claims.LEAVE)

    def abandon(self, owner: InterpreterId) -> None:
        """Behave as if the interpreter's process had died: for crash tests inside one process."""
        self._session.line.abandon(owner)

    # Programs and runs

    def put_program(self, program: ProgramHash, data: bytes) -> None:
        there = "SELECT 1 FROM flowmetal.program WHERE hash = %s"
        if not self._session.read(there, (program,)):
            insert = "INSERT INTO flowmetal.program VALUES (%s, %s) ON CONFLICT DO NOTHING"
            self._session.write("put_program", insert, (program, data))

    def program(self, program: ProgramHash) -> bytes | None:
        select = "SELECT data FROM flowmetal.program WHERE hash = %s"
        data: bytes | None = _only(self._session.read(select, (program,)))
        return data

    def create_run(self, new: NewRun) -> tuple[RunRow, bool]:
        rules.check_new(new)
        while True:
            made = self._session.write("create_run", rows.INSERT_RUNS, rows.new_runs([new]))
            if made:
                self._session.announce()
                return rows.made_row(new, made[0][1]), True
            row = self.run(new.id)
            if row is not None:  # else it was forgotten meanwhile, and the id is free
                return row, False

    def create_runs(self, new: Sequence[NewRun]) -> list[bool]:
        for each in new:
            rules.check_new(each)
        by_id: dict[RunId, NewRun] = {}
        first = [by_id.setdefault(each.id, each) is each for each in new]
        with self._session.writing("create_runs") as execute:
            execute(LOCK, None)  # two that make runs with the same ids would wait in a circle
            values = rows.new_runs(list(by_id.values()))
            made = {id_ for id_, _ in execute(rows.INSERT_RUNS, values)}
        if made:
            self._session.announce()
        return [is_first and each.id in made for is_first, each in zip(first, new, strict=True)]

    def run(self, run: RunId) -> RunRow | None:
        found = self._session.read(rows.SELECT_RUN, (run,))
        return rows.run_row(found[0]) if found else None

    def runs(self, query: RunQuery) -> list[RunRow]:
        return [rows.run_row(row) for row in self._session.read(*rows.select_runs(query))]

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
        self._enter(owner)
        found = self._session.write(
            "claim",
            claims.CLAIM,
            {
                "run": run,
                "owner": owner,
                "lease_us": lease_us,
                "states": Texts(state.value for state in {*rules.CLAIMABLE, *even}),
                "format": snapshot_format,
                "lock_class": self._session.liveness.lock_class,
            },
        )
        if not found:
            return None
        epoch, seq, is_driven, head = claims.head(found[0])
        if epoch is not None:
            return Claim(run, owner, epoch, seq)
        if not is_driven and rules.may_claim(head.state, even):
            rules.check_snapshot_format(run, head.snapshot_format, snapshot_format)
        return _held(head)

    def driver(self, run: RunId) -> Held | None:
        values = {"run": run, "lock_class": self._session.liveness.lock_class}
        found = self._session.read(claims.LOOK_ON, values)
        if not found:
            return None
        _, _, is_driven, _, head = claims.looked(found[0])
        return _held(head) if is_driven else None

    def claim_ready(
        self,
        owner: InterpreterId,
        lease_us: int,
        limit: int,
        *,
        snapshot_format: int = 1,
        attempts: int = ANY_ATTEMPTS,
    ) -> list[Claim]:
        values = {
            "owner": owner,
            "lease_us": lease_us,
            "limit": limit,
            "format": snapshot_format,
            "attempts": attempts,
            "lock_class": self._session.liveness.lock_class,
        }
        if not self._session.line.has(owner):
            if not self._session.read(claims.IS_SOMETHING_READY, values):
                return []
            self._enter(owner)
        taken = self._session.write("claim_ready", claims.CLAIM_READY, values)
        return [Claim(RunId(run), owner, epoch, seq) for run, epoch, seq in taken]

    def _enter(self, owner: InterpreterId) -> None:
        if not self._session.line.has(owner):
            rules.check_text(owner)
            self._session.line.enter(owner)

    def renew(self, claims_: Sequence[Claim], lease_us: int) -> list[Claim]:
        held = self._renew(claims.RENEW_FREE, claims_, lease_us)
        left = [claim for claim in claims_ if claim not in held]
        while left:  # locked just now, or lost: one is waited for, the others may be free by then
            held |= self._renew(claims.RENEW_ONE, left[:1], lease_us)
            held |= self._renew(claims.RENEW_FREE, left[1:], lease_us)
            left = [claim for claim in left[1:] if claim not in held]
        return [claim for claim in claims_ if claim in held]

    def _renew(self, sql: str, claims_: Sequence[Claim], lease_us: int) -> set[Claim]:
        """Return those of the claims that were renewed."""
        if not claims_:
            return set()
        values = {
            "runs": Texts(claim.run for claim in claims_),
            "epochs": BigInts(claim.epoch for claim in claims_),
            "owners": Texts(claim.owner for claim in claims_),
            "lease_us": lease_us,
        }
        holding = {tuple(row) for row in self._session.write("renew", sql, values)}
        return {claim for claim in claims_ if (claim.run, claim.epoch) in holding}

    def release(self, claim: Claim) -> None:
        values = (claim.run, claim.epoch, claim.owner)
        if self._session.write("release", claims.RELEASE, values):
            self._session.announce()

    # Steps

    def load(self, claim: Claim) -> Loaded:
        (found,) = self.load_all([claim])
        if isinstance(found, StoreError):
            raise found
        return found

    def load_all(self, claims: Sequence[Claim]) -> list[Loaded | StoreError]:
        wanted = Texts(claim.run for claim in claims)
        found = {row[2]: [row] for row in self._session.read(rows.SELECT_ALL_LOADED, (wanted,))}
        current = [self._current_or_trouble(claim, found.get(claim.run, [])) for claim in claims]
        held = [(here[0], here[2]) for here in current if not isinstance(here, StoreError)]
        # What the holder of a claim has not consumed stays, so a second look may come later.
        inbox: dict[int, list[InboxRow]] = {}
        received = [(number, row.received) for number, row in held if row.received]
        for number, *row in self._read_after(rows.SELECT_ALL_UNREAD, received):
            inbox.setdefault(number, []).append(rows.inbox_row(tuple(row)))
        events: dict[int, list[Event]] = {}
        told = [(number, length(row.chain)) for number, row in held if row.seq > length(row.chain)]
        for number, *row in self._read_after(rows.SELECT_UNCHAINED, told):
            events.setdefault(number, []).append(rows.event(tuple(row)))
        return [
            here
            if isinstance(here, StoreError)
            else Loaded(
                here[2], here[1], tuple(inbox.get(here[0], ())), tuple(events.get(here[0], ()))
            )
            for here in current
        ]

    def _read_after(self, sql: str, places: Sequence[tuple[int, int]]) -> list[rows.Row]:
        """Read rows of runs, by number, with regard to a number for each."""
        if not places:
            return []
        values = {
            "runs": BigInts(run for run, _ in places),
            "numbers": BigInts(number for _, number in places),
            "limit": UNCHAINED,
        }
        return self._session.read(sql, values)

    def _current(self, claim: Claim, found: list[rows.Row]) -> _Current:
        if found:
            number, snapshot, *columns = found[0]
            row = rows.run_row(tuple(columns))
            if (row.owner, row.epoch, row.seq) == (claim.owner, claim.epoch, claim.seq):
                return number, snapshot, row
        raise rules.lost_claim(claim.run)

    def _current_or_trouble(self, claim: Claim, found: list[rows.Row]) -> _Current | StoreError:
        return rules.or_trouble(lambda claim: self._current(claim, found), claim)

    def snapshot(self, run: RunId) -> bytes | None:
        data: bytes | None = _only(self._session.read(rows.SELECT_SNAPSHOT, (run,)))
        return data

    def kept_snapshot(self, run: RunId, at: int) -> tuple[int, bytes] | None:
        select = (
            "SELECT seq, snapshot FROM flowmetal.event WHERE snapshot IS NOT NULL AND seq <= %s"
            " AND run = (SELECT number FROM flowmetal.run WHERE id = %s) ORDER BY seq DESC LIMIT 1"
        )
        found = self._session.read(select, (at, run))
        return (found[0][0], found[0][1]) if found else None

    def kept_snapshots(self, run: RunId) -> list[tuple[int, int]]:
        select = (
            "SELECT seq, length(snapshot) FROM flowmetal.event WHERE snapshot IS NOT NULL"
            " AND run = (SELECT number FROM flowmetal.run WHERE id = %s) ORDER BY seq"
        )
        return [(seq, size) for seq, size in self._session.read(select, (run,))]

    def chunk_names(self, run: RunId) -> list[str]:
        select = (
            "SELECT name FROM flowmetal.chunk"
            " WHERE run = (SELECT number FROM flowmetal.run WHERE id = %s)"
        )
        return [name for (name,) in self._session.read(select, (run,))]

    def trim(self, claim: Claim, trim: Trim) -> None:
        with self._session.writing("trim") as execute:
            execute(rows.AS_LONG_AS_IT_TAKES, None)
            locked = rows.SELECT_LOADED + " FOR UPDATE OF head"
            number, _, _ = self._current(claim, execute(locked, (claim.run,)))
            execute(rows.MOVE_SNAPSHOT, (number,))
            if trim.events:
                up_to = (number, min(trim.events, claim.seq))
                execute(rows.DELETE_ANSWERS, (number, *up_to))
                execute("DELETE FROM flowmetal.event WHERE run = %s AND seq <= %s", up_to)
                update = "UPDATE flowmetal.head SET anchor = %s WHERE number = %s"
                execute(update, (trim.anchor, number))
            if trim.snapshots:
                kept = execute(rows.SELECT_KEPT, (number, trim.snapshots))
                past = BigInts(seq for (seq,) in kept if seq not in trim.but)
                execute(rows.FORGET_SNAPSHOTS, (number, past))
            if trim.chunks is not None:
                names = execute(rows.SELECT_CHUNK_NAMES, (number,))
                gone = Texts(name for (name,) in names if name not in trim.chunks)
                execute(rows.DELETE_CHUNKS, (number, gone))

    def forget(self, run: RunId) -> bool:
        with self._session.writing("forget") as execute:
            execute(rows.AS_LONG_AS_IT_TAKES, None)
            lock_class = self._session.liveness.lock_class
            found = execute(claims.LOOK, {"run": run, "lock_class": lock_class})
            if not found:
                return False
            number, _, is_driven, _, head = claims.looked(found[0])
            if is_driven or head.state not in ENDED:
                return False
            for delete in rows.DELETE_RUN:
                execute(delete, (number,))
        return True

    def chunks(self, run: RunId, names: Sequence[str]) -> dict[str, bytes]:
        select = (
            "SELECT name, data FROM flowmetal.chunk WHERE name = ANY (%s::text[])"
            " AND run = (SELECT number FROM flowmetal.run WHERE id = %s)"
        )
        return {row[0]: row[1] for row in self._session.read(select, (Texts(names), run))}

    def commit(self, claim: Claim, commit: Commit) -> Claim:
        if not _uses_records(commit):
            written = self._session.write("commit", *steps.statement([(claim, commit)]))
        else:
            with self._session.writing("commit") as execute:
                execute(LOCK, None)
                written = self._step_and_operate(execute, [(claim, commit)])
        if not written:
            raise rules.lost_claim(claim.run)
        self._announce_steps([commit])
        return steps.after(claim, commit, written[0][1])

    def commit_all(self, steps_: Sequence[tuple[Claim, Commit]]) -> list[Claim | Conflict]:
        if not steps_:
            return []
        rounds = steps.rounds(steps_)
        written: list[rows.Row] = []
        if len(rounds) == 1 and not any(_uses_records(commit) for _, commit in steps_):
            written = self._session.write("commit_all", *steps.statement(steps_, waits=False))
        if not written:  # it needs the lock: for what it asks, or to wait for a row
            with self._session.writing("commit_all") as execute:
                execute(LOCK, None)
                written = [row for some in rounds for row in self._step_and_operate(execute, some)]
        self._announce_steps([commit for _, commit in steps_])
        changed: dict[str, int] = dict(written)
        return [
            steps.after(claim, commit, changed[claim.run])
            if claim.run in changed
            else rules.lost_claim(claim.run)
            for claim, commit in steps_
        ]

    def _step_and_operate(
        self, execute: Execute, steps_: Sequence[tuple[Claim, Commit]]
    ) -> list[rows.Row]:
        """Write steps and perform what they ask for, in the open transaction, which has the lock."""
        written = execute(*steps.statement(steps_))
        changed = {row[0] for row in written}
        done = [(claim.run, commit) for claim, commit in steps_ if claim.run in changed]
        records = PostgresRecords(execute)
        for run, commit in done:
            if commit.program is not None:
                update = "UPDATE flowmetal.run SET program = %s WHERE id = %s"
                execute(update, (commit.program, run))
            if commit.grants is not None:
                update = "UPDATE flowmetal.run SET grants = %s WHERE id = %s"
                execute(update, (commit.grants, run))
            if commit.operations:
                perform_all(records, run, commit.operations)
        for run, commit in done:
            if commit.revived:
                revive_run(records, run)
        ended = Texts(run for run, commit in done if commit.state in ENDED)
        # Most runs end with nothing hanging on them: one look for all.
        for (run,) in execute(TIED, (ended,)) if ended else ():
            end_run(records, RunId(run))
        return written

    def operate(self, operation: Operation) -> Map:
        if is_a_look(operation):
            with self._session.reading() as execute:
                return operate(PostgresRecords(execute, only_reads=True), operation)[0]
        with self._session.writing("operate") as execute:
            execute(LOCK, None)
            found, written = operate(PostgresRecords(execute), operation)
        if written:
            self._session.announce()
        return found

    def has_calls(self, kinds: Collection[str]) -> bool:
        from flowmetal.store.operations.calls import prefix_of

        return bool(_only(self._session.read(HAS_CALLS, (Texts(map(prefix_of, kinds)),))))

    def attend(self) -> bool:
        due_us = _only(self._session.read(NEXT_DUE))
        now_us = self.now_us()
        again = self._set_back.is_seen(now_us, time.monotonic_ns() // 1000, self._is_behind)
        if not again and (due_us is None or due_us > now_us):
            return False
        if again:  # by itself, or a damaged row would undo it
            with self._session.writing("attend") as execute:
                execute(LOCK, None)
                look_again(PostgresRecords(execute))
            self._set_back.heeded()
        try:
            with self._session.writing("attend") as execute:
                execute(LOCK, None)
                found = attend(PostgresRecords(execute))
        except Unattended as row:
            with self._session.writing("attend") as execute:
                execute(LOCK, None)
                put_off(PostgresRecords(execute), row)
            raise
        self._session.announce()
        return found

    def _is_behind(self) -> bool:
        with self._session.reading() as execute:
            return is_behind(PostgresRecords(execute, only_reads=True))

    def _announce_steps(self, commits: Sequence[Commit]) -> None:
        if any(
            commit.release or commit.operations or commit.state is not RunState.RUNNING
            for commit in commits
        ):
            self._session.announce()

    # Messages and history

    def send(self, run: RunId, message: Message) -> InboxRow | None:
        rules.check_text(message.id, message.kind, message.name)
        values = {
            "run": run,
            "id": message.id,
            "kind": message.kind,
            "name": message.name,
            "body": message.body,
            "closed": _CLOSED,
        }
        found = self._session.write("send", claims.SEND, values)
        if not found:
            return None
        state, number, time_us = found[0]
        if number is not None:
            self._session.announce()
            return InboxRow(number, time_us, message)
        receipt = self._session.read(rows.SELECT_RECEIPT, (run, message.id))
        if receipt:
            return rows.inbox_row(receipt[0])
        rules.check_open(run, rules.state_of(state))
        raise AssertionError(f"run {run} is open and has not taken message {message.id}")

    def inbox(self, run: RunId, after: int) -> list[InboxRow]:
        return [rows.inbox_row(row) for row in self._session.read(rows.SELECT_INBOX, (run, after))]

    def events(self, run: RunId, after: int = 0, limit: int = 1000) -> list[Event]:
        values = (run, min(max(after, 0), rules.END_OF_TIME_US), limit)
        return [rows.event(row) for row in self._session.read(rows.SELECT_EVENTS, values)]

    def next_wake_us(self, *, snapshot_format: int = 1) -> int | None:
        due_us: int | None = _only(self._session.read(NEXT_WAKE, (snapshot_format,)))
        return due_us

    def set_state(
        self, run: RunId, expected: Sequence[RunState], state: RunState, event: NewEvent
    ) -> RunRow:
        stored = rules.stored_state(state)
        with self._session.writing("set_state") as execute:
            execute(LOCK, None)
            lock_class = self._session.liveness.lock_class
            found = execute(claims.LOOK, {"run": run, "lock_class": lock_class})
            if not found:
                raise rules.no_such_run(run)
            number, seq, is_driven, now_us, head = claims.looked(found[0])
            if is_driven:
                raise rules.still_driven(run, head.description)
            rules.check_expected(run, head.state, head.owner, expected)
            values = {
                "number": number,
                "state": stored.value,
                "due_us": rules.due_us(stored, 0),
                "ended": state in ENDED,
                "now_us": now_us,
            }
            execute(claims.SET_STATE, values)
            told = rows.events_as_columns((event,), seq)
            execute(rows.INSERT_EVENTS, {"run": number, "now_us": now_us, **told})
            if state in ENDED:
                end_run(PostgresRecords(execute), run)
            elif head.state is RunState.FAILED:
                revive_run(PostgresRecords(execute), run)
            row = rows.run_row(execute(rows.SELECT_RUN, (run,))[0])
        self._session.announce()
        return row

    # Export and import

    def export_run(self, claim: Claim) -> dict[str, bytes]:
        from flowmetal.store.postgres import moving

        with self._session.reading() as execute:
            found = execute(rows.SELECT_LOADED, (claim.run,))
            number, snapshot, row = self._current(claim, found)
            return moving.read_parts(execute, number, snapshot, row)

    def import_run(self, parts: Mapping[str, bytes], beside: Sequence[Operation] = ()) -> RunRow:
        from flowmetal.store.postgres import moving

        image = moving.unpack(parts)
        with self._session.writing("import_run") as execute:
            moving.insert_run(execute, image, beside)
            row = rows.run_row(execute(rows.SELECT_RUN, (image.row.id,))[0])
        self._session.announce()
        return row


def _uses_records(commit: Commit) -> bool:
    return (
        bool(commit.operations)
        or commit.revived
        or commit.program is not None
        or commit.grants is not None
        or commit.state in ENDED
    )


def _held(head: claims.Head) -> Held:
    state = rules.shown_state(head.state, head.owner)
    return Held(state, head.owner, head.description, head.lease_expires_us)


def _only(found: list[rows.Row]) -> Any:
    """Return the one value of a statement, None if there is no row."""
    return found[0][0] if found else None
