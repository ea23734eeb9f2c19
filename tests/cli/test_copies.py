"""Forks in files, ids that are taken, names of signals."""

from __future__ import annotations

import json

WAITING = """
(ns waiting (:require [flow.event :refer [receive!]] [flow.http :as http]))
(defn main [& args]
  (let [seen (atom [])]
    (swap! seen conj (uuid!))
    (swap! seen conj (receive! :go))
    (str (count @seen) " " (last @seen))))
(defn busy [] (http/get! "http://127.0.0.1:9/never"))
"""


def parked(shell) -> None:
    """Leave run w waiting for its signal."""
    shell.write("w.flow", WAITING)
    assert shell("fmvm", "start", "w.flow", "--id", "w").status == 0
    assert shell("fmvm", "interpreter", "--until-idle").status == 0


def test_a_copy_leaves_the_run_and_imports_as_another_one(shell) -> None:
    parked(shell)
    made = shell("fmvm", "export", "w", "--copy", "--id", "twin", "--json")
    said = json.loads(made.out)
    assert said == {"id": "twin", "file": "twin.fms", "from": "w", "held": [], "inherited": []}
    assert shell("fmvm", "import", "twin.fms").out == "twin\n"
    for run, value in (("w", "1"), ("twin", "2")):
        assert shell("fmvm", "signal", run, ":go", value).status == 0
        assert shell("fmvm", "resume", run).out == f'"2 {value}"\n'
    kinds = [event["kind"] for event in json.loads(shell("fmvm", "events", "twin", "--json").out)]
    assert "forked" in kinds
    assert "forked" not in shell("fmvm", "events", "w").out


def test_an_id_for_a_move_is_refused(shell) -> None:
    parked(shell)
    assert shell("fmvm", "export", "w", "--id", "other").status == 2


def test_attaching_by_another_call_says_what_is_other(shell) -> None:
    parked(shell)
    again = shell("fmvm", "start", "w.flow", "--id", "w")
    assert again.err == "run w is there already: attached to it\n"
    other = shell("fmvm", "start", "w.flow", "one", "--id", "w")
    assert "attached to it; it was started with other arguments" in other.err
    shell.write("w.flow", WAITING + "(def more 1)")
    assert "another program" in shell("fmvm", "start", "w.flow", "--id", "w").err


def test_a_name_that_no_keyword_has_is_no_signal(shell) -> None:
    parked(shell)
    for name in ("", "a b", ":", "(x"):
        shown = shell("fmvm", "signal", "w", name, "1")
        assert shown.status == 2, name
        assert "FM1320" in shown.err


def test_an_empty_id_is_none(shell) -> None:
    """It was taken for no id at all: a variable that is not set made two signals of one."""
    parked(shell)
    for more in ((), ("--wait", "--timeout", "1s")):
        shown = shell("fmvm", "signal", "w", "go", "1", "--id", "", *more)
        assert (shown.status, "FM1320" in shown.err) == (2, True), shown.err


def in_flight(shell) -> None:
    shell.write("w.flow", WAITING)
    made = shell(
        "fmvm", "start", "w.flow", "--id", "b", "--entry", "busy", "--allow-http=127.0.0.1"
    )
    assert made.status == 0
    assert shell("fmvm", "interpreter", "--until-idle").status == 0


def test_a_copy_of_an_effect_in_flight_holds_it(shell) -> None:
    in_flight(shell)
    shown = shell("fmvm", "export", "b", "--copy", "--id", "c")
    assert shown.status == 0
    assert "fmvm resume c --perform" in shown.err
    assert shell("fmvm", "import", "c.fms", "--allow-http=127.0.0.1").status == 0
    assert "It holds effect #1" in shell("fmvm", "why", "c").out


def test_a_fork_that_holds_an_effect_says_so_wherever_it_is_looked_at(shell) -> None:
    in_flight(shell)
    assert shell("fmvm", "fork", "b", "--id", "c").status == 0
    assert "effect 1 (http/request), which it holds" in shell("fmvm", "show", "c").out
    assert "effect 1 (http/request), which it holds" in shell("fmvm", "ps").out
    assert shell("fmvm", "pause", "c").status == 0
    shown = shell("fmvm", "resume", "c")
    assert (shown.status, "`fmvm resume c --perform` performs that" in shown.err) == (4, True)


