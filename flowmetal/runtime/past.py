"""Any state that a run was in: an older snapshot, and the facts that entered after it, fed again.

Between two facts a machine is deterministic, and each event that records a fact
says how much fuel had been burnt when it entered. So the machine runs up to that
point, gets the fact, and runs on; nothing is performed, and nothing is written. The limits are those
of whoever looks, as they are of whoever drives: they have to be what they were.
What it asks for on the way must be what the history says that it asked for:
``machine_at`` is also how a history is checked against its program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from flowmetal.effects import events as kinds
from flowmetal.effects.requests import EffectRequest, EffectResult
from flowmetal.errors import RunError
from flowmetal.ids import EffectNumber, ProgramHash, RunId
from flowmetal.runtime.host import Host
from flowmetal.runtime.reviving import Resume, revival_of
from flowmetal.runtime.starting import decode_input, first_id
from flowmetal.runtime.upgrading import moved
from flowmetal.snapshot import decode
from flowmetal.store.protocol import Event, RunRow
from flowmetal.values import DataError, Map, keyword
from flowmetal.values.codec import decode_data
from flowmetal.vm.link import Image
from flowmetal.vm.machine import UNLIMITED, deliver, run, run_free, start
from flowmetal.vm.state import Cancel, Machine, MachineStatus, Overdue, Turn

_VALUE = keyword("value")
_ERROR = keyword("error")
_FUEL = keyword("fuel")
_GENERATION = keyword("generation")
_REASON = keyword("reason")
_REVIVED = keyword("revived")
_AGAIN = keyword("again")
_PAGE: Final = 1000
_FAILING: Final = 100_000
"""More fuel than it takes to fail: that costs none of its own, but the machine has to be let go on."""


@dataclass(slots=True)
class Past:
    """A machine as it stood after event ``seq``, and what it asked for and wrote on the way there."""

    machine: Machine
    seq: int
    image_of: Callable[[ProgramHash], Image]
    asked: list[EffectRequest] = field(default_factory=list)
    output: str = ""
    is_revived: bool = False  # and nothing has been computed since, not even what costs no fuel

    def run_to(self, fuel: int) -> None:
        """Compute until so much fuel has been burnt in all, or until only facts can wake the machine."""
        machine = self.machine
        while machine.fuel_used < fuel:
            before = machine.fuel_used
            self._note(run(machine, fuel - before, exact=True))
            if machine.fuel_used == before:
                break
        self._note(run_free(machine))

    def run_as_far_as(self, other: Machine) -> None:
        """Compute until where another machine of the run has come."""
        if other.status is MachineStatus.FAILED:
            self.run_to_failure(other.fuel_used)
        else:
            self.run_to(other.fuel_used)

    def run_to_failure(self, fuel: int) -> None:
        """Compute until the machine fails, as it did at so much fuel. Under other limits than it had then, it may not."""
        self.run_to(fuel + _FAILING)

    def take_in(self) -> None:
        """Let in what has been fed and entered at the fuel at which the machine stands."""
        self._note(run(self.machine, 0))
        self._note(run_free(self.machine))

    def _note(self, turn: Turn) -> None:
        self.is_revived = False
        self.asked += turn.requests
        self.output += turn.output


def machine_at(
    host: Host,
    row: RunRow,
    at: int | None = None,
    image: Image | None = None,
    *,
    there: Callable[[Machine], None] = lambda machine: None,
) -> Past:
    """Build the machine of a run as it stood after event ``at`` (None: as it stands).

    ``image`` is one of the program that the run had then (``program_at``) and may be changed; by
    default the host's own. ``there`` gets an earlier machine before it computes from the event to where it waits.
    Raises RunError FM1130 if there is no such event, FM1131 if the history does not
    fit the program, or what is needed of it was trimmed.
    """
    if at is not None and not 1 <= at <= row.seq:
        raise RunError(
            "FM1130",
            f"run {row.id} has no event {at}",
            hint=f"its events are numbered from 1 to {row.seq}",
        )
    completed = row.result is not None  # though it has moved away since
    if completed:  # its last snapshot is not of its end
        at, data = at or row.seq, None
    elif at is None:
        return _latest(host, row, host.store.snapshot(row.id), image)
    else:
        row, data = standing(host, row)
        if at == row.seq:
            return _latest(host, row, data, image)
    past = _older(host, row, at, image)
    for event in events_of(host, row.id, past.seq, at):
        feed(past, event)
    if past.seq < at:
        raise _trimmed(past.seq + 1)
    there(past.machine)
    if any(_approach(past, event) for event in events_of(host, row.id, at, row.seq)):
        return past
    if completed:  # so it ends, from here on
        past.run_to(UNLIMITED)
    else:
        past.run_as_far_as(_latest(host, row, data, None).machine)
    return past


def standing(host: Host, row: RunRow) -> tuple[RunRow, bytes | None]:
    """Return a run's row and its snapshot as of one commit: it may be driven while it is looked at.

    The row is the one given, or a later one.
    """
    while True:  # a commit takes longer than these two reads, so it is soon over
        data = host.store.snapshot(row.id)
        now = host.store.run(row.id)
        if now is None or now.seq == row.seq:
            return row, data
        row = now


def latest(host: Host, row: RunRow, data: bytes | None) -> Machine:
    """Return the machine in a run's latest snapshot, or as it began if there is none."""
    return _latest(host, row, data, None).machine


