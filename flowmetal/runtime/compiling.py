"""Answers ``code/compile``: a form becomes code, as its namespace would have it now.

What is known of names is what the program was compiled with, and what the run has evaluated
since. Macros are functions of the run; they are called in a sealed copy of its machine, so
that compiling changes nothing: the answer is recorded, and whoever looks at a past state
gets it from there. ``eval`` inside of such a macro is compiled at once, by this same function.

The answer is ``{:code bytes, :namespace name, :names n, :fuel n}``, with :line and :column where the
rest of a text begins; nil for a text in which no form is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final
from weakref import WeakKeyDictionary

from flowmetal.bytecode.code import Definition, DefinitionKind, Function, Module
from flowmetal.bytecode.file import write_modules
from flowmetal.compiler.compile import compile_more
from flowmetal.compiler.environment import Environment
from flowmetal.compiler.evaluator import EvaluationFailed
from flowmetal.compiler.expanders import EXPANDERS
from flowmetal.compiler.resolution import Names
from flowmetal.effects.requests import EffectRequest
from flowmetal.errors import FlowmetalError, ReadError
from flowmetal.ids import CodeHash
from flowmetal.reader import ReadForm, ReadOptions, read_forms_from
from flowmetal.runtime.heap import Watch
from flowmetal.snapshot import decode, encode
from flowmetal.source import Source, Span
from flowmetal.values import (
    ErrorValue,
    FlowError,
    Keyword,
    Map,
    Symbol,
    Unrealised,
    Value,
    hash_map,
    keyword,
    require_realised,
    vector,
)
from flowmetal.values.errors import flow_error
from flowmetal.vm.link import Image
from flowmetal.vm.machine import UNLIMITED, evaluate
from flowmetal.vm.own_code import CODE, FUEL, NAMES, check_form
from flowmetal.vm.spaces import CORE, NAMESPACE
from flowmetal.vm.state import Bindings, Machine
from flowmetal.vm.vars import define, root_value

BUDGET: Final = 2_000_000
"""Fuel for all macro calls of one form: some two seconds."""

CALL: Final = 50
"""What a macro call costs at least: what it returns is compiled, too."""

MOST_NESTED: Final = 16
"""Evaluations inside of macros that are called by evaluations."""

_FORM, _TEXT, _SPACE, _LINE, _COLUMN = map(keyword, ("form", "text", "namespace", "line", "column"))
_REALISE: Final = f"{CORE}/-realise-deep"
_FUEL_SPENT: Final = "FM0309"
_FORM_PATH: Final = "<eval>"
_TEXT_PATH: Final = "<string>"


def compile_for(machine: Machine, request: EffectRequest, depth: int = 0) -> Value:
    """Return the answer to a request of this machine. Raises FlowError: what is wrong with the code.

    ``depth`` counts the macros that evaluate code, one in the other.
    """
    if depth > MOST_NESTED:
        raise flow_error(
            "FM0122",
            "macro/failed",
            f"macros evaluate code that calls macros, more than {MOST_NESTED} inside of each other",
        )
    compilation = _Compilation(machine, request, depth)
    try:
        return compilation.answer()
    except FlowmetalError as error:
        raise FlowError(_error_value(error, compilation.macros.failed)) from None


def environment_of(image: Image) -> Environment:
    """Return what the compiler knows of a program's names, and of those that its run has compiled."""
    base = image.base or image
    found = _environments.get(base)
    if found is None:
        found = _environments[base] = Environment()
        for module in base.program.modules:
            found.extend(module)
    if image.own:
        found = Environment(found)
        for module in image.own.values():
            found.extend(module)
    return found


_environments: WeakKeyDictionary[Image, Environment] = WeakKeyDictionary()


def _error_value(error: FlowmetalError, cause: ErrorValue | None) -> ErrorValue:
    """Return an error of the reader or the compiler as a value of the language."""
    kind = "reader/error" if isinstance(error, ReadError) else "compile/error"
    problems = vector(_problem(each.code, each.message, each.span) for each in error.diagnostics)
    data = hash_map(((keyword("problems"), problems),))
    return ErrorValue(keyword(kind), error.message, data, cause, (), False, error.code)


def _problem(code: str, message: str, span: Span | None) -> Map:
    said: list[tuple[Keyword, Value]] = [(keyword("code"), code), (keyword("message"), message)]
    if span is not None:
        said += [(_LINE, span.line), (_COLUMN, span.col)]
    return hash_map(said)


