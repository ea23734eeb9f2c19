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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from flowmetal.effects import events as kinds
from flowmetal.embed import arriving
from flowmetal.embed.believing import SEAL, believed, is_sealed, sealed
from flowmetal.embed.files import read_bytes, write_bytes
from flowmetal.errors import (
    Conflict,
    RefusedError,
    RunError,
    RunStateError,
    StoreError,
    UsageError,
)
from flowmetal.ids import ProgramHash, RunId, shell_word
from flowmetal.runtime.forking import Choices, Fork, fork
from flowmetal.runtime.grants import RunGrants
from flowmetal.runtime.host import Host
from flowmetal.runtime.inheriting import leaving, name_of_tie
from flowmetal.runtime.progress import asking_again, decode_progress, leaving_notes
from flowmetal.store import rules
from flowmetal.store.operations.vocabulary import (
    Asked,
    HoldTasks,
    Operation,
    RestoreCallback,
    RestoreEnds,
    ShowTies,
)
from flowmetal.store.protocol import (
    ENDED,
    LIVING,
    Claim,
    Commit,
    Event,
    Held,
    NewEvent,
    RunQuery,
    RunRow,
    RunState,
    Store,
)
from flowmetal.store.transfer import RunImage, is_queued
from flowmetal.store.transfer import pack as pack_image
from flowmetal.store.transfer import unpack as unpack_image
from flowmetal.values import DataError, Map, Value, encode_data, hash_map, keyword, vector
from flowmetal.values.codec import decode_data

MAGIC = b"FLOWMETAL RUN 1\n"
SUFFIX = ".fms"
PRIVATE: Final = 0o600
"""What a run knows is in its file: it is for the owner alone, as a store is."""
_DIGEST = 32

_CALLBACKS = "callbacks"
_ENDS = "ends"
_EARLIER = "earlier/"
"""Parts of a file that are not the run's own: its callbacks, what its children came to, and programs that it had before."""

_STAY = frozenset({"hold", "topic"})
_WAITS = frozenset({"watch", "promise"})
"""What stays in its store, as children do, and waits for what may never come anywhere else."""

_OFFERED = frozenset({"task", "call"})
"""What a worker, or another process, performs."""

_MOST_CHILDREN = 1_000_000
_MOST_SHOWN = 10

_OVER = frozenset({RunState.COMPLETED, RunState.CANCELLED})
"""Such a run waits for no child any more."""

_LAST = frozenset({kinds.COMPLETED, kinds.FAILED, kinds.CANCELLED})

_EXPORTABLE = frozenset(RunState) - {RunState.MOVED}


def export_run(
    host: Host, run: RunId, path: str | None, in_doubt: bool, force: bool = False
) -> str:
    """Move a run into the file ``path`` (default RUN.fms) and return the path.

    ``in_doubt``: although an at-most-once effect is in flight. ``force``: although it is tied to others.
    Raises StoreError FM1001 if no place would take it in: it stays.
    """
    path = path or f"{run}{SUFFIX}"
    with _claimed(host, run) as claim:
        return _export(host, claim, path, in_doubt, force)


def _export(host: Host, claim: Claim, path: str, in_doubt: bool, force: bool) -> str:
    store, run = host.store, claim.run
    row = store.load(claim).row
    try:
        is_new = _refuse_other_file(run, path, partial(_is_older, row))
        ties = Ties.of(store, run)
        if not in_doubt:
            _refuse_in_doubt(row, ties)
        if not force:
            _refuse_ties(run, ties)
    except (RefusedError, UsageError):
        store.release(claim)
        raise
    body = encode_data(hash_map(((keyword("copy"), False),)))
    event = NewEvent(kinds.EXPORTED, "", 0, body)
    going = _keeping(row, RunState.EXPORTING, (event,), release=False)
    claim = store.commit(claim, going._replace(operations=(Asked("", HoldTasks(held=True)),)))
    data = b""
    try:
        # From here on nothing comes in: messages and answers are refused, and nobody takes a task.
        parts, ties = _with_ties(store, claim)
        if not in_doubt:
            _refuse_in_doubt(row, ties)
        if not force:
            _refuse_ties(run, ties)
        parts = _leaving(store, parts, ties)
        _check_sound(host, run, parts)
        data = pack(sealed(parts, host.keys))
        write_bytes(path, data, is_new=is_new, mode=PRIVATE)
    except BaseException:  # whatever it was, the run is still here: it goes on as before
        _take_back(path, data)
        _stay(store, claim, row)
        raise
    try:
        store.commit(claim, _keeping(row, RunState.MOVED, (), release=True))
    except Conflict:  # it took so long that somebody has given the export up, or made another
        _take_back(path, data)
        raise
    return path