def feed(past: Past, event: Event) -> None:
    """Let one event of the history happen again. Raises RunError FM1131 if it cannot."""
    if event.seq != past.seq + 1:
        raise _trimmed(past.seq + 1, f": the history goes on with {event.seq}")
    past.seq = event.seq
    _approach(past, event)
    machine = past.machine
    match event.kind:
        case kinds.RESOLVED | kinds.EFFECT_FAILED:
            data = _data(event)
            if event.effect not in machine.open:
                past.take_in()
            if event.effect not in machine.open:
                raise _unlike(past, event, f"effect {event.effect} is not open")
            number = EffectNumber(event.effect)
            result = EffectResult(number, data.get(_VALUE), data.get(_ERROR))
            deliver(machine, result, event.time_us, event.effect)
        case kinds.CANCELLING:
            data = _data(event)
            if not data.get(_AGAIN):
                deliver(machine, Cancel(str(data.get(_REASON) or "")), event.time_us)
        case kinds.OVERDUE:
            deliver(machine, Overdue(_data(event).get(keyword("fiber"))), event.time_us)
        case kinds.REVIVED:
            revival_of(_data(event)).apply(machine)
            past.is_revived = True
        case kinds.UPGRADED:
            _upgrade(past, _data(event))
        case kinds.FORKED:
            data = _data(event)
            machine.run = RunId(data.get(keyword("to")))
            machine.generation = data.get(_GENERATION)
        case _:
            pass


def _approach(past: Past, event: Event) -> bool:
    """Compute up to where an event found the machine. Say whether it is one that found it somewhere.

    An upgrade does as what enters does: from there on another program has computed; and so does a fork: until
    there ``(run-id)`` was that of the first run.
    """
    match event.kind:
        case kinds.RESOLVED | kinds.EFFECT_FAILED | kinds.OVERDUE:
            past.run_to(_data(event).get(_FUEL))
        case kinds.FORKED:
            fuel = _data(event).get(_FUEL)
            if type(fuel) is not int or fuel <= past.machine.fuel_used:  # as far as one knows
                return False
            past.run_to(fuel)
        case kinds.CANCELLING:
            fuel = _data(event).get(_FUEL)
            came_with_revival = past.is_revived and fuel <= past.machine.fuel_used
            if not came_with_revival:
                past.run_to(fuel)
        case kinds.REVIVED:
            data = _data(event)
            if isinstance(revival_of(data), Resume):
                past.run_to(data.get(_FUEL))
            else:
                past.run_to_failure(data.get(_FUEL))
        case kinds.UPGRADED:
            data = _data(event)
            fuel = data.get(_FUEL)
            if fuel is not None and not data.get(_REVIVED):  # None: the run had not begun
                past.run_to(fuel)
        case _:
            return False
    return True


