"""Tasks: effects that somebody outside performs, who takes them from a queue of the store.

The space ``task`` is a table of its own with the columns of ``Task``, so that a worker in any language
can do with plain SQL what ``ClaimTask`` and its like do here (docs/store.md). A worker changes only the
row; ``attend`` brings what it has said to the run.

A task is ``open`` until a worker claims it, ``claimed`` as long as its lease is kept up by heartbeats, then
``done`` or ``failed`` by the worker's word. Each claim raises ``attempt``, and only the word of the
latest attempt counts. A lost lease is a failed attempt; of an at-most-once task it is the last one, in doubt.
A task that is asked for again, for it has failed or its run has come back, counts on from above every attempt of before:
who was lost then has no word now. So does the task of a run whose id one had before that is forgotten, if a worker may be at
what that asked for.

A worker that did not hear that it was heard says it again: the word of an attempt is remembered for a day.
While a run is written to a file nobody claims its tasks and no word is taken, for it would be lost. Plain SQL does not look at
the run: what is open is then **held**, ready at the end of time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from flowmetal.ids import RunId
from flowmetal.store.operations.answers import (
    Answer,
    Asker,
    answer,
    bad_name,
    refuse,
    reply,
    tell_late,
)
from flowmetal.store.operations.records import (
    TAB,
    TASKS,
    Kept,
    Records,
    Standing,
    drop,
    each,
    find,
    keep,
    read,
)
from flowmetal.store.operations.ties import OPEN as OPEN_TIE
from flowmetal.store.operations.ties import Tie, bind, ties, wait_at, waits_no_more
from flowmetal.store.operations.vocabulary import (
    BeatTask,
    ClaimTask,
    EndTask,
    FindTask,
    HoldTasks,
    OpenTask,
    ShowTask,
)
from flowmetal.store.protocol import ENDED, RunState
from flowmetal.values import DataError, hash_map, keyword
from flowmetal.values.codec import encode_data
from flowmetal.values.json_mapping import json_loads

TASK: Final = "task"
PAST: Final = "past"
OPEN, CLAIMED, DONE, FAILED = "open", "claimed", "done", "failed"
SAID = (DONE, FAILED)
_LONGEST_WAIT_US: Final = 366 * 86_400_000_000
_REMEMBERED_US: Final = 86_400_000_000
"""How long a worker may go on saying the same."""
_AWAY_US: Final = 30 * 86_400_000_000
"""How long a run that has moved may be away, or one be forgotten before another has its id, so that who was lost before
has no word then."""
_OVER: Final = frozenset({RunState.COMPLETED, RunState.CANCELLED})
_MOST_ATTEMPTS: Final = 1 << 30
"""More are nobody's but of plain SQL: any store can count on from there."""
_HELD_US: Final = 1 << 61
"""Is added to the time from which on a task that is held may be claimed."""


@dataclass(slots=True)
class Task(Kept):
    """Key: run, effect. Times in microseconds, documents in JSON. See docs/store.md for each column."""

    SPACE: ClassVar[str] = TASKS
    queue: str
    name: str
    state: str
    attempt: int
    args: str
    idempotency_key: str
    run: str
    effect: str
    created_us: int
    ready_us: int  # may be claimed from then on
    lease_us: int  # how long a claim lasts without a heartbeat
    expires_us: int | None  # the end of its time, whatever its state
    worker: str | None
    lease_expires_us: int | None
    result: str | None  # what the worker said
    max_attempts: int | None
    first_wait_us: int
    factor: float
    most_wait_us: int

    def due_us(self) -> int | None:
        """Return when somebody has to look at it."""
        if self.state in SAID:
            return 0
        return self.lease_expires_us if self.state == CLAIMED else None


@dataclass(slots=True)
class Line(Kept):
    """Key: queue, time, task. A hint for ``claim``: workers with SQL do not know of it."""

    SPACE: ClassVar[str] = "task-line"
    task: str


@dataclass(slots=True)
class Once(Kept):
    """Key: that of an at-most-once task. It has no column, for workers need not know of it."""

    SPACE: ClassVar[str] = "task-once"


@dataclass(slots=True)
class CountsOn(Kept):
    """Key: that of a task that is asked for again. Its first attempt comes after ``attempt``."""

    SPACE: ClassVar[str] = "task-again"
    attempt: int


@dataclass(slots=True)
class Past(Kept):
    """Key: run. What its tasks have come to that are no more: the highest attempt and the highest number of an effect.

    One row for all of them, for a run may have a million. An effect that is not above ``effect`` may have been a task before.
    """

    SPACE: ClassVar[str] = "task-past"
    attempt: int
    effect: int


