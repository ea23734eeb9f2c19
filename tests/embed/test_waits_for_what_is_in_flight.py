"""An interpreter that waits for what is in flight, and begins nothing else, does not look at the store all the time."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import flowmetal

PROGRAM = """
(ns p (:require [flow.async :refer [all!]]))
(defforeign busy {:retry {:max-attempts 9 :backoff #dur "50ms" :jitter 0}} [])
(defforeign work [])
(defn once [] (perform :p/work {:args [] :at-most-once true}))
(defn main [] (all! (once) (busy)))
"""


@pytest.mark.parametrize("verb", ["stop", "pause"])
def test_an_attempt_that_is_due_meanwhile_is_no_reason_to_look(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end, tried = threading.Event(), threading.Event(), threading.Event()

    @flowmetal.foreign("p/work")
    async def work() -> int:
        begun.set()
        while not may_end.is_set():
            await asyncio.sleep(0.005)
        return 7

    @flowmetal.foreign("p/busy")
    async def busy() -> None:
        tried.set()
        raise flowmetal.EffectFailed.of("bank/busy", "later", retryable=True)

    with flowmetal.Engine("memory:", functions=[work, busy]) as engine:
        run, _ = engine.start(flowmetal.compile(PROGRAM))
        looks = []
        inbox = engine.store.inbox
        monkeypatch.setattr(engine.store, "inbox", lambda *at: looks.append(at) or inbox(*at))
        thread = threading.Thread(target=engine.interpret)
        thread.start()
        try:
            assert begun.wait(20)
            assert tried.wait(20)
            engine.stop() if verb == "stop" else engine.pause(run)
            time.sleep(0.1)  # by then it is due
            looks.clear()
            time.sleep(0.3)
            assert len(looks) < 20
        finally:
            may_end.set()
            engine.stop()
            thread.join(20)
        assert engine.view(run).state == ("paused" if verb == "pause" else "ready")
