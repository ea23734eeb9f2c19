"""Queues: runs that begin when there is room for them.

``enqueue`` makes a run in state ``queued``. It is admitted, which makes it like any other, when it is
the first of its queue that is due, the queue has a free slot, its partition has one, and the rate
lets it. A slot is free again when its run ends in any way. A run that fails leaves a **dead letter**.

An entry's key is queue, priority and number, so that the first in order is the first row. What cannot begin
whatever room there is makes way for those behind it, and comes back under the same key: an entry
that is not due until it is, one whose partition is full until a slot of that is free. The rate is
a list of the last admissions, as in ``permits.Rate``. How many of a queue one interpreter drives at a time
(``per_worker``) is not decided here but where runs are claimed: the store knows the queue of a run.
"""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass, replace
from itertools import islice
from typing import ClassVar, Final

from flowmetal.ids import RunId
from flowmetal.store.inputs import fitted, in_place_of, told_anew
from flowmetal.store.operations.answers import Answer, Asker, answer, bad_name, refuse
from flowmetal.store.operations.records import (
    TAB,
    Kept,
    Record,
    Records,
    Standing,
    drop,
    each,
    find,
    keep,
    parts_of,
    read,
)
from flowmetal.store.operations.runs import bind_child, make_run
from flowmetal.store.operations.ties import Tie, bind, unbind
from flowmetal.store.operations.vocabulary import DeadLetters, Enqueue, QueuePolicy, Redrive
from flowmetal.store.protocol import NewRun, RunState
from flowmetal.values import hash_map, keyword, vector

QUEUE: Final = "queue"
LETTER: Final = "letter"
"""The tie of a run that failed to its dead letter."""

_HIGHEST = 1 << 31
_COPIES = 200
"""How often one run can be driven again."""


@dataclass(slots=True)
class Queue(Kept):
    """The policy asked for last, the number of the last entry, and the last admissions."""

    SPACE: ClassVar[str] = "queue"
    concurrency: int | None
    per_worker: int | None
    per_partition: int | None
    rate_limit: int | None
    rate_per_us: int
    number: int
    taken: list[int]


@dataclass(slots=True)
class Entry(Kept):
    """Waits. Key: queue, priority, number."""

    SPACE: ClassVar[str] = "queue-entry"
    run: str
    partition: str
    dedup_key: str
    from_us: int  # not before


@dataclass(slots=True)
class Delayed(Entry):
    """Is not due. Key: that of the entry."""

    SPACE: ClassVar[str] = "queue-delayed"


@dataclass(slots=True)
class Aside(Entry):
    """Its partition is full. Key: queue, partition, priority, number."""

    SPACE: ClassVar[str] = "queue-aside"


@dataclass(slots=True)
class Slot(Kept):
    """Is under way. Key: queue, run."""

    SPACE: ClassVar[str] = "queue-slot"
    partition: str
    dedup_key: str
    since_us: int


@dataclass(slots=True)
class Dedup(Kept):
    """Key: queue, dedup key."""

    SPACE: ClassVar[str] = "queue-dedup"
    run: str


@dataclass(slots=True)
class DeadLetter(Kept):
    """Key: queue, time, run. The error is the record's body."""

    SPACE: ClassVar[str] = "queue-dead"
    run: str
    partition: str
    priority: int
    dedup_key: str = ""


def enqueue(records: Records, asker: Asker | None, operation: Enqueue) -> Answer:
    name = operation.queue
    wrong = bad_name(name, "queue") or _wrong(operation)
    if wrong is not None:
        return wrong
    known = _known_as(records, name, operation.dedup_key)
    if known is not None:
        return answer(run=known.run, made=False)

    def stand_in_line(new: NewRun) -> None:
        bind_child(records, new, operation.on_parent_end)
        _call(records, name, operation.dedup_key, new.id)
        queue = _queue(records, name, operation.policy)
        _put_entry(records, name, queue, new.id, operation)
        _serve(records, name, queue)

    return make_run(records, asker, operation, replace(operation.new, queue=name), stand_in_line)


def _known_as(records: Records, name: str, dedup_key: str) -> Dedup | None:
    """Return which run of a queue has a dedup key; "" is none."""
    return find(records, Dedup, TAB.join((name, dedup_key))) if dedup_key else None


def _call(records: Records, name: str, dedup_key: str, run: RunId) -> None:
    """Give a dedup key to a run of a queue, until it ends."""
    if dedup_key:
        keep(records, TAB.join((name, dedup_key)), Dedup(run))


def _wrong(operation: Enqueue) -> Answer | None:
    for text, what in ((operation.dedup_key, "dedup key"), (operation.partition, "partition")):
        wrong = bad_name(text, what) if text else None
        if wrong is not None:
            return wrong
    if abs(operation.priority) >= _HIGHEST:
        return refuse(
            "FM0703", "effect/bad-argument", f"a priority is below {_HIGHEST:,}, either way"
        )
    return None


