from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flowmetal.embed.config import grants
from flowmetal.embed.interactive import EvaluationError, Interactive, Interrupted, is_incomplete
from flowmetal.embed.rendering import render
from flowmetal.runtime.observer import Silent


class Collected(Silent):
    """An observer that remembers what was printed and logged."""

    def __init__(self) -> None:
        self.text = ""
        self.on_text: Callable[[], object] = lambda: None
        self.lines: list[str] = []

    def wrote(self, run: str, text: str) -> None:
        self.text += text
        self.on_text()

    def logged(self, run: str, line) -> None:
        self.lines.append(line.message)


class Repl:
    """``repl("(+ 1 2)")`` is what is printed for the last form."""

    def __init__(self, **settings) -> None:
        self.seen = Collected()
        self.interactive = Interactive(self.seen, **settings)

    def __call__(self, text: str) -> str:
        return list(self.interactive.evaluate(text))[-1]

    def error(self, text: str) -> EvaluationError:
        with pytest.raises(EvaluationError) as caught:
            list(self.interactive.evaluate(text))
        return caught.value

    def shown_error(self, text: str) -> str:
        error = self.error(text)
        return render(error.diagnostics, self.interactive.texts())


@pytest.fixture
def repl() -> Repl:
    return Repl()


def test_every_form_has_its_value(repl: Repl) -> None:
    assert list(repl.interactive.evaluate("1 :a (+ 1 2) (def x 1) (defn f []) (declare g)")) == [
        "1", ":a", "3", "#'user/x", "#'user/f", "#'user/g",
    ]  # fmt: skip


def test_a_redefinition_takes_effect_for_later_calls(repl: Repl) -> None:
    repl("(defn inner [] 1) (defn outer [] (inner))")
    assert repl("(outer)") == "1"
    repl("(defn inner [] 2)")
    assert repl("(outer)") == "2"


def test_a_name_of_the_library_can_be_used_for_ones_own(repl: Repl) -> None:
    repl("(def source 3) (defn doc [x] [x])")
    assert repl("[source (doc 1)]") == "[3 [1]]"


def test_the_last_values_and_the_last_error_are_kept(repl: Repl) -> None:
    assert repl(":a :b :c [*1 *2 *3]") == "[:c :b :a]"
    repl.error('(throw (ex-info "no" {:why :because}))')
    assert repl("(:why (ex-data *e))") == ":because"
    repl.error("(unknown-name)")
    assert repl("(:message *e)") == '"unknown name `unknown-name`"'


def test_functions_and_atoms_are_values_like_others(repl: Repl) -> None:
    assert repl("(fn [x] x)").startswith("#fn[")
    assert repl("(def a (atom 0)) (swap! a inc) @a") == "1"
    assert repl("((eval '(fn [x] (* 2 x))) 4)") == "8"


def test_an_error_points_into_what_was_typed(repl: Repl) -> None:
    repl('(defn g [x] (+ x "2"))')
    shown = repl.shown_error("(g 1)")
    assert ' 1 | (defn g [x] (+ x "2"))' in shown
    assert "in user/g      <repl-1>:1:13" in shown
    assert "flow.repl" not in shown


def test_an_error_inside_of_the_library_points_at_the_form(repl: Repl) -> None:
    shown = repl.shown_error('(require \'[flow.sh :as sh])\n(sh/sh! "ls")')
    assert "  --> <repl-1>:2:1\n" in shown
    assert "in top level" in shown
    assert "dropped" not in shown


def test_finally_runs_when_nobody_catches(repl: Repl) -> None:
    repl.error('(try (throw (ex-info "x" {})) (finally (println "cleaned")))')
    assert repl.seen.text == "cleaned\n"


def test_forms_before_a_failing_one_count(repl: Repl) -> None:
    repl.error("(def a 1) (boom) (def b 2)")
    assert repl("a") == "1"
    repl.error("b")


def test_an_endless_sequence_is_shown_in_part(repl: Repl) -> None:
    assert repl("(iterate inc 0)").endswith("98 99 ...)")
    assert repl("(set! *shown-length* 2) (iterate inc 0)") == "(0 1 ...)"
    assert repl("(set! *print-length* 3) (range)") == "(0 1 2 ...)"


def test_what_a_program_prints_is_not_cut(repl: Repl) -> None:
    assert repl("(count (pr-str (range 200)))") == "691"