def _with_ties(store: Store, claim: Claim) -> tuple[dict[str, bytes], Ties]:
    """Return the parts of a run, and what hangs on it at that moment.

    The store itself still answers it: it gives a lock that becomes free, or tells what a worker has said by plain
    SQL. If that came between the two, the file would say of a lock that the run has it, and of a task that nobody was at it.
    """
    ties = Ties.of(store, claim.run)
    while True:
        parts = store.export_run(claim)
        before, ties = ties, Ties.of(store, claim.run)
        if ties == before:
            return parts, ties


def _take_back(path: str, data: bytes) -> None:
    """Remove a file that has its name, and is not to be imported: its run goes on in one place."""
    with suppress(OSError, UsageError):
        if data and read_bytes(path) == data:
            os.unlink(path)


def _check_sound(host: Host, run: RunId, parts: Mapping[str, bytes]) -> None:
    """Refuse to send away what no place would take in: it would be nowhere."""
    try:
        arriving.check(host, unpack_image(_own(parts)), parts.get(_CALLBACKS), parts.get(_ENDS), ())
    except arriving.Unsound as problem:
        raise StoreError(
            "FM1001",
            f"run {run} is damaged, and stays: {problem}",
            hint=f"`fmvm fork {shell_word(run)} --at N` goes on from an older state; or restore a backup of the store",
        ) from None


def abandon_export(host: Host, run: RunId) -> None:
    """Let a run go on here whose export stopped half-way, because its process died.

    The file may be there and whole: nobody can know it here, and it must not be imported.
    Raises RunError FM1101, FM1103 if no export of it is under way, RefusedError FM1107 if somebody drives it.
    """
    store = host.store
    with _claimed(host, run) as claim:
        row = store.load(claim).row
        if row.state is not RunState.EXPORTING:
            store.release(claim)
            standing = store.run(run)
            state = row.state if standing is None else standing.state
            raise RunStateError(
                "FM1103",
                f"run {run} is {state.value}: there is no export of it to abandon",
                hint=f"see `fmvm why {shell_word(run)}`",
            )
        parts = store.export_run(claim)
        before = RunState.QUEUED if is_queued(parts) else unpack_image(parts).row.state
        _stay(store, claim, row._replace(state=before))


def _stay(store: Store, claim: Claim, row: RunRow) -> None:
    """Give a run its state back. What was to come in meanwhile is asked for again.

    Not what others perform: who has begun it may go on, and what they say comes in now.
    """
    stays = row.state is not RunState.EXPORTING  # another export may have left a file
    events = (NewEvent(kinds.STAYED, "", 0, encode_data(None)),) if stays else ()
    progress = asking_again(row.progress, but=Ties.of(store, claim.run).offered)
    commit = _keeping(row, row.state, events, release=True)._replace(progress=progress)
    if stays:
        commit = commit._replace(operations=(Asked("", HoldTasks(held=False)),))
    store.commit(claim, commit)


def _leaving(store: Store, parts: dict[str, bytes], ties: Ties) -> dict[str, bytes]:
    """Return the parts of a run with what it needs at another place, and without what it leaves."""
    image = unpack_image(parts)
    progress = image.row.progress
    row = image.row._replace(
        ended_us=_ended_us(image),
        progress=leaving_notes(asking_again(progress, begun=ties.doubtful)),
        input=leaving(image.row.input, ties.left(), decode_progress(progress).anew),
    )
    moved = _parts_of(image, row)
    moved[_CALLBACKS] = encode_data(ties.callbacks)
    moved[_ENDS] = encode_data(_ends(store, row.id, ties))
    return moved | _earlier(store, image.events)


def _ended_us(image: RunImage) -> int | None:
    """Return when a run has ended: its row has not said so since its export began."""
    if image.row.state not in ENDED:
        return None
    return next((e.time_us for e in reversed(image.events) if e.kind in _LAST), image.row.ended_us)


