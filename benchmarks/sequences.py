"""What one item of a lazy sequence costs, in microseconds of processor time: python -m benchmarks sequences.

Each expression goes through ``ITEMS`` items, the quickest of five times counts. ``per map`` is in
relation to an item of ``(map inc xs)``, which says more than the time when other programs run.
"""

from __future__ import annotations

import time

from flowmetal import Machine, compile
from flowmetal.bytecode.code import Program
from flowmetal.vm.state import MachineStatus

ITEMS = 6_000
TIMES = 5

# fmt: off
EXPRESSIONS = {
    "map":                "(map inc xs)",
    "partition":          "(partition 3 xs)",
    "partition 2 1":      "(partition 2 1 xs)",
    "partition-all":      "(partition-all 3 xs)",
    "partition-by":       "(partition-by (fn [x] (quot x 3)) xs)",
    "flatten":            "(flatten nested)",
    "tree-seq":           "(tree-seq vector? seq nested)",
    "for":                "(for [x xs] (inc x))",
    "for, nested":        "(for [i (range 60) j (range 100)] (+ i j))",
    "for, :when":         "(for [x xs :when (odd? x)] x)",
    "interleave":         "(interleave xs xs)",
    "mapcat":             "(mapcat (fn [i] [i i i]) (range 2000))",
    "concat":             "(concat xs xs)",
    "interpose":          "(interpose 0 xs)",
    "distinct":           "(distinct xs)",
    "take-while":         "(take-while nat-int? xs)",
    "map-indexed":        "(map-indexed + xs)",
    "map of two":         "(map + xs xs)",
    "get-in":             "(run! (fn [x] (get-in tree [:a :b 0])) xs)",
    "assoc-in":           "(run! (fn [x] (assoc-in tree [:a :b 0] x)) xs)",
    "update-in":          "(run! (fn [x] (update-in tree [:a :c] inc)) xs)",
}
# fmt: on

SOURCE = """
(ns sequences)
(def nested (vec (map (fn [i] [i [i i]]) (range 2000))))
(def tree {:a {:b [1 2 3] :c 1}})
(defn main [n] (let [xs (vec (range n))] (dorun %s)))
"""


def main() -> None:
    base = 0.0
    print(f"{'':<16}{'us an item':>12}{'per map':>10}")
    for name, expression in EXPRESSIONS.items():
        program = compile(SOURCE % expression)
        best = min(_measured(program) for _ in range(TIMES)) / ITEMS * 1e6
        base = base or best
        print(f"{name:<16}{best:>12.2f}{best / base:>10.2f}", flush=True)


def _measured(program: Program) -> float:
    machine = Machine(program, ITEMS)
    before = time.process_time()
    turn = machine.run()
    spent = time.process_time() - before
    assert turn.status is MachineStatus.COMPLETED, turn.error
    return spent


if __name__ == "__main__":
    main()