class _Compilation:
    """One form on its way to code."""

    def __init__(self, machine: Machine, request: EffectRequest, depth: int) -> None:
        space = request.args.get(_SPACE)
        if not isinstance(space, str) or not space:
            raise _wrong("the :namespace is a string")
        self.namespace = space
        self.args = request.args
        spaces = machine.image.spaces
        if isinstance(spaces, Environment):  # names are added to it as they are compiled
            self.environment = spaces
        else:
            self.environment = Environment(environment_of(machine.image))
        self.environment.know(machine.defined)
        self.macros = Macros(machine, request, self.environment, depth)

    def answer(self) -> Value:
        """Compile the form, or the first one of the text."""
        text = self.args.get(_TEXT)
        if text is None:
            form = self.args.get(_FORM)
            span = getattr(form, "span", None) or Span(_FORM_PATH, 1, 1, 1, 1)
            return hash_map(self._compiled(form, span).items())
        forms = self._rest_of(text)
        first = next(forms, None)
        if first is None:
            return None
        said = self._compiled(*first)
        if _is_more(forms):
            said |= {_LINE: first[1].end_line, _COLUMN: first[1].end_col}
        return hash_map(said.items())

    def _rest_of(self, text: Value) -> Iterator[ReadForm]:
        """Return the forms of the text without those that were compiled before."""
        line, column = self.args.get(_LINE, 1), self.args.get(_COLUMN, 1)
        if not isinstance(text, str) or type(line) is not int or type(column) is not int:
            raise _wrong("the :text is a string, :line and :column are numbers")
        if not 0 < line <= text.count("\n") + 1 or column < 1:
            raise _wrong(f"the text has no line {line}")
        space = self.environment.open(self.namespace)
        names = Names(self.environment, space, frozenset(EXPANDERS))
        options = ReadOptions(
            resolve_alias=names.resolve_alias, resolve_symbol=names.resolve_symbol
        )
        return read_forms_from(Source(_TEXT_PATH, text), options, line, column)

    def _compiled(self, form: Value, span: Span) -> dict[Value, Value]:
        check_form(form)
        before = {*self.environment.names()}
        addition = compile_more(
            Source(span.path, ""),
            namespace=self.namespace,
            environment=self.environment,
            evaluator=self.macros,
            read=lambda source, names: iter(((form, span),)),
        )
        # It is no file that anybody could open.
        made = addition.module._replace(source=None)
        others = {self.namespace, *self.environment.names()} - {*before - {self.namespace}}
        modules = [made, *(self._names_in(name) for name in sorted(others - {made.name}))]
        return {
            CODE: write_modules(modules),
            _SPACE: addition.namespace,
            NAMES: self.macros.names,
            FUEL: BUDGET - self.macros.fuel,
        }

    def _names_in(self, namespace: str) -> Module:
        """Return what a namespace calls others, without what it defines."""
        space = self.environment.open(namespace)
        aliases, refers = tuple(space.aliases.items()), tuple(space.refers.items())
        return Module(namespace, tuple(space.requires), (), (), aliases, refers, meta=space.meta)


def _wrong(why: str) -> FlowError:
    return flow_error("FM0703", "effect/bad-argument", f"code/compile: {why}")


def _is_more(forms: Iterator[object]) -> bool:
    """Say whether there is something left to read, or to complain of."""
    try:
        return next(forms, None) is not None
    except ReadError:
        return True


