"""What instructions come out: no more of them than needed."""

from __future__ import annotations

from itertools import pairwise

from flowmetal.bytecode.code import HandlerKind
from flowmetal.bytecode.opcodes import Op
from tests.compiler.support import Compilation, code, function, value


def ops(text: str, name: str = "f") -> str:
    return " ".join(word.split()[0] for word in code(text, name))


def test_an_inlined_test_costs_its_operands_one_operator_and_one_jump():
    assert code("(defn f [n] (if (< n 2) n 0))") == [
        "LOCAL 0",
        "CONST 0",
        "LT",
        "JUMP_IF_FALSE 6",
        "LOCAL 0",
        "RETURN",
        "CONST 1",
        "RETURN",
    ]


def test_a_let_that_is_read_once_and_at_once_needs_no_slot_traffic():
    assert ops("(defn f [x] (let [y (inc x)] (nil? y)))") == "LOCAL INC IS_NIL RETURN"


def test_a_let_that_nobody_reads_is_run_for_its_effect():
    assert ops("(defn f [x] (let [_ (str x)] x))") == "LOCAL NATIVE POP LOCAL RETURN"


def test_a_let_in_tail_position_is_not_cleaned_up_after():
    assert ops("(defn f [x] (let [y (inc x)] (+ y y)))") == (
        "LOCAL INC SET_LOCAL LOCAL LOCAL ADD RETURN"
    )


def test_sums_of_several_fold_from_the_left():
    assert ops("(defn f [a b c] (+ a b c))") == "LOCAL LOCAL ADD LOCAL ADD RETURN"


def test_a_comparison_of_three_calls_the_native():
    assert "NATIVE" in ops("(defn f [a b c] (< a b c))")


def test_recur_stores_into_the_slots_of_the_loop():
    text = "(defn f [n] (loop [i 0 s 0] (if (< i n) (recur (inc i) (+ s i)) s)))"
    assert ops(text).endswith("LOCAL INC LOCAL LOCAL ADD SET_LOCAL SET_LOCAL LOOP LOCAL RETURN")


def test_recur_leaves_alone_what_does_not_change():
    text = "(defn f [n] (loop [i 0 s 0] (if (< i n) (recur (inc i) s) s)))"
    assert ops(text).endswith("LOCAL INC SET_LOCAL LOOP LOCAL RETURN")


def test_and_in_a_test_makes_no_value():
    assert ops("(defn f [a b] (if (and a b) 1 2))") == (
        "LOCAL JUMP_IF_FALSE LOCAL JUMP_IF_FALSE CONST RETURN CONST RETURN"
    )


def test_not_in_a_test_exchanges_the_branches():
    assert ops("(defn f [a] (if (not a) 1 2))") == "LOCAL JUMP_IF_FALSE CONST RETURN CONST RETURN"


def test_a_test_that_is_constant_is_not_made():
    assert ops("(defn f [a] (if :else a (str a)))") == "LOCAL RETURN"


def test_nested_branches_jump_to_the_end_directly():
    instructions = code("(defn f [a b] (str (if a (if b 1 2) 3)))")
    assert "JUMP 9" in instructions
    assert instructions[9].startswith("NATIVE")


def test_calls_in_tail_position_replace_the_frame():
    assert ops("(defn f [g x] (if x (g x) (let [y 1] (do 1 (g y x)))))").count("TAIL_CALL") == 2


def test_calls_in_a_try_do_not():
    assert "TAIL_CALL" not in ops("(defn f [g] (try (g) (catch :a e 1)))")


def test_calls_in_a_catch_without_finally_do():
    assert "TAIL_CALL" in ops("(defn f [g] (try (g) (catch :a e (g e))))")
    assert "TAIL_CALL" not in ops("(defn f [g] (try (g) (catch :a e (g e)) (finally 1)))")


def test_code_after_a_throw_is_there_for_runs_that_are_told_to_go_on():
    assert ops("(defn f [x] (do (throw x) x))") == "LOCAL THROW POP LOCAL RETURN"