@dataclass(slots=True)
class Word(Kept):
    """Key: task, attempt. What was said of it and heard."""

    SPACE: ClassVar[str] = "task-word"
    digest: str


def open_task(records: Records, asker: Asker, operation: OpenTask) -> Answer | None:
    wrong = bad_name(operation.queue, "queue")
    if wrong is not None:
        return wrong
    now = records.now_us()
    key = f"{asker.run}{TAB}{asker.effect}"
    before = _attempts_before(records, asker)
    most = operation.max_attempts
    task = Task(
        queue=operation.queue,
        name=operation.name,
        state=OPEN,
        attempt=before,
        args=operation.args,
        idempotency_key=operation.key,
        run=asker.run,
        effect=asker.effect,
        created_us=now,
        ready_us=now,
        lease_us=operation.heartbeat_us,
        expires_us=operation.expires_us,
        worker=None,
        lease_expires_us=None,
        result=None,
        max_attempts=None if most is None else before + most,
        first_wait_us=operation.first_wait_us,
        factor=operation.factor,
        most_wait_us=operation.most_wait_us,
    )
    if operation.at_most_once:
        keep(records, key, Once())
    if before:
        keep(records, key, CountsOn(before))
    _offer(records, key, task)
    wait_at(records, asker, TASK, key)
    return None


def _attempts_before(records: Records, asker: Asker) -> int:
    """Return the attempt that a task counts on from; 0 for one that is asked for the first time."""
    past = find(records, Past, asker.run)
    return past.attempt if past is not None and _number_of(asker.effect) <= past.effect else 0


def _note_past(records: Records, key: str, task: Task) -> None:
    """Remember how far the attempts at a task have come that is withdrawn: it may be asked for again.

    Not of a run that is over, unless a worker has the task still.
    """
    run, _, effect = key.partition(TAB)
    attempt = task.attempt if isinstance(task.attempt, int) else 0  # plain SQL may say anything
    standing = records.run(RunId(run)) if attempt > 0 else None
    if standing is None or (standing.state in _OVER and task.state != CLAIMED):
        return
    known = find(records, Past, run) or Past(0, 0)
    highest = max(known.attempt, min(attempt, _MOST_ATTEMPTS))
    found = Past(highest, max(known.effect, _number_of(effect)))
    if found != known or standing.state in _OVER:
        _keep_past(records, standing, found)


def _keep_past(records: Records, run: Standing, past: Past) -> None:
    """Keep it with a run that goes on, and for a while if that is gone: it may come back, or another run have its id."""
    is_gone = run.state is RunState.MOVED or run.state in _OVER
    keep(records, run.id, past, due_us=records.now_us() + _AWAY_US if is_gone else None)
    if not is_gone:
        bind(records, run.id, PAST, "", Tie(PAST, run.id))


def end_past(records: Records, run: Standing) -> None:
    """Forget what the tasks of a run have come to, for it has ended; not yet if it has moved, or if a worker may
    not have heard that it has lost one of them."""
    record = records.get(Past.SPACE, run.id)
    if record is None:
        return
    past = read(Past, record)
    has_workers = record.due_us is not None or past.attempt > 1
    if run.state is RunState.MOVED or has_workers:
        _keep_past(records, run, past)
    else:
        drop(records, Past, run.id)


def forget_past(records: Records, run: str) -> None:
    """A run that has moved did not come back; or it did, and its row is needed as long as it is here."""
    past, standing = find(records, Past, run), records.run(RunId(run))
    if past is None or standing is None or standing.state in ENDED:
        drop(records, Past, run)
    else:
        _keep_past(records, standing, past)


def _number_of(effect: str) -> int:
    """Return the number of an effect, GENERATION.NUMBER."""
    number = effect.rpartition(".")[2]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else 0


def _offer(records: Records, key: str, task: Task) -> None:
    keep(records, key, task, due_us=task.due_us())
    keep(records, _place(key, task), Line(key))


def _place(key: str, task: Task) -> str:
    """Return where a task stands in the line of its queue; what a worker's SQL has made of the row is nowhere."""
    ready = task.ready_us if isinstance(task.ready_us, int) else 0
    return f"{task.queue}{TAB}{ready:016x}{TAB}{key}"


