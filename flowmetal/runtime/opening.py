"""The beginning of an effect that takes time: what is kept of it, and when it is due.

Also its continuation, after the run was let go of or its driver died: a
connector effect that was in flight is performed again under the same key; an
at-most-once effect that may have been performed resolves to an error.
"""

from __future__ import annotations

from typing import Final

from flowmetal.effects.errors import bad_argument, effect_error
from flowmetal.effects.kinds import EffectClass
from flowmetal.effects.requests import EffectFailed, EffectRequest
from flowmetal.runtime.active import ActiveRun
from flowmetal.runtime.entering import SLEEP
from flowmetal.runtime.inheriting import error_of, refuse_inherited
from flowmetal.runtime.options import Options, is_of_a_step, lasting_key, options_of
from flowmetal.runtime.progress import Note, Pending
from flowmetal.runtime.retry import duration_us
from flowmetal.values import ErrorValue, Instant, keyword
from flowmetal.values.scalars import LONGEST_US

WAITS: Final = frozenset(("run/await", "callback/await", "promise/await", "lock/acquire"))
"""Kinds performed by the store that take a while, and whose ``:timeout`` bounds that."""

_OF_THE_STORE: Final = frozenset((EffectClass.STORE, EffectClass.TASK))
_FOR = keyword("for")
_UNTIL = keyword("until")


def open_effect(
    active: ActiveRun, request: EffectRequest, effect_class: EffectClass, now_us: int
) -> Pending | None:
    """Keep track of a new effect. None: its options were wrong, and it is resolved."""
    try:
        refuse_inherited(request, active.inherited)
        options = _options(active, request, effect_class)
        due = due_us(request, effect_class, options, now_us)
    except EffectFailed as failed:
        active.resolve(request, None, failed.error, now_us)
        return None
    if options.at_most_once and lasting_key(request) in active.progress.doubtful:
        active.progress.doubtful.remove(lasting_key(request))
        active.progress.changed = True
        active.resolve(request, None, in_doubt(request), now_us)
        return None
    pending = Pending(request, effect_class, options, now_us, due)
    pending.begun = options.at_most_once and effect_class in (
        EffectClass.CONNECTOR,
        EffectClass.IN_PROCESS,
    )
    try:
        _ask_store(active, pending)
    except EffectFailed as failed:
        active.resolve(request, None, failed.error, now_us)
        return None
    active.progress.effects[request.number] = pending
    active.progress.changed = True
    return pending


def _options(active: ActiveRun, request: EffectRequest, effect_class: EffectClass) -> Options:
    of_host = active.host.world.function(request.kind) is not None
    return options_of(request, effect_class, of_host=of_host)


def _ask_store(active: ActiveRun, pending: Pending) -> None:
    """Ask the store, in the next commit, for what it performs or others do. Raises EffectFailed."""
    if pending.effect_class in _OF_THE_STORE:
        from flowmetal.runtime.asking import asked_by

        active.operations.append(asked_by(active, pending.request, pending.due_us))
    elif pending.effect_class is EffectClass.CALL:
        from flowmetal.runtime.calling import offer

        offer(active, pending)