def _upgrade(past: Past, data: Map) -> None:
    """Let the machine go on in another program, as it did."""
    image = past.image_of(ProgramHash(data.get(keyword("to"))))
    if data.get(_FUEL) is None:  # the run had not begun
        old = past.machine
        past.machine = start(image, old.entry, old.arguments, old.run, old.random)
        past.machine.limits = old.limits
    else:
        past.machine = moved(past.machine, image)


def has_ended(events: Iterable[Event]) -> bool:
    """Say whether a run has ended for good within these events; it may have moved away since."""
    return any(event.kind in (kinds.COMPLETED, kinds.CANCELLED) for event in events)


def program_at(host: Host, row: RunRow, seq: int) -> ProgramHash:
    """Return the program that a run had after event ``seq``."""
    for event in events_of(host, row.id, seq, row.seq):
        if event.kind == kinds.UPGRADED:
            return ProgramHash(_data(event).get(keyword("from")))
    return row.program


def _latest(host: Host, row: RunRow, data: bytes | None, image: Image | None) -> Past:
    image = host.image(row.program) if image is None else image
    machine = _begin(host, row, image) if data is None else _decoded(host, row, image, data)
    return Past(machine, row.seq, host.image)


def _older(host: Host, row: RunRow, at: int, image: Image | None) -> Past:
    """Return the newest state that is kept and not later than event ``at``."""
    kept = host.store.kept_snapshot(row.id, at)
    seq = 0 if kept is None else kept[0]
    program = program_at(host, row, seq)

    def image_of(name: ProgramHash) -> Image:
        return host.image(name) if image is None or image.program.hash != name else image

    if kept is None:
        return Past(_begin(host, row, image_of(program)), 0, image_of)
    return Past(_decoded(host, row, image_of(program), kept[1]), seq, image_of)


def oldest(host: Host, row: RunRow) -> Past | None:
    """Return the machine of the oldest snapshot that is kept, as it was saved; None: none is."""
    kept = host.store.kept_snapshots(row.id)
    return _older(host, row, kept[0][0], None) if kept else None


def beginning(host: Host, row: RunRow) -> Past:
    """Return the machine of a run before its first instruction."""
    return Past(_begin(host, row, host.image(program_at(host, row, 0))), 0, host.image)


def _begin(host: Host, row: RunRow, image: Image) -> Machine:
    entry, arguments, seed = decode_input(row.input)
    machine = start(image, entry, arguments, first_id(row.input) or row.id, seed)
    machine.limits = host.limits
    return machine


def _decoded(host: Host, row: RunRow, image: Image, data: bytes) -> Machine:
    machine = decode(data, image, partial(host.store.chunks, row.id))
    machine.limits = host.limits
    return machine


def events_of(host: Host, run: RunId, after: int, last: int) -> Iterator[Event]:
    """Yield the events of a run after number ``after``, up to number ``last``."""
    while after < last and (page := host.store.events(run, after, min(_PAGE, last - after))):
        yield from page
        after = page[-1].seq


def _data(event: Event) -> Map:
    try:
        found = decode_data(event.data)
    except DataError as error:
        raise RunError("FM1131", f"event {event.seq} is damaged: {error.message}") from None
    if not isinstance(found, Map):
        raise RunError("FM1131", f"event {event.seq} is damaged: it holds no map")
    return found


def _trimmed(first: int, more: str = "") -> RunError:
    return RunError(
        "FM1131",
        f"event {first} is not there{more}",
        hint="what the retention policy has trimmed cannot be looked at any more",
    )


def _unlike(past: Past, event: Event, why: str) -> RunError:
    return RunError(
        "FM1131",
        f"the history does not fit the program at event {event.seq} ({event.kind}): {why}",
        hint="`fmvm verify RUN` looks at all of it",
    )
