"""One run, from its first instruction to its end."""

from __future__ import annotations

import pytest

from flowmetal.bytecode.file import write_program
from flowmetal.effects.errors import effect_error
from flowmetal.effects.requests import Call, EffectFailed
from flowmetal.embed import compile
from flowmetal.embed.natives import natives
from flowmetal.ids import RunId
from flowmetal.runtime.interpreting import interpret
from flowmetal.runtime.reviving import Supply, revive
from flowmetal.runtime.starting import start_run
from flowmetal.store.protocol import Message, RunState
from flowmetal.testing.world import ScriptedWorld
from flowmetal.values import Atom, Duration, Instant, Value, keyword, vector
from flowmetal.vm.link import Linker
from tests.runtime.hosts import Bench
from tests.runtime.programs import args, performs, sequence


def test_a_program_without_effects_is_one_commit() -> None:
    bench = Bench()
    commits = []
    bench.store.hooks = lambda point: commits.append(point) if point == "after commit" else None
    assert bench.result(performs("time/now", 0)) == 0
    assert len(commits) == 1
    assert bench.events() == [("started", "t/main", 0), ("completed", "", 0)]


def test_an_in_process_effect_costs_one_commit() -> None:
    bench = Bench(ScriptedWorld(functions={"t/f": lambda a: a.get(keyword("i"))}))
    commits = []
    bench.store.hooks = lambda point: commits.append(point) if point == "after commit" else None
    assert bench.result(performs("t/f", 10)) == 55
    assert len(commits) == 11
    assert [p.key for p in bench.world.performed] == [f"r/0/{n}" for n in range(1, 11)]


def test_a_connector_effect_is_performed_after_its_request_is_durable() -> None:
    bench = Bench()
    seen = []

    def script(call: Call) -> Value:
        seen.append(bench.events()[-1])
        return 1

    bench.world.connectors = {"t/c": script}
    assert bench.result(performs("t/c", 3)) == 3
    assert seen == [("effect-requested", "t/c", n) for n in (1, 2, 3)]


def test_local_effects_share_the_commit_of_the_end() -> None:
    bench = Bench()
    commits = []
    bench.store.hooks = lambda point: commits.append(point) if point == "after commit" else None
    now, uuid, _ = bench.result(
        sequence(("time/now", args()), ("id/uuid", args()), ("log/write", args(message="hi")))
    )
    assert now == Instant(bench.clock.now_us())
    assert uuid.version == 4
    assert len(commits) == 1
    assert [line.message for line in bench.shown.lines] == ["hi"]


def test_a_local_result_is_durable_before_an_effect_of_another_class_begins() -> None:
    bench = Bench()
    seen = []

    def function(_: Value) -> Value:
        seen.append([kind for kind, _, _ in bench.events()])
        return 1

    bench.world.functions = {"t/f": function}
    bench.result(sequence(("time/now", args()), ("t/f", args())))
    assert seen == [["started", "effect-requested", "effect-resolved", "effect-requested"]]


def test_a_sleep_waits_and_costs_no_time_of_the_test() -> None:
    bench = Bench()
    before = bench.clock.now_us()
    bench.result(sequence(("time/sleep", args(**{"for": Duration(3_600_000_000)}))))
    assert bench.clock.now_us() - before >= 3_600_000_000


def test_a_sleep_until_a_moment_in_the_past_is_over_at_once() -> None:
    bench = Bench()
    before = bench.clock.now_us()
    bench.result(sequence(("time/sleep", args(until=Instant(1)))))
    assert bench.clock.now_us() == before


def test_a_signal_that_came_before_the_wait_is_received() -> None:
    bench = Bench()
    run = bench.start(sequence(("signal/receive", args(name=keyword("go")))))
    bench.signal("go", 42)
    row = bench.drive(run)
    assert row.state is RunState.COMPLETED
    assert ("signal-received", "go", 1) in bench.events()
    assert bench.store.inbox(run, 0) == []


def test_a_signal_that_comes_during_the_wait_is_received() -> None:
    bench = Bench()
    bench.clock.after(5_000_000, lambda: bench.signal("go", "now"))
    assert bench.result(sequence(("signal/receive", args(name="go")))) == vector(["now"])


def test_signals_are_received_in_the_order_of_their_arrival_and_by_name() -> None:
    bench = Bench()
    run = bench.start(
        sequence(
            ("signal/receive", args(name=keyword("b"))),
            ("signal/receive", args(name=keyword("a"))),
            ("signal/receive", args(name=keyword("a"))),
        )
    )
    for name, value in (("a", 1), ("a", 2), ("b", 3)):
        bench.signal(name, value, id=f"{name}{value}")
    row = bench.drive(run)
    assert row.result is not None
    from flowmetal.values import decode_data

    assert decode_data(row.result) == vector([3, 1, 2])


def test_a_receive_that_times_out_gives_else_or_throws() -> None:
    second = Duration(1_000_000)
    assert Bench().result(
        sequence(("signal/receive", args(name="go", timeout=second, **{"else": None})))
    ) == vector([None])
    bench = Bench()
    row = bench.run(sequence(("signal/receive", args(name="go", timeout=second))))
    assert row.state is RunState.FAILED
    assert bench.error(row).type is keyword("timeout")


