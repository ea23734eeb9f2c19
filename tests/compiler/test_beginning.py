"""What a program begins with: main, -main, or its top-level forms."""

from __future__ import annotations

import pytest

import flowmetal
from flowmetal.errors import CompileError
from flowmetal.values import pr_str

RESULTS = {
    "(+ 1 2)": "3",
    "(+ 1 2) 42": "42",
    "(+ 1 2) (defn f [x] x) (def y (f 1))": "3",
    "(def x 1)": "nil",
    "": "nil",
    "(def a (atom 0)) (swap! a inc) (swap! a inc)": "2",
    "(map inc [1 2])": "(2 3)",
    "(fn [] 1)": "nil",
    "(range)": "nil",
    "(defmacro m [] (list 'vector (list 'comment (range)))) (m)": "[nil]",
    "(defn -main [] :foreign)": ":foreign",
    "(def -main (constantly :made))": ":made",
    "(defn -main [] :foreign) (defn main [] :own)": ":own",
    "(defn -main [x] x) (-main :called)": ":called",
    "(defn -main [x] x) :kept (apply -main [:called])": ":called",
    "(defn -main [] :foreign) (comment (-main))": ":foreign",
}


def run(text: str, *arguments: str) -> flowmetal.Turn:
    return flowmetal.Machine(flowmetal.compile(text), *arguments).run()


@pytest.mark.parametrize("text", RESULTS)
def test_what_a_run_of_a_source_results_in(text: str) -> None:
    turn = run(text)
    assert (turn.error, pr_str(turn.result)) == (None, RESULTS[text])


def test_a_script_prints_once_and_in_order() -> None:
    assert run('(println "a") (def x (do (println "b") 1)) (println "c" x)').output == "a\nb\nc 1\n"


def test_main_of_clojure_gets_the_arguments() -> None:
    assert pr_str(run("(defn -main [& args] (vec args))", "a", "b").result) == '["a" "b"]'


def test_a_script_may_be_given_arguments() -> None:
    assert run("(+ 1 2)", "a").result == 3


def test_what_a_failing_script_printed_is_seen() -> None:
    turn = run('(println "a") (println (/ 1 0)) (println "b")')
    assert (turn.output, turn.error.message) == ("a\n", "Divide by zero")


def test_in_a_program_with_main_a_failing_form_is_found_when_compiling() -> None:
    with pytest.raises(CompileError, match="Divide by zero"):
        flowmetal.compile("(println (/ 1 0)) (defn main [] 1)")


def test_an_effect_of_a_script_is_refused_with_the_remedy() -> None:
    with pytest.raises(CompileError) as caught:
        flowmetal.compile('(println "a")\n(sleep! #dur "1s")')
    first = caught.value.diagnostics[0]
    assert (first.code, first.span.line, "main" in first.help[0]) == ("FM0313", 2, True)


def test_an_effect_that_only_the_run_comes_to_is_refused_in_a_top_level_form() -> None:
    turn = run("(reduce + (range 100000)) (now!)")
    assert turn.error.message == "the effect time/now is refused inside a top-level form"


def test_names_in_a_script_are_checked() -> None:
    with pytest.raises(CompileError) as caught:
        flowmetal.compile("(defn f [x] x) (f 1 2) (printn 1)")
    assert [d.code for d in caught.value.diagnostics] == ["FM0103", "FM0102"]


def test_what_comes_after_a_long_computation_is_checked_too() -> None:
    text = "(def x (reduce + (map inc (range 100000)))) (defn f [a] a) (f x 2) (printn x) (let [y])"
    with pytest.raises(CompileError) as caught:
        flowmetal.compile(text)
    assert [d.code for d in caught.value.diagnostics] == ["FM0103", "FM0102", "FM0114"]


def test_a_second_defonce_keeps_the_first_value() -> None:
    assert run("(defonce a (atom 1)) (swap! a inc) (defonce a (atom 5)) @a").result == 2


def test_a_source_of_functions_alone_has_no_main() -> None:
    with pytest.raises(flowmetal.FlowmetalError, match="no function user/main"):
        run("(defn f [x] x)")