def test_inner_handlers_stand_before_outer_ones():
    text = "(defn f [g] (try (try (g) (catch :a e 1)) (catch :b e 2) (finally (g))))"
    body = function(Compilation().module(text), "f").bodies[0]
    kinds = [handler.kind for handler in body.handlers]
    assert kinds == [HandlerKind.TYPE, HandlerKind.TYPE, HandlerKind.FINALLY]
    constants = function(Compilation().module(text), "f").constants
    assert [constants[h.operand].text for h in body.handlers[:2]] == ["a", "b"]


def test_slots_of_ended_lets_are_used_again():
    text = "(defn f [x] (do (let [a (str x)] (str a a)) (let [b (str x)] (str b b))))"
    assert function(Compilation().module(text), "f").bodies[0].locals == 2


def test_every_instruction_has_a_place():
    module = Compilation().module("(defn f [x]\n  (str\n    (inc x)))")
    positions = function(module, "f").bodies[0].positions
    assert [(p.pc, p.line, p.col) for p in positions] == [(0, 3, 10), (1, 3, 5), (2, 2, 3)]


def test_names_that_macros_make_up_are_not_in_the_code():
    module = Compilation().module("(defn f [[a b]] (or a b))")
    assert function(module, "f").bodies[0].local_names == ("", "a", "b")


def test_names_that_the_reader_makes_up_are_not_in_the_code():
    text = "(defmacro m [x] `(let [a# (str ~x)] (str a# a#))) (defn f [y] (m y)) (defn g [] #(str % %2))"
    module = Compilation().module(f"(ns demo) {text}")
    assert function(module, "f").bodies[0].local_names == ("y", "")
    (literal,) = (each for each in module.functions if each.name == "demo/g/fn-1")
    assert literal.bodies[0].local_names == ("", "")


def test_a_keyword_in_front_looks_itself_up():
    assert ops("(defn f [m] (:a m))") == "LOCAL CONST NATIVE RETURN"


def test_apply_is_an_instruction():
    assert ops("(defn f [g xs] (apply g 1 xs))").endswith("TAIL_APPLY")


def test_literals_of_constants_are_one_constant():
    assert ops("(defn f [] {:a [1 2 #{3}]})") == "CONST RETURN"
    assert ops("(defn f [x] [1 {:a x}])") == "CONST CONST LOCAL MAP VECTOR RETURN"


def test_constants_are_shared_but_not_across_types():
    module = Compilation().module("(defn f [g] (g 1 1 1.0 true 0.0 -0.0 1))")
    assert [repr(c) for c in function(module, "f").constants] == ["1", "1.0", "True", "0.0", "-0.0"]


def test_a_function_named_inside_itself_is_the_running_one():
    module = Compilation().module("(defn f [] (fn g [n] (g n)))")
    inner = next(f for f in module.functions if f.name == "user/f/g")
    assert [op for op, _ in inner.bodies[0].instructions] == [Op.SELF, Op.LOCAL, Op.TAIL_CALL]
    assert inner.captures == 0


def test_what_an_inner_inner_function_needs_is_captured_on_the_way():
    module = Compilation().module("(defn f [x] (fn [y] (fn [z] [x y z])))")
    captures = {f.name: f.capture_names for f in module.functions}
    assert captures == {"user/f": (), "user/f/fn-1": ("x",), "user/f/fn-2": ("x", "y")}


def test_what_nobody_reads_any_more_is_let_go_before_a_loop():
    text = "(defn f [g xs] (loop [s (seq xs)] (if s (do (g s) (recur (next s))) (g 1))))"
    assert ops(text).startswith("LOCAL NATIVE SET_LOCAL CONST SET_LOCAL LOCAL JUMP_IF_FALSE")
    assert code(text)[3:5] == ["CONST 1", "SET_LOCAL 1"]


def test_what_a_loop_around_may_read_again_is_kept():
    text = """(defn f [xs] (loop [i 0] (if (< i 3)
                (do (loop [s (seq xs)] (if s (recur (next s)) nil)) (recur (inc i))) i)))"""
    instructions = code(text)
    assert not any(
        first.startswith("CONST") and second == "SET_LOCAL 0"
        for first, second in pairwise(instructions)
    )


def test_functions_of_letfn_outlive_a_loop_that_comes_before_their_call():
    text = """(letfn [(f [] (g)) (g [] (f))]
                (do (loop [i 0] (if (< i 3) (recur (inc i)) nil)) (nil? f)))"""
    assert value(text) is False
