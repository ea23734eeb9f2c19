"""The store: a small protocol, and the rows that cross it.

All methods are synchronous and each is one transaction. Times are microseconds
since the epoch by the store's clock. Bodies (snapshots, event data, results,
messages) are bytes that the store does not look into.

The rules that every store keeps (checked by the contract suite):

- ``commit`` is all or nothing and a compare-and-swap on (run, epoch, sequence
  number): anything else raises ``Conflict`` and changes nothing.
- ``send`` with an id that the run has already received changes nothing and
  returns the first receipt. What it has acknowledged is durable.
- A run that parks while a message it has not seen is in its inbox is woken at
  once: ``commit`` compares ``seen`` in the same transaction.
- ``claim`` hands a run to one interpreter at a time, with an epoch that only grows.
- A run's sequence number is that of its last event; events are numbered without gaps.
- ``attempts`` counts the claim that holds, and those before it that ended in a crash since the last commit.
  A claim raises it, a release takes that back, and after a commit it counts the committer's own claim alone.
- ``row.state`` is RUNNING while somebody holds a run that is ready. A claim does
  not change what is stored beside it, so a run that is released without a commit
  is what it was before.
- A commit with ``release`` parks the run: it sleeps until ``wake_at_us`` or a message.
  A commit without keeps it, and if its driver dies or gives it up, it can be claimed
  at once whatever it waits for: effects may have been in flight. ``wake_at_us`` of
  such a row is 0.
- A claim by the interpreter that has the run already is given, with a new epoch:
  it has lost its machine and knows it, which is no crash. ``release`` looks at the epoch alone.

- The operations of a step (``operations/``) are performed in its transaction, after the
  compare-and-swap. A run that ends lets go of everything in the commit that says so.
- A run in state QUEUED is nobody's: it cannot be claimed and a message does not wake it.

Additions to the first draft: ``Store.hooks``, ``commit_all``, ``claim(even=,
snapshot_format=)``, ``claim_ready(snapshot_format=, attempts=)``, ``next_wake_us(snapshot_format=)``, ``has_calls``, ``Commit.snapshot_format``,
``RunRow.received`` and ``RunRow.snapshot_format``.
Run errors are FM1101 (no such run), FM1102 (it has ended), FM1103 (not in a
state for this) and FM1104 (the id is there).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from flowmetal.errors import Conflict, StoreError
from flowmetal.ids import InterpreterId, ProgramHash, RunId

if TYPE_CHECKING:
    from flowmetal.store.operations.vocabulary import Asked, Operation
    from flowmetal.values import Map


class RunState(Enum):
    """States of a run (durability.md)."""

    QUEUED = "queued"
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PAUSED = "paused"
    EXPORTING = "exporting"
    MOVED = "moved"


ENDED = frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED, RunState.MOVED})
LIVING = tuple(state for state in RunState if state not in ENDED)


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be made. ``input`` is encoded data: {:entry :args ...}; ``grants`` encoded data."""

    id: RunId
    program: ProgramHash
    input: bytes
    grants: bytes
    tags: Mapping[str, str] = field(default_factory=dict)
    first_event: NewEvent | None = None
    wake_at_us: int = 0  # 0: at once
    parent: RunId | None = None
    queue: str = ""  # the run is QUEUED until the queue admits it


class NewEvent(NamedTuple):
    """A fact for the history. ``effect`` is an effect number or 0. ``time_us`` 0: the store's now."""

    kind: str
    name: str
    effect: int
    data: bytes
    time_us: int = 0


class Event(NamedTuple):
    """A fact in the history. Numbered from 1 without gaps."""

    seq: int
    time_us: int
    kind: str
    name: str
    effect: int
    data: bytes


class RunRow(NamedTuple):
    """A run as the store has it, without its snapshot.

    ``waiting`` and ``progress`` are the runtime's own notes (encoded data):
    what the run waits for, for people; attempts and due times, for recovery.
    """

    id: RunId
    program: ProgramHash
    state: RunState
    epoch: int
    seq: int
    owner: InterpreterId | None
    lease_expires_us: int
    wake_at_us: int | None
    input: bytes
    grants: bytes
    result: bytes | None
    error: bytes | None
    waiting: bytes
    progress: bytes
    tags: Mapping[str, str]
    parent: RunId | None
    created_us: int
    started_us: int | None
    ended_us: int | None
    attempts: int  # the claim that holds, and crashes since the last commit: the poison counter
    received: int  # number of the last message that came in, consumed or not
    snapshot_format: int  # 0: never ran
    queue: str = ""
    chain: bytes = b""  # head of the chain of events (chain.py); empty: nobody has begun it
    anchor: bytes = b""  # the head where the history was cut off; empty: it is whole


class Message(NamedTuple):
    """Something for a run from outside: a signal, a cancellation, a callback's answer.

    ``id`` makes it come in once. ``kind`` is "signal", "cancel", ... and
    ``name`` the signal's name.
    """

    id: str
    kind: str
    name: str
    body: bytes


