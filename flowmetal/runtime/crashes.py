"""Runs that kill their interpreters: how often it has happened, and when a run is put aside for it.

A claim that ended in a crash is counted in the run's row until the run commits (store/protocol.py). That is held against a
run that computes: it would do so again at once. It is no fault of one that waits, for a request or a command, whose
interpreter ends meanwhile; but functions of the host and connectors of packages are strangers' code inside of the
interpreter, and may bring it down as well. While they work, other fibers of the run may commit, so for each of
their effects the crashes have a count of their own, in the notes (progress.py). It begins anew when an attempt has ended,
and when somebody asks for the run by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flowmetal.effects.errors import effect_error
from flowmetal.effects.kinds import KINDS, EffectClass
from flowmetal.effects.requests import EffectResult
from flowmetal.runtime.active import ActiveRun, Step
from flowmetal.runtime.progress import Note
from flowmetal.values import ErrorValue, Value
from flowmetal.vm.state import Machine, MachineStatus

PATIENCE: Final = 5
"""Crashes while the machine computes before the run is put aside."""

PATIENCE_WITH_EFFECTS: Final = 20
"""Crashes during one attempt at an effect of strangers' code before the run is put aside. Many, for the interpreter of a
call that takes long may end for any reason, and that is no fault of the run."""

_PERFORMED_HERE: Final = frozenset((EffectClass.CONNECTOR, EffectClass.IN_PROCESS))


def counted(
    active: ActiveRun, notes: Mapping[int, Note], crashes: int, now_us: int
) -> dict[int, Note]:
    """Return the notes with the crashes in it that happened since the last commit."""
    if not crashes:
        return dict(notes)
    return {
        number: note._replace(crashes=note.crashes + crashes)
        if _may_have_killed(active, number, note, now_us)
        else note
        for number, note in notes.items()
    }


def forgiven(notes: Mapping[int, Note]) -> dict[int, Note]:
    """Return the notes without crashes: somebody wants the run to be tried again."""
    return {number: note._replace(crashes=0) for number, note in notes.items()}


def put_aside(active: ActiveRun, notes: Mapping[int, Note], crashes: int) -> Step | None:
    """Return the step in which a run that has killed its interpreters too often fails; else None."""
    if crashes >= PATIENCE and _computes(active.machine, notes):
        return active.fail(_its_interpreter(crashes, "while it computed", {}))
    for number, note in sorted(notes.items()):
        if note.crashes >= PATIENCE_WITH_EFFECTS:
            kind = active.machine.open[number].request.kind
            data = {"kind": kind, "effect": number}
            return active.fail(_its_interpreter(note.crashes, f"while it performed {kind}", data))
    return None


def answered(machine: Machine) -> set[int]:
    """Return the effects whose results are in the machine's inbox, to be taken in by the next turn."""
    facts = (delivery.fact for delivery in machine.inbox)
    return {int(fact.number) for fact in facts if isinstance(fact, EffectResult)}


def _may_have_killed(active: ActiveRun, number: int, note: Note, now_us: int) -> bool:
    """Say whether strangers' code was at work on an effect when the interpreter died, as far as one can see."""
    if note.held or note.offered or (note.due_us is not None and note.due_us > now_us):
        return False
    opened = active.machine.open.get(number)
    if opened is None or opened.request.kind in KINDS:
        return False
    return active.class_of(opened.request) in _PERFORMED_HERE


def _computes(machine: Machine, notes: Mapping[int, Note]) -> bool:
    """Say whether the run would keep its interpreter busy at once: its machine, or what it asks for and the
    interpreter answers itself. Of effects that take time there are notes."""
    return machine.status is MachineStatus.READY or any(
        number not in notes for number in machine.open.keys() - answered(machine)
    )


def _its_interpreter(crashes: int, when: str, data: Mapping[str, Value]) -> ErrorValue:
    return poisoned(f"its interpreter died {crashes} times {when}", crashes, data)


def poisoned(how: str, crashes: int, data: Mapping[str, Value]) -> ErrorValue:
    """Return why a run is put aside."""
    return effect_error(
        "FM1108",
        "run/poisoned",
        f"{how}; `fmvm resume` tries again",
        {"crashes": crashes, **data},
    )