def hold(records: Records, asker: Asker, operation: HoldTasks) -> None:
    """Put the open tasks of a run out of everybody's reach, or back where they were."""
    for _, _, tie in ties(records, asker.run, OPEN_TIE):
        task = find(records, Task, tie.place) if tie.kind == TASK else None
        if task is not None and task.state == OPEN and _is_held(task) != operation.held:
            drop(records, Line, _place(tie.place, task))
            task.ready_us += _HELD_US if operation.held else -_HELD_US
            _offer(records, tie.place, task)


def _is_held(task: Task) -> bool:
    return task.ready_us >= _HELD_US


def claim(records: Records, operation: ClaimTask) -> Answer:
    for hint, key, task in _in_line(records, operation.queue, operation.names):
        drop(records, Line, hint)
        if task is None:
            continue
        task.state, task.worker = CLAIMED, operation.worker
        task.attempt = min(task.attempt, _MOST_ATTEMPTS) + 1
        task.lease_expires_us = records.now_us() + task.lease_us
        keep(records, key, task, due_us=task.due_us())
        return answer(
            id=key,
            attempt=task.attempt,
            name=task.name,
            args=task.args,
            run=task.run,
            key=task.idempotency_key,
            lease=task.lease_us,
        )
    return answer(id=None)


def look(records: Records, operation: FindTask) -> Answer:
    found = _in_line(records, operation.queue, operation.names)
    return answer(value=any(task is not None for _, _, task in found))


def _in_line(
    records: Records, queue: str, names: Sequence[str]
) -> Iterator[tuple[str, str, Task | None]]:
    """Yield hint, key and task of those in the line of a queue that can be claimed now; None: a hint at nothing.

    What stands there for others is left as it is, for whoever waits for a task looks again and again.
    """
    now = records.now_us()
    for hint, line in each(records, Line, f"{queue}{TAB}"):
        if int(hint.split(TAB)[1], 16) > now:
            return
        task = find(records, Task, line.task)
        if task is None or task.state != OPEN or task.ready_us > now:
            yield hint, line.task, None
        elif task.expires_us is not None and task.expires_us <= now:
            yield hint, line.task, None  # nobody waits for it any more
        elif (not names or task.name in names) and not _is_leaving(records, line.task):
            yield hint, line.task, task


def show(records: Records, operation: ShowTask) -> Answer:
    suffix = f".{operation.effect}"  # behind the generation, of which a run has one
    for _, effect, tie in ties(records, operation.run, OPEN_TIE):
        if tie.kind == TASK and effect.endswith(suffix):
            task = find(records, Task, tie.place)
            if task is not None:
                return answer(
                    queue=task.queue,
                    state=task.state,
                    attempt=task.attempt,
                    most=task.max_attempts,
                    ready=task.ready_us % _HELD_US,
                    worker=task.worker,
                    lease=task.lease_expires_us,
                )
    return answer(queue=None)


def beat(records: Records, operation: BeatTask) -> Answer:
    if _is_leaving(records, operation.id):
        return _away(operation.id)
    task = _claimed(records, operation.id, operation.attempt)
    if task is None:
        return answer(value=False)
    task.lease_expires_us = records.now_us() + task.lease_us
    keep(records, operation.id, task, due_us=task.due_us())
    return answer(value=True)


def end(records: Records, operation: EndTask) -> Answer:
    if _is_leaving(records, operation.id):
        return _away(operation.id)
    said = f"{'failed' if operation.failed else 'done'} {operation.result}"
    word = Word(hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest())
    place = f"{operation.id}{TAB}{operation.attempt}"
    task = _claimed(records, operation.id, operation.attempt)
    # A repetition is what comes of an attempt that is over; one that goes on has said nothing yet.
    if task is None and find(records, Word, place) == word:
        return answer(value=True)
    try:
        json.loads(operation.result)
    except (ValueError, RecursionError) as problem:
        return refuse("FM0703", "effect/bad-argument", f"the result is not JSON: {problem}")
    if task is None:
        if find(records, Task, operation.id) is None:
            tell_late(records, operation.id, operation.attempt, _late(operation))
        return answer(value=False)
    task.state, task.result = FAILED if operation.failed else DONE, operation.result
    keep(records, place, word, due_us=records.now_us() + _REMEMBERED_US)
    _heed(records, operation.id, task)
    return answer(value=True)


def _late(operation: EndTask) -> bytes:
    """Return what a worker said whom nobody waited for any more."""
    try:
        said = json_loads(operation.result)
    except DataError:
        said = operation.result
    return encode_data(hash_map([(keyword("error" if operation.failed else "value"), said)]))