def _queue(records: Records, name: str, policy: QueuePolicy | None) -> Queue:
    found = find(records, Queue, name)
    if policy is None and found is not None:
        return found
    policy = policy or QueuePolicy()
    if found is not None and found.per_partition != policy.per_partition:
        _step_back(records, f"{name}{TAB}")
    number, taken = (0, list[int]()) if found is None else (found.number, found.taken)
    return Queue(**asdict(policy), number=number, taken=taken)


def _put_entry(records: Records, name: str, queue: Queue, run: RunId, operation: Enqueue) -> None:
    queue.number += 1
    key = f"{name}{TAB}{_HIGHEST - operation.priority:08x}{TAB}{queue.number:016x}"
    # Without a delay it is due whatever becomes of the clock.
    from_us = records.now_us() + operation.delay_us if operation.delay_us else 0
    keep(records, key, Entry(run, operation.partition, operation.dedup_key, from_us))
    # The tie says where the entry is, and its priority, should it become a dead letter: the key, and
    # the partition of one that has stood aside.
    bind(records, run, QUEUE, name, Tie(QUEUE, name, key))


def per_worker(records: Records, name: str) -> int | None:
    """Return how many runs of a queue one interpreter may drive at a time; None: any number."""
    queue = find(records, Queue, name)
    return None if queue is None else queue.per_worker


def serve(records: Records, name: str) -> None:
    """Admit whoever may begin now."""
    queue = find(records, Queue, name)
    if queue is not None:
        _serve(records, name, queue)


def serve_soon(records: Records, name: str) -> None:
    """Serve a queue when all that is due by now has been attended to: what comes then may be before the others."""
    queue = find(records, Queue, name)
    if queue is not None:
        keep(records, name, queue, due_us=records.now_us())


def _serve(records: Records, name: str, queue: Queue) -> None:
    now = records.now_us()
    # The clock may have been set back: nobody was admitted later than now.
    queue.taken = [min(at, now) for at in queue.taken]
    busy = _busy(records, name) if queue.concurrency or queue.per_partition else []
    next_us = None
    for key, entry in each(records, Entry, f"{name}{TAB}"):
        if _is_full(queue, busy):
            break
        if entry.from_us > now:
            drop(records, Entry, key)
            keep(records, key, Delayed(*astuple(entry)), due_us=entry.from_us)
            continue
        if _is_full_for(queue, busy, entry.partition):
            _step_aside(records, key, entry)
            continue
        rate_us = _rate_us(queue, now)
        if rate_us > now:
            next_us = rate_us
            break
        _admit(records, name, key, entry, now)
        busy.append(entry.partition)
        if queue.rate_limit is not None:
            queue.taken = [*queue.taken, now][-queue.rate_limit :]
    keep(records, name, queue, due_us=next_us)


def _busy(records: Records, name: str) -> list[str]:
    """Return the partition of each run that is under way."""
    return [slot.partition for _, slot in each(records, Slot, f"{name}{TAB}")]


def is_late(queue: Queue, now_us: int) -> bool:
    """Say whether a run was admitted later than now."""
    return any(at > now_us for at in queue.taken)


def end_delay(records: Records, key: str) -> None:
    """An entry is due. Its queue is served when all that is due together stands in line."""
    delayed = find(records, Delayed, key)
    if delayed is not None:
        drop(records, Delayed, key)
        keep(records, key, Entry(*astuple(delayed)))


def queue_of(key: str) -> str:
    """Return the name of the queue that the key of an entry belongs to."""
    return key.split(TAB)[0]


def _step_aside(records: Records, key: str, entry: Entry) -> None:
    """Let an entry whose partition is full stand in nobody's way."""
    name, place = key.split(TAB, 1)
    drop(records, Entry, key)
    keep(records, TAB.join((name, entry.partition, place)), Aside(*astuple(entry)))
    bind(records, entry.run, QUEUE, name, Tie(QUEUE, name, TAB.join((key, entry.partition))))


def _step_back(records: Records, prefix: str, most: int | None = None) -> None:
    """Let entries that stood aside come back to their places, the first in order first."""
    for key, aside in islice(each(records, Aside, prefix), most):
        name, _, place = parts_of(key, 3)
        drop(records, Aside, key)
        keep(records, TAB.join((name, place)), Entry(*astuple(aside)))


def _is_full(queue: Queue, busy: list[str]) -> bool:
    return queue.concurrency is not None and len(busy) >= queue.concurrency


def _is_full_for(queue: Queue, busy: list[str], partition: str) -> bool:
    most = queue.per_partition
    return most is not None and partition != "" and busy.count(partition) >= most


def _rate_us(queue: Queue, now: int) -> int:
    """Return when the rate lets the next one begin."""
    limit = queue.rate_limit
    if limit is None or len(queue.taken) < limit:
        return now
    return max(now, queue.taken[-limit] + queue.rate_per_us)


def _admit(records: Records, name: str, key: str, entry: Entry, now: int) -> None:
    drop(records, Entry, key)
    slot = Slot(entry.partition, entry.dedup_key, now)
    keep(records, TAB.join((name, entry.run)), slot)
    records.admit(RunId(entry.run))


