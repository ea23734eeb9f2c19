"""What must hold in a store after every single write: the ledger knows what was before.

It sees each write with what it came to, reads what is durable now, and says what is wrong. It looks
through the store's protocol alone, so that it does for every store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flowmetal.effects import events as kinds
from flowmetal.effects.kinds import KINDS, EffectClass
from flowmetal.errors import Conflict
from flowmetal.ids import RunId
from flowmetal.runtime.progress import decode_progress
from flowmetal.store.operations.vocabulary import ShowPermit, ShowTies
from flowmetal.store.protocol import ENDED, Claim, Commit, Event, RunRow, RunState, Store
from flowmetal.values import Map, decode_data, encode_data, keyword

if TYPE_CHECKING:
    from tests.simulation.simulation import Process

_ID, _TIES = keyword("id"), keyword("ties")
_NAME, _WAITING, _VALUE = map(keyword, ("name", "waiting", "value"))
_OVER = ENDED - {RunState.FAILED}
_WAITED_FOR = frozenset({"run/await", "callback/await", "promise/await", "lock/acquire"})


@dataclass(slots=True)
class Known:
    """What the ledger knows of a run."""

    seq: int = 0
    epoch: int = 0
    seen: int = 0
    asked: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)
    signals: set[str] = field(default_factory=set)
    received: dict[int, tuple[str, str]] = field(default_factory=dict)  # kind and id, by number
    consumed: set[int] = field(default_factory=set)
    output: list[str] = field(default_factory=list)
    steps: dict[tuple[int, int], str] = field(default_factory=dict)  # who wrote from there


class Broken(AssertionError):
    """Something that must hold does not."""


class Ledger:
    """See the module's docstring. ``problem`` raises Broken: a simulation ends at the first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._runs: dict[RunId, Known] = {}
        self._keys: dict[str, str] = {}  # of each effect, by what it is
        self._effects: dict[str, str] = {}  # what it is, by key
        self._locks: set[str] = set()
        self.commits = 0
        self.found: list[str] = []

    def problem(self, what: str) -> None:
        self.found.append(what)
        raise Broken(what)

    def known(self, run: RunId) -> Known:
        return self._runs.setdefault(run, Known())

    # Writes

    def before(self, name: str, arguments: tuple[Any, ...]) -> list[RunRow | None]:
        """Return the rows that a write is about, as they are now."""
        return [self._store.run(claim.run) for claim, _ in _steps(name, arguments)]

    def after(
        self,
        process: Process,
        name: str,
        arguments: tuple[Any, ...],
        answer: Any,
        rows: Sequence[RunRow | None],
    ) -> None:
        """Look at what a write has come to."""
        match name:
            case "commit" | "commit_all":
                answers = [answer] if name == "commit" else answer
                steps = _steps(name, arguments)
                for (claim, commit), given, row in zip(steps, answers, rows, strict=True):
                    if not isinstance(given, Conflict):
                        assert row is not None
                        self._committed(process, claim, commit, given, row)
            case "claim" | "claim_ready":
                for claim in answer if isinstance(answer, list) else [answer]:
                    if isinstance(claim, Claim):
                        self._claimed(claim)
            case "send":
                if answer is not None:
                    run, message = arguments
                    self._received(run, answer.number, message.kind, message.id)
            case "set_state":
                self._read_history(arguments[0])
                self.known(arguments[0]).epoch = answer.epoch
            case _:
                pass

    def _claimed(self, claim: Claim) -> None:
        known = self.known(claim.run)
        if claim.epoch <= known.epoch:
            self.problem(f"run {claim.run} was claimed under epoch {claim.epoch} twice")
        known.epoch = claim.epoch
        row = self._row(claim.run)
        if (row.owner, row.epoch, row.seq) != (claim.owner, claim.epoch, claim.seq):
            self.problem(
                f"{claim} does not say how its run stands: {row.owner} {row.epoch} {row.seq}"
            )

    def _committed(
        self, process: Process, claim: Claim, commit: Commit, given: Claim, before: RunRow
    ) -> None:
        self.commits += 1
        known, run = self.known(claim.run), claim.run
        if (before.owner, before.epoch, before.seq) != (claim.owner, claim.epoch, claim.seq):
            self.problem(
                f"run {run} was written under {claim.owner} {claim.epoch} {claim.seq}"
                f" while it stood at {before.owner} {before.epoch} {before.seq}"
            )
        if claim.epoch != known.epoch:
            self.problem(f"run {run} was written under epoch {claim.epoch}, not {known.epoch}")
        if commit.events:
            other = known.steps.setdefault((claim.epoch, claim.seq), process.name)
            if other != process.name:
                self.problem(f"{other} and {process.name} wrote run {run} from event {claim.seq}")
        if given.seq != claim.seq + len(commit.events):
            self.problem(f"run {run} went from {claim.seq} to {given.seq} by {len(commit.events)}")
        known.seen = max(known.seen, commit.seen)
        before_read = known.seq
        row = self._read_history(run)
        if row.seq != given.seq:
            self.problem(f"run {run} is at {row.seq}, its writer was told {given.seq}")
        self._check_consumed(run, known, commit, before_read)
        if row.owner is None:
            self._check_parked(row, known, commit)

    def _read_history(self, run: RunId) -> RunRow:
        """Read the events that are new, and check that each may be there."""
        known = self.known(run)
        row = self._row(run)
        for event in self._store.events(run, known.seq, 10_000):
            if event.seq != known.seq + 1:
                self.problem(f"run {run} has event {event.seq} after {known.seq}")
            known.seq = event.seq
            self._check_event(run, known, event)
        if row.seq != known.seq:
            self.problem(f"run {run} is at {row.seq}, its history ends at {known.seq}")
        return row

    def _check_event(self, run: RunId, known: Known, event: Event) -> None:
        number = event.effect
        match event.kind:
            case kinds.REQUESTED:
                if number in known.asked:
                    self.problem(f"run {run} asks for effect {number} again at {event.seq}")
                known.asked[number] = (event.name, event.data)
                known.open.add(number)
                if event.name == "lock/acquire":
                    name = decode_data(event.data).get(_NAME)
                    self._locks.add(str(getattr(name, "text", name)))
            case kinds.RESOLVED | kinds.EFFECT_FAILED | kinds.ABANDONED:
                if number not in known.asked:
                    self.problem(f"run {run} has a result of effect {number}, never asked for")
                if number not in known.open:
                    self.problem(f"run {run} has a second result of effect {number} at {event.seq}")
                known.open.discard(number)
            case kinds.REVIVED:
                if number:
                    known.open.add(number)
            case kinds.SIGNALLED:
                id_ = decode_data(event.data).get(_ID)
                if id_ in known.signals:
                    self.problem(f"run {run} received the signal {id_} twice")
                known.signals.add(id_)
            case kinds.OUTPUT:
                known.output.append(decode_data(event.data))
            case _:
                pass

    def _check_consumed(self, run: RunId, known: Known, commit: Commit, before: int) -> None:
        """What leaves the inbox is in the history, and nothing else leaves it."""
        known.consumed.update(commit.consumed)
        unread = {row.number for row in self._store.inbox(run, 0)}
        for number, (kind, id_) in known.received.items():
            if number not in unread and number not in known.consumed:
                self.problem(
                    f"run {run} lost message {number}, {kind} {id_}, which was acknowledged"
                )
            if number in commit.consumed and kind == "signal" and id_ not in known.signals:
                self.problem(f"run {run} has consumed signal {id_} and not received it")

    def _check_parked(self, row: RunRow, known: Known, commit: Commit) -> None:
        """A run that sleeps has what wakes it: state and outbox agree."""
        if row.state in ENDED or row.state is RunState.PAUSED:
            return
        if row.state is RunState.WAITING and row.received > commit.seen:
            self.problem(f"run {row.id} sleeps, and message {row.received} was not looked at")
        if row.state is not RunState.WAITING:
            return
        kept = decode_progress(row.progress)
        notes = kept.effects
        if set(notes) != known.open:
            self.problem(f"run {row.id} keeps notes of {set(notes)}, and {known.open} are open")
        dues = [note.due_us for note in notes.values() if note.due_us is not None]
        dues += kept.cleaning.values()
        if dues and (row.wake_at_us is None or row.wake_at_us > min(dues)):
            self.problem(f"run {row.id} sleeps until {row.wake_at_us}, and is due at {min(dues)}")
        for number in notes:
            name = known.asked[number][0]
            if name == "time/sleep" and notes[number].due_us is None:
                self.problem(f"run {row.id} sleeps for ever in effect {number}")
            if name in _WAITED_FOR or _is_task(name):
                self._check_tied(row, number, name)

    def _check_tied(self, row: RunRow, number: int, name: str) -> None:
        effect = f"0.{number}"
        ties = self._store.operate(ShowTies(row.id)).get(_TIES)
        tied = any(tie.nth(0) == "open" and tie.nth(1) == effect for tie in ties)
        answered = any(m.message.id == f"effect/{effect}" for m in self._store.inbox(row.id, 0))
        if not tied and not answered:
            self.problem(f"run {row.id} waits for {name} {number}, and nobody knows that it does")

    def _received(self, run: RunId, number: int, kind: str, id_: str) -> None:
        known = self.known(run)
        other = known.received.setdefault(number, (kind, id_))
        if other != (kind, id_):
            self.problem(
                f"{id_} and {other[1]} were both acknowledged as message {number} of {run}"
            )

    def _row(self, run: RunId) -> RunRow:
        row = self._store.run(run)
        assert row is not None, run
        return row

    # The world

    def begins(self, kind: str, key: str, args: Map, what: str) -> None:
        """An effect is about to be performed. ``what`` names it, whoever performs it."""
        other = self._keys.setdefault(what, key)
        if other != key:
            self.problem(f"{what} is performed under {key}, and was under {other}")
        effect = self._effects.setdefault(key, what)
        if effect != what:
            self.problem(f"{what} is performed under the key of {effect}")
        run = RunId(key.partition("/")[0])
        known = self._runs.get(run, Known())
        quick = kind == "sim/quick"
        if not quick and (kind, encode_data(args)) not in known.asked.values():
            self.problem(f"{what} is performed, and no durable event asks for it")

    def shown(self, run: RunId, text: str) -> None:
        """Something that a run has printed is shown to people."""
        if text not in self.known(run).output:
            self.problem(f"run {run} shows {text!r}, which is not durable")

    def check_standing(self) -> None:
        """Look at all runs: none sleeps over a message that it has not seen."""
        for run, known in self._runs.items():
            row = self._store.run(run)
            if row is None or row.owner is not None or row.state is not RunState.WAITING:
                continue
            if row.received > known.seen and (row.wake_at_us or 1) > 0:
                self.problem(f"run {run} sleeps, and message {row.received} was not looked at")

    def check_at_rest(self) -> None:
        """Look at the whole store when every run has ended: nothing is held, awaited or due for one of them."""
        for run in self._runs:
            row = self._row(run)
            if row.owner is not None or row.wake_at_us is not None:
                self.problem(f"run {run} has ended, is {row.owner}'s and due at {row.wake_at_us}")
            ties = self._store.operate(ShowTies(run)).get(_TIES)
            if row.state in _OVER and len(ties):
                self.problem(f"run {run} is {row.state.value}, and on it hang {ties}")
        for lock in self._locks:
            found = self._store.operate(ShowPermit(lock))
            if len(found.get(_VALUE)) or found.get(_WAITING):
                self.problem(f"all runs have ended, and of the lock {lock} is said {found}")


def _steps(name: str, arguments: tuple[Any, ...]) -> list[tuple[Claim, Commit]]:
    match name:
        case "commit":
            return [(arguments[0], arguments[1])]
        case "commit_all":
            return list(arguments[0])
        case _:
            return []


def _is_task(name: str) -> bool:
    row = KINDS.get(name)
    return row is None and name == "sim/handed" and EffectClass.TASK is not None
