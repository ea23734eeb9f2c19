"""From a claim to a machine in memory: a new one, or the one that was saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from flowmetal.effects import events as kinds
from flowmetal.errors import RunError
from flowmetal.ids import RunId
from flowmetal.runtime.active import ActiveRun
from flowmetal.runtime.committing import carry_out, commit_step
from flowmetal.runtime.crashes import answered, counted, forgiven, put_aside
from flowmetal.runtime.grace import extend, is_ending
from flowmetal.runtime.grants import decode_grants
from flowmetal.runtime.host import Host
from flowmetal.runtime.inheriting import inherited_of
from flowmetal.runtime.lease import Lease
from flowmetal.runtime.local import Locals, run_info
from flowmetal.runtime.messages import CANCEL, PAUSE, number_of, pause_if_asked, take_message
from flowmetal.runtime.opening import take_up
from flowmetal.runtime.progress import decode_progress
from flowmetal.runtime.starting import decode_input
from flowmetal.runtime.waiting import tasks_in
from flowmetal.snapshot import decode
from flowmetal.store.chain import beginning, extended, length
from flowmetal.store.inputs import begins_us
from flowmetal.store.operations.answers import RESULT
from flowmetal.store.protocol import Claim, Commit, Loaded, RunRow, RunState
from flowmetal.values import hash_map, keyword
from flowmetal.values.codec import encode_data
from flowmetal.vm.machine import start
from flowmetal.vm.state import Machine

_STANDING: Final = frozenset(
    (kinds.PAUSED, kinds.UNPAUSED, kinds.UPGRADED, kinds.EXPORTED, kinds.STAYED, kinds.IMPORTED)
)
_LAST_EVENTS: Final = 100


def open_run(
    host: Host,
    claim: Claim,
    taken_us: int,
    *,
    loaded: Loaded | None = None,
    patient: bool = False,
) -> ActiveRun:
    """Load a claimed run, if it is not ``loaded``, and build its machine. ``taken_us``: see Lease.

    A run that crashed its interpreters again and again is put aside as failed (crashes.py), and one that is to begin
    later is put back, unless the claimer is ``patient``: somebody asked for this run by name.

    Raises Conflict if the claim no longer holds, RunError, ProgramError or SnapshotError
    if what is stored cannot be gone on from.
    """
    loaded = loaded or host.store.load(claim)
    row = loaded.row
    grants = decode_grants(row.grants)
    sizes: list[int] = []
    machine = _machine(host, loaded, sizes)
    machine.limits = host.limits
    info = partial(run_info, row.id, row.program, row.created_us, row.tags)
    active = ActiveRun(
        host,
        claim,
        Lease(host.store, host.clock, host.lease_us, taken_us),
        machine,
        grants,
        Locals(host.clock, host.entropy, host.world.environment, grants, info, []),
        row.program,
        seen=row.received,
        is_new=loaded.snapshot is None,
        created_us=row.created_us,
        claimed_us=taken_us,
        committed_us=host.clock.monotonic_us(),
        chain=_chain(host, loaded),
        inherited=inherited_of(row.input),
    )
    active.heap.loaded(sum(sizes))
    now = host.clock.now_us()
    if not patient and _begins_later(loaded, now):
        _put_back(active, row)
        return active
    crashes = row.attempts - 1
    if crashes:
        told = hash_map(((keyword("attempts"), row.attempts), (keyword("interpreter"), host.owner)))
        active.record(kinds.RECOVERED, "", 0, encode_data(told))
    kept = decode_progress(row.progress)
    active.progress.anew = kept.anew
    active.inherited -= kept.anew
    noted, active.progress.cancelled = kept.effects, kept.cancelled
    notes = forgiven(noted) if patient else counted(active, noted, crashes, now)
    if not patient and (step := put_aside(active, notes, crashes)) is not None:
        commit_step(active, step)
        return active
    active.progress.recounted = notes != noted
    active.progress.cleaning, active.progress.status = kept.cleaning, kept.status
    active.progress.doubtful = kept.doubtful
    active.progress.stops = is_ending(active.progress, machine)
    if active.progress.cancelled is not None or active.progress.cleaning:
        absent_us = now - (row.wake_at_us or _last_us(host, row))
        if absent_us > 0:
            extend(active.progress, absent_us)
    tasks = tasks_in(row.waiting)
    said = {number_of(active, row) for row in loaded.inbox if row.message.kind == RESULT}
    for number in sorted(machine.open.keys() - answered(machine)):
        note = notes.get(number)
        if note is not None and note.again and number in said:
            note = note._replace(again=False)
        take_up(active, machine.open[number].request, note, now, is_task=number in tasks)
    unpaused = max((e.time_us for e in loaded.unchained if e.kind == kinds.UNPAUSED), default=0)
    has_failed = row.state is RunState.FAILED  # before it heard of it, and is to go on now
    for message in loaded.inbox:
        if message.message.kind == PAUSE and (has_failed or message.time_us <= unpaused):
            active.consumed.append(message.number)  # of a pause that is over
        elif active.is_driven():
            carry_out(active, take_message(active, message))
    if active.is_driven():
        carry_out(active, pause_if_asked(active))
    return active


def _begins_later(loaded: Loaded, now_us: int) -> bool:
    """Say whether a run is not to begin yet: it was paused, moved or upgraded meanwhile, which its place in the store
    does not outlast. One that is cancelled begins in order to hear of it."""
    if loaded.snapshot is not None or begins_us(loaded.row.input) <= now_us:
        return False
    return not any(row.message.kind == CANCEL for row in loaded.inbox)


def _put_back(active: ActiveRun, row: RunRow) -> None:
    """Give a run that has not begun back until it is to begin. It waits, so that a message wakes it that came meanwhile."""
    commit = Commit(
        events=(),
        state=RunState.WAITING,
        wake_at_us=begins_us(row.input),
        seen=row.received,
        release=True,
    )
    active.host.store.commit(active.claim, commit)
    active.left = commit.state


def _last_us(host: Host, row: RunRow) -> int:
    """Return when a run was heard of last, whose driver is gone: what was done with it while it stood is no life
    of its own."""
    events = host.store.events(row.id, max(0, row.seq - _LAST_EVENTS))
    lived = (event for event in reversed(events) if event.kind not in _STANDING)
    last = next(lived, events[0] if events else None)
    return host.clock.now_us() if last is None else last.time_us


def _chain(host: Host, loaded: Loaded) -> bytes:
    """Return the head of the chain up to the last event: the store's own events are not in it yet."""
    row = loaded.row
    head = extended(row.chain or beginning(host.keys), row.id, loaded.unchained, host.keys)
    if length(head) > row.seq:
        raise RunError("FM1131", f"run {row.id} is at event {row.seq}, and its chain is longer")
    while length(head) < row.seq:
        events = host.store.events(row.id, length(head))
        if not events:
            raise RunError("FM1131", f"events of run {row.id} after {length(head)} are not there")
        head = extended(head, row.id, events, host.keys)
    return head


def _machine(host: Host, loaded: Loaded, sizes: list[int]) -> Machine:
    """Return the machine; ``sizes`` gets those of its chunks."""
    row = loaded.row
    image = host.image(row.program)
    if loaded.snapshot is not None:
        return decode(loaded.snapshot, image, partial(_chunks, host, row.id, sizes))
    entry, arguments, seed = decode_input(row.input)
    try:
        return start(image, entry, arguments, row.id, seed)
    except RunError as problem:
        raise problem.with_note(f"run {row.id} cannot start") from None


def _chunks(host: Host, run: RunId, sizes: list[int], names: Sequence[str]) -> Mapping[str, bytes]:
    found = host.store.chunks(run, names)
    sizes.extend(map(len, found.values()))
    return found
