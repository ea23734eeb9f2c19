"""Code that a run compiles itself: how it gets into the machine, and what is known of it later.

``eval`` asks for the local effect ``code/compile``; the answer holds compiled modules, which
are verified like those of any program and added to an image of the run's own. What is to
be done with each definition goes back to the program (flow/core/evaluating.flow), so that code
which is evaluated has frames like any other.

Of each namespace that was added to, the image keeps one module: names, metadata and places of
its vars, and aliases. Values of its vars are the machine's, like those of any var that a run
defines; the functions lie with those of the program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from flowmetal.bytecode.code import Definition, DefinitionKind, Function, Module
from flowmetal.bytecode.opcodes import Operand
from flowmetal.errors import ProgramError
from flowmetal.ids import CodeHash
from flowmetal.values import KINDS, Map, Value, VarRef, describe, keyword, show, vector
from flowmetal.values.errors import flow_error, type_error
from flowmetal.values.kinds import LAST_SCALAR
from flowmetal.values.meter import charge
from flowmetal.values.walking import COMPOSITE, children_of
from flowmetal.vm.link import Image
from flowmetal.vm.state import Fiber, Machine, Native

CODE = keyword("code")
NAMES = keyword("names")
"""Where the answer says how far the compiler has counted in making up names."""

FUEL = keyword("fuel")
"""And what the macros took that it has called."""

_AT_LEAST = 500
_A_BYTE = 4
"""What it costs to have code compiled: about a microsecond for each, on an idle machine."""


MOST_FORMS = 50_000
"""Lists, vectors, maps and sets in one form: some two seconds of compiling."""


def check_form(form: Value) -> None:
    """Raise FlowError :limit/forms for a form that would take long to compile, :data/not-data for
    one with a function in it, or anything else that no text could be read as."""
    left, waiting = MOST_FORMS, [form]
    while waiting:
        item = waiting.pop()
        kind = KINDS[type(item)]
        if kind > LAST_SCALAR and kind not in COMPOSITE:
            message = f"the form to be evaluated holds {describe(item)}, which is no data"
            raise flow_error("FM0311", "data/not-data", f"{message}: put its name there")
        if kind not in COMPOSITE:
            continue
        left -= 1
        if left < 0:
            message = (
                f"a form of more than {MOST_FORMS:,} lists, vectors, maps and sets is too large"
            )
            raise flow_error("FM0514", "limit/forms", f"{message} to be evaluated")
        waiting.extend(children_of(item))


def checked(machine: Machine, fiber: Fiber, form: Value) -> Value:
    """Return a form that can be compiled; parts that it shares count each time, as for the compiler."""
    check_form(form)
    return form


def read_code(data: bytes, image: Image) -> tuple[Module, ...]:
    """Return compiled modules that run in ``image``. Raises ProgramError if they may not."""
    from flowmetal.bytecode.file import read_modules  # few programs compile anything
    from flowmetal.bytecode.verifier import verify

    modules = read_modules(data)
    functions = {f.hash: f for module in modules for f in module.functions}

    def resolve(name: CodeHash) -> Function | None:
        known = image.functions.get(name)
        return functions.get(name) or (None if known is None else known.function)

    for function in functions.values():
        verify(function, resolve)
        for name in _natives_of(function):
            image.native(name)
    return modules


def _natives_of(function: Function) -> Iterator[str]:
    for body in function.bodies:
        for op, operand in body.instructions:
            if op.operand is Operand.NATIVE:
                yield function.constants[operand][0]


def install(machine: Machine, fiber: Fiber, compiled: Value) -> Value:
    """Add compiled code to the machine; return what is to be done: a vector of [var value run?].

    ``value`` is that of the var, or a function of no arguments if ``run?``, whose result is;
    ``var`` is nil for an expression. A name that was only declared has no ``run?`` either.
    """
    data = compiled.get(CODE) if isinstance(compiled, Map) else None
    if not isinstance(data, bytes):
        raise type_error("FM0501", f"compiled code is needed, got {show(compiled)}")
    try:
        modules = read_code(data, machine.image)
    except ProgramError as error:
        raise flow_error(error.code, "code/damaged", error.message) from None
    _add(machine, modules)
    count = compiled.get(NAMES)
    if isinstance(count, int):
        machine.next_gensym = max(machine.next_gensym, count)
    fuel = compiled.get(FUEL)
    charge(_AT_LEAST + _A_BYTE * len(data) + (fuel if isinstance(fuel, int) else 0))
    image = machine.image
    return vector(
        vector(_step(image, definition)) for module in modules for definition in module.definitions
    )


def _add(machine: Machine, modules: Iterable[Module]) -> None:
    image = machine.image
    if image.grows:
        for module in modules:
            image.add((), module.functions)
        return
    own = dict(image.own)
    for module in modules:
        for space, part in _by_namespace(module).items():
            own[space] = _merged(own.get(space), part)
    if image.base is None:
        machine.image = image.with_own(own)
    else:
        image.take(own)


def _by_namespace(module: Module) -> dict[str, Module]:
    """Return a module's definitions by the namespace that they belong to."""
    found = {module.name: module._replace(definitions=())}
    for definition in module.definitions:
        if definition.name:
            space = definition.name.partition("/")[0]
            part = found.get(space) or Module(space, (), (), ())
            known = _without_code(definition)
            found[space] = part._replace(definitions=(*part.definitions, known))
    return found


def _without_code(definition: Definition) -> Definition:
    return replace(definition, function=None, value=None)


def _merged(old: Module | None, new: Module) -> Module:
    """Return one module for both; what is new counts."""
    if old is None:
        return new
    definitions = {each.name: each for each in old.definitions}
    for each in new.definitions:
        if each.kind is not DefinitionKind.DECLARED or each.name not in definitions:
            definitions[each.name] = each
    return Module(
        new.name,
        tuple(dict.fromkeys((*old.requires, *new.requires))),
        tuple(definitions.values()),
        new.functions,
        tuple({**dict(old.aliases), **dict(new.aliases)}.items()),
        tuple({**dict(old.refers), **dict(new.refers)}.items()),
        tuple({kind.kind: kind for kind in (*old.kinds, *new.kinds)}.values()),
        new.meta or old.meta,
    )


def _step(image: Image, definition: Definition) -> tuple[Value, ...]:
    var = VarRef(definition.name) if definition.name else None
    match definition.kind:
        case DefinitionKind.CONSTANT:
            return var, definition.value, False
        case DefinitionKind.DECLARED:
            return (var,)
        case DefinitionKind.NATIVE:
            return var, image.native(definition.value), False
        case DefinitionKind.FUNCTION:
            return var, _plain(image, definition), False
        case DefinitionKind.INITIALISER | DefinitionKind.EXPRESSION:
            return var, _plain(image, definition), True


def _plain(image: Image, definition: Definition) -> Value:
    found = None if definition.function is None else image.functions.get(definition.function)
    if found is None or found.function.captures:
        raise flow_error("FM0806", "code/damaged", "the compiled code is damaged: a function lacks")
    return found.plain


def _native(name: str, call: Callable[..., Value], count: int) -> Native:
    return Native(f"flow.core/{name}", call, count, count, wants_machine=True)


ROWS = (_native("-install-code!", install, 1), _native("-checked-form", checked, 1))
