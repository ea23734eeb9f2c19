"""Decisions that every store makes alike, as pure functions.

A run is stored as ready, waiting, paused, exporting or ended; RUNNING is not
stored, it is how a ready run looks that somebody holds. ``due_us`` is the one
number that says whether a run can be claimed by whoever is free: at that time,
or never (None). A run that is woken is due from then on, so that who could go on first comes first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from flowmetal.errors import Conflict, RefusedError, RunError, RunStateError, StoreError
from flowmetal.ids import InterpreterId, ProgramHash, RunId, shell_word
from flowmetal.store.protocol import (
    ENDED,
    Claim,
    Event,
    NewEvent,
    NewRun,
    RunRow,
    RunState,
)

T = TypeVar("T")

END_OF_TIME_US = 2**63 - 1
DAMAGED = "FM1001"
CLAIMABLE = frozenset({RunState.READY, RunState.WAITING})
CLOSED = ENDED | {RunState.EXPORTING}
"""States in which a run takes no messages."""

OUTCOME_UNKNOWN = frozenset({"FM1008", "FM1022"})
"""Errors of a write after which nobody knows whether it was made."""

OF_ONE_STEP = frozenset({"FM1014", "FM1021"})
"""Errors that say something about the step alone, and nothing about the store."""


def damaged(what: str, why: object = "") -> StoreError:
    """Return the error for something in a store that no Flowmetal has written."""
    detail = f" ({why})" if why else ""
    return StoreError(DAMAGED, f"{what} is damaged{detail}", hint="restore a backup of the store")


def state_of(text: str) -> RunState:
    """Return the state that is written as ``text``. Raises StoreError FM1001."""
    try:
        return RunState(text)
    except ValueError:
        raise damaged("the state of a run", f"{text!r:.40}") from None


def tags_of(text: str, run: str) -> dict[str, str]:
    """Return the tags that are written as ``text``. Raises StoreError FM1001."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise damaged(f"the row of run {run}", f"its tags: {error}") from None
    return checked_tags(found, run)


def checked_tags(found: object, run: str) -> dict[str, str]:
    """Return the tags that a column holds. Raises StoreError FM1001."""
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise damaged(f"the row of run {run}", "its tags are no texts by name")
    return found


def stored_state(state: RunState) -> RunState:
    """Return what is written down for ``state``."""
    return RunState.READY if state is RunState.RUNNING else state


def shown_state(stored: RunState, owner: InterpreterId | None) -> RunState:
    """Return how a run with this stored state looks from outside."""
    return RunState.RUNNING if stored is RunState.READY and owner is not None else stored


def due_us(stored: RunState, wake_at_us: int | None, *, parked: bool = True) -> int | None:
    """Return when a run in this state can be claimed: 0 is at once, None is never.

    A run that its driver keeps (not ``parked``) may have effects in flight: if it
    loses its driver, somebody has to look, whatever it waits for.
    """
    if stored not in CLAIMABLE:
        return None
    if not parked:
        return 0
    if wake_at_us is None:
        return 0 if stored is RunState.READY else None
    return min(max(wake_at_us, 0), END_OF_TIME_US)


def may_claim(stored: RunState, even: Collection[RunState]) -> bool:
    """Say whether a claim by name gets a run in this state, if nobody drives it."""
    return stored in CLAIMABLE or stored in even


def check_snapshot_format(run: RunId, found: int, readable: int) -> None:
    """Raise FM1015 if the run's snapshot is newer than what the claimer reads."""
    if found > readable:
        raise StoreError(
            "FM1015",
            f"run {run} was saved in snapshot format {found}, this Flowmetal reads up to {readable}",
            hint="upgrade Flowmetal, or leave the run to an interpreter that is newer",
        )


def check_expected(
    run: RunId, stored: RunState, owner: InterpreterId | None, expected: Collection[RunState]
) -> None:
    """Raise FM1103 if the run's state is none of those that a change of state expects."""
    if stored not in expected and shown_state(stored, owner) not in expected:
        wanted = " or ".join(state.value for state in expected)
        raise RunStateError(
            "FM1103",
            f"run {run} is {stored.value}, not {wanted}",
            hint=f"see `fmvm why {shell_word(run)}`",
        )


