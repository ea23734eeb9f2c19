"""One claimed run in memory: its machine, and what has happened to it since the last commit.

What is collected here (events, output, log lines) is gone if a commit fails; then
the machine is dropped too, and nothing has happened.

Whatever decides about a run (advance.py) is a generator that yields a ``Step`` where
something has to be durable before it goes on, and is gone on with when it is.
Who drives it makes it so (committing.py): at once, or together with other runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from flowmetal.effects import events as kinds
from flowmetal.effects.errors import error_bytes, no_data
from flowmetal.effects.kinds import KINDS, EffectClass
from flowmetal.effects.requests import EffectRequest, EffectResult
from flowmetal.ids import ProgramHash
from flowmetal.runtime.entering import signal_name
from flowmetal.runtime.grants import RunGrants
from flowmetal.runtime.heap import Heap
from flowmetal.runtime.host import Host
from flowmetal.runtime.inheriting import made_anew
from flowmetal.runtime.lease import Lease
from flowmetal.runtime.local import Locals, LogLine
from flowmetal.runtime.options import asks_for_retries, idempotency_key
from flowmetal.runtime.progress import Pending, Progress
from flowmetal.runtime.waiting import encode_waiting
from flowmetal.store.chain import extended
from flowmetal.store.protocol import Claim, Commit, Event, InboxRow, NewEvent, RunState
from flowmetal.store.rules import kept
from flowmetal.values import DataError, ErrorValue, Map, Value, hash_map, keyword
from flowmetal.values.codec import decode_data, encode_data
from flowmetal.values.kinds import KINDS as KINDS_OF_VALUES
from flowmetal.values.kinds import LAST_SCALAR
from flowmetal.vm.effects import CHANGED
from flowmetal.vm.machine import deliver
from flowmetal.vm.state import Machine, MachineStatus

if TYPE_CHECKING:
    from flowmetal.store.operations.vocabulary import Asked

TURN_OF_OTHERS_US: Final = 10_000_000
"""How long a run keeps its place in an interpreter that has no room for others."""

_GOING_ON: Final = frozenset({RunState.READY, RunState.RUNNING, RunState.WAITING})

_VALUE = keyword("value")
_ERROR = keyword("error")
_FUEL = keyword("fuel")
_QUEUE = keyword("queue")
_ID = keyword("id")


class Arrival(NamedTuple):
    """How one attempt of a connector ended. ``wish_us``: the world's own wish when to try again. ``begun`` false: it
    is known that nobody has begun it."""

    number: int
    at_us: int
    value: Value = None
    error: ErrorValue | None = None
    wish_us: int | None = None
    begun: bool = True


class Step(NamedTuple):
    """A state in which the run is to be made durable. ``leave``: and given back."""

    state: RunState
    leave: bool = False
    result: bytes | None = None
    error: bytes | None = None
    revived: bool = False
    grants: bytes | None = None  # None: unchanged


@dataclass(slots=True, eq=False, repr=False)
class ActiveRun:
    """A run that this interpreter holds.

    ``left`` is set by the commit after which it does not drive the run any more:
    the run has ended, was paused, or waits and was let go of.
    """

    host: Host
    claim: Claim
    lease: Lease
    machine: Machine
    grants: RunGrants
    locals: Locals
    program: ProgramHash
    progress: Progress = field(default_factory=Progress)
    mailbox: list[InboxRow] = field(default_factory=list)  # signals not consumed, oldest first
    answers: dict[int, InboxRow] = field(default_factory=dict)  # of the store, by effect number
    seen: int = 0
    looked_after: Claim | None = None  # the commit after which messages were looked for
    pausing: InboxRow | None = None  # a pause that waits for what must not be broken off
    inherited: frozenset[str] = frozenset()  # what is not its own (inheriting.py)
    arrivals: list[Arrival] = field(default_factory=list)
    set_aside: ErrorValue | None = None  # why the run is to stand still, its machine as it is

    # Asked for and not begun.
    local: list[EffectRequest] = field(default_factory=list)
    quick: list[EffectRequest] = field(default_factory=list)
    fresh: list[tuple[EffectRequest, EffectClass]] = field(default_factory=list)

    # Heads of the chain of events: up to the last commit, and with the one under way.
    chain: bytes = b""
    next_chain: bytes = b""

    # Not durable yet.
    events: list[NewEvent] = field(default_factory=list)
    consumed: list[int] = field(default_factory=list)
    operations: list[Asked] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    has_started: bool = False  # it has started another run
    is_new: bool = False  # it was never driven before
    created_us: int = 0
    is_crowded: Callable[[], bool] | None = None  # says whether other runs find no room here
    when_committed: Callable[[], None] | None = None  # called once
    claimed_us: int = 0  # monotonic
    told_us: int = 0  # monotonic: when it was told what the run waits for (telling.py)
    told: set[int] = field(default_factory=set)  # the effects that were told
    is_large: bool = False  # it was said that its snapshots are
    next_effect: int = 0  # of the machine, at the last commit
    undurable: bool = False  # the machine holds something that no commit does
    heap: Heap = field(init=False)

    left: RunState | None = None
    committed_us: int = 0  # monotonic
    result: Value = None
    error: ErrorValue | None = None

    def __post_init__(self) -> None:
        self.heap = Heap(self.host.limits.heap, self.host.clock.monotonic_us, self.host.resident)

    def is_driven(self) -> bool:
        """Say whether this interpreter still has the run."""
        return self.left is None

    def is_held_up(self, request: EffectRequest) -> bool:
        """Say whether a request was there at the last commit, and is not begun yet."""
        return request.number < self.next_effect

    def is_in_flight(self) -> bool:
        """Say whether an attempt of a connector is under way here, or has just ended."""
        return any(pending.in_flight for pending in self.progress.effects.values())

    def record(self, kind: str, name: str, effect: int, data: bytes, time_us: int = 0) -> None:
        """Put a fact into the next commit. ``time_us`` 0: now."""
        time_us = time_us or self.host.clock.now_us()
        self.events.append(NewEvent(kind, name, effect, data, time_us))

    def has_news(self) -> bool:
        """Say whether something has happened but a crash: that alone is no reason for a commit, which would
        say that the run got on."""
        return any(each.kind != kinds.RECOVERED for each in self.events)

    def is_suspected(self) -> bool:
        """Say whether something is performed that may have killed an interpreter."""
        return any(pending.crashes for pending in self.progress.effects.values())

    def has_mail(self) -> bool:
        """Say whether the last commit said that there are messages which nobody has looked at."""
        return self.claim.received > self.seen

    def prepare(self, step: Step) -> Commit:
        """Return what makes all that has happened durable."""
        progress = self.progress
        encoded = None
        if step.state is not RunState.COMPLETED:
            encoded = self.heap.encode(self.machine, cancelled=progress.cancelled is not None)
        if encoded is not None and not self.is_large:
            self._warn_if_large(len(encoded.data))
        waits = step.state is RunState.WAITING
        leaves = self._leaves(step)
        if leaves:
            progress.note_what_has_not_begun()
        changed = progress.changed or progress.recounted
        self.next_chain = self._chained()
        return Commit(
            events=self.events,
            state=step.state,
            snapshot=None if encoded is None else encoded.data,
            chunks={} if encoded is None else encoded.chunks,
            wake_at_us=progress.next_due_us() if waits else self._end_of_line(step),
            result=step.result,
            error=step.error,
            waiting=encode_waiting(progress.effects.values()) if changed else None,
            progress=progress.encode() if changed else None,
            seen=self.seen,
            heeds=step.state is RunState.PAUSED,  # a cancellation is not to lie unread
            consumed=self.consumed,
            release=leaves,
            snapshot_format=0 if encoded is None else encoded.version,
            operations=self.operations,
            revived=step.revived,
            grants=step.grants,
            chain=self.next_chain if self.events else None,
            keep=encoded is not None and self._is_to_be_kept(len(encoded.data)),
        )

    def fail(self, error: ErrorValue) -> Step:
        """Return the step in which the run ends with an error; its machine stays as it is."""
        self.error = error
        data = error_bytes(error)
        self.record(kinds.FAILED, kept(error.type.text), 0, data)
        return Step(RunState.FAILED, leave=True, error=data)

    def _leaves(self, step: Step) -> bool:
        """Say whether the run is given back: one that was found too large is to fail first."""
        if self.heap.exceeded is not None and step.state in _GOING_ON and not step.revived:
            return False
        return step.leave

    def _end_of_line(self, step: Step) -> int | None:
        """A run that could go on and is given back goes on after those that are due before now."""
        return self.host.clock.now_us() if step.leave and step.state is RunState.READY else None

    def is_to_share(self) -> bool:
        """Say whether the run has computed for long while others found no room."""
        if self.is_crowded is None or not self.is_crowded():
            return False
        if self.is_in_flight():
            return False
        return self.host.clock.monotonic_us() - self.claimed_us > TURN_OF_OTHERS_US

    def _chained(self) -> bytes:
        first = self.claim.seq + 1
        events = (
            Event(seq, event.time_us, event.kind, event.name, event.effect, event.data)
            for seq, event in enumerate(self.events, first)
        )
        return extended(self.chain, self.claim.run, events, self.host.keys)

    def _is_to_be_kept(self, size: int) -> bool:
        """Say whether a snapshot of this size stays in the history: as many as cost a bounded
        number of bytes an event, so small ones all. It depends on nothing that is not stored."""
        share = self.host.history_bytes
        if not share or not self.events:
            return False
        every = -(-size // share)
        before, after = self.claim.seq, self.claim.seq + len(self.events)
        return before // every != after // every

    def settle(self, step: Step, claim: Claim) -> None:
        """Take note that a step is durable, and show what it says. ``claim`` is for the next one."""
        self.claim = claim
        self.chain = self.next_chain
        self.events = []
        self.consumed = []
        if self.operations:
            self._settle_operations()
        self.undurable = False
        self.next_effect = self.machine.next_effect
        self.progress.changed = self.progress.recounted = False
        self.committed_us = self.host.clock.monotonic_us()
        if self.when_committed is not None:
            self.when_committed()
            self.when_committed = None
        if self._leaves(step):
            self.left = step.state
        if self.output or self.locals.lines:
            self.show()

    def _warn_if_large(self, size: int) -> None:
        """Say once that every commit writes much: what is no chunk is written again each time."""
        most = self.host.limits.snapshot
        if size > most:
            self.is_large = True
            message = (
                f"a snapshot of this run takes {size:,} bytes at every commit, more than {most:,}: "
                "keep many small values in one collection, or large ones outside of the run"
            )
            self.locals.lines.append(LogLine(self.host.clock.now_us(), "warn", message, None))

    def show(self) -> None:
        """Tell the observer what was printed and logged since the last time."""
        observer, run = self.host.observer, self.machine.run
        for text in self.output:
            observer.wrote(run, text)
        for line in self.locals.lines:
            observer.logged(run, line)
        self.output.clear()
        self.locals.lines.clear()

    def parked_state(self, now_us: int) -> RunState:
        """Return the state to commit: WAITING if nothing is done for the run, or could be, now."""
        if self.machine.status is MachineStatus.READY or self.machine.inbox:
            return RunState.RUNNING
        if self.local or self.quick or self.fresh:
            return RunState.RUNNING
        for pending in self.progress.effects.values():
            if pending.effect_class is EffectClass.CONNECTOR and (
                pending.due_us is None or pending.due_us <= now_us
            ):
                return RunState.RUNNING
        return RunState.WAITING

    def not_begun(self) -> list[EffectRequest]:
        """Return what the machine has asked for and nothing has been done about."""
        return [*self.local, *self.quick, *(request for request, _ in self.fresh)]

    def class_of(self, request: EffectRequest) -> EffectClass:
        """Return the class of an effect, as this interpreter can serve it."""
        kind = request.kind
        row = KINDS.get(kind)
        if row is not None and row.effect_class is not EffectClass.CONNECTOR:
            return row.effect_class
        if row is None and self.is_for_workers(kind):
            return EffectClass.TASK
        function = self.host.world.function(kind)
        if function is not None:
            # Between two attempts others go on, so what is to be retried is no in-process effect.
            is_quick = function.quick and not asks_for_retries(request)
            return EffectClass.IN_PROCESS if is_quick else EffectClass.CONNECTOR
        is_known = self.host.world.connector(kind) is not None
        return EffectClass.CONNECTOR if is_known else EffectClass.CALL

    def declared(self, kind: str) -> Map | None:
        """Return the options with which the program declares a kind of effect."""
        for module in self.machine.image.modules:
            for found in module.kinds:
                if found.kind == kind:
                    return found.options
        return None

    def offered(self) -> tuple[EffectRequest, ...]:
        """Return what the run waits for and other processes perform."""
        return tuple(p.request for p in self.progress.effects.values() if p.offered)

    def is_for_workers(self, kind: str) -> bool:
        """Say whether the program hands a kind of effect to workers of a queue."""
        declared = self.declared(kind)
        return declared is not None and declared.get(_QUEUE) is not None

    def _settle_operations(self) -> None:
        from flowmetal.store.operations.vocabulary import Enqueue, StartRun

        if any(isinstance(asked.operation, StartRun | Enqueue) for asked in self.operations):
            self.has_started = True
        self.operations = []

    def effect_id(self, number: int) -> str:
        """Return the name under which the store answers an effect."""
        return f"{self.machine.generation}.{number}"

    def withdraw(self, pending: Pending) -> None:
        """Let the store know that nobody waits for an effect any more."""
        if pending.effect_class in (EffectClass.STORE, EffectClass.TASK) or pending.offered:
            from flowmetal.store.operations.vocabulary import Asked, Withdraw

            self.operations.append(Asked("", Withdraw(self.effect_id(pending.request.number))))
            self.undurable = True

    def ask_anew(self, request: EffectRequest) -> None:
        """Let the store forget what it has answered to an effect that is to be performed again, whoever did it before."""
        from flowmetal.store.operations.vocabulary import AskAnew, Asked

        self.operations.append(Asked(self.effect_id(request.number), AskAnew()))

    def ask(self, request: EffectRequest) -> None:
        """Take a new request of the machine."""
        self.record(kinds.REQUESTED, request.kind, request.number, encode_data(request.args))
        if CHANGED in request.key:
            self.record(kinds.REKEYED, request.kind, request.number, encode_data(request.key))
        self.route(request)

    def route(self, request: EffectRequest) -> None:
        """Put a request where its class is dealt with."""
        effect_class = self.class_of(request)
        if effect_class is EffectClass.LOCAL:
            self.local.append(request)
        elif effect_class is EffectClass.IN_PROCESS:
            self.quick.append(request)
        else:
            self.fresh.append((request, effect_class))

    def resolve(
        self, request: EffectRequest, value: Value, error: ErrorValue | None, at_us: int
    ) -> None:
        """Give the machine the result of an effect, and write it down. Only data gets in."""
        number = request.number
        if error is None:
            try:
                data = encode_data(hash_map(((_VALUE, value), (_FUEL, self.machine.fuel_used))))
            except DataError as problem:
                error = no_data(request.kind, problem.message)
        if error is None:
            self.record(kinds.RESOLVED, request.kind, number, data, at_us)
            if KINDS_OF_VALUES[type(value)] > LAST_SCALAR:
                # What enters is what the history says, and shares nothing with what the world has:
                # so it is the same when it happens again.
                value = decode_data(data).get(_VALUE)
            result = EffectResult(number, value)
            if self.inherited:
                self._take_over(made_anew(self.inherited, request.kind, value))
        else:
            data = encode_data(hash_map(((_ERROR, error), (_FUEL, self.machine.fuel_used))))
            self.record(kinds.EFFECT_FAILED, request.kind, number, data, at_us)
            result = EffectResult(number, None, decode_data(data).get(_ERROR))
        if self.progress.effects.pop(number, None) is not None:
            self.progress.changed = True
        deliver(self.machine, result, at_us, number)
        self.undurable = True

    def _take_over(self, names: frozenset[str]) -> None:
        """Hold for the run's own what has been made under these names."""
        if names:
            self.inherited -= names
            self.progress.anew |= names
            self.progress.changed = True

    def key_of(self, request: EffectRequest) -> str:
        """Return the idempotency key of an effect, the same for every attempt."""
        return idempotency_key(self.machine.run, self.machine.generation, request)

    def signal_id_of(self, request: EffectRequest) -> str:
        """Return the id under which a signal comes in once: the one that is given, or one of this run's own."""
        given = request.args.get(_ID)
        return self.message_id_of(request) if given is None else signal_name(given)

    def message_id_of(self, request: EffectRequest) -> str:
        """Return the id under which what the run says to others comes in once, however often it is said.

        Who hears it may live for years, and remember what a run has said that had this id before and is forgotten.
        """
        return f"{self.key_of(request)}/{self.created_us}"
