"""A pause while something is in flight: nothing is left in doubt by an operator who only wanted to wait."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import flowmetal
from flowmetal.errors import Conflict
from flowmetal.ids import RunId
from tests.stores import url_of

SOURCE = """
(ns p (:require [flow.async :refer [all! with-timeout!]] [flow.event :refer [receive!]]))
(defforeign pay [x])
(defforeign charge [x])
(defn once [x] (perform :p/pay {:args [x] :at-most-once true :name "payment"}))
(defn main [] [(once 1) (once 2)])
(defn often [] [(pay 1) (pay 2)])
(defn both [] (all! (once 1) (do (receive! :go) (once 2))))
(defn child [] :done)
(defn acts [] (all! (once 1) (do (receive! :go) (println "goes on") (charge 2) (start! child []))))
(defn bounded []
  (try (with-timeout! #dur "2s" (once 1)) (catch :timeout e nil))
  (receive! :go))
(defn cleans [] (try (once 1) (finally (sleep! #dur "100ms"))))
"""


class Bank:
    """A function that takes its time: each call waits until it may end."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.calls: list[object] = []
        self._may_end = threading.Event()

        @flowmetal.foreign("p/pay")
        async def pay(x: object) -> object:
            self.calls.append(x)
            self.began.release()
            while not self._may_end.is_set():
                await asyncio.sleep(0.002)
            return x

        @flowmetal.foreign("p/charge")
        def charge(x: object) -> object:
            self.calls.append(x)
            return x

        self.functions = (pay, charge)

    def end(self) -> None:
        self._may_end.set()


@pytest.fixture
def bank() -> Bank:
    return Bank()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return url_of(request.param, request, tmp_path)


@pytest.fixture
def driven(url: str, bank: Bank) -> Iterator[Callable[..., flowmetal.Engine]]:
    """Drive a new run ``r`` from an entry in a thread; the engine that is returned looks at it."""
    threads: list[threading.Thread] = []
    stops: list[Callable[[], None]] = []
    looks = flowmetal.Engine(url)

    def drive(entry: str, *, by_interpreter: bool = False) -> flowmetal.Engine:
        looks.start(flowmetal.compile(SOURCE), id="r", entry=entry)

        def driver() -> None:
            with flowmetal.Engine(url, functions=bank.functions) as engine:
                if by_interpreter:
                    stops.append(engine.stop)
                    engine.interpret()
                else:
                    engine.drive("r")

        thread = threading.Thread(target=driver)
        thread.start()
        threads.append(thread)
        assert bank.began.acquire(timeout=20)
        return looks

    drive.wait = lambda: [thread.join(20) for thread in threads]  # type: ignore[attr-defined]
    yield drive
    bank.end()
    for stop in stops:
        stop()
    for thread in threads:
        thread.join(20)
    looks.close()


def test_a_pause_waits_for_what_is_done_at_most_once(driven, bank: Bank, url: str) -> None:
    engine = driven("main")
    assert "the answer to p/pay `payment` (effect #1)" in engine.why("r")
    assert engine.pause("r") == "running"
    assert "stops when the at-most-once effect in flight has ended" in engine.why("r")
    bank.end()
    driven.wait()
    assert engine.view("r").state == "paused"
    engine.unpause("r")
    with flowmetal.Engine(url, functions=bank.functions) as again:
        assert list(again.result("r")) == [1, 2]
        assert again.verify("r").problems == []
    assert bank.calls == [1, 2]


def test_a_pause_that_still_waits_is_taken_back_later(driven, bank: Bank) -> None:
    engine = driven("main")
    engine.pause("r")
    with pytest.raises(Conflict) as refused:
        engine.unpause("r")
    (hint,) = refused.value.diagnostics[0].help
    assert "try again when that has let go of it" in hint
    bank.end()
    driven.wait()
    assert engine.unpause("r") == "ready"


def test_a_pause_breaks_off_what_may_be_performed_again(driven, bank: Bank) -> None:
    engine = driven("often")
    engine.pause("r")
    driven.wait()
    assert engine.view("r").state == "paused"
    assert bank.calls == [1]


def test_while_a_pause_waits_nothing_else_begins(driven, bank: Bank) -> None:
    engine = driven("both")
    engine.pause("r")
    engine.signal("r", "go")
    bank.end()
    driven.wait()
    assert engine.view("r").state == "paused"
    assert bank.calls == [1]


def test_while_a_pause_waits_the_run_does_not_go_on_at_all(driven, bank: Bank, url: str) -> None:
    engine = driven("acts")
    engine.pause("r")
    engine.signal("r", "go")
    time.sleep(0.8)
    bank.end()
    driven.wait()
    assert engine.view("r").state == "paused"
    assert bank.calls == [1]
    assert [run.id for run in engine.runs()] == ["r"]
    assert "output" not in [event.kind for event in engine.store.events(RunId("r"))]
    engine.unpause("r")
    with flowmetal.Engine(url, functions=bank.functions) as again:
        again.result("r")
        assert again.verify("r").problems == []
    assert bank.calls == [1, 2]


def test_a_run_that_a_pause_waits_for_is_not_left_at_a_time_that_is_up(driven, bank: Bank) -> None:
    engine = driven("bounded", by_interpreter=True)
    engine.pause("r")
    time.sleep(2.4)
    assert engine.view("r").state == "running"
    bank.end()
    assert wait_for(engine, "paused", "waiting") == "paused"


def test_a_cancellation_ends_all_pauses_that_wait(driven, bank: Bank) -> None:
    engine = driven("cleans", by_interpreter=True)
    engine.pause("r")
    engine.pause("r")
    engine.cancel("r", drive=False)
    assert wait_for(engine, "paused", "cancelled") == "cancelled"


def wait_for(engine: flowmetal.Engine, *states: str) -> str:
    while (state := engine.view("r").state) not in states:
        time.sleep(0.01)
    return state


def test_a_cancellation_ends_a_pause_that_waits(driven, bank: Bank) -> None:
    engine = driven("main")
    engine.pause("r")
    engine.cancel("r", drive=False)
    driven.wait()
    assert engine.view("r").state == "cancelled"
