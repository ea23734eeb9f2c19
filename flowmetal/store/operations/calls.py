"""Calls: attempts at effects that another process performs, for whoever drives the run does not perform their kind.

A call is open until a performer claims it, with a lease that heartbeats keep up; its word is the answer. Each
claim has a number, and only the word of the latest one counts. A lease that is lost opens the call again, for the next
performer, who is told that it may have been performed; an at-most-once call is then in doubt, and over. Policies are
not known here: an answer ends one attempt, and whoever drives the run offers the next one.

While a run is written to a file nobody claims its calls and no word is taken, for it would be lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from flowmetal.errors import StoreError
from flowmetal.ids import RunId
from flowmetal.store.clock import outlasts
from flowmetal.store.operations.answers import (
    Answer,
    Asker,
    answer,
    answer_id,
    bad_name,
    reply,
    tell_late,
)
from flowmetal.store.operations.records import (
    TAB,
    Kept,
    Records,
    drop,
    each,
    find,
    keep,
    parts_of,
    read,
)
from flowmetal.store.operations.ties import OPEN, ties, wait_at, waits_no_more
from flowmetal.store.operations.vocabulary import (
    BeatCalls,
    ClaimCalls,
    EndCall,
    GiveBackCall,
    OfferCall,
    ShowCall,
)
from flowmetal.store.protocol import RunState
from flowmetal.values import vector

CALL: Final = "call"
"""The kind of ties of effects that wait so."""

LINE: Final = "call-line"

PATIENCE: Final = 20
"""Performers that may be lost, one after the other, before it is taken for the fault of the call."""

SUSPECTED: Final = 2
"""Performers that were lost before a call is tried apart from others like it: one may die with any number of calls."""

ANY: Final = "/*"
"""The end of the name of all kinds of a namespace."""

_STANDING_STILL: Final = frozenset({RunState.PAUSED, RunState.FAILED, RunState.EXPORTING})
"""Nothing begins for such a run, and no time passes for what has not begun."""

_SOON_US: Final = 1_000_000

_CLAIM_BITS: Final = 20
"""Claims of one offer before their numbers meet those of the next one."""


@dataclass(slots=True)
class OfferedCall(Kept):
    """Key: run, effect. Times in microseconds; the body is what performers get."""

    SPACE: ClassVar[str] = CALL
    kind: str
    offered_us: int
    at_most_once: bool
    timeout_us: int | None
    claim: int = 0
    lost: int = 0  # performers
    begun: bool = False  # it may have been performed
    performer: str | None = None
    since_us: int | None = None
    until_us: int | None = None  # the end of the lease; of an open one, of its time
    lease_us: int | None = None  # so long it lasts without a heartbeat

    def is_open(self) -> bool:
        """Say whether nobody performs it."""
        return self.performer is None


@dataclass(slots=True)
class Line(Kept):
    """Key: kind, time, call. Of open ones."""

    SPACE: ClassVar[str] = LINE
    call: str


def prefix_of(kind: str) -> str:
    """Return what the keys of a kind begin with in the line, or those of all kinds of a namespace (``mail/*``)."""
    return kind[:-1] if kind.endswith(ANY) else f"{kind}{TAB}"


def are_offered(records: Records, kinds: Iterable[str]) -> bool:
    """Say whether there may be calls of these kinds that nobody performs."""
    if not records.scan(LINE, "", "", 1):  # as nearly always
        return False
    return any(records.scan(LINE, prefix_of(kind), "", 1) for kind in kinds)


def offer(records: Records, asker: Asker, operation: OfferCall) -> Answer | None:
    wrong = bad_name(operation.kind, "kind of effects")
    if wrong is not None:
        return wrong
    records.forget(asker.run, answer_id(asker.effect))  # of the attempt before
    key = f"{asker.run}{TAB}{asker.effect}"
    call = OfferedCall(
        operation.kind,
        records.now_us(),
        operation.at_most_once,
        operation.timeout_us,
        # The time tells it from what a run asked for that had this id before, and is forgotten.
        (records.now_us() + operation.number) << _CLAIM_BITS,
    )
    _open(records, key, call, operation.body)
    wait_at(records, asker, CALL, key)
    return None


def _open(records: Records, key: str, call: OfferedCall, body: bytes | None) -> None:
    """Let performers have it; its time begins."""
    now = records.now_us()
    call.performer = call.since_us = call.lease_us = None
    call.until_us = None if call.timeout_us is None else now + call.timeout_us
    keep(records, key, call, body, due_us=call.until_us)
    keep(records, _place(key, call), Line(key))


def _place(key: str, call: OfferedCall) -> str:
    return f"{call.kind}{TAB}{call.offered_us:016x}{TAB}{key}"


def recall(records: Records, asker: Asker) -> Answer | None:
    key = f"{asker.run}{TAB}{asker.effect}"
    call = find(records, OfferedCall, key)
    if call is None or not call.is_open():
        return None
    withdraw(records, key)
    waits_no_more(records, asker.run, asker.effect)
    return answer(recalled=True, again=call.begun)


def claim(records: Records, operation: ClaimCalls) -> Answer:
    hints: list[tuple[str, str, str]] = []
    suspects: list[tuple[int, str, str, str]] = []
    for kind in operation.kinds:
        count = 0
        for place, line in each(records, Line, prefix_of(kind)):
            if count >= operation.limit:
                break
            call = _sound(records, line.call)
            if call is None:
                drop(records, Line, place)
                continue
            if _state_of(records, line.call) in _STANDING_STILL:
                continue
            hint = (parts_of(place, 3)[1], place, line.call)
            if call.lost >= SUSPECTED and call.kind not in operation.trusted:
                suspects.append((call.lost, *hint))
            else:
                hints.append(hint)
                count += 1
    tried = min(suspects)[1:] if suspects and operation.tries else None
    found = []
    # Two patterns may name one kind.
    for hint in sorted({*hints, *(() if tried is None else (tried,))})[: operation.limit]:
        _, place, key = hint
        drop(records, Line, place)
        record = records.get(CALL, key)
        assert record is not None
        call = read(OfferedCall, record)
        call.claim += 1
        call.performer, call.since_us = operation.performer, records.now_us()
        call.lease_us = operation.lease_us
        call.until_us = call.since_us + operation.lease_us
        keep(records, key, call, record.body, due_us=call.until_us)
        run = parts_of(key, 2)[0]
        found.append(
            answer(
                id=key,
                claim=call.claim,
                offer=call.claim >> _CLAIM_BITS,
                kind=call.kind,
                run=run,
                body=record.body,
                again=call.begun,
                suspect=hint == tried,
            )
        )
    return answer(value=vector(found))


def _sound(records: Records, key: str) -> OfferedCall | None:
    """Return a call; None for one that is gone or damaged, for others do not wait behind it."""
    try:
        return find(records, OfferedCall, key)
    except StoreError:
        return None


def beat(records: Records, operation: BeatCalls) -> Answer:
    lost = []
    for key, number in operation.calls:
        record = records.get(CALL, key)
        call = None if record is None else _claimed(read(OfferedCall, record), number)
        if record is None or call is None:
            lost.append(key)
            continue
        call.lease_us = operation.lease_us
        call.until_us = records.now_us() + operation.lease_us
        keep(records, key, call, record.body, due_us=call.until_us)
    return answer(lost=vector(lost))


def _claimed(call: OfferedCall, number: int) -> OfferedCall | None:
    """Return the call if this is its latest claim, and nobody has taken it away."""
    return None if call.is_open() or call.claim != number else call


def end(records: Records, operation: EndCall) -> Answer:
    call = find(records, OfferedCall, operation.id)
    if call is None:
        tell_late(records, operation.id, operation.claim, operation.body)
        return answer(value=False)
    if _claimed(call, operation.claim) is None:
        return answer(value=False)
    if _is_leaving(records, operation.id):
        return answer(away=True)
    _finish(records, operation.id, answer(body=operation.body))
    return answer(value=True)


def give_back(records: Records, operation: GiveBackCall) -> Answer:
    record = records.get(CALL, operation.id)
    call = None if record is None else _claimed(read(OfferedCall, record), operation.claim)
    if record is None or call is None:
        return answer(value=False)
    if _is_leaving(records, operation.id):
        return answer(away=True)
    if call.at_most_once:
        _finish(records, operation.id, answer(lost=1, doubt=True))
    else:
        call.begun = True
        _open(records, operation.id, call, record.body)
    return answer(value=True)


def show(records: Records, operation: ShowCall) -> Answer:
    suffix = f".{operation.effect}"  # behind the generation, of which a run has one
    for _, effect, tie in ties(records, operation.run, OPEN):
        if tie.kind == CALL and effect.endswith(suffix):
            call = find(records, OfferedCall, tie.place)
            if call is not None:
                return answer(
                    open=call.is_open(),
                    performer=call.performer,
                    claim=call.claim,
                    lost=call.lost,
                )
    return answer()


def attend(records: Records, key: str) -> None:
    """Take a call from a performer whose lease is over, or end one whose time is up and that nobody began."""
    record = records.get(CALL, key)
    if record is None:
        return
    call = read(OfferedCall, record)
    if is_late(call, records.now_us()):  # the clock was set back
        call.until_us = records.now_us() + (call.lease_us or 0)
    if call.until_us is None or call.until_us > records.now_us():
        keep(records, key, call, record.body, due_us=call.until_us)
    elif call.is_open() and _state_of(records, key) in _STANDING_STILL:
        _open(records, key, call, record.body)
    elif call.is_open():
        _finish(records, key, answer(late=True))
    elif _is_leaving(records, key):
        keep(records, key, call, record.body, due_us=records.now_us() + _SOON_US)
    else:
        call.lost += 1
        call.begun = True
        if call.at_most_once or call.lost >= PATIENCE:
            _finish(records, key, answer(lost=call.lost, doubt=call.at_most_once))
        else:
            _open(records, key, call, record.body)


def is_late(call: OfferedCall, now_us: int) -> bool:
    """Say whether the lease ends later than one that begins now."""
    return outlasts(call.until_us, call.lease_us, now_us)


def _finish(records: Records, key: str, found: Answer) -> None:
    run, effect = parts_of(key, 2)
    withdraw(records, key)
    waits_no_more(records, run, effect)
    reply(records, run, effect, found)


def withdraw(records: Records, key: str) -> None:
    """Nobody waits for it any more; whoever performs it learns that at the next heartbeat."""
    call = find(records, OfferedCall, key)
    if call is not None:
        drop(records, Line, _place(key, call))
        drop(records, OfferedCall, key)


def is_doubtful(records: Records, key: str) -> bool:
    """Say whether an at-most-once call may have been performed already."""
    call = find(records, OfferedCall, key)
    return call is not None and call.at_most_once and not call.is_open()


def _is_leaving(records: Records, key: str) -> bool:
    """Say whether the run of a call is being written to a file just now."""
    return _state_of(records, key) is RunState.EXPORTING


def _state_of(records: Records, key: str) -> RunState | None:
    standing = records.run(RunId(parts_of(key, 2)[0]))
    return None if standing is None else standing.state
