"""Cancelling a program: ``finally`` runs, within bounds; who catches it may go on."""

from __future__ import annotations

from functools import cache

import pytest

from flowmetal.bytecode.code import Program
from flowmetal.embed import compile
from flowmetal.embed.natives import natives
from flowmetal.embed.upgrading import upgrade
from flowmetal.ids import RunId
from flowmetal.runtime.forking import fork
from flowmetal.store.protocol import NewEvent, RunRow, RunState
from flowmetal.testing.world import ScriptedWorld
from flowmetal.values import Map, Value, encode_data, keyword
from flowmetal.vm.link import Linker
from tests.runtime.hosts import Bench

HEAD = """(ns t (:require [flow.async :refer [all! race! with-timeout!]] [flow.event :refer [receive!]])) (defforeign note [x])
"""


@cache
def program(body: str) -> Program:
    return compile(HEAD + body)


def cancelled(
    body: str, *, after_us: int = 1_000_000, **words: bool
) -> tuple[RunRow, list[Value], int]:
    notes: list[Value] = []

    def note(args: Map) -> Value:
        notes.append(args.get(keyword("args")).nth(0))

    bench = Bench(ScriptedWorld(functions={"t/note": note}))
    bench.current.linker = Linker(natives())
    started = bench.clock.now_us()
    bench.clock.after(after_us, lambda: bench.cancel("enough", **words))
    row = bench.run(program(body))
    return row, notes, bench.clock.now_us() - started


def test_finally_runs_with_effects_and_waits_in_it() -> None:
    row, notes, took = cancelled(
        '(defn main [] (try (receive! :x) (finally (note :a) (sleep! #dur "5s") (note :b))))'
    )
    assert row.state is RunState.CANCELLED
    assert notes == [keyword("a"), keyword("b")]
    assert took >= 6_000_000


def test_cancel_now_runs_no_finally() -> None:
    row, notes, _ = cancelled("(defn main [] (try (receive! :x) (finally (note :a))))", now=True)
    assert row.state is RunState.CANCELLED
    assert notes == []


def test_a_finally_that_never_ends_is_given_half_a_minute() -> None:
    row, notes, took = cancelled(
        "(defn main [] (try (receive! :x) (finally (note :a) (receive! :y))))"
    )
    assert row.state is RunState.CANCELLED
    assert notes == [keyword("a")]
    assert 31_000_000 <= took < 40_000_000


class Died(BaseException):
    """The interpreter is gone."""


def die() -> None:
    raise Died


CLEANS_UP = (
    """(defn main [] (try (receive! :x) (finally (note :a) (sleep! #dur "20s") (note :b))))"""
)


def noting() -> tuple[Bench, list[Value]]:
    notes: list[Value] = []

    def note(args: Map) -> Value:
        notes.append(args.get(keyword("args")).nth(0))

    bench = Bench(ScriptedWorld(functions={"t/note": note}))
    bench.current.linker = Linker(natives())
    return bench, notes


def test_a_cancellation_that_nobody_was_there_for_leaves_all_the_time_for_clean_up() -> None:
    bench, notes = noting()
    bench.start(program(CLEANS_UP))
    bench.clock.after(1_000_000, die)
    with pytest.raises(Died):
        bench.drive()
    bench.die()
    bench.current.linker = Linker(natives())
    bench.cancel("enough")
    bench.clock.advance(3_600_000_000)
    assert bench.drive().state is RunState.CANCELLED
    assert notes == [keyword("a"), keyword("b")]


def test_clean_up_whose_interpreter_died_goes_on_however_late_another_one_comes() -> None:
    bench, notes = noting()
    bench.start(program(CLEANS_UP))
    bench.clock.after(1_000_000, lambda: bench.cancel("enough"))
    bench.clock.after(11_000_000, die)
    with pytest.raises(Died):
        bench.drive()
    bench.die()
    bench.current.linker = Linker(natives())
    assert notes == [keyword("a")]
    bench.clock.advance(3_600_000_000)
    assert bench.drive().state is RunState.CANCELLED
    assert notes == [keyword("a"), keyword("b")]


LOSES = """(defn main [] (race! (sleep! #dur "1s") (try (receive! :x) (finally (note :a)
            (sleep! #dur "20s") (note :b)))))"""