class InboxRow(NamedTuple):
    """A message as it came in; ``number`` counts the messages of the run from 1."""

    number: int
    time_us: int
    message: Message


NOT_SAID: Final = -1


class Claim(NamedTuple):
    """The right to write a run: whoever commits must name epoch and seq.

    ``received``: how many messages the run had got by the commit that returned the claim, so that
    its inbox is read only when there is something new in it; NOT_SAID: it has to be read.
    """

    run: RunId
    owner: InterpreterId
    epoch: int
    seq: int
    received: int = NOT_SAID


class Held(NamedTuple):
    """Why a claim was not given: another living interpreter has the run, or it has ended."""

    state: RunState
    owner: InterpreterId | None
    owner_description: str  # "process 4711 on host x since ..."
    lease_expires_us: int


class Loaded(NamedTuple):
    """What an interpreter needs to go on: the row, the snapshot (None: never ran), unconsumed messages,
    and the first events that are not in ``row.chain`` yet, if there are any."""

    row: RunRow
    snapshot: bytes | None
    inbox: tuple[InboxRow, ...]
    unchained: tuple[Event, ...] = ()


class Commit(NamedTuple):
    """One step of a run. ``snapshot`` None keeps the old one.

    ``seen`` is the highest inbox number that the interpreter has looked at,
    ``consumed`` the numbers that are now part of the history and leave the inbox.
    ``chunks`` are content-addressed parts of the snapshot that may be new.
    ``state`` RUNNING and READY without ``wake_at_us`` mean: can go on at once, for
    whoever has the run next. ``result`` and ``error`` are those of this commit.
    ``snapshot_format`` is the version of the snapshot's layout. ``operations`` are performed
    in order, in the same transaction. ``chain`` is the head of the chain with these events. With
    ``keep`` the snapshot is kept beside the last event, for looking back.
    """

    events: Sequence[NewEvent]
    state: RunState
    snapshot: bytes | None = None
    chunks: Mapping[str, bytes] = MappingProxyType({})
    wake_at_us: int | None = None
    result: bytes | None = None
    error: bytes | None = None
    waiting: bytes | None = None  # None: unchanged
    progress: bytes | None = None  # None: unchanged
    seen: int = 0
    consumed: Sequence[int] = ()
    release: bool = False  # give the lease back in the same transaction
    snapshot_format: int = 1
    operations: Sequence[Asked] = ()
    chain: bytes | None = None  # None: unchanged
    keep: bool = False
    heeds: bool = False  # Conflict if a message came that is not ``seen``
    revived: bool = False  # it was parked and goes on, or is queued as before: in line again
    program: ProgramHash | None = (
        None  # the run goes on in this one, which is stored; None: unchanged
    )
    grants: bytes | None = None  # None: unchanged


class Trim(NamedTuple):
    """What of a run's past goes. Its ability to go on is not touched.

    Events up to number ``events`` go, and answers of the store that came before the last of them and are
    consumed; ``anchor`` is the head of the chain there. Kept
    snapshots up to number ``snapshots`` go, but for those named in ``but``. Of the chunks
    only ``chunks`` stay (None: all).
    """

    events: int = 0
    anchor: bytes = b""
    snapshots: int = 0
    but: frozenset[int] = frozenset()
    chunks: frozenset[str] | None = None


class RunQuery(NamedTuple):
    """Which runs ``runs`` lists, newest first. Empty means any."""

    states: Sequence[RunState] = ()
    program: str = ""  # prefix of the hash
    tags: Mapping[str, str] = MappingProxyType({})
    id_prefix: str = ""
    parents: Sequence[RunId] = ()
    limit: int = 100
    before: tuple[int, str] | None = None  # (created_us, id) of the last row of the page before


ANY_ATTEMPTS = 1 << 30


