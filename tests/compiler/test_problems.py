"""What the compiler says about mistakes: all of them, once each, in the right place."""

from __future__ import annotations

from collections import Counter

import pytest

from flowmetal.bytecode.code import MOST_SLOTS
from flowmetal.compiler.emit_functions import emit_function
from flowmetal.compiler.nodes import Arity, Binding, Constant, Function, Target
from flowmetal.errors import CompileError, ReadError
from flowmetal.source import Span
from tests.compiler.support import Compilation, problem, problems


def test_an_unknown_name_is_reported_once_with_the_number_of_its_uses():
    found = problem("(defn f [x] (printn x) (printn x)) (defn g [] (printn 1) printn)")
    assert found.code == "FM0102"
    assert found.message == "unknown name `printn` (and 3 more uses)"
    assert found.labels[0].text == "not defined in user, flow.core or this function"
    assert str(found.span) == "demo.flow:1:14"
    assert (found.span.end_line, found.span.end_col) == (1, 20)


def test_several_forms_with_mistakes_are_all_reported():
    found = problems("(defn f [] (if))\n(def x (recur))\n(defn g [a] (nope a))\n(defn h [] (f 1))")
    assert [(d.code, d.span.line) for d in found] == [
        ("FM0101", 1),
        ("FM0110", 2),
        ("FM0102", 3),
    ]


def test_local_names_of_a_broken_form_are_unknown_in_the_next_one_of_a_do():
    found = problems("(do (def f (let [x 1] (if))) (defn g [y] x) (def h [x]))")
    assert [(d.code, d.message[:16]) for d in found] == [
        ("FM0101", "`if` needs a tes"),
        ("FM0102", "unknown name `x`"),
    ]


def test_no_more_than_ten_problems_are_reported():
    text = "\n".join(f"(def x{n} (if))" for n in range(15))
    found = problems(text)
    assert len(found) == 10
    assert found[0].notes == ("5 more problems are not shown",)


def test_what_a_broken_definition_would_define_is_not_unknown():
    assert problem("(defn f [x] (if)) (defn g [] (f 1 2 3)) (def h f)").code == "FM0101"


def test_an_unknown_defining_macro_is_one_mistake():
    found = problem("(defwhatever thing [a b] (+ a b)) (defn g [] (thing 1))")
    assert found.message == "unknown name `defwhatever`"


def test_an_unknown_macro_with_bindings_is_one_mistake():
    assert problem("(defn f [] (when-lett [x 1] x))").message == "unknown name `when-lett`"


def test_a_clause_that_is_not_understood_does_not_hide_the_others():
    found = problem("(ns demo (:import x) (:require [flow.more :as m])) (def x (m/helper))")
    assert found.code == "FM0202"


def test_gen_class_alone_asks_for_nothing_and_with_options_for_what_is_not_there():
    assert Compilation().module("(ns demo (:gen-class)) (def x 1)").name == "demo"
    assert problem("(ns demo (:gen-class :name a.B))").code == "FM0202"


def test_a_foreign_name_that_is_a_slip_is_offered_as_one():
    compilation = Compilation()
    compilation.library("(ns lib) (defn println [x] x)")
    with pytest.raises(CompileError) as caught:
        compilation.module("(ns a (:require [lib :refer :all])) (defn f [] (printn 1))")
    assert caught.value.diagnostics[0].help == ("did you mean `println`?",)


@pytest.mark.parametrize(
    ("arities", "counts"),
    [
        ("[] [a]", "0 or 1 arguments"),
        ("[a]", "1 argument"),
        ("[] [a b] [a b c]", "0, 2 or 3 arguments"),
        ("[a] [a b] [a b & c]", "1 or more arguments"),
        ("[] [a b & c]", "0 or 2 or more arguments"),
    ],
)
def test_counts_of_arguments_read_well(arities, counts):
    bodies = " ".join(f"({arity} 1)" for arity in arities.replace("] [", "]|[").split("|"))
    arguments = "1 1 1 1" if "&" not in arities else ("1" if arities.startswith("[]") else "")
    found = problem(f"(defn f {bodies}) (defn g [] (f {arguments}))")
    assert f"takes {counts} (" in found.message


def test_names_close_by_are_offered():
    assert problem("(defn total [xs] (totl xs))").help == ("did you mean `total`?",)
    assert problem("(defn f [customer] custmer)").help == ("did you mean `customer`?",)
    assert problem("(defn f [] (Inc 1))").help == ("did you mean `inc`?",)


