"""Which function performs which operation; what happens when a run ends, and when time has passed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, assert_never

from flowmetal.errors import StoreError
from flowmetal.ids import RunId
from flowmetal.store import rules
from flowmetal.store.clock import NOTABLE_US
from flowmetal.store.operations import (
    MOST_AT_ONCE,
    Unattended,
    callbacks,
    calls,
    deployments,
    orders,
    permits,
    queues,
    runs,
    state,
    tasks,
    topics,
)
from flowmetal.store.operations.answers import (
    Answer,
    Asker,
    answer,
    answer_id,
    bad_text,
    refuse,
    reply,
)
from flowmetal.store.operations.records import TAB, Kept, Records, Standing, each_sound
from flowmetal.store.operations.ties import OPEN, Tie, tie_of, ties, unbind
from flowmetal.store.operations.vocabulary import (
    AcquirePermit,
    AskAnew,
    Asked,
    AwaitCallback,
    AwaitPromise,
    AwaitRun,
    BeatCallback,
    BeatCalls,
    BeatTask,
    ClaimCalls,
    ClaimTask,
    CompleteCallback,
    DeadLetters,
    DeleteState,
    Deploy,
    Deployments,
    EndCalls,
    EndTask,
    Enqueue,
    FindTask,
    GetState,
    GiveBackCall,
    HoldTasks,
    OfferCall,
    OpenCallback,
    OpenTask,
    Operation,
    Publish,
    PutState,
    RecallCall,
    Redrive,
    ReleasePermit,
    RenewPermit,
    RestoreCallback,
    RestoreEnds,
    ScanState,
    SendMessage,
    SettlePromise,
    ShowCall,
    ShowCallback,
    ShowPermit,
    ShowPromise,
    ShowTask,
    ShowTies,
    StartRun,
    StopTask,
    Subscribe,
    Throttle,
    Undeploy,
    Unsubscribe,
    Withdraw,
)
from flowmetal.store.protocol import RunState
from flowmetal.values import vector


def perform_all(records: Records, run: RunId, asked: Sequence[Asked]) -> None:
    """Perform the operations of a step, in order, and answer those that can be answered now."""
    for one in asked:
        asker = Asker(run, one.effect)
        found = bad_text(one.operation) or _perform_for(records, asker, one.operation)
        if found is not None:
            reply(records, run, one.effect, found, at_once=True)


def operate(records: Records, operation: Operation) -> Answer:
    """Perform an operation for somebody who is no run, and return the answer."""
    found = bad_text(operation) or _perform(records, None, operation)
    if found is None:
        name = type(operation).__name__
        return refuse("FM0703", "effect/bad-argument", f"only a run can ask for {name}")
    return found


def _perform_for(records: Records, asker: Asker, operation: Operation) -> Answer | None:
    """Perform what only a run can ask for, or else what anybody can. None: answered later."""
    match operation:
        case AwaitRun():
            return runs.await_run(records, asker, operation)
        case AcquirePermit():
            return permits.acquire(records, asker, operation)
        case RenewPermit():
            return permits.renew(records, asker, operation)
        case OpenCallback():
            return callbacks.open_callback(records, asker, operation)
        case AwaitCallback():
            return callbacks.await_callback(records, asker, operation)
        case AwaitPromise():
            return callbacks.await_promise(records, asker, operation)
        case Subscribe():
            return topics.subscribe(records, asker, operation)
        case Unsubscribe():
            return topics.unsubscribe(records, asker, operation)
        case OpenTask():
            return tasks.open_task(records, asker, operation)
        case OfferCall():
            return calls.offer(records, asker, operation)
        case RecallCall():
            return calls.recall(records, asker)
        case AskAnew():
            records.forget(asker.run, answer_id(asker.effect))
            return None
        case StopTask():
            return tasks.stop(records, asker)
        case HoldTasks():
            tasks.hold(records, asker, operation)
            return None
        case Withdraw():
            _withdraw(records, Asker(asker.run, operation.effect))
            return answer(value=None)
        case _:
            return _perform(records, asker, operation)


def _perform(records: Records, asker: Asker | None, operation: Operation) -> Answer | None:
    match operation:
        case StartRun():
            return runs.start_run(records, asker, operation)
        case SendMessage():
            return runs.send_message(records, operation)
        case ReleasePermit():
            return permits.release(records, asker, operation)
        case ShowPermit():
            return permits.show(records, operation)
        case Throttle():
            return permits.throttle(records, operation)
        case GetState():
            return state.get(records, operation)
        case PutState():
            return state.put(records, operation)
        case DeleteState():
            return state.delete(records, operation)
        case ScanState():
            return state.scan(records, operation)
        case CompleteCallback():
            return callbacks.complete(records, operation)
        case BeatCallback():
            return callbacks.beat(records, operation)
        case ShowCallback():
            return callbacks.show(records, operation)
        case SettlePromise():
            return callbacks.settle(records, operation)
        case ShowPromise():
            return callbacks.show_promise(records, operation)
        case ShowTies():
            return _show_ties(records, operation)
        case RestoreCallback():
            return callbacks.restore(records, operation)
        case RestoreEnds():
            return runs.restore_ends(records, operation)
        case Publish():
            return topics.publish(records, operation)
        case Enqueue():
            return queues.enqueue(records, asker, operation)
        case DeadLetters():
            return queues.dead(records, operation)
        case Redrive():
            return queues.redrive(records, asker, operation)
        case ClaimTask():
            return tasks.claim(records, operation)
        case FindTask():
            return tasks.look(records, operation)
        case ShowTask():
            return tasks.show(records, operation)
        case BeatTask():
            return tasks.beat(records, operation)
        case EndTask():
            return tasks.end(records, operation)
        case ClaimCalls():
            return calls.claim(records, operation)
        case BeatCalls():
            return calls.beat(records, operation)
        case EndCalls():
            return answer(value=vector([calls.end(records, each) for each in operation.calls]))
        case GiveBackCall():
            return calls.give_back(records, operation)
        case ShowCall():
            return calls.show(records, operation)
        case Deploy():
            return deployments.deploy(records, operation)
        case Undeploy():
            return deployments.undeploy(records, operation)
        case Deployments():
            return deployments.deployments(records, operation)
        case (
            AwaitRun()
            | AcquirePermit()
            | RenewPermit()
            | OpenCallback()
            | AwaitCallback()
            | AwaitPromise()
            | Subscribe()
            | Unsubscribe()
            | OpenTask()
            | OfferCall()
            | RecallCall()
            | StopTask()
            | HoldTasks()
            | Withdraw()
            | AskAnew()
        ):
            return None
        case _:
            assert_never(operation)


def _show_ties(records: Records, operation: ShowTies) -> Answer:
    found = list(ties(records, operation.run))
    rows = [vector((what, key, tie.kind, tie.place)) for what, key, tie in found]
    names = [key for what, key, _ in found if what == callbacks.CALLBACK]
    carried = [callbacks.packed(records, name) for name in names]
    ends = [runs.packed_end(records, tie.place) for what, _, tie in found if what == runs.END]
    doubtful = [
        key
        for what, key, tie in found
        if what == OPEN and (look := _DOUBTS.get(tie.kind)) is not None and look(records, tie.place)
    ]
    return answer(
        ties=vector(rows),
        callbacks=vector(carried),
        ends=vector(ends),
        doubtful=vector(doubtful),
    )


_DOUBTS: Final = {tasks.TASK: tasks.is_doubtful, calls.CALL: calls.is_doubtful}


def _withdraw(records: Records, asker: Asker) -> None:
    """Let an effect wait no longer, or give back what it has got meanwhile."""
    tie = tie_of(records, asker.run, OPEN, asker.effect)
    if tie is None:
        permits.withdraw_held(records, asker)
        return
    unbind(records, asker.run, OPEN, asker.effect)
    _stop_waiting(records, asker, tie)


def _stop_waiting(records: Records, asker: Asker, tie: Tie) -> None:
    match tie.kind:
        case runs.WATCH:
            runs.withdraw(records, asker, tie.place)
        case permits.PERMIT:
            permits.leave_line(records, tie.place)
        case permits.ASIDE:
            pass
        case callbacks.CALLBACK | callbacks.PROMISE:
            callbacks.leave(records, tie.place)
        case tasks.TASK:
            tasks.withdraw(records, tie.place)
        case calls.CALL:
            calls.withdraw(records, tie.place)
        case _:
            raise rules.damaged(f"what run {asker.run} waits for", tie.kind)


def cut_ties(records: Records, run: Standing, hanging: Sequence[tuple[str, str, Tie]]) -> None:
    """Cut the ties of a run that has just ended: what hangs on it, by what it is and where.

    A failed run is parked: it keeps what only it can use (callbacks, subscriptions, children, its
    waits) for the day it is revived, and gives back what others wait for, its places in lines
    too. Ties that tie others to it are cut. It hangs on its parent no longer, unless it may go on one day: a
    run that starts others for years has ties to those that live.
    """
    parked = run.state is RunState.FAILED
    of_permits = [each for each in hanging if each[2].kind == permits.PERMIT]
    permits.leave_all(records, run.id, of_permits, parked=parked)
    for what, key, tie in hanging:
        if tie.kind == permits.PERMIT or (parked and what in _KEPT_BY_PARKED):
            continue
        unbind(records, run.id, what, key)
        _cut(records, run, what, key, tie)
    if run.parent is not None and run.state in (RunState.COMPLETED, RunState.CANCELLED):
        unbind(records, run.parent, runs.CHILD, run.id)


_KEPT_BY_PARKED: Final = frozenset(
    {OPEN, runs.CHILD, runs.END, callbacks.CALLBACK, topics.TOPIC, queues.LETTER, tasks.PAST}
)


def revive_run(records: Records, run: RunId) -> None:
    """Let a parked run stand in line again, at the end; it is no dead letter any more. One that is queued
    again begins if it was admitted meanwhile."""
    for _, effect, tie in list(ties(records, run, OPEN)):
        if tie.kind == permits.ASIDE:
            permits.return_to_line(records, Asker(run, effect), tie)
    for _, _, tie in list(ties(records, run, queues.LETTER)):
        queues.revive(records, run, tie)
    for _, name, _ in list(ties(records, run, queues.QUEUE)):
        queues.admit_again(records, run, name)


def _cut(records: Records, run: Standing, what: str, key: str, tie: Tie) -> None:
    if what == OPEN:
        _stop_waiting(records, Asker(run.id, key), tie)
        return
    match what:
        case runs.WATCH:
            runs.tell_watcher(records, key, run)
        case runs.CHILD:
            runs.end_child(records, key, tie, run)
        case runs.END:
            runs.forget_end(records, tie.place)
        case callbacks.CALLBACK:
            callbacks.close(records, key)
        case topics.TOPIC:
            topics.end_subscription(records, key)
        case tasks.PAST:
            tasks.end_past(records, run)
        case queues.QUEUE:
            queues.leave(records, key, tie, run)
        case queues.LETTER:
            queues.forget_letter(records, tie.place)
        case _:
            raise rules.damaged(f"what hangs on run {run.id}", what)


LOOKS: Final = (
    GetState,
    ScanState,
    ShowPermit,
    ShowCallback,
    ShowPromise,
    DeadLetters,
    FindTask,
    ShowTask,
    ShowCall,
    Deployments,
)
"""Those that only read. ``ShowTies`` stands in line with those that write: what hangs on a run that is about to move has
to be all of it, and what others have begun on PostgreSQL is not to be seen yet."""


_DUE: Final[dict[str, Callable[[Records, str], None]]] = {
    permits.Semaphore.SPACE: permits.serve,
    permits.Rate.SPACE: permits.forget_rate,
    state.Cell.SPACE: state.expire,
    callbacks.Callback.SPACE: callbacks.expire,
    callbacks.Promise.SPACE: callbacks.forget_promise,
    topics.Published.SPACE: topics.forget,
    topics.Once.SPACE: topics.forget_once,
    queues.Queue.SPACE: queues.serve,
    queues.Delayed.SPACE: queues.end_delay,
    tasks.Task.SPACE: tasks.attend,
    tasks.Word.SPACE: tasks.forget_word,
    tasks.Past.SPACE: tasks.forget_past,
    calls.OfferedCall.SPACE: calls.attend,
    runs.Replaced.SPACE: runs.forget_replaced,
    orders.SPACE: orders.obey,
}
"""Who looks at rows that are due, by space. Each either deletes the row or moves its time on."""


_LATE: Final[dict[type[Kept], Callable[[Any, int], bool]]] = {
    permits.Holder: permits.is_late,
    queues.Queue: queues.is_late,
    calls.OfferedCall: calls.is_late,
}
"""What shows that the clock was set back."""

_OF_THE_ROW: Final = frozenset({rules.DAMAGED, "FM1021"})
"""What a row alone is to blame for: it is damaged, or asks to keep what cannot be kept."""


def attend_to(records: Records, due: Sequence[tuple[str, str]]) -> None:
    """Do what is due at rows, given by space and key. Raises Unattended for one of which that is impossible."""
    is_all = len(due) < MOST_AT_ONCE
    for space, key in due:
        see_to = _DUE.get(space)
        if see_to is None:
            raise Unattended(space, key, rules.damaged(f"the row {key.replace(TAB, ' ')}", space))
        _see_to(records, space, key, see_to)
    if is_all:
        for space, key in due:
            if space == orders.SPACE:
                _see_to(records, space, key, orders.obey_behind)
    delayed = [key for space, key in due if space == queues.Delayed.SPACE]
    see_to_queue = queues.serve if is_all else queues.serve_soon
    for name in dict.fromkeys(map(queues.queue_of, delayed)):
        see_to_queue(records, name)


def is_anything_late(records: Records) -> bool:
    """Say whether a lease ends later than it could if it had begun by now, or a run of a queue began later than now."""
    latest_us = records.now_us() + NOTABLE_US
    return any(
        is_late(thing, latest_us)
        for kind, is_late in _LATE.items()
        for thing in each_sound(records, kind)
    )


def _see_to(records: Records, space: str, key: str, see_to: Callable[[Records, str], None]) -> None:
    try:
        see_to(records, key)
    except StoreError as trouble:
        if trouble.code not in _OF_THE_ROW:
            raise
        raise Unattended(space, key, trouble) from None
    except UnicodeEncodeError as half:
        raise Unattended(space, key, rules.no_text(half.object)) from None
