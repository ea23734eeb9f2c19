"""A fork: another run that goes on from where one stands, or stood after an event.

The history up to that point is the fork's too; then comes the event that says so, and from
there on it has a generation of its own, so that no effect of it has a key of the first run.
What was open at that point:

- waits for time and for signals go on as they were (one whose signal the history has by then
  gets it), and so do those for a shared promise or for the end of a run that is no child;
- what was asked for and was, or could have been, performed is **held**: it waits until somebody
  says that it is to be performed (under the fork's keys), or what its result is;
- waits for what is the first run's alone end in an error (inheriting.py).

What the machine asks for after the point is the fork's own business. A fork is stored whole, like
a run that comes from a file, in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flowmetal.bytecode.code import Program
from flowmetal.effects import events as kinds
from flowmetal.effects.errors import error_bytes
from flowmetal.effects.kinds import KINDS, EffectClass
from flowmetal.effects.requests import EffectFailed, EffectRequest, EffectResult
from flowmetal.errors import RefusedError, RunError, UsageError
from flowmetal.ids import RunId
from flowmetal.runtime.entering import RECEIVES
from flowmetal.runtime.host import Host
from flowmetal.runtime.inheriting import (
    before_the_cut,
    error_of,
    found_in,
    inherited_of,
    with_inherited,
)
from flowmetal.runtime.opening import due_us, in_doubt
from flowmetal.runtime.options import Options, lasting_key, options_of
from flowmetal.runtime.past import events_of, has_ended, machine_at, program_at
from flowmetal.runtime.progress import Pending, Progress, decode_progress
from flowmetal.runtime.retry import ONCE
from flowmetal.runtime.starting import input_of_fork
from flowmetal.runtime.upgrading import upgraded_event, upgrading_of
from flowmetal.runtime.waiting import encode_waiting
from flowmetal.snapshot import encode
from flowmetal.store.chain import beginning as chain_beginning
from flowmetal.store.chain import extended, length
from flowmetal.store.protocol import Event, InboxRow, Message, RunRow, RunState
from flowmetal.store.transfer import pack
from flowmetal.values import ErrorValue, Keyword, Map, Value, hash_map, keyword
from flowmetal.values.codec import decode_data, encode_data
from flowmetal.vm.machine import deliver
from flowmetal.vm.state import FiberStatus, Machine, MachineStatus

_VALUE, _ERROR, _FUEL = map(keyword, ("value", "error", "fuel"))
_FROM, _AT, _TO, _GENERATION = map(keyword, ("from", "at", "to", "generation"))
_ID, _REASON, _WHOLE, _DOUBTFUL = map(keyword, ("id", "reason", "whole", "doubtful"))

_AGAIN: Final = frozenset(("run/await", "promise/await"))
"""Waits that change nothing where they wait: the fork asks for itself."""

_FACTS: Final = frozenset((kinds.RESOLVED, kinds.EFFECT_FAILED, kinds.CANCELLING, kinds.OVERDUE))
"""What enters a machine: what it asks for behind such an event comes of it."""

_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Choices:
    """What is to become of the effects that are open at the fork point.

    ``results`` by effect number; ``perform``: those that have none are performed anew.
    """

    results: Mapping[int, Value]
    perform: bool = False


@dataclass(frozen=True, slots=True)
class Fork:
    """A fork that is not stored yet: its parts (store/transfer.py), and what it waits for."""

    id: RunId
    parts: dict[str, bytes]
    held: tuple[EffectRequest, ...]
    inherited: tuple[str, ...]
    events: tuple[Event, ...]


def fork(
    host: Host,
    run: RunId,
    id: RunId,
    at: int | None = None,
    choices: Choices | None = None,
    program: Program | None = None,
) -> Fork:
    """Make a fork of a run. Nothing is changed anywhere.

    Raises RunError FM1101, FM1130 and FM1131 as ``machine_at`` does, RefusedError FM1136 for a point
    from which nothing goes on, UsageError FM1135 for a result of an effect that is not open there,
    RefusedError FM1134 if it cannot go on with ``program``.
    """
    for _ in range(_TRIES):
        row = _row(host, run)
        forking = _Forking(host, row, id, at, choices or Choices({}), program)
        now = _row(host, run)
        # Else it has gone on from there, or its history was trimmed while it was read.
        is_earlier = at is not None and at < row.seq
        if now.anchor == row.anchor and (is_earlier or now.seq == row.seq):
            return forking.made()
    raise RefusedError(
        "FM1136",
        f"run {run} goes on faster than it can be forked",
        hint="name a point with --at N, or `fmvm pause` it first",
    )


class _Forking:
    """One fork in the making."""

    def __init__(
        self,
        host: Host,
        row: RunRow,
        id: RunId,
        at: int | None,
        choices: Choices,
        program: Program | None,
    ) -> None:
        self.host = host
        self.row = row
        self.id = id
        self.at = row.seq if at is None else at
        self.is_latest = self.at == row.seq
        self.choices = choices
        self.new_program = program
        self.now = host.clock.now_us()
        first = length(row.anchor) if row.anchor else 0
        self.events = list(events_of(host, row.id, first, self.at))
        self.requested = {e.effect: e for e in self.events if e.kind == kinds.REQUESTED}
        self.stands: tuple[tuple[Keyword, Value], ...] = ()
        past = machine_at(host, row, at, there=self._begin_there)
        self.past, self.machine = past, past.machine
        if not self.stands:
            self._begin(past.machine)
        # What the machine asks for on its way from the event to where it waits. All else that is open
        # was asked for in the first run, though its history, which was trimmed, need not say so.
        self.new = {request.number for request in past.asked} - self.requested.keys()
        self.notes = decode_progress(row.progress)
        self.received = {e.effect: e for e in self.events if e.kind == kinds.SIGNALLED}
        self.inherited = found_in(self.events, inherited_of(row.input))
        if row.anchor:
            later = events_of(host, row.id, self.at, row.seq)
            self.inherited |= before_the_cut(host.store, row.id, later)
        self.progress = Progress()
        self.held: list[EffectRequest] = []

    def made(self) -> Fork:
        """Return the fork."""
        state = self._state()
        program = program_at(self.host, self.row, self.at)
        self._write_missing_output()
        machine = self.machine
        origin = ((_FROM, self.row.id), (_AT, self.at), (_TO, self.id))
        self._record(kinds.FORKED, "", 0, encode_data(hash_map((*origin, *self.stands))))
        if self.new_program is not None:
            upgrading = upgrading_of(self.host, machine, self.new_program)
            upgrading.check(self.row.id)
            self._record(
                kinds.UPGRADED,
                "",
                0,
                upgraded_event(program, upgrading.program.hash, upgrading.machine()),
            )
            program, machine = upgrading.program.hash, upgrading.machine()
            self.machine = machine
        self._write_missing_requests()
        self._decide()
        machine.known.clear()
        encoded = encode(machine)
        inbox = self._inbox()
        data = self.host.store.program(program)
        if self.new_program is not None:
            data = upgrading.data
        row = self.row._replace(
            id=self.id,
            program=program,
            epoch=0,
            seq=self.events[-1].seq,
            owner=None,
            input=with_inherited(input_of_fork(self.row.input, self.row.id), self.inherited),
            result=None,
            error=self._error() if state is RunState.FAILED else None,
            waiting=encode_waiting(self.progress.effects.values()),
            progress=self.progress.encode(),
            parent=None,
            created_us=self.now,
            started_us=None,
            ended_us=self.now if state is RunState.FAILED else None,
            received=len(inbox),
            snapshot_format=encoded.version,
            queue="",
            chain=self._chain(),
        )
        parts = pack(row, state, data, encoded.data, encoded.chunks, self.events, inbox)
        return Fork(
            self.id, parts, tuple(self.held), tuple(sorted(self.inherited)), tuple(self.events)
        )

    def _begin_there(self, machine: Machine) -> None:
        """Let the fork begin at the event, unless the first run had asked for something since its last fact: then what
        it has computed to that end is a part of the history, and so of the first run."""
        for event in reversed(self.events):
            if event.kind == kinds.REQUESTED:
                return
            if event.kind in _FACTS:
                break
        self._begin(machine)

    def _begin(self, machine: Machine) -> None:
        """Let what the machine computes from now on be the fork's."""
        machine.run = self.id
        machine.generation += 1
        self.stands = ((_GENERATION, machine.generation), (_FUEL, machine.fuel_used))

    def _state(self) -> RunState:
        status = self.machine.status
        ended = status in (MachineStatus.COMPLETED, MachineStatus.CANCELLED)
        if ended or has_ended(self.events):  # with --now no machine has seen its cancellation
            raise RefusedError(
                "FM1136",
                f"run {self.row.id} has ended there ({self.row.state.value}): nothing goes on",
                hint="name an earlier event with --at N; `fmvm events` lists them",
            )
        return RunState.FAILED if status is MachineStatus.FAILED else RunState.READY

    def _error(self) -> bytes:
        if self.is_latest and self.row.error is not None:
            return self.row.error
        failed = (f for f in self.machine.fibers.values() if f.status is FiberStatus.FAILED)
        error = next(failed).error
        assert error is not None
        return error_bytes(error)

    def _record(self, kind: str, name: str, effect: int, data: bytes) -> None:
        self.events.append(Event(self._next_seq(), self.now, kind, name, effect, data))

    def _next_seq(self) -> int:
        return self.events[-1].seq + 1 if self.events else self.at + 1

    def _write_missing_output(self) -> None:
        """Write down what the machine has printed on its way, and the history does not say yet."""
        if self.is_latest:
            return
        kept = self.host.store.kept_snapshot(self.row.id, self.at)
        after = 0 if kept is None else kept[0]
        told = (e for e in self.events if e.kind == kinds.OUTPUT and e.seq > after)
        written = sum(len(decode_data(event.data)) for event in told)
        rest = self.past.output[written:]
        if rest:
            self._record(kinds.OUTPUT, "", 0, encode_data(rest))

    def _write_missing_requests(self) -> None:
        """Write down what the machine has asked for on its way, though it may wait for it no more."""
        for request in self.past.asked:
            number, kind = request.number, request.kind
            if number in self.new:
                self._record(kinds.REQUESTED, kind, number, encode_data(request.args))
                if number not in self.machine.open:
                    self._record(kinds.ABANDONED, kind, number, encode_data(None))

    # What was open

    def _decide(self) -> None:
        """Say what becomes of each effect that is open."""
        cancelled = None
        if self.is_latest:
            cancelled = self.notes.cancelled
            self.progress.status = self.notes.status
        else:
            self.progress.status = self._status()
            for event in self.events:
                if event.kind == kinds.CANCELLING:
                    reason = decode_data(event.data).get(_REASON)
                    cancelled = (event.time_us, str(reason or ""))
            if cancelled is None and self.machine.cancelled is not None:  # before the cut
                cancelled = (self.now, self.machine.cancelled)
        if cancelled is not None:  # clean-up has all its time again, that of single fibers too
            self.progress.cancelled = (self.now, cancelled[1])
        if not self.choices.perform:  # what was given up may have been done, as what is held
            self.progress.doubtful = self._doubtful()
        answered = {d.fact.number for d in self.machine.inbox if isinstance(d.fact, EffectResult)}
        left = dict(self.choices.results)
        for number in sorted(self.machine.open.keys() - answered):
            request = self.machine.open[number].request
            if number in left:
                self._answer(request, left.pop(number))
            elif number in self.new and lasting_key(request) in self.progress.doubtful:
                self.progress.doubtful.remove(lasting_key(request))
                self._answer(request, error=in_doubt(request))
            elif number in self.new:
                pass  # whoever drives the fork performs it
            elif number in self.received:  # the point lies between a signal and what it brought
                self._answer(request, decode_data(self.received[number].data).get(_VALUE))
            elif (error := error_of(request, self.inherited)) is not None:
                self._answer(request, error=error)
            elif self._goes_on(request):
                self.progress.effects[number] = self._pending(request)
            elif not self.choices.perform and not _is_asked_again(request):
                pending = Pending(request, EffectClass.WAITING, _OPTIONS, self._since(request))
                pending.held = True
                self.progress.effects[number] = pending
                self.held.append(request)
        if left:
            number = min(left)
            known = ", ".join(
                f"{n} ({e.request.kind})" for n, e in sorted(self.machine.open.items())
            )
            raise UsageError(
                "FM1135",
                f"effect {number} of run {self.row.id} is not open there",
                hint=f"open are: {known}" if known else "leave --result out: none is open there",
            )

    def _doubtful(self) -> set[str]:
        """Return the keys of what was given up by then, and may have been performed.

        What the machine gives up on its way from the event to where it waits is told of behind the point. That
        an effect has been told so since is in no history: it is told so once more.
        """
        if self.is_latest:
            return self.notes.doubtful
        later = events_of(self.host, self.row.id, self.at, self.row.seq)
        keys = {
            event.effect: said.get(_DOUBTFUL)
            for event in (*self.events, *later)
            if event.kind == kinds.ABANDONED and isinstance(said := decode_data(event.data), Map)
        }
        waits = self.machine.open.keys() | self.new
        until = self.machine.next_effect
        found = {key for effect, key in keys.items() if effect < until and effect not in waits}
        # What was cut off told of the others.
        return found | self.notes.doubtful.difference(keys.values()) if self.row.anchor else found

    def _status(self) -> Value:
        """Return what the first run had said of itself by then, as far as its history tells."""
        said: dict[int, Value] = {}
        status = None
        for event in self.events:
            if event.kind == kinds.REQUESTED and event.name == "run/status":
                said[event.effect] = decode_data(event.data).get(_VALUE)
            elif event.kind == kinds.RESOLVED and event.effect in said:
                status = said[event.effect]
        return status

    def _goes_on(self, request: EffectRequest) -> bool:
        return request.kind == "time/sleep" or request.kind in RECEIVES

    def _pending(self, request: EffectRequest) -> Pending:
        """Return a wait as it began in the first run."""
        since = self._since(request)
        try:
            options = options_of(request, EffectClass.WAITING)
            due = due_us(request, EffectClass.WAITING, options, since)
        except EffectFailed:  # it is told so when it is taken up
            return Pending(request, EffectClass.WAITING, _OPTIONS, since)
        note = self.notes.effects.get(request.number)
        if note is not None and (self.is_latest or request.number not in self.requested):
            since, due = note.first_us, note.due_us
        return Pending(request, EffectClass.WAITING, options, since, due)

    def _since(self, request: EffectRequest) -> int:
        """Return when it was asked for; the oldest time that is known if that was trimmed."""
        event = self.requested.get(request.number)
        if event is not None:
            return event.time_us
        note = self.notes.effects.get(request.number)
        if note is not None:
            return note.first_us
        return self.events[0].time_us if self.events else self.now

    def _answer(
        self, request: EffectRequest, value: Value = None, error: ErrorValue | None = None
    ) -> None:
        what = (_VALUE, value) if error is None else (_ERROR, error)
        data = encode_data(hash_map((what, (_FUEL, self.machine.fuel_used))))
        kind = kinds.RESOLVED if error is None else kinds.EFFECT_FAILED
        self._record(kind, request.kind, request.number, data)
        said = decode_data(data)
        result = EffectResult(request.number, said.get(_VALUE), said.get(_ERROR))
        deliver(self.machine, result, self.now, request.number)

    # What it brings along

    def _inbox(self) -> list[tuple[InboxRow, bool]]:
        """Return the signals that had come, and were not received, at the fork point."""
        found = [
            (row.time_us, row.message)
            for row in self.host.store.inbox(self.row.id, 0)
            if row.message.kind == "signal"
        ]
        if not self.is_latest:
            until = self._until()
            asked = {number: each.request for number, each in self.machine.open.items()}
            requested = {number: (one.kind, one.args) for number, one in asked.items()}
            # Of those of one moment, those that were received since came first.
            unread, found = found, []
            for event in events_of(self.host, self.row.id, self.at, self.row.seq):
                if event.kind == kinds.REQUESTED:
                    requested[event.effect] = event.name, decode_data(event.data)
                elif event.kind == kinds.SIGNALLED:
                    message = _message_of(event, *requested[event.effect])
                    found.append((event.time_us, message))
            found += unread
            found = [(time_us, message) for time_us, message in found if time_us <= until]
            found.sort(key=lambda pair: pair[0])
        return [
            (InboxRow(number, time_us, message), False)
            for number, (time_us, message) in enumerate(found, 1)
        ]

    def _until(self) -> int:
        """Return up to when things had come at the fork point: what came earlier may be noted later."""
        noted = [event.time_us for event in self.events if event.seq <= max(self.at, 1)]
        return max(noted, default=self.now)

    def _chain(self) -> bytes:
        """Return the head of the chain over the fork's history."""
        head = self.row.anchor or chain_beginning(self.host.keys)
        return extended(head, self.id, self.events, self.host.keys)


def _message_of(event: Event, kind: str, args: Map) -> Message:
    """Return the message that an event tells of, from the request of the effect that it answered."""
    said = decode_data(event.data)
    value = said.get(_VALUE)
    if args.get(_WHOLE) is True:  # then the result has the id, too
        value = value.get(_VALUE)
    return Message(said.get(_ID), RECEIVES[kind], event.name, encode_data(value))


def _is_asked_again(request: EffectRequest) -> bool:
    kind = KINDS.get(request.kind)
    local = kind is not None and kind.effect_class is EffectClass.LOCAL
    return local or request.kind in _AGAIN


_OPTIONS: Final = Options(None, ONCE, at_most_once=False)
"""Of an effect that nobody performs: none."""


def _row(host: Host, run: RunId) -> RunRow:
    row = host.store.run(run)
    if row is None:
        raise RunError("FM1101", f"there is no run {run}", hint="`fmvm ps` lists the runs")
    return row