def test_nothing_is_offered_if_nothing_is_close():
    assert problem("(defn f [] (frobnicate 1))").help == ()
    assert problem("(defn f [] q)").help == ()


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("(defn f [] null)", "write nil"),
        ("(defn f [] (lambda 1))", "use fn"),
        ("(defn f [] (dosync 1))", "use an atom: there are no threads inside a run"),
        ("(defn f [] (aget 1 2))", "there are no arrays: use `nth` on a vector"),
    ],
)
def test_names_of_other_languages_are_known(text, help):
    assert problem(text).help == (help,)


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("(defn f [] (Thread/sleep 5))", "use sleep!: (sleep! (seconds 1))"),
        ("(defn f [] (java.util.UUID/randomUUID))", "use uuid!"),
        ("(defn f [] (java.time.Instant/now))", "reading the clock is an effect: (now!)"),
        ('(defn f [] (.length "a"))', "write (count text)"),
        ("(defn f [x] (.-total x))", "a field of a record is (:total x)"),
        (
            "(defn f [] (StringBuilder.))",
            "collect texts in a vector and join them with (apply str texts)",
        ),
    ],
)
def test_classes_of_the_host_are_known(text, help):
    found = problem(text)
    assert found.message == "host interop is not part of Flowmetal: call a connector"
    assert found.help == (help,)


@pytest.mark.parametrize("text", ["(Foo. 1)", "(.method x)", "(new Foo 1)", "(. x y)", ".-field"])
def test_host_interop_is_refused(text):
    found = problem(f"(defn f [x] {text})")
    assert (found.code, found.message) == (
        "FM0107",
        "host interop is not part of Flowmetal: call a connector",
    )


def test_a_name_of_another_namespace_is_found_there():
    compilation = Compilation()
    compilation.library("(ns flow.string) (defn join [x] x)")
    with pytest.raises(CompileError) as caught:
        compilation.module("(defn f [] (join 1))")
    assert caught.value.diagnostics[0].help == (
        "`join` exists in flow.string: add [flow.string :as string]",
    )
    with pytest.raises(CompileError) as caught:
        compilation.module("(ns a (:require [flow.string :as s])) (defn f [] (s/jion 1) (join 2))")
    assert [d.help for d in caught.value.diagnostics] == [
        ("did you mean `join`?",),
        ("write `s/join`: it is in flow.string",),
    ]


def test_a_name_is_referred_where_its_namespace_is_required_already():
    compilation = Compilation()
    compilation.library("(ns flow.string) (defn join [x] x) (defn trim [x] x)")
    with pytest.raises(CompileError) as caught:
        compilation.module(
            "(ns a (:require [flow.string :refer [trim]])) (trim 1) (defn f [] (join 1))"
        )
    assert caught.value.diagnostics[0].help == ("`join` is in flow.string: add it to :refer there",)


def test_a_name_of_the_core_that_is_sought_elsewhere_is_said_to_be_there():
    compilation = Compilation()
    compilation.library("(ns flow.string) (defn join [x] x)")
    for source in (
        "(ns a (:require [flow.string :refer [inc]]))",
        "(ns a (:require [flow.string :as s])) (defn f [x] (s/inc x))",
    ):
        with pytest.raises(CompileError) as caught:
            compilation.module(source)
        assert caught.value.diagnostics[0].help == (
            "`inc` is in flow.core: write it without an alias and without :refer",
        )


def test_a_name_that_is_defined_below_is_said_to_be():
    found = problem("(defn f [] (g))\n(defn g [] 1)")
    assert found.help == ("it is defined below, in line 2: move it up, or (declare g)",)


def test_a_wrong_number_of_arguments_shows_the_argument_lists_and_the_definition():
    found = problem("(defn charge! [customer amount] 1)\n(defn f [] (charge! 1))")
    assert found.message == "`charge!` takes 2 arguments ([customer amount]), called with 1"
    assert [str(label.span) for label in found.labels] == ["demo.flow:2:12", "demo.flow:1:7"]
    found = problem("(defn f ([a] 1) ([a b & c] 2)) (defn g [] (f))")
    assert found.message == (
        "`f` takes 1 or more arguments ([a] [a b & c]), called without arguments"
    )
    assert problem("(defn f [] (inc 1 2))").message == "`inc` takes 1 argument ([x]), called with 2"


def test_calls_of_redefinable_vars_are_not_checked():
    Compilation().module("(def ^:dynamic *f* (fn [] 1)) (declare g) (defn h [] (*f* 1) (g 1 2))")


def test_a_mistake_in_what_a_macro_made_is_at_the_macro_call():
    found = problem("(defmacro m [x] `(nope ~x))\n(defn f [a]\n  (m a))")
    assert str(found.span) == "demo.flow:3:3"


def test_a_mistake_in_what_a_macro_was_given_is_where_it_was_written():
    found = problem("(defn f [a]\n  (when a\n    (nope)))")
    assert str(found.span) == "demo.flow:3:6"


def test_a_macro_that_fails_says_what_it_said():
    text = '(defmacro m [x] (throw (ex-info "not like that" {})))\n(defn f [] (m 1))'
    found = problem(text)
    assert found.message == "the macro `user/m` failed: not like that"
    assert str(found.span) == "demo.flow:2:12"


def test_an_effect_in_a_macro_is_refused():
    found = problem("(defmacro m [] (perform :time/now {}))\n(defn f [] (m))")
    assert found.message.startswith("the macro `user/m` failed: ")
    assert "time/now is refused" in found.message


def test_a_macro_that_never_ends_is_stopped():
    found = problem("(defmacro m [] (loop [] (recur))) (def x (m))")
    assert found.message.startswith("the macro `user/m` failed: the evaluation took more than ")


