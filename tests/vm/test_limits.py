"""One instruction is charged for large operands, and is bounded.

Every limit gives an error of its own that a program can catch, that says how the
limit is raised, and that parks the run if nobody catches it.
"""

from __future__ import annotations

import sys
from contextvars import copy_context

import pytest

from flowmetal.embed.machine import Machine
from flowmetal.values.meter import DEFAULT, UNTRUSTED, Limits, charge, lend, meter
from flowmetal.values.seq import Range
from flowmetal.vm.state import MachineStatus, Turn
from tests.vm.programs import k, program


def ended(body: str, limits: Limits = DEFAULT) -> Turn:
    return Machine(program(f"(defn main [] {body})"), limits=limits).run()


RUNAWAYS = {
    '(apply str (repeat 1000000000 "x"))': "limit/items",
    "(vec (range 1000000000000))": "limit/items",
    "(reverse (range 1000000000000))": "limit/items",
    "(set (repeat 1000000000000 1))": "limit/items",
    "(hash (range 1000000000000))": "limit/items",
    "(= (range 1000000000000) (range 0 1000000000000 1))": "limit/items",
    "(pr-str (range 1000000000000))": "limit/items",
    "(apply + (range 1000000000000))": "limit/items",
    "(sort (range 1000000000000))": "limit/items",
    "(str (bit-shift-left 1 1000000))": "limit/bits",
    "(reduce * (range 1 100000))": "limit/bits",
    '(format "%1000000000d" 1)': "limit/characters",
    '(count (nth (iterate (fn [s] (str s s)) "x") 40))': "limit/characters",
    "((fn deep [n] (inc (deep n))) 1)": "limit/frames",
    **{
        form.format("(nth (iterate (fn [v] [v v]) 1) 40)"): f"limit/{limit}"
        for form, limit in (
            ("(count (str {0}))", "items"),
            ("(count (pr-str {0}))", "items"),  # whether all of it is realised
            ("(count (print-str {0}))", "items"),
            ("(flow.edn/write {0})", "items"),
            ("(flow.pprint/pprint {0})", "items"),
            ('(flow.pprint/cl-format nil "~a" {0})', "items"),
        )
    },
    '(count (pr-str (vec (repeat 1000 (apply str (repeat 100000 "x"))))))': "limit/characters",
    '(count (apply pr-str (repeat 1000 (apply str (repeat 100000 "x")))))': "limit/characters",
    "(flow.json/write (nth (iterate (fn [v] [v v]) (vec (range 1000))) 15))": "limit/items",
    "(flow.json/write (repeat 3000 (repeat 3000 1)))": "limit/items",
    **{
        f'(let [big (nth (iterate (fn [s] (str s s)) "x") 20)] {form})': "limit/characters"
        for form in (
            "(flow.json/write (repeat 100 big))",
            "(flow.csv/write [(repeat 100 big)])",
            "(flow.csv/write (repeat 100 [big]))",
            "(flow.url/query-string {:a (repeat 100 big)})",
            '(flow.template/render (apply str (repeat 100 "{{a}}")) {:a big})',
            '(flow.string/escape (apply str (repeat 100 "a")) {\\a big})',
            '(format (apply str (repeat 100 "%1$s")) big)',
            '(flow.pprint/cl-format nil "~{~a~}" (repeat 100 big))',
            '(flow.pprint/cl-format nil "~{~(~a~)~}" (repeat 100 big))',
        )
    },
    '(flow.pprint/cl-format nil (apply str (repeat 1000 "~100000%")))': "limit/characters",
    '(format (apply str (repeat 100 "%1$1000000d")) 1)': "limit/characters",
    '(format "%.2f" 1e2000000000M)': "limit/characters",
    "(let [x (fn [] (nth (iterate (fn [v] [v v]) 1) 60))] (= (x) (x)))": "limit/items",
    "(let [x (fn [] (nth (iterate (fn [v] {1 v 2 v}) 1) 60))] (= (x) (x)))": "limit/items",
    "(let [x (fn [] (nth (iterate (fn [v] [v v]) 1) 60))] (compare (x) (x)))": "limit/items",
}


