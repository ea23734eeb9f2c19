"""What forms mean when they run."""

from __future__ import annotations

import pytest

from flowmetal.compiler.evaluator import EvaluationFailed
from flowmetal.values import pr_str
from tests.compiler.support import Compilation, value

CASES = {
    "(let [[a b & more :as all] [1 2 3 4]] [a b more all])": "[1 2 (3 4) [1 2 3 4]]",
    "(let [[a [b [c]]] [1 [2 [3]]]] [a b c])": "[1 2 3]",
    "(let [[a & {:keys [b]}] [1 :b 2]] [a b])": "[1 2]",
    "(let [[a b] nil] [a b])": "[nil nil]",
    "(let [{:keys [a b] :or {b 7} :as m} {:a 1}] [a b m])": "[1 7 {:a 1}]",
    '(let [{:x/keys [a] :strs [s] :syms [y]} {:x/a 1 "s" 2 \'y 3}] [a s y])': "[1 2 3]",
    "(let [{:keys [x/a :y/b]} {:x/a 1 :y/b 2}] [a b])": "[1 2]",
    "(let [{[a b] :p n :n} {:p [1 2] :n 3}] [a b n])": "[1 2 3]",
    "(let [{a :a} {:a nil}] a)": "nil",
    "(let [{:keys [a] :or {a 1}} {:a nil}] a)": "nil",
    "(let [[v w] [1 2] v [v w] [v w] v] [v w])": "[1 2]",
    "((fn [a & {:keys [x y]}] [a x y]) 1 :x 2 :y 3)": "[1 2 3]",
    "((fn [[a] {b :b}] [a b]) [1] {:b 2})": "[1 2]",
    "(loop [[x & xs] [1 2 3] acc 0] (if x (recur xs (+ acc x)) acc))": "6",
    "(loop [i 0 acc []] (if (< i 3) (recur (inc i) (conj acc (fn [] i))) ((nth acc 1))))": "1",
    "(let [a 1 a (inc a)] a)": "2",
    "(let [x 1 f (fn [] x) x 2] [(f) x])": "[1 2]",
    "(letfn [(e [n] (if (= n 0) true (o (dec n)))) (o [n] (if (= n 0) false (e (dec n))))] (e 9))": "false",
    "(let [f (fn me [n] (if (= n 0) 0 (me (dec n))))] (f 10000))": "0",
    "((fn ([] 0) ([a] a) ([a & r] [a r])) 1 2 3)": "[1 (2 3)]",
    "(do)": "nil",
    "(let [])": "nil",
    "()": "()",
    '[[] {} #{} () ""]': '[[] {} #{} () ""]',
    "(if nil 1)": "nil",
    "(and 1 (or nil 2) 3)": "3",
    "(let [x (and 1 nil)] (nil? x))": "true",
    "(try 1 (finally 2))": "1",
    '(try (throw (ex-info "a" {:type :x})) (catch :y e 1) (catch :x e 2))': "2",
    '(try (throw (ex-info "a" {})) (catch (fn [e] true) e 3))': "3",
    "(try (nth [] 9) (catch IndexOutOfBoundsException e 4) (catch Throwable e 5))": "4",
    '(let [l (-atom [] nil nil) n (fn [x] (-cell-set! l (conj (-cell-value l) x)))] (try (try (n 1) (throw (ex-info "" {})) (finally (n 2))) (catch :default e (n 3))) (-cell-value l))': "[1 2 3]",
    '(+ 1 (try (throw (ex-info "" {})) (catch :default e 2)))': "3",
    "(case* 2 :no [[[1] :one] [[2 3] :more]])": ":more",
    "(case* 1.0 :no [[[1] :one]])": ":no",
    '{:a (inc 1) (str "k") #{(dec 2)}}': '{:a 2, "k" #{1}}',
    "(apply + 1 [2 3])": "6",
    "(:a {:a 1})": "1",
    "(:b {:a 1} 2)": "2",
    "#'inc": "#'flow.core/inc",
    "'(a [b #{c}] :d)": "(a [b #{c}] :d)",
    "(let [x 1] `(a ~x ~@[2 3]))": "(demo/a 1 2 3)",
    "(clojure.core/inc 1)": "2",
    "(#(+ % %2) 1 2)": "3",
}


@pytest.mark.parametrize("text", CASES)
def test_the_value_of(text):

    assert pr_str(value(text)) == CASES[text]


def test_a_syntax_quote_qualifies_what_it_should():
    shown = pr_str(value("`(if let inc foo demo/x c/x &)"))
    assert shown == "(if flow.core/let flow.core/inc demo/foo demo/x c/x &)"


def in_demo(text: str, *names: str) -> list[str]:
    compilation = Compilation()
    compilation.module(f"(ns demo) {text}")
    return [pr_str(compilation.machine.machine.globals[f"demo/{name}"]) for name in names]


def test_definitions_run_in_the_order_of_the_source():
    assert in_demo("(def x 1) (def y (inc x)) (def x (inc y))", "x", "y") == ["3", "2"]


def test_a_constant_that_is_defined_again_keeps_its_first_value_for_code_between():
    compilation = Compilation()
    module = compilation.module("(ns demo) (def x 1) (def y (str x)) (def x 2)")
    assert [(d.name, d.kind.value) for d in module.definitions] == [
        ("demo/x", "initialiser"),
        ("demo/y", "initialiser"),
        ("demo/x", "initialiser"),
    ]


