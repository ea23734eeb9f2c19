"""Code that runs evaluate, from the outside: kept over exports, forks, upgrades and years of loops."""

from __future__ import annotations

import json

import pytest

PROGRAM = """(ns made
  (:require [flow.event :refer [receive!]]))

(def factor 10)

(defn main []
  (let [step (eval (read-string (receive! :code)))]
    (eval '(def total (atom 0)))
    (eval '(defmacro add [n] `(swap! total + ~n)))
    (loop [i 0]
      (let [n (receive! :go)]
        (if (= n 0)
          {:total (eval '(deref total)) :i i}
          (do (step n) (eval (list 'add n)) (recur (inc i))))))))
"""
STEP = json.dumps("(defn step [n] (swap! total + (* factor n)))")
PLAIN = json.dumps("(fn [n] (swap! @(resolve 'total) + (* factor n)))")


@pytest.fixture
def begun(shell):
    """A run that has compiled what came with a signal, and has taken one step with it."""
    shell.write("made.flow", PROGRAM)
    assert shell("fmvm", "start", "made.flow", "--id", "m").status == 0
    assert shell("fmvm", "signal", "m", "code", PLAIN).status == 0
    assert shell("fmvm", "signal", "m", "go", "1").status == 0
    assert shell("fmvm", "interpreter", "--until-idle").status == 0
    return shell


def ending(shell, run: str = "m") -> str:
    for n in ("2", "0"):
        assert shell("fmvm", "signal", run, "go", n).status == 0
    shown = shell("fmvm", "resume", run)
    assert shown.status == 0, shown.err
    assert shell("fmvm", "verify", run).status == 0
    return shown.out


def test_a_run_goes_on_with_what_it_has_compiled(begun) -> None:
    assert ending(begun) == "{:total 33, :i 2}\n"


def test_an_exported_run_takes_what_it_has_compiled_along(begun, monkeypatch) -> None:
    assert begun("fmvm", "export", "m", "-o", "m.fms").status == 0
    monkeypatch.setenv("FLOWMETAL_STORE", f"sqlite:{begun.folder / 'elsewhere.db'}")
    shown = begun("fmvm", "import", "m.fms")
    assert shown.status == 0, shown.err
    assert ending(begun) == "{:total 33, :i 2}\n"


def test_a_fork_has_what_was_compiled_before_it_and_not_what_comes_later(begun) -> None:
    shown = begun("fmvm", "fork", "m", "--id", "f", "--perform")
    assert shown.status == 0, shown.err
    assert begun("fmvm", "signal", "m", "go", "100").status == 0
    assert begun("fmvm", "interpreter", "--until-idle").status == 0
    assert ending(begun, "f") == "{:total 33, :i 2}\n"
    assert ending(begun) == "{:total 1133, :i 3}\n"


def test_past_states_have_the_code_of_their_time(begun) -> None:
    events = json.loads(begun("fmvm", "events", "m", "--json").out)
    before = next(e["seq"] for e in events if e["kind"] == "signal-received")
    assert begun("fmvm", "eval", "m", "@total").out == "11\n"
    assert begun("fmvm", "eval", "m", "(resolve 'total)", "--at", before).out == "nil\n"
    assert begun("fmvm", "eval", "m", "(add 5)").out == "16\n"
    assert begun("fmvm", "eval", "m", "(eval '(do (def q 1) (+ q @total)))").out == "12\n"
    assert begun("fmvm", "eval", "m", "@total").out == "11\n"


def test_an_upgraded_run_keeps_what_it_has_compiled(begun) -> None:
    begun.write("made.flow", PROGRAM.replace("factor 10", "factor 100"))
    shown = begun("fmvm", "upgrade", "m", "--program", "made.flow")
    assert shown.status == 0, shown.err
    assert ending(begun) == "{:total 213, :i 2}\n"


def test_a_program_whose_beginning_evaluates_takes_no_run_over(begun) -> None:
    begun.write("made.flow", PROGRAM.replace("factor 10", "factor (eval '(* 10 10))"))
    shown = begun("fmvm", "upgrade", "m", "--program", "made.flow")
    assert "evaluates code" in shown.out + shown.err
    assert ending(begun) == "{:total 33, :i 2}\n"


def run(shell, body: str, *words: str) -> str:
    shell.write("p.flow", f"(ns p (:require [flow.async :refer :all]))\n{body}")
    shown = shell("fmvm", "run", "p.flow", *words)
    assert shown.status == 0, shown.err
    return shown.out


def test_top_level_forms_may_evaluate_and_later_ones_know_what_they_defined(shell) -> None:
    body = """
      (def square (eval '(fn [n] (* n n))))
      (eval '(defn cube [n] (* n n n)))
      (defn main [] [(square 3) (cube 3)])"""
    assert run(shell, body) == "[9 27]\n"