def take_up(
    active: ActiveRun, request: EffectRequest, note: Note | None, now_us: int, *, is_task: bool
) -> None:
    """Go on with an effect that was open when the run was loaded.

    ``is_task``: workers of a queue were given it. In the store where that happened it stays theirs, whatever the program
    says by now, for one may be at it; and what is for workers since an upgrade alone is given to them now.
    """
    if note is None:
        active.route(request)
        return
    is_theirs = is_task and not note.again
    effect_class = EffectClass.TASK if is_theirs else active.class_of(request)
    is_known = is_theirs if effect_class is EffectClass.TASK else not note.again
    try:
        options = _options(active, request, effect_class)
    except EffectFailed as failed:
        active.resolve(request, None, failed.error, now_us)
        return
    if note.held:
        held = Pending(request, EffectClass.WAITING, options, note.first_us, held=True)
        active.progress.effects[request.number] = held
        return
    if note.offered:
        _go_on_waiting(active, request, effect_class, options, note)
        return
    due = _due_again(note, effect_class, options)
    pending = Pending(request, effect_class, options, note.first_us, due, note.attempts)
    pending.taken_up, pending.crashes = True, note.crashes
    active.progress.effects[request.number] = pending
    if note.begun:  # whoever serves its kind here
        active.resolve(request, None, in_doubt(request), now_us)
    elif effect_class in _OF_THE_STORE and not is_known:
        active.withdraw(pending)
        active.ask_anew(request)
        active.progress.changed = True  # or it would be asked again by whoever loads the run next
        try:
            refuse_inherited(request, active.inherited)
            _ask_store(active, pending)
        except EffectFailed as failed:
            active.resolve(request, None, failed.error, now_us)
    elif note.again and (error := error_of(request, active.inherited)) is not None:
        active.resolve(request, None, error, now_us)
    elif effect_class is EffectClass.IN_PROCESS:
        # It was slow or unknown where it began; here it is quick.
        del active.progress.effects[request.number]
        active.progress.changed = True
        active.quick.append(request)


def _go_on_waiting(
    active: ActiveRun,
    request: EffectRequest,
    effect_class: EffectClass,
    options: Options,
    note: Note,
) -> None:
    """Wait for the end of a call; nobody needs to begin it elsewhere if its kind is performed here."""
    pending = Pending(request, EffectClass.CALL, options, note.first_us, None, note.attempts)
    pending.offered = True
    active.progress.effects[request.number] = pending
    if effect_class is not EffectClass.CALL:
        from flowmetal.runtime.calling import recall

        recall(active, pending)


def _due_again(note: Note, effect_class: EffectClass, options: Options) -> int | None:
    """Return when a taken up effect is due here, where others may serve its kind than before.

    For what a connector performs that is the next attempt, for what is waited for the timeout.
    """
    match effect_class:
        case EffectClass.CONNECTOR | EffectClass.CALL:
            return note.due_us if note.attempts else None
        case EffectClass.TASK:
            return None if options.timeout_us is None else note.first_us + options.timeout_us
        case _:
            return note.due_us


def given_up(active: ActiveRun, pending: Pending) -> str | None:
    """Remember an at-most-once effect of a retried step that may have been performed: nobody will hear of its end.

    Return its lasting key; None for any other.
    """
    is_elsewhere = pending.offered or pending.effect_class is EffectClass.TASK
    may_be_done = pending.in_flight or is_elsewhere or pending.held
    if not (pending.options.at_most_once and may_be_done and is_of_a_step(pending.request)):
        return None
    key = lasting_key(pending.request)
    active.progress.doubtful.add(key)
    return key


def in_doubt(request: EffectRequest, cause: ErrorValue | None = None) -> ErrorValue:
    """Return the error of an at-most-once effect that may or may not have been performed."""
    return effect_error(
        "FM0706",
        "effect/in-doubt",
        f"{request.kind} may or may not have been performed, and is at-most-once",
        {"kind": request.kind, "effect": request.number},
        cause=cause,
    )


def due_us(
    request: EffectRequest, effect_class: EffectClass, options: Options, now_us: int
) -> int | None:
    """Return when an effect that begins now is over by itself. Raises EffectFailed."""
    if request.kind == SLEEP:
        return _end_of_sleep(request, now_us)
    if effect_class in (EffectClass.CONNECTOR, EffectClass.CALL, EffectClass.IN_PROCESS):
        return None
    if effect_class is EffectClass.STORE and request.kind not in WAITS:
        return None
    return None if options.timeout_us is None else now_us + options.timeout_us


def _end_of_sleep(request: EffectRequest, now_us: int) -> int:
    until = request.args.get(_UNTIL)
    if isinstance(until, Instant):
        return max(0, min(until.us, LONGEST_US))
    try:
        return now_us + duration_us(request.args.get(_FOR), "sleep!")
    except ValueError as problem:
        raise EffectFailed(bad_argument(request.kind, str(problem))) from None
