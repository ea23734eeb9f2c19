"""Where the effects of a run stand: what the store keeps of them beside the snapshot.

The snapshot holds what was asked (``machine.open``). What has become of it is
the runtime's own note, committed in the same transaction:

```
{:effects  {number [attempts first-us due-us begun held? again? offered? crashes?]} ; due-us nil: nothing is due
 :cancel   [us reason]                                   ; once a cancellation was taken in; since when it unwinds
 :cleaning {fiber due-us}                                ; in finally blocks, and until when
 :doubtful [key ...]                                     ; given up while nobody knew whether it was done
 :anew     [name ...]                                    ; not its own by its input, and made anew (inheriting.py)
 :status   value}                                        ; what the program says of itself
```

``attempts`` counts those that ended in an error; ``due-us`` is when a timer rings, a
wait is over or the next attempt begins; ``begun`` is true when an at-most-once
effect may have been performed; ``held`` in a fork, when somebody has to say what becomes of the effect;
``again`` after a move, when the store has to be asked once more; ``offered`` while an attempt is
offered to other processes, or performed by one (calling.py); ``crashes`` counts the interpreters in turn that died
while the host's code performed it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from flowmetal.effects.kinds import EffectClass
from flowmetal.effects.requests import EffectRequest
from flowmetal.runtime.options import Options
from flowmetal.values import DataError, Map, Value, Vector, hash_map, keyword, vector
from flowmetal.values.codec import decode_data, encode_data

_RESTORE: Final = "restore a backup of the store"
_EFFECTS: Final = keyword("effects")
_STATUS: Final = keyword("status")
_CANCEL: Final = keyword("cancel")
_CLEANING: Final = keyword("cleaning")
_DOUBTFUL: Final = keyword("doubtful")
_ANEW: Final = keyword("anew")


@dataclass(slots=True)
class Pending:
    """An effect that is under way."""

    request: EffectRequest
    effect_class: EffectClass
    options: Options
    first_us: int
    due_us: int | None = None
    attempts: int = 0
    begun: bool = False
    in_flight: bool = False  # in this process; not kept
    again: bool = False  # the store is to be asked once more: the run has moved
    offered: bool = False  # to other processes: the store has the call (calling.py)
    held: bool = False  # in a fork: it waits for somebody's word (forking.py)
    taken_up: bool = False  # may have been performed by an interpreter that died; not kept
    crashes: int = 0  # of interpreters that performed it, since the last attempt that ended


@dataclass(slots=True)
class Progress:
    """All of them, and whether the run has been asked to stop."""

    effects: dict[int, Pending] = field(default_factory=dict)
    cancelled: tuple[int, str] | None = None
    changed: bool = False
    recounted: bool = False  # crashes were counted, which alone is no reason for a commit
    status: Value = None
    cleaning: dict[int, int] = field(default_factory=dict)  # fibers in their grace (grace.py)
    # Lasting keys (options.py) of at-most-once effects of retried steps that were given up when they may have been
    # performed: whoever asks under such a key again has to hear that, once.
    doubtful: set[str] = field(default_factory=set)
    anew: set[str] = field(default_factory=set)  # what it had inherited or left, and is its own now
    stops: bool = False  # it was cancelled as a whole, and somebody cleans up; not kept
    stop_us: int | None = None  # when a cancelled run is out of grace; not kept (grace.py)

    def encode(self) -> bytes:
        """Return what the store keeps; empty if there is nothing to keep."""
        pairs: list[tuple[Value, Value]] = []
        if self.effects:
            rows = ((number, _row(self.effects[number])) for number in sorted(self.effects))
            pairs.append((_EFFECTS, hash_map(rows)))
        if self.cancelled is not None:
            pairs.append((_CANCEL, vector(self.cancelled)))
        if self.status is not None:
            pairs.append((_STATUS, self.status))
        if self.cleaning:
            pairs.append((_CLEANING, hash_map(self.cleaning.items())))
        if self.doubtful:
            pairs.append((_DOUBTFUL, vector(sorted(self.doubtful))))
        if self.anew:
            pairs.append((_ANEW, vector(sorted(self.anew))))
        return encode_data(hash_map(pairs)) if pairs else b""

    def note_what_has_not_begun(self) -> None:
        """The run is given back: an at-most-once effect that was about to begin is in no doubt."""
        for pending in self.effects.values():
            if pending.begun and not pending.in_flight:
                pending.begun = False
                self.changed = True

    def next_due_us(self) -> int | None:
        """Return when the first of them is due: a wait that is over then, or an attempt that may begin."""
        dues = [p.due_us for p in self.effects.values() if p.due_us is not None]
        dues += self.cleaning.values()
        if self.stop_us is not None:
            dues.append(self.stop_us)
        return min(dues, default=None)


class Note(NamedTuple):
    """What was kept of one effect."""

    attempts: int
    first_us: int
    due_us: int | None
    begun: bool
    held: bool = False
    again: bool = False
    offered: bool = False
    crashes: int = 0


class Notes(NamedTuple):
    """What was kept of a run: its effects by number, and the fields of ``Progress`` that are named so."""

    effects: dict[int, Note]
    cancelled: tuple[int, str] | None
    cleaning: dict[int, int]
    doubtful: set[str]
    status: Value
    anew: set[str]


def decode_progress(data: bytes) -> Notes:
    """Read what ``Progress.encode`` wrote. Raises DataError FM0331 if it is damaged."""
    if not data:
        return Notes({}, None, {}, set(), None, set())
    found = _decoded(data)
    effects, cancel, cleaning = map(found.get, (_EFFECTS, _CANCEL, _CLEANING))
    try:
        notes = {} if effects is None else {n: Note(*row) for n, row in effects.items()}
        cancelled = None if cancel is None else (cancel.nth(0), cancel.nth(1))
    except (AttributeError, IndexError, TypeError):
        raise _damaged() from None
    doubtful, anew = (_texts(found.get(name)) for name in (_DOUBTFUL, _ANEW))
    cleans = dict(cleaning.items()) if isinstance(cleaning, Map) else {}
    return Notes(notes, cancelled, cleans, doubtful, found.get(_STATUS), anew)


def _texts(found: Value) -> set[str]:
    if found is None:
        return set()
    if not isinstance(found, Vector) or not all(isinstance(text, str) for text in found):
        raise _damaged()
    return set(found)


def _damaged(more: str = "") -> DataError:
    return DataError("FM0331", f"the notes of the run are damaged{more}", hint=_RESTORE)


def _decoded(data: bytes) -> Map:
    found = decode_data(data)
    if not isinstance(found, Map):
        raise _damaged(": they are no map")
    return found


def asking_again(data: bytes, but: Collection[int] = (), *, begun: Collection[int] = ()) -> bytes:
    """Return the notes of a run that will ask its store once more for what it waits for.

    Not for the effects in ``but``, which go on. Those in ``begun`` are at-most-once, and may have been performed.
    """
    if not data:
        return data
    found = _decoded(data)
    rows = [
        (
            number,
            vector(n)
            if number in but
            else vector(
                (n.attempts, n.first_us, n.due_us, n.begun or number in begun, n.held, True)
            ),
        )
        for number, n in decode_progress(data).effects.items()
    ]
    return encode_data(found.assoc(_EFFECTS, hash_map(rows))) if rows else data


def leaving_notes(data: bytes) -> bytes:
    """Return the notes of a run that moves: what is not its own is said by its input alone."""
    return encode_data(_decoded(data).dissoc(_ANEW)) if data else data


def _row(pending: Pending) -> Value:
    row = (pending.attempts, pending.first_us, pending.due_us, pending.begun)
    if pending.crashes:
        return vector((*row, pending.held, pending.again, pending.offered, pending.crashes))
    if pending.offered:
        return vector((*row, pending.held, pending.again, True))
    return vector((*row, pending.held, pending.again) if pending.held or pending.again else row)