def leave(records: Records, name: str, tie: Tie, run: Standing) -> None:
    """A run of the queue has ended: there is room, and perhaps a dead letter."""
    place = TAB.join((name, run.id))
    slot = find(records, Slot, place)
    gone = slot or _take_out(records, tie.note)
    drop(records, Slot, place)
    if gone is not None and gone.dedup_key:
        drop(records, Dedup, TAB.join((name, gone.dedup_key)))
    if gone is not None and gone.partition:  # one that had stepped back leaves its turn to the next
        _step_back(records, TAB.join((name, gone.partition, "")), 1)
    if run.state is RunState.FAILED and gone is not None:
        priority = _HIGHEST - int(tie.note.split(TAB)[1], 16)
        key = f"{name}{TAB}{records.now_us():016x}{TAB}{run.id}"
        letter = DeadLetter(run.id, gone.partition, priority, gone.dedup_key)
        keep(records, key, letter, run.error)
        bind(records, run.id, LETTER, name, Tie(LETTER, key, tie.note))
    serve(records, name)


def _take_out(records: Records, note: str) -> Entry | None:
    """Take out of the queue what has not begun, wherever it stands."""
    name, priority, number, *partition = note.split(TAB)
    place = TAB.join((name, priority, number))
    beside = TAB.join((name, *partition, priority, number))
    for kind, key in ((Entry, place), (Delayed, place), (Aside, beside)):
        found = find(records, kind, key)
        if found is not None:
            drop(records, kind, key)
            return found
    return None


def revive(records: Records, run: RunId, tie: Tie) -> None:
    """A run that failed goes on: it is no dead letter any more, and has a slot, though the queue be full."""
    letter = find(records, DeadLetter, tie.place)
    name = queue_of(tie.place)
    unbind(records, run, LETTER, name)
    if letter is not None:  # else it has been driven again
        drop(records, DeadLetter, tie.place)
        # Another run may have its dedup key by now.
        key = "" if _known_as(records, name, letter.dedup_key) else letter.dedup_key
        _call(records, name, key, run)
        keep(records, TAB.join((name, run)), Slot(letter.partition, key, records.now_us()))
        bind(records, run, QUEUE, name, Tie(QUEUE, name, tie.note))


def admit_again(records: Records, run: RunId, name: str) -> None:
    """Let a queued run begin that has a slot: it was admitted while somebody had it, who then wrote that it is queued."""
    if find(records, Slot, TAB.join((name, run))) is not None:
        records.admit(run)


def forget_letter(records: Records, place: str) -> None:
    """The run has gone, and whoever has it now decides whether it is tried again; or an operator has given it up."""
    drop(records, DeadLetter, place)


def dead(records: Records, operation: DeadLetters) -> Answer:
    page = records.scan(DeadLetter.SPACE, f"{operation.queue}{TAB}", "", operation.limit)
    return answer(value=vector([_letter(record) for record in page]))


def _letter(record: Record) -> Answer:
    time_us = int(record.key.split(TAB)[1], 16)
    letter = read(DeadLetter, record)
    values = (("run", letter.run), ("body", record.body), ("time", time_us))
    return hash_map((keyword(name), value) for name, value in values)


def redrive(records: Records, asker: Asker | None, operation: Redrive) -> Answer:
    """Enqueue dead letters anew. A new run is named after the old one, and is a child of who asks.

    One whose dedup key another run has by now stays a dead letter.
    """
    name = operation.queue
    queue = find(records, Queue, name)
    renewed: list[tuple[str, str]] = []
    for key, letter in each(records, DeadLetter, f"{name}{TAB}"):
        if len(renewed) >= operation.limit:
            break
        if operation.runs and letter.run not in operation.runs:
            continue
        if _known_as(records, name, letter.dedup_key) is not None:
            continue
        new = _copy(records, asker, RunId(letter.run), name)
        drop(records, DeadLetter, key)
        unbind(records, letter.run, LETTER, name)
        if new is None or queue is None:
            continue
        _call(records, name, letter.dedup_key, new.id)
        wish = Enqueue(
            name, QueuePolicy(), new, letter.priority, letter.dedup_key, letter.partition
        )
        _put_entry(records, name, queue, new.id, wish)
        renewed.append((letter.run, new.id))
    if queue is not None:
        _serve(records, name, queue)
    return answer(value=vector([vector(pair) for pair in renewed]))


def _copy(records: Records, asker: Asker | None, run: RunId, queue: str) -> NewRun | None:
    """Make a queued run like the one that failed; None if that is gone."""
    for count in range(2, _COPIES):
        new = records.again(run, fitted(f"{run}-{count}"), queue)
        if new is None:
            return None
        new = told_anew(replace(new, input=in_place_of(new.input, run)))
        if asker is not None:
            new = replace(new, parent=asker.run)
        if records.create_run(new):
            return new
    return None
