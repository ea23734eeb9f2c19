"""What the machines behind a REPL have alike: definitions that take effect one by one, a current namespace, interruption.

``live.py`` is the one whose forms have effects, ``looking.py`` the one that looks at a run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from flowmetal.bytecode.code import Definition, DefinitionKind, Function
from flowmetal.compiler.environment import Environment
from flowmetal.compiler.evaluator import EvaluationFailed
from flowmetal.embed.unkept import Interruption
from flowmetal.ids import CodeHash
from flowmetal.values import FlowError, Symbol, Value, VarRef
from flowmetal.vm.link import Image
from flowmetal.vm.spaces import NAMESPACE
from flowmetal.vm.state import Bindings


class EvaluatingMachine(ABC):
    """Evaluates definitions and expressions. It is an ``Evaluator``.

    ``last`` is the value of the last one, ``bindings`` is what ``set!`` may change. ``prelude`` is a file that is
    loaded before anything else.
    """

    prelude: ClassVar[Path]

    def __init__(self, globals: dict[str, Value], bindings: Bindings) -> None:
        self.globals = globals
        self.bindings = bindings
        self.last: Value = None
        self._entered = ""  # the namespace that was made current last, by us
        self._interruption = Interruption()

    def interrupt(self) -> bool:
        """Ask what is being evaluated to stop; asked again, it stops at once. False: it was asked again."""
        state = self._interruption
        state.insisted, state.asked = state.asked, True
        return not state.insisted

    def heed_again(self) -> None:
        """Forget an interruption: a new evaluation begins."""
        # A new object: an evaluation that was left behind keeps its own.
        self._interruption = Interruption()

    @abstractmethod
    def enter(self, environment: Environment, namespace: str) -> None:
        """Make a namespace the current one."""

    def gone_to(self) -> str | None:
        """Return the namespace that what was evaluated has made current, None if it has not."""
        current = self.globals.get(NAMESPACE)
        if isinstance(current, Symbol) and current.text != self._entered:
            return current.text
        return None

    @abstractmethod
    def locals(self) -> dict[str, Value]:
        """Return the names that forms can use beside vars."""

    @abstractmethod
    def call(self, name: str, arguments: Sequence[Value]) -> Value:
        """Call a macro; its result is realised. Raises EvaluationFailed, Interrupted."""

    @abstractmethod
    def evaluate(self, function: Value, arguments: Sequence[Value] = ()) -> Value:
        """Call a function that may do what the REPL may. Raises FlowError, Interrupted."""

    @abstractmethod
    def compute(self, function: Value, arguments: Sequence[Value] = ()) -> Value:
        """Call a function without effects. Raises FlowError, Interrupted."""

    def load(self, definition: Definition, functions: Mapping[CodeHash, Function]) -> None:
        """Give a var its value, or run an expression. Raises FlowError, Interrupted."""
        self._load(definition, functions, self.evaluate)

    def load_sealed(self, definition: Definition, functions: Mapping[CodeHash, Function]) -> None:
        """Load a definition that came with a file. Raises EvaluationFailed, Interrupted."""
        try:
            self._load(definition, functions, self.compute)
        except FlowError as error:
            raise EvaluationFailed(error.error) from None

    @abstractmethod
    def _image(self) -> Image:
        """Return what definitions are added to."""

    def _load(
        self,
        definition: Definition,
        functions: Mapping[CodeHash, Function],
        evaluate: Callable[[Value], Value],
    ) -> None:
        image, name = self._image(), definition.name
        image.add((definition,), functions.values())
        match definition.kind:
            case DefinitionKind.FUNCTION | DefinitionKind.CONSTANT | DefinitionKind.NATIVE:
                self.globals[name] = image.static[name]
                self.last = VarRef(name)
            case DefinitionKind.INITIALISER | DefinitionKind.EXPRESSION:
                assert definition.function is not None
                self.last = evaluate(image.functions[definition.function].plain)
                if definition.kind is DefinitionKind.INITIALISER:
                    self.globals[name], self.last = self.last, VarRef(name)
            case DefinitionKind.DECLARED:
                pass
