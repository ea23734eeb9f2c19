"""Whether a history is whole, and whether the program, given its facts, does what it says.

Three things are looked at: the chain of events, the sense of the events among
themselves, and what comes of them when they happen again: the same requests under the
same numbers, the same output, and the very bytes of the snapshot that is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from flowmetal.effects import events as kinds
from flowmetal.effects.requests import EffectRequest
from flowmetal.errors import FlowmetalError
from flowmetal.runtime.advance import result_bytes
from flowmetal.runtime.host import Host
from flowmetal.runtime.past import (
    beginning,
    events_of,
    feed,
    has_ended,
    latest,
    oldest,
    program_at,
    standing,
)
from flowmetal.runtime.starting import decode_input
from flowmetal.snapshot import encode
from flowmetal.store.chain import NO_KEY, extended, length
from flowmetal.store.chain import beginning as chain_beginning
from flowmetal.store.inputs import first_event
from flowmetal.store.protocol import Event, RunRow, RunState
from flowmetal.values import DataError
from flowmetal.values.codec import decode_data, encode_data
from flowmetal.vm.machine import UNLIMITED
from flowmetal.vm.state import Machine, MachineStatus

_BY_THE_STORE: Final = frozenset(
    (
        *(kinds.STARTED, kinds.PAUSED, kinds.UNPAUSED, kinds.CANCELLED),
        *(kinds.UPGRADED, kinds.EXPORTED, kinds.STAYED, kinds.IMPORTED),
    )
)
"""What is written down while nobody drives a run: it is in the chain from the next commit on."""

_ENDS: Final = {
    kinds.COMPLETED: RunState.COMPLETED,
    kinds.FAILED: RunState.FAILED,
    kinds.CANCELLED: RunState.CANCELLED,
}
_GOES_ON: Final = frozenset((kinds.REVIVED, kinds.FORKED))
"""After these an end that the history told of is none any more."""


@dataclass(slots=True)
class Verification:
    """What was found: ``problems`` in words, first ones first; none: all is well."""

    events: int = 0
    first: int = 1
    chained: int = 0
    keyed: bool = False
    requests: int = 0
    replayed: bool = False
    problems: list[str] = field(default_factory=list)


def verify(host: Host, row: RunRow) -> Verification:
    """Look at the whole history of a run."""
    while True:
        found = _verified(host, row)
        now = host.store.run(row.id)
        if not found.problems or now is None or now.anchor == row.anchor:
            return found
        row = now  # its history was trimmed while it was read


def _verified(host: Host, row: RunRow) -> Verification:
    found = Verification()
    try:
        row, snapshot = standing(host, row)
        events = list(events_of(host, row.id, length(row.anchor) if row.anchor else 0, row.seq))
        found.events = len(events)
        _check_chain(host, row, events, found)
        _check_sense(events, found)
        if not found.problems:
            _check_beginning(host, row, events, found)
            _check_end(row, events, found)
            _check_program(host, row, snapshot, events, found)
    except FlowmetalError as error:
        found.problems.append(str(error.message))
    return found


def _check_chain(host: Host, row: RunRow, events: Sequence[Event], found: Verification) -> None:
    head = row.anchor or chain_beginning(host.keys)
    if row.chain:
        head = head if row.anchor else row.chain[:4] + head[4:]
    found.first = length(head) + 1
    numbers = [event.seq for event in events]
    expected = range(found.first, row.seq + 1)
    if len(numbers) != row.seq + 1 - found.first or any(
        there != number for there, number in zip(numbers, expected, strict=True)
    ):
        there = set(numbers)
        missing = list(islice((number for number in expected if number not in there), 5))
        found.problems.append(
            f"events are missing: {', '.join(map(str, missing))}"
            if missing
            else "events are there that the run does not know"
        )
        return
    found.keyed = bool(row.chain) and row.chain[:4] != NO_KEY
    if row.chain:
        found.chained = length(row.chain)
    if host.keys.keys and row.chain and not found.keyed:
        found.problems.append(
            "the events are chained without a key, and there are keys: the run is older than they are,"
            " or somebody has made the chain anew"
        )
    if host.keys.keys or row.chain:
        loose = [e for e in events if e.seq > found.chained and e.kind not in _BY_THE_STORE]
        if loose:
            found.problems.append(f"event {loose[0].seq} ({loose[0].kind}) is not in the chain")
    if not row.chain:
        return
    inside = [event for event in events if event.seq <= found.chained]
    if extended(head, row.id, inside, host.keys) != row.chain:
        found.problems.append(
            f"the chain does not fit: one of the events {found.first} to {found.chained} is not what it was"
        )


def _check_sense(events: Sequence[Event], found: Verification) -> None:
    asked: dict[int, str] = {}
    answered: set[int] = set()
    for event in events:
        try:
            decode_data(event.data)
        except DataError as error:
            found.problems.append(f"event {event.seq} cannot be read: {error.message}")
        match event.kind:
            case kinds.REQUESTED:
                if event.effect in asked:
                    found.problems.append(f"event {event.seq} asks for effect {event.effect} again")
                asked[event.effect] = event.name
            case kinds.RESOLVED | kinds.EFFECT_FAILED:
                if event.effect in answered:
                    found.problems.append(f"event {event.seq} answers effect {event.effect} again")
                if event.effect not in asked and found.first == 1:
                    found.problems.append(
                        f"event {event.seq} answers effect {event.effect}, which nobody asked for"
                    )
                answered.add(event.effect)
            case kinds.REVIVED:
                answered.discard(event.effect)
            case _:
                pass
    found.requests = len(asked)


def _check_beginning(host: Host, row: RunRow, events: Sequence[Event], found: Verification) -> None:
    """Look whether the run's row says of its beginning what the history says."""
    if not events or events[0].kind != kinds.STARTED:
        return
    entry, arguments, _ = decode_input(row.input)
    told = first_event(program_at(host, row, 0), entry, arguments, row.tags)
    if (told.name, told.data) != (events[0].name, events[0].data):
        found.problems.append(
            f"its program, its arguments or its tags are not those of event {events[0].seq}"
        )


