"""Effects that another process performs: what drives the run has no connectors, and what has connectors drives no run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from flowmetal.effects.errors import effect_error
from flowmetal.effects.requests import Call, EffectFailed
from flowmetal.ids import RunId
from flowmetal.runtime.driving import drive
from flowmetal.runtime.grants import RunGrants
from flowmetal.runtime.host import Host
from flowmetal.runtime.interpreting import Interpreter, interpret
from flowmetal.runtime.looping import in_a_loop
from flowmetal.runtime.reviving import Resume, revive
from flowmetal.store.operations.calls import PATIENCE
from flowmetal.store.operations.vocabulary import ClaimCalls
from flowmetal.store.protocol import NewEvent, RunRow, RunState
from flowmetal.testing.world import ScriptedWorld
from flowmetal.values import Duration, ErrorValue, Value, decode_data, encode_data, keyword, vector
from tests.runtime.hosts import Bench
from tests.runtime.programs import args, sequence

R = RunId("r")
SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US

Scripts = Mapping[str, Callable[[Call], Value]]


class Apart:
    """A bench whose interpreter performs nothing, and a process that performs and drives nothing."""

    def __init__(self, scripts: Scripts, functions: Mapping[str, Callable[[Value], Value]] = {}):
        self.bench = Bench()
        self.world = ScriptedWorld(scripts, functions)
        self.performer = replace(self.bench.host(), world=self.world)

    def start(self, *effects: tuple[str, Value], grants: RunGrants | None = None) -> None:
        self.bench.start(sequence(*effects), grants=grants)

    def drive(self) -> RunRow:
        interpret(self.bench.current, until_idle=True)
        row = self.bench.store.run(R)
        assert row is not None
        return row

    def perform(self, host: Host | None = None) -> None:
        performer = Interpreter(host or self.performer, drives=False)
        in_a_loop(lambda: performer.run(until_idle=True))

    def rounds(self, count: int = 1, pause_us: int = SECOND_US) -> RunRow:
        """Drive and perform in turn, with a pause between; return the row after the last drive."""
        for _ in range(count):
            self.drive()
            self.perform()
            self.bench.clock.advance(pause_us)
        return self.drive()


def result(row: RunRow) -> Value:
    assert row.state is RunState.COMPLETED, row
    assert row.result is not None
    return decode_data(row.result)


def error(row: RunRow) -> ErrorValue:
    assert row.error is not None, row
    found = decode_data(row.error)
    assert isinstance(found, ErrorValue)
    return found


def failing(times: int, **more: object) -> Callable[[Call], Value]:
    """Return what fails so many times, and then says which attempt it was."""

    def script(call: Call) -> Value:
        if call.attempt <= times:
            raise EffectFailed(effect_error("FM0705", "t/no", "no", retryable=True), **more)  # type: ignore[arg-type]
        return call.attempt

    return script


def test_an_effect_is_performed_elsewhere_with_all_that_a_connector_gets() -> None:
    calls: list[Call] = []
    apart = Apart({"t/c": lambda call: calls.append(call)})
    grants = RunGrants(http=frozenset({"example.com"}))
    apart.start(("t/c", args(i=1)), grants=grants)
    assert apart.drive().state is RunState.WAITING
    assert apart.drive().owner is None
    assert result(apart.rounds()) == vector([None])
    (call,) = calls
    assert (call.run, call.kind, call.args, call.attempt, call.again) == (
        R,
        "t/c",
        args(i=1),
        1,
        False,
    )
    assert call.grants == grants
    assert call.idempotency_key == apart.world.performed[0].key


def test_a_call_keeps_the_key_and_counts_on_through_the_policy_of_the_run() -> None:
    apart = Apart({"t/c": failing(2)})
    apart.start(("t/c", args(retry=3)))
    assert result(apart.rounds(5, HOUR_US)) == vector([3])
    assert [p.attempt for p in apart.world.performed] == [1, 2, 3]
    assert len({p.key for p in apart.world.performed}) == 1
    names = [event.kind for event in apart.bench.store.events(R)]
    assert names.count("effect-retried") == 2


def test_a_wish_of_the_world_when_to_try_again_is_heard() -> None:
    apart = Apart({"t/c": failing(1, retry_after_us=HOUR_US)})
    apart.start(("t/c", args()))
    apart.rounds(2, HOUR_US // 2 - SECOND_US)
    assert len(apart.world.performed) == 1
    assert result(apart.rounds(2, HOUR_US)) == vector([2])


def test_a_function_is_not_tried_again_unless_the_program_says_so() -> None:
    def fails(_: Value) -> Value:
        raise EffectFailed(effect_error("FM0705", "t/no", "no", retryable=True))

    apart = Apart({}, {"t/f": fails})
    apart.start(("t/f", args()))
    assert error(apart.rounds()).type is keyword("t/no")
    again = Apart({}, {"t/f": fails})
    again.start(("t/f", args(retry=2)))
    assert error(again.rounds(3, HOUR_US)).type is keyword("t/no")
    assert (len(apart.world.performed), len(again.world.performed)) == (1, 2)


def test_an_answer_that_is_no_data_is_an_error_of_the_effect() -> None:
    apart = Apart({"t/c": lambda call: object()})
    apart.start(("t/c", args()))
    found = error(apart.rounds())
    assert (found.type, "what is not data" in found.message) == (keyword("connector/failed"), True)


def test_an_exception_in_a_connector_is_an_error_of_the_effect() -> None:
    apart = Apart({"t/c": lambda call: 1 // 0})
    apart.start(("t/c", args()))
    assert "ZeroDivisionError" in error(apart.rounds()).message


def test_what_nobody_begins_in_its_time_has_not_been_performed() -> None:
    apart = Apart({})
    apart.start(("t/c", args(timeout=Duration(5 * SECOND_US), at_most_once=True)))
    found = error(apart.rounds(2, 5 * SECOND_US))
    assert (found.type, found.retryable) == (keyword("timeout"), None)


def test_what_was_not_begun_in_time_stays_at_most_once() -> None:
    apart = Apart({"t/c": lambda call: "done"})
    limited = args(timeout=Duration(5 * SECOND_US), at_most_once=True, retry=3)
    apart.start(("t/c", limited))
    assert apart.rounds(1, 0).state is RunState.COMPLETED
    late = Apart({})
    late.start(("t/c", limited))
    assert error(late.rounds(8, 5 * SECOND_US)).type is keyword("timeout")


def taken(apart: Apart) -> None:
    """A process takes the call, and is never heard of again."""
    asked = ClaimCalls(["t/c"], "one that dies", apart.bench.current.lease_us, 1)
    assert len(list(apart.bench.store.operate(asked).get(keyword("value")))) == 1
    apart.bench.clock.advance(apart.bench.current.lease_us)


def test_a_call_of_a_process_that_is_lost_is_performed_again_under_its_key() -> None:
    seen: list[bool] = []
    apart = Apart({"t/c": lambda call: seen.append(call.again)})
    apart.start(("t/c", args()))
    apart.drive()
    taken(apart)
    assert result(apart.rounds()) == vector([None])
    assert seen == [True]


def test_what_is_at_most_once_is_in_doubt_when_its_process_is_lost() -> None:
    apart = Apart({"t/c": lambda call: "again"})
    apart.start(("t/c", args(at_most_once=True, retry=5)))
    apart.drive()
    taken(apart)
    assert error(apart.rounds()).type is keyword("effect/in-doubt")
    assert apart.world.performed == []


def test_what_kills_its_processes_again_and_again_puts_the_run_aside() -> None:
    apart = Apart({"t/c": lambda call: "well"})
    apart.start(("t/c", args()))
    apart.drive()
    for _ in range(PATIENCE):
        taken(apart)
        apart.bench.store.attend()
    row = apart.drive()
    assert (row.state, error(row).code) == (RunState.FAILED, "FM1108")
    assert error(row).data.get(keyword("kind")) == "t/c"
    revive(apart.bench.current, R, Resume())
    assert result(apart.rounds()) == vector(["well"])


def test_no_request_is_blamed_for_the_processes_that_die_with_it() -> None:
    apart = Apart({"http/request": lambda call: "well"})
    apart.start(("http/request", args()))
    apart.drive()
    for _ in range(PATIENCE):
        asked = ClaimCalls(["http/request"], "one that dies", apart.bench.current.lease_us, 1)
        apart.bench.store.operate(asked)
        apart.bench.clock.advance(apart.bench.current.lease_us)
        apart.bench.store.attend()
    assert result(apart.rounds()) == vector(["well"])


def test_an_interpreter_that_performs_the_kind_takes_back_what_nobody_has_begun() -> None:
    apart = Apart({"t/c": lambda call: "here"})
    apart.start(("t/c", args()))
    apart.drive()
    assert result(drive(apart.performer, R).row) == vector(["here"])
    assert len(apart.world.performed) == 1


def test_what_somebody_has_begun_is_not_begun_here_too() -> None:
    apart = Apart({"t/c": lambda call: "again"})
    apart.start(("t/c", args()))
    apart.drive()
    asked = ClaimCalls(["t/c"], "another", HOUR_US, 1)
    apart.bench.store.operate(asked)
    apart.bench.signal("go")
    interpret(apart.performer, until_idle=True)
    assert apart.world.performed == []
    apart.bench.clock.advance(HOUR_US)
    apart.bench.store.attend()
    interpret(apart.performer, until_idle=True)
    row = apart.bench.store.run(R)
    assert row is not None
    assert result(row) == vector(["again"])


def test_a_run_that_is_cancelled_calls_nobody_any_more() -> None:
    apart = Apart({"t/c": lambda call: "late"})
    apart.start(("t/c", args()))
    apart.drive()
    apart.bench.cancel()
    assert apart.drive().state is RunState.CANCELLED
    apart.perform()
    assert apart.world.performed == []


def test_a_paused_run_calls_nobody_until_it_goes_on() -> None:
    apart = Apart({"t/c": lambda call: "well"})
    apart.start(("t/c", args(timeout=Duration(SECOND_US))))
    apart.drive()
    apart.bench.send("pause", "", encode_data(args()))
    assert apart.rounds(3, HOUR_US).state is RunState.PAUSED
    assert apart.world.performed == []
    event = NewEvent("unpaused", "", 0, encode_data(None))
    apart.bench.store.set_state(R, (RunState.PAUSED,), RunState.READY, event)
    assert result(apart.rounds(1, 0)) == vector(["well"])


@pytest.mark.parametrize("kinds", [(), ("other/*",)])
def test_who_performs_other_kinds_is_given_nothing(kinds: tuple[str, ...]) -> None:
    apart = Apart({kind: lambda call: "wrong" for kind in kinds})
    apart.start(("t/c", args()))
    assert apart.rounds(2).state is RunState.WAITING
