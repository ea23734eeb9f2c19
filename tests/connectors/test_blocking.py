"""Calls that block: the process does not wait for them for ever, and they come in turns."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from flowmetal.connectors import blocking
from flowmetal.connectors.blocking import Blocking


def test_a_call_returns_and_raises_what_its_function_does() -> None:
    async def calls() -> None:
        calls = Blocking()
        assert await calls.call(divmod, 7, 3) == (2, 1)
        with pytest.raises(ZeroDivisionError):
            await calls.call(divmod, 7, 0)

    asyncio.run(calls())


def given_up(function, calls: Blocking) -> None:
    """Begin a call, give it up, and end the loop."""
    begun = threading.Event()

    def work() -> None:
        begun.set()
        function()

    async def give_up() -> None:
        task = asyncio.create_task(calls.call(work))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        calls.close()

    asyncio.run(give_up())


def test_a_call_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "ENDING_S", 0.1)
    hangs = threading.Event()
    before = time.monotonic()
    given_up(lambda: hangs.wait(60), Blocking())
    assert time.monotonic() - before < 30
    hangs.set()


def test_a_call_that_is_about_to_end_is_waited_for() -> None:
    may_end, ended = threading.Event(), threading.Event()
    threading.Timer(0.1, may_end.set).start()
    given_up(lambda: may_end.wait(60) and ended.set(), Blocking())
    assert ended.is_set()


def test_calls_that_were_given_up_and_hang_are_not_more_and_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blocking, "MOST_LEFT", 3)
    hangs = threading.Event()

    async def give_up_and_up() -> None:
        calls = Blocking(most=1)
        for _ in range(4):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await calls.call(hangs.wait, 60)
        with pytest.raises(OSError, match="still hang"):
            await calls.call(hangs.wait, 60)
        hangs.set()
        calls.close()
        assert await calls.call(divmod, 7, 3) == (2, 1)

    asyncio.run(give_up_and_up())


def test_so_many_are_made_at_a_time() -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1

    async def calls() -> None:
        calls = Blocking(most=2)
        await asyncio.gather(*(calls.call(work) for _ in range(8)))

    asyncio.run(calls())
    assert most == 2
