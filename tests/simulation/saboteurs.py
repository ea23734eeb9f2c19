"""Saboteurs: a runtime or a store with one rule broken, to see that the simulator notices.

Each is a few lines of behaviour put in the place of ours for as long as the context is entered, and breaks
one promise of docs/durability.md.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from flowmetal.effects.kinds import EffectClass
from flowmetal.errors import StoreError
from flowmetal.runtime import advance, loading, messages, performing
from flowmetal.runtime.active import ActiveRun, Step
from flowmetal.store import memory, rules
from flowmetal.store.operations import calls, perform_all
from flowmetal.store.operations import performing as store_performing
from flowmetal.store.operations.answers import Answer, Asker
from flowmetal.store.operations.records import Records, find, keep
from flowmetal.store.operations.vocabulary import OfferCall
from flowmetal.store.protocol import Claim, Commit, InboxRow, Message, RunState
from tests.simulation.simulation import CRASHED, Simulation
from tests.simulation.stores import SeenStore

Patch = Callable[[pytest.MonkeyPatch], None]
ALL: dict[str, Patch] = {}


def saboteur(patch: Patch) -> Patch:
    ALL[patch.__name__] = patch
    return patch


@contextlib.contextmanager
def at_work(name: str) -> Iterator[None]:
    """Let a saboteur work."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        ALL[name](monkeypatch)
        yield


def notice(seed: int) -> str:
    """Return what a seed notices of the saboteur at work, "" for nothing.

    A crash is no notice of a broken rule: it may be the saboteur's, which fits no more.
    """
    problem = Simulation(seed).run().problem or ""
    return "" if CRASHED in problem else problem


@saboteur
def no_fence(patch: pytest.MonkeyPatch) -> None:
    """The compare-and-swap is left out: whoever has a machine in memory may write."""

    def current(store: memory.MemoryStore, claim: Claim, commit: Commit | None = None) -> Any:
        return store._runs[claim.run]

    patch.setattr(memory.MemoryStore, "_current", current)


@saboteur
def blind_retry(patch: pytest.MonkeyPatch) -> None:
    """A commit whose outcome nobody knows is made again from memory, under a new claim."""
    commit = SeenStore._write

    def write(store: SeenStore, name: str, *arguments: Any, **options: Any) -> Any:
        try:
            return commit(store, name, *arguments, **options)
        except StoreError as trouble:
            if name != "commit" or trouble.code not in rules.OUTCOME_UNKNOWN:
                raise
            claim, step = arguments
            again = store.real.claim(claim.run, claim.owner, 3_000_000, snapshot_format=1 << 20)
            if not isinstance(again, Claim):
                raise
            store._simulation.ledger._claimed(again)
            return commit(store, name, again, step)

    patch.setattr(SeenStore, "_write", write)


@saboteur
def fresh_key(patch: pytest.MonkeyPatch) -> None:
    """Each attempt at an effect is made under a key of its own."""
    key_of, count = ActiveRun.key_of, itertools.count()
    patch.setattr(
        ActiveRun, "key_of", lambda active, request: f"{key_of(active, request)}#{next(count)}"
    )


@saboteur
def result_without_effect(patch: pytest.MonkeyPatch) -> None:
    """An answer of the store goes to whichever effect waits longest."""

    def number_of(active: ActiveRun, row: InboxRow) -> int | None:
        waiting = [
            number
            for number, pending in active.progress.effects.items()
            if pending.effect_class in (EffectClass.STORE, EffectClass.TASK, EffectClass.CALL)
            and number not in active.answers
        ]
        return min(waiting, default=None)

    patch.setattr(messages, "number_of", number_of)
    patch.setattr(loading, "number_of", number_of)


@saboteur
def split_outbox(patch: pytest.MonkeyPatch) -> None:
    """Events and snapshot are one transaction, timers and operations another one."""
    write = SeenStore._write

    def split(store: SeenStore, name: str, *arguments: Any, **options: Any) -> Any:
        if name != "commit" or not isinstance(store.real, memory.MemoryStore):
            return write(store, name, *arguments, **options)
        claim, step = arguments
        after = write(store, name, claim, step._replace(wake_at_us=None, operations=()))
        run = store.real.found(claim.run)
        assert run is not None
        if step.release and step.wake_at_us is not None:
            run.due_us = step.wake_at_us
        perform_all(store.real._records, claim.run, step.operations)
        return after

    patch.setattr(SeenStore, "_write", split)


