"""Runs whose interpreters crash: counted, put aside after so many, tried again when somebody asks for it."""

from __future__ import annotations

import asyncio
import random

import pytest

from flowmetal.effects.errors import effect_error
from flowmetal.effects.functions import ForeignFunction
from flowmetal.effects.requests import Call, EffectFailed
from flowmetal.embed.explanation import why
from flowmetal.embed.natives import natives
from flowmetal.errors import StoreError
from flowmetal.ids import InterpreterId
from flowmetal.runtime.advance import advance
from flowmetal.runtime.committing import carry_out
from flowmetal.runtime.crashes import PATIENCE, PATIENCE_WITH_EFFECTS
from flowmetal.runtime.host import Host
from flowmetal.runtime.interpreting import interpret
from flowmetal.runtime.loading import open_run
from flowmetal.runtime.reviving import Retry, revive
from flowmetal.store.protocol import RunRow, RunState
from flowmetal.testing.dying import Death, DeathAt
from flowmetal.testing.world import ScriptedWorld
from flowmetal.values import Value, keyword
from flowmetal.vm.link import Linker
from tests.runtime.hosts import Bench
from tests.runtime.programs import args, performs, sequence
from tests.runtime.test_driving import ENDLESS, R, TickingClock, begin_many, claim


def die(bench: Bench, host: Host) -> Value:
    bench.store.abandon(host.owner)
    bench.store.hooks = DeathAt(1)
    raise Death


def drive_to_death(bench: Bench, times: int = 1) -> None:
    """Let interpreters drive what can be driven, each until it dies of it."""
    for _ in range(times):
        with pytest.raises(Death):
            interpret(bench.current, until_idle=True)
        bench.store.hooks = None
        linker, bench.current = bench.current.linker, bench.host()
        bench.current.linker = linker


def row_of(bench: Bench) -> RunRow:
    row = bench.store.run(R)
    assert row is not None
    return row


def test_a_run_that_kills_its_interpreters_while_it_computes_is_put_aside() -> None:
    bench = Bench()
    bench.start(performs("t/f", 0))
    for n in range(PATIENCE):
        taken = claim(bench, f"dead{n}")
        open_run(bench.current, taken, 0)
        bench.store.abandon(InterpreterId(f"dead{n}"))
    interpret(bench.current, until_idle=True)
    row = row_of(bench)
    assert row.state is RunState.FAILED
    assert bench.error(row).type is keyword("run/poisoned")


def test_a_quick_function_that_crashes_its_interpreters_after_a_commit_is_put_aside() -> None:
    bench = Bench()
    bench.world.functions = {"t/f": lambda given: die(bench, bench.current)}
    bench.start(sequence(("time/now", args()), ("t/f", args())))
    drive_to_death(bench, PATIENCE)
    interpret(bench.current, until_idle=True)
    row = row_of(bench)
    assert row.state is RunState.FAILED
    assert bench.error(row).type is keyword("run/poisoned")
    assert len(bench.world.performed) == PATIENCE


def test_why_says_how_often_the_drivers_of_a_run_have_died() -> None:
    bench = Bench()
    bench.world.connectors = {"t/c": lambda call: die(bench, bench.current)}
    bench.start(sequence(("t/c", args())))
    drive_to_death(bench, 3)
    row = row_of(bench)
    assert "Who drove it has died 3 times since its last step" in why(row, (), bench.store)
    claim(bench)
    row = row_of(bench)
    assert "Who drove it has died 3 times since its last step" in why(row, (), bench.store)


def test_somebody_who_asks_for_a_run_by_name_gets_another_try() -> None:
    bench = Bench()
    bench.start(performs("t/f", 0))
    for n in range(PATIENCE):
        claim(bench, f"dead{n}")
        bench.store.abandon(InterpreterId(f"dead{n}"))
    assert bench.drive().state is RunState.COMPLETED
    assert bench.events()[1] == ("recovered", "", 0)