def _parts_of(image: RunImage, row: RunRow) -> dict[str, bytes]:
    """Return the parts of a run with another row."""
    return pack_image(
        row, row.state, image.program, image.snapshot, image.chunks, image.events, image.inbox
    )


def _earlier(store: Store, events: Sequence[Event]) -> dict[str, bytes]:
    """Return the programs that a run had before its upgrades: its history is about them too."""
    found = {}
    for event in events:
        if event.kind == kinds.UPGRADED:
            name = str(decode_data(event.data).get(keyword("from")))
            data = store.program(ProgramHash(name))
            if data is not None:
                found[f"{_EARLIER}{name}"] = data
    return found


@dataclass(frozen=True, slots=True)
class Ties:
    """What hangs on a run: (what, key), its callbacks, and what children came to in stores that it has left, which
    move with it, the numbers of its effects that others perform, and of those that are at-most-once and may have been done."""

    rows: tuple[tuple[str, str], ...]
    callbacks: Value
    ends: Value
    offered: tuple[int, ...]
    doubtful: tuple[int, ...]

    @staticmethod
    def of(store: Store, run: RunId) -> Ties:
        found = store.operate(ShowTies(run))
        rows = tuple(
            (row.nth(0), row.nth(1), row.nth(2), row.nth(3)) for row in found.get(keyword("ties"))
        )
        named = tuple(
            (what, place if what == "hold" else key)
            for what, key, _, place in rows
            if what in _STAY
        )
        # Not only those that hang on it: the end of one that does not can be waited for here alone.
        query = RunQuery(parents=(run,), states=LIVING, limit=_MOST_CHILDREN)
        named += tuple(("child", str(row.id)) for row in reversed(store.runs(query)))
        waits = tuple(
            ("wait", place) for what, _, kind, place in rows if what == "open" and kind in _WAITS
        )
        offered = (key for what, key, kind, _ in rows if what == "open" and kind in _OFFERED)
        numbers = (
            tuple(int(key.rpartition(".")[2]) for key in keys)
            for keys in (offered, found.get(keyword("doubtful")))
        )
        callbacks, ends = (found.get(keyword(name)) for name in ("callbacks", "ends"))
        return Ties(named + waits, callbacks, ends, *numbers)

    def left(self) -> list[str]:
        """Return the names by which a run knows what it leaves (runtime/inheriting.py)."""
        names = (name_of_tie(what, key, key) for what, key in self.rows)
        return [name for name in names if name is not None]

    def texts(self) -> list[str]:
        """Return in words what keeps the run here."""
        waits = [
            f"it waits for {key.replace(chr(9), ' ').strip()}"
            for what, key in self.rows
            if what == "wait"
        ]
        return [*self.left(), *waits]


def _ends(store: Store, run: RunId, ties: Ties) -> Value:
    """Return what the children of a run have come to, here and in stores before."""
    query = RunQuery(parents=(run,), states=tuple(ENDED), limit=_MOST_CHILDREN)
    return vector([*ties.ends, *map(_end, store.runs(query))])


def _end(row: RunRow) -> Map:
    """Return what ``RestoreEnds`` takes a list of."""
    body = row.result if row.state is RunState.COMPLETED else row.error
    pairs = (
        ("run", row.id),
        ("state", row.state.value),
        ("body", body),
        ("created", row.created_us),
    )
    return hash_map((keyword(name), value) for name, value in pairs)


def _refuse_ties(run: RunId, ties: Ties) -> None:
    """Refuse to leave behind what the run holds of others, or others of it (FM1203)."""
    if ties.rows:
        found = ties.texts()
        more = f" and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
        raise RefusedError(
            "FM1203",
            f"run {run} is tied to others here: {', '.join(found[:_MOST_SHOWN])}{more}",
            hint="wait until it has let go, or export with --force: the ties are cut",
        )


def copy_run(
    host: Host, run: RunId, path: str | None, id: RunId, at: int | None, choices: Choices
) -> tuple[str, Fork]:
    """Write a fork of ``run`` named ``id`` into the file ``path`` (default ID.fms).

    Return the path and the fork. It is made by the rules of ``fmvm fork`` (runtime/forking.py).
    """
    path = path or f"{id}{SUFFIX}"
    is_new = _refuse_other_file(id, path, _is_copy)
    made = fork(host, run, id, at, choices)
    parts = made.parts | _earlier(host.store, made.events)
    write_bytes(path, pack(sealed(parts, host.keys)), is_new=is_new, mode=PRIVATE)
    return path, made


