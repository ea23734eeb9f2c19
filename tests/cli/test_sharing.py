"""Callbacks and deployed programs from the outside."""

from __future__ import annotations

import json

CALLS = """(ns calls (:require [flow.event :as event]))
(defn main [] (event/await-callback! (event/callback! {:timeout #dur "1h"})))
"""


def test_a_callback_is_answered_once(shell) -> None:
    shell.write("calls.flow", CALLS)
    shell("fmvm", "start", "calls.flow", "--id", "r")
    assert shell("fmvm", "callback", "r.1", "1").status == 2  # it has not been made yet
    shell("fmvm", "interpreter", "--until-idle")
    assert "it expires at " in shell("fmvm", "callback", "r.1", "--heartbeat").out
    first = shell("fmvm", "callback", "r.1", '{"paid": true}', "--id", "d1", "--json")
    assert json.loads(first.out)["first"] is True
    again = shell("fmvm", "callback", "r.1", "7", "--json")
    assert json.loads(again.out) == {**json.loads(first.out), "first": False}
    assert shell("fmvm", "resume", "r").out == "{:paid true}\n"
    assert shell("fmvm", "callback", "r.1", "1", "--fail", "{}").status == 2


def test_a_program_gets_a_name_and_loses_it(shell) -> None:
    shell.write("shop.flow", "(ns shop) (defn main [x] x)")
    shell.write("calls.flow", '(ns calls) (defn main [] (await! (start! "shop" [7])))')
    assert shell("fmvm", "run", "calls.flow").status == 1
    shown = shell("fmvm", "deploy", "shop.flow", "--name", "shop", "--allow-http=a.example")
    assert shown.out.startswith("shop is program ")
    (found,) = json.loads(shell("fmvm", "programs", "--json").out)
    assert (found["name"], found["grants"]["http"]) == ("shop", ["a.example"])
    assert shell("fmvm", "run", "calls.flow").out == "7\n"
    assert shell("fmvm", "undeploy", "shop").status == 0
    assert shell("fmvm", "undeploy", "shop").status == 2
    assert shell("fmvm", "programs").out == ""
