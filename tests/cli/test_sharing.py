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
    late = shell("fmvm", "callback", "r.1", "--heartbeat")
    assert late.out == "callback r.1 of run r was completed already\n"
    late = shell("fmvm", "callback", "r.1", "--heartbeat", "--json")
    assert json.loads(late.out) == {"id": "r.1", "state": "completed", "expires": None}
    assert shell("fmvm", "resume", "r").out == "{:paid true}\n"
    assert shell("fmvm", "callback", "r.1", "1", "--fail", "{}").status == 2


def test_a_signal_may_wait_for_a_reply(shell) -> None:
    shell.write(
        "till.flow",
        "(ns till (:require [flow.event :as event]))\n"
        "(defn main [] (let [request (event/receive-request! :sell)]\n"
        "  (event/reply! request {:sold (:value request)})\n"
        '  (event/reject! (event/receive-request! :sell) (ex-info "closed" {:type :till/closed}))))\n',
    )
    shell("fmvm", "start", "till.flow", "--id", "r")
    late = shell("fmvm", "signal", "r", "sell", "3", "--id", "a", "--wait", "--timeout", "10ms")
    assert (late.status, late.out) == (4, "")
    shell("fmvm", "interpreter", "--until-idle")
    again = ("fmvm", "signal", "r", "sell", "3", "--id", "a", "--wait")
    assert shell(*again).out == "{:sold 3}\n"
    assert json.loads(shell(*again, "--json").out) == {"sold": 3}
    shell("fmvm", "signal", "r", "sell", "--id", "b")
    shell("fmvm", "interpreter", "--until-idle")
    refused = shell("fmvm", "signal", "r", "sell", "--id", "b", "--wait")
    assert (refused.status, refused.out) == (1, "")
    assert refused.err.startswith("error[:till/closed]: closed\n")
    assert shell("fmvm", "signal", "r", "sell", "--timeout", "1s").status == 2


def test_a_program_gets_a_name_and_loses_it(shell) -> None:
    shell.write("shop.flow", "(ns shop) (defn main [x] x)")
    shell.write("calls.flow", '(ns calls) (defn main [] (await! (start! "shop" [7])))')
    assert shell("fmvm", "run", "calls.flow").status == 1
    shown = shell("fmvm", "deploy", "shop.flow", "--name", "shop", "--allow-http=a.example")
    assert shown.out.startswith("shop is program ")
    (found,) = json.loads(shell("fmvm", "programs", "--json").out)
    assert list(found) == ["name", "program", "grants", "time"]  # as over HTTP
    assert (found["name"], found["grants"]["http"]) == ("shop", ["a.example"])
    assert shell("fmvm", "run", "calls.flow").out == "7\n"
    assert shell("fmvm", "undeploy", "shop").status == 0
    assert shell("fmvm", "undeploy", "shop").status == 2
    assert shell("fmvm", "programs").out == ""
