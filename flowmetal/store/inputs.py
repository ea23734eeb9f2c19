"""What a run begins with, as its row and its first event keep it.

``input`` of a run is ``{:entry :args :seed}``, and of a fork ``:first``, the id under which it
began; the seed feeds ``rand``, which is part of the run's state from then on. A run that was started
in the place of another has ``:replaces``, the id that was asked for, and one that was started with a delay ``:begins``,
the time before which it does not begin by itself, whatever is done with it until then: microseconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from flowmetal.effects import events as kinds
from flowmetal.errors import UsageError
from flowmetal.ids import ProgramHash, RunId
from flowmetal.store.protocol import NewEvent, NewRun
from flowmetal.values import DataError, Map, Value, hash_map, keyword, vector
from flowmetal.values.codec import decode_data, encode_data

ENTRY = keyword("entry")
ARGS = keyword("args")
SEED = keyword("seed")
_REPLACES = keyword("replaces")
_BEGINS = keyword("begins")
_BEGINS_BYTES = b"begins"
LONGEST_ID = 200
_HASH_DIGITS = 32
LONGEST_SIGNAL_ID = 255
_OF_THE_STORE = ("effect/", "topic/", "cancel/", "late/")
"""How the ids of messages begin that stores make: one from outside would be taken for theirs, which then does not come in."""
SIGNAL_ID = (
    f"1 to {LONGEST_SIGNAL_ID} printable characters, not beginning with {', '.join(_OF_THE_STORE)}"
)


def is_run_id(id: str) -> bool:
    """Say whether a text can be the id of a run: printable, without spaces, not too long."""
    plain = id.isprintable() and not any(c.isspace() for c in id)
    return plain and 0 < len(id) <= LONGEST_ID and not id.startswith("-")


def fitted(id: str) -> RunId:
    """Return the id of a run that is made from the id of another. A long one keeps its beginning, and has a
    hash instead of the rest: a run that starts its successor makes ids that grow."""
    if len(id) <= LONGEST_ID:
        return RunId(id)
    digest = hashlib.sha256(id.encode()).hexdigest()[:_HASH_DIGITS]
    return RunId(f"{id[: LONGEST_ID - _HASH_DIGITS - 1]}.{digest}")


def is_signal_id(id: str) -> bool:
    """Say whether a text can be the id of a signal: it is SIGNAL_ID.

    A reply is a promise whose name has the run's id in it and the signal's, so it is bounded.
    """
    own = id.startswith(_OF_THE_STORE)
    return 0 < len(id) <= LONGEST_SIGNAL_ID and id.isprintable() and not own


def checked_signal_id(id: str) -> str:
    """Return the id of a signal. Raises UsageError FM1320 if it cannot be one."""
    if not id:  # a variable that is not set, most often: it would be another signal each time
        raise UsageError(
            "FM1320",
            "the id of a signal cannot be empty",
            hint="say what makes it this one and no other (`approval-17`), or leave the id out",
        )
    if not is_signal_id(id):
        said = f"{id[:60]!a} cannot be the id of a signal"
        raise UsageError("FM1320", said, hint=f"use {SIGNAL_ID}")
    return id


def encode_input(
    entry: str, arguments: Sequence[Value], seed: int, begins_us: int | None = None
) -> bytes:
    """Return a run's input. Raises DataError if an argument is not data."""
    found = hash_map(((ENTRY, entry), (ARGS, vector(arguments)), (SEED, str(seed))))
    return encode_data(found if begins_us is None else found.assoc(_BEGINS, begins_us))


def begins_us(input: bytes) -> int:
    """Return the time before which a run does not begin by itself; 0: at once."""
    if _BEGINS_BYTES not in input:  # hardly any has one: a keyword's text is in the bytes as it is
        return 0
    found = _found(input)
    begins = None if found is None else found.get(_BEGINS)
    return begins if type(begins) is int else 0


def in_place_of(input: bytes, id: RunId) -> bytes:
    """Return the input of a run that is started because ``id`` is taken. A damaged one is left as it is."""
    found = _found(input)
    return input if found is None else encode_data(found.assoc(_REPLACES, id))


def replaces(input: bytes, id: RunId) -> bool:
    """Say whether a run was started because ``id`` was taken."""
    found = _found(input)
    return found is not None and found.get(_REPLACES) == id


def _found(input: bytes) -> Map | None:
    try:
        found = decode_data(input)
    except DataError:
        return None
    return found if isinstance(found, Map) else None


def first_event(
    program: ProgramHash, entry: str, arguments: Sequence[Value], tags: Mapping[str, str]
) -> NewEvent:
    """Return a run's first event."""
    data = encode_data(
        hash_map(
            (
                (ENTRY, entry),
                (ARGS, vector(arguments)),
                (keyword("program"), program),
                (keyword("tags"), hash_map((k, tags[k]) for k in sorted(tags))),
            )
        )
    )
    return NewEvent(kinds.STARTED, entry, 0, data)


def told_anew(new: NewRun) -> NewRun:
    """Return a run with the first event that it begins with: one made like another may have a program that the
    other was moved to, and what is left of the other's history. One whose input is damaged is left as it is."""
    found = _found(new.input)
    if found is None:
        return new
    entry, arguments = str(found.get(ENTRY)), tuple(found.get(ARGS) or ())
    return replace(new, first_event=first_event(new.program, entry, arguments, new.tags))