@pytest.mark.parametrize("body", RUNAWAYS)
def test_what_would_run_away_is_an_error_that_says_how_to_raise_the_limit(body: str) -> None:
    turn = ended(body, UNTRUSTED)
    assert turn.status is MachineStatus.FAILED
    assert turn.error.type is k(RUNAWAYS[body])
    name = RUNAWAYS[body].partition("/")[2]
    assert f"--limit {name}=N" in turn.error.message


SHARED = (
    "(cons v (cons v nil))",
    "(repeat 2 v)",
    "(doall (map identity [v v]))",
    "(seq {1 v 2 v})",
)


@pytest.mark.parametrize("pair", SHARED)
def test_a_sequence_that_stands_in_many_places_is_hashed_once(pair: str) -> None:
    deep = f"(nth (iterate (fn [v] {pair}) 1) 40)"
    assert type(ended(f"(hash {deep})").result) is int
    assert ended(f"(contains? #{{1}} {deep})").result is False


def test_the_error_of_a_limit_can_be_caught() -> None:
    body = "(try (vec (range 1000000000000)) (catch :limit/items e :caught))"
    assert ended(body).result is k("caught")


def test_an_endless_sequence_needs_an_end() -> None:
    assert ended("(vec (range))").error.type is k("type/mismatch")


@pytest.mark.parametrize("endless", ["(range)", "(repeat 1)"])
@pytest.mark.parametrize("form", ["(str {0})", "(hash {0})", "(get {{1 1}} {0})"])
def test_a_walk_that_gives_up_is_charged_for(
    form: str, endless: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[Range.__module__], "_LONGEST_WALK", 200_000)
    turn = ended(f"(try {form.format(endless)} (catch :type/mismatch e :caught))")
    assert turn.result is k("caught")
    assert turn.fuel > 100_000


def test_a_cell_of_a_lazy_sequence_costs_what_making_it_takes() -> None:
    turn = ended("(count (map inc (range 1000)))")
    assert turn.result == 1000
    assert turn.fuel > 8_000


def test_a_long_chain_of_empty_lazy_sequences_is_walked_once() -> None:
    assert ended("(count (for [i (range 30000) j nil] j))").result == 0


def test_a_raised_limit_lets_a_run_go_further() -> None:
    body = "(count (vec (range 2000)))"
    assert ended(body, DEFAULT.with_changes(items=1_000)).error.type is k("limit/items")
    assert ended(body, DEFAULT.with_changes(items=2_000)).result == 2_000
    large = "(= 0 (bit-shift-left 1 100000))"
    assert ended(large, DEFAULT.with_changes(bits=200_000)).result is False


def test_an_integer_above_the_usual_limit_is_saved_and_restored() -> None:
    source = program(
        "(defn main [] (let [n (bit-shift-left 1 100000)] (perform :time/now {}) (dec (quot n (dec n)))))"
    )
    limits = DEFAULT.with_changes(bits=200_000)
    machine = Machine(source, limits=limits)
    machine.run()
    restored = Machine.restore(machine.snapshot(), source, limits=limits)
    restored.deliver(1, None)
    assert restored.run().result == 0


