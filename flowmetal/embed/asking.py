"""An expression asked of a copy of a run: its vars, its locals, and the whole library.

The copy is the machine of the last commit, or the one that stood after an earlier
event. It is sealed: an effect is refused, and what is computed is bounded. The
expression is compiled in the namespace of the function whose frame it is asked in, as
the body of a function whose parameters are the locals of that frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from flowmetal.bytecode.code import Body, Definition, DefinitionKind, Function, Program
from flowmetal.bytecode.storing import has_value
from flowmetal.compiler.compile import USER, compile_more
from flowmetal.compiler.environment import Environment
from flowmetal.compiler.evaluator import EvaluationFailed
from flowmetal.compiler.resolution import Names
from flowmetal.embed.evaluator import compile_at_once
from flowmetal.embed.library import library
from flowmetal.embed.reading import read
from flowmetal.embed.views import diagnostic_of
from flowmetal.errors import FlowmetalError, UsageError
from flowmetal.ids import CodeHash
from flowmetal.runtime.heap import Watch
from flowmetal.runtime.host import Host
from flowmetal.runtime.past import machine_at, program_at
from flowmetal.source import Source, Span
from flowmetal.stdlib.natives.walking import unrealised_inside
from flowmetal.store.protocol import RunRow
from flowmetal.values import ErrorValue, FlowError, Value, list_of, pr_str, symbol, vector
from flowmetal.vm.link import Image
from flowmetal.vm.machine import evaluate
from flowmetal.vm.state import Bindings, Fiber, FiberStatus, Frame, Machine, Native
from flowmetal.vm.vars import define, root_value

SOURCE: Final = "<expression>"
"""What an expression is called where an error points into it."""

_ASKED: Final = "-asked"
_REALISE: Final = "flow.core/-realise-deep"
BUDGET: Final = 10_000_000
"""Fuel for one expression: some ten seconds."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression is asked: a fiber, and a frame counted from the innermost, from 0.

    None: the fiber that failed, or the first; the innermost frame of a function of the user's.
    """

    fiber: int | None = None
    frame: int | None = None


class Thrown(FlowmetalError):
    """The expression threw. ``error`` is what it threw."""

    exit_status = 1
    error: ErrorValue


@dataclass(frozen=True, slots=True)
class Look:
    """A copy of a run's machine, what is known of names in it, and the place that is looked at."""

    copy: Copy
    environment: Environment
    fibers: Mapping[int, Fiber]
    fiber: Fiber | None
    frame: Frame | None
    program: Program
    own: frozenset[str]
    """The namespaces of the program itself, and those that the run has made."""

    @property
    def namespace(self) -> str:
        """Return the namespace of the function whose frame is looked at."""
        entry = self.program.entry
        name = entry if self.frame is None else self.frame.body.owner.name.partition("/")[0]
        if name not in self.own:
            name = entry if entry in self.own else USER
        return name

    def locals(self) -> dict[str, Value]:
        """Return what the names in the frame stand for."""
        return {} if self.frame is None else locals_of(self.frame)

    def at(self, place: Place) -> Look:
        """Return a look at another fiber or frame of the copy. Raises UsageError FM1330."""
        fiber, frame = _standing(self.copy.machine, self.fibers, place)
        self.copy.bindings = None if fiber is None else fiber.bindings
        return replace(self, fiber=fiber, frame=frame)


def look(
    host: Host,
    row: RunRow,
    place: Place,
    at: int | None = None,
    natives: Mapping[str, Native] | None = None,
    environment: Environment | None = None,
) -> Look:
    """Copy the machine of a run, as it stands or as it stood after event ``at``.

    ``natives``: what code of the copy may call beside what a program may. ``environment``, which is
    empty, gets what is known of names.
    Raises RunError or UsageError if the run has no such event, fiber or frame.
    """
    program = host.program(row.program if at is None else program_at(host, row, at))
    image = Image(program, {**host.linker.natives, **(natives or {})})
    machine = machine_at(host, row, at, image).machine
    image = machine.image  # with what the run has compiled itself
    fibers = dict(machine.fibers)  # an evaluation is a fiber of its own, in their place
    fiber, frame = _standing(machine, fibers, place)
    environment = Environment() if environment is None else environment
    own = {module.name for module in program.modules if not module.library}
    for module in library():
        environment.add(module)
        image.add((), module.functions)
    for module in program.modules:
        if module.name in own:
            environment.add(module)
    for module in image.own.values():
        environment.extend(module)
        own.add(module.name)
    machine.watch = Watch(host.limits.heap)
    copy = Copy(image, machine, None if fiber is None else fiber.bindings)
    copy.complete(definition for module in library() for definition in module.definitions)
    return Look(copy, environment, fibers, fiber, frame, program, frozenset(own))


def ask(host: Host, row: RunRow, text: str, place: Place, at: int | None = None) -> Value:
    """Return the value of the expressions in ``text`` (of the last one), realised.

    Raises ReadError, CompileError, Thrown for what the expression throws, and RunError or
    UsageError if the run has no such event, fiber or frame.
    """
    looked = look(host, row, place, at)
    copy, namespace, names = looked.copy, looked.namespace, looked.locals()
    compile_more(
        Source(SOURCE, text),
        namespace=namespace,
        environment=looked.environment,
        evaluator=copy,
        read=partial(_read_as_function, list(names)),
    )
    try:
        value = copy.compute(copy.machine.globals[f"{namespace}/{_ASKED}"], tuple(names.values()))
        if unrealised_inside(value):
            copy.compute(copy.machine.globals[_REALISE], (value,))
    except FlowError as error:
        raise thrown(error.error) from None
    return value


