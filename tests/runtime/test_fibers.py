"""Runs with many fibers on a store: side by side, abandoned, overdue, parked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from flowmetal.effects import events
from flowmetal.effects.requests import Call, Connector
from flowmetal.embed.natives import natives
from flowmetal.embed.standing import fibers_of
from flowmetal.ids import RunId
from flowmetal.runtime.host import Host
from flowmetal.runtime.verifying import verify
from flowmetal.store.protocol import RunRow, RunState
from flowmetal.testing.world import ScriptedWorld
from flowmetal.values import Value, decode_data, keyword
from flowmetal.vm.link import Linker
from tests.runtime.hosts import Bench
from tests.vm.programs import program

HEAD = """(ns user (:require [flow.async :refer :all] [flow.event :refer [receive!]] [flow.state :as state]))
(defforeign slow [x])
(defforeign quick [x])
"""


@dataclass
class Slow:
    """A connector that answers when all who are expected have asked, or never."""

    expected: int
    asked: list[Value] = field(default_factory=list)
    aborted: list[Value] = field(default_factory=list)
    together: asyncio.Event = field(default_factory=asyncio.Event)
    kinds = frozenset({"user/slow"})

    async def perform(self, call: Call) -> Value:
        argument = call.args.get(keyword("args")).nth(0)
        self.asked.append(argument)
        if len(self.asked) == self.expected:
            self.together.set()
        try:
            await self.together.wait()
        except asyncio.CancelledError:
            self.aborted.append(argument)
            raise
        return argument

    async def close(self) -> None:
        pass


@dataclass
class World(ScriptedWorld):
    slow: Slow = field(default_factory=lambda: Slow(1))

    def connector(self, kind: str) -> Connector | None:
        return self.slow if kind == "user/slow" else None


class LibraryBench(Bench):
    """A bench on which the whole library is there."""

    def host(self) -> Host:
        return replace(super().host(), linker=Linker(natives()))


def bench(expected: int) -> Bench:
    world = World(functions={"user/quick": lambda args: args.get(keyword("args")).nth(0)})
    world.slow = Slow(expected)
    return LibraryBench(world=world)


def run(made: Bench, body: str) -> RunRow:
    return made.run(program(f"{HEAD}(defn main [] {body})"))


def value(row: RunRow) -> str:
    assert row.result is not None, row.error and decode_data(row.error)
    return str(decode_data(row.result))


def test_effects_of_several_fibers_are_performed_side_by_side() -> None:
    made = bench(expected=5)
    assert value(run(made, "(pmap! slow (range 5))")) == "[0 1 2 3 4]"


def test_one_commit_holds_the_requests_of_all_fibers() -> None:
    made = bench(expected=5)
    commits: list[int] = []
    commit = made.store.commit

    def counted(claim, change):  # type: ignore[no-untyped-def]
        commits.append(sum(1 for event in change.events if event.kind == events.REQUESTED))
        return commit(claim, change)

    made.store.commit = counted  # type: ignore[method-assign]
    run(made, "(all! (slow 0) (slow 1) (slow 2) (slow 3) (slow 4))")
    assert max(commits) == 5


def test_what_nobody_waits_for_any_more_is_aborted_in_flight() -> None:
    made = bench(expected=99)
    row = run(made, '(race! (slow :never) (do (sleep! #dur "1s") :won))')
    assert value(row) == ":won"
    assert made.world.slow.aborted == [keyword("never")]  # type: ignore[attr-defined]
    assert (events.ABANDONED, "user/slow", 1) in made.events()


def test_a_timeout_aborts_and_its_finally_block_performs_effects() -> None:
    made = bench(expected=99)
    text = '(with-timeout! #dur "1s" {:else :late} (try (slow 1) (finally (quick :undo))))'
    assert value(run(made, text)) == ":late"
    assert [each.kind for each in made.world.performed] == ["user/quick"]


def test_clean_up_that_never_ends_is_cut_short_after_thirty_seconds() -> None:
    made = bench(expected=99)
    began = made.clock.now_us()
    text = """(with-timeout! #dur "1s" {:else :late}
                (try (try (sleep! #dur "1h") (finally (receive! :never))) (finally (quick :outer))))"""
    assert value(run(made, text)) == ":late"
    assert made.clock.now_us() - began == 31_000_000
    assert events.OVERDUE in [kind for kind, _, _ in made.events()]
    assert [each.kind for each in made.world.performed] == ["user/quick"]


BUSY = {
    "computes": "(loop [] (recur))",
    "asks the interpreter": "(loop [] (now!) (recur))",
    "asks the store": '(loop [] (state/get! "k") (recur))',
    "calls": "(loop [] (quick 1) (recur))",
}
BUSILY = pytest.mark.parametrize("busy", BUSY.values(), ids=BUSY.keys())


def ticking(made: Bench) -> Bench:
    """Let a look at the clock take time."""
    monotonic_us = made.clock.monotonic_us

    def looked_at() -> int:
        made.clock.advance(10_000)
        return monotonic_us()

    made.clock.monotonic_us = looked_at  # type: ignore[method-assign]
    return made


@BUSILY
@pytest.mark.parametrize(
    "asked", ["(slow 1)", "(quick 1)", "(do (now!) 1)", '(do (state/get! "n") 1)']
)
def test_a_fiber_that_is_always_busy_does_not_hold_up_the_others(busy: str, asked: str) -> None:
    made = ticking(bench(expected=1))
    assert value(run(made, f"(race! {asked} {busy})")) == "1"
    assert not verify(made.host(), made.store.run(RunId("r"))).problems  # type: ignore[arg-type]


@BUSILY
def test_a_fiber_that_is_always_busy_is_timed_out_and_cancelled(busy: str) -> None:
    made = ticking(bench(expected=1))
    assert value(run(made, f'(with-timeout! #dur "1s" {{:else :late}} {busy})')) == ":late"
    assert not verify(made.host(), made.store.run(RunId("r"))).problems  # type: ignore[arg-type]


def test_a_failed_run_lists_every_fiber_where_it_stands() -> None:
    made = bench(expected=99)
    row = run(made, '(all! (do (sleep! #dur "1s") (throw (ex-info "no" {}))) (receive! :go))')
    assert row.state is RunState.FAILED
    views = fibers_of(made.current, row)
    assert [(view.number, view.status) for view in views] == [
        (1, "blocked"),
        (2, "failed"),
        (3, "waiting"),
    ]
    assert views[0].waits_for == "the fibers of its scope"
    assert "no" in views[1].waits_for
    assert views[2].waits_for == "signal/receive (effect #2)"
    assert views[2].spawned.startswith("test.flow:4:")


def test_a_cancelled_run_cleans_up_in_all_its_fibers() -> None:
    made = bench(expected=99)
    body = "(all! (try (receive! :a) (finally (quick 1))) (try (receive! :b) (finally (quick 2))))"
    made.start(program(f"{HEAD}(defn main [] {body})"))
    made.clock.after(1_000_000, lambda: made.cancel("enough"))
    row = made.drive()
    assert row.state is RunState.CANCELLED
    assert [each.args for each in made.world.performed] == ["{:args [1]}", "{:args [2]}"]


def test_signals_reach_the_fibers_that_wait_for_them_in_order() -> None:
    made = bench(expected=99)
    made.start(program(f"{HEAD}(defn main [] (all! (receive! :a) (receive! :b) (receive! :a)))"))
    for at, (name, each) in enumerate((("a", 1), ("b", 2), ("a", 3)), 1):
        made.clock.after(at * 1000, lambda name=name, each=each: made.signal(name, each))
    assert value(made.drive()) == "[1 2 3]"


class Died(BaseException):
    """The interpreter is gone."""


def die() -> None:
    raise Died


MINUTE = 60_000_000


@pytest.mark.parametrize(
    ("body", "sent", "outcome"),
    [
        (
            '[(with-timeout! #dur "1m" {:else :late} (get! :a)) (get! :a)]',
            [(2, "a", 1)],
            "[:late 1]",
        ),
        ("[(race! (get! :a) (get! :b)) (get! :a)]", [(2, "b", 1), (3, "a", 2)], "[1 2]"),
        (
            "(loop [all []] (if (= 4 (count all)) all (recur (conj all (race! (get! :a) (get! :b))))))",
            [(2, "a", 1), (3, "b", 2), (4, "b", 3), (5, "a", 4)],
            "[1 2 3 4]",
        ),
        ('(all! (get! :a) (get! :a) (sleep! #dur "3m"))', [(2, "a", 1), (4, "a", 2)], "[1 2 nil]"),
    ],
)  # fmt: skip
def test_a_signal_is_for_whoever_waits_after_what_came_before_it(
    body: str, sent: list[tuple[int, str, int]], outcome: str
) -> None:
    made = bench(expected=99)
    get = '(defn get! [name] (receive! name {:timeout #dur "9h" :else :lost}))'
    made.start(program(f"{HEAD}{get}(defn main [] {body})"))
    made.clock.after(1_000_000, die)
    with pytest.raises(Died):
        made.drive()
    made.die()
    began = made.clock.now_us()
    for minutes, name, each in sent:
        made.clock.advance(began + minutes * MINUTE - made.clock.now_us())
        made.signal(name, each)
    made.clock.advance(60 * MINUTE)
    assert value(made.drive()) == outcome


def test_a_signal_behind_the_cancellation_is_for_the_clean_up() -> None:
    made = bench(expected=99)
    body = "(try (receive! :a) (finally (quick (receive! :a))))"
    made.start(program(f"{HEAD}(defn main [] {body})"))
    made.clock.after(1_000_000, lambda: (made.cancel("enough"), made.signal("a", 7)))
    assert made.drive().state is RunState.CANCELLED
    assert [each.args for each in made.world.performed] == ["{:args [7]}"]


@pytest.mark.parametrize("every", [False, True])
def test_a_commit_for_each_effect_changes_no_result(every: bool) -> None:
    made = bench(expected=3)
    made.current = replace(made.current, sync_every=every)
    assert (
        value(run(made, "(all! (slow 1) (slow 2) (slow 3) (quick 4) (now!) nil)"))[:8] == "[1 2 3 4"
    )