def test_a_run_that_only_computes_does_not_clear_itself_by_the_note_of_its_crash() -> None:
    bench = Bench(clock=TickingClock())
    bench.current.linker = Linker(natives())
    begin_many(bench, f"(ns t) (defn main [] {ENDLESS['computes']})", "r")
    for owner in ("a", "b"):
        claimed = claim(bench, owner)
        bench.store.abandon(InterpreterId(owner))
    active = open_run(bench.current, claim(bench), bench.clock.monotonic_us(), patient=True)
    assert active.claim.epoch == claimed.epoch + 1
    carry_out(active, advance(active, turns=4))  # a second and more
    row = row_of(bench)
    assert row.attempts == 3


class Slow(ScriptedWorld):
    """A world with a coroutine function ``t/f``: it brings its interpreter down when its run has got on."""

    bench: Bench

    def function(self, kind: str) -> ForeignFunction | None:
        return ForeignFunction(kind, self.call, is_async=True) if kind == "t/f" else None

    async def call(self, given: Value, key: str) -> Value:
        self.note("t/f", key, args(), 1)
        seq = row_of(self.bench).seq
        while row_of(self.bench).seq < seq + 4:
            await asyncio.sleep(0)
        return die(self.bench, self.bench.current)


BESIDE = """
(ns t (:require [flow.async :refer [all!]]))
(defforeign f [])
(defn main [] (all! (f) (loop [] (sleep! #dur "1ms") (recur))))
"""


def beside_others() -> Bench:
    """A run that calls ``t/f`` while another fiber of it commits."""
    world = Slow()
    bench = Bench(world=world)
    world.bench = bench
    bench.current.linker = Linker(natives())
    begin_many(bench, BESIDE, "r")
    return bench


def test_a_slow_function_that_kills_its_interpreters_is_put_aside() -> None:
    bench = Bench()
    bench.world.connectors = {"t/c": lambda call: die(bench, bench.current)}
    bench.start(sequence(("time/now", args()), ("t/c", args())))
    drive_to_death(bench, PATIENCE_WITH_EFFECTS)
    interpret(bench.current, until_idle=True)
    error = bench.error(row_of(bench))
    assert row_of(bench).state is RunState.FAILED
    assert (
        error.message
        == f"its interpreter died {PATIENCE_WITH_EFFECTS} times while it performed t/c; `fmvm resume` tries again"
    )
    assert len(bench.world.performed) == PATIENCE_WITH_EFFECTS
    assert "It was put aside" in why(row_of(bench), (), bench.store)


def test_a_run_is_not_to_blame_for_some_interpreters_that_end_while_a_function_works() -> None:
    bench = Bench()
    bench.world.connectors = {"t/c": lambda call: die(bench, bench.current)}
    bench.start(sequence(("t/c", args())))
    drive_to_death(bench, 2 * PATIENCE)
    bench.world.connectors = {"t/c": lambda call: 7}
    interpret(bench.current, until_idle=True)
    assert row_of(bench).state is RunState.COMPLETED


def test_what_other_fibers_commit_does_not_clear_the_function_that_kills() -> None:
    bench = beside_others()
    drive_to_death(bench, PATIENCE_WITH_EFFECTS)
    interpret(bench.current, until_idle=True)
    assert "while it performed t/f" in bench.error(row_of(bench)).message
    assert row_of(bench).seq > 4 * PATIENCE_WITH_EFFECTS
    assert len(bench.world.performed) == PATIENCE_WITH_EFFECTS


def test_a_run_that_was_put_aside_for_a_function_goes_on_when_it_is_retried() -> None:
    bench = Bench()
    bench.world.connectors = {"t/c": lambda call: die(bench, bench.current)}
    bench.start(sequence(("t/c", args())))
    for _ in range(2):
        drive_to_death(bench, PATIENCE_WITH_EFFECTS)
        interpret(bench.current, until_idle=True)
        assert row_of(bench).state is RunState.FAILED
        revive(bench.current, R, Retry())
    bench.world.connectors = {"t/c": lambda call: 7}
    interpret(bench.current, until_idle=True)
    assert row_of(bench).state is RunState.COMPLETED
    assert len({each.key for each in bench.world.performed}) == 1


