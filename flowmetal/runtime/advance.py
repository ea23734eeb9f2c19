"""The loop of one run: compute a turn, write down what it asks for, act, deliver, compute on.

The rule that must stay true (output commit): no effect but a local one begins
until everything that was delivered to the machine before is durable. What a
commit holds, by the class of effects (durability.md):

- local: answered at once; request and result share the next commit;
- in-process and quick: performed between two commits, request and result in the second one;
- connector, task, waiting: the request is committed, then they begin.

Nothing here waits, and nothing here commits: where a commit is due, a ``Step`` is yielded
(committing.py). ``advance`` returns when the machine can do nothing more by
itself; ``take_in`` lets in what has happened meanwhile. In between, a driver waits.
"""

from __future__ import annotations

from typing import Final

from flowmetal.effects import events as kinds
from flowmetal.effects.errors import as_data, cancelled, connector_failed, said_by
from flowmetal.effects.kinds import EffectClass
from flowmetal.effects.requests import EffectFailed, EffectRequest
from flowmetal.runtime.active import ActiveRun, Arrival, Step
from flowmetal.runtime.answering import result_of
from flowmetal.runtime.committing import Steps
from flowmetal.runtime.crashes import answered
from flowmetal.runtime.entering import Entering, facts_entering
from flowmetal.runtime.grace import overdue, update_grace
from flowmetal.runtime.messages import pause_if_asked, take_messages
from flowmetal.runtime.opening import given_up, in_doubt, open_effect
from flowmetal.runtime.options import AT_MOST_ONCE, asks_for_retries
from flowmetal.runtime.progress import Pending
from flowmetal.store.operations.answers import RESULT
from flowmetal.store.protocol import InboxRow, RunState
from flowmetal.values import (
    DataError,
    ErrorValue,
    FlowError,
    Instant,
    Value,
    hash_map,
    keyword,
    pr_str,
)
from flowmetal.values.codec import encode_data
from flowmetal.vm.effects import COMPILE
from flowmetal.vm.machine import deliver, run
from flowmetal.vm.state import Machine, MachineStatus, Overdue, Turn

BUDGET: Final = 50_000
"""Fuel between two looks at the lease and at the time; some ten milliseconds."""

MANY_EVENTS: Final = 200
"""Local effects, and waits that are over at once, share a commit, but not without end."""

_EVENTS_UNLOOKED: Final = 16
"""Events between two looks at the memory, while local effects alone go on."""

_OUTCOME_UNKNOWN: Final = frozenset(
    keyword(name) for name in ("timeout", "http/timeout", "http/failed", "sh/timeout")
)
"""Errors after which nobody knows whether the effect was performed."""

_GOING_ON: Final = frozenset((MachineStatus.READY, MachineStatus.WAITING))

STATUS: Final = "run/status"
UNSUBSCRIBE: Final = "topic/unsubscribe"
TOPIC: Final = "topic"
_VALUE = keyword("value")
_FLUSH_US: Final = 250_000
_CHECKPOINT_US: Final = 10_000_000


def advance(
    active: ActiveRun, *, let_go: bool = False, turns: int = 1 << 62, slice_us: int = 1 << 62
) -> Steps[bool]:
    """Compute until the run has ended or waits, committing on the way.

    After so many ``turns``, or so much time, the answer is True: there is more to compute. With
    ``let_go`` a run that only waits is given back in the commit that says so, and one that computes
    on and on while others find no room. While a pause waits, nothing is computed and nothing given back.
    Raises Conflict if the lease is lost: then drop ``active``.
    """
    machine = active.machine
    began_us = active.host.clock.monotonic_us()
    first = turns
    heap = active.heap
    heap.begin()
    while active.is_driven() and turns > 0:
        if active.pausing is not None:
            return False
        if heap.exceeded is not None:
            yield active.fail(heap.error(machine.run))
            break
        if active.set_aside is not None:
            yield active.fail(active.set_aside)
            break
        if turns < first and _is_to_look_up(active, began_us, slice_us):
            break
        turns -= 1
        turn = run(machine, BUDGET, every=active.host.sync_every)
        if turn.output:
            active.record(kinds.OUTPUT, "", 0, encode_data(turn.output))
            active.output.append(turn.output)
        for request in turn.requests:
            active.ask(request)
        _abandon(active)
        active.lease.keep(active.claim)
        if machine.stopping or active.progress.cleaning:
            update_grace(active.progress, machine, active.host.clock.now_us())
        if active.progress.cancelled is not None and _is_out_of_grace(active):
            yield stop_cancelled(active)
        elif turn.status is MachineStatus.READY and _is_to_commit(active, bool(turn.requests)):
            yield _go_on(active, let_go)
        elif turn.status not in _GOING_ON:
            yield _end(active, turn)
        # What was asked for is begun whether all fibers wait or one computes on and on. Each kind of
        # effect has its turn: a fiber with nothing but one of them could hold up the others.
        elif active.quick and active.is_held_up(active.quick[0]):
            yield from _perform_quick(active, let_go)
        elif active.fresh and not (active.local and active.is_held_up(active.local[0])):
            _open_fresh(active)
            if _is_answered_at_once(active):
                yield from _ask_store(active, let_go)
            elif machine.inbox and len(active.events) >= MANY_EVENTS:
                yield _go_on(active, let_go)
        elif active.local:
            _answer_locals(active)
            count = len(active.events)
            has_grown = count % _EVENTS_UNLOOKED == 0 and heap.look()
            if has_grown or count >= MANY_EVENTS or active.host.sync_every:
                yield _go_on(active, let_go)
        elif active.quick:
            yield from _perform_quick(active, let_go)
        elif turn.status is MachineStatus.READY:
            pass  # it computes on
        else:
            step = _park(active, let_go)
            if step is not None:
                yield step
            if not (active.machine.inbox or heap.exceeded or active.set_aside):
                return False
    return active.is_driven()


