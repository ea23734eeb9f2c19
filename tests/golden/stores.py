"""A store with runs in every standing that there is, and how each of them ends.

``fill`` leaves runs where they wait, ``finish`` gives each what it waits for. A golden store was filled by
the version that first had its schema, and is finished by the present one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flowmetal.embed import Engine, compile, foreign
from flowmetal.values import keyword, pr_str, vector

_HEAD: Final = """
(ns golden
  (:require [flow.async :refer [race!]]
            [flow.event :refer [receive! callback! await-callback! await-shared! keep-shared! publish! subscribe!]]
            [flow.lock :refer [with-lock!]]
            [flow.queue :refer [defqueue enqueue!]]
            [flow.state :as state]))
(defforeign elsewhere [n])
(def seen (atom []))
(defqueue line {:concurrency 1})
"""

_SOURCE: Final = """
(defn at-once [n] (* n n))
(defn asleep [] (swap! seen conj :slept) (sleep! #dur "1m") @seen)
(defn signalled [] [(receive! :go) (receive! :early)])
(defn called-back [] (await-callback! (callback!)))
(defn parked [] (+ 1 (throw (ex-info "parked" {:type :golden/parked}))))
(defn calling [] (elsewhere 20))
(defn holding [] (with-lock! :golden (receive! :go)))
(defn in-line [] (with-lock! :golden :mine))
(defn child [] (receive! :go))
(defn parent [] (swap! seen conj (await! (start! child [] {:id "child"}))))
(defn in-queue [] (receive! :go))
(defn queueing [] (dotimes [n 2] (enqueue! line in-queue [] {:id (str "queued-" n)})))
(defn keeping [] (state/put! "golden" {:kept [1 2 3]}) (receive! :go) (state/get! "golden"))
(defn racing [] (race! (do (sleep! #dur "1m") :slept) (receive! :never)))
(defn subscribed [] (let [s (subscribe! :golden)] [(receive! s) (receive! s)]))
(defn sharing [] (await-shared! :golden))
(defn large [] (let [xs (vec (range 5000))] (receive! :go) (reduce + xs)))
(defn cleaning [] (try (receive! :never) (finally (state/put! "cleaned" true))))
(defn paused [] (receive! :go))
(defn travelling []
  (let [k (start! at-once [6]) c (callback!) xs (vec (range 3000))]
    (swap! seen conj (receive! :go))
    [(await! k) (await-callback! c) (reduce + xs) @seen]))
(defn changing [] [(receive! :go) (helped)])
"""

_OLD: Final = f"{_HEAD} (defn helped [] :old) {_SOURCE}"
_NEW: Final = f"{_HEAD} (defn helped [] :new) {_SOURCE}"

_RUNS: Final = (
    *("asleep", "signalled", "called-back", "parked", "calling", "holding", "in-line", "parent"),
    *("queueing", "keeping", "racing", "subscribed", "sharing", "large", "cleaning"),
    *("paused", "travelling", "changing"),
)

_SIGNALLED: Final = (
    *("signalled", "forked", "holding", "child", "keeping", "large", "paused"),
    *("changing", "queued-0", "queued-1"),
)

ENDS: Final = {
    "asleep": "[:slept]",
    "at-once": "49",
    "called-back": '["called" "back"]',
    "calling": '[20 "performed"]',
    "changing": "[4 :new]",
    "child": "4",
    "cleaning": "cancelled",
    "forked": "[4 1]",
    "holding": "4",
    "in-line": ":mine",
    "keeping": "{:kept [1 2 3]}",
    "large": "12497500",
    "parent": "[4]",
    "parked": "43",
    "paused": "4",
    "queued-0": "4",
    "queued-1": "4",
    "queueing": "nil",
    "racing": ":slept",
    "sharing": ":shared",
    "signalled": "[4 1]",
    "subscribed": "[:before :after]",
    "travelling": "moved",
    "travelling.1": "36",
}
"""Results as they are printed, or the state of a run that has none."""

TRAVELLED: Final = '[36 "called back" 4498500 [4]]'


@foreign("golden/elsewhere")
def elsewhere(n: int) -> list[object]:
    return [n, "performed"]


def fill(engine: Engine, file: Path) -> None:
    """Leave runs in a new store, and one of them in a file."""
    program = compile(_OLD)
    engine.deploy(program, "golden")
    engine.start(program, [7], entry="at-once", id="at-once", tags={"golden": "yes"})
    for run in _RUNS:
        engine.start(program, entry=run, id=run)
        engine.interpret(until_idle=True)
    engine.signal("signalled", "early", 1)
    engine.publish("golden", keyword("before"))
    engine.pause("paused")
    engine.fork("signalled", id="forked")
    engine.upgrade("changing", compile(_NEW))
    engine.export("travelling", str(file))


def finish(engine: Engine) -> dict[str, str]:
    """Give every run what it waits for, and return how each has ended."""
    engine.interpret(until_idle=True)  # times that are over, and a call that nobody has performed
    for run in _SIGNALLED:
        engine.signal(run, "go", 4)
    engine.unpause("paused")
    engine.supply("parked", 42)
    engine.publish("golden", keyword("after"))
    engine.complete_callback(engine.view("called-back").waiting[0].name, vector(("called", "back")))
    engine.start(compile(f"{_HEAD} (defn main [] (keep-shared! :golden :shared))"), id="sharer")
    engine.cancel("cleaning")
    engine.interpret(until_idle=True)
    return {
        view.id: pr_str(view.result) if view.state == "completed" else view.state
        for view in engine.runs()
        if view.id != "sharer"
    }


def finish_travelling(engine: Engine) -> str:
    """Let the run in the file that ``fill`` wrote go on here, and return its result."""
    engine.signal("travelling", "go", 4)
    engine.interpret(until_idle=True)
    callback = engine.view("travelling").waiting[0].name
    engine.complete_callback(callback, "called back")
    return pr_str(engine.result("travelling"))
