"""What is of the memory store alone; what it has in common with the others is in the contract."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

from flowmetal.errors import StoreError
from flowmetal.ids import ProgramHash, RunId
from flowmetal.store.memory import MemoryStore

PROGRAM = ProgramHash("0" * 64)


def succeeds_in_a_fork(work: Callable[[], None]) -> bool:
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def test_a_store_does_not_survive_a_fork() -> None:
    store = MemoryStore()

    def work() -> None:
        with pytest.raises(StoreError) as refused:
            store.put_program(PROGRAM, b"lost with this process")
        assert refused.value.code == "FM1017"
        store.close()

    assert succeeds_in_a_fork(work)
    assert store.run(RunId("any")) is None


def test_the_child_of_a_fork_does_not_wait_for_a_thread_that_only_its_parent_has() -> None:
    store, is_in, goes_on = MemoryStore(), threading.Event(), threading.Event()

    def hook(name: str) -> None:
        is_in.set()
        goes_on.wait()

    store.hooks = hook
    writer = threading.Thread(target=store.put_program, args=(PROGRAM, b""))
    writer.start()
    is_in.wait()

    def work() -> None:
        with pytest.raises(StoreError):
            store.run(RunId("any"))
        store.close()

    assert succeeds_in_a_fork(work)
    goes_on.set()
    writer.join()
