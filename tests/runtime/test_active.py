"""What is said of effects when their run is given back."""

from __future__ import annotations

import pytest

from flowmetal.effects import events as kinds
from flowmetal.embed import compile
from flowmetal.embed.natives import natives
from flowmetal.ids import RunId
from flowmetal.runtime.interpreting import interpret
from flowmetal.runtime.reviving import Supply, revive
from flowmetal.store.protocol import NewEvent, RunRow, RunState
from flowmetal.testing.clock import VirtualClock
from flowmetal.testing.world import ScriptedWorld
from flowmetal.values import decode_data, encode_data, pr_str
from flowmetal.vm.link import Linker
from tests.runtime.hosts import Bench

R = RunId("r")
HEAD = """(ns t (:require [flow.async :refer [all!]] [flow.state :as state]))
(defforeign pay {:at-most-once true} [x])
"""


class TickingClock(VirtualClock):
    """Each look at it takes a fifth of a second."""

    def monotonic_us(self) -> int:
        self.advance(200_000)
        return super().monotonic_us()


def begun(body: str, clock: VirtualClock | None = None) -> Bench:
    """Start a run that pays once."""
    bench = Bench(ScriptedWorld({"t/pay": lambda call: "paid"}), clock or VirtualClock())
    bench.current.linker = Linker(natives())
    bench.start(compile(f"{HEAD} (defn main [] {body})"))
    return bench


def interpreted(bench: Bench, concurrency: int = 100) -> RunRow:
    interpret(bench.current, until_idle=True, concurrency=concurrency)
    row = bench.store.run(R)
    assert row is not None
    return row


def is_paid_once(bench: Bench, row: RunRow, result: str) -> bool:
    assert row.result is not None, bench.error(row)
    return pr_str(decode_data(row.result)) == result and len(bench.world.performed) == 1


def test_an_at_most_once_effect_that_had_not_begun_when_its_run_failed_is_in_no_doubt() -> None:
    bench = begun('(all! (pay 1) (do (now!) (throw (ex-info "x" {}))))')
    assert interpreted(bench).state is RunState.FAILED
    assert bench.world.performed == []
    revive(bench.current, R, Supply(2))
    assert is_paid_once(bench, interpreted(bench), '["paid" 2]')


def test_an_at_most_once_effect_that_had_not_begun_when_its_run_was_paused_is_in_no_doubt() -> None:
    bench = begun("(all! (pay 1) (state/put! :k 2))")

    def pause(point: str) -> None:
        if point == "after commit" and not bench.sent:
            bench.send("pause", "", b"")

    bench.store.hooks = pause
    assert interpreted(bench).state is RunState.PAUSED
    assert bench.world.performed == []
    event = NewEvent(kinds.UNPAUSED, "", 0, encode_data(None))
    bench.store.set_state(R, (RunState.PAUSED,), RunState.READY, event)
    assert is_paid_once(bench, interpreted(bench), '["paid" 1]')


@pytest.mark.parametrize("before", range(10))
def test_an_at_most_once_effect_that_had_not_begun_when_its_run_made_room_is_in_no_doubt(
    before: int,
) -> None:
    # A full interpreter lets go of it after every seven or so.
    body = f"(dotimes [_ {before}] (state/put! :k 1)) (all! (pay 1) (state/put! :k 2))"
    bench = begun(body, TickingClock())
    row = interpreted(bench, concurrency=1)
    assert is_paid_once(bench, row, f'["paid" {before + 1}]')