def test_a_function_that_is_defined_twice_is_there_once():
    module = Compilation().module("(ns demo) (defn f [] 1) (defn f [] 2)")
    assert [d.name for d in module.definitions] == ["demo/f"]


def test_declare_takes_nothing_away():
    assert in_demo("(def x 1) (declare x) (def y x)", "y") == ["1"]


def test_def_in_a_function_defines_when_it_runs():
    compilation = Compilation()
    compilation.module("(ns demo) (defn f [v] (def made v)) (defn g [] made)")
    compilation.machine.call("demo/f", [7])
    assert compilation.machine.call("demo/g", []) == 7


def test_binding_is_undone_by_an_error():
    text = """(def ^:dynamic *d* 1)
      (defn f [] [(try (binding [*d* 2] (throw (ex-info "" {}))) (catch :default e *d*))
                  (binding [*d* 3] (set! *d* (inc *d*)) *d*) *d*])"""
    compilation = Compilation()
    compilation.module(f"(ns demo) {text}")
    assert pr_str(compilation.machine.call("demo/f", [])) == "[1 4 1]"


@pytest.mark.parametrize(
    "again", ["(def *d* 1)", '(def *d* "doc" 1)', '(do (let [] (def *d* "doc" 1)))']
)
def test_what_was_declared_dynamic_is_so_when_it_gets_its_value(again):
    compilation = Compilation()
    compilation.module(
        f"(ns demo) (declare ^:dynamic *d*) (defn g [] *d*) {again} (defn f [] [(g) (binding [*d* 2] (g))])"
    )
    assert pr_str(compilation.machine.call("demo/f", [])) == "[1 2]"


def test_a_macro_sees_the_form_and_the_local_names():
    text = "(defmacro m [& xs] (list 'quote (list &form (get &env 'a) (get &env 'b))))"
    compilation = Compilation()
    compilation.module(f"(ns demo) {text} (defn f [a] (m 1 2))")
    assert pr_str(compilation.machine.call("demo/f", [0])) == "((m 1 2) true nil)"


def test_a_macro_can_be_shadowed_by_a_local_function():
    assert value("(let [when (fn [x] [x])] (when 1))").nth(0) == 1


def test_a_macro_may_use_private_functions_of_its_namespace():
    compilation = Compilation()
    compilation.library("(ns lib.x) (defn- hidden [x] [x]) (defmacro shown [x] `(hidden ~x))")
    compilation.module("(ns demo (:require [lib.x :as x])) (defn f [] (x/shown 1))")
    assert pr_str(compilation.machine.call("demo/f", [])) == "[1]"


def contract(text: str, *arguments: object, contracts: bool = True) -> str:
    compilation = Compilation(contracts=contracts)
    compilation.module(f"(ns demo) {text}")
    try:
        return pr_str(compilation.machine.call("demo/f", list(arguments)))
    except EvaluationFailed as failure:
        return failure.error.message if failure.error.code == "FM0340" else repr(failure.error)


def test_a_contract_names_argument_value_and_predicate():
    text = "(defn f [a b :- int?] b)"
    assert contract(text, 1, 2) == "2"
    assert contract(text, 1, "x") == '`f` needs `b` to be int?, got "x"'


def test_a_contract_about_the_result_lets_recur_mean_what_it_did():
    text = "(defn f [n acc] :- pos? (if (= n 0) acc (recur (dec n) (- acc 1))))"
    assert contract(text, 3, 9) == "6"
    assert contract(text, 3, 1) == "`f` needs its result to be pos?, got -2"


def test_a_predicate_may_be_any_expression():
    text = "(defn f [x :- (fn [v] (= v 1))] x)"
    assert contract(text, 1) == "1"
    assert contract(text, 2) == "`f` needs `x` to be (fn [v] (= v 1)), got 2"


def test_a_predicate_is_called_in_a_sealed_function():
    module = Compilation().module("(defn ok? [x] true) (defn f [x :- ok?] x)")
    assert [f.name for f in module.functions if "sealed" in f.flags] == ["user/f/fn-1"]


def test_a_contract_of_a_pattern_and_of_let():
    assert contract("(defn f [[a] :- map?] a)", 1) == "`f` needs argument 1 to be map?, got 1"
    assert contract("(defn f [v] (let [x :- int? v] x))", "s") == '`x` must be int?, got "s"'
    assert (
        contract("(defn f [v] (loop [x :- int? v] (recur (str x))))", 1)
        == '`x` must be int?, got "1"'
    )


def test_pre_and_post_conditions():
    text = "(defn f [x] {:pre [(pos? x)] :post [(< % 10)]} (* x 2))"
    assert contract(text, 2) == "4"
    assert contract(text, 0) == "`f` needs (pos? x) before the call"
    assert contract(text, 9) == "`f` needs (< % 10) after the call, the result is 18"


def test_a_map_alone_is_a_value_and_no_condition():
    assert contract("(defn f [] {:pre [1]})") == "{:pre [1]}"


def test_contracts_can_be_left_out():
    text = "(defn f [x :- int?] :- int? {:pre [(pos? x)]} (let [y :- int? x] y))"
    assert contract(text, "s", contracts=False) == '"s"'
    assert contract(text, -1) == "`f` needs (pos? x) before the call"


def test_argument_lists_are_shown_without_contracts():
    module = Compilation().module("(defn f [a :- int? {b :b}] a)")
    found = module.definitions[0].meta
    assert pr_str(found) == "{:arglists ([a {b :b}])}"