@saboteur
def marked_late(patch: pytest.MonkeyPatch) -> None:
    """An at-most-once effect is marked as begun when it has ended."""
    open_effect = advance.open_effect

    def opened(*arguments: Any) -> Any:
        pending = open_effect(*arguments)
        if pending is not None:
            pending.begun = False
        return pending

    def startable(active: ActiveRun) -> Any:
        now = active.host.clock.now_us()
        found = [p for p in active.progress.effects.values() if advance._may_start(p, now)]
        for pending in found:
            pending.due_us = None
        if found and active.undurable:
            yield Step(RunState.RUNNING)
        return found

    patch.setattr(advance, "open_effect", opened)
    patch.setattr(performing, "startable", startable)


@saboteur
def lost_wake_up(patch: pytest.MonkeyPatch) -> None:
    """A run is put to sleep without another look at its inbox."""
    apply = memory.MemoryStore._apply

    def blind(store: memory.MemoryStore, run: Any, claim: Claim, commit: Commit) -> Claim:
        return apply(store, run, claim, commit._replace(seen=1 << 60))

    patch.setattr(memory.MemoryStore, "_apply", blind)


@saboteur
def acted_first(patch: pytest.MonkeyPatch) -> None:
    """An effect begins before its request is durable."""

    def startable(active: ActiveRun) -> Any:
        now = active.host.clock.now_us()
        found = [p for p in active.progress.effects.values() if advance._may_start(p, now)]
        for pending in found:
            pending.due_us = None
        yield from ()
        return found

    park = advance._park

    def parked(active: ActiveRun, let_go: bool) -> Step | None:
        step = park(active, let_go)
        return None if step is not None and step.state is RunState.RUNNING else step

    patch.setattr(performing, "startable", startable)
    patch.setattr(advance, "_park", parked)


@saboteur
def taken_twice(patch: pytest.MonkeyPatch) -> None:
    """The id of a message is not looked at: said twice is two messages."""

    def send(store: memory.MemoryStore, run: Any, message: Message) -> InboxRow | None:
        with store._writing("send"):
            found = store._runs.get(run)
            if found is None:
                return None
            rules.check_open(run, found.state)
            found.receipts.pop(message.id, None)
            return store.put_message(found, message)

    patch.setattr(memory.MemoryStore, "send", send)


@saboteur
def lost_call(patch: pytest.MonkeyPatch) -> None:
    """A call whose performer has died is offered to nobody again."""
    attend = calls.attend

    def see_to(records: Records, key: str) -> None:
        call = find(records, calls.OfferedCall, key)
        if call is None or call.is_open():
            attend(records, key)
        else:
            keep(records, key, call, records.get(calls.CALL, key).body)  # type: ignore[union-attr]

    patch.setitem(store_performing._DUE, calls.CALL, see_to)


@saboteur
def call_in_doubt_again(patch: pytest.MonkeyPatch) -> None:
    """What is at-most-once is offered to the next performer when one has died."""
    offer = calls.offer

    def careless(records: Records, asker: Asker, operation: OfferCall) -> Answer | None:
        return offer(records, asker, replace(operation, at_most_once=False))

    patch.setattr(calls, "offer", careless)


@saboteur
def tied_to_the_dead(patch: pytest.MonkeyPatch) -> None:
    """What hangs on a run stays there when it ends."""
    patch.setattr(store_performing, "unbind", lambda *arguments: True)


@saboteur
def shown_early(patch: pytest.MonkeyPatch) -> None:
    """What a run prints is shown before it is durable."""
    prepare = ActiveRun.prepare

    def shown(active: ActiveRun, step: Step) -> Commit:
        made = prepare(active, step)
        active.show()
        return made

    patch.setattr(ActiveRun, "prepare", shown)