def test_an_attempt_that_ends_clears_its_function() -> None:
    deaths = 0

    def script(call: Call) -> Value:
        nonlocal deaths
        deaths += 1
        if deaths % PATIENCE_WITH_EFFECTS:
            return die(bench, bench.current)
        raise EffectFailed(effect_error("FM0705", "t/no", "not yet", retryable=True))

    bench = Bench()
    bench.world.connectors = {"t/c": script}
    bench.start(sequence(("t/c", args(retry=args(max_attempts=3)))))
    while row_of(bench).state is not RunState.FAILED:
        try:
            interpret(bench.current, until_idle=True)
        except Death:
            bench.store.hooks = None
            bench.current = bench.host()
        bench.clock.advance(10_000_000)
    assert bench.error(row_of(bench)).type is keyword("t/no")
    assert deaths == 3 * PATIENCE_WITH_EFFECTS


def test_a_request_is_not_to_blame_for_the_interpreters_that_end_meanwhile() -> None:
    bench = Bench()
    bench.world.connectors = {"http/request": lambda call: die(bench, bench.current)}
    bench.start(sequence(("http/request", args())))
    drive_to_death(bench, 2 * PATIENCE_WITH_EFFECTS)
    bench.world.connectors = {"http/request": lambda call: 7}
    interpret(bench.current, until_idle=True)
    assert row_of(bench).state is RunState.COMPLETED


def test_an_effect_that_waits_for_its_next_attempt_is_not_to_blame() -> None:
    def script(call: Call) -> Value:
        raise EffectFailed(effect_error("FM0705", "t/no", "not yet", retryable=True))

    bench = Bench()
    bench.world.connectors = {"t/c": script}
    bench.start(sequence(("t/c", args(retry=args(max_attempts=2)))))
    interpret(bench.current, until_idle=True)
    for n in range(PATIENCE_WITH_EFFECTS):
        open_run(bench.current, claim(bench, f"dead{n}"), 0)
        bench.store.abandon(InterpreterId(f"dead{n}"))
    interpret(bench.current, until_idle=True)
    assert row_of(bench).state is RunState.WAITING


class Broken(random.Random):
    """Numbers that cannot be had: a mistake of ours, as far as the runtime can see."""

    def randbytes(self, n: int) -> bytes:
        raise AssertionError("a mistake of ours")


def test_a_mistake_of_ours_leaves_the_run_claimed_and_is_counted(
    capfd: pytest.CaptureFixture[str],
) -> None:
    bench = Bench()
    bench.start(sequence(("id/uuid", args())))
    bench.current.entropy = Broken()
    interpret(bench.current, until_idle=True)
    assert "a mistake of ours" in capfd.readouterr().err
    assert (row_of(bench).owner, row_of(bench).attempts) == (bench.current.owner, 1)
    for _ in range(PATIENCE):
        bench.clock.advance(10_000_001)
        interpret(bench.current, until_idle=True)
    assert bench.error(row_of(bench)).type is keyword("run/poisoned")


def test_a_store_that_fails_while_a_run_is_loaded_leaves_it_to_others_and_counts_nothing() -> None:
    failures: list[str] = []

    def fail_once(moment: str) -> None:
        if moment == "before commit" and not failures:
            failures.append(moment)
            raise StoreError("FM1022", "the server cannot be reached")

    bench = Bench()
    bench.start(sequence(("signal/receive", args(name="s"))))
    bench.cancel("enough", now=True)
    bench.store.hooks = fail_once
    interpret(bench.current, until_idle=True)
    assert failures
    assert row_of(bench).state is RunState.CANCELLED
    assert "recovered" not in [kind for kind, _, _ in bench.events()]