def test_a_definition_that_does_not_compile_changes_nothing(repl: Repl) -> None:
    repl("(defn f [] 1)")
    repl.error("(defn f [] (unknown))")
    assert repl("(f)") == "1"
    repl.error("(defmacro m [x] (unknown))")
    assert repl.error("(m 1)").message == "unknown name `m`"


def test_a_root_can_be_altered(repl: Repl) -> None:
    repl("(defn f [] 1) (alter-var-root #'f (fn [old] (fn [] (inc (old)))))")
    assert repl("(f)") == "2"
    assert repl("(intern 'user 'g 5) (resolve 'user/g)") == "#'user/g"


def test_macros_are_defined_and_used_in_one_form(repl: Repl) -> None:
    assert (
        repl("(do (defmacro twice [x] `(do ~x ~x)) (def n (atom 0)) (twice (swap! n inc)))") == "2"
    )


def test_a_macro_is_expanded_on_request(repl: Repl) -> None:
    assert repl("(macroexpand-1 '(when a b))") == "(if a (do b))"
    assert repl("(macroexpand '(when-not a b))").startswith("(if")
    assert repl("(macroexpand '(f x))") == "(f x)"
    assert repl("(macroexpand-1 'x)") == "x"
    assert repl.error("(macroexpand-1 '(let [x] x))").code.startswith("FM01")


def test_namespaces_come_and_go(repl: Repl) -> None:
    repl("(ns shop.stock) (def n 7)")
    assert repl.interactive.namespace == "shop.stock"
    assert repl("[*ns* ::n]") == "[shop.stock :shop.stock/n]"
    assert repl("(in-ns 'user) [shop.stock/n (do (doc map) *ns*)]") == "[7 user]"
    assert repl("(require '[shop.stock :as s]) s/n") == "7"


def test_doc_source_dir_apropos_and_find_doc_answer(repl: Repl) -> None:
    repl('(defn f\n  "Half of it."\n  [x]\n  (/ x 2))')
    for form, expected in (
        ("(doc f)", "user/f\n([x])\n  Half of it.\n"),
        ("(source f)", '(defn f\n  "Half of it."\n  [x]\n  (/ x 2))\n'),
        ("(doc if)", "if\n(test then else?)\nspecial form\n"),
        ("(doc nobody)", "nothing is known of nobody\n"),
        ("(dir flow.set)", "difference\nindex\n"),
        ('(find-doc "half of it")', "user/f\n"),
        ("(source when)", "(defmacro when\n"),
    ):
        repl.seen.text = ""
        repl(form)
        assert repl.seen.text.startswith(expected), form
    assert repl('(apropos "map-ind")') == repl('(apropos #"^map-ind")') == "(flow.core/map-indexed)"
    assert "there is no namespace" in repl.error("(dir nowhere)").message


def test_local_effects_are_performed(repl: Repl) -> None:
    assert repl('(def before (now!)) (sleep! #dur "1ms") (pos? (compare (now!) before))') == "true"
    assert repl("(= (uuid!) (uuid!))") == "false"
    repl('(require \'[flow.log :as log]) (log/info! "hello")')
    assert repl.seen.lines == ["hello"]


def test_connectors_perform_what_was_granted(tmp_path: Path) -> None:
    repl = Repl(grants=grants(fs=[f"read:{tmp_path}", f"write:{tmp_path}"], sh=["echo"]))
    repl("(require '[flow.fs :as fs] '[flow.sh :as sh])")
    repl(f'(fs/spit! "{tmp_path}/a.txt" "text")')
    assert repl(f'(fs/slurp! "{tmp_path}/a.txt")') == '"text"'
    assert repl('(:out (sh/sh! "echo" "hi"))') == '"hi\\n"'


def test_a_refused_effect_names_the_flag(repl: Repl) -> None:
    error = repl.error('(require \'[flow.http :as http]) (http/get! "http://example.com/")')
    assert error.code == "FM1201"
    assert "--allow-http=example.com" in error.message


@pytest.mark.parametrize("declared", ["(defforeign f [x])", '(defforeign f [x] {:queue "q"})'])
def test_an_effect_that_nobody_performs_is_an_error(repl: Repl, declared: str) -> None:
    repl(declared)
    assert repl.error("(f 1)").code == "FM0749"
    assert repl("(try (f 1) (catch :effect/unserved e :nobody))") == ":nobody"


