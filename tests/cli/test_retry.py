"""Failed runs from the outside: shown, and revived."""

from __future__ import annotations

import json

import pytest

PROGRAM = """(ns fails
  (:require [flow.fs :as fs]))

(defn load! [path]
  (with-restart [:use-cached "use yesterday's rates" (fn [] "cached")]
    (fs/slurp! path)))

(defn main [who]
  (let [rates (load! "rates.txt")]
    (println "got" rates)
    (str who " " rates)))
"""


@pytest.fixture
def failed(shell):
    shell.write("fails.flow", PROGRAM)
    shown = shell("fmvm", "run", "fails.flow", "Ada", "--id", "f", "-A")
    assert shown.status == 1
    assert "rates.txt" in shown.err
    return shell


def test_show_has_locals_and_what_the_program_offers(failed) -> None:
    shown = failed("fmvm", "show", "f")
    assert 'fails/load!: path = "rates.txt"' in shown.out
    assert "restart  :use-cached  use yesterday's rates" in shown.out
    assert "go on    `fmvm retry f` performs effect #1 (fs/read) again" in shown.out
    fiber = json.loads(failed("fmvm", "show", "f", "--json").out)["fibers"][0]
    assert fiber["restarts"] == [{"name": ":use-cached", "description": "use yesterday's rates"}]
    assert fiber["failed"] == {"effect": 1, "kind": "fs/read"}
    assert {"who": '"Ada"'}.items() <= fiber["locals"][-1]["values"].items()


def test_the_effect_is_performed_again_when_the_world_is_mended(failed) -> None:
    assert failed("fmvm", "retry", "f").status == 1
    failed.write("rates.txt", "7%")
    shown = failed("fmvm", "retry", "f")
    assert (shown.status, shown.out) == (0, 'got 7%\n"Ada 7%"\n')
    assert failed("fmvm", "verify", "f").status == 0


def test_a_value_or_a_restart_takes_its_place(failed) -> None:
    assert failed("fmvm", "retry", "f", "--value", '"given"', "--json").out == '"Ada given"\n'
    failed("fmvm", "run", "fails.flow", "Bob", "--id", "g", "-A")
    shown = failed("fmvm", "retry", "g", "--restart", "nope")
    assert (shown.status, "there are :use-cached" in shown.err) == (3, True)
    assert failed("fmvm", "retry", "g", "--restart", ":use-cached").out.endswith('"Bob cached"\n')


def test_another_error_is_thrown_there_and_shown(failed) -> None:
    words = ("--throw", '{"type": "rates/none", "message": "no rates today", "data": {"day": 7}}')
    shown = failed("fmvm", "retry", "f", *words)
    assert shown.status == 1
    assert "error[:rates/none]: no rates today" in shown.err
    for wrong in (
        '7', '{}', '{"typ": "x"}', '{"type": "a b"}', '{"type": ""}', '{"type": "x", "data": 5}',
        '{"type": "x", "message": 1}', '{"type": "x", "mesage": "y"}',
    ):  # fmt: skip
        shown = failed("fmvm", "retry", "f", "--throw", wrong)
        assert (shown.status, "--throw takes an object" in shown.err) == (2, True), wrong


def test_it_is_left_to_the_interpreters(failed) -> None:
    failed.write("rates.txt", "8%")
    assert failed("fmvm", "retry", "f", "--leave").status == 0
    assert failed("fmvm", "interpreter", "--until-idle").status == 0
    assert failed("fmvm", "wait", "f").out == '"Ada 8%"\n'


def test_what_makes_no_sense_is_refused_and_changes_nothing(failed) -> None:
    assert failed("fmvm", "retry", "f", "--skip", "--value", "1").status == 2
    assert failed("fmvm", "retry", "f", "--arg", "1").status == 2
    failed.write("ok.flow", "(defn main [] 1)")
    failed("fmvm", "run", "ok.flow", "--id", "done")
    shown = failed("fmvm", "retry", "done")
    assert shown.status == 3
    assert "only a run that has failed" in shown.err
    assert failed("fmvm", "cancel", "f").status == 0
    assert json.loads(failed("fmvm", "show", "f", "--json").out)["state"] == "cancelled"


