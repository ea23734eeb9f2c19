"""Random programs of scopes: what they do depends on the program and the answers alone.

Each program runs as a whole, and again in slices of a small budget with a snapshot after
every slice. Results, output, effects under their keys and the fuel must be the same,
and no fiber and no scope may be left when the program has ended.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowmetal.vm.state import MachineStatus, Turn
from tests.vm.fibers import World

LEAVES = st.one_of(
    st.integers(0, 9).map(str),
    st.integers(1, 5).map(lambda n: f'(do (sleep! #dur "{n}s") (note! {n}))'),
    st.integers(1, 3).map(lambda n: f"(do (work! {n}) (note! {n}))"),
    st.integers(0, 3).map(lambda n: f'(throw (ex-info "e{n}" {{:type :my/e{n}}}))'),
)


def _forms(name: str, inner: st.SearchStrategy[str], least: int = 0) -> st.SearchStrategy[str]:
    return st.lists(inner, min_size=least, max_size=3).map(lambda f: f"({name} {' '.join(f)})")


def _wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)
    return st.one_of(
        _forms("all!", inner),
        _forms("settle!", inner),
        _forms("race!", inner, 1),
        _forms("any!", inner, 1),
        st.tuples(st.integers(1, 4), inner).map(
            lambda x: f'(with-timeout! #dur "{x[0]}s" {{:else :late}} {x[1]})'
        ),
        pair.map(lambda x: f"(try {x[0]} (finally {x[1]}))"),
        pair.map(lambda x: f"(try {x[0]} (catch :default e {x[1]}))"),
        st.tuples(st.integers(0, 3), inner).map(
            lambda x: f"(try {x[1]} (catch (fn [e] (= :my/e{x[0]} (:type (ex-data e)))) e :caught))"
        ),
        pair.map(lambda x: f"(scope! [s] (spawn! (fn [] {x[0]})) {x[1]})"),
        pair.map(
            lambda x: f"(let [f (spawn! (fn [] {x[0]}))] [{x[1]} (await! f)])",
        ),
        inner.map(
            lambda x: f"(let [c (chan 1)] (go! (>! c [:v {x}]) (close! c)) (<! c))",
        ),
        pair.map(lambda x: f"(try {x[0]} (catch :flow/cancelled e {x[1]}))"),
        pair.map(lambda x: f"(on-cancel {x[0]} {x[1]})"),
        pair.map(
            lambda x: f'(scope! [s] (spawn! (fn [] {x[0]} (cancel! s))) (sleep! #dur "1s") {x[1]})'
        ),
        inner.map(
            lambda x: (
                f'(let [c (chan)] (go! (>! c [{x}])) (select! (<! c) ([v] v) :timeout #dur "2s" :late))'
            )
        ),
        inner.map(
            lambda x: f"(pmap! (fn [i] [i {x}]) (range 3) {{:concurrency 2 :on-error :collect}})"
        ),
    )


PROGRAMS = st.recursive(LEAVES, _wider, max_leaves=6)
HEAD = """(ns user (:require [flow.async :refer :all]))
(defn note! [x] (print x "") x)
(defn work! [n] (loop [i 0] (when (< i (* n 4000)) (recur (inc i)))))
"""


def finish(world: World, cancelled_at: int | None) -> Turn:
    """Answer until the machine has ended; cancel the run after so many answers."""
    for count in range(1, 1000):
        if world.turn.status is not MachineStatus.WAITING:
            break
        world.step()
        if count == cancelled_at and world.turn.status is MachineStatus.WAITING:
            world.machine.cancel("enough")
            world.compute()
    return world.turn


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(PROGRAMS, st.integers(700, 5000), st.none() | st.integers(1, 5))
def test_what_a_program_does_depends_on_it_and_the_answers_alone(
    body: str, budget: int, cancelled_at: int | None
) -> None:
    text = f"{HEAD}(defn main [] (pr-str {body}))"
    whole, parts = World(text), World(text, budget=budget)
    one, other = (finish(world, cancelled_at) for world in (whole, parts))
    assert one.status is other.status
    assert one.result == other.result
    assert (one.error is None) == (other.error is None)
    if one.error is not None:
        assert one.error.message == other.error.message
    assert whole.output == parts.output
    assert whole.log == parts.log
    assert whole.machine.state.fuel_used == parts.machine.state.fuel_used
    if one.status is not MachineStatus.FAILED:
        assert list(whole.machine.state.fibers) == [1]
        assert not whole.machine.state.scopes
        assert not whole.machine.state.open