def test_a_file_is_loaded_and_the_namespace_stays(repl: Repl, tmp_path: Path) -> None:
    file = tmp_path / "x.flow"
    file.write_text("(ns x)\n(def y 5)\n(* 2 y)\n")
    assert repl(f'(load-file "{file}")') == "10"
    assert repl("[*ns* x/y]") == "[user 5]"


def test_an_error_in_a_loaded_file_points_into_the_file(repl: Repl, tmp_path: Path) -> None:
    file = tmp_path / "x.flow"
    file.write_text("(ns x)\n(def y (unknown))\n")
    shown = repl.shown_error(f'(load-file "{file}")')
    assert "x.flow:2:9" in shown
    assert " 2 | (def y (unknown))" in shown
    assert repl.error('(load-file "/nowhere/x.flow")').code == "FM1301"
    assert repl.error("(load-file 5)").code == "FM0310"


def test_required_files_can_be_loaded_again(tmp_path: Path) -> None:
    file = tmp_path / "shop.flow"
    file.write_text('(ns shop)\n(println "loading")\n(defn price [] 1)\n')
    repl = Repl(roots=[tmp_path])
    assert repl("(require '[shop :as s]) (s/price)") == "1"
    file.write_text("(ns shop)\n(defn price [] 2)\n")
    assert repl("(require '[shop :as s]) (s/price)") == "1"
    assert repl("(require '[shop :as s] :reload) (s/price)") == "2"
    assert repl.seen.text == "loading\n"


def test_a_reload_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "shop.flow"
    file.write_text("(ns shop)\n(defn price [] 1)\n")
    repl = Repl(roots=[tmp_path])
    repl("(require '[shop :as s])")
    file.write_text("(ns shop)\n(defn price [] (unknown))\n")
    assert "shop.flow" in repl.shown_error("(require 'shop :reload)")
    assert repl("(s/price)") == "1"


def test_eval_may_be_nested_and_have_effects(repl: Repl) -> None:
    assert repl("(eval (list 'eval (list 'quote '(do (sleep! #dur \"1ms\") (+ 1 2)))))") == "3"
    assert repl('(load-string "(def q 4) (inc q)")') == "5"
    error = repl.error('(eval \'(throw (ex-info "inner" {:a 1})))')
    assert error.message == "inner"


def test_effects_in_a_lazy_sequence_are_refused_as_in_files(repl: Repl) -> None:
    assert repl.error("(map (fn [_] (now!)) [1])").code == "FM0313"


@pytest.mark.parametrize(
    "form",
    [
        "(loop [] (recur))",
        '(sleep! #dur "1h")',
        "(doall (iterate inc 0))",
        "(eval '(loop [] (recur)))",
        "(do (set! *shown-length* nil) (iterate inc 0))",
        "(do (defmacro endless [] (loop [] (recur))) (endless))",
    ],
)
def test_anything_can_be_interrupted(repl: Repl, form: str) -> None:
    repl.seen.on_text = repl.interactive.interrupt
    with pytest.raises(Interrupted):
        list(repl.interactive.evaluate(f"(do (println :begun) {form})"))
    assert repl("(+ 1 2)") == "3"


def test_who_insists_does_not_wait_for_finally(repl: Repl) -> None:
    repl.seen.on_text = repl.interactive.interrupt
    for form in ("(loop [] (recur))", "(eval '(loop [] (recur)))"):
        text = f"(try (println 1) {form} (finally (println 2) (loop [] (recur))))"
        with pytest.raises(Interrupted):
            list(repl.interactive.evaluate(text))
    assert repl("(+ 1 2)") == "3"


def test_a_nested_evaluation_that_is_left_behind_holds_nobody_up(repl: Repl) -> None:
    repl.seen.on_text = repl.interactive.interrupt
    text = "(eval '(try (println 1) (loop [] (recur)) (finally (println 2) (loop [] (recur)))))"
    with pytest.raises(Interrupted):
        list(repl.interactive.evaluate(text))
    assert repl("(+ 1 2)") == "3"


@pytest.mark.parametrize(
    "text", ["(", "(a [b", '"open', "'", "#_", "(f '", "^:x", "#(", '#"re', "{:a (b"]
)
def test_a_proper_beginning_is_incomplete(text: str) -> None:
    assert is_incomplete(text)


@pytest.mark.parametrize(
    "text", ["", "a", "(f)", ")", "(]", "12ab", "; (", '"\\(" \\(', "::unknown/x"]
)
def test_what_more_text_cannot_mend_is_not_incomplete(text: str) -> None:
    assert not is_incomplete(text)
