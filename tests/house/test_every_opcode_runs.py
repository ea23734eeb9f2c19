"""For every instruction a program that the compiler writes it into, and what comes of running it."""

from __future__ import annotations

import pytest

import flowmetal
from flowmetal.bytecode.opcodes import Op
from flowmetal.values import pr_str

# fmt: off
PROGRAMS = {
    "CONST":         ("(defn main [] :a)",                                                  ":a"),
    "LOCAL":         ("(defn main [] ((fn [x] x) 3))",                                      "3"),
    "SET_LOCAL":     ("(defn main [] (let [x (inc 1)] [x x]))",                             "[2 2]"),
    "CAPTURED":      ("(defn adder [n] (fn [x] (+ x n))) (defn main [] ((adder 2) 3))",     "5"),
    "SELF":          ("(defn main [] ((fn f [n] (if (= n 0) :end (f (dec n)))) 3))",        ":end"),
    "VAR":           ("(def x (atom 7)) (defn main [] @x)",                                 "7"),
    "DYNAMIC":       ("(def ^:dynamic *x* 1) (defn main [] (binding [*x* 2] *x*))",         "2"),
    "POP":           ("(defn main [] (do (str 1) 2))",                                      "2"),
    "DUP":           ("(defn main [] (let [x (str 1)] (or x 2)))",                          None),
    "JUMP":          ("(defn f [x] [(if x 1 2)]) (defn main [] [(f true) (f nil)])",        "[[1] [2]]"),
    "JUMP_IF_FALSE": ("(defn f [x] (if x 1 2)) (defn main [] [(f 0) (f false)])",           "[1 2]"),
    "LOOP":          ("(defn main [] (loop [n 9] (if (> n 3) (recur (dec n)) n)))",         "3"),
    "CASE":          ("(defn f [x] (case x :a 1 :b 2 3)) (defn main [] (mapv f [:a :b :c]))", "[1 2 3]"),
    "CALL":          ("(defn f [x] x) (defn main [] [(f 1)])",                              "[1]"),
    "TAIL_CALL":     ("(defn f [x] x) (defn main [] (f 1))",                                "1"),
    "APPLY":         ("(defn main [] [(apply max 1 [5 2])])",                               "[5]"),
    "TAIL_APPLY":    ("(defn main [] (apply max 1 [5 2]))",                                 "5"),
    "RETURN":        ("(defn main [] nil)",                                                 "nil"),
    "CLOSURE":       ("(defn main [] (let [y (inc 1)] ((fn [] y))))",                       "2"),
    "PATCH":         ("(defn main [] (letfn [(e [n] (if (= n 0) :even (o (dec n)))) (o [n] (if (= n 0) :odd (e (dec n))))] (e 3)))", ":odd"),
    "NATIVE":        ("(defn main [] (count [1 2]))",                                       "2"),
    "THROW":         ("(defn main [] (try (throw (ex-info \"x\" {})) (catch :default e (:message e))))", '"x"'),
    "END_FINALLY":   ("(def a (atom 0)) (defn main [] [(try 1 (finally (swap! a inc))) @a])", "[1 1]"),
    "PERFORM":       ("(defn main [] (inst? (perform :time/now {})))",                      "true"),
    "DEF":           ("(defn main [] (def y 5) y)",                                         "5"),
    "SET_VAR":       ("(def ^:dynamic *x* 1) (defn main [] (binding [*x* 2] (set! *x* 3) *x*))", "3"),
    "BIND":          ("(def ^:dynamic *x* 1) (defn g [] *x*) (defn main [] [(binding [*x* 2] (g)) (g)])", "[2 1]"),
    "UNBIND":        ("(def ^:dynamic *x* 1) (defn main [] [(binding [*x* 2] *x*) *x*])",   "[2 1]"),
    "WRITE":         ("(defn main [] (print \"out\"))",                                     "nil"),
    "ADD":           ("(defn f [a b] (+ a b)) (defn main [] (f 1 2))",                      "3"),
    "SUB":           ("(defn f [a b] (- a b)) (defn main [] (f 1 2))",                      "-1"),
    "MUL":           ("(defn f [a b] (* a b)) (defn main [] (f 3 2))",                      "6"),
    "LT":            ("(defn f [a b] (< a b)) (defn main [] [(f 1 2) (f 2 2)])",            "[true false]"),
    "LE":            ("(defn f [a b] (<= a b)) (defn main [] [(f 2 2) (f 3 2)])",           "[true false]"),
    "GT":            ("(defn f [a b] (> a b)) (defn main [] [(f 2 1) (f 2 2)])",            "[true false]"),
    "GE":            ("(defn f [a b] (>= a b)) (defn main [] [(f 2 2) (f 1 2)])",           "[true false]"),
    "EQ":            ("(defn f [a b] (= a b)) (defn main [] [(f [1] '(1)) (f 1 1.0)])",     "[true false]"),
    "INC":           ("(defn f [a] (inc a)) (defn main [] (f 1/2))",                        "3/2"),
    "DEC":           ("(defn f [a] (dec a)) (defn main [] (f 0.5))",                        "-0.5"),
    "NOT":           ("(defn f [a] (not a)) (defn main [] (mapv f [nil 0]))",               "[true false]"),
    "IS_NIL":        ("(defn f [a] (nil? a)) (defn main [] (mapv f [nil false]))",          "[true false]"),
    "VECTOR":        ("(defn main [] (let [x (str 1)] [x x]))",                             '["1" "1"]'),
    "MAP":           ("(defn main [] (let [x (str 1)] {:a x}))",                            '{:a "1"}'),
    "SET":           ("(defn main [] (let [x (str 1)] #{x}))",                              '#{"1"}'),
}
# fmt: on


def test_there_is_a_program_for_every_opcode() -> None:
    assert PROGRAMS.keys() == {op.name for op in Op}


@pytest.mark.parametrize("op", Op, ids=lambda op: op.name)
def test_an_opcode_is_compiled_and_run(op: Op) -> None:
    text, expected = PROGRAMS[op.name]
    program = flowmetal.compile(f"(ns p)\n{text}")
    used = {
        found
        for module in program.modules
        for function in module.functions
        if op.name in ("WRITE", "DUP") or function.name.startswith("p/")
        for body in function.bodies
        for found, _ in body.instructions
    }
    assert op in used
    with flowmetal.Engine("memory:") as engine:
        result = engine.result(engine.start(program)[0])
    assert expected is None or pr_str(result) == expected
