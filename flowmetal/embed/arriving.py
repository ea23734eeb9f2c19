"""What a run from a file is looked at for before any of it is stored.

A file may come from anybody. Its digests say that it is whole, not that it is sound: so its program
has to have the name that the run gives it, and everything that a driver of the run would read has to
be readable. Nothing is taken of a file that is refused.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from flowmetal.bytecode.code import Program
from flowmetal.bytecode.file import read_program
from flowmetal.effects import events as kinds
from flowmetal.errors import FlowmetalError, StoreError
from flowmetal.runtime.grants import decode_grants
from flowmetal.runtime.host import Host
from flowmetal.runtime.messages import DECIDE
from flowmetal.runtime.progress import Notes, decode_progress
from flowmetal.runtime.starting import decode_input
from flowmetal.snapshot import decode
from flowmetal.snapshot.format import VERSION
from flowmetal.store.inputs import is_run_id
from flowmetal.store.operations.callbacks import (
    COMPLETED,
    EXPIRED,
    FAILED,
    GONE,
    OPEN,
    Callback,
)
from flowmetal.store.operations.records import Record, read
from flowmetal.store.protocol import ENDED, RunRow, RunState
from flowmetal.store.rules import is_kept
from flowmetal.store.transfer import RunImage
from flowmetal.values import ErrorValue, Map, Value, Vector, keyword, vector
from flowmetal.values.codec import decode_data
from flowmetal.vm.link import Image

_ID, _FIELDS, _BODY = map(keyword, ("id", "fields", "body"))
_INHERITED = keyword("inherited")
_RUN, _STATE, _CREATED = map(keyword, ("run", "state", "created"))

_FAILURES = frozenset((RunState.FAILED.value, RunState.CANCELLED.value))
_ENDS = frozenset(state.value for state in ENDED)
_STATES = frozenset((OPEN, COMPLETED, FAILED, EXPIRED, GONE))

_MAPS = frozenset(
    (
        *(kinds.RESOLVED, kinds.EFFECT_FAILED, kinds.SIGNALLED, kinds.CANCELLING, kinds.OVERDUE),
        *(kinds.RECOVERED, kinds.REVIVED, kinds.FORKED, kinds.UPGRADED),
    )
)
"""Events that tell of several things by name."""

_MOST = 1 << 62
"""Two times of a store are still a number of 64 bits when they are added."""


class Unsound(Exception):
    """The file is whole, and its run is none that could go on. The text says why."""


def check(
    host: Host,
    image: RunImage,
    callbacks: bytes | None,
    ends: bytes | None,
    earlier: Iterable[bytes],
) -> tuple[list[Map], list[Map], list[Program]]:
    """Return what comes along: callbacks, what children came to, programs of before. Raises Unsound."""
    program = image.program
    if program is None:
        program = host.store.program(image.row.program)
    try:
        _check_row(image.row)
        _check_machine(host, image, program)
        for event in image.events:
            _check_told(event.kind, _MAPS, decode_data(event.data))
        for entry, _ in image.inbox:
            if entry.message.body:
                _check_told(entry.message.kind, (DECIDE,), decode_data(entry.message.body))
        programs = [read_program(data) for data in earlier]
        return list(_callbacks(image.row, callbacks)), list(_ends(ends)), programs
    except FlowmetalError as error:
        raise Unsound(error.message) from None


def _check_told(kind: str, maps: Container[str], told: Value) -> None:
    if kind in maps and not isinstance(told, Map):
        raise Unsound(f"what it tells of `{kind}` is none")


def _check_row(row: RunRow) -> None:
    decode_input(row.input)
    decode_grants(row.grants)
    _check_notes(decode_progress(row.progress))
    inherited = decode_data(row.input).get(_INHERITED, vector(()))
    if not isinstance(inherited, Vector) or not _are(str, *inherited):
        raise Unsound("what it has inherited is no list of texts")
    if row.waiting:
        decode_data(row.waiting)
    if row.result is not None:
        decode_data(row.result)
    error = None if row.error is None else decode_data(row.error)
    if (row.state is RunState.COMPLETED) is (row.result is None):
        raise Unsound(f"the run is {row.state.value}, and has {_some(row.result)} result")
    if row.state in (RunState.FAILED, RunState.CANCELLED) and not isinstance(error, ErrorValue):
        raise Unsound(f"the run is {row.state.value}, and has {_some(row.error)} error that is one")


def _check_notes(notes: Notes) -> None:
    """Look whether the notes of a run are numbers where they count something, or are times."""
    effects = notes.effects.values()
    numbers = [n for note in effects for n in (note.attempts, note.first_us, note.crashes)]
    numbers += [note.due_us for note in effects if note.due_us is not None]
    numbers += [*notes.effects, *notes.cleaning, *notes.cleaning.values()]
    reason = ""
    if notes.cancelled is not None:
        at_us, reason = notes.cancelled
        numbers.append(at_us)
    if not all(map(_is_number, numbers)) or not _are(str, reason):
        raise Unsound("its notes are damaged")


def _is_number(value: object) -> bool:
    return type(value) is int and -_MOST <= value <= _MOST


def _are(kind: type, *values: object) -> bool:
    return all(isinstance(value, kind) for value in values)


def _some(data: bytes | None) -> str:
    return "no" if data is None else "a"


def _check_machine(host: Host, image: RunImage, data: bytes | None) -> None:
    """Look whether the program is the one that is named, and the snapshot one of it."""
    row = image.row
    if data is None:
        raise Unsound(f"it does not bring its program {row.program[:12]} along")
    program = read_program(data)
    if program.hash != row.program:
        raise Unsound(f"its program is {program.hash[:12]}, and not {row.program[:12]} as it says")
    if image.snapshot is not None and row.snapshot_format <= VERSION:
        chunks: Mapping[str, bytes] = image.chunks
        decode(
            image.snapshot,
            Image(program, host.linker.natives),
            lambda names: {name: chunks[name] for name in names if name in chunks},
        )


def _list_in(data: bytes | None, what: str) -> Iterable[Value]:
    found = vector(()) if data is None else decode_data(data)
    if not isinstance(found, Vector):
        raise Unsound(f"its {what} are no list")
    return found


def _callbacks(row: RunRow, data: bytes | None) -> Iterable[Map]:
    for record in _list_in(data, "callbacks"):
        if not isinstance(record, Map) or not isinstance(record.get(_ID), str):
            raise Unsound("one of its callbacks is none")
        fields, body = record.get(_FIELDS), record.get(_BODY)
        if not isinstance(fields, str) or not (body is None or isinstance(body, bytes)):
            raise Unsound(f"its callback {record.get(_ID)} is damaged")
        try:
            callback = read(Callback, Record(record.get(_ID), fields))
        except StoreError as error:
            raise Unsound(error.message) from None
        if not _is_sound(callback):
            raise Unsound(f"its callback {record.get(_ID)} is damaged")
        if callback.run != row.id:
            raise Unsound(f"its callback {record.get(_ID)} is one of run {callback.run}")
        yield record


def _is_sound(callback: Callback) -> bool:
    """Say whether the fields of a callback are what they are called; a store takes them as they are."""
    texts = [callback.run, callback.token_hash, callback.state]
    texts += [callback.delivery, callback.after, callback.name]
    times = [callback.beat_us, callback.settled_us, callback.run_ended_us]
    times += [us for us in (callback.ends_us, callback.heartbeat_us) if us is not None]
    return (
        _are(str, *texts)
        and all(map(is_kept, texts))
        and all(map(_is_number, times))
        and callback.state in _STATES
        and type(callback.run_ended) is bool
    )


def _ends(data: bytes | None) -> Iterable[Map]:
    for record in _list_in(data, "children"):
        if not isinstance(record, Map) or not isinstance(child := record.get(_RUN), str):
            raise Unsound("one of its children is none")
        state, body = record.get(_STATE), record.get(_BODY)
        is_sound = state in _ENDS and _is_number(record.get(_CREATED, 0))
        if not (is_sound and is_run_id(child)):
            raise Unsound(f"its child {child} is damaged")
        found = decode_data(body) if isinstance(body, bytes) else None
        if state in _FAILURES and not isinstance(found, ErrorValue):
            raise Unsound(f"its child {child} is {state}, and has no error that is one")
        if state == RunState.COMPLETED.value and not isinstance(body, bytes):
            raise Unsound(f"its child {child} is completed, and has no result")
        yield record