def _is_to_commit(active: ActiveRun, has_asked: bool) -> bool:
    """Say whether what a run has computed is to be durable before it computes on."""
    has_grown = active.heap.look()
    return has_grown or (active.host.sync_every and has_asked) or _is_time_to_commit(active)


def _is_to_look_up(active: ActiveRun, began_us: int, slice_us: int) -> bool:
    """Say whether the driver is to see what has happened meanwhile: the run has got messages, or time is up.

    A commit has given the others of an event loop their turn, so time counts from the last
    one, unless the run waits for something that may come.
    """
    if active.has_mail():
        return True
    if not active.progress.effects and not active.arrivals:
        began_us = max(began_us, active.committed_us)
    return active.host.clock.monotonic_us() - began_us >= slice_us


def _answer_locals(active: ActiveRun) -> None:
    """Answer what is asked of the interpreter itself; code is compiled one form at a time, for others wait meanwhile."""
    clock = active.host.clock
    while active.local:
        request = active.local.pop(0)
        try:
            if request.kind == COMPILE:
                value, error = _compiled(active, request), None
            else:
                value, error = active.locals.perform(request), None
            if request.kind == STATUS:
                active.progress.status = request.args.get(_VALUE)
                active.progress.changed = True
        except EffectFailed as failed:
            value, error = None, failed.error
        active.resolve(request, value, error, clock.now_us())
        if request.kind == COMPILE:
            break


def _compiled(active: ActiveRun, request: EffectRequest) -> Value:
    # The compiler: 60 ms that most programs do not need.
    from flowmetal.runtime.compiling import compile_for

    try:
        return compile_for(active.machine, request)
    except FlowError as failed:
        raise EffectFailed(failed.error) from None


def _open_fresh(active: ActiveRun) -> None:
    """Begin to keep track of new effects; a wait may be over at once."""
    now = active.host.clock.now_us()
    waits = False
    for request, effect_class in active.fresh:
        pending = open_effect(active, request, effect_class, now)
        waits = waits or (pending is not None and effect_class is not EffectClass.CONNECTOR)
    active.fresh.clear()
    active.undurable = True
    if waits and not active.operations:  # what the store is asked may be answered at once
        _let_facts_in(active, now)


def _is_answered_at_once(active: ActiveRun) -> bool:
    """Say whether the store may answer something in the commit that asks for it."""
    if not active.operations:
        return False
    from flowmetal.store.operations.vocabulary import OfferCall

    return not all(isinstance(asked.operation, OfferCall) for asked in active.operations)


def _ask_store(active: ActiveRun, let_go: bool) -> Steps[None]:
    """Let the store perform what was asked of it, and take in what it has answered."""
    yield Step(active.parked_state(active.host.clock.now_us()))
    yield from take_messages(active)
    if active.is_driven():
        _let_facts_in(active, active.host.clock.now_us())
        if active.machine.inbox and let_go and active.is_to_share():
            yield _go_on(active, let_go)


def _go_on(active: ActiveRun, let_go: bool) -> Step:
    """Return the step of a run that could go on at once: here, or after others."""
    if let_go and active.is_to_share():
        return Step(RunState.READY, leave=True)
    return Step(RunState.RUNNING)