def test_a_fork_that_can_only_wait_for_a_word_about_what_it_holds_is_not_driven(shell) -> None:
    in_flight(shell)
    assert shell("fmvm", "fork", "b", "--id", "c").status == 0
    shown = shell("fmvm", "resume", "c")
    assert (shown.status, "`fmvm resume c --perform` performs that" in shown.err) == (4, True)
    assert "go on" not in shell("fmvm", "why", "c").out
    assert shell("fmvm", "resume", "c", "--result", "1=6").out == "6\n"


def test_an_import_says_how_the_run_goes_on(shell) -> None:
    parked(shell)
    shell.write("one.flow", '(defn main [& args] (if args (throw (ex-info "no" {})) 1))')
    shell("fmvm", "run", "one.flow", "--id", "done")
    shell("fmvm", "run", "one.flow", "x", "--id", "bad")
    shell("fmvm", "pause", "w")
    for run, said in (
        ("done", "it has ended: completed"),
        ("bad", "go on with: fmvm retry bad"),
        ("w", "go on with: fmvm unpause w"),
    ):
        assert shell("fmvm", "export", run).status == 0
        assert shell("fmvm", "import", f"{run}.fms").err == f"{said}\n"


def test_a_fork_goes_on_with_the_result_that_somebody_says(shell) -> None:
    in_flight(shell)
    assert shell("fmvm", "fork", "b", "--id", "c").out == "c\n"
    assert shell("fmvm", "resume", "c", "--result", "9={}").status == 2
    assert shell("fmvm", "resume", "c", "--result", "1=6").out == "6\n"
    assert shell("fmvm", "verify", "c").status == 0
    assert "FM1336" in shell("fmvm", "fork", "b", "--result", "one=6").err
    assert shell("fmvm", "fork", "c").status == 3


def test_runs_are_upgraded_and_looked_at_before(shell) -> None:
    parked(shell)
    shell.write("w.flow", WAITING.replace("(str (count", "(str 0 (count"))
    dry = shell("fmvm", "upgrade", "--state", "waiting", "--program", "w.flow", "--dry-run")
    assert "runs old code in waiting/main" in dry.out
    shell.write("no.flow", "(ns waiting) (defn other [] 1)")
    refused = shell("fmvm", "upgrade", "w", "--program", "no.flow")
    assert refused.status == 3
    assert "no function waiting/main" in refused.out
    assert shell("fmvm", "upgrade", "w", "--program", "w.flow").status == 0
    assert shell("fmvm", "signal", "w", "go", "1").status == 0
    assert shell("fmvm", "resume", "w").out == '"2 1"\n'
    assert shell("fmvm", "verify", "w").status == 0
    assert shell("fmvm", "upgrade", "--program", "w.flow").status == 2


def test_an_error_is_shown_in_the_source_that_it_was_raised_in_though_the_run_was_upgraded(
    shell,
) -> None:
    old = "(ns f)\n(defn main [& args]\n  [(+ 1 (first args))])\n"
    shell.write("f.flow", old)
    assert shell("fmvm", "run", "f.flow", "a", "--id", "f").status == 1
    for line in (";; a line\n(def other\n  [:nothing])\n", ";; another\n"):
        shell.write("f.flow", old.replace("\n", "\n" + line, 1))
        assert shell("fmvm", "upgrade", "f", "--program", "f.flow").status == 0
    for shown in (shell("fmvm", "show", "f").out, shell("fmvm", "wait", "f").err):
        assert "--> f.flow:3:4" in shown
        assert " 3 |   [(+ 1 (first args))])\n   |    ^^^^" in shown


def test_the_runs_of_a_deployed_program_are_upgraded_by_its_name(shell) -> None:
    parked(shell)
    assert shell("fmvm", "deploy", "w.flow", "--name", "waits").status == 0
    assert [
        one["id"] for one in json.loads(shell("fmvm", "ps", "--program", "waits", "--json").out)
    ] == ["w"]
    for words in (
        ("ps", "--program", "wails"),
        ("upgrade", "--of", "wails", "--program", "w.flow"),
    ):
        shown = shell("fmvm", *words)
        assert (shown.status, "no program is deployed as wails" in shown.err) == (2, True)
    shell.write("new.flow", WAITING.replace("(str (count", "(str 0 (count"))
    shown = shell("fmvm", "upgrade", "--of", "waits", "--program", "new.flow", "--json")
    assert [one["run"] for one in json.loads(shown.out)] == ["w"]
    shown = shell("fmvm", "upgrade", "--of", "waits", "--program", "new.flow")
    assert (shown.status, shown.err) == (0, "no runs\n"), "they have another program now"
