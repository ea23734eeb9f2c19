"""What a run waits for, as a note for people: ``fmvm ps``, ``show`` and ``why`` read it.

A vector of ``{:kind :name :until :effect :since :attempts :class}``, without what is nil, 0 or the class "waiting":
a million runs that sleep have a million of them. ``:until`` is an instant; ``:class`` "call" is for
whoever performs its kind, and "held" waits for somebody's word. Written whenever it changes.
Who loads the run learns from it, too, what workers were given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowmetal.effects.kinds import EffectClass
from flowmetal.runtime.entering import signal_name
from flowmetal.runtime.progress import Pending
from flowmetal.values import Instant, Map, RunRef, Value, hash_map, keyword, vector
from flowmetal.values.codec import decode_data, encode_data

CALL = EffectClass.CALL.value
TASK = EffectClass.TASK.value

_NAMES = tuple(keyword(name) for name in ("name", "run", "id", "queue", "topic"))
_FIELDS = tuple(
    keyword(name) for name in ("kind", "name", "until", "effect", "since", "attempts", "class")
)
_KIND, _EFFECT, _CLASS = _FIELDS[0], _FIELDS[3], _FIELDS[-1]
_CLASSES: Mapping[EffectClass, str] = {
    each: each.value for each in EffectClass if each is not EffectClass.WAITING
}


def encode_waiting(effects: Iterable[Pending]) -> bytes:
    """Return the note for these effects."""
    return encode_data(vector([_row(pending) for pending in effects]))


def _name(args: Map) -> Value:
    """Return what is waited for: the name, the run, the callback."""
    for key in _NAMES:
        found = args.get(key)
        if found is not None:
            return found.id if isinstance(found, RunRef) else found
    return None


def _class(pending: Pending) -> str | None:
    if pending.held:
        return "held"
    return _CLASSES.get(pending.effect_class)


def called_kinds(note: bytes) -> list[str]:
    """Return the kinds of effects that a run waits for and other processes perform."""
    if CALL.encode() not in note:
        return []
    return [row.get(_KIND) for row in decode_data(note) if row.get(_CLASS) == CALL]


def tasks_in(note: bytes) -> frozenset[int]:
    """Return the numbers of the effects that workers of a queue were given."""
    if TASK.encode() not in note:
        return frozenset()
    return frozenset(row.get(_EFFECT) for row in decode_data(note) if row.get(_CLASS) == TASK)


def _row(pending: Pending) -> Value:
    request = pending.request
    name = _name(request.args)
    until = None if pending.due_us is None else Instant(pending.due_us)
    values = (
        request.kind,
        None if name is None else signal_name(name),
        until,
        request.number,
        Instant(pending.first_us),
        pending.attempts,
        _class(pending),
    )
    pairs = zip(_FIELDS, values, strict=True)
    return hash_map(pair for pair in pairs if pair[1] not in (None, 0))