def test_a_private_name_points_at_its_definition():
    found = problem("(ns demo (:require [flow.more :as m])) (defn f [] (m/secret))")
    assert (found.code, found.message) == ("FM0104", "`flow.more/secret` is private")
    Compilation().module("(ns demo (:require [flow.more :as m])) (defn f [] #'m/secret)")


def test_a_read_error_after_a_mistake_does_not_hide_it():
    found = problems("(def x (if))\n(def y {:a})")
    assert [d.code for d in found] == ["FM0101", "FM0031"]


def test_a_read_error_alone_stays_a_read_error():
    with pytest.raises(ReadError):
        Compilation().module("(def x")


@pytest.mark.parametrize(
    "text",
    [
        "(let [a] a)",
        "(let a a)",
        "(let [1 2] 3)",
        "(let [a/b 1] 2)",
        "(let [[a &] 1] a)",
        "(let [[a & b c] 1] a)",
        "(let [[a :as] 1] a)",
        "(let [[a :what b] 1] a)",
        "(let [{:keys a} 1] a)",
        "(let [{:keys [1]} 1] a)",
        "(let [{:or [a 1] :keys [a]} 1] a)",
        "(fn)",
        "(fn [a &] a)",
        "(fn ([a & b] 1) ([c & d] 2))",
        "(fn ([a b c] 1) ([c & d] 2))",
        "(fn* [[a]] a)",
        "(loop [x 1] (recur))",
        "(letfn [f] 1)",
        "(letfn [(f)] 1)",
        "(try 1 (finally 2) 3)",
        "(try (catch :a e) 3)",
        "(catch :a e 1)",
        "(finally 1)",
        "(throw)",
        "(quote)",
        "(var)",
        "(var 1)",
        "(set! 1 2)",
        "(perform)",
        "(perform :time/now 5)",
        "(binding [x] 1)",
        "(binding [1 2] 1)",
        "(case* 1)",
        "(def)",
        "(def x 1 2)",
        '(def x "doc" 1 2)',
        "(defn)",
        "(defn f)",
        "(defn 5 [])",
        "(defmacro m)",
        "(declare 1)",
        "(ns)",
        "(ns 5)",
        "(ns x (:require 5))",
        "(ns x (:require [y :as]))",
        "(ns x y)",
        "(ns x (:require [y :rename {1 2}]))",
        "(ns x (:require [y :rename {a 2}]))",
        "(ns x/y)",
        "(in-ns 5)",
        "(defforeign)",
        "(defforeign f)",
        "(defforeign f [x] [y])",
        "(new)",
        "(.)",
        "(perform nil {})",
        "recur",
        "if",
        "let",
    ],
)
def test_malformed_code_is_a_diagnostic_inside_of_the_file(text):
    for source in (text, f"(defn outer [x] {text})"):
        for found in problems(source):
            assert found.code.startswith(("FM01", "FM02", "FM0312"))
            assert found.span is not None
            assert found.span.line == 1
            assert 1 <= found.span.col <= len(source)


@pytest.mark.parametrize("call", ["(-here)", "(-class-part)", "(flow.core/-if-function 1)"])
def test_what_macros_of_the_library_expand_to_is_private(call):
    found = problem(f"(defn f [] {call})")
    assert (found.code, str(found.span)) == ("FM0104", "demo.flow:1:12")


@pytest.mark.parametrize(
    "made",
    [
        "(list 'quote (vector inc))",
        "(list 'def 'y (list 'quote {:a inc}))",
        "(list 'quote (with-meta 'y {:a inc}))",
        "(list 'case* 1 2 (vector (vector (vector (vector inc)) 3)))",
        '(ex-info "no data" {:f inc})',
        "(list 'quote (-repeat-for-ever 1))",
    ],
)
def test_a_constant_that_a_macro_makes_is_data(made):
    compilation = Compilation()
    with pytest.raises(CompileError) as caught:
        compilation.module(f"(ns demo) (defmacro m [] {made})\n(m)")
    (only,) = caught.value.diagnostics
    assert (only.code, only.span.line) == ("FM0125", 2)


def test_a_macro_may_not_make_code_without_end():
    assert problem("(defmacro m [] (-repeat-for-ever 1)) (def x (m))").code == "FM0125"
    assert problem("(defmacro m [] (list 'do (-repeat-for-ever 1))) (def x (m))").code == "FM0125"


def test_a_function_with_more_locals_than_a_file_can_hold_is_refused_where_it_stands():
    place = Span("demo.flow", 3, 5, 3, 9)
    bindings = tuple(Binding("p", place, 1) for _ in range(MOST_SLOTS + 1))
    arity = Arity(place, Target(bindings, "function"), False, Constant(place, None))
    with pytest.raises(CompileError, match=r"65,536 parameters and locals") as caught:
        emit_function(Function(place, "demo/f", (), (arity,), 1), Counter(), {})
    assert str(caught.value.diagnostics[0].span) == "demo.flow:3:5"
