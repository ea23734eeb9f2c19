"""A pause while something is in flight: nothing is left in doubt by an operator who only wanted to wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import flowmetal
from flowmetal.errors import Conflict
from tests.stores import url_of

SOURCE = """
(ns p (:require [flow.async :refer [all!]] [flow.event :refer [receive!]]))
(defforeign pay [x])
(defn once [x] (perform :p/pay {:args [x] :at-most-once true :name "payment"}))
(defn main [] [(once 1) (once 2)])
(defn often [] [(pay 1) (pay 2)])
(defn both [] (all! (once 1) (do (receive! :go) (once 2))))
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

        self.function = pay

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
    threads = []
    looks = flowmetal.Engine(url)

    def drive(entry: str) -> flowmetal.Engine:
        looks.start(flowmetal.compile(SOURCE), id="r", entry=entry)

        def driver() -> None:
            with flowmetal.Engine(url, functions=[bank.function]) as engine:
                engine.drive("r")

        thread = threading.Thread(target=driver)
        thread.start()
        threads.append(thread)
        assert bank.began.acquire(timeout=20)
        return looks

    drive.wait = lambda: [thread.join(20) for thread in threads]  # type: ignore[attr-defined]
    yield drive
    bank.end()
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
    with flowmetal.Engine(url, functions=[bank.function]) as again:
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


def test_a_cancellation_ends_a_pause_that_waits(driven, bank: Bank) -> None:
    engine = driven("main")
    engine.pause("r")
    engine.cancel("r", drive=False)
    driven.wait()
    assert engine.view("r").state == "cancelled"