LARGE = {
    "a product": ("(* {0} {0})", "(bit-shift-left 1 30000)", "7"),
    "digits": ("(count (str {0}))", "(bit-shift-left 1 60000)", "7"),
    "a text": ("(count (str {0} {0}))", '(apply str (repeat 100000 "x"))', '"x"'),
    "a sorting": ("(count (sort {0}))", "(vec (range 10000))", "[1]"),
    "an equality": ("(= {0} [1 2])", "(vec (range 10000))", "[1 2]"),
    "a hash": ("(hash {0})", "(vec (range 10000))", "[1]"),
    "an expression": ('(re-find #"y" {0})', '(apply str (repeat 100000 "x"))', '"x"'),
    "a printing": ("(count (pr-str {0}))", "(vec (range 10000))", "[1]"),
    "arguments": ("(apply + {0})", "(vec (range 10000))", "[1]"),
    "a set": ("(count (set {0}))", "(vec (range 10000))", "[1]"),
    "a merge": ("(count (merge {{}} {0}))", "(zipmap (range 1000) (range 1000))", "{1 1}"),
    "pairs": ("(count (zipmap {0} {0}))", "(vec (range 1000))", "[1]"),
    "keys": ("(count (keys {0}))", "(zipmap (range 1000) (range 1000))", "{1 1}"),
    "a view": ("(count (set {0}))", "(sort (range 1000))", "(sort [1])"),
    "JSON": ("(count (flow.json/write {0}))", "(vec (range 1000))", "[1]"),
    "a reversed view": ("(rseq {0})", "(vec (range 1000))", "[1]"),
    "a view of a map": ("(count (rest {0}))", "(zipmap (range 1000) (range 1000))", "{1 1}"),
    "a cell far away": ("(nth {0} 999)", "(doall (map inc (range 1000)))", "(doall (map inc [1]))"),
    "counted items": ("(frequencies {0})", "(vec (range 1000))", "[1]"),
    "an addition to a map": (
        "(into {{1 1}} {0})",
        "(map vector (range 1000) (range 1000))",
        "[[1 1]]",
    ),
    "letters": ("(flow.string/upper-case {0})", '(apply str (repeat 100000 "x"))', '"x"'),
    "a part of a text": ("(subs {0} 1)", '(apply str (repeat 100000 "x"))', '"x"'),
    "lines": ("(flow.string/split-lines {0})", '(apply str (repeat 1000 "x\\n"))', '"x"'),
    "parts of a text": ('(flow.string/split {0} #",")', '(apply str (repeat 1000 "x,"))', '"x"'),
    "a table read": ("(flow.csv/parse {0})", '(apply str (repeat 1000 "a,b\\n"))', '"a,b"'),
    "a table written": ("(count (flow.csv/write [{0}]))", "(vec (range 1000))", "[1]"),
    "a query read": ("(flow.url/parse-query {0})", '(apply str (repeat 1000 "a=b&"))', '"a=b"'),
    "a query written": ("(count (flow.url/query-string {{:a {0}}}))", "(vec (range 1000))", "[1]"),
    "a template": (
        "(flow.template/render {0} {{:a 1}})",
        '(apply str (repeat 1000 "{{a}}"))',
        '"x"',
    ),
    "a quotient of decimals": ("(quot {0} 3M)", "(bigdec (bit-shift-left 1 60000))", "7M"),
    "a product of ratios": (
        "(= 0 (* {0} {0}))",
        "(/ (bit-shift-left 1 30000) (dec (bit-shift-left 1 3000)))",
        "1/3",
    ),
    "escapes": ("(flow.string/escape {0} {{}})", '(apply str (repeat 1000 "x"))', '"x"'),
    "digits to a base": ("(Integer/toString {0} 36)", "(bit-shift-left 1 60000)", "7"),
    "digits of a format": (
        '(flow.pprint/cl-format nil "~36r" {0})',
        "(bit-shift-left 1 60000)",
        "7",
    ),
    "a walk": ("(nthrest {0} 999)", "(zipmap (range 1000) (range 1000))", "{1 1}"),
}


@pytest.mark.parametrize("what", [name for name in LARGE if name != "an equality"])
def test_a_large_operand_costs_fuel(what: str) -> None:
    form, large, small = LARGE[what]

    def cost(operand: str) -> int:
        made = ended(f"(let [x {operand}] (count [x]))").fuel
        return ended(f"(let [x {operand}] (count [x]) {form.format('x')})").fuel - made

    assert cost(large) > cost(small) + 50


