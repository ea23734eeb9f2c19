"""The store in this process's memory: the reference, and what short-lived embedding uses.

It keeps the contract in the plainest way: one lock around every method, every
check before the first change. It dies with the process, so "interpreters" are
parts of one program; ``abandon`` plays the death of one of them in tests.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flowmetal.errors import Conflict, StoreError
from flowmetal.ids import InterpreterId, ProgramHash, RunId
from flowmetal.store import rules
from flowmetal.store.chain import length
from flowmetal.store.clock import Clock, SetBack, SystemClock
from flowmetal.store.memory_records import MemoryRecords
from flowmetal.store.memory_run import MemoryRun, arrived, describe, in_order, matches, row_of
from flowmetal.store.operations import (
    attend,
    end_run,
    is_a_look,
    is_behind,
    look_again,
    operate,
    operate_all,
    perform_all,
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
from flowmetal.values import Map

if TYPE_CHECKING:
    from flowmetal.store.operations.vocabulary import Operation


class MemoryStore:
    """See the module's docstring and ``protocol.Store``."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.hooks: Callable[[str], None] | None = None
        self._clock = clock or SystemClock()
        self._set_back = SetBack()
        self._changed = threading.Condition(threading.RLock())
        self._changes = 0
        self._seen = threading.local()
        self._programs: dict[ProgramHash, bytes] = {}
        self._runs: dict[RunId, MemoryRun] = {}
        self._children: dict[RunId, list[RunId]] = {}  # forgotten ones, too
        self._records = MemoryRecords(self)
        self._dead: set[InterpreterId] = set()
        self._closed = False
        self._process = os.getpid()

    @property
    def url(self) -> str:
        return "memory:"

    @property
    def is_remote(self) -> bool:
        return False

    def now_us(self) -> int:
        return self._clock.now_us()

    def close(self) -> None:
        if os.getpid() == self._process:  # else it is the parent's
            with self._changed:
                self._closed = True
                self._changed.notify_all()

    def abandon(self, owner: InterpreterId) -> None:
        """Behave as if the interpreter's process had died."""
        with self._changed:
            self._dead.add(owner)
            self._changes += 1
            self._changed.notify_all()

    # Programs and runs

    def put_program(self, program: ProgramHash, data: bytes) -> None:
        with self._writing("put_program"):
            self._within("put_program")
            self._programs.setdefault(program, bytes(data))

    def program(self, program: ProgramHash) -> bytes | None:
        with self._reading():
            return self._programs.get(program)

    def create_run(self, new: NewRun) -> tuple[RunRow, bool]:
        rules.check_new(new)
        with self._writing("create_run"):
            if new.id not in self._runs:
                self._within("create_run")
            made = self.make_run(new)
            return self._row(self._runs[new.id]), made

    def create_runs(self, new: Sequence[NewRun]) -> list[bool]:
        for each in new:
            rules.check_new(each)
        with self._writing("create_runs"):
            self._within("create_runs")
            return [self.make_run(each) for each in new]

    def make_run(self, new: NewRun) -> bool:
        """Make a run in the open transaction; False if its id is taken."""
        if new.id in self._runs:
            return False
        state = rules.first_state(new.queue)
        run = MemoryRun(
            new.id, new.program, new.input, new.grants, dict(new.tags), new.parent,
            created_us=self.now_us(), queue=new.queue, state=state,
            due_us=rules.due_us(state, new.wake_at_us),
        )  # fmt: skip
        if new.first_event is not None:
            self._append(run, (new.first_event,))
        self._runs[new.id] = run
        self._note_parent(run)
        return True

    def _note_parent(self, run: MemoryRun) -> None:
        if run.parent is not None:
            self._children.setdefault(run.parent, []).append(run.id)

    def kept(self) -> Iterable[MemoryRun]:
        """Return all runs as they are kept here."""
        return self._runs.values()

    def found(self, run: RunId) -> MemoryRun | None:
        """Return a run as it is kept here."""
        return self._runs.get(run)

    def run(self, run: RunId) -> RunRow | None:
        with self._reading():
            found = self._runs.get(run)
            return None if found is None else self._row(found)

    def runs(self, query: RunQuery) -> list[RunRow]:
        with self._reading():
            rows = [self._row(run) for run in self._runs.values()]
        rows = [row for row in rows if matches(row, query)]
        rows.sort(key=lambda row: (row.created_us, row.id), reverse=True)
        return rows[: query.limit]

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
        with self._writing("claim"):
            self._enter(owner)
            found = self._runs.get(run)
            if found is None:
                return None
            driven = self._is_driven(found) and found.owner != owner
            if driven or not rules.may_claim(found.state, even):
                return self._held(found)
            rules.check_snapshot_format(run, found.snapshot_format, snapshot_format)
            self._within("claim")
            return self._take(found, owner, lease_us, again=found.owner == owner)

    def claim_ready(
        self,
        owner: InterpreterId,
        lease_us: int,
        limit: int,
        *,
        snapshot_format: int = 1,
        attempts: int = ANY_ATTEMPTS,
    ) -> list[Claim]:
        with self._reading():
            # Nobody is to be woken for nothing.
            if not self._takeable(snapshot_format, attempts):
                return []
        with self._writing("claim_ready"):
            self._enter(owner)
            takeable = self._takeable(snapshot_format, attempts)
            self._within("claim_ready")
            claims: list[Claim] = []
            full: set[str] = set()  # what is taken on the way makes no room
            for run in takeable:
                # What it has lost is one more of no queue.
                queue = "" if run.owner == owner else run.queue
                if len(claims) == limit or queue in full:
                    continue
                if self._has_room(queue, owner):
                    claims.append(self._take(run, owner, lease_us))
                else:
                    full.add(queue)
            return claims

    def renew(self, claims: Sequence[Claim], lease_us: int) -> list[Claim]:
        with self._writing("renew"):
            holding = [claim for claim in claims if self._holder(claim) is not None]
            self._within("renew")
            for claim in holding:
                self._runs[claim.run].lease_boot_us = self._clock.boot_us() + lease_us
            return holding

    def release(self, claim: Claim) -> None:
        with self._writing("release"):
            run = self._holder(claim)
            self._within("release")
            if run is not None:
                run.owner = None
                run.attempts = max(0, run.attempts - 1)

    def _enter(self, owner: InterpreterId) -> None:
        """Let an interpreter live; what one of the same name has left when it died is nobody's."""
        if owner in self._dead:
            self._dead.discard(owner)
            for run in self._runs.values():
                run.owner = None if run.owner == owner else run.owner

    def _takeable(self, snapshot_format: int, attempts: int) -> list[MemoryRun]:
        """Return the runs that can be claimed, those of the dead first."""
        now = self.now_us()
        found = [
            run
            for run in self._runs.values()
            if self._can_go_on(run, now)
            and run.snapshot_format <= snapshot_format
            and run.attempts <= attempts
        ]
        return sorted(found, key=lambda run: (run.owner is None, run.due_us or 0))

    def _can_go_on(self, run: MemoryRun, now_us: int) -> bool:
        if run.owner is not None:
            return run.state in rules.CLAIMABLE and not self._is_driven(run)
        return run.due_us is not None and run.due_us <= now_us

    def _has_room(self, queue: str, owner: InterpreterId) -> bool:
        """Say whether an interpreter may drive one more run of a queue."""
        if not queue:
            return True
        from flowmetal.store.operations.queues import per_worker

        most = per_worker(self._records, queue)
        if most is None:
            return True
        held = [r for r in self._runs.values() if r.owner == owner and r.queue == queue]
        return len(held) < most

    def _is_driven(self, run: MemoryRun) -> bool:
        if run.owner is None or run.owner in self._dead:
            return False
        return run.lease_boot_us > self._clock.boot_us()

    def _take(
        self, run: MemoryRun, owner: InterpreterId, lease_us: int, *, again: bool = False
    ) -> Claim:
        run.owner, run.epoch, run.attempts = owner, run.epoch + 1, run.attempts + (not again)
        run.lease_boot_us = self._clock.boot_us() + lease_us
        if run.started_us is None:
            run.started_us = self.now_us()
        return Claim(run.id, owner, run.epoch, run.seq)

    def driver(self, run: RunId) -> Held | None:
        found = self._runs.get(run)
        return None if found is None or not self._is_driven(found) else self._held(found)

    def _held(self, run: MemoryRun) -> Held:
        state = rules.shown_state(run.state, run.owner)
        return Held(state, run.owner, describe(run), self._lease_expires_us(run))

    def _holder(self, claim: Claim) -> MemoryRun | None:
        """Return the run if the claim still gives the right to it."""
        run = self._runs.get(claim.run)
        if run is None or (run.owner, run.epoch) != (claim.owner, claim.epoch):
            return None
        return run

    def _current(self, claim: Claim, commit: Commit | None = None) -> MemoryRun:
        run = self._holder(claim)
        if run is None or run.seq != claim.seq:
            raise rules.lost_claim(claim.run)
        if commit is not None and commit.heeds and run.received > commit.seen:
            raise rules.lost_claim(claim.run)
        return run

    # Steps

    def load(self, claim: Claim) -> Loaded:
        with self._reading():
            run = self._current(claim)
            told = length(run.chain)
            unchained = tuple(event for event in run.events if event.seq > told)
            return Loaded(self._row(run), run.snapshot, in_order(run.unread), unchained)

    def load_all(self, claims: Sequence[Claim]) -> list[Loaded | StoreError]:
        with self._reading():
            return [rules.or_trouble(self.load, claim) for claim in claims]

    def snapshot(self, run: RunId) -> bytes | None:
        with self._reading():
            found = self._runs.get(run)
            return None if found is None else found.snapshot

    def kept_snapshot(self, run: RunId, at: int) -> tuple[int, bytes] | None:
        with self._reading():
            found = self._runs.get(run)
            seqs = [] if found is None else [seq for seq in found.kept if seq <= at]
            if found is None or not seqs:
                return None
            return max(seqs), found.kept[max(seqs)]

    def kept_snapshots(self, run: RunId) -> list[tuple[int, int]]:
        with self._reading():
            found = self._runs.get(run)
            kept = {} if found is None else found.kept
            return [(seq, len(kept[seq])) for seq in sorted(kept)]

    def chunk_names(self, run: RunId) -> list[str]:
        with self._reading():
            found = self._runs.get(run)
            return [] if found is None else list(found.chunks)

    def trim(self, claim: Claim, trim: Trim) -> None:
        with self._writing("trim"):
            run = self._current(claim)
            self._within("trim")
            if trim.events:
                last_us = max((e.time_us for e in run.events if e.seq <= trim.events), default=0)
                run.receipts = {
                    id_: row
                    for id_, row in run.receipts.items()
                    if row.message.kind != "result"
                    or row.number in run.unread
                    or row.time_us >= last_us
                }
                run.events = [event for event in run.events if event.seq > trim.events]
                run.kept = {seq: data for seq, data in run.kept.items() if seq > trim.events}
                run.anchor = trim.anchor
            run.kept = {
                seq: data
                for seq, data in run.kept.items()
                if seq > trim.snapshots or seq in trim.but
            }
            if trim.chunks is not None:
                run.chunks = {n: data for n, data in run.chunks.items() if n in trim.chunks}

    def forget(self, run: RunId) -> bool:
        with self._writing("forget"):
            found = self._runs.get(run)
            if found is None or found.state not in ENDED or self._is_driven(found):
                return False
            self._within("forget")
            del self._runs[run]
            for child in self._children.pop(run, ()):
                orphan = self._runs.get(child)
                if orphan is not None and orphan.parent == run:
                    orphan.parent = None
            return True

    def chunks(self, run: RunId, names: Sequence[str]) -> dict[str, bytes]:
        with self._reading():
            found = self._runs.get(run)
            there = {} if found is None else found.chunks
            return {name: there[name] for name in names if name in there}

    def commit(self, claim: Claim, commit: Commit) -> Claim:
        with self._writing("commit"):
            run = self._current(claim, commit)
            self._within("commit")
            return self._apply(run, claim, commit)

    def commit_all(self, steps: Sequence[tuple[Claim, Commit]]) -> list[Claim | Conflict]:
        with self._writing("commit_all"):
            self._within("commit_all")
            answers: list[Claim | Conflict] = []
            for claim, commit in steps:
                try:
                    answers.append(self._apply(self._current(claim, commit), claim, commit))
                except Conflict as conflict:
                    answers.append(conflict)
            return answers

    def _apply(self, run: MemoryRun, claim: Claim, commit: Commit) -> Claim:
        self._append(run, commit.events)
        run.attempts = 0 if commit.release else 1
        stored = rules.stored_state(commit.state)
        due_us = rules.due_us(stored, commit.wake_at_us, parked=commit.release)
        self._park(run, stored, due_us)
        if run.state is RunState.WAITING and run.received > commit.seen:
            run.state, run.due_us = RunState.READY, self.now_us()
        run.result, run.error = commit.result, commit.error
        run.program = commit.program or run.program
        run.grants = run.grants if commit.grants is None else commit.grants
        if commit.snapshot is not None:
            run.snapshot, run.snapshot_format = commit.snapshot, commit.snapshot_format
        run.waiting = run.waiting if commit.waiting is None else commit.waiting
        run.progress = run.progress if commit.progress is None else commit.progress
        run.chain = run.chain if commit.chain is None else commit.chain
        if commit.keep and commit.snapshot is not None and commit.events:
            run.kept[run.seq] = commit.snapshot
        for name, data in commit.chunks.items():
            run.chunks.setdefault(name, data)
        for number in commit.consumed:
            run.unread.pop(number, None)
        if commit.release:
            run.owner = None
        received = NOT_SAID if commit.operations else run.received
        if commit.operations:
            perform_all(self._records, run.id, commit.operations)
        if commit.revived:
            revive_run(self._records, run.id)
        if stored in ENDED:
            end_run(self._records, run.id)
        return Claim(run.id, claim.owner, run.epoch, run.seq, received)

    def _park(self, run: MemoryRun, state: RunState, due_us: int | None) -> None:
        """Set the state and what follows from it."""
        if state is RunState.EXPORTING and run.state is not RunState.EXPORTING:
            run.state_before = run.state
        if state not in ENDED:
            run.ended_us = None
        elif run.ended_us is None:
            run.ended_us = self.now_us()
        run.state, run.due_us = state, due_us

    def _append(self, run: MemoryRun, events: Sequence[NewEvent]) -> None:
        now = self.now_us()
        for event in events:
            run.seq += 1
            time_us = event.time_us or now
            run.events.append(
                Event(run.seq, time_us, event.kind, event.name, event.effect, event.data)
            )

    # Messages and history

    def send(self, run: RunId, message: Message) -> InboxRow | None:
        rules.check_text(message.id, message.kind, message.name)
        with self._writing("send", announces=False):
            found = self._runs.get(run)
            if found is None:
                return None
            receipt = found.receipts.get(message.id)
            if receipt is not None:
                return receipt
            rules.check_open(run, found.state)
            self._within("send")
            self._announce()
            return self.put_message(found, message)

    def put_message(self, run: MemoryRun, message: Message) -> InboxRow:
        """Put a message into an inbox, once, and wake its run, in the open transaction."""
        receipt = run.receipts.get(message.id)
        if receipt is not None:
            return receipt
        run.received += 1
        receipt = InboxRow(run.received, self.now_us(), message)
        run.receipts[message.id] = run.unread[receipt.number] = receipt
        if run.state is RunState.WAITING:
            run.state, run.due_us = RunState.READY, receipt.time_us
        return receipt

    def operate(self, operation: Operation) -> Map:
        if is_a_look(operation):
            with self._reading():
                return operate(self._records, operation)[0]
        with self._writing("operate", announces=False):
            self._within("operate")
            found, written = operate(self._records, operation)
            if written:
                self._announce()
            return found

    def has_calls(self, kinds: Collection[str]) -> bool:
        from flowmetal.store.operations.calls import are_offered

        with self._reading():
            return are_offered(self._records, kinds)

    def attend(self) -> bool:
        with self._reading():
            again = self._set_back.is_seen(
                self.now_us(), self._clock.boot_us(), lambda: is_behind(self._records)
            )
            if not again and not self._records.due(self.now_us(), 1):
                return False
        with self._writing("attend"):
            self._within("attend")
            if again:
                look_again(self._records)
                self._set_back.heeded()
            return attend(self._records)

    def inbox(self, run: RunId, after: int) -> list[InboxRow]:
        with self._reading():
            found = self._runs.get(run)
            rows = () if found is None else in_order(found.unread)
            return [row for row in rows if row.number > after]

    def events(self, run: RunId, after: int = 0, limit: int = 1000) -> list[Event]:
        with self._reading():
            found = self._runs.get(run)
            events = [] if found is None else found.events
            trimmed = events[0].seq - 1 if events else 0
            return events[max(0, after - trimmed) :][:limit]

    def next_wake_us(self, *, snapshot_format: int = 1) -> int | None:
        with self._reading():
            dues = [
                run.due_us
                for run in self._runs.values()
                if run.due_us is not None
                and run.owner is None
                and run.snapshot_format <= snapshot_format
            ]
            due_us = self._records.next_due_us()
            return min(dues if due_us is None else [*dues, due_us], default=None)

    def set_state(
        self, run: RunId, expected: Sequence[RunState], state: RunState, event: NewEvent
    ) -> RunRow:
        with self._writing("set_state"):
            found = self._runs.get(run)
            if found is None:
                raise rules.no_such_run(run)
            if self._is_driven(found):
                raise rules.still_driven(run, describe(found))
            rules.check_expected(run, found.state, found.owner, expected)
            self._within("set_state")
            self._append(found, (event,))
            found.owner, found.epoch = None, found.epoch + 1
            stored = rules.stored_state(state)
            parked = found.state is RunState.FAILED
            self._park(found, stored, rules.due_us(stored, 0))
            if state not in ENDED:
                found.result = found.error = None
                if parked:
                    revive_run(self._records, run)
            else:
                end_run(self._records, run)
            return self._row(found)

    # Export and import

    def export_run(self, claim: Claim) -> dict[str, bytes]:
        from flowmetal.store import transfer

        with self._reading():
            run = self._current(claim)
            inbox = tuple((row, row.number not in run.unread) for row in run.receipts.values())
            program = self._programs.get(run.program)
            row = self._row(run)
            chunks, events = dict(run.chunks), tuple(run.events)
            state = run.state_before if run.state is RunState.EXPORTING else run.state
        return transfer.pack(row, state, program, run.snapshot, chunks, events, inbox)

    def import_run(self, parts: Mapping[str, bytes], beside: Sequence[Operation] = ()) -> RunRow:
        from flowmetal.store import transfer

        image = transfer.unpack(parts)
        row = image.row
        with self._writing("import_run"):
            here = self._runs.get(row.id)
            if here is not None:
                rules.check_import(row, here.state, here.created_us, here.seq)
            epoch = row.epoch if here is None else max(row.epoch, here.epoch + 1)
            self._within("import_run")
            if image.program is not None:
                self._programs.setdefault(row.program, image.program)
            self._runs[row.id] = arrived(image, epoch)
            self._note_parent(self._runs[row.id])
            operate_all(self._records, beside)
            return self._row(self._runs[row.id])

    # Changes

    def wait_for_change(self, timeout_s: float) -> None:
        with self._reading():
            seen = getattr(self._seen, "changes", 0)
            self._changed.wait_for(lambda: self._changes != seen or self._closed, timeout_s)
            self._seen.changes = self._changes

    @contextmanager
    def _reading(self) -> Iterator[None]:
        if (
            os.getpid() != self._process
        ):  # before the lock, which a thread of the parent may have had
            raise rules.left_to_parent()
        with self._changed:
            if self._closed:
                raise StoreError("FM1017", "the store is closed")
            yield

    @contextmanager
    def _writing(self, name: str, *, announces: bool = True) -> Iterator[None]:
        """One write transaction: hooks around it, and whoever waits is told. Not ``announces``: the block does."""
        with self._reading():
            if self.hooks is not None:
                self.hooks(f"before {name}")
            yield
            if announces:
                self._announce()
            if self.hooks is not None:
                self.hooks(f"after {name}")

    def _announce(self) -> None:
        """Wake whoever waits; they see what has changed when the transaction is over."""
        self._changes += 1
        self._changed.notify_all()

    def _within(self, name: str) -> None:
        """Called when all checks are passed and nothing is changed yet."""
        if self.hooks is not None:
            self.hooks(f"within {name}")

    def _row(self, run: MemoryRun) -> RunRow:
        return row_of(run, self._lease_expires_us(run))

    def _lease_expires_us(self, run: MemoryRun) -> int:
        if run.owner is None:
            return 0
        return self.now_us() + run.lease_boot_us - self._clock.boot_us()
