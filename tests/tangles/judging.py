"""What must hold of a program, whatever it is: read from what it has printed and from what the world was asked.

The prelude says what each line means. A form that opens a scope is over with its line :out; nothing
that stands inside of it does anything after that.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flowmetal.effects import events
from flowmetal.runtime.past import Past, beginning, events_of, feed, machine_at
from flowmetal.runtime.verifying import verify
from flowmetal.snapshot import decode, encode
from flowmetal.store.operations.vocabulary import ShowPermit, ShowTies
from flowmetal.store.protocol import RunQuery, RunState
from flowmetal.values import keyword
from flowmetal.vm.machine import UNLIMITED
from flowmetal.vm.state import Machine
from tests.tangles.lives import FORK, RUN, Life

ANSWERED = (events.RESOLVED, events.EFFECT_FAILED)
GRACE_US = 30_000_000
LIMITS = {"x": 1, "y": 1, "permits": 2}
SAGAS = {"saga", "saga-stops", "saga-parallel"}
SCOPES = SAGAS | {"all", "settle", "race", "any", "pmap", "scope", "timeout", "retry"}


@dataclass(frozen=True)
class Line:
    what: str
    path: tuple[int, ...]
    more: tuple[Any, ...]


def lines(life: Life) -> list[Line]:
    """Return what a program has printed."""
    found = []
    for text in life.output.splitlines():
        words = re.sub(r":([\w/.-]+)", r'"\1"', text).replace("nil", "null")
        what, path, *more = json.loads(re.sub(r" ", ", ", words))
        found.append(Line(what, tuple(path), tuple(more)))
    return found


def problems(life: Life) -> Iterator[str]:
    """Say what is wrong with a life that has ended."""
    told = lines(life)
    cut = _is_cut(life)
    yield from _forms(told, cut)
    # A fork stands inside of locks that are not its own, and so does who had failed, and holds none.
    if life.run == RUN and not any(event.kind == events.REVIVED for event in life.events):
        yield from _holders(told)
    yield from _sagas(told, cut)
    yield from _keys(life)
    yield from _leftovers(life)
    yield from (f"verify: {each}" for each in verify(life.host(), life.row).problems)


def _is_cut(life: Life) -> bool:
    """Say whether the run was cancelled as a whole, and its time for clean-up was over."""
    asked = [e.time_us for e in life.events if e.kind == events.CANCELLING]
    return bool(asked) and life.events[-1].time_us - asked[0] >= GRACE_US


def _forms(told: list[Line], cut: bool) -> Iterator[str]:
    kinds: dict[int, str] = {}
    over: set[int] = set()
    cleaned: Counter[int] = Counter()
    for line in told:
        late = [each for each in line.path if each in over]
        if late:
            yield f"{line} happens after its form {late[0]}, {kinds[late[0]]}, is over"
        match line.what:
            case "in":
                kinds[line.path[-1]] = line.more[0]
            case "out" if kinds[line.path[-1]] in SCOPES:
                over.add(line.path[-1])
            case "cleaning":
                cleaned[line.path[-1]] += 1
            case _:
                pass
    if cut:
        return
    ends = Counter(line.path[-1] for line in told if line.what == "out")
    for form, kind in kinds.items():
        if ends[form] != 1:
            yield f"form {form}, {kind}, has ended {ends[form]} times"
        if kind == "cleans" and cleaned[form] != 1:
            yield f"the finally block of form {form} has begun {cleaned[form]} times"


def _holders(told: list[Line]) -> Iterator[str]:
    holders: Counter[str] = Counter()
    for line in told:
        if line.what in ("holds", "gives"):
            name = line.more[0]
            holders[name] += 1 if line.what == "holds" else -1
            if holders[name] > LIMITS[name]:
                yield f"{holders[name]} hold {name}: {line}"


def _sagas(told: list[Line], cut: bool) -> Iterator[str]:
    kinds = {line.path[-1]: line.more[0] for line in told if line.what == "in"}
    registered: dict[int, list[int]] = defaultdict(list)
    undone: dict[int, list[int]] = defaultdict(list)
    well = {line.path[-1] for line in told if line.what == "ok"}
    for line in told:
        if line.what not in ("registers", "undoes"):
            continue
        saga = next(each for each in reversed(line.path) if kinds[each] in SAGAS)
        found = registered if line.what == "registers" else undone
        if line.more[0] not in found[saga]:
            found[saga].append(line.more[0])
    for saga, all_ in registered.items():
        done, kind = undone[saga], kinds[saga]
        if saga in well and done:
            yield f"saga {saga} went well, and {done} was undone"
        if saga in well:
            continue
        if kind != "saga-parallel" and done != all_[::-1][: len(done)]:
            yield f"saga {saga} has registered {all_} and undone {done}"
        if kind != "saga-stops" and not cut and set(done) != set(all_):
            yield f"saga {saga} has failed, has registered {all_} and undone {done} alone"


def _keys(life: Life) -> Iterator[str]:
    asked: dict[str, tuple[str, str]] = {}
    numbers: dict[str, int] = {}
    for one in life.performed:
        if asked.setdefault(one.key, (one.kind, one.args)) != (one.kind, one.args):
            yield f"{one} has the key of {asked[one.key]}"
        other = numbers.setdefault(one.key, one.number)
        if other != one.number and re.fullmatch(r".*/\d+", one.key):
            yield f"{one} has the key of effect {other}"


def _leftovers(life: Life) -> Iterator[str]:
    for row in life.store.runs(RunQuery(limit=1000)):
        if row.state not in (RunState.COMPLETED, RunState.CANCELLED, RunState.FAILED):
            if row.state is not RunState.MOVED:
                yield f"run {row.id} is {row.state.value}"
            continue
        if row.owner is not None or row.wake_at_us is not None:
            yield f"run {row.id} has ended, is {row.owner}'s and due at {row.wake_at_us}"
        ties = life.store.operate(ShowTies(row.id)).get(keyword("ties"))
        if row.state is not RunState.FAILED and len(ties):
            yield f"run {row.id} has ended, and on it hang {ties}"
    for lock in LIMITS:
        found = life.store.operate(ShowPermit(lock))
        if len(found.get(keyword("value"))) or found.get(keyword("waiting")):
            yield f"of the lock {lock} is said {found}"
    if life.row.state is RunState.COMPLETED:
        yield from _standing(end_of(life))


def end_of(life: Life) -> Machine:
    """Return the machine of a run that has completed, as it stood at its end."""
    host, row = life.host(), life.row
    past = beginning(host, row)
    for event in events_of(host, row.id, 0, row.seq):
        feed(past, event)
    past.run_to(UNLIMITED)
    return past.machine


def _standing(machine: Machine) -> Iterator[str]:
    if machine.open:
        yield f"at the end {machine.open} is open"
    for number, scope in machine.scopes.items():
        if scope.members or number:
            yield f"at the end scope {number} is open: {scope}"
    if set(machine.fibers) - {1}:
        yield f"at the end there are the fibers {machine.fibers.keys() - {1}}"


def rebuilt(life: Life, at: int) -> str | None:
    """Say whether the state after an event, made from the beginning, is not the one that was saved."""
    host, row = life.host(), life.row
    made = machine_at(host, row, at).machine
    image = host.image(row.program)
    saved = decode(life.snapshots[at], image, lambda names: life.store.chunks(row.id, names))
    Past(saved, at, host.image).run_to(made.fuel_used)  # what had come in is saved as it lay there
    made.known.clear()
    saved.known.clear()
    if encode(made).data != encode(saved).data:
        return f"the state after event {at} is not the one that was saved"
    return None


def told_again(first: Life, other: Life) -> Iterator[str]:
    """Say in what another life of a program differs that must not."""
    if any(e.kind == events.OVERDUE for life in (first, other) for e in life.events):
        return  # a death gives clean-up more time: nobody knows how long nobody was there
    if other.outcome != first.outcome:
        yield f"it ends with {other.outcome[:200]}, and ended with {first.outcome[:200]}"
    elif other.output != first.output:
        yield "it prints something else"
    elif other.history != first.history:
        yield "another history"


def untold(life: Life) -> set[int]:
    """Return the numbers of the errors that were thrown and that nobody has been told of.

    What has stopped the run, its operator was told.
    """
    if any(event.kind == events.REVIVED for event in life.events):
        return set()
    told = lines(life)
    return {line.more[0] for line in told if line.what == "thrown"} - {
        number for line in told if line.what == "told" for number in line.more[1]
    }


def asked_again(fork: Life, at: int) -> Iterator[str]:
    """Say what a fork from after an event asks the world for that its first run has asked for."""
    first = {e.effect for e in fork.events if e.seq <= at and e.kind in ANSWERED}
    for one in fork.performed:
        if not one.key.startswith(FORK):
            yield f"{one} of a fork has a key of the first run"
        if one.key.startswith(f"{FORK}/") and one.number in first:
            yield f"{one} of a fork is performed again"
