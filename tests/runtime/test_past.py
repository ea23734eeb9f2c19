"""Earlier states of runs: what is rebuilt is what was saved then."""

from __future__ import annotations

import random
from functools import cache

import pytest

import flowmetal
from flowmetal.bytecode.file import read_program
from flowmetal.effects import events
from flowmetal.errors import RunError
from flowmetal.ids import InterpreterId, RunId
from flowmetal.runtime.host import Host
from flowmetal.runtime.past import beginning, events_of, feed, machine_at
from flowmetal.runtime.verifying import verify
from flowmetal.snapshot import decode, encode
from flowmetal.store.protocol import RunRow
from tests.crash.corpus import CASES, Case
from tests.crash.harness import RUN, Trial, linker


@cache
def lived(case: Case, *deaths: int) -> Trial:
    return Trial(case, deaths).live()


def host_of(trial: Trial) -> Host:
    return Host(
        store=trial.store,
        linker=linker(),
        world=trial.world,
        clock=trial.clock,
        owner=InterpreterId("later"),
        read_program=read_program,
        entropy=random.Random(0),
    )


def row_of(trial: Trial) -> RunRow:
    row = trial.store.run(RUN)
    assert row is not None
    return row


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_state_that_was_kept_can_be_rebuilt_from_the_beginning(case: Case) -> None:
    trial = lived(case)
    host, row = host_of(trial), row_of(trial)
    image = host.image(row.program)
    past = beginning(host, row)
    kept = dict(trial.store.kept_snapshots(RUN))
    assert kept
    for event in events_of(host, RUN, 0, row.seq):
        feed(past, event)
        if event.seq in kept:
            found = trial.store.kept_snapshot(RUN, event.seq)
            assert found is not None
            saved = decode(found[1], image, lambda names: trial.store.chunks(RUN, names))
            past.run_to(saved.fuel_used)
            past.machine.known.clear()
            saved.known.clear()
            assert encode(past.machine).data == encode(saved).data, event


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_history_with_crashes_in_it_is_whole(case: Case) -> None:
    for deaths in ((), (9,), (14, 3, 5)):
        trial = lived(case, *deaths)
        found = verify(host_of(trial), row_of(trial))
        assert found.problems == []
        assert found.replayed
        assert found.chained == found.events == row_of(trial).seq


@pytest.fixture
def trial() -> Trial:
    case = next(case for case in CASES if case.name == "signals")
    return Trial(case).live()


def test_an_event_that_was_changed_is_found(trial: Trial) -> None:
    run = trial.store.found(RUN)
    assert run is not None
    for index, event in enumerate(list(run.events)):
        run.events[index] = event._replace(time_us=event.time_us + 1)
        assert any(
            "the chain does not fit" in p for p in verify(host_of(trial), row_of(trial)).problems
        )
        run.events[index] = event
    assert verify(host_of(trial), row_of(trial)).problems == []


def test_an_event_that_is_missing_is_found(trial: Trial) -> None:
    run = trial.store.found(RUN)
    assert run is not None
    del run.events[5]
    assert verify(host_of(trial), row_of(trial)).problems[0] == "events are missing: 6"


def test_a_history_that_the_program_does_not_have_is_found(trial: Trial) -> None:
    run = trial.store.found(RUN)
    assert run is not None
    at = next(i for i, e in enumerate(run.events) if e.kind == events.REQUESTED and i > 3)
    run.events[at] = run.events[at]._replace(name="t/other")
    run.chain = b""
    problems = verify(host_of(trial), row_of(trial)).problems
    assert any("asks for t/other as effect" in problem for problem in problems)


def test_an_event_that_is_not_there_has_no_state(trial: Trial) -> None:
    row = row_of(trial)
    for at in (0, -1, row.seq + 1):
        with pytest.raises(RunError, match="has no event") as caught:
            machine_at(host_of(trial), row, at)
        assert caught.value.code == "FM1130"


def test_without_kept_snapshots_a_state_is_rebuilt_from_the_beginning(trial: Trial) -> None:
    run = trial.store.found(RUN)
    assert run is not None
    host, row = host_of(trial), row_of(trial)
    with_them = encode(machine_at(host, row, 20).machine).data
    run.kept.clear()
    assert encode(machine_at(host, row, 20).machine).data == with_them


GOES_ON = """
(ns g (:require [flow.event :refer [receive!]]))
(defn main [] (loop [n 0] (if (= n 3) n (do (receive! :go) (recur (inc n))))))
"""


def test_a_run_that_goes_on_while_it_is_looked_at_is_what_it_was() -> None:
    with flowmetal.Engine("memory:") as engine:
        run, _ = engine.start(flowmetal.compile(GOES_ON))
        seen = []
        for _ in range(3):
            engine.interpret(until_idle=True)
            row = engine.store.run(RunId(run))
            assert row is not None
            seen.append((row, engine.eval(run, "n")))
            engine.signal(run, "go")
        engine.interpret(until_idle=True)
        assert engine.view(run).state == "completed"
        for row, n in seen:  # what somebody read before the run went on
            assert verify(engine.host, row).problems == []
            past = machine_at(engine.host, row, row.seq)
            assert past.seq == row.seq
            names = past.machine.fibers[1].frames[0].body.body.local_names
            assert past.machine.fibers[1].frames[0].stack[names.index("n")] == n
