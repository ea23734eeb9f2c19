"""The machine behind the compiler: top-level forms and macros run in it, sealed.

It implements ``compiler.evaluator.Evaluator``. Code is added to its image form
by form; what the library fixes is there from the start. No effect can happen
in it, and what it computes is bounded by ``BUDGET``.

Top-level forms are run here for the sake of macros, and once more in the run
itself. Most programs have no macro that needs what they compute, and many
compute long. So loading stops at the first form that takes more than a glance:
it and what follows waits until a macro of the program is called, if one ever is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from flowmetal.bytecode.code import Definition, DefinitionKind, Function, Module, Program
from flowmetal.compiler.environment import Environment
from flowmetal.compiler.evaluator import EvaluationFailed
from flowmetal.effects.requests import EffectRequest
from flowmetal.ids import CodeHash, RunId
from flowmetal.runtime.heap import Watch
from flowmetal.stdlib.natives.walking import unrealised_inside
from flowmetal.values import FlowError, Symbol, Value
from flowmetal.vm.link import Image
from flowmetal.vm.machine import evaluate
from flowmetal.vm.spaces import NAMESPACE
from flowmetal.vm.state import Machine, Native
from flowmetal.vm.vars import define, root_value

_REALISE = "flow.core/-realise-deep"

BUDGET = 5_000_000
"""Fuel for one macro call or one top-level form: some five seconds."""

GLANCE = 50_000
"""Fuel for all top-level forms of a program that no macro has asked for: a tenth of a second."""


def compile_at_once(machine: Machine, request: EffectRequest) -> Value:
    """Answer ``eval`` in a sealed machine. Raises FlowError."""
    from flowmetal.runtime.compiling import compile_for

    return compile_for(machine, request)


class SealedMachine:
    """A machine without effects that grows with what is compiled."""

    def __init__(self, natives: Mapping[str, Native], modules: Sequence[Module] = ()) -> None:
        self.image = Image(Program("user", ()), natives)
        self.image.grows = True
        self.machine = Machine(
            RunId("compiler"),
            self.image,
            "",
            (),
            sealed=True,
            compiler=compile_at_once,
            watch=Watch(),
        )
        self._waiting: list[Definition] = []
        self._glance: int | None = None
        self._fixed: frozenset[str] = frozenset()
        for module in modules:
            self.add(module)
        if modules:
            self._glance = GLANCE
            self._fixed = frozenset(module.name for module in modules)

    def add(self, module: Module) -> None:
        """Load a compiled module, initialisers included. Raises EvaluationFailed."""
        self.image.add((), module.functions)
        for definition in module.definitions:
            self.load(definition, {})

    def enter(self, environment: Environment, namespace: str) -> None:
        """Make a namespace the current one."""
        self.image.spaces = environment
        if NAMESPACE in self.machine.globals:
            self.machine.globals[NAMESPACE] = Symbol(None, namespace)

    def load(self, definition: Definition, functions: Mapping[CodeHash, Function]) -> None:
        """Give a var its value, or run an expression, now or when a macro asks. Raises EvaluationFailed."""
        self.image.add((definition,), functions.values())
        match definition.kind:
            case DefinitionKind.FUNCTION | DefinitionKind.CONSTANT | DefinitionKind.NATIVE:
                self.machine.globals[definition.name] = self.image.static[definition.name]
            case DefinitionKind.INITIALISER | DefinitionKind.EXPRESSION:
                if self._waiting or not self._glanced(definition):
                    self._waiting.append(definition)
            case DefinitionKind.DECLARED:
                pass

    def call(self, name: str, arguments: Sequence[Value]) -> Value:
        """Call the function in var ``name``; its result is realised. Raises EvaluationFailed."""
        if self._waiting and name.partition("/")[0] not in self._fixed:
            self._finish()
        made = self.apply(self.root(name), arguments)
        if unrealised_inside(made):
            self.apply(self.machine.globals[_REALISE], (made,))
        return made

    def root(self, name: str) -> Value:
        """Return the value of a var. Raises EvaluationFailed if it has none yet."""
        try:
            return root_value(self.machine.globals, name)
        except FlowError as error:
            raise EvaluationFailed(error.error) from None

    def apply(self, function: Value, arguments: Sequence[Value], budget: int = BUDGET) -> Value:
        """Call a function value. Raises EvaluationFailed."""
        try:
            return evaluate(self.machine, function, arguments, budget)
        except FlowError as error:
            raise EvaluationFailed(error.error) from None
        finally:
            self.machine.output.clear()

    def _glanced(self, definition: Definition) -> bool:
        """Run a top-level form unless it takes more than what is left of the glance."""
        if self._glance is None:
            self._settle(definition)
            return True
        before = self.machine.fuel_used
        try:
            self._settle(definition, self._glance)
        except EvaluationFailed as failure:
            if failure.error.code != "FM0309":
                raise
            return False
        self._glance = max(1, self._glance - (self.machine.fuel_used - before))
        return True

    def _finish(self) -> None:
        """Run what waits. What fails is left out: the run will say so, and a macro that needs it does."""
        waiting, self._waiting = self._waiting, []
        for definition in waiting:
            with suppress(EvaluationFailed):
                self._settle(definition)

    def _settle(self, definition: Definition, budget: int = BUDGET) -> None:
        value = self._run(definition, budget)
        if definition.kind is DefinitionKind.INITIALISER:
            define(self.machine, definition.name, value)

    def _run(self, definition: Definition, budget: int = BUDGET) -> Value:
        assert definition.function is not None
        return self.apply(self.image.functions[definition.function].plain, (), budget)
