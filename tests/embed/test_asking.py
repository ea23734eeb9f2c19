"""Expressions that are asked where a run stands."""

from __future__ import annotations

import flowmetal
from flowmetal.embed.asking import Place, ask

STOPPED = """(ns p (:require [flow.event :refer [receive!]]))
(defn main []
  (spawn! (fn [] (try (receive! :x)
                      (finally (let [left 7] (throw (ex-info "no" {:left left})))))))
  (receive! :x))
"""


def test_what_failed_is_asked_and_not_what_was_cancelled() -> None:
    with flowmetal.Engine("memory:") as engine:
        run = engine.start(flowmetal.compile(STOPPED))[0]
        engine.interpret(until_idle=True)
        engine.cancel(run, "enough")
        engine.interpret(until_idle=True)
        row = engine.host.store.run(run)
        assert row is not None
        assert engine.view(run).state == "failed"
        assert ask(engine.host, row, "left", Place()) == 7
