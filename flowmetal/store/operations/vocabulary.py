"""The operations: what can be asked of a store beside a step. Each says its answer.

Bodies are encoded data that the store does not look into. Answers are maps with
keyword keys; ``{:error e}`` is the answer to what cannot be done. Names are printable.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from flowmetal.ids import ProgramHash, RunId

if TYPE_CHECKING:
    from flowmetal.store.protocol import Message, NewRun
    from flowmetal.values import Map


class IfExists(Enum):
    """What starting a run does if its id is taken."""

    FAIL = "fail"
    ATTACH = "attach"
    CANCEL = "cancel"  # the one that is there, and start anew under the id with a suffix
    OURS = "ours"  # attach to what an earlier attempt has started, and else start under another id


class OnParentEnd(Enum):
    """What becomes of a child when its parent ends. A parent that failed is parked, not ended."""

    FOLLOW = "follow"  # cancelled if the parent is cancelled; it goes on if the parent completes
    CANCEL = "cancel"  # cancelled whichever way the parent ends
    KEEP = "keep"  # goes on


# Runs


@dataclass(frozen=True, slots=True)
class StartRun:
    """Start a run. ``{:run id :made bool}``; with CANCEL, and ``again``, the id may be another than asked for.

    ``again``: the asker may have asked before. A child of its own is no reason to FAIL and
    is not CANCELled; if it failed or was cancelled another is started in its place.
    """

    new: NewRun
    if_exists: IfExists = IfExists.ATTACH
    on_parent_end: OnParentEnd = OnParentEnd.FOLLOW
    again: bool = False


@dataclass(frozen=True, slots=True)
class AwaitRun:
    """Wait for the end of a run. ``{:run id :state text :body result-or-error}``."""

    run: RunId


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Put a message into a run's inbox. ``{:value number}``."""

    run: RunId
    message: Message


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Wait no longer under effect ``effect``, or give back what it has got meanwhile. ``{:value nil}``."""

    effect: str


@dataclass(frozen=True, slots=True)
class AskAnew:
    """Forget the answer that the effect has had: it failed, and is asked for again under its number.

    An answer is known by its effect, and the same answer twice is one.
    """


# Locks, semaphores, rates


@dataclass(frozen=True, slots=True)
class AcquirePermit:
    """Wait in line for permits of a semaphore; a lock is one of limit 1.

    ``{:name :token n :expires us-or-nil}``: tokens of a name only grow. After ``lease_us`` (None:
    the run's life) another that waits gets the permit. The limit asked for last counts. Tokens go on ``above`` one
    that the run has from another store.
    """

    name: str
    limit: int = 1
    permits: int = 1
    lease_us: int | None = None
    above: int = 0


@dataclass(frozen=True, slots=True)
class ReleasePermit:
    """Give permits back. ``{:value bool}``: false if the lease was over and somebody else has them."""

    name: str
    token: int


@dataclass(frozen=True, slots=True)
class RenewPermit:
    """Begin the lease again. ``{:value bool}``: false if somebody else has the permit."""

    name: str
    token: int
    lease_us: int


@dataclass(frozen=True, slots=True)
class ShowPermit:
    """Say who has permits. ``{:limit n :waiting n :value [{:run :token :since us :expires us} ...]}``."""

    name: str


@dataclass(frozen=True, slots=True)
class Throttle:
    """Take a place under a rate limit. ``{:at us}``: when it may be used, now or later.

    Never more than ``limit`` in any ``per_us`` long time. With ``most_us``, a place that is later
    than that is not taken: ``{:at nil :next us}``.
    """

    name: str
    limit: int
    per_us: int
    most_us: int | None = None


# Key-value state


@dataclass(frozen=True, slots=True)
class GetState:
    """Read a key. ``{:body bytes-or-nil :version n}``, version 0 if it is not there."""

    key: str


@dataclass(frozen=True, slots=True)
class PutState:
    """Write a key. ``{:version n}``, or ``{:version n :conflict true}`` if ``if_version`` is another.

    ``if_version`` 0 asks that the key is not there.
    """

    key: str
    body: bytes
    ttl_us: int | None = None
    if_version: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteState:
    """Delete a key. ``{:value was-it-there}``, with ``:conflict true`` as in PutState."""

    key: str
    if_version: int | None = None


@dataclass(frozen=True, slots=True)
class ScanState:
    """Read keys that begin with ``prefix`` in order. ``{:value [[key body version] ...]}``."""

    prefix: str
    after: str = ""
    limit: int = 1000


# Callbacks and promises


@dataclass(frozen=True, slots=True)
class OpenCallback:
    """Make a one-time address for the asking run. ``{:id :token :expires us-or-nil}``.

    ``token_hash`` is the SHA-256 of its token, in hexadecimal. It expires ``timeout_us`` from now
    and, if ``heartbeat_us`` is set, that long after the last sign of life.
    """

    id: str
    token_hash: str
    timeout_us: int | None = None
    heartbeat_us: int | None = None
    token: str = ""  # for the answer alone
    name: str = ""  # what it is for, in the words of the program


@dataclass(frozen=True, slots=True)
class AwaitCallback:
    """Wait for the answer. ``{:state completed|failed|expired :body bytes :after timeout|heartbeat}``."""

    id: str


@dataclass(frozen=True, slots=True)
class CompleteCallback:
    """Answer a callback, or let it fail. The first answer wins; every other gets its receipt.

    ``callback`` is its id or ``sha256:HASH`` of its token.
    ``{:id :run :delivery :time us :state :first bool}``.
    """

    callback: str
    body: bytes
    failed: bool = False
    delivery: str = ""  # empty: one is made of the time


@dataclass(frozen=True, slots=True)
class BeatCallback:
    """Say that somebody still works on the answer. ``{:id :expires us-or-nil}``."""

    callback: str


@dataclass(frozen=True, slots=True)
class ShowCallback:
    """Say how a callback stands. ``{:id :run :state :expires us-or-nil :name}``."""

    callback: str


@dataclass(frozen=True, slots=True)
class ShowTies:
    """Say what hangs on a run. ``{:ties [[what key kind place] ...] :callbacks [record ...] :ends [record ...]}``.

    ``callbacks`` and ``ends`` are what ``RestoreCallback`` and ``RestoreEnds`` take, for a run that moves. ``{:doubtful [effect ...]}``
    are its at-most-once tasks that a worker has, or has done: asked for elsewhere, they would be done twice.
    """

    run: RunId


@dataclass(frozen=True, slots=True)
class RestoreCallback:
    """Put a callback of a run that comes from another store in its place, once. ``{:value bool}``."""

    run: RunId
    record: Map


@dataclass(frozen=True, slots=True)
class RestoreEnds:
    """Remember what children came to in the store that their parent ``run`` comes from. ``{:value count}``.

    Each record is ``{:run RUN :state STATE :body bytes :created us}``. Of two of one name the later one counts.
    """

    run: RunId
    records: Sequence[Map]


@dataclass(frozen=True, slots=True)
class AwaitPromise:
    """Wait for a promise of any run. ``{:body bytes :failed bool}``."""

    name: str


@dataclass(frozen=True, slots=True)
class SettlePromise:
    """Keep a promise or fail it, once. ``{:value is-it-the-first}``. Known for ``keep_us``; None: for ever."""

    name: str
    body: bytes
    failed: bool = False
    keep_us: int | None = None


@dataclass(frozen=True, slots=True)
class ShowPromise:
    """Say how a promise stands. ``{:settled bool :body bytes :failed bool}``."""

    name: str


# Topics


@dataclass(frozen=True, slots=True)
class Publish:
    """Tell all subscribers. ``{:number n :told count}``. Kept for ``{:from :start}``. The same ``id`` tells
    nobody again."""

    topic: str
    body: bytes
    id: str = ""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Get what is published as messages of kind ``topic``, named ``id``. ``{:id :number n}``."""

    topic: str
    id: str
    from_start: bool = False


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Get no more. ``{:value was-it-there}``."""

    topic: str
    id: str


# Queues


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """How a queue lets its runs go: None is without limit."""

    concurrency: int | None = None
    per_worker: int | None = None
    per_partition: int | None = None
    rate_limit: int | None = None
    rate_per_us: int = 0


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Make a run that begins when the queue lets it. ``{:run id :made bool}``.

    Higher priorities first, then in order. While a run of the same ``dedup_key`` has not ended, the
    answer is that run. ``if_exists`` and ``again`` as for StartRun.
    """

    queue: str
    policy: QueuePolicy | None  # None: what the queue has
    new: NewRun
    priority: int = 0
    dedup_key: str = ""
    partition: str = ""
    delay_us: int = 0
    on_parent_end: OnParentEnd = OnParentEnd.KEEP
    if_exists: IfExists = IfExists.ATTACH
    again: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """List the runs of a queue that failed. ``{:value [{:run :body error :time us} ...]}``."""

    queue: str
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Redrive:
    """Enqueue dead letters anew, with their first input. ``{:value [[old new] ...]}``."""

    queue: str
    runs: Sequence[RunId] = ()  # empty: all
    limit: int = 100


# Tasks for workers outside


@dataclass(frozen=True, slots=True)
class OpenTask:
    """Hand an effect to whoever serves a queue. ``{:json text :failed bool :attempts n}`` in the end.

    ``args`` is a JSON document. Without a heartbeat every ``heartbeat_us`` the claim is lost.
    Attempt n fails: the next may begin ``first_wait_us * factor ** (n - 1)`` later. ``at_most_once``: a
    claim that is lost is the last one, and the answer has ``:doubt true``.
    """

    queue: str
    name: str
    args: str
    key: str
    heartbeat_us: int
    expires_us: int | None = None
    max_attempts: int | None = 1
    first_wait_us: int = 1_000_000
    factor: float = 2.0
    most_wait_us: int = 300_000_000
    at_most_once: bool = False


@dataclass(frozen=True, slots=True)
class StopTask:
    """Take back the task of the effect that asks, for its time is up. What a worker has said
    counts; else the answer is ``{:over true :doubt bool}``: whether a worker had it."""


@dataclass(frozen=True, slots=True)
class HoldTasks:
    """Keep what is open of the tasks of the run that asks from everybody, or let it be claimed again (``held`` false)."""

    held: bool


@dataclass(frozen=True, slots=True)
class ClaimTask:
    """Take the oldest task of a queue that can be done now, with a lease.

    ``{:id :attempt :name :args json :run :key :lease us}``, or ``{:id nil}``. ``names`` empty: any.
    """

    queue: str
    worker: str
    names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class FindTask:
    """Look whether ``ClaimTask`` would find a task. ``{:value bool}``."""

    queue: str
    names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ShowTask:
    """Say how the task of an effect stands, as far as it is known.

    ``{:queue :state :attempt :most n-or-nil :ready us :worker :lease us}``; ``{:queue nil}`` if there is none.
    """

    run: RunId
    effect: int


@dataclass(frozen=True, slots=True)
class BeatTask:
    """Extend the lease of an attempt. ``{:value bool}``: false if it is lost, so stop working."""

    id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class EndTask:
    """Say how an attempt ended, in JSON; an error is ``{"type" "message" "data" "retryable"}``.

    ``{:value bool}``: false if the attempt is lost. The same word again is heard as the first time.
    """

    id: str
    attempt: int
    result: str
    failed: bool = False


# Calls that another process performs


@dataclass(frozen=True, slots=True)
class OfferCall:
    """Offer one attempt at an effect to whoever performs its kind.

    The answer comes by itself: ``{:body word}``, the performer's; ``{:late true}`` if nobody began within
    ``timeout_us``; ``{:lost n :doubt bool}`` if so many performers in a row were lost, one if it is at-most-once.
    ``body`` is for performers, who say whatever they say in bytes, too. ``number`` is greater than that of any offer of
    the same effect before: so is the number of each claim, and who performs an earlier attempt has no word in this one.
    """

    kind: str
    body: bytes
    at_most_once: bool = False
    timeout_us: int | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class RecallCall:
    """Take the call of the effect that asks back, unless somebody performs it: then its answer is waited for.

    ``{:recalled true :again whether somebody had begun}``.
    """


@dataclass(frozen=True, slots=True)
class ClaimCalls:
    """Take calls of some kinds (``mail/send``, ``mail/*``) that nobody performs, the oldest first, with a lease.

    ``{:value [{:id :claim :offer :kind :run :body :again :suspect} ...]}``; ``:offer`` is that of all claims of one offer.
    A call whose performers died more than once is suspected of that, unless its kind is ``trusted``: of those one at
    most is taken, of the fewest deaths, and none if not ``tries``.
    """

    kinds: Sequence[str]
    performer: str
    lease_us: int
    limit: int
    trusted: Collection[str] = ()
    tries: bool = True


@dataclass(frozen=True, slots=True)
class BeatCalls:
    """Extend the leases of calls, given by id and claim. ``{:lost [id ...]}``: stop performing those."""

    calls: Sequence[tuple[str, int]]
    lease_us: int


@dataclass(frozen=True, slots=True)
class EndCall:
    """How a call ended, for ``EndCalls``. ``{:value bool}``: false if the claim is lost; ``{:away true}`` while the run is
    being moved: say it again."""

    id: str
    claim: int
    body: bytes


@dataclass(frozen=True, slots=True)
class EndCalls:
    """Say how calls ended: ``{:value [answer ...]}``, one for each."""

    calls: Sequence[EndCall]


@dataclass(frozen=True, slots=True)
class GiveBackCall:
    """Leave a call to others, though it may have been performed. ``{:value bool}``, ``{:away true}`` as above."""

    id: str
    claim: int


@dataclass(frozen=True, slots=True)
class ShowCall:
    """Say who performs the call of an effect: ``{:open bool :performer text :claim n :lost n}``; ``{}`` if there is none.

    ``:lost``: as many performers have died over it."""

    run: RunId
    effect: int


# Deployments


@dataclass(frozen=True, slots=True)
class Deploy:
    """Give a name to a program. ``{:name :program :previous hash-or-nil}``. ``details`` is encoded data."""

    name: str
    program: ProgramHash
    grants: bytes
    details: bytes


@dataclass(frozen=True, slots=True)
class Undeploy:
    """Take a name away. ``{:value was-it-there}``."""

    name: str


@dataclass(frozen=True, slots=True)
class Deployments:
    """List the names. ``{:value [{:name :program :grants :details :time} ...]}``; ``name`` for one."""

    name: str = ""


Operation = (
    StartRun
    | AwaitRun
    | SendMessage
    | Withdraw
    | AskAnew
    | AcquirePermit
    | ReleasePermit
    | RenewPermit
    | ShowPermit
    | Throttle
    | GetState
    | PutState
    | DeleteState
    | ScanState
    | OpenCallback
    | AwaitCallback
    | CompleteCallback
    | BeatCallback
    | ShowCallback
    | ShowTies
    | RestoreCallback
    | RestoreEnds
    | AwaitPromise
    | SettlePromise
    | ShowPromise
    | Publish
    | Subscribe
    | Unsubscribe
    | Enqueue
    | DeadLetters
    | Redrive
    | OpenTask
    | StopTask
    | HoldTasks
    | ClaimTask
    | FindTask
    | ShowTask
    | BeatTask
    | EndTask
    | OfferCall
    | RecallCall
    | ClaimCalls
    | BeatCalls
    | EndCalls
    | GiveBackCall
    | ShowCall
    | Deploy
    | Undeploy
    | Deployments
)


@dataclass(frozen=True, slots=True)
class Asked:
    """An operation of a run. ``effect`` is "GENERATION.NUMBER" of the effect that asks for it.

    An empty ``effect`` asks for no answer (Withdraw, ReleasePermit at a cancellation).
    """

    effect: str
    operation: Operation