def import_run(host: Host, path: str, grants: RunGrants | None = None) -> str:
    """Take the run in the file ``path`` into the store and return its id.

    ``grants``: what it may do here; None: what the file says, where that is believed (believing.py).
    Raises StoreError FM1016 for a file that is not whole and sound, RunError FM1104 if the run is here,
    RefusedError FM1204 for grants that are nobody's here. Then nothing of it gets in.
    """
    store = host.store
    parts = unpack(read_bytes(path), path)
    own = _own(parts)
    image = unpack_image(own)
    earlier = [data for name, data in parts.items() if name.startswith(_EARLIER)]
    try:
        callbacks, ends, programs = arriving.check(
            host, image, parts.get(_CALLBACKS), parts.get(_ENDS), earlier
        )
    except arriving.Unsound as problem:
        raise _refuse(path, str(problem)) from None
    run = image.row.id
    here = store.run(run)
    if here is not None:
        rules.check_import(image.row, here.state, here.created_us, here.seq)
    row = believed(
        image.row,
        here,
        grants,
        os.path.basename(path),
        sealed=is_sealed(parts, host.keys),
        has_keys=bool(host.keys.keys),
    )
    for program, data in zip(programs, earlier, strict=True):
        store.put_program(program.hash, data)  # nobody's word is taken for its name
    # In one transaction: a callback without its run would take answers that nobody gets.
    hanging: list[Operation] = [RestoreCallback(run, record) for record in callbacks]
    if ends and row.state not in _OVER:
        hanging.append(RestoreEnds(run, ends))
    return store.import_run(_parts_of(image, row), hanging).id


def _own(parts: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the parts that make the run itself."""
    return {
        name: data
        for name, data in parts.items()
        if name not in (_CALLBACKS, _ENDS, SEAL) and not name.startswith(_EARLIER)
    }


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


def _refuse_other_file(run: RunId, path: str, is_older: Callable[[RunImage], bool]) -> bool:
    """Refuse to write over anything but an older file of ``run``; say whether there is none.

    A run that has moved away is in its file and nowhere else.
    """
    if not os.path.isfile(path):
        return True
    try:
        there = unpack_image(_own(unpack(read_bytes(path), path)))
        if there.row.id == run and is_older(there):
            return False
    except StoreError:
        pass  # not an export, or damaged: it is somebody's file all the same
    raise UsageError(
        "FM1312",
        f"{path} cannot be written: it is there already and is no older export of this run {run}",
        hint="name another file with -o",
    )


def _is_older(row: RunRow, there: RunImage) -> bool:
    """Say whether a file holds what a run here has been: another store may have given the id again."""
    return there.row.created_us == row.created_us and there.row.seq <= row.seq


def _is_copy(there: RunImage) -> bool:
    """Say whether a file holds a fork as it was made, and no run that has left a store."""
    made_or_left = (e.kind for e in there.events if e.kind in (kinds.FORKED, kinds.EXPORTED))
    return next(reversed(list(made_or_left)), None) == kinds.FORKED


@contextmanager
def _claimed(host: Host, run: RunId) -> Iterator[Claim]:
    with host.claimed(run, even=_EXPORTABLE) as found:
        yield _exportable(run, found)


def _exportable(run: RunId, found: Claim | Held | None) -> Claim:
    match found:
        case Claim() as claim:
            return claim
        case Held(state=RunState.MOVED):
            raise RunStateError(
                "FM1103",
                f"run {run} has moved already",
                hint="`fmvm import FILE.fms` takes it out of its file",
            )
        case Held() as held:
            raise rules.driven(run, held.owner_description)
        case _:
            raise RunError("FM1101", f"there is no run {run}", hint="`fmvm ps` lists the runs")


def _refuse_in_doubt(row: RunRow, ties: Ties) -> None:
    """Refuse to move an at-most-once effect whose outcome nobody knows (FM1202)."""
    notes = decode_progress(row.progress).effects
    if ties.doubtful or any(note.begun for note in notes.values()):
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
        revived=state is RunState.QUEUED,  # it may have been admitted meanwhile
    )


def _refuse(path: str, why: str) -> StoreError:
    return StoreError(
        "FM1016",
        f"{os.path.basename(path)} is not a whole exported run: {why}",
        hint="export the run again, or copy the file again",
    )