@pytest.mark.parametrize(
    ("form", "where"),
    [
        ("(doall (map eval '((+ 1 1))))", "a lazy sequence"),
        ("(swap! (atom 1) (fn [_] (eval '(+ 1 1))))", "flow.core/swap!"),
        ("(sort (fn [a b] (eval '(< 1 2))) [2 1])", "flow.core/sort"),
    ],
)
def test_where_effects_are_refused_so_is_evaluating_and_the_frame_is_named(
    shell, form: str, where: str
) -> None:
    shell.write("p.flow", f"(ns p) (defn main [] {form})")
    shown = shell("fmvm", "run", "p.flow")
    assert shown.status == 1
    assert f"evaluating code is refused inside {where}" in shown.err


def test_fibers_evaluate_side_by_side(shell) -> None:
    body = """
      (defn one [i] (eval (list 'def (symbol (str "v" i)) i)) (eval (symbol (str "v" i))))
      (defn main [] [(all! (one 1) (one 2) (one 3)) (pmap! (fn [i] (eval (list '* i i))) [1 2 3])])"""
    assert run(shell, body) == "[[1 2 3] [1 4 9]]\n"


def test_evaluated_code_has_the_grants_of_the_run(shell) -> None:
    body = """(defn main [] (try (eval '(do (require '[flow.env :as env]) (env/env! "HOME")))
                           (catch :effect/refused e (:flag (ex-data e)))))"""
    assert run(shell, body) == '"--allow-env=HOME"\n'
    assert run(shell, body, "--allow-env=HOME") != '"--allow-env=HOME"\n'


def test_an_error_that_nobody_takes_shows_the_frames_of_evaluated_code(shell) -> None:
    shell.write("p.flow", "(ns p) (defn main [] (eval '(defn f [x] (/ 1 x))) ((resolve 'f) 0))")
    shown = shell("fmvm", "run", "p.flow")
    assert shown.status == 1
    assert "p/f" in shown.err
    shell.write("p.flow", '(ns p) (defn main [] (load-string "\\n  (missing 1)"))')
    shown = shell("fmvm", "run", "p.flow")
    assert "error[FM0102]: unknown name `missing`" in shown.err


def test_a_form_that_holds_a_function_is_refused(shell) -> None:
    shell.write("p.flow", "(ns p) (defn main [] (eval (list inc 1)))")
    shown = shell("fmvm", "run", "p.flow")
    assert shown.status == 1
    assert "FM0311" in shown.err
    assert "put its name there" in shown.err


def test_a_kind_of_effect_can_be_declared_by_evaluated_code(shell) -> None:
    shell.write("p.flow", "(ns p) (defn main [] (eval '(do (defforeign f [x]) (f 1))))")
    assert shell("fmvm", "start", "p.flow", "--id", "d").status == 0
    assert shell("fmvm", "interpreter", "--until-idle").status == 0
    assert "p/f" in shell("fmvm", "why", "d").out


def test_a_test_program_may_evaluate(shell) -> None:
    shell.write(
        "t.flow",
        """(ns t (:require [clojure.test :refer [deftest is testing]]))
(defmacro evaluated [form] (eval form))
(deftest evaluates
  (is (= 3 (eval '(+ 1 2))))
  (is (= 42 ((eval `(fn [x#] (* 2 x#))) 21)))
  (is (= 6 (evaluated (+ 1 2 3))))
  (is (thrown? Exception (eval '(no-such-name))))
  (is (thrown-with-msg? clojure.lang.Compiler$CompilerException #"no-such-name" (eval '(no-such-name))))
  (is (= 1 (do (eval '(def made 1)) (with-redefs [inc dec] (eval 'made)))))
  (binding [*ns* (create-ns 'fresh)]
    (clojure.core/eval '(def x 5))
    (is (= 5 (clojure.core/eval 'x) @(resolve 'fresh/x)))))
""",
    )
    shown = shell("fmc", "test", "t.flow")
    assert shown.status == 0, shown.out + shown.err


def test_a_function_that_evaluates_survives_being_killed_anywhere(shell) -> None:
    shell.write(
        "d.flow",
        """(ns d (:require [flow.test :refer [deftest is check-durable]]))
(def seen (atom []))
(defn work [n]
  (eval (list 'defn 'grown ['x] (list '+ 'x n)))
  (uuid!)
  [((eval 'grown) 1) (load-string "(sleep! #dur \\"1ms\\") (grown 2)")])
(deftest durable
  (is (= [11 12] (check-durable work [10] {:kills 20}))))
""",
    )
    shown = shell("fmc", "test", "d.flow")
    assert shown.status == 0, shown.out + shown.err


def test_a_name_that_only_evaluates_needs_no_bang(shell) -> None:
    shell.write("l.flow", "(ns l) (defn sum [] (eval '(+ 1 2))) (defn main [] (sum))")
    assert shell("fmc", "lint", "l.flow").status == 0