def _check_end(row: RunRow, events: Sequence[Event], found: Verification) -> None:
    """Look whether the run's row says of its end what the history says."""
    last = next(
        (event for event in reversed(events) if event.kind in _ENDS or event.kind in _GOES_ON), None
    )
    if last is not None and last.kind in _GOES_ON:
        last = None
    told = None if last is None else _ENDS[last.kind]
    state = row.state
    if state in (RunState.EXPORTING, RunState.MOVED):
        state = RunState.COMPLETED if row.result is not None else told or state
    if told is not state and (
        told is not None or state in (RunState.COMPLETED, RunState.CANCELLED)
    ):
        by_history = "not ended" if told is None else told.value
        found.problems.append(f"its state is {state.value}, and by its history it is {by_history}")
    elif told is RunState.COMPLETED and last is not None and row.result != last.data:
        found.problems.append(f"the result is not the one of event {last.seq}")
    elif told is RunState.FAILED and last is not None and row.error != last.data:
        found.problems.append(f"the error is not the one of event {last.seq}")


def _check_program(
    host: Host,
    row: RunRow,
    snapshot: bytes | None,
    events: Sequence[Event],
    found: Verification,
) -> None:
    """Let everything happen again, from the beginning or from the oldest snapshot that is kept."""
    past = beginning(host, row) if found.first == 1 else oldest(host, row)
    if past is None:
        return
    start = past.seq
    for event in events:
        if event.seq > start:
            feed(past, event)
    if row.result is not None:
        past.run_to(UNLIMITED)
        result = past.machine.fibers[1].result
        if past.machine.status is not MachineStatus.COMPLETED or result_bytes(result) != row.result:
            found.problems.append("the result is not what the history leads to")
    else:
        stands = latest(host, row, snapshot)
        stored = _bytes_of(stands)
        # Right after a revival nothing has been computed yet, not even what costs no fuel.
        leads = has_ended(events) or _bytes_of(past.machine) == stored
        past.run_as_far_as(stands)
        if not leads and _bytes_of(past.machine) != stored:
            found.problems.append("the snapshot is not what the history leads to")
    later = [event for event in events if event.seq > start]
    _compare_requests(past.asked, later, found)
    written = "".join(decode_data(e.data) for e in later if e.kind == kinds.OUTPUT)
    if not past.output.startswith(written):
        found.problems.append("the output in the history is not what the program writes")
    found.replayed = True


def _bytes_of(machine: Machine) -> bytes:
    machine.known.clear()
    return encode(machine).data


def _compare_requests(
    asked: Sequence[EffectRequest], events: Sequence[Event], found: Verification
) -> None:
    told = [event for event in events if event.kind == kinds.REQUESTED]
    for request, event in zip(asked, told, strict=False):
        same = (request.number, request.kind) == (event.effect, event.name)
        if not same or encode_data(request.args) != event.data:
            found.problems.append(
                f"event {event.seq} asks for {event.name} as effect {event.effect}; the program asks"
                f" for {request.kind} as effect {request.number}, or with other arguments"
            )
            return
    if len(asked) < len(told):
        found.problems.append(
            f"event {told[len(asked)].seq} asks for an effect that the program does not ask for"
        )
