"""A world for programs under test: it answers each effect from a table and writes down what was asked.

After every turn the machine is saved and rebuilt, so that each test is also a
test that the library's state lives through a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from flowmetal.bytecode.code import Program
from flowmetal.effects.requests import EffectRequest
from flowmetal.embed import Machine, compile
from flowmetal.values import ErrorValue, FlowError, Instant, Map, Value, hash_map, keyword
from flowmetal.vm.state import MachineStatus

Answer = Callable[[EffectRequest], Value]


def args_of(**pairs: Value) -> Map:
    """Return a map with keyword keys; an underscore stands for a hyphen."""
    return hash_map((keyword(name.replace("_", "-")), value) for name, value in pairs.items())


def failure(message: str, kind: str = "user", retryable: bool | None = None) -> ErrorValue:
    """Return an error as an effect ends with."""
    return ErrorValue(keyword(kind), message, retryable=retryable)


@dataclass
class World:
    """What was asked, and what the clock says: every sleep moves it."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    asked: list[EffectRequest] = field(default_factory=list)
    output: str = ""
    now_us: int = 1_000_000_000_000

    def run(self, text: str, *arguments: Value, seed: int = 1) -> Value:
        """Run ``main`` to its end and return its result. Raises FlowError if it fails."""
        program = _program(text)
        machine = Machine(program, *arguments, seed=seed)
        while True:
            turn = machine.run()
            self.output += turn.output
            if turn.status is MachineStatus.COMPLETED:
                return turn.result
            if turn.status is MachineStatus.FAILED:
                assert turn.error is not None
                raise FlowError(turn.error)
            machine = Machine.restore(machine.snapshot(), program)
            for request in turn.requests:
                self.asked.append(request)
                answer = self._answer(request)
                if isinstance(answer, ErrorValue):
                    machine.deliver(request.number, error=answer)
                else:
                    machine.deliver(request.number, answer)

    def _answer(self, request: EffectRequest) -> Value:
        if request.kind in self.answers:
            return self.answers[request.kind](request)
        match request.kind:
            case "time/now":
                return Instant(self.now_us)
            case "time/sleep":
                self.now_us += request.args.get(keyword("for")).us
                return None
            case "step/begin":
                return int(request.number)
            case _:
                return None

    def kinds(self) -> list[str]:
        """Return the kinds asked for, in order."""
        return [request.kind for request in self.asked]

    def of(self, kind: str) -> list[EffectRequest]:
        """Return the requests of a kind, in order."""
        return [request for request in self.asked if request.kind == kind]


@lru_cache(64)
def _program(text: str) -> Program:
    return compile(text)