def forget_word(records: Records, place: str) -> None:
    """Nobody says it any more."""
    drop(records, Word, place)


def _is_leaving(records: Records, key: str) -> bool:
    """Say whether the run of a task is being written to a file just now."""
    standing = records.run(RunId(key.partition(TAB)[0]))
    return standing is not None and standing.state is RunState.EXPORTING


def _away(key: str) -> Answer:
    run = key.partition(TAB)[0]
    return refuse("FM0737", "task/away", f"run {run} is being moved", run=run)


def is_doubtful(records: Records, key: str) -> bool:
    """Say whether an at-most-once task may have been performed already."""
    task = find(records, Task, key)
    return task is not None and task.state != OPEN and find(records, Once, key) is not None


def stop(records: Records, asker: Asker) -> Answer:
    """Take back a task whose time is up, and say whether it may have been performed."""
    key = f"{asker.run}{TAB}{asker.effect}"
    task = find(records, Task, key)
    if task is not None and task.state in SAID:
        _heed(records, key, task)
        task = find(records, Task, key)
    if task is None:  # nobody served it; or what a worker has said is on its way, and comes first
        return answer(over=True, doubt=False)
    withdraw(records, key)
    waits_no_more(records, asker.run, asker.effect)
    return answer(over=True, doubt=task.state != OPEN)


def _claimed(records: Records, key: str, attempt: int) -> Task | None:
    """Return the task if this is its latest attempt and the lease is not lost."""
    attend(records, key)
    task = find(records, Task, key)
    if task is None or task.state != CLAIMED or task.attempt != attempt:
        return None
    return task


def attend(records: Records, key: str) -> None:
    """Bring on what a worker has said, or take the task from one whose lease is over."""
    task = find(records, Task, key)
    if task is None:
        return
    if task.state in SAID:
        _heed(records, key, task)
    elif task.state == CLAIMED and (task.lease_expires_us or 0) <= records.now_us():
        why = {"type": "task/lost", "message": f"{task.worker} gave no sign of life"}
        task.state, task.result = FAILED, json.dumps(why)
        _heed(records, key, task, doubt=find(records, Once, key) is not None)


def _heed(records: Records, key: str, task: Task, *, doubt: bool = False) -> None:
    """Deliver what was said of a task, or offer it again by its policy, unless that is in ``doubt``."""
    drop(records, Line, _place(key, task))  # it is there if the task was claimed by SQL
    if task.state == FAILED and not doubt:
        again_us = _next_attempt_us(records, key, task)
        if again_us is not None:
            task.state = OPEN
            task.ready_us = again_us + (_HELD_US if _is_leaving(records, key) else 0)
            task.worker = task.lease_expires_us = task.result = None
            _offer(records, key, task)
            return
    withdraw(records, key)
    waits_no_more(records, task.run, task.effect)
    found = answer(failed=task.state == FAILED, json=task.result or "null", attempts=task.attempt)
    if doubt:
        found = found.assoc(keyword("doubt"), True)
    reply(records, task.run, task.effect, found)


def _next_attempt_us(records: Records, key: str, task: Task) -> int | None:
    if task.max_attempts is not None and task.attempt >= task.max_attempts:
        return None
    try:
        said = json.loads(task.result or "null")
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and said.get("retryable") is False:
        return None
    counts_on = find(records, CountsOn, key)
    attempt = task.attempt - (0 if counts_on is None else counts_on.attempt)
    again = records.now_us() + _wait_us(task, attempt)
    return None if task.expires_us is not None and again >= task.expires_us else again


def _wait_us(task: Task, attempt: int) -> int:
    """Return the pause after an attempt, of those since the task was asked for.

    What a worker's SQL has made of the row is no reason to stop.
    """
    try:
        wait = task.first_wait_us * task.factor ** max(0, min(attempt - 1, 60))
        return max(0, int(min(wait, task.most_wait_us, _LONGEST_WAIT_US)))
    except (ArithmeticError, ValueError, TypeError):  # 1e300 ** 60, not a number
        return max(0, min(task.most_wait_us, _LONGEST_WAIT_US))


def withdraw(records: Records, key: str) -> None:
    """Nobody waits for it any more; whoever performs it learns that at the next heartbeat."""
    task = find(records, Task, key)
    if task is not None:
        drop(records, Line, _place(key, task))
        _note_past(records, key, task)
    drop(records, Task, key)
    drop(records, Once, key)
    drop(records, CountsOn, key)
