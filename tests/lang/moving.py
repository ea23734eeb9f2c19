"""A machine behind the compiler that never stays where it is.

After every so many instructions it is saved and restored from the bytes into
an image of its own, which shares no object with the one before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowmetal.bytecode.code import Definition, DefinitionKind, Function, Module, Program
from flowmetal.bytecode.file import read_modules
from flowmetal.compiler.environment import Environment
from flowmetal.compiler.evaluator import EvaluationFailed
from flowmetal.effects.requests import EffectRequest
from flowmetal.embed.evaluator import SealedMachine
from flowmetal.ids import CodeHash, RunId
from flowmetal.runtime.compiling import compile_for
from flowmetal.snapshot import decode, encode
from flowmetal.values import FlowError, Value
from flowmetal.vm.calls import call_value
from flowmetal.vm.link import Image
from flowmetal.vm.machine import run
from flowmetal.vm.own_code import CODE
from flowmetal.vm.state import (
    Closure,
    Fiber,
    FiberStatus,
    Finish,
    Frame,
    Machine,
    MachineStatus,
    Native,
)
from flowmetal.vm.vars import define

_ENDLESS = 1 << 62
_LARGE = 20_000
_HUGE = 200_000
"""Bytes of a snapshot from which on moves become rare, and from which on there are no more."""


class MovingMachine(SealedMachine):
    """Moves every ``step`` instructions.

    In a call of many steps the distance is doubled after every ``dense`` moves, and
    after every move of a large machine: a loop of a million instructions over a heap
    of megabytes would otherwise take hours.
    """

    def __init__(self, natives: Mapping[str, Native], step: int, dense: int) -> None:
        super().__init__(natives)
        self.images = [Image(Program("user", ()), natives, single_steps=True) for _ in range(2)]
        self.image = self.images[0]
        for image in self.images:
            image.grows = True
        self.machine = Machine(
            RunId("compiler"), self.image, "", (), sealed=True, compiler=self.compile_everywhere
        )
        self.step = step
        self.dense = dense
        self.moves = 0
        self.still = False
        self.chunks: dict[str, bytes] = {}

    def enter(self, environment: Environment, namespace: str) -> None:
        super().enter(environment, namespace)
        for image in self.images:
            image.spaces = environment

    def compile_everywhere(self, machine: Machine, request: EffectRequest) -> Value:
        """Answer ``eval``: the code is in all images from then on."""
        answer = compile_for(machine, request)
        if answer is not None:
            for module in read_modules(answer.get(CODE)):
                for image in self.images:
                    image.add((), module.functions)
        return answer

    def load(self, definition: Definition, functions: Mapping[CodeHash, Function]) -> None:
        is_value = definition.kind is DefinitionKind.INITIALISER
        for image in self.images:
            image.add(() if is_value else (definition,), functions.values())
        if is_value:
            value = self._run(definition)  # moves: what defines is the machine after it
            define(self.machine, definition.name, value)
        else:
            super().load(definition, functions)

    def add(self, module: Module) -> None:
        for image in self.images:
            image.add((), module.functions)
        super().add(module)

    def call(self, name: str, arguments: Sequence[Value]) -> Value:
        made = self.apply(self.root(name), arguments)
        self.still = True  # what is realised now has to stay the object that is returned
        try:
            self.apply(self.machine.globals["flow.core/-realise-deep"], (made,))
        finally:
            self.still = False
        return made

    def apply(self, function: Value, arguments: Sequence[Value], budget: int = 0) -> Value:
        machine = self.machine
        if isinstance(function, Closure):
            own = self.image.functions[function.function.function.hash]
            function = Closure(own, function.captured, function.meta)
        fiber = Fiber(1, [])
        try:
            called = call_value(machine, fiber, function, list(arguments))
        except FlowError as error:  # of a native
            raise EvaluationFailed(error.error) from None
        if not isinstance(called, Frame):
            return called
        machine.fibers, machine.next_fiber = {1: fiber}, 2
        machine.ready.clear()
        machine.ready.append(1)
        machine.status = MachineStatus.READY
        called.then = Finish()
        fiber.frames.append(called)
        return self._finished()

    def _finished(self) -> Value:
        moved = 0
        step = self.step
        while self.machine.fibers[1].status is FiberStatus.READY:
            self.machine.steps = _ENDLESS if self.still else step
            run(self.machine)
            if self.machine.fibers[1].status is FiberStatus.READY:
                size = self._move()
                moved += 1
                if moved % self.dense == 0 or size > _LARGE:
                    step = step * 2 if size <= _HUGE else _ENDLESS
        fiber = self.machine.fibers[1]
        self.machine.output.clear()
        if fiber.status is not FiberStatus.DONE:
            assert fiber.error is not None
            raise EvaluationFailed(fiber.error)
        return fiber.result

    def _move(self) -> int:
        """Save and restore; return the size of the snapshot."""
        encoded = encode(self.machine)
        self.chunks |= encoded.chunks
        self.image = self.images[self.moves % 2]
        output = self.machine.output
        self.machine = decode(
            encoded.data, self.image, lambda names: {name: self.chunks[name] for name in names}
        )
        assert encode(self.machine).data == encoded.data
        self.machine.sealed = True
        self.machine.compiler = self.compile_everywhere
        self.machine.output = output
        self.moves += 1
        return len(encoded.data)
