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

from flowmetal.compiler.environment import Environment
from flowmetal.embed.asking import Look, Place
from flowmetal.embed.evaluating import EvaluatingMachine
from flowmetal.embed.unkept import Interrupted
from flowmetal.errors import UsageError
from flowmetal.ids import RunId
from flowmetal.values import Symbol, Value, hash_map, show, symbol
from flowmetal.values.errors import flow_error
from flowmetal.vm.link import Image
from flowmetal.vm.spaces import NAMESPACE
from flowmetal.vm.state import Bindings, Machine, Native
from flowmetal.vm.tracing import place

_SHOWN_FRAMES: Final = 40


class LookingMachine(EvaluatingMachine):
    """Evaluates definitions and expressions in a copy.

    ``look`` makes the copy, whose code may call the given natives beside those of any program.
    """

    prelude = Path(__file__).parent / "looking.flow"

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
        super().__init__(copy.machine.globals, Bindings({}, copy.bindings))
        copy.bindings = self.bindings
        copy.wrote = lambda text: wrote(copy.machine.run, text)
        self._limit = copy.machine.watch
        copy.machine.watch = self._watch

    def enter(self, environment: Environment, namespace: str) -> None:
        """Make a namespace the current one."""
        self.look.copy.enter(environment, namespace)
        self.globals[NAMESPACE] = Symbol(None, namespace)
        self._entered = namespace

    def locals(self) -> dict[str, Value]:
        """Return what names stand for where the REPL looks."""
        return self.look.locals()

    def call(self, name: str, arguments: Sequence[Value]) -> Value:
        """Call a macro; its result is realised. Raises EvaluationFailed, Interrupted."""
        return self.look.copy.call(name, arguments)

    def evaluate(self, function: Value, arguments: Sequence[Value] = ()) -> Value:
        """Call a function; an effect is refused. Raises FlowError, Interrupted."""
        return self.compute(function, arguments)

    def compute(self, function: Value, arguments: Sequence[Value] = ()) -> Value:
        """Call a function without effects. Raises FlowError, Interrupted."""
        return self.look.copy.compute(function, arguments)

    def _image(self) -> Image:
        return self.look.copy.image

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
