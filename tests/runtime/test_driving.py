"""Leases, crashes, interpreters: who drives a run, and when no longer."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from dataclasses import replace
from pathlib import Path

import pytest

from flowmetal.bytecode.file import write_program
from flowmetal.effects.errors import effect_error
from flowmetal.effects.requests import Call, EffectFailed
from flowmetal.embed import Engine, compile
from flowmetal.embed.natives import natives
from flowmetal.errors import Conflict, RunError, StoreError
from flowmetal.ids import InterpreterId, RunId
from flowmetal.runtime.driving import drive
from flowmetal.runtime.host import Host
from flowmetal.runtime.interpreting import Interpreter, interpret
from flowmetal.runtime.lease import Lease
from flowmetal.runtime.starting import Beginning, start_run, start_runs
from flowmetal.store.operations.vocabulary import ShowCall, ShowTies
from flowmetal.store.protocol import Claim, Commit, RunQuery, RunRow, RunState
from flowmetal.testing.clock import VirtualClock
from flowmetal.testing.dying import Death, DeathAt
from flowmetal.testing.world import ScriptedWorld
from flowmetal.values import Duration, Secret, Value, decode_data, keyword, vector
from flowmetal.vm.link import Linker
from tests.runtime.hosts import Bench
from tests.runtime.programs import args, performs, sequence
from tests.stores import url_of

R = RunId("r")
HOUR_US = 3_600_000_000


def claim(bench: Bench, owner: str = "other") -> Claim:
    found = bench.store.claim(R, InterpreterId(owner), 10_000_000)
    assert isinstance(found, Claim)
    return found


def test_an_unknown_run_is_an_error() -> None:
    with pytest.raises(RunError) as refused:
        Bench().drive(R)
    assert refused.value.code == "FM1101"


def test_an_ended_run_is_returned_as_it_is() -> None:
    bench = Bench()
    assert bench.run(performs("t/f", 0)).state is RunState.COMPLETED
    assert bench.drive().state is RunState.COMPLETED


def test_a_run_that_another_drives_is_not_driven_here() -> None:
    bench = Bench()
    bench.start(performs("t/f", 0))
    claim(bench)
    with pytest.raises(RunError) as refused:
        bench.drive()
    assert refused.value.code == "FM1107"


def test_a_run_that_is_being_exported_is_not_waited_for() -> None:
    bench = Bench()
    bench.start(performs("t/f", 0))
    bench.store.commit(claim(bench), Commit(events=(), state=RunState.EXPORTING))
    assert drive(bench.current, R, wait_for_others=True).state is RunState.EXPORTING
    bench.store.abandon(InterpreterId("other"))  # it died, and left an export to be finished
    assert drive(bench.current, R, wait_for_others=True).state is RunState.EXPORTING


def test_a_run_whose_driver_dies_can_be_waited_for() -> None:
    bench = Bench()
    bench.start(performs("t/f", 0))
    claim(bench)
    bench.clock.after(3_000_000, lambda: bench.store.abandon(InterpreterId("other")))
    assert drive(bench.current, R, wait_for_others=True).state is RunState.COMPLETED


def test_a_run_that_is_paused_and_then_cancelled_while_it_is_driven_is_driven_to_its_end() -> None:
    bench = Bench()

    def stops(_: Value) -> Value:
        bench.send("pause", "", b"")
        bench.cancel("enough")

    bench.world.functions = {"t/f": stops}
    sleep = ("time/sleep", args(**{"for": Duration(HOUR_US)}))
    bench.start(sequence(("t/f", args()), sleep))
    assert bench.drive().state is RunState.CANCELLED


@pytest.mark.parametrize("nth", range(1, 6))
def test_a_run_that_is_cancelled_just_when_it_pauses_ends_though_its_interpreter_dies(
    nth: int,
) -> None:
    bench = Bench()
    commits = itertools.count(1)
    ours = 0

    def dies(point: str) -> None:
        nonlocal ours
        if point == "before commit" and (ours := next(commits)) == nth:
            bench.cancel("enough")
        elif point == "after commit" and ours == nth:
            raise Death(point)

    def pauses(_: Value) -> None:
        bench.send("pause", "", b"")
        bench.store.hooks = dies

    bench.world.functions = {"t/f": pauses}
    sleep = ("time/sleep", args(**{"for": Duration(HOUR_US)}))
    bench.start(sequence(("t/f", args()), sleep))
    with contextlib.suppress(Death):
        bench.drive()
    bench.store.hooks = None
    bench.die()
    if ours < nth:  # it has paused before
        assert bench.drive().state is RunState.PAUSED
    else:
        assert bench.drive().state is RunState.CANCELLED


def test_a_lease_is_renewed_at_a_third_and_given_up_at_two_thirds() -> None:
    bench = Bench()
    bench.start(performs("t/f", 0))
    held = claim(bench)
    lease = Lease(bench.store, bench.clock, 9_000_000, bench.clock.monotonic_us())
    renewals: list[str] = []
    bench.store.hooks = lambda point: renewals.append(point) if point == "after renew" else None
    bench.clock.advance(2_900_000)
    lease.keep(held)
    assert renewals == []
    bench.clock.advance(200_000)
    lease.keep(held)
    assert renewals == ["after renew"]

    def fails(point: str) -> None:
        raise StoreError("FM1009", "locked")

    bench.store.hooks = fails
    bench.clock.advance(3_100_000)
    lease.keep(held)
    bench.clock.advance(3_000_000)
    with pytest.raises(Conflict):
        lease.keep(held)


def test_a_renewal_that_fails_after_two_thirds_of_the_lease_gives_it_up() -> None:
    bench = Bench()
    bench.start(performs("t/f", 0))
    held = claim(bench)
    lease = Lease(bench.store, bench.clock, 9_000_000, bench.clock.monotonic_us())

    def fails(point: str) -> None:
        bench.clock.advance(8_000_000)
        raise StoreError("FM1009", "locked")

    bench.store.hooks = fails
    bench.clock.advance(3_100_000)
    with pytest.raises(Conflict):
        lease.keep(held)


def test_the_leases_of_one_interpreter_are_renewed_together() -> None:
    bench = Bench()
    runs = [RunId(f"run-{n}") for n in range(3)]
    program = performs("t/f", 0)
    for run in runs:
        start_run(bench.current, program, write_program, id=run)
    claims = bench.store.claim_ready(InterpreterId("other"), 9_000_000, 3)
    together: set[Lease] = set()
    leases = [Lease(bench.store, bench.clock, 9_000_000, 0) for _ in claims]
    for lease, held in zip(leases, claims, strict=True):
        lease.join(together, held)
    lost = bench.store.claim(claims[2].run, InterpreterId("other"), 9_000_000)
    assert lost is not None
    renewals: list[str] = []
    bench.store.hooks = lambda point: renewals.append(point) if point == "after renew" else None
    bench.clock.advance(3_000_000)
    leases[0].keep(claims[0])
    leases[1].keep(claims[1])
    assert renewals == ["after renew"]
    with pytest.raises(Conflict):
        leases[2].keep(claims[2])
    leases[1].leave()
    bench.clock.advance(3_000_000)
    leases[0].keep(claims[0])
    row = bench.store.run(claims[1].run)
    assert row is not None
    assert row.lease_expires_us == bench.clock.now_us() + 6_000_000


def test_a_lease_is_kept_while_many_functions_are_called_one_after_the_other() -> None:
    bench = Bench()
    bench.current.linker = Linker(natives())
    other = bench.host()

    def takes_long(_: Value) -> Value:
        bench.clock.advance(1_200_000)
        assert bench.store.claim_ready(other.owner, other.lease_us, 1) == []

    bench.world.functions = {"t/f": takes_long}
    head = "(ns t (:require [flow.async :refer [pmap!]])) (defforeign f [x])"
    row = bench.run(compile(f"{head} (defn main [] (count (pmap! f (range 10))))"))
    assert row.state is RunState.COMPLETED
    assert len(bench.world.performed) == 10


def test_a_stale_interpreter_performs_nothing_and_writes_nothing() -> None:
    """Another one takes the run while a connector effect is in flight: its result is of no use."""
    bench = Bench()

    def slow(call: Call) -> Value:
        if len(bench.world.performed) == 1:
            bench.store.abandon(InterpreterId("i1"))
            other = claim(bench)
            bench.store.release(other)
        return len(bench.world.performed)

    bench.world.connectors = {"t/c": slow}
    bench.start(sequence(("t/c", args()), ("t/c", args())))
    row = bench.drive()
    assert row.result is not None
    assert decode_data(row.result) == vector([2, 3])
    assert [p.key for p in bench.world.performed] == ["r/0/1", "r/0/1", "r/0/2"]
    kinds = [kind for kind, _, _ in bench.events()]
    assert kinds.count("effect-resolved") == 2


def test_a_commit_of_unknown_outcome_drops_the_machine_and_claims_again() -> None:
    bench = Bench(ScriptedWorld(functions={"t/f": lambda _: 1}))
    failures = iter([1, 0, 0, 1, 0])

    def sometimes(point: str) -> None:
        if point == "after commit" and next(failures, 0):
            raise StoreError("FM1008", "the disk reports an error")

    bench.store.hooks = sometimes
    assert bench.result(performs("t/f", 5)) == 5


def test_a_store_that_never_works_is_given_up() -> None:
    bench = Bench()
    bench.start(performs("t/f", 0))

    def never(point: str) -> None:
        if point == "before commit":
            raise StoreError("FM1007", "the disk is full")

    bench.store.hooks = never
    with pytest.raises(StoreError):
        bench.drive()


def test_a_store_that_fails_now_and_then_is_borne_for_years() -> None:
    bench = Bench()
    day = Duration(86_400_000_000)
    bench.start(sequence(*[("time/sleep", args(**{"for": day}))] * 40))
    failed_us = 0

    def once_a_day(point: str) -> None:
        nonlocal failed_us
        if point == "before commit" and bench.clock.now_us() > failed_us + day.us // 2:
            failed_us = bench.clock.now_us()
            raise StoreError("FM1022", "the server cannot be reached")

    bench.store.hooks = once_a_day
    assert bench.drive().state is RunState.COMPLETED


def test_an_interrupted_run_is_released_and_goes_on() -> None:
    def interrupted(_: Value) -> Value:
        raise KeyboardInterrupt

    bench = Bench(ScriptedWorld(functions={"t/f": interrupted}))
    bench.start(performs("t/f", 2))
    with pytest.raises(KeyboardInterrupt):
        bench.drive()
    bench.world.functions = {"t/f": lambda _: 1}
    row = drive(bench.host(), R).row
    assert row.state is RunState.COMPLETED


def test_attempts_and_the_next_due_time_survive_a_crash() -> None:
    bench = Bench()
    policy = args(max_attempts=3, backoff=Duration(3_600_000_000), jitter=keyword("none"))

    def fails(call: Call) -> Value:
        raise EffectFailed(effect_error("FM0705", "t/no", "no", retryable=True))

    bench.world.connectors = {"t/c": fails}
    bench.start(sequence(("t/c", args(retry=policy))))
    moments: list[int] = []
    bench.world.before = lambda key: moments.append(bench.clock.now_us())

    def dies(point: str) -> None:
        if point == "after commit" and len(moments) == 1:
            bench.store.hooks = None
            raise Death

    bench.store.hooks = dies
    with pytest.raises(Death):
        bench.drive()
    bench.die()
    row = bench.drive()
    assert row.state is RunState.FAILED
    assert len(moments) == 3
    assert all(b - a >= 3_600_000_000 for a, b in itertools.pairwise(moments))
    assert [p.attempt for p in bench.world.performed] == [1, 2, 3]
    assert len({p.key for p in bench.world.performed}) == 1


def test_an_error_that_is_final_is_not_tried_again() -> None:
    bench = Bench()

    def fails(call: Call) -> Value:
        raise EffectFailed(effect_error("FM0705", "t/no", "no", retryable=False))

    bench.world.connectors = {"t/c": fails}
    assert bench.run(sequence(("t/c", args()))).state is RunState.FAILED
    assert len(bench.world.performed) == 1


@pytest.mark.parametrize(
    ("retry", "attempts"),
    [({}, 1), ({"retry": True}, 1), ({"retry": 3}, 3), ({"retry": keyword("none")}, 1)],
)
def test_an_error_that_does_not_say_is_tried_again_if_the_program_asks_for_it(
    retry, attempts
) -> None:
    bench = Bench()

    def fails(call: Call) -> Value:
        raise EffectFailed(effect_error("FM0713", "sh/failed", "exit status 75", retryable=None))

    bench.world.connectors = {"t/c": fails}
    assert bench.run(sequence(("t/c", args(**retry)))).state is RunState.FAILED
    assert len(bench.world.performed) == attempts


def test_retry_after_is_obeyed() -> None:
    bench = Bench()

    def slow_down(call: Call) -> Value:
        if call.attempt == 1:
            error = effect_error("FM0714", "http/status", "429", retryable=True)
            raise EffectFailed(error, retry_after_us=3_600_000_000)
        return "ok"

    bench.world.connectors = {"t/c": slow_down}
    before = bench.clock.now_us()
    bench.result(sequence(("t/c", args())))
    assert bench.clock.now_us() - before >= 3_600_000_000


def test_an_at_most_once_effect_in_doubt_is_not_performed_again() -> None:
    bench = Bench()

    bench.world.connectors = {"t/c": lambda call: _die(bench, bench.current)}
    bench.start(sequence(("t/c", args(at_most_once=True))))
    with pytest.raises(Death):
        bench.drive()
    bench.store.hooks = None
    bench.die()
    row = bench.drive()
    assert bench.error(row).type is keyword("effect/in-doubt")
    assert bench.error(row).retryable is False
    assert len(bench.world.performed) == 1


@pytest.mark.parametrize("type_", ["http/timeout", "http/failed", "timeout"])
def test_no_policy_tries_an_at_most_once_effect_again_whose_outcome_is_not_known(type_) -> None:
    bench = Bench()

    def breaks(call: Call) -> Value:
        raise EffectFailed(effect_error("FM0717", type_, "the connection broke", retryable=True))

    bench.world.connectors = {"t/c": breaks}
    row = bench.run(sequence(("t/c", args(at_most_once=True, retry=5))))
    assert bench.error(row).type is keyword("effect/in-doubt")
    assert len(bench.world.performed) == 1


def test_an_at_most_once_effect_is_tried_again_as_others_are_where_it_is_asked_for() -> None:
    def fails(_: object) -> Value:
        raise EffectFailed(effect_error("FM0714", "http/status", "503", retryable=True))

    bench = Bench(ScriptedWorld(connectors={"t/c": fails}))
    bench.run(sequence(("t/c", args(at_most_once=True, retry=True))))
    assert len(bench.world.performed) == 10
    once = Bench(ScriptedWorld(functions={"t/f": fails}))
    once.run(sequence(("t/f", args(at_most_once=True, retry=True))))
    assert len(once.world.performed) == 1


def test_an_at_most_once_function_of_this_process_is_not_called_again() -> None:
    def dies(_: Value) -> Value:
        raise Death

    bench = Bench(ScriptedWorld(functions={"t/f": dies}))
    bench.start(sequence(("t/f", args(at_most_once=True))))
    with pytest.raises(Death):
        bench.drive()
    bench.die()
    row = bench.drive()
    assert bench.error(row).type is keyword("effect/in-doubt")
    assert len(bench.world.performed) == 1


def test_the_users_own_key_is_the_key() -> None:
    bench = Bench(ScriptedWorld(functions={"t/f": lambda _: 1}))
    bench.result(sequence(("t/f", args(idempotency_key="order-7"))))
    assert [p.key for p in bench.world.performed] == ["order-7"]


@pytest.mark.parametrize("key", [Secret("card"), args(id=7), "", True])
def test_what_can_be_no_key_is_refused(key: Value) -> None:
    bench = Bench(ScriptedWorld(functions={"t/f": lambda _: 1}))
    row = bench.run(sequence(("t/f", args(idempotency_key=key))))
    assert bench.error(row).type is keyword("effect/bad-argument")
    assert bench.world.performed == []


def test_a_connector_that_cancels_itself_does_not_leave_the_run_asleep() -> None:
    bench = Bench()

    def gives_up(call: Call) -> Value:
        raise asyncio.CancelledError

    bench.world.connectors = {"t/c": gives_up}
    row = bench.run(sequence(("t/c", args())))
    assert bench.error(row).type is keyword("connector/failed")


def test_an_exception_in_a_connector_is_an_error_of_the_effect() -> None:
    bench = Bench()

    def broken(call: Call) -> Value:
        raise ZeroDivisionError("oops")

    bench.world.connectors = {"t/c": broken}
    row = bench.run(sequence(("t/c", args())))
    assert bench.error(row).type is keyword("connector/failed")
    assert "ZeroDivisionError" in bench.error(row).message


def test_an_interpreter_drives_all_and_lets_go_of_what_waits() -> None:
    bench = Bench()
    bench.start(
        sequence(
            ("time/sleep", args(**{"for": Duration(60_000_000)})),
            ("signal/receive", args(name="go")),
        )
    )
    interpret(bench.current, until_idle=True)
    row = bench.store.run(R)
    assert row is not None
    assert (row.state, row.owner) == (RunState.WAITING, None)
    assert row.wake_at_us is not None
    bench.clock.advance(60_000_000)
    interpret(bench.current, until_idle=True)
    row = bench.store.run(R)
    assert row is not None
    assert (row.state, row.wake_at_us) == (RunState.WAITING, None)
    bench.signal("go", 1)
    interpret(bench.host(), until_idle=True)
    row = bench.store.run(R)
    assert row is not None
    assert row.state is RunState.COMPLETED


def test_a_run_for_which_this_version_is_too_old_is_given_back_and_no_death_is_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = "(ns a (:require [flow.string :as s])) (defn main [] (s/upper-case :done))"
    older = {name: each for name, each in natives().items() if name != "flow.string/upper-case"}
    with Engine("memory:") as engine:
        run, _ = engine.start(compile(source))
        newer, engine.host.linker = engine.host.linker, Linker(older)
        for _ in range(8):
            engine.interpret(until_idle=True)
            row = engine.store.run(RunId(run))
            assert row is not None
            assert (row.state, row.attempts) == (RunState.READY, 0)
        assert capsys.readouterr().err.count("FM0820") == 8
        engine.host.linker = newer
        engine.interpret(until_idle=True)
        assert engine.result(run) == ":DONE"


def test_an_interpreter_is_not_idle_when_a_run_was_woken_while_it_looked(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = url_of("postgresql", request, tmp_path)
    with Engine(url) as engine, Engine(url) as other:
        running: list[set[str]] = [set()]

        def busy() -> set[str]:
            return {run.id for run in other.runs() if run.state == "running"}

        def look_for_long(point: str) -> None:
            if point == "within claim_ready":
                running[0] = busy()
            if point != "after claim_ready" or busy() - running[0]:
                return  # it has found a run
            end = time.monotonic() + 10
            while busy() and time.monotonic() < end:
                time.sleep(0.01)

        child = "(ns t) (defn child [] 1) (defn main [] (await! (start! child [])))"
        run, _ = engine.start(compile(child))
        engine.store.hooks = look_for_long
        engine.interpret(until_idle=True)
        assert other.view(run).state == "completed"


def test_an_interpreter_claims_a_run_that_is_due_once_and_not_in_circles() -> None:
    bench = Bench()
    bench.start(
        sequence(("signal/receive", args(name="go", timeout=Duration(1_000_000), **{"else": 0})))
    )
    interpret(bench.current, until_idle=True)
    bench.clock.advance(2_000_000)
    interpret(bench.current, until_idle=True)
    row = bench.store.run(R)
    assert row is not None
    assert row.state is RunState.COMPLETED
    assert row.epoch == 2


def test_a_retry_that_is_due_later_costs_no_memory() -> None:
    bench = Bench()

    def flaky(call: Call) -> Value:
        if call.attempt == 1:
            error = effect_error("FM0705", "t/no", "no", retryable=True)
            raise EffectFailed(error, retry_after_us=3_600_000_000)
        return "ok"

    bench.world.connectors = {"t/c": flaky}
    bench.start(sequence(("t/c", args())))
    interpret(bench.current, until_idle=True)
    row = bench.store.run(R)
    assert row is not None
    assert (row.state, row.owner) == (RunState.WAITING, None)
    bench.clock.advance(3_600_000_000)
    interpret(bench.host(), until_idle=True)
    row = bench.store.run(R)
    assert row is not None
    assert row.state is RunState.COMPLETED


def test_an_exception_in_a_quick_function_is_an_error_of_the_effect() -> None:
    bench = Bench(ScriptedWorld(functions={"t/f": lambda _: 1 // 0}))
    row = bench.run(performs("t/f", 1))
    assert bench.error(row).type is keyword("connector/failed")


def test_a_kind_that_somebody_serves_later_is_performed_then() -> None:
    bench = Bench()
    bench.start(sequence(("t/c", args(timeout=Duration(3_600_000_000)))))
    interpret(bench.current, until_idle=True)
    bench.world.connectors = {"t/c": lambda call: "served"}
    row = drive(bench.host(), R).row
    assert row.result is not None
    assert decode_data(row.result) == vector(["served"])
    assert bench.clock.now_us() < bench.store.events(R)[0].time_us + 3_600_000_000


def served_elsewhere(bench: Bench, world: ScriptedWorld) -> Host:
    """Return another interpreter, which performs what the first one does not."""
    return replace(bench.host(), world=world)


@pytest.mark.parametrize("how", ["connectors", "functions"])
def test_a_kind_is_performed_by_whichever_interpreter_serves_it(how: str) -> None:
    bench = Bench()
    other = served_elsewhere(bench, ScriptedWorld(**{how: {"t/c": lambda call: "served"}}))
    hour = args(**{"for": Duration(HOUR_US)})
    bench.start(sequence(("t/c", args()), ("time/sleep", hour), ("t/c", args())))
    for _ in range(2):
        interpret(bench.current, until_idle=True)
        row = bench.store.run(R)
        assert row is not None
        assert (row.state, row.wake_at_us) == (RunState.WAITING, None)
        interpret(other, until_idle=True)
        bench.clock.advance(HOUR_US)
    row = bench.store.run(R)
    assert row is not None
    assert row.result is not None
    assert decode_data(row.result) == vector(["served", None, "served"])
    assert bench.store.operate(ShowTies(R)).get(keyword("ties")) == vector([])


def test_an_interpreter_that_dies_as_it_serves_a_kind_leaves_it_to_others_that_do() -> None:
    bench = Bench()
    dies = served_elsewhere(bench, ScriptedWorld({"t/c": lambda call: _die(bench, dies)}))
    other = served_elsewhere(bench, ScriptedWorld({"t/c": lambda call: "served"}))
    bench.start(sequence(("t/c", args())))
    interpret(bench.current, until_idle=True)
    with pytest.raises(Death):
        interpret(dies, until_idle=True)
    bench.store.hooks = None
    interpret(other, until_idle=True)
    assert bench.store.operate(ShowCall(R, 1)).get(keyword("open")) is False  # it may be alive
    bench.clock.advance(bench.current.lease_us + 1)
    interpret(other, until_idle=True)
    row = bench.store.run(R)
    assert row is not None
    assert row.state is RunState.COMPLETED


def _die(bench: Bench, host: Host) -> Value:
    bench.store.abandon(host.owner)
    bench.store.hooks = DeathAt(1)
    raise Death


def test_a_kind_that_nobody_serves_times_out() -> None:
    bench = Bench()
    row = bench.run(sequence(("t/c", args(timeout=Duration(5_000_000)))))
    assert bench.error(row).type is keyword("timeout")


class TickingClock(VirtualClock):
    """Each look at it takes a fifth of a second."""

    def monotonic_us(self) -> int:
        self.advance(200_000)
        return super().monotonic_us()


ENDLESS = {
    "computes": "(loop [i 0] (recur (inc i)))",
    "calls functions": "(loop [i 0] (f i) (recur (inc i)))",
    "prints": "(loop [i 0] (println i) (recur (inc i)))",
    "looks at the clock": "(loop [] (now!) (recur))",
    "asks the store": "(loop [i 0] (state/put! :k i) (recur (inc i)))",
    "waits for what is over": '(loop [] (sleep! #dur "0s") (recur))',
    "performs": "(loop [i 0] (g i) (recur (inc i)))",
}


@pytest.mark.parametrize("what", ENDLESS)
def test_runs_without_end_leave_room_for_others(what: str) -> None:
    bench = Bench(clock=TickingClock())
    bench.current.linker = Linker(natives())
    bench.world.functions = {"t/f": lambda given: None}
    bench.world.connectors = {"t/g": lambda call: None}
    head = "(ns t (:require [flow.state :as state])) (defforeign f [i]) (defforeign g [i])"
    begin_many(bench, f"{head} (defn main [] {ENDLESS[what]})", "a", "b")
    begin_many(bench, "(ns u) (defn main [] :done)", "c", "d")
    ended: list[RunRow] = []

    async def drive() -> None:
        interpreter = Interpreter(bench.current, concurrency=2)
        driving = asyncio.ensure_future(interpreter.run())
        while len(ended) < 2 and not driving.done():
            await asyncio.sleep(0)
            ended[:] = bench.store.runs(RunQuery(states=[RunState.COMPLETED]))
        interpreter.stop()
        await driving

    asyncio.run(drive())
    assert sorted(row.id for row in ended) == ["c", "d"]
    rows = [bench.store.run(RunId(run)) for run in ("a", "b")]
    assert [row.state for row in rows if row is not None] == [RunState.READY] * 2


def begin_many(bench: Bench, source: str, *runs: str) -> None:
    program = compile(source)
    start_runs(bench.current, program, write_program, [Beginning(id=run) for run in runs])
