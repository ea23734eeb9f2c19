"""The machine behind the compiler: top-level forms and macros run in it, sealed.

It implements ``compiler.evaluator.Evaluator``. Code is added to its image form
by form; what the library fixes is there from the start. No effect can happen
in it, and what it computes is bounded by ``BUDGET``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowmetal.bytecode.code import Definition, DefinitionKind, Function, Module, Program
from flowmetal.compiler.evaluator import EvaluationFailed
from flowmetal.ids import CodeHash, RunId
from flowmetal.stdlib.natives.walking import unrealised_inside
from flowmetal.values import FlowError, Value
from flowmetal.vm.link import Image
from flowmetal.vm.machine import evaluate
from flowmetal.vm.state import Machine, Native
from flowmetal.vm.vars import define

_REALISE = "flow.core/-realise-deep"

BUDGET = 5_000_000
"""Fuel for one macro call or one top-level form: some five seconds."""


class SealedMachine:
    """A machine without effects that grows with what is compiled."""

    def __init__(self, natives: Mapping[str, Native], modules: Sequence[Module] = ()) -> None:
        self.image = Image(Program("user", ()), natives)
        self.machine = Machine(RunId("compiler"), self.image, "", (), sealed=True)
        for module in modules:
            self.add(module)

    def add(self, module: Module) -> None:
        """Load a compiled module, initialisers included. Raises EvaluationFailed."""
        self.image.add((), module.functions)
        for definition in module.definitions:
            self.load(definition, {})

    def load(self, definition: Definition, functions: Mapping[CodeHash, Function]) -> None:
        """Give a var its value, or run an expression. Raises EvaluationFailed."""
        self.image.add((definition,), functions.values())
        name = definition.name
        match definition.kind:
            case DefinitionKind.FUNCTION | DefinitionKind.CONSTANT | DefinitionKind.NATIVE:
                self.machine.globals[name] = self.image.static[name]
            case DefinitionKind.INITIALISER:
                define(self.machine, name, self._run(definition))
            case DefinitionKind.EXPRESSION:
                self._run(definition)
            case DefinitionKind.DECLARED:
                pass

    def call(self, name: str, arguments: Sequence[Value]) -> Value:
        """Call the function in var ``name``; its result is realised. Raises EvaluationFailed."""
        made = self.apply(self.machine.globals[name], arguments)
        if unrealised_inside(made):
            self.apply(self.machine.globals[_REALISE], (made,))
        return made

    def apply(self, function: Value, arguments: Sequence[Value]) -> Value:
        """Call a function value. Raises EvaluationFailed."""
        try:
            return evaluate(self.machine, function, arguments, BUDGET)
        except FlowError as error:
            raise EvaluationFailed(error.error) from None
        finally:
            self.machine.output.clear()

    def _run(self, definition: Definition) -> Value:
        assert definition.function is not None
        return self.apply(self.image.functions[definition.function].plain, ())
