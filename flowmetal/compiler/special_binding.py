"""Special forms that bring names into force: let* loop* fn* letfn* binding*.

Names are plain symbols here; ``let``, ``loop`` and ``fn`` with patterns and
ascriptions are expanders that end in these.
"""

from __future__ import annotations

from collections.abc import Generator

from flowmetal.compiler.context import Ask, Context, Place, SpecialForm, Walk
from flowmetal.compiler.environment import VarInfo
from flowmetal.compiler.forms import (
    CORE,
    Syntax,
    children,
    flag,
    is_sequence,
    is_symbol,
    is_vector,
    meta_of,
)
from flowmetal.compiler.nodes import (
    Arity,
    Bind,
    Binding,
    Function,
    Let,
    LetFunctions,
    Loop,
    NativeCall,
    Node,
    Target,
)
from flowmetal.compiler.special_control import sequence
from flowmetal.errors import CompileError, Label
from flowmetal.source import Span
from flowmetal.values import Map, Symbol, keyword

_WITH_META = f"{CORE}/with-meta"
_TAG = keyword("tag")
_PLACES = (keyword("line"), keyword("column"))


def analyse_let(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    pairs = pairs_of("let*", ask, items)
    bound: list[tuple[Binding, Node]] = []
    for name, value in pairs:
        node = yield ask.value(value)
        bound.append((_bind(context, name), node))
    body = yield from sequence(ask, items[2:], ask.place, ask.span)
    context.scope.release(*reversed([binding for binding, _ in bound]))
    return Let(ask.span, tuple(bound), body) if bound else body


def analyse_loop(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    pairs = pairs_of("loop*", ask, items)
    initial: list[Node] = []
    bindings: list[Binding] = []
    for name, value in pairs:
        initial.append((yield ask.value(value)))
        bindings.append(_bind(context, name))
    target = Target(tuple(bindings), "loop")
    body = yield from sequence(ask, items[2:], Place(target, tail=True), ask.span)
    context.scope.release(*reversed(bindings))
    return Loop(ask.span, target, tuple(initial), body)


def pairs_of(what: str, ask: Ask, items: list[Syntax]) -> list[tuple[Syntax, Syntax]]:
    """Return the names and values of a binding form. Raises CompileError."""
    if len(items) < 2 or not is_vector(items[1].form):
        span = items[1].span if len(items) > 1 else ask.span
        raise CompileError(
            "FM0114",
            f"`{what.rstrip('*')}` needs a vector of names and values",
            span,
            hint=f"write ({what.rstrip('*')} [name value] ...)",
        )
    parts = children(*items[1])
    if len(parts) % 2:
        raise CompileError(
            "FM0114",
            f"{what.rstrip('*')} needs a value for every name",
            parts[-1].span,
            label="has none",
        )
    return list(zip(parts[::2], parts[1::2], strict=True))


def _bind(context: Context, name: Syntax) -> Binding:
    return context.scope.bind(plain_name(name), name.span)


def plain_name(name: Syntax) -> str:
    """Return the text of a symbol without a namespace. Raises CompileError for anything else."""
    if not is_symbol(name.form):
        raise CompileError("FM0115", "a name is expected here", name.span)
    if name.form.ns is not None:
        raise CompileError(
            "FM0115",
            f"a local name has no namespace: `{name.form.text}`",
            name.span,
            hint=f"in a macro, write {name.form.name}# or ~'{name.form.name}",
        )
    return str(name.form.name)


# -- functions ---------------------------------------------------------------------------


def analyse_fn(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    function = yield from _function(context, ask, items)
    meta = _meta_of_function(context, ask)
    if meta is None:
        return function
    described = yield ask.value(Syntax(meta, ask.span))
    return NativeCall(ask.span, _WITH_META, (function, described))


def _meta_of_function(context: Context, ask: Ask) -> Map | None:
    """Return the metadata that a function gets from its form: not what is for the compiler alone."""
    meta = meta_of(ask.form)
    if meta is None or flag(meta, "sealed") or context.environment.var(_WITH_META) is None:
        return None
    for key in _PLACES:
        meta = meta.dissoc(key)
    return meta if any(key is not _TAG for key in meta.keys()) else None  # noqa: SIM118


def _function(context: Context, ask: Ask, items: list[Syntax]) -> Generator[Ask, Node, Function]:
    rest = items[1:]
    own = None
    if rest and is_symbol(rest[0].form):
        own = rest.pop(0)
    name = ask.name or context.unit.function_name(None if own is None else own.form.name)
    parameters = [_parameters(arity) for arity in arities_of(ask, rest)]
    _check_arities(ask, parameters)
    scope = context.scope
    scope.enter_function()
    itself = None if own is None else scope.bind(plain_name(own), own.span, is_self=True)
    arities: list[Arity] = []
    for names, variadic, body, span in parameters:
        bindings = [scope.bind(plain_name(parameter), parameter.span) for parameter in names]
        target = Target(tuple(bindings), "function")
        node = yield from sequence(ask, body, Place(target, tail=True), span)
        scope.release(*reversed(bindings))
        arities.append(Arity(span, target, variadic, node))
    if itself is not None:
        scope.release(itself)
    depth = scope.depth
    captures = scope.leave_function()
    sealed = flag(meta_of(ask.form), "sealed")
    return Function(ask.span, name, captures, tuple(arities), depth, sealed)


_Parameters = tuple[list[Syntax], bool, list[Syntax], Span]


def arities_of(ask: Ask, rest: list[Syntax]) -> list[list[Syntax]]:
    """Split what follows the name of a function into arities: parameters, then the body."""
    if rest and is_vector(rest[0].form):
        return [rest]
    arities = []
    for item in rest:
        parts = children(*item) if is_sequence(item.form) else []
        if not parts or not is_vector(parts[0].form):
            raise CompileError(
                "FM0117",
                "a vector of parameters is expected here",
                item.span,
                hint="write (fn [x y] ...) or (fn ([x] ...) ([x y] ...))",
            )
        arities.append(parts)
    if not arities:
        raise CompileError("FM0117", "a function needs a vector of parameters", ask.span)
    return arities


def _parameters(arity: list[Syntax]) -> _Parameters:
    head, *body = arity
    names = children(*head)
    rest = [at for at, item in enumerate(names) if is_symbol(item.form, "&")]
    if not rest:
        return names, False, body, head.span
    if len(rest) > 1 or rest[0] != len(names) - 2:
        at = names[rest[0]].span
        raise CompileError("FM0117", "one name must follow `&`, and nothing after it", at)
    return [*names[:-2], names[-1]], True, body, head.span


def _check_arities(ask: Ask, arities: list[_Parameters]) -> None:
    seen: dict[int, Span] = {}
    variadic: tuple[int, Span] | None = None
    for names, rest, _, span in arities:
        if rest:
            if variadic is not None:
                raise _conflict("two bodies take any number of arguments", span, variadic[1])
            variadic = len(names) - 1, span
        elif len(names) in seen:
            text = f"two bodies take {len(names)} argument{'s' if len(names) != 1 else ''}"
            raise _conflict(text, span, seen[len(names)])
        else:
            seen[len(names)] = span
    if variadic is None:
        return
    for count, span in seen.items():
        if count > variadic[0]:
            raise _conflict("a body takes more than the one with `&` names", span, variadic[1])


def _conflict(message: str, span: Span, other: Span) -> CompileError:
    return CompileError("FM0118", message, span, labels=(Label(other, "the other one", False),))


def analyse_letfn(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    pairs = pairs_of("letfn*", ask, items)
    bindings = [_bind(context, name) for name, _ in pairs]
    functions: list[Function] = []
    for (_, value), binding in zip(pairs, bindings, strict=True):
        node = yield ask.value(value)
        if not isinstance(node, Function):
            raise CompileError(
                "FM0117", f"`{binding.name}` of letfn must be a function", value.span
            )
        functions.append(node)
    body = yield from sequence(ask, items[2:], ask.place, ask.span)
    context.scope.release(*reversed(bindings))
    return LetFunctions(ask.span, tuple(zip(bindings, functions, strict=True)), body)


# -- dynamic vars ------------------------------------------------------------------------


def analyse_binding(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    names: list[str] = []
    values: list[Node] = []
    for name, value in pairs_of("binding", ask, items):
        names.append(_dynamic_name(context, name))
        values.append((yield ask.value(value)))
    inside = Place(ask.place.target, tail=False, in_try=True)
    body = yield from sequence(ask, items[2:], inside, ask.span)
    return Bind(ask.span, tuple(names), tuple(values), body) if names else body


def _dynamic_name(context: Context, name: Syntax) -> str:
    found = context.names.find(name.form) if isinstance(name.form, Symbol) else None
    if not isinstance(found, VarInfo):
        raise CompileError("FM0113", "`binding` needs the name of a dynamic var", name.span)
    if not found.dynamic and not found.broken:
        labels = () if found.span is None else (Label(found.span, "defined here", False),)
        raise CompileError(
            "FM0113",
            f"`{found.name}` is not dynamic",
            name.span,
            labels=labels,
            hint=f"define it as (def ^:dynamic {found.name.partition('/')[2]} ...)",
        )
    return found.name


BINDING_FORMS: dict[str, SpecialForm] = {
    "let*": analyse_let,
    "loop*": analyse_loop,
    "fn*": analyse_fn,
    "letfn*": analyse_letfn,
    "binding*": analyse_binding,
}