def _perform_quick(active: ActiveRun, let_go: bool) -> Steps[None]:
    """Perform in-process functions; their results are durable before the machine goes on."""
    careful = [request for request in active.quick if request.args.get(AT_MOST_ONCE)]
    now = active.host.clock.now_us()
    for request in careful:
        if open_effect(active, request, EffectClass.IN_PROCESS, now) is None:
            active.quick.remove(request)
    if active.quick and (active.undurable or careful):
        yield Step(RunState.RUNNING)
    for request in active.quick:
        active.lease.keep(active.claim)  # many take long, though each is quick
        value, error = _call(active, request)
        if _leaves_in_doubt(request, error):
            error = in_doubt(request, error)
        active.resolve(request, value, error, active.host.clock.now_us())
    active.quick.clear()
    yield _go_on(active, let_go)


def _call(active: ActiveRun, request: EffectRequest) -> tuple[Value, Value]:
    function = active.host.world.function(request.kind)
    assert function is not None
    try:
        return function.call(request.args, active.key_of(request)), None
    except EffectFailed as failed:
        return None, as_data(request.kind, getattr(failed, "error", None))
    except Exception as crash:  # the edge to strangers' code: it becomes an event
        message = f"{request.kind} failed: {type(crash).__name__}: {said_by(crash)}"
        return None, connector_failed(request.kind, message)


def _park(active: ActiveRun, let_go: bool) -> Step | None:
    """Leave nothing undurable behind; give the run back if nothing is being done for it.

    None if a wait was over (the machine's inbox says so), or if all is durable.
    """
    now = active.host.clock.now_us()
    if active.progress.effects:
        _let_facts_in(active, now)
    if active.progress.cleaning:
        _lift_shields(active, now)
    if active.machine.inbox or active.set_aside is not None:
        return None
    state = active.parked_state(now)
    leave = state is RunState.WAITING and (let_go or bool(active.offered()))
    # Only a commit that gives the run back says when it is due: a release alone would not.
    if leave or active.undurable or active.progress.changed or _is_to_be_told(active):
        return Step(state, leave)
    return None


def _is_to_be_told(active: ActiveRun) -> bool:
    return active.has_news() or (bool(active.events) and not active.is_suspected())


def _end(active: ActiveRun, turn: Turn) -> Step:
    match turn.status:
        case MachineStatus.COMPLETED:
            active.result = turn.result
            data = result_bytes(turn.result)
            active.record(kinds.COMPLETED, "", 0, data)
            active.progress.effects.clear()
            active.progress.changed = True
            return Step(RunState.COMPLETED, leave=True, result=data)
        case MachineStatus.CANCELLED:
            return stop_cancelled(active)
        case _:
            assert turn.error is not None
            return active.fail(turn.error)


def stop_cancelled(active: ActiveRun) -> Step:
    """End a run as cancelled, whatever its machine stands at."""
    reason = active.progress.cancelled[1] if active.progress.cancelled else ""
    active.error = cancelled(reason)
    active.record(kinds.CANCELLED, "", 0, encode_data(reason))
    active.progress.effects.clear()
    active.progress.changed = True
    return Step(RunState.CANCELLED, leave=True, error=encode_data(active.error))


def result_bytes(value: Value) -> bytes:
    """Encode a result; what is not data (a function, an atom) as the text it prints as."""
    try:
        return encode_data(value)
    except DataError:
        return encode_data(pr_str(value))


def _abandon(active: ActiveRun) -> None:
    """Let go of effects that no fiber waits for any more: they were cancelled."""
    effects, wanted = active.progress.effects, active.machine.open
    waiting = len(active.local) + len(active.quick) + len(active.fresh)
    coming = len(wanted.keys() & answered(active.machine)) if active.machine.inbox else 0
    if len(wanted) == len(effects) + waiting + coming:  # each is one of these
        return
    for number in [n for n in effects if n not in wanted]:
        pending = effects.pop(number)
        doubtful = given_up(active, pending)
        active.withdraw(pending)
        _record_abandoned(active, pending.request, doubtful)
        active.progress.changed = True
    for request in [r for r in active.not_begun() if r.number not in wanted]:
        _record_abandoned(active, request)
    active.local = [request for request in active.local if request.number in wanted]
    active.quick = [request for request in active.quick if request.number in wanted]
    active.fresh = [asked for asked in active.fresh if asked[0].number in wanted]


def _record_abandoned(
    active: ActiveRun, request: EffectRequest, doubtful: str | None = None
) -> None:
    said = None if doubtful is None else hash_map(((keyword("doubtful"), doubtful),))
    active.record(kinds.ABANDONED, request.kind, request.number, encode_data(said))
    active.undurable = True