@pytest.mark.parametrize("ends_as", ["cancelled", "completed"])
@pytest.mark.parametrize("how", ["resumed", "upgraded", "forked"])
def test_time_in_which_a_run_is_paused_is_none_of_its_clean_up(how: str, ends_as: str) -> None:
    bench, notes = noting()
    source = CLEANS_UP if ends_as == "cancelled" else LOSES
    run = bench.start(program(source))
    if ends_as == "cancelled":
        bench.clock.after(1_000_000, lambda: bench.cancel("enough"))
    bench.clock.after(11_000_000, lambda: bench.send("pause", "", encode_data(None)))
    assert bench.drive().state is RunState.PAUSED
    bench.clock.advance(3_600_000_000)
    if how == "upgraded":
        upgrade(bench.current, run, program(f"{source} (def more 1)"))
    if how == "forked":
        made = fork(bench.current, run, RunId("f"))
        bench.store.import_run(made.parts)
        run = made.id
    else:
        event = NewEvent("unpaused", "", 0, encode_data(None))
        bench.store.set_state(run, (RunState.PAUSED,), RunState.READY, event)
    assert bench.drive(run).state.value == ends_as
    assert notes == [keyword("a"), keyword("b")]


def test_who_catches_the_cancellation_by_name_has_all_the_time() -> None:
    row, notes, took = cancelled(
        '(defn main [] (try (receive! :x) (catch :flow/cancelled e (sleep! #dur "1h") (note :late) :kept)))'
    )
    assert row.state is RunState.COMPLETED
    assert notes == [keyword("late")]
    assert took >= 3_600_000_000


CAUGHT = "(try (receive! :x) (catch :flow/cancelled e (note :caught)))"
LATER = '(try (receive! :y) (finally (sleep! #dur "2s") (note :cleaned-up)))'


@pytest.mark.parametrize(
    "form",
    [f'(with-timeout! #dur "1s" {{:else 0}} {LATER})', f'(race! (sleep! #dur "1s") {LATER})'],
)
def test_who_has_caught_the_cancellation_cleans_up_as_any_run_does(form: str) -> None:
    row, notes, _ = cancelled(f'(defn main [] {CAUGHT} (sleep! #dur "60s") {form} (note :done))')
    assert row.state is RunState.COMPLETED
    assert notes == [keyword("caught"), keyword("cleaned-up"), keyword("done")]


def test_the_time_for_clean_up_begins_when_the_cancellation_goes_on() -> None:
    row, notes, _ = cancelled(
        """(defn main [] (try (on-cancel (sleep! #dur "60s") (receive! :x))
                              (finally (sleep! #dur "29s") (note :done))))"""
    )
    assert row.state is RunState.CANCELLED
    assert notes == [keyword("done")]


@pytest.mark.parametrize("seconds", [20, 60])
def test_the_time_for_clean_up_begins_when_who_has_caught_the_cancellation_is_done(
    seconds: int,
) -> None:
    row, notes, _ = cancelled(
        f"""(defn main []
              (try (all! (try (receive! :x) (catch :flow/cancelled e (sleep! #dur "{seconds}s") (note :caught))))
                   (finally (sleep! #dur "29s") (note :done))))"""
    )
    assert row.state is RunState.CANCELLED
    assert notes == [keyword("caught"), keyword("done")]


def test_clean_up_that_computes_between_its_waits_has_half_a_minute_in_all() -> None:
    row, notes, took = cancelled(
        """(defn main []
             (try (receive! :x)
                  (finally (dotimes [n 20] (sleep! #dur "5s") (reduce + (range 20000))) (note :never))))"""
    )
    assert row.state is RunState.CANCELLED
    assert (notes, 31_000_000 <= took < 40_000_000) == ([], True)


@pytest.mark.parametrize(
    "body",
    [
        '(try 1 (finally (receive! :never {:timeout #dur "24h"}) (note :never)))',
        """(try (throw (ex-info "no" {:type :x}))
                (catch :x e (note :caught))
                (finally (sleep! #dur "24h") (note :never)))""",
    ],
)
def test_a_finally_block_that_was_there_before_the_cancellation_has_half_a_minute_too(
    body: str,
) -> None:
    row, notes, took = cancelled(f"(defn main [] {body})")
    assert row.state is RunState.CANCELLED
    assert keyword("never") not in notes
    assert 31_000_000 <= took < 40_000_000


def test_the_default_catch_does_not_take_it() -> None:
    row, notes, _ = cancelled(
        "(defn main [] (try (receive! :x) (catch :default e (note :caught))))"
    )
    assert row.state is RunState.CANCELLED
    assert notes == []
