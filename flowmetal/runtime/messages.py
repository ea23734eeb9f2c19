"""What others sent to a run: signals are kept until they are received, orders obeyed.

Kinds of messages: ``signal`` (body: the payload), ``cancel`` ({:reason :now}), ``pause`` ({:reason}), ``decide`` (of an
effect that a fork holds: {:effect :value}, or {:effect} to perform it), ``late`` (how an effect ended that was given
up: {:value} or {:error}). A kind that this version does not know stays in the inbox, for one that does.
"""

from __future__ import annotations

from typing import Final

from flowmetal.effects import events as kinds
from flowmetal.effects.errors import cancelled
from flowmetal.runtime.active import ActiveRun, Step
from flowmetal.runtime.committing import Steps
from flowmetal.store.operations.answers import PREFIX
from flowmetal.store.protocol import NOT_SAID, InboxRow, RunState
from flowmetal.values import Map, Value, hash_map, keyword
from flowmetal.values.codec import decode_data, encode_data
from flowmetal.vm.machine import deliver
from flowmetal.vm.state import Cancel

SIGNAL: Final = "signal"
CANCEL: Final = "cancel"
PAUSE: Final = "pause"
DECIDE: Final = "decide"

_REASON = keyword("reason")
_NOW = keyword("now")
_AGAIN = keyword("again")
_FUEL = keyword("fuel")
_EFFECT = keyword("effect")
_VALUE = keyword("value")


def take_messages(active: ActiveRun) -> Steps[None]:
    """Read messages that came in since the last look.

    The first look after a commit needs none at the inbox if the commit said that nothing is new.
    """
    if active.looked_after is not active.claim:
        active.looked_after = active.claim
        if NOT_SAID < active.claim.received <= active.seen:
            return
    received = active.claim.received
    for row in active.host.store.inbox(active.machine.run, active.seen):
        yield from take_message(active, row)
        active.seen = max(active.seen, row.number)
        if not active.is_driven():
            return
    active.seen = max(active.seen, received)  # those between were consumed before
    yield from pause_if_asked(active)


def take_message(active: ActiveRun, row: InboxRow) -> Steps[None]:
    """Take one message."""
    match row.message.kind:
        case "signal" | "topic":
            active.mailbox.append(row)
        case "result":
            take_answer(active, row)
        case "cancel":
            yield from _cancel(active, row)
        case "pause":
            if active.pausing is not None:  # this one stands for both, whatever becomes of it
                active.consumed.append(active.pausing.number)
            active.pausing = row
        case "decide":
            _decide(active, row)
        case "late":
            _note_late(active, row)
        case _:
            pass


def take_answer(active: ActiveRun, row: InboxRow) -> None:
    """Keep an answer of the store for the effect that waits for it; any other is late."""
    number = number_of(active, row)
    if number is not None and number in active.progress.effects:
        active.answers[number] = row
        return
    active.consumed.append(row.number)
    active.record(kinds.LATE, "", number or 0, encode_data(None), row.time_us)
    active.undurable = True


def _note_late(active: ActiveRun, row: InboxRow) -> None:
    """Write down how an effect ended that the run waits for no more."""
    active.consumed.append(row.number)
    active.undurable = True
    number = _number(active, row.message.name)
    if number is not None and number < active.machine.next_effect:
        active.record(kinds.LATE, "", number, row.message.body, row.time_us)


def number_of(active: ActiveRun, row: InboxRow) -> int | None:
    """Return the effect of this machine that an answer is for; None for one of another fork."""
    return _number(active, row.message.id.removeprefix(PREFIX))


def _number(active: ActiveRun, effect: str) -> int | None:
    generation, _, number = effect.partition(".")
    if generation != str(active.machine.generation) or not number.isdecimal():
        return None
    return int(number)


def _cancel(active: ActiveRun, row: InboxRow) -> Steps[None]:
    reason, now = _body(row)
    active.consumed.append(row.number)
    fuel = active.machine.fuel_used
    said = hash_map(((_REASON, reason), (_NOW, now), (_FUEL, fuel)))
    if active.progress.cancelled is not None:
        said = said.assoc(_AGAIN, True)  # the machine knows, and is not told a second time
    active.record(kinds.CANCELLING, "", 0, encode_data(said), row.time_us)
    active.undurable = True
    if active.pausing is not None:  # a run that is being cancelled does not stay paused
        active.consumed.append(active.pausing.number)
        active.pausing = None
    if active.progress.cancelled is None:
        # Its clean-up has its time from now on, and not since somebody asked while nobody drove it.
        active.progress.cancelled = (active.host.clock.now_us(), reason)
        active.progress.changed = True
        deliver(active.machine, Cancel(reason), row.time_us)
    if now:
        active.error = cancelled(reason)
        active.record(kinds.CANCELLED, "", 0, encode_data(reason))
        yield Step(RunState.CANCELLED, leave=True, error=encode_data(active.error))


def _decide(active: ActiveRun, row: InboxRow) -> None:
    """Perform an effect that was held, or give it the result that somebody says."""
    active.consumed.append(row.number)
    active.undurable = True
    said = decode_data(row.message.body)
    number = said.get(_EFFECT)
    pending = active.progress.effects.get(number)
    if pending is None or not pending.held:
        active.record(kinds.LATE, "", number, encode_data(None), row.time_us)
    elif _VALUE in said:
        active.resolve(pending.request, said.get(_VALUE), None, row.time_us)
    else:
        del active.progress.effects[number]
        active.progress.changed = True
        active.route(pending.request)


def pause_if_asked(active: ActiveRun) -> Steps[None]:
    """Pause the run, once nothing is being performed that must not be broken off.

    What is at-most-once would be in doubt for ever. Until it has ended nothing else begins, and the
    message stays in the inbox. All messages are looked at before: a cancellation ends the pause, and one that comes
    just then is a Conflict.
    """
    row = active.pausing
    if row is None or any(
        pending.in_flight and pending.options.at_most_once
        for pending in active.progress.effects.values()
    ):
        return
    active.consumed.append(row.number)
    active.record(kinds.PAUSED, "", 0, row.message.body or encode_data(None), row.time_us)
    yield Step(RunState.PAUSED, leave=True)


def _body(row: InboxRow) -> tuple[str, bool]:
    value: Value = decode_data(row.message.body) if row.message.body else None
    if not isinstance(value, Map):
        return "", False
    return str(value.get(_REASON) or ""), bool(value.get(_NOW))
