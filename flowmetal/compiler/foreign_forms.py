"""Top-level forms that declare what is written elsewhere: natives, and functions of workers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from flowmetal.bytecode.code import DeclaredKind, Definition, DefinitionKind
from flowmetal.bytecode.code import Function as FunctionCode
from flowmetal.bytecode.opcodes import Op
from flowmetal.compiler.context import Context
from flowmetal.compiler.definitions import data_of_meta
from flowmetal.compiler.emit_functions import emit_function
from flowmetal.compiler.expanders.destructuring import is_pattern
from flowmetal.compiler.forms import (
    Syntax,
    bracketed,
    children,
    core,
    is_ascription,
    is_data,
    is_sequence,
    is_symbol,
    is_vector,
    listed,
    listed_of,
    local,
    meta_of,
    without_spans,
)
from flowmetal.compiler.nodes import Arity, Binding, Function, Local, Operation, Target
from flowmetal.errors import CompileError
from flowmetal.ids import CodeHash
from flowmetal.source import Span
from flowmetal.values import (
    EMPTY_MAP,
    Map,
    Symbol,
    Value,
    hash_map,
    keyword,
    list_of,
    pr_str,
    set_of,
    vector,
)

_ARGLISTS = keyword("arglists")
_DOC = keyword("doc")
_OF_EFFECTS = tuple(keyword(name) for name in ("timeout", "retry", "at-most-once"))
"""Options that each call asks for."""
_ARGS = set_of((keyword("args"),))
_OF_QUEUES = tuple(keyword(name) for name in ("queue", "heartbeat"))
_OF_CODE = tuple(keyword(name) for name in ("verify", "undo"))
"""Options that are functions: they stay in the machine, and are evaluated where the parameters are known."""


@dataclass(frozen=True, slots=True)
class _Declaration:
    name: Syntax
    meta: Map
    arglists: list[Syntax]
    options: Syntax | None


@dataclass(slots=True)
class _Parameters:
    """The parameters of a foreign function. ``plain``: as they are written, with a name for each pattern."""

    span: Span
    plain: list[Syntax] = field(default_factory=list)
    names: list[Syntax] = field(default_factory=list)
    patterns: list[Syntax] = field(default_factory=list)
    shown: list[Value] = field(default_factory=list)
    takes_more: bool = False


def native_definition(
    context: Context, items: list[Syntax], span: Span
) -> tuple[Definition, dict[CodeHash, FunctionCode]]:
    """Return the definition that ``(defnative name doc? {meta}? [args] ...)`` makes.

    One whose instruction does what no native can becomes a function around that instruction.
    """
    if not context.options.library:
        raise CompileError(
            "FM0129",
            "only the library declares native functions",
            span,
            hint="a function in another language is declared with `defforeign`",
        )
    declared = _parse("defnative", items, span)
    arglists = list_of(without_spans(arglist.form) for arglist in declared.arglists)
    full = f"{context.namespace_name}/{declared.name.form.name}"
    meta = declared.meta.assoc(_ARGLISTS, arglists)
    place = declared.name.span
    if meta.get(keyword("inline")) != Op.WRITE.name:
        return Definition(full, DefinitionKind.NATIVE, None, full, meta, place), {}
    parameter = Binding("text", place, 1)
    body = Operation(place, Op.WRITE, (Local(place, parameter),))
    arity = Arity(place, Target((parameter,), "function"), False, body)
    node = Function(place, full, (), (arity,), 1)
    function, functions = emit_function(node, Counter({parameter: 1}), {})
    made = Definition(full, DefinitionKind.FUNCTION, function.hash, None, meta, place)
    return made, functions


def foreign_function(
    context: Context, items: list[Syntax], span: Span
) -> tuple[DeclaredKind, Syntax]:
    """Return the kind that ``defforeign`` declares, and the ``defn`` of the function that asks for it."""
    declared = _parse("defforeign", items, span)
    if len(declared.arglists) != 1:
        raise CompileError("FM0130", "`defforeign` needs one vector of parameters", span)
    options, code = _options(declared)
    kind = f"{context.namespace_name}/{declared.name.form.name}"
    taken = _taken(context, declared.arglists[0])
    return DeclaredKind(kind, options), _asking(kind, declared, taken, options, code, span)


def _options(declared: _Declaration) -> tuple[Map, Map]:
    """Return what the options say as data, and those that are code. Raises CompileError."""
    if declared.options is None:
        return EMPTY_MAP, EMPTY_MAP
    written: Map = declared.options.form
    known = (*_OF_QUEUES, *_OF_EFFECTS, *_OF_CODE)
    for key, _ in written.items():
        if key not in known:
            raise CompileError(
                "FM0130",
                f"`defforeign` has no option {pr_str(key, 80)}",
                declared.options.span,
                hint=f"its options are {', '.join(option.text for option in known)}",
            )
    code = hash_map((key, written.get(key)) for key in _OF_CODE if key in written)
    data = without_spans(
        hash_map((key, value) for key, value in written.items() if key not in _OF_CODE)
    )
    if not is_data(data):
        raise CompileError(
            "FM0130",
            "the options of `defforeign` are data, nothing is evaluated in them",
            declared.options.span,
            hint='write a duration as #dur "5m"',
        )
    return data, code


def _taken(context: Context, parameters: Syntax) -> _Parameters:
    """Take a parameter vector apart: each argument is sent whole, whatever pattern it is written as."""
    made = _Parameters(parameters.span)
    waiting = list(reversed(children(*parameters)))
    while waiting:
        item = waiting.pop()
        made.plain.append(item)
        if is_ascription(item.form):
            made.plain += [waiting.pop()] if waiting else []
            continue
        made.shown.append(without_spans(item.form))
        if is_symbol(item.form, "&"):
            made.takes_more = True
            continue
        if is_pattern(item.form):
            name = local(context.unit.fresh("argument"), item.span)
            made.plain[-1] = Syntax(name, item.span)
            made.patterns += [item, made.plain[-1]]
        made.names.append(made.plain[-1])
    return made


def _asking(
    kind: str, declared: _Declaration, parameters: _Parameters, options: Map, code: Map, span: Span
) -> Syntax:
    arguments = bracketed(span, parameters.names)
    if parameters.takes_more:
        arguments = listed(span, core("vec"), listed_of(span, [core("list*"), *parameters.names]))
    said = [(key, options.get(key)) for key in _OF_EFFECTS if key in options]
    quoted = [(key, list_of((Symbol(None, "quote"), value))) for key, value in said]
    data = Syntax(hash_map([(keyword("args"), arguments.form), *quoted, *code.items()]), span)
    body = listed(span, local("perform"), kind, data)
    if len(code):
        request = local("request__foreign")
        asks = listed(span, local("perform"), kind, request)
        go = listed(span, core("fn"), bracketed(span, [request]), asks)
        body = listed(span, core("-effect!"), declared.name.form.name, EMPTY_MAP, data, _ARGS, go)
    if parameters.patterns:
        body = listed(span, core("let"), bracketed(span, parameters.patterns), body)
    doc: list[Syntax | Value] = []
    if _DOC in declared.meta:
        doc = [declared.meta.get(_DOC)]
    name: Symbol = declared.name.form
    meta = (meta_of(name) or EMPTY_MAP).assoc(_ARGLISTS, list_of([vector(parameters.shown)]))
    described = Syntax(Symbol(name.ns, name.name, meta, name.span), declared.name.span)
    plain = bracketed(parameters.span, parameters.plain)
    return listed_of(span, [core("defn"), described, *doc, plain, body])


def _parse(what: str, items: list[Syntax], span: Span) -> _Declaration:
    if len(items) < 2 or not is_symbol(items[1].form):
        raise CompileError("FM0115", f"`{what}` needs a name", span)
    meta, rest = data_of_meta(meta_of(items[1].form)), items[2:]
    if rest and isinstance(rest[0].form, str):
        meta = meta.assoc(_DOC, rest.pop(0).form)
    options: Syntax | None = None
    arglists: list[Syntax] = []
    for item in rest:
        if is_vector(item.form):
            arglists.append(item)
        elif is_sequence(item.form) and is_vector(next(iter(item.form), None)):
            arglists.append(children(*item)[0])
        elif isinstance(item.form, Map) and options is None:
            options = item
        else:
            raise CompileError("FM0117", f"`{what}` does not understand this", item.span)
    if not arglists:
        raise CompileError("FM0117", f"`{what}` needs a vector of parameters", span)
    if what == "defnative" and options is not None:
        for key, value in data_of_meta(options.form).items():
            meta = meta.assoc(key, value)
    return _Declaration(items[1], meta, arglists, options)