def _is_out_of_grace(active: ActiveRun) -> bool:
    stop = active.progress.stop_us
    return stop is not None and stop <= active.host.clock.now_us()


def _is_time_to_commit(active: ActiveRun) -> bool:
    """Keep a long computation from losing much, and its output from being late."""
    since = active.host.clock.monotonic_us() - active.committed_us
    if since > _CHECKPOINT_US:
        return True
    return since > _FLUSH_US and active.has_news()


# What happened outside


def take_in(active: ActiveRun) -> Steps[bool]:
    """Let in messages, timers and results. Says whether the machine has something to do.

    Results of connectors are durable when this returns; signals and timers
    share the next commit, for they can be taken again.
    """
    now = active.host.clock.now_us()
    yield from take_messages(active)
    if not active.is_driven():
        return False
    arrived = bool(active.arrivals)
    for arrival in active.arrivals:
        _take_arrival(active, arrival, now)
    active.arrivals.clear()
    if active.progress.effects:
        _let_facts_in(active, now)
    if active.progress.cleaning:
        _lift_shields(active, now)
    is_held = active.pausing is not None  # no commit of the machine's own comes soon
    is_new = active.undurable and (is_held or not active.machine.inbox)
    if arrived or is_new or (is_held and active.has_news()):
        # Only an interpreter is ever crowded, and it lets runs go.
        goes_on = bool(active.machine.inbox)
        yield _go_on(active, not is_held) if goes_on else Step(active.parked_state(now))
        if not active.is_driven():
            return False
    if is_held:
        yield from pause_if_asked(active)
        return False
    stop = active.progress.stop_us
    is_to_begin = bool(
        active.fresh or active.local or active.quick
    )  # what was held, and is decided
    is_over = active.set_aside is not None or (stop is not None and stop <= now)
    return bool(active.machine.inbox) or is_to_begin or is_over


def _lift_shields(active: ActiveRun, now_us: int) -> None:
    for number, due_us in overdue(active.progress, now_us):
        data = hash_map(((keyword("fiber"), number), (keyword("fuel"), active.machine.fuel_used)))
        active.record(kinds.OVERDUE, "", 0, encode_data(data), due_us)
        deliver(active.machine, Overdue(number), due_us)
        active.undurable = True


def _let_facts_in(active: ActiveRun, now_us: int) -> None:
    waits = []
    for pending in list(active.progress.effects.values()):
        is_answered = pending.request.number in active.answers
        if pending.effect_class is EffectClass.CALL and not (pending.offered or is_answered):
            _call_if_due(active, pending, now_us)
        elif pending.effect_class is not EffectClass.CONNECTOR:
            waits.append(pending)
    for entering in facts_entering(waits, active.mailbox, now_us, active.answers):
        result, row = entering.result, entering.message
        pending = active.progress.effects[result.number]
        if row is None:
            if pending.effect_class is EffectClass.TASK and pending.options.at_most_once:
                _stop_task(active, pending)
                continue
            active.withdraw(pending)
        elif row.message.kind == RESULT:
            del active.answers[int(result.number)]
            active.consumed.append(row.number)
            active.undurable = True
            if pending.effect_class is EffectClass.CALL:
                _take_word(active, pending, row, now_us)
                continue
            result = result_of(active, pending, row)
            if pending.request.kind == UNSUBSCRIBE:
                _drop_messages(active, pending)
        elif _is_behind(active.machine, entering):
            break  # what came before may end the wait: then the signal is for the next one
        else:
            active.mailbox.remove(row)
            active.consumed.append(row.number)
            active.record(
                kinds.SIGNALLED,
                row.message.name,
                result.number,
                encode_data(_signal(row.message.id, result.value)),
                row.time_us,
            )
        active.resolve(pending.request, result.value, result.error, entering.at_us)


def _drop_messages(active: ActiveRun, unsubscribing: Pending) -> None:
    """Drop what has come by a subscription that is over: nobody wants it, and it would be kept as long as the run."""
    name = unsubscribing.request.args.get(keyword("subscription"))
    for row in [row for row in active.mailbox if row.message.kind == TOPIC]:
        if row.message.name == name:
            active.mailbox.remove(row)
            active.consumed.append(row.number)


def _is_behind(machine: Machine, entering: Entering) -> bool:
    """Say whether the machine has yet to take in something that comes before."""
    place = (entering.at_us, entering.result.number)
    return any((each.at_us, each.order) < place for each in machine.inbox)