class Store(Protocol):
    """See the module's docstring.

    ``hooks`` is for crash tests: called with "before X", "within X" (all is
    written, nothing is committed) and "after X" (durable, not yet returned) for
    every write transaction X, named as the method. What it raises comes out of
    the method; raised before or within, nothing has changed.
    """

    hooks: Callable[[str], None] | None

    @property
    def url(self) -> str: ...

    @property
    def is_remote(self) -> bool:
        """Say whether a write waits for another process, so that it is worth a thread."""

    def now_us(self) -> int:
        """Return the store's time."""

    def put_program(self, program: ProgramHash, data: bytes) -> None: ...

    def program(self, program: ProgramHash) -> bytes | None: ...

    def create_run(self, new: NewRun) -> tuple[RunRow, bool]:
        """Make a run, or return the one that has the id. Says whether it was made."""

    def create_runs(self, new: Sequence[NewRun]) -> list[bool]:
        """Make many runs in one transaction. Says of each whether it was made; False: its id was there."""

    def run(self, run: RunId) -> RunRow | None: ...

    def runs(self, query: RunQuery) -> list[RunRow]: ...

    def claim(
        self,
        run: RunId,
        owner: InterpreterId,
        lease_us: int,
        *,
        even: Collection[RunState] = (),
        snapshot_format: int = 1,
    ) -> Claim | Held | None:
        """Take a run that nobody living drives, whatever it waits for. None: no such run.

        A run that has ended, is paused or is being exported is Held, unless its
        state is in ``even`` (export of an ended run, revival of a failed one).
        Raises StoreError FM1015 for a snapshot above ``snapshot_format``.
        """

    def driver(self, run: RunId) -> Held | None:
        """Say who drives a run; None: nobody, or one that is gone or whose lease is over. Claims nothing."""

    def claim_ready(
        self,
        owner: InterpreterId,
        lease_us: int,
        limit: int,
        *,
        snapshot_format: int = 1,
        attempts: int = ANY_ATTEMPTS,
    ) -> list[Claim]:
        """Take runs that can go on: ready, due, with unseen messages, or whose driver is dead.

        Runs whose snapshot has a layout above ``snapshot_format`` are left to others, and so are
        those that were claimed more than ``attempts`` times since they last committed.
        """

    def renew(self, claims: Sequence[Claim], lease_us: int) -> list[Claim]:
        """Extend leases; return the claims that still hold."""

    def release(self, claim: Claim) -> None:
        """Give a run back at once, as it is stored. A claim that no longer holds is ignored."""

    def load(self, claim: Claim) -> Loaded:
        """Read what is needed to go on. Raises Conflict if the claim no longer holds."""

    def load_all(self, claims: Sequence[Claim]) -> list[Loaded | StoreError]:
        """Load many at once. A claim that no longer holds is answered with its ``Conflict``, one whose run is
        damaged with StoreError FM1001: neither is in the way of the others."""

    def snapshot(self, run: RunId) -> bytes | None:
        """Read the latest snapshot without a claim."""

    def chunks(self, run: RunId, names: Sequence[str]) -> dict[str, bytes]: ...

    def kept_snapshot(self, run: RunId, at: int) -> tuple[int, bytes] | None:
        """Read the newest snapshot that is kept beside an event not above ``at``, and its number."""

    def kept_snapshots(self, run: RunId) -> list[tuple[int, int]]:
        """List the kept snapshots: number of the event, size in bytes; oldest first."""

    def chunk_names(self, run: RunId) -> list[str]:
        """List the chunks that are stored for a run."""

    def trim(self, claim: Claim, trim: Trim) -> None:
        """Let go of a part of a run's past. Raises Conflict if the claim no longer holds."""

    def forget(self, run: RunId) -> bool:
        """Delete a run that has ended, and all that belongs to it. False: it is driven, or goes on.

        Its children have no parent any more: another run may have its id one day.
        """

    def commit(self, claim: Claim, commit: Commit) -> Claim:
        """Make one step durable and return the claim for the next. Raises Conflict or StoreError."""

    def commit_all(self, steps: Sequence[tuple[Claim, Commit]]) -> list[Claim | Conflict]:
        """Make one step of each of several runs durable in one transaction.

        A member that loses its race is answered with its ``Conflict`` and harms
        nobody. Raises StoreError if the transaction fails: then none is durable.
        """

    def send(self, run: RunId, message: Message) -> InboxRow | None:
        """Put a message into a run's inbox, once. None: no such run. Raises RunError if it has ended."""

    def operate(self, operation: Operation) -> Map:
        """Perform an operation for somebody who is no run; see ``operations/vocabulary.py``."""

    def has_calls(self, kinds: Collection[str]) -> bool:
        """Say whether there may be calls of these kinds (``mail/send``, ``mail/*``) that nobody performs (``ClaimCalls``)."""

    def attend(self) -> bool:
        """Do what is due: leases, expiries, delays. Says whether there was anything.

        Whoever drives runs calls it whenever it looks for something to do.
        """

    def inbox(self, run: RunId, after: int) -> list[InboxRow]:
        """Read the messages above number ``after`` that are not consumed."""

    def events(self, run: RunId, after: int = 0, limit: int = 1000) -> list[Event]: ...

    def next_wake_us(self, *, snapshot_format: int = 1) -> int | None:
        """Return when the next run that nobody drives is due, or something to be attended to.

        0: at once; None: nothing is.
        """

    def set_state(
        self, run: RunId, expected: Sequence[RunState], state: RunState, event: NewEvent
    ) -> RunRow:
        """Change the state of a run that nobody drives (pause, moved, ...), and say so in its history.

        READY and WAITING make it claimable at once. Raises RunError for an unknown
        run or a state that is not ``expected``, Conflict if somebody living drives it.
        """

    def export_run(self, claim: Claim) -> dict[str, bytes]:
        """Read everything of a run: row, snapshot, chunks, events, inbox, as named byte strings."""

    def import_run(self, parts: Mapping[str, bytes], beside: Sequence[Operation] = ()) -> RunRow:
        """Put an exported run into this store, whole, and perform ``beside`` in the same transaction: it
        brings along what hangs on it. Raises RunError if the id is there.

        A run that moved away from here may come back, no older than it left.
        """

    def wait_for_change(self, timeout_s: float) -> None:
        """Return when something may have changed (a hint), at the latest after ``timeout_s``."""

    def close(self) -> None: ...
