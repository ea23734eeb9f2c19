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
    assert json.loads(made.out) == {"id": "twin", "file": "twin.fms", "from": "w"}
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


def test_a_run_with_an_effect_in_flight_is_not_copied(shell) -> None:
    shell.write("w.flow", WAITING)
    made = shell(
        "fmvm", "start", "w.flow", "--id", "b", "--entry", "busy", "--allow-http=127.0.0.1"
    )
    assert made.status == 0
    assert shell("fmvm", "interpreter", "--until-idle").status == 0
    shown = shell("fmvm", "export", "b", "--copy")
    assert shown.status == 3
    assert "FM1203" in shown.err
