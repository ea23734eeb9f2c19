"""Functions in threads that nothing waits for."""

from __future__ import annotations

import asyncio
import threading

import pytest

from flowmetal.runtime.threads import Threads


def test_a_call_answers_or_raises() -> None:
    async def both() -> None:
        threads = Threads()
        assert await threads.call(int, "7") == 7
        with pytest.raises(ValueError, match="x"):
            await threads.call(int, "x")
        with pytest.raises(RuntimeError):
            await threads.call(next, iter(()))
        assert threads.wait(10)

    asyncio.run(both())


def test_a_loop_ends_although_a_function_goes_on_and_waiting_has_an_end() -> None:
    threads, begun, go_on = Threads(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait()

    async def leave() -> None:
        task = asyncio.create_task(threads.call(slow))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        task.cancel()

    asyncio.run(leave())
    assert not threads.wait(0.05)
    go_on.set()
    assert threads.wait(10)


def test_a_call_that_has_not_begun_does_not_begin_when_nobody_waits_any_more() -> None:
    threads, go_on, begun = Threads(most=1), threading.Event(), []

    async def cancel() -> None:
        first = asyncio.create_task(threads.call(go_on.wait))
        second = asyncio.create_task(threads.call(begun.append, 2))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        go_on.set()
        await first
        await threads.call(int, "1")

    asyncio.run(cancel())
    assert begun == []
