"""The machine behind a REPL that looks at a run: a copy of the run's, at one place of it.

Forms see the vars of the run, the library, and the locals of the frame that is looked at, as
``fmvm eval`` does (asking.py); ``(frame n)`` and ``(fiber n)`` look elsewhere. What a form
changes, later forms see. The run does not change, an effect is refused, and what one form
computes is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from flowmetal.bytecode.code import Definition, DefinitionKind, Function
from flowmetal.compiler.environment import Environment
from flowmetal.compiler.evaluator import EvaluationFailed
from flowmetal.embed.asking import Look, Place
from flowmetal.embed.unkept import Interrupted, Interruption
from flowmetal.errors import UsageError
from flowmetal.ids import CodeHash, RunId
from flowmetal.values import FlowError, Symbol, Value, VarRef, hash_map, show, symbol
from flowmetal.values.errors import flow_error
from flowmetal.vm.spaces import NAMESPACE
from flowmetal.vm.state import Bindings, Machine, Native
from flowmetal.vm.tracing import place

_SHOWN_FRAMES: Final = 40


class LookingMachine:
    """Evaluates definitions and expressions in a copy. It is an ``Evaluator``.

    ``look`` makes the copy, whose code may call the given natives beside those of any program.
    """

    prelude: Final = Path(__file__).parent / "looking.flow"

    def __init__(
        self,
        natives: Mapping[str, Native],
        look: Callable[[Mapping[str, Native]], Look],
        wrote: Callable[[RunId, str], None],
    ) -> None:
        own = (
            Native("flow.repl/-frames", self._frames, 0, 0),
            Native("flow.repl/locals", self._shown_locals, 0, 0),
            Native("flow.repl/-go", self._go, 2, 2),
        )
        self.look = look({**natives, **{native.name: native for native in own}})
        copy = self.look.copy
        self.globals = copy.machine.globals
        self.bindings = Bindings({}, copy.bindings)  # what ``set!`` may change
        copy.bindings = self.bindings
        copy.wrote = lambda text: wrote(copy.machine.run, text)
        self.last: Value = None
        self._entered = ""  # the namespace that was made current last, by us
        self._interruption = Interruption()
        self._limit = copy.machine.watch
        copy.machine.watch = self._watch

    def interrupt(self) -> bool:
        """Ask what is being evaluated to stop. False: it was asked again."""
        state = self._interruption
        state.insisted, state.asked = state.asked, True
        return not state.insisted

    def heed_again(self) -> None:
        """Forget an interruption: a new evaluation begins."""
        self._interruption = Interruption()

    def enter(self, environment: Environment, namespace: str) -> None:
        """Make a namespace the current one."""
        self.look.copy.enter(environment, namespace)
        self.globals[NAMESPACE] = Symbol(None, namespace)
        self._entered = namespace

    def gone_to(self) -> str | None:
        """Return the namespace that what was evaluated has made current, None if it has not."""
        current = self.globals.get(NAMESPACE)
        if isinstance(current, Symbol) and current.text != self._entered:
            return current.text
        return None

    def locals(self) -> dict[str, Value]:
        """Return what names stand for where the REPL looks."""
        return self.look.locals()

    # -- what the compiler asks for ------------------------------------------------------

    def load(self, definition: Definition, functions: Mapping[CodeHash, Function]) -> None:
        """Give a var its value, or run an expression. Raises FlowError, Interrupted."""
        image, name = self.look.copy.image, definition.name
        image.add((definition,), functions.values())
        match definition.kind:
            case DefinitionKind.FUNCTION | DefinitionKind.CONSTANT | DefinitionKind.NATIVE:
                self.globals[name] = image.static[name]
                self.last = VarRef(name)
            case DefinitionKind.INITIALISER | DefinitionKind.EXPRESSION:
                assert definition.function is not None
                self.last = self.evaluate(image.functions[definition.function].plain)
                if name:
                    self.globals[name], self.last = self.last, VarRef(name)
            case DefinitionKind.DECLARED:
                pass

    def load_sealed(self, definition: Definition, functions: Mapping[CodeHash, Function]) -> None:
        """Load a definition that came with a file. Raises EvaluationFailed, Interrupted."""
        try:
            self.load(definition, functions)
        except FlowError as error:
            raise EvaluationFailed(error.error) from None

    def call(self, name: str, arguments: Sequence[Value]) -> Value:
        """Call a macro; its result is realised. Raises EvaluationFailed, Interrupted."""
        return self.look.copy.call(name, arguments)

    def evaluate(self, function: Value, arguments: Sequence[Value] = ()) -> Value:
        """Call a function without effects. Raises FlowError, Interrupted."""
        return self.look.copy.compute(function, arguments)

    def _watch(self, machine: Machine) -> None:
        if self._interruption.asked:
            raise Interrupted
        assert self._limit is not None
        self._limit(machine)

    # -- natives -------------------------------------------------------------------------

    def _frames(self) -> str:
        look, lines = self.look, []
        for number, fiber in sorted(look.fibers.items()):
            if not fiber.frames:
                continue
            lines.append(f"fiber {number}, {fiber.status.value}")
            top = len(fiber.frames) - 1
            for index in range(top, -1, -1):
                frame = fiber.frames[index]
                if len(lines) < _SHOWN_FRAMES or frame is look.frame:
                    span = frame.body.span_at(place(fiber.frames, index))
                    mark = ">" if frame is look.frame else " "
                    where = "" if span is None else f"  {span}"
                    lines.append(f"{mark} {top - index:3} {frame.body.owner.name}{where}")
        return "\n".join(lines) or "no frames: it has not begun, or has ended"

    def _shown_locals(self) -> Value:
        return hash_map((symbol(name), value) for name, value in self.locals().items())

    def _go(self, fiber: Value, frame: Value) -> str:
        for number in (fiber, frame):
            if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
                raise flow_error(
                    "FM0310", "type/mismatch", f"a number is needed, got {show(number)}"
                )
        if fiber is None and self.look.fiber is not None:
            fiber = self.look.fiber.number
        try:
            self.look = self.look.at(Place(fiber, frame))
        except UsageError as error:
            help = "".join(f": {line}" for line in error.diagnostics[0].help)
            raise flow_error("FM0203", "key/missing", f"{error.message}{help}") from None
        self.bindings = Bindings(self.bindings.values, self.look.copy.bindings)
        self.look.copy.bindings = self.bindings
        self.globals[NAMESPACE] = Symbol(None, self.look.namespace)
        return self._frames()
