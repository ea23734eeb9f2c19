"""A run as one file (.fms): out of a store, and into one.

```
magic    b"FLOWMETAL RUN 1\\n"
sha-256  of all that follows, 32 bytes
parts    a map of names to bytes, encoded data (store/transfer.py says what they are)
```

Export takes the lease, commits the state ``exporting``, writes and syncs the
file, and only then commits ``moved``: at no moment are there two runs that could
go on, and a crash in between leaves one that can be exported again.

A **copy** leaves the run where it is. The file then holds a fork: another run, with an
id and a generation of its own, so that none of its effects has a key of the first one.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace

from flowmetal.bytecode.file import read_program
from flowmetal.effects import events as kinds
from flowmetal.effects.kinds import KINDS, EffectClass
from flowmetal.embed.files import read_bytes, write_bytes
from flowmetal.embed.machine import image_of
from flowmetal.errors import RefusedError, RunError, StoreError, UsageError
from flowmetal.ids import InterpreterId, RunId
from flowmetal.runtime.host import LEASE_US
from flowmetal.runtime.progress import decode_progress
from flowmetal.runtime.starting import input_of_fork
from flowmetal.snapshot import decode, encode
from flowmetal.store.protocol import (
    Claim,
    Commit,
    Event,
    Held,
    NewEvent,
    RunRow,
    RunState,
    Store,
)
from flowmetal.store.transfer import RunImage
from flowmetal.store.transfer import pack as pack_image
from flowmetal.store.transfer import unpack as unpack_image
from flowmetal.values import DataError, Map, encode_data, hash_map, keyword
from flowmetal.values.codec import decode_data
from flowmetal.vm.state import Machine

MAGIC = b"FLOWMETAL RUN 1\n"
SUFFIX = ".fms"
_DIGEST = 32

_EXPORTABLE = frozenset(RunState) - {RunState.MOVED}


def export_run(
    store: Store, owner: InterpreterId, run: RunId, path: str | None, in_doubt: bool
) -> str:
    """Move a run into the file ``path`` (default RUN.fms) and return the path."""
    path = path or f"{run}{SUFFIX}"
    _refuse_other_file(run, path)
    claim = _claim(store, owner, run)
    row = store.load(claim).row
    try:
        if not in_doubt:
            _refuse_in_doubt(row)
    except RefusedError:
        store.release(claim)
        raise
    body = encode_data(hash_map(((keyword("copy"), False),)))
    event = NewEvent(kinds.EXPORTED, "", 0, body)
    claim = store.commit(claim, _keeping(row, RunState.EXPORTING, (event,), release=False))
    try:
        write_bytes(path, pack(store.export_run(claim)))
    except BaseException:  # whatever it was, the run is still here: it goes on as before
        store.commit(claim, _keeping(row, row.state, (), release=True))
        raise
    store.commit(claim, _keeping(row, RunState.MOVED, (), release=True))
    return path


def copy_run(store: Store, owner: InterpreterId, run: RunId, path: str | None, id: RunId) -> str:
    """Write a fork of ``run`` named ``id`` into the file ``path`` (default ID.fms); return the path."""
    path = path or f"{id}{SUFFIX}"
    _refuse_other_file(id, path)
    claim = _claim(store, owner, run)
    try:
        whole = unpack_image(store.export_run(claim))
    finally:
        store.release(claim)
    write_bytes(path, pack(_forked(whole, id, store.now_us())))
    return path


def _forked(whole: RunImage, id: RunId, now_us: int) -> dict[str, bytes]:
    """Return the parts of a run that goes on from where another one stands."""
    row = whole.row
    snapshot, chunks = whole.snapshot, whole.chunks
    if snapshot is not None:
        assert whole.program is not None
        image = image_of(read_program(whole.program))
        machine = decode(
            snapshot, image, lambda names: {n: chunks[n] for n in names if n in chunks}
        )
        _refuse_in_flight(machine, row.id)
        machine.run = id
        machine.generation += 1
        machine.known.clear()
        encoded = encode(machine)
        snapshot, chunks = encoded.data, encoded.chunks
    generation = 0 if snapshot is None else machine.generation
    origin = hash_map(
        (
            (keyword("from"), row.id),
            (keyword("at"), row.seq),
            (keyword("to"), id),
            (keyword("generation"), generation),
        )
    )
    event = Event(row.seq + 1, now_us, kinds.FORKED, "", 0, encode_data(origin))
    return pack_image(
        replace(row, id=id, seq=event.seq, input=input_of_fork(row.input, row.id)),
        row.state,
        whole.program,
        snapshot,
        chunks,
        (*whole.events, event),
        whole.inbox,
    )


def _refuse_in_flight(machine: Machine, run: RunId) -> None:
    """Refuse to copy an effect that is being performed: whose result would it be? (FM1203)"""
    for effect in machine.open.values():
        kind = KINDS.get(effect.request.kind)
        if kind is None or kind.effect_class is not EffectClass.WAITING:
            raise RefusedError(
                "FM1203",
                f"effect {effect.request.number} ({effect.request.kind}) of run {run} is in flight,"
                " and a copy does not perform it again",
                hint="wait until the run waits for time or a signal, or move it without --copy",
            )


def import_run(store: Store, path: str) -> str:
    """Take the run in the file ``path`` into ``store`` and return its id."""
    return store.import_run(unpack(read_bytes(path), path)).id


def pack(parts: dict[str, bytes]) -> bytes:
    """Return the bytes of a file that holds ``parts``."""
    body = encode_data(hash_map(sorted(parts.items())))
    return MAGIC + hashlib.sha256(body).digest() + body


def unpack(data: bytes, path: str) -> dict[str, bytes]:
    """Return the parts in the bytes of a file. Raises StoreError FM1016 for anything but a whole one."""
    if not data.startswith(MAGIC):
        raise _refuse(path, "it is not a file that `fmvm export` writes")
    digest, body = data[len(MAGIC) :][:_DIGEST], data[len(MAGIC) + _DIGEST :]
    if hashlib.sha256(body).digest() != digest:
        raise _refuse(path, "it is damaged or cut off")
    try:
        parts = decode_data(body)
    except DataError as error:
        raise _refuse(path, error.message) from None
    if not isinstance(parts, Map):
        raise _refuse(path, "it holds no parts")
    found = dict(parts.items())
    if not all(isinstance(k, str) and isinstance(v, bytes) for k, v in found.items()):
        raise _refuse(path, "its parts are not bytes")
    return found


def _refuse_other_file(run: RunId, path: str) -> None:
    """Refuse to write over anything but an older export of ``run``.

    A run that has moved away is in its file and nowhere else.
    """
    if not os.path.isfile(path):
        return
    try:
        if unpack_image(unpack(read_bytes(path), path)).row.id == run:
            return
    except StoreError:
        pass  # not an export, or damaged: it is somebody's file all the same
    raise UsageError(
        "FM1312",
        f"{path} cannot be written: it is there already and is no export of run {run}",
        hint="name another file with -o",
    )


def _claim(store: Store, owner: InterpreterId, run: RunId) -> Claim:
    match store.claim(run, owner, LEASE_US, even=_EXPORTABLE):
        case Claim() as claim:
            return claim
        case Held(state=RunState.MOVED):
            raise RunError("FM1103", f"run {run} has moved already")
        case Held() as held:
            raise RefusedError(
                "FM1107",
                f"run {run} is being driven by {held.owner_description}",
                hint=f"stop that, or `fmvm pause {run}` first",
            )
        case _:
            raise RunError("FM1101", f"there is no run {run}", hint="`fmvm ps` lists the runs")


def _refuse_in_doubt(row: RunRow) -> None:
    """Refuse to move an at-most-once effect whose outcome nobody knows (FM1202)."""
    notes, _ = decode_progress(row.progress)
    if any(note.begun for note in notes.values()):
        raise RefusedError(
            "FM1202",
            f"an at-most-once effect of run {row.id} is in flight",
            hint="wait for its end, or export with --in-doubt: it then ends in an :effect/in-doubt error",
        )


def _keeping(row: RunRow, state: RunState, events: tuple[NewEvent, ...], release: bool) -> Commit:
    """Return a commit that changes the state and nothing else."""
    return Commit(
        events=events,
        state=state,
        wake_at_us=row.wake_at_us if state is RunState.WAITING else None,
        result=row.result,
        error=row.error,
        seen=0 if state is RunState.WAITING else row.received,
        release=release,
        snapshot_format=row.snapshot_format,
    )


def _refuse(path: str, why: str) -> StoreError:
    return StoreError(
        "FM1016",
        f"{os.path.basename(path)} is not a whole exported run: {why}",
        hint="export the run again, or copy the file again",
    )
