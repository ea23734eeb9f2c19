"""Programs made ready to run: operands looked up once, natives found by name.

A linked body has one entry per instruction, ``(number, argument)``, where the
argument is what the operand stands for: the constant itself, the native's
Python function, the nested function. Indices do not change, so a ``pc`` means
the same in the bytecode and here. An ``Image`` is a linked program; machines
share it and never change it, except that ``eval`` and the REPL add to a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from flowmetal.bytecode.code import (
    Body,
    Definition,
    DefinitionKind,
    Function,
    Handler,
    Program,
)
from flowmetal.bytecode.opcodes import Op, Operand
from flowmetal.errors import ProgramError
from flowmetal.ids import CodeHash
from flowmetal.source import Span
from flowmetal.values import Value, key_of
from flowmetal.vm.state import Closure, Native

NATIVE_OF_MACHINE = 0x100
"""The number under which a NATIVE whose function wants the machine is linked."""

Instruction: TypeAlias = tuple[int, Value]


class LinkedBody:
    """One arity, ready to run. ``slots`` counts the locals that are not parameters."""

    __slots__ = ("body", "code", "index", "local_count", "owner", "parameters", "slots", "variadic")

    def __init__(self, owner: LinkedFunction, index: int, body: Body) -> None:
        self.owner = owner
        self.index = index
        self.body = body
        self.parameters = body.parameters
        self.variadic = body.variadic
        self.local_count = body.locals
        self.slots = body.locals - body.parameters - (1 if body.variadic else 0)
        self.code: list[Instruction] = []

    @property
    def handlers(self) -> tuple[Handler, ...]:
        return self.body.handlers

    def span_at(self, pc: int) -> Span | None:
        """Return where instruction ``pc`` comes from."""
        found = None
        for position in self.body.positions:
            if position.pc > pc:
                break
            found = position
        path = self.owner.function.path
        if found is None or not path:
            return None
        return Span(path, found.line, found.col, found.end_line, found.end_col)


class LinkedFunction:
    """A function, ready to run. Its bodies are linked when it is first called."""

    __slots__ = ("_bodies", "_image", "by_count", "function", "name", "plain", "sealed", "variadic")

    def __init__(self, function: Function, image: Image) -> None:
        self.function = function
        self.name = function.name
        self.sealed = "sealed" in function.flags
        self._image = image
        self._bodies: tuple[LinkedBody, ...] | None = None
        self.by_count: dict[int, LinkedBody] = {}
        self.variadic: LinkedBody | None = None
        self.plain = Closure(self, [])
        """The one closure of a function that captures nothing."""

    @property
    def bodies(self) -> tuple[LinkedBody, ...]:
        if self._bodies is None:
            self._bodies = self._link()
        return self._bodies

    def body_for(self, count: int) -> LinkedBody | None:
        """Return the body that takes ``count`` arguments."""
        if self._bodies is None:
            self._bodies = self._link()
        found = self.by_count.get(count)
        if found is None and self.variadic is not None and count >= self.variadic.parameters:
            return self.variadic
        return found

    def _link(self) -> tuple[LinkedBody, ...]:
        bodies = tuple(
            LinkedBody(self, index, body) for index, body in enumerate(self.function.bodies)
        )
        for linked in bodies:
            linked.code = [self._instruction(linked.body, op, k) for op, k in linked.body.instructions]
            if linked.variadic:
                self.variadic = linked
            else:
                self.by_count[linked.parameters] = linked
        return bodies

    def _instruction(self, body: Body, op: Op, operand: int) -> Instruction:
        constants = self.function.constants
        match op.operand:
            case Operand.CONSTANT | Operand.NAME | Operand.KIND:
                return op.number, constants[operand]
            case Operand.NAMES:
                return op.number, tuple(constants[operand])
            case Operand.NATIVE:
                name, count = constants[operand]
                native = self._image.native(name)
                number = NATIVE_OF_MACHINE if native.wants_machine else op.number
                return number, (native.call, count)
            case Operand.FUNCTION:
                return op.number, self._image.functions[self.function.functions[operand]]
            case Operand.TABLE:
                table = body.tables[operand]
                targets = {
                    key_of(constants[key]): target
                    for key, target in zip(table.keys, table.targets, strict=True)
                }
                return op.number, (targets, table.default)
            case _:
                return op.number, operand


class Image:
    """A program with its natives. ``static`` are the vars that the program itself fixes."""

    def __init__(self, program: Program, natives: Mapping[str, Native]) -> None:
        self.program = program
        self.natives = natives
        self.functions: dict[CodeHash, LinkedFunction] = {}
        self.static: dict[str, Value] = {}
        self.initialisers: list[Definition] = []
        for module in program.modules:
            self.add(module.definitions, module.functions)

    def add(self, definitions: Iterable[Definition], functions: Iterable[Function]) -> None:
        """Add code. What a definition fixes replaces what was fixed under its name."""
        for function in functions:
            if function.hash not in self.functions:
                self.functions[function.hash] = LinkedFunction(function, self)
        for definition in definitions:
            match definition.kind:
                case DefinitionKind.FUNCTION:
                    assert definition.function is not None
                    self.static[definition.name] = self.functions[definition.function].plain
                case DefinitionKind.CONSTANT:
                    self.static[definition.name] = definition.value
                case DefinitionKind.NATIVE:
                    self.static[definition.name] = self.native(definition.value)
                case DefinitionKind.INITIALISER | DefinitionKind.EXPRESSION:
                    self.initialisers.append(definition)
                case DefinitionKind.DECLARED:
                    pass

    def native(self, name: str) -> Native:
        """Return a native function. Raises ProgramError if this version has none of that name."""
        native = self.natives.get(name)
        if native is None:
            raise ProgramError(
                "FM0820",
                f"the program needs the native function {name}, which this version does not have",
                hint="upgrade flowmetal, or compile the program with this version",
            )
        return native


class Linker:
    """Makes images, each program once."""

    def __init__(self, natives: Mapping[str, Native]) -> None:
        self.natives = natives
        self._images: dict[str, Image] = {}

    def image(self, program: Program) -> Image:
        """Return the program's image. Raises ProgramError if a native is missing."""
        found = self._images.get(program.hash)
        if found is None:
            found = self._images[program.hash] = Image(program, self.natives)
        return found


NativeCall: TypeAlias = tuple[Callable[..., Value], int]