def printed(value: Value) -> str:
    """Return an answer as text. Raises Thrown for one that no text has: ``(range)`` has no end."""
    try:
        return pr_str(value)
    except FlowError as error:
        raise thrown(error.error) from None


def thrown(error: ErrorValue) -> Thrown:
    frames = tuple(
        ("the expression" if name.endswith(f"/{_ASKED}") else name, span)
        for name, span in error.frames
    )
    thrown = Thrown.of((diagnostic_of(error.with_frames(frames)),))
    assert isinstance(thrown, Thrown)
    thrown.error = error
    return thrown


def locals_of(frame: Frame) -> dict[str, Value]:
    """Return what the names in a frame stand for, as far as they can be known: inner ones last."""
    found: dict[str, Value] = {}
    closure = frame.closure
    names = closure.function.function.capture_names
    for name, value in zip(names, closure.captured, strict=False):
        if _is_name(name):
            found[name] = value
    # Slots begin as nil; of two bindings of one name, the inner one counts once it has a value.
    function, body = closure.function.function, frame.body.body
    for slot, name in _slots_in_scope(body, frame.pc):
        if not _is_name(name) or slot >= len(frame.stack):
            continue
        value = frame.stack[slot]
        # What is used once is not stored at all, but left on the stack where it is used.
        if value is not None or (name not in found and has_value(function, body, frame.pc, slot)):
            found[name] = value
    return found


def _slots_in_scope(body: Body, pc: int) -> Iterable[tuple[int, str]]:
    """Return the slots, and what they are called, of a frame that goes on at ``pc``; inner ones last."""
    if not body.scopes:
        return enumerate(body.local_names)
    return [(scope.slot, scope.name) for scope in body.scopes if scope.start < pc <= scope.end]


def _read_as_function(
    parameters: list[str], source: Source, names: Names
) -> Iterator[tuple[Value, Span]]:
    """Read a source as the body of one function, each form at its own place."""
    forms = list(read(source, names))
    span = forms[0][1] if forms else Span(source.path, 1, 1, 1, 1)
    head = [symbol("flow.core/defn"), symbol(_ASKED), vector(map(symbol, parameters))]
    yield list_of([*head, *(form for form, _ in forms)]), span


def _is_name(name: str) -> bool:
    """Say whether a name was written by somebody: what the compiler makes has other characters."""
    return bool(name) and not any(c in name for c in "/()[]{} ") and "__" not in name


def _standing(
    machine: Machine, fibers: Mapping[int, Fiber], place: Place
) -> tuple[Fiber | None, Frame | None]:
    fiber = _fiber(machine, fibers, place.fiber)
    if fiber is None or not fiber.frames:
        if place.frame is not None:
            raise UsageError(
                "FM1330",
                f"run {machine.run} has no frames: it has not begun, or has ended",
                hint="leave --frame out",
            )
        return None, None
    frames = fiber.frames[::-1]
    if place.frame is not None:
        if not 0 <= place.frame < len(frames):
            raise UsageError(
                "FM1330",
                f"fiber {fiber.number} of run {machine.run} has no frame {place.frame}",
                hint=f"it has {_numbers(len(frames))}",
            )
        return fiber, frames[place.frame]
    for frame in frames:
        if not frame.body.owner.name.startswith("flow."):
            return fiber, frame
    return fiber, frames[0]


def _numbers(count: int) -> str:
    """Say which numbers ``count`` frames have."""
    return "frame 0 alone" if count == 1 else f"frames 0, the innermost, to {count - 1}"


def _fiber(machine: Machine, fibers: Mapping[int, Fiber], number: int | None) -> Fiber | None:
    if number is None:
        failed = [each for each in fibers.values() if each.status is FiberStatus.FAILED]
        return failed[0] if failed else fibers.get(1)
    fiber = fibers.get(number)
    if fiber is None:
        raise UsageError(
            "FM1330",
            f"run {machine.run} has no fiber {number}",
            hint=f"its fibers are {', '.join(map(str, sorted(fibers)))}",
        )
    return fiber


class Copy:
    """The evaluator of the compiler: definitions and macros live in the copy."""

    def __init__(self, image: Image, machine: Machine, bindings: Bindings | None) -> None:
        self.image = image
        self.machine = machine
        self.bindings = bindings
        self.wrote: Callable[[str], None] | None = None
        machine.sealed = True
        machine.compiler = compile_at_once
        image.grows = True
        machine.inbox.clear()
        machine.open.clear()

    def complete(self, definitions: Iterable[Definition]) -> None:
        """Bring in the vars that the program was linked without."""
        for definition in definitions:
            if definition.name and definition.name not in self.machine.globals:
                self.load(definition, {})

    def enter(self, environment: Environment, namespace: str) -> None:
        """Hear what the names of the expression mean, for what looks names up as it runs."""
        self.image.spaces = environment

    def load(self, definition: Definition, functions: Mapping[CodeHash, Function]) -> None:
        """Give a var of the copy its value, or run an expression. Raises EvaluationFailed."""
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
        """Call a macro; its result is realised. Raises EvaluationFailed."""
        try:
            made = self.compute(root_value(self.machine.globals, name), arguments)
            if unrealised_inside(made):
                self.compute(self.machine.globals[_REALISE], (made,))
        except FlowError as error:
            raise EvaluationFailed(error.error) from None
        return made

    def compute(self, function: Value, arguments: Sequence[Value]) -> Value:
        """Call a function. Raises FlowError."""
        return evaluate(self.machine, function, arguments, BUDGET, self.bindings, self.wrote)

    def _run(self, definition: Definition) -> Value:
        assert definition.function is not None
        try:
            return self.compute(self.image.functions[definition.function].plain, ())
        except FlowError as error:
            raise EvaluationFailed(error.error) from None