def test_charges_do_not_depend_on_where_a_host_pauses_or_saves() -> None:
    text = """
    (defn work [n]
      (let [xs (vec (range (* 500 n)))
            text (apply str xs)]
        (+ (count (pr-str (map inc xs))) (count (sort-by - xs)) (count (re-seq #"1" text)))))
    (defn main [] (mapv work (range 4)))"""
    source = program(text)
    whole = Machine(source)
    wanted = whole.run()
    paused = Machine(source)
    turn = paused.run(501)
    while turn.status is MachineStatus.READY:
        paused = Machine.restore(paused.snapshot(), source)
        turn = paused.run(501)
    assert turn.result == wanted.result
    assert paused.state.fuel_used == whole.state.fuel_used
    assert paused.state.quantum_left == whole.state.quantum_left


def test_what_a_process_remembers_of_values_does_not_change_the_fuel() -> None:
    text = """
    (defn work [xs]
      (let [part (vec (range 100))
            twins (mapv (fn [n] [part n]) xs)]
        [(hash xs) (hash twins) (= xs (into [] xs)) (= twins (mapv (fn [[_ n]] [(vec part) n]) twins))
         (= {xs 1} {(vec xs) 2}) (count #{xs (rseq xs)}) (get {twins 1} twins)
         (< 0 (reduce + (map (fn [n] (/ n (inc (* n n)))) (take 40 xs))))]))
    (defn main []
      (let [xs (vec (range 1000))]
        (dotimes [_ 2] (work xs))
        (work xs)))"""
    source = program(text)
    whole = Machine(source)
    wanted = whole.run()
    paused = Machine(source)
    while (turn := paused.run(997)).status is MachineStatus.READY:
        paused = Machine.restore(paused.snapshot(), source)
    assert turn.result == wanted.result
    assert paused.state.fuel_used == whole.state.fuel_used
    assert paused.state.quantum_left == whole.state.quantum_left


def test_going_through_a_range_to_hash_or_compare_it_is_no_part_of_the_fuel() -> None:
    source = program(
        """(defn main []
             (let [v [(range 100000) (repeat 50000 1)] w [(range 100000) (repeat 50000 1)] ask (fn [] [(hash v) (= v w) (get {v 1} w)])]
               (ask) (perform :time/now {}) (ask)))"""
    )
    fuel = []
    for is_restored in (False, True):
        machine = Machine(source)
        machine.run()
        if is_restored:
            machine = Machine.restore(machine.snapshot(), source)
        machine.deliver(1, None)
        machine.run()
        fuel.append((machine.state.fuel_used, machine.state.quantum_left))
    assert fuel[0] == fuel[1]


def test_what_the_host_does_between_two_slices_is_no_part_of_the_fuel() -> None:
    source = program("(defn main [] (dotimes [n 200] (str n (/ n 7))))")
    whole, paused = Machine(source), Machine(source)
    whole.run()
    while paused.run(50).status is MachineStatus.READY:
        charge(1_000)
        lend(1_000)
    assert paused.state.fuel_used == whole.state.fuel_used


def test_keys_that_collide_in_python_do_not_stall_an_instruction() -> None:
    modulus = (1 << 61) - 1
    body = f"(let [xs (mapv (fn [i] (* i {modulus})) (range 20000))] [(count (set xs)) (get (zipmap xs (range)) {modulus})])"
    turn = ended(body)
    assert list(turn.result) == [20_000, 1]


def test_five_thousand_nested_concats_are_walked_in_linear_time() -> None:
    few = ended("(count (reduce concat (map list (range 500))))").fuel
    many = ended("(count (reduce concat (map list (range 5000))))").fuel
    assert many < 12 * few


def test_each_slice_has_a_meter_that_no_thread_begun_before_shares() -> None:
    Machine(program("(defn main [] (reduce + (range 10)))")).run()
    of_a_thread = copy_context()
    Machine(program("(defn main [] (reduce + (range 10)))")).run()
    assert of_a_thread.run(meter) is not meter()
