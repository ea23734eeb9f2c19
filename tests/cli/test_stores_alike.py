"""Every verb says and does the same on SQLite and on PostgreSQL: output, exit status and message."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.postgres import Server
from tests.shell import Outcome, Shell

ORDERS = """(ns orders
  (:require [flow.event :refer [receive! callback! await-callback! defquery set-status!]]
            [flow.state :as state] [flow.retry :as retry] [flow.lock :refer [with-lock!]]))

(def seen (atom []))

(defquery total [] (count @seen))
(defquery broken [x] (/ x 0))

(defn take! [name]
  (let [got (receive! name)]
    (swap! seen conj got)
    got))

(defn main [& args]
  (println "begun" (first args))
  (set-status! {:step 1})
  (let [a (take! :a)
        b (take! :b)]
    (println "ended")
    [a b]))

(defn asks [] (await-callback! (callback! {:name :answer})))
(defn fails [] (take! :a) (throw (ex-info "no stock" {:type :stock/none :item 7})))
(defn child [n] (take! :go) (* n 2))
(defn parent [] (await! (start! child [4] {:id "kid"})))
(defn locks [] (with-lock! "desk" (take! :a)))
(defn keeps [] (state/put! "k" {:a 1}) (take! :a) (state/get! "k"))
(defn restarts [] (with-restart [:use-five "use 5" (fn [] 5)] (throw (ex-info "stop" {}))))
(defforeign resize [url] {:queue "images"})
(defn tasks [] (resize "x.png"))
(defn web [] (perform :http/request {:url "http://127.0.0.1:9/x" :method :get :retry retry/none}))
"""
CHANGED = ORDERS.replace('"ended"', '"ended anew"')
OTHER = "(ns orders) (defn other [] 1)"

# fmt: off
SCENARIOS = {
    "a run": """
        run orders.flow x --id nobody --entry missing
        start orders.flow x --id p --tag shop=1
        start orders.flow x --id p
        start orders.flow y --id p
        ps
        ps --json
        why p
        show p
        interpreter --until-idle
        ps --state waiting --tag shop=1
        ps --program orders
        ps --limit 0
        show p
        show p --json
        show p --full
        why p
        why p --json
        events p
        events p --json
        signal p a 5 --id one
        signal p a 6 --id one
        signal p "b c" 5
        signal q a 5
        interpreter --until-idle
        query p total
        query p total --at 2
        query p nothing
        query p broken 3
        eval p "[name @seen]"
        eval p "[name @seen]" --at 3
        eval p "(uuid!)"
        eval p "1" --at 99
        repl p
        pause p
        pause p
        show p
        resume p
        wait p
        wait p --timeout 1ms
        unpause p
        unpause p
        wait p --timeout 1ms
        signal p b '{"x": [1, 2.5, null]}'
        resume p
        resume p --json
        resume p
        wait p
        show p
        events p
        verify p
        verify p --json
        signal p b 7
        cancel p
        pause p
        retry p
        why p
        fork p
        upgrade p --program changed.flow
        gc --dry-run
        gc --ended 0s
        show p
    """,
    "failures": """
        start orders.flow --id f --entry fails
        signal f a 1
        interpreter --until-idle
        show f
        show f --json
        why f
        ps
        eval f "(count @seen)"
        retry f
        retry f --restart nothing
        retry f --value 5 --skip
        fork f --id g
        retry f --value 5
        retry g --throw '{"type": "other", "message": "m"}'
        retry g --skip
        verify f
        verify g
        run orders.flow --id r --entry restarts
        show r
        retry r --restart use-five
        verify r
        events r
        cancel f
        run orders.flow --id h --entry web
        run orders.flow --id i --entry web --allow-http=127.0.0.1
        show i
        cancel i
        show i
    """,
    "callbacks": """
        start orders.flow --id c --entry asks
        interpreter --until-idle
        why c
        show c
        callback c.1 --heartbeat
        callback c.9 1
        callback c.1 '{"ok": true}' --id d1
        callback c.1 '{"ok": false}' --id d2
        callback c.1 --fail '{"type": "x"}'
        resume c
        start orders.flow --id d --entry asks
        interpreter --until-idle
        callback d.1 --fail '{"type": "x", "message": "m"}'
        resume d
        show d
        verify d
    """,
    "families": """
        start orders.flow --id dad --entry parent
        interpreter --until-idle
        ps
        show dad
        why dad
        why kid
        export dad
        cancel dad --reason "sold out"
        ps
        show kid
        verify dad
        verify kid
        start orders.flow --id l1 --entry locks
        start orders.flow --id l2 --entry locks
        interpreter --until-idle
        ps
        why l1
        why l2
        export l1
        signal l1 a 1
        signal l2 a 2
        resume l1
        resume l2
        start orders.flow --id k --entry keeps
        interpreter --until-idle
        signal k a 1
        resume k
        start orders.flow --id t --entry tasks
        interpreter --until-idle
        why t
        show t
        cancel t --now
        show t
        events t
        verify t
    """,
    "copies": """
        start orders.flow x --id p
        signal p a 5
        interpreter --until-idle
        fork p --id g --at 3
        fork p --id g
        fork p --id h --program changed.flow
        fork p --at 99
        show h
        upgrade p g --program changed.flow --dry-run
        upgrade p g --program changed.flow --dry-run --json
        upgrade p --program other.flow
        upgrade p --program changed.flow
        upgrade p --program changed.flow
        upgrade --of nothing --program changed.flow
        upgrade --state waiting --program changed.flow
        eval p "@seen" --at 3
        export p --copy --id twin
        import twin.fms
        export p
        show p
        why p
        signal p b 1
        resume p
        eval p "@seen"
        fork p
        cancel p
        import p.fms
        import p.fms
        signal p b 1
        resume p
        verify p
        export p
        import p.fms
        resume p
        verify g
        verify h
        verify twin
        ps
        gc --snapshots latest
        gc --history 0s
        eval h "@seen" --at 2
        verify h
    """,
    "deployments": """
        deploy orders.flow --name orders
        deploy orders.flow --name orders
        programs
        programs --json
        start orders --id nope
        ps --program orders
        undeploy orders
        undeploy orders
        programs
    """,
    "nothing there": """
        start orders.flow --id first
        show x
        events x
        why x
        verify x
        eval x 1
        query x y
        cancel x
        pause x
        unpause x
        resume x
        wait x
        retry x
        fork x
        export x
        signal x y
        callback x.1 1
        upgrade x --program orders.flow
        import nothing.fms
        ps --json
        programs
        repl x
    """,
}
# fmt: on


def normal(text: str, url: str) -> str:
    """Leave out what no two runs of a command have in common."""
    text = text.replace(url, "STORE")
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    text = re.sub(r"\b\d+-[0-9a-f]{8}\b", "INTERPRETER", text)
    text = re.sub(r"\b[0-9a-f]{16}\b", "MADE", text)  # ids of signals and forks
    text = re.sub(r"\b\d+(\.\d+)? ?(s|ms)( ago)?\b", "AGE", text)
    return re.sub(r" +", " ", text)


def outcomes(shell: Shell, url: str, scenario: str) -> list[tuple[str, Outcome]]:
    shell.monkeypatch.setenv("FLOWMETAL_STORE", url)
    for name, text in (("orders", ORDERS), ("changed", CHANGED), ("other", OTHER)):
        shell.write(f"{name}.flow", text)
    for file in shell.folder.glob("*.fms"):  # of the other store: no export writes over them
        file.unlink()
    shown = []
    for line in scenario.strip().splitlines():
        done = shell("fmvm", *shlex.split(line), stdin=b"@seen")
        shown.append(
            (line.strip(), Outcome(done.status, normal(done.out, url), normal(done.err, url)))
        )
    return shown


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_verb_does_the_same_on_either_store(shell: Shell, postgres: Server, name: str) -> None:
    mine = outcomes(shell, f"sqlite:{shell.folder}/one.db", SCENARIOS[name])
    with postgres.empty_store() as url:
        theirs = outcomes(shell, url, SCENARIOS[name])
    assert mine == theirs