def check_open(run: RunId, stored: RunState) -> None:
    """Raise FM1102 if the run takes no more messages, FM1103 while it is written to a file: what
    came between the reading and the end of the export would be acknowledged and lost."""
    if stored is RunState.MOVED:
        raise RunStateError(
            "FM1102",
            f"run {run} has moved away and takes no messages here",
            hint="send it to the store that it was imported into",
        )
    if stored is RunState.FAILED:
        raise RunStateError(
            "FM1102",
            f"run {run} has failed and takes no messages as long as it stands there",
            hint=f"send it again when `fmvm retry {shell_word(run)}` has let it go on",
        )
    if stored in ENDED:
        raise RunStateError(
            "FM1102",
            f"run {run} has ended ({stored.value}) and takes no more messages",
            hint=f"see `fmvm show {shell_word(run)}` for how it ended",
        )
    if stored is RunState.EXPORTING:
        raise RunStateError(
            "FM1103",
            f"run {run} is being exported and takes no messages now",
            hint="send it again when the export has ended, to the store where the run then is; if the export has died, "
            f"`fmvm export {shell_word(run)} --abandon` lets the run go on here",
        )


def takes(stored: RunState, kind: str) -> bool:
    """Say whether a run takes a message from another part of the store. A parked run takes what it
    waits for, for the day it is revived."""
    if stored is RunState.FAILED:
        return kind in ("result", "topic")
    return stored not in ENDED


def first_state(queue: str) -> RunState:
    """Return the state of a new run."""
    return RunState.QUEUED if queue else RunState.READY


def again(
    id: RunId,
    program: ProgramHash,
    input: bytes,
    grants: bytes,
    tags: Mapping[str, str],
    first_event: Event | None,
    queue: str,
) -> NewRun:
    """Return what makes a run like another, from its beginning."""
    event = None
    if first_event is not None:
        event = NewEvent(first_event.kind, first_event.name, first_event.effect, first_event.data)
    return NewRun(id, program, input, grants, tags, event, queue=queue)


def is_kept(text: str) -> bool:
    """Say whether every store can keep a text: a run may move from one to another."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: JSON and a command line can bring such
        return False
    return True


def kept(text: str) -> str:
    """Return a text that people read as every store can keep it."""
    return text if is_kept(text) else text.encode(errors="replace").decode().replace("\0", "?")


def check_text(*names: str) -> None:
    """Raise FM1021 for a name that no store can keep."""
    for name in names:
        if not is_kept(name):
            raise no_text(name)


def check_new(new: NewRun) -> None:
    """Raise FM1021 if a new run has an id or a tag that no store can keep."""
    check_text(new.id, *new.tags, *new.tags.values())


def no_text(text: str) -> StoreError:
    """Return the error for a text that no store can keep."""
    why = "holds NUL, which PostgreSQL cannot keep" if "\0" in text else "is not text in UTF-8"
    return StoreError("FM1021", f"{text!a} {why}", hint="write it in other characters")


def left_to_parent() -> StoreError:
    """Return the error of a memory store in the child of a fork: what the child stored there, nobody else would see."""
    return StoreError(
        "FM1017",
        "the store was opened before this process was forked",
        hint="open it again here; processes that share runs need a store like sqlite:runs.db",
    )


def no_such_run(run: RunId) -> RunError:
    return RunError("FM1101", f"there is no run {run}", hint="`fmvm ps` lists the runs")


def run_exists(run: RunId) -> RunStateError:
    return RunStateError(
        "FM1104",
        f"run {run} is in this store already",
        hint=f"see `fmvm show {shell_word(run)}`; another store is named by --store",
    )


def check_import(coming: RunRow, here: RunState, here_created_us: int, here_seq: int) -> None:
    """Raise FM1104 unless an import may take the place of the run with that id: it moved away from
    here, and what comes is that run, no older than it left."""
    if here is not RunState.MOVED or coming.created_us != here_created_us:
        raise run_exists(coming.id)
    if coming.seq < here_seq:
        raise RunStateError(
            "FM1104",
            f"run {coming.id} went on since this file was written: it ends with event {coming.seq},"
            f" and the run moved away from here after event {here_seq}",
            hint="import the file that it moved into last",
        )


def lost_claim(run: RunId) -> Conflict:
    return Conflict(
        "FM1014",
        f"run {run} has been advanced or given up since it was claimed",
        hint="drop what was computed, and claim the run again",
    )


def or_trouble(load: Callable[[Claim], T], claim: Claim) -> T | StoreError:
    """Return what a claim gives, or why it gives nothing: it holds no more, or its run is damaged."""
    try:
        return load(claim)
    except StoreError as trouble:
        if isinstance(trouble, Conflict) or trouble.code == DAMAGED:
            return trouble
        raise


def driven(run: RunId, description: str) -> RefusedError:
    """Return what somebody is told who would take a run as a whole that is being driven."""
    return RefusedError(
        "FM1107",
        f"run {run} is being driven by {description}",
        hint=f"stop that, or `fmvm pause {shell_word(run)}` first",
    )


def still_driven(run: RunId, description: str) -> Conflict:
    return Conflict(
        "FM1014",
        f"run {run} is being driven by {description}",
        hint=f"try again when that has let go of it; `fmvm why {shell_word(run)}` says how it stands",
    )