class Macros:
    """The evaluator of the compiler: macros are called in a sealed copy of the machine.

    The macros of flow.core know nothing of the run and change nothing of it: for them a copy
    that shares all values is enough, as it is for a machine of which nothing is kept (one that is
    sealed itself, a REPL). For any other macro the run is saved and restored. ``names``: how far
    names have been made up; ``fuel`` is what is left for macros; ``failed``: the error of the last
    one that failed.
    """

    def __init__(
        self, machine: Machine, request: EffectRequest, environment: Environment, depth: int
    ) -> None:
        self.names = machine.next_gensym
        self.fuel = BUDGET
        self.failed: ErrorValue | None = None
        self._machine = machine
        self._request = request
        self._environment = environment
        self._depth = depth
        self._namespace = ""
        self._waiting: list[Definition] = []
        self._functions: dict[CodeHash, Function] = {}
        self._copies: dict[bool, tuple[Machine, Bindings | None]] = {}

    def enter(self, environment: Environment, namespace: str) -> None:
        """Hear which namespace is current."""
        self._namespace = namespace

    def load(self, definition: Definition, functions: Mapping[CodeHash, Function]) -> None:
        """Keep a definition for a macro that may need it: the run itself will evaluate it."""
        self._waiting.append(definition)
        self._functions.update(functions)

    def call(self, name: str, arguments: Sequence[Value]) -> Value:
        """Call a macro; its result is realised. Raises EvaluationFailed."""
        machine = self._machine
        is_kept = not (machine.sealed or machine.image.grows)
        is_deep = is_kept and not name.startswith(f"{CORE}/")
        copy, bindings = self._copies.get(is_deep) or self._copy(is_deep)
        if self._waiting and not name.startswith(f"{CORE}/"):
            self._settle(copy, bindings)
        try:
            macro = root_value(copy.globals, name)
        except FlowError as error:
            self.failed = error.error
            raise EvaluationFailed(self.failed) from None
        made = self._evaluate(copy, bindings, macro, arguments)
        try:
            require_realised(made)
        except Unrealised:
            self._evaluate(copy, bindings, copy.globals[_REALISE], (made,))
        return made

    def _copy(self, is_deep: bool) -> tuple[Machine, Bindings | None]:
        machine = self._machine
        open_effect = machine.open.get(self._request.number)
        number = machine.running if open_effect is None else open_effect.fiber
        if is_deep:
            copy = _restored(machine)
            bindings = copy.fibers[number].bindings
            copy.inbox.clear()
            copy.open.clear()
        else:
            copy = Machine(
                machine.run, machine.image, machine.entry, machine.arguments,
                globals=dict(machine.globals), defined=dict(machine.defined), random=machine.random,
            )  # fmt: skip
            bindings = machine.fibers[number].bindings
        if not copy.image.grows:
            copy.image = copy.image.growing()
        copy.image.spaces = self._environment
        copy.limits = machine.limits
        copy.watch = Watch(machine.limits.heap)
        copy.steps = UNLIMITED  # for an image of single steps: it is called in one go
        copy.sealed = True
        copy.compiler = partial(compile_for, depth=self._depth + 1)
        self._copies[is_deep] = copy, bindings
        return copy, bindings

    def _settle(self, copy: Machine, bindings: Bindings | None) -> None:
        """Evaluate what was compiled before. What fails is left out: the run itself will say so."""
        copy.image.add((), self._functions.values())
        waiting, self._waiting = self._waiting, []
        for definition in waiting:
            function = definition.function and copy.image.functions[definition.function].plain
            match definition.kind:
                case DefinitionKind.FUNCTION:
                    define(copy, definition.name, function)
                case DefinitionKind.CONSTANT:
                    define(copy, definition.name, definition.value)
                case DefinitionKind.INITIALISER | DefinitionKind.EXPRESSION:
                    with suppress(EvaluationFailed):
                        value = self._evaluate(copy, bindings, function, ())
                        if definition.name:
                            define(copy, definition.name, value)
                case _:
                    pass

    def _evaluate(
        self,
        copy: Machine,
        bindings: Bindings | None,
        function: Value,
        arguments: Sequence[Value],
    ) -> Value:
        copy.next_gensym = self.names
        before = copy.fuel_used
        here = Bindings({NAMESPACE: Symbol(None, self._namespace)}, bindings)
        try:
            return evaluate(copy, function, arguments, self.fuel, here)
        except FlowError as error:
            self.failed = _spent() if error.error.code == _FUEL_SPENT else error.error
            raise EvaluationFailed(self.failed) from None
        finally:
            self.fuel = max(0, self.fuel - CALL - (copy.fuel_used - before))
            self.names = copy.next_gensym
            copy.output.clear()


def _spent() -> ErrorValue:
    message = f"the macros of one form took more than {BUDGET:,} steps"
    return flow_error(_FUEL_SPENT, "limit/fuel", message).error


def _restored(machine: Machine) -> Machine:
    """Return the machine as it would be read again, which shares nothing with it."""
    known, machine.known = machine.known, set()  # what the store has is no matter here
    try:
        encoded = encode(machine)
    finally:
        machine.known = known
    image = machine.image.base or machine.image
    chunks = encoded.chunks
    return decode(encoded.data, image, lambda names: {name: chunks[name] for name in names})
