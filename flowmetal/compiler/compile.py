"""A source to a module: read, compile and load form by form; then everything that was wrong.

``compile_module`` makes a whole namespace. ``compile_more`` adds to one that
exists, as a REPL does, and may go on in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowmetal.bytecode.code import Definition, Function, Module
from flowmetal.compiler.effect_inference import with_effects
from flowmetal.compiler.environment import Environment, Namespace
from flowmetal.compiler.evaluator import Evaluator
from flowmetal.compiler.expanders import EXPANDERS
from flowmetal.compiler.forms import CORE
from flowmetal.compiler.options import CompileOptions
from flowmetal.compiler.problems import Problems
from flowmetal.compiler.redefinition import in_order
from flowmetal.compiler.requiring import Require, not_found
from flowmetal.compiler.resolution import FormReader, Names
from flowmetal.compiler.top_level import TopLevel
from flowmetal.errors import CompileError, ReadError
from flowmetal.ids import CodeHash
from flowmetal.source import Source, Span

USER = "user"
"""The namespace of a source that has no ``ns`` form."""


@dataclass(frozen=True, slots=True)
class Addition:
    """What ``compile_more`` compiled, and the namespace that is current afterwards."""

    module: Module
    namespace: str


def compile_module(
    source: Source | Sequence[Source],
    *,
    environment: Environment,
    evaluator: Evaluator,
    read: FormReader,
    options: CompileOptions | None = None,
    require: Require | None = None,
    begins: bool = False,
) -> Module:
    """Compile a namespace; several sources are one namespace in several files.

    With ``begins`` it is the one that a program begins with, and has a ``main`` afterwards.
    On success the namespace is in ``environment``. ``require`` is asked for
    namespaces that are not. Raises CompileError or ReadError with everything
    that was found, and then ``environment`` is as it was.
    """
    options = options or CompileOptions()
    sources = [source] if isinstance(source, Source) else list(source)
    before = environment.state()
    names = Names(environment, Namespace(USER), frozenset(EXPANDERS))
    names.enter(USER, options.library, fresh=True)
    top = _top_level(names, evaluator, options, require, environment, begins=begins)
    try:
        for each in sources:
            _compile_forms(top, read, each)
        if begins:
            top.complete(Span(sources[-1].path, 1, 1, 1, 1))
        if top.problems:
            raise _error(top)
    except (CompileError, ReadError):
        environment.restore(before)
        raise
    module = _module(top, sources, options)
    environment.add(module)
    return module


def compile_more(
    source: Source,
    *,
    namespace: str,
    environment: Environment,
    evaluator: Evaluator,
    read: FormReader,
    options: CompileOptions | None = None,
    require: Require | None = None,
) -> Addition:
    """Compile forms into a namespace that goes on. Raises CompileError or ReadError.

    What was compiled before an error stays, as it has been loaded.
    """
    options = options or CompileOptions()
    names = Names(environment, Namespace(namespace), frozenset(EXPANDERS))
    names.enter(namespace, options.library, fresh=False)
    top = _top_level(names, evaluator, options, require, environment, switching=True)
    _compile_forms(top, read, source)
    if top.problems:
        raise _error(top)
    return Addition(_module(top, [source], options), names.namespace.name)


def _top_level(
    names: Names,
    evaluator: Evaluator,
    options: CompileOptions,
    require: Require | None,
    environment: Environment,
    *,
    switching: bool = False,
    begins: bool = False,
) -> TopLevel:
    def refuse(name: str, span: Span) -> None:
        raise not_found(environment, name, span)

    return TopLevel(
        names,
        evaluator,
        options,
        require or refuse,
        Problems(),
        switching=switching,
        begins=begins,
    )


def _compile_forms(top: TopLevel, read: FormReader, source: Source) -> None:
    """Compile the forms up to the end, or up to one that cannot be read."""
    try:
        for form, span in read(source, top.names):
            top.compile(form, span)
    except ReadError as error:
        if not top.problems:
            raise
        top.problems.add(error)


def _error(top: TopLevel) -> CompileError:
    """Return the error for all problems; names that come later are said to."""
    for name in top.problems.unknown_names():
        var = top.names.namespace.find(name)
        if var is not None and var.span is not None:
            help = f"it is defined below, in line {var.span.line}: move it up, or (declare {name})"
            top.problems.add_help(name, help)
    return top.problems.error()


def _module(top: TopLevel, sources: Sequence[Source], options: CompileOptions) -> Module:
    space = top.names.namespace
    definitions, extra = in_order(top.definitions, top.functions)
    definitions = with_effects(definitions, top.doings, top.names.environment)
    functions = {**top.functions, **extra}
    return Module(
        name=space.name,
        requires=tuple(_requires(top, space)),
        definitions=tuple(definitions),
        functions=tuple(_used(definitions, functions)),
        aliases=tuple(space.aliases.items()),
        refers=tuple(space.refers.items()),
        kinds=tuple(top.kinds.values()),
        meta=space.meta,
        source=None if options.library or len(sources) != 1 else sources[0],
        library=options.library,
    )


def _requires(top: TopLevel, space: Namespace) -> list[str]:
    core = [CORE] if space.name != CORE and top.names.environment.core() is not None else []
    return [*core, *(name for name in space.requires if name not in (CORE, space.name))]


def _used(definitions: list[Definition], functions: dict[CodeHash, Function]) -> list[Function]:
    """Return the functions that the definitions need, in the order in which they were made."""
    wanted = [d.function for d in definitions if d.function is not None]
    seen: set[CodeHash] = set()
    while wanted:
        code = wanted.pop()
        if code not in seen:
            seen.add(code)
            wanted.extend(functions[code].functions)
    return [function for code, function in functions.items() if code in seen]
