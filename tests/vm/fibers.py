"""Programs with fibers, driven by hand: a clock that jumps, and a snapshot at every wait."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowmetal.effects.requests import EffectRequest
from flowmetal.embed.machine import Machine
from flowmetal.values import Instant, Value, pr_str
from flowmetal.vm.state import MachineStatus, Turn
from tests.vm.programs import k, program

NS = "(ns user (:require [flow.async :refer :all] [flow.time :refer [ms seconds]]))\n"


@dataclass
class World:
    """Answers time and sleep. Every wait goes through bytes; ``budget`` cuts turns short."""

    text: str
    budget: int = 1 << 40
    now_us: int = 0
    machine: Machine = field(init=False)
    turn: Turn = field(init=False)
    output: str = ""
    log: list[str] = field(default_factory=list)
    due: dict[int, int] = field(default_factory=dict)
    open: list[EffectRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.text = self.text if self.text.startswith("(ns") else NS + self.text
        self.machine = Machine(program(self.text))
        self.compute()

    def compute(self) -> None:
        """Run until the machine waits or has ended, and take note of what it asks for."""
        while True:
            turn = self.turn = self.machine.run(self.budget)
            self.output += turn.output
            for request in turn.requests:
                if request.kind == "time/sleep":
                    self.due[request.number] = self._due(request)
            self.open += turn.requests
            self._go_through_bytes()
            if turn.status is not MachineStatus.READY:
                break
        alive = self.machine.state.open
        self.open = [request for request in self.open if request.number in alive]

    def _due(self, request: EffectRequest) -> int:
        until = request.args.get(k("until"))
        if until is not None:
            return int(until.us)
        return self.now_us + int(request.args.get(k("for")).us)

    def _go_through_bytes(self) -> None:
        data = self.machine.snapshot()
        self.machine = Machine.restore(data, program(self.text))
        assert self.machine.snapshot() == data

    def finish(self) -> Turn:
        """Answer until the machine has ended."""
        while self.turn.status is MachineStatus.WAITING:
            self.step()
        return self.turn

    def step(self) -> None:
        """Answer what needs no time, else let time pass until the next sleep is over."""
        asked = [request for request in self.open if request.kind != "time/sleep"]
        for request in asked:
            is_clock = request.kind == "time/now"
            answer = Instant(self.now_us) if is_clock else request.number
            self.log.append(f"{request.kind} {request.key}")
            self.machine.deliver(request.number, answer, at_us=self.now_us)
        if not asked:
            self.now_us = max(self.now_us, min(self.due[r.number] for r in self.open))
            for request in self.open:
                if self.due[request.number] <= self.now_us:
                    self.log.append(f"{request.kind} {request.key}")
                    self.machine.deliver(request.number, at_us=self.due[request.number])
        self.compute()


def value(body: str) -> Value:
    """Return what an expression comes to, as it is printed."""
    turn = World(f"(defn main [] {body})").finish()
    assert turn.error is None, turn.error
    assert turn.status is MachineStatus.COMPLETED
    return pr_str(turn.result)


def failure(body: str) -> Turn:
    """Return the last turn of an expression that nobody rescues."""
    turn = World(f"(defn main [] {body})").finish()
    assert turn.status is MachineStatus.FAILED
    return turn
