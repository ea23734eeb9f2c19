"""What becomes of effects in flight when somebody stops the interpreter."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import flowmetal
from flowmetal.runtime.interpreting import Interpreter
from flowmetal.values import pr_str

SOURCE = """(ns p)
(defforeign f {:at-most-once true} [])
(defforeign g [])
(defn main [] (let [n (try (f) (catch :effect/in-doubt e :in-doubt))] [n (g)]))
"""


class World:
    """A function that takes as long as the test likes, and one that comes after it."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.calls: list[str] = []

    def functions(self) -> list[Callable[..., object]]:
        @flowmetal.foreign("p/f", slow=True)
        def f() -> int:
            self.calls.append("f")
            self.begun.set()
            assert self.may_end.wait(20)
            return 1

        @flowmetal.foreign("p/g")
        def g() -> int:
            self.calls.append("g")
            return 2

        return [f, g]


def test_an_interpreter_that_is_told_to_stop_lets_effects_in_flight_end() -> None:
    """Cut off, one that is at-most-once would be in doubt at each restart."""
    world = World()
    with flowmetal.Engine("memory:", functions=world.functions()) as engine:
        run = engine.start(flowmetal.compile(SOURCE))[0]
        interpreter = Interpreter(engine.host)
        thread = threading.Thread(target=lambda: asyncio.run(interpreter.run()))
        thread.start()
        assert world.begun.wait(20)
        interpreter.stop_soon()
        world.may_end.set()
        thread.join(20)
        assert not thread.is_alive()
        assert world.calls == ["f"]  # and nothing begins any more
        assert engine.view(run).state in ("ready", "running")
        assert pr_str(engine.result(run)) == "[1 2]"