@pytest.mark.parametrize(("signal_after", "outcome"), [(3_000_000, "signal"), (7_000_000, "late")])
def test_after_downtime_a_timer_counts_at_its_due_time(signal_after: int, outcome: str) -> None:
    bench = Bench()
    wait = args(name="go", timeout=Duration(5_000_000), **{"else": "late"})
    run = bench.start(sequence(("signal/receive", wait)))
    from flowmetal.runtime.advance import advance
    from flowmetal.runtime.committing import carry_out
    from flowmetal.runtime.loading import open_run
    from flowmetal.store.protocol import Claim

    claim = bench.store.claim(run, bench.current.owner, 10_000_000)
    assert isinstance(claim, Claim)
    active = open_run(bench.current, claim, 0)
    carry_out(active, advance(active, let_go=True))
    bench.clock.advance(signal_after)
    bench.signal("go", "signal")
    bench.clock.advance(100_000_000)
    row = bench.drive(run)
    from flowmetal.values import decode_data

    assert row.result is not None
    assert decode_data(row.result) == vector([outcome])


def test_an_uncaught_error_parks_the_run_with_its_stack() -> None:
    def refuses(_: Value) -> Value:
        raise EffectFailed(effect_error("FM0705", "t/no", "no"))

    bench = Bench(ScriptedWorld(functions={"t/f": refuses}))
    row = bench.run(performs("t/f", 1))
    assert row.state is RunState.FAILED
    assert bench.error(row).type is keyword("t/no")
    assert bench.store.snapshot(row.id) is not None


def test_a_result_that_is_no_data_does_not_get_in() -> None:
    bench = Bench(ScriptedWorld(functions={"t/f": lambda _: Atom(1)}))
    row = bench.run(performs("t/f", 1))
    assert bench.error(row).type is keyword("connector/failed")


def test_a_cancelled_run_ends_as_cancelled_and_its_wait_is_abandoned() -> None:
    bench = Bench()
    bench.clock.after(1_000_000, lambda: bench.cancel("enough"))
    row = bench.run(sequence(("signal/receive", args(name="never"))))
    assert row.state is RunState.CANCELLED
    assert bench.error(row).message == "enough"
    assert ("effect-abandoned", "signal/receive", 1) in bench.events()


def test_cancel_now_asks_nobody() -> None:
    bench = Bench()
    bench.clock.after(1_000_000, lambda: bench.cancel(now=True))
    assert bench.run(sequence(("signal/receive", args(name="x")))).state is RunState.CANCELLED


def test_a_pause_leaves_the_run_and_unpausing_goes_on() -> None:
    bench = Bench()
    bench.clock.after(1_000_000, lambda: bench.send("pause", "", b""))
    row = bench.run(sequence(("signal/receive", args(name="go"))))
    assert row.state is RunState.PAUSED
    from flowmetal.store.protocol import NewEvent

    bench.store.set_state(
        row.id, (RunState.PAUSED,), RunState.READY, NewEvent("unpaused", "", 0, b"")
    )
    bench.signal("go")
    assert bench.drive().state is RunState.COMPLETED


def test_wrong_options_are_an_error_of_the_effect() -> None:
    bench = Bench()
    row = bench.run(sequence(("signal/receive", args(name="x", timeout=5))))
    assert "write (seconds 5)" in bench.error(row).message


def test_a_kind_that_nobody_serves_waits() -> None:
    bench = Bench()
    bench.clock.after(3_600_000_000, lambda: bench.cancel())
    row = bench.run(sequence(("nobody/serves", args())))
    assert row.state is RunState.CANCELLED


def test_a_secret_variable_that_is_not_granted_is_refused_with_the_flag() -> None:
    bench = Bench(ScriptedWorld(environment={"TOKEN": "x"}))
    row = bench.run(sequence(("env/get", args(name="TOKEN"))))
    assert bench.error(row).type is keyword("effect/refused")
    assert "--allow-env=TOKEN" in bench.error(row).message


def test_what_a_run_gives_up_in_the_turn_in_which_it_fails_is_given_back_though_answers_wait() -> (
    None
):
    bench = Bench()
    bench.current.linker = Linker(natives())
    head = "(ns t (:require [flow.lock :refer [with-lock!]] [flow.event :refer [receive!]]))"
    others = [
        start_run(bench.current, compile(f"{head} {body}"), write_program, id=name)[0].id
        for name, body in (
            ("holds", '(defn main [] (with-lock! "l" (receive! :end)))'),
            ("wants", '(defn main [] (receive! :go) (with-lock! "l" :got))'),
        )
    ]
    interpret(bench.current, until_idle=True)
    bench.start(
        compile(
            head
            + """(defn main []
              (let [waits (spawn! (fn [] (with-lock! "l" 1)))]
                (spawn! (fn [] (sleep! #dur "2s")))
                (sleep! #dur "1s")
                (cancel! waits)
                (throw (ex-info "no" {}))
                (receive! :never)))"""
        )
    )
    interpret(bench.current, until_idle=True)
    bench.clock.advance(5_000_000)  # both sleeps are over when somebody looks again
    interpret(bench.current, until_idle=True)
    assert bench.error(bench.drive()).message == "no"
    assert ("effect-abandoned", "lock/acquire", 2) in bench.events()
    revive(bench.current, RunId("r"), Supply(None))
    for run, name in zip(others, ("end", "go"), strict=True):
        bench.store.send(run, Message(name, "signal", name, b""))
        interpret(bench.current, until_idle=True)
    states = [row.state for run in others if (row := bench.store.run(run)) is not None]
    assert states == [RunState.COMPLETED] * 2