def test_a_signal_to_a_failed_run_is_refused_with_what_lets_it_go_on(failed) -> None:
    shown = failed("fmvm", "signal", "f", "go")
    assert (shown.status, "`fmvm retry f` has let it go on" in shown.err) == (3, True)


REFUSED = """
(ns g (:require [flow.sh :refer [sh!]]))
(defn child [] (:out (sh! "echo" "from the child")))
(defn main []
  (let [before [1 2]]
    [before (:out (sh! "echo" "hi")) (try (await! (start! child)) (catch :default e (:type e)))]))
"""


def test_what_a_run_lacks_can_be_granted_where_it_stands(shell) -> None:
    shell.write("g.flow", REFUSED)
    refused = shell("fmvm", "run", "g.flow", "--id", "g")
    assert refused.status == 3
    assert "add --allow-sh=echo" in refused.err
    assert "`fmvm retry RUN` with it lets this run go on" in refused.err
    assert shell("fmvm", "retry", "g").status == 3
    done = shell("fmvm", "retry", "g", "--allow-sh=echo")
    assert (done.status, done.out) == (0, '[[1 2] "hi\\n" "from the child\\n"]\n')
    revived = [
        each
        for each in json.loads(shell("fmvm", "events", "g", "--json").out)
        if each["kind"] == "revived"
    ]
    assert [each["data"].get("grants") for each in revived] == [None, {"sh": ["echo"]}]
    assert shell("fmvm", "verify", "g").status == 0


def test_what_is_granted_adds_to_what_was_and_goes_with_the_run(shell) -> None:
    shell.write("g.flow", REFUSED)
    shell("fmvm", "run", "g.flow", "--id", "g", "--allow-env=HOME")
    left = shell("fmvm", "retry", "g", "--allow-sh=echo", "--leave")
    assert left.status == 0
    assert shell("fmvm", "export", "g", "-o", "g.fms").status == 0
    there = ("--store", f"sqlite:{shell.folder}/there.db")
    told = shell("fmvm", "import", "g.fms", *there)
    assert "--allow-sh=echo --allow-env=HOME" in told.err
    assert shell("fmvm", "resume", "g", *there).status == 0


def test_grants_that_cannot_be_leave_the_run_as_it_was(shell) -> None:
    shell.write("g.flow", REFUSED)
    shell("fmvm", "run", "g.flow", "--id", "g")
    wrong = shell("fmvm", "retry", "g", "--allow-fs=everything")
    assert (wrong.status, wrong.out) == (2, "")
    assert shell("fmvm", "retry", "g", "--allow-sh=echo", "--value", "1", "--skip").status == 2
    assert (
        len(
            [
                e
                for e in json.loads(shell("fmvm", "events", "g", "--json").out)
                if e["kind"] == "revived"
            ]
        )
        == 0
    )


def test_show_says_that_a_parent_can_be_tried_again_whose_child_has_compensated(shell) -> None:
    shell.write(
        "family.flow",
        """(ns family (:require [flow.saga :refer [compensate! saga!]]))
        (defn kid [] (saga! (compensate! println 1) (throw (ex-info "ill" {}))))
        (defn main [] (await! (start! kid [] {:id "kid"})))""",
    )
    assert shell("fmvm", "run", "family.flow", "--id", "p").status == 1
    assert "go on    it was compensated: `fmvm fork kid" in shell("fmvm", "show", "kid").out
    shown = shell("fmvm", "show", "p").out
    assert "go on    `fmvm retry p` performs effect #2 (run/await) again" in shown


def test_show_says_how_an_effect_is_tried_again_whose_error_failed_in_a_handler(shell) -> None:
    shell.write(
        "handles.flow",
        """(ns handles (:require [flow.fs :as fs]))
        (defn main [] (with-handler [:default (fn [_] (/ 1 0))] (fs/slurp! "x.txt")))""",
    )
    assert shell("fmvm", "run", "handles.flow", "--id", "h", "-A").status == 1
    ways = "with --skip or --value lets the handler go on that looked at the error of effect #1 (fs/read)"
    assert ways in shell("fmvm", "show", "h").out
    assert shell("fmvm", "retry", "h").status == 3
    shell.write("x.txt", "here")
    assert shell("fmvm", "retry", "h", "--skip").status == 1
    assert "performs effect #1 (fs/read) again" in shell("fmvm", "show", "h").out
    assert shell("fmvm", "retry", "h").out == '"here"\n'