def _call_if_due(active: ActiveRun, pending: Pending, now_us: int) -> None:
    """Begin the next attempt at what another process performs."""
    if (active.pausing or active.set_aside) is None and (
        pending.due_us is None or pending.due_us <= now_us
    ):
        from flowmetal.runtime.calling import go_on_with

        go_on_with(active, pending)


def _take_word(active: ActiveRun, pending: Pending, row: InboxRow, now_us: int) -> None:
    """Take in how an attempt ended in another process."""
    from flowmetal.runtime.calling import answered

    arrival = answered(active, pending, row)
    if arrival is not None:
        _take_arrival(active, arrival, now_us)


def _stop_task(active: ActiveRun, pending: Pending) -> None:
    """Ask the store for the end of a task whose time is up: only there it is known for sure whether a
    worker has begun it."""
    from flowmetal.store.operations.vocabulary import Asked, StopTask

    active.operations.append(Asked(active.effect_id(pending.request.number), StopTask()))
    pending.due_us = None  # asked once
    active.progress.changed = True
    active.undurable = True


def _signal(id_: str, value: Value) -> Value:
    return hash_map(((keyword("id"), id_), (keyword("value"), value)))


def _take_arrival(active: ActiveRun, arrival: Arrival, now_us: int) -> None:
    pending = active.progress.effects.get(arrival.number)
    if pending is None:
        _note_late(active, arrival)
        return
    pending.in_flight = False
    error = arrival.error
    if arrival.begun and _leaves_in_doubt(pending.request, error):
        error = in_doubt(pending.request, error)  # which no policy tries again
    elif (
        error is not None
        and _may_pass(error, pending)
        and not _is_final(active, pending, arrival, now_us)
    ):
        return
    active.resolve(pending.request, arrival.value, error, arrival.at_us)


def _leaves_in_doubt(request: EffectRequest, error: ErrorValue | None) -> bool:
    """Say whether nobody knows, after an error, if an effect was performed that must not be performed again."""
    is_careful = bool(request.args.get(AT_MOST_ONCE))
    return is_careful and error is not None and error.type in _OUTCOME_UNKNOWN


def _may_pass(error: ErrorValue, pending: Pending) -> bool:
    """Say whether another attempt is worth it. An error that does not say is left to the program's own policy."""
    if error.retryable is None:
        return asks_for_retries(pending.request)
    return error.retryable


def _is_final(active: ActiveRun, pending: Pending, arrival: Arrival, now_us: int) -> bool:
    """Arrange another attempt, unless the policy has no more."""
    pending.attempts += 1
    pending.crashes = 0
    active.progress.changed = True
    due = pending.options.retry.next_due_us(
        pending.attempts, pending.first_us, now_us, active.host.entropy.random(), arrival.wish_us
    )
    if due is None:
        return True
    pending.due_us = due
    pending.begun = False
    data = hash_map(
        (
            (keyword("attempt"), pending.attempts),
            (keyword("error"), arrival.error),
            (keyword("due"), Instant(due)),
        )
    )
    active.record(
        kinds.RETRIED, pending.request.kind, arrival.number, encode_data(data), arrival.at_us
    )
    return False


def _note_late(active: ActiveRun, arrival: Arrival) -> None:
    what = ("value", arrival.value) if arrival.error is None else ("error", arrival.error)
    try:
        data = encode_data(hash_map(((keyword(what[0]), what[1]),)))
    except DataError:
        data = encode_data(None)
    active.record(kinds.LATE, "", arrival.number, data, arrival.at_us)


def may_start(active: ActiveRun) -> bool:
    """Say whether an attempt of a connector effect may begin now."""
    now = active.host.clock.now_us()
    return any(_may_start(pending, now) for pending in active.progress.effects.values())


def startable(active: ActiveRun) -> Steps[list[Pending]]:
    """Return the connector effects whose next attempt may begin now, durable ones all."""
    if active.pausing is not None:
        return []
    now = active.host.clock.now_us()
    found = [pending for pending in active.progress.effects.values() if _may_start(pending, now)]
    careful = [p for p in found if p.options.at_most_once and not p.begun]
    for pending in careful:
        pending.begun = True
        active.progress.changed = True
    for pending in found:
        pending.due_us = None
    if careful or (found and active.undurable):
        yield Step(RunState.RUNNING)
    return found


def _may_start(pending: Pending, now_us: int) -> bool:
    if pending.effect_class is not EffectClass.CONNECTOR or pending.in_flight:
        return False
    return pending.due_us is None or pending.due_us <= now_us
