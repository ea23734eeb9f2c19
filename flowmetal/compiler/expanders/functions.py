"""fn, defn, defn-, defmacro: functions with patterns, ascriptions, conditions and docstrings."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowmetal.compiler.expanders.call import MacroCall
from flowmetal.compiler.expanders.contracts import check, conditions, split_conditions
from flowmetal.compiler.expanders.destructuring import is_pattern
from flowmetal.compiler.forms import (
    Syntax,
    bracketed,
    children,
    core,
    is_ascription,
    is_sequence,
    is_symbol,
    is_vector,
    listed_of,
    local,
    meta_of,
    without_spans,
)
from flowmetal.source import Span
from flowmetal.values import EMPTY_MAP, Map, Symbol, Value, Vector, keyword, list_of, vector

_DOC = keyword("doc")
_ARGLISTS = keyword("arglists")
_PRIVATE = keyword("private")
_MACRO = keyword("macro")
_HIDDEN = (local("&form"), local("&env"))


@dataclass(slots=True)
class _Parameters:
    """A parameter vector, taken apart. ``patterns`` are (pattern, name) still to be matched."""

    names: list[Syntax] = field(default_factory=list)
    patterns: list[tuple[Syntax, Syntax]] = field(default_factory=list)
    checks: list[Syntax] = field(default_factory=list)
    shown: list[Value] = field(default_factory=list)

    def plain(self) -> list[Syntax]:
        return [name for name in self.names if not is_symbol(name.form, "&")]


def expand_fn(call: MacroCall) -> Syntax:
    items = call.arguments
    own = [items[0]] if items and is_symbol(items[0].form) else []
    owner = own[0].form.name if own else ""
    arities = [_arity(call, owner, arity)[0] for arity in _arities(call, items[len(own) :])]
    made = listed_of(call.span, [local("fn*"), *own, *arities])
    meta = meta_of(call.form)
    if meta is None:
        return made
    return Syntax(list_of(made.form, meta, made.span, made.form.item_spans), made.span)


def expand_defn(call: MacroCall) -> Syntax:
    return _define(call, EMPTY_MAP, ())


def expand_private_defn(call: MacroCall) -> Syntax:
    return _define(call, EMPTY_MAP.assoc(_PRIVATE, True), ())


def expand_defmacro(call: MacroCall) -> Syntax:
    return _define(call, EMPTY_MAP.assoc(_MACRO, True), _HIDDEN)


def _define(call: MacroCall, meta: Map, hidden: tuple[Symbol, ...]) -> Syntax:
    name, own_meta, rest = _head(call)
    arities = []
    shown: list[Vector] = []
    for parts in _arities(call, rest):
        arity, arglist = _arity(call, name.form.name, parts, hidden)
        arities.append(arity)
        shown.append(arglist)
    written = meta_of(name.form)
    described = _merged(written or EMPTY_MAP, own_meta, meta)
    if _ARGLISTS not in described:
        described = described.assoc(_ARGLISTS, list_of(shown))
    symbol = Symbol(name.form.ns, name.form.name, described, name.span)
    function = listed_of(call.span, [local("fn*"), *arities])
    if described.get(keyword("sealed")):
        function = Syntax(
            list_of(function.form, described, function.span, function.form.item_spans),
            function.span,
        )
    return listed_of(call.span, [local("def"), Syntax(symbol, name.span), function])


def _head(call: MacroCall) -> tuple[Syntax, Map, list[Syntax]]:
    """Take name, docstring and attribute maps off a definition."""
    items = call.arguments
    if not items or not is_symbol(items[0].form):
        span = items[0].span if items else call.span
        raise call.wrong("FM0115", f"`{call.name}` needs a name", span)
    name, rest = items[0], items[1:]
    meta = EMPTY_MAP
    if rest and isinstance(rest[0].form, str) and len(rest) > 1:
        meta = meta.assoc(_DOC, rest.pop(0).form)
    if rest and isinstance(rest[0].form, Map):
        meta = _merged(meta, rest.pop(0).form)
    if len(rest) > 1 and isinstance(rest[-1].form, Map) and is_sequence(rest[0].form):
        meta = _merged(meta, rest.pop().form)
    if rest and isinstance(rest[0].form, str):
        raise call.wrong("FM0117", "the parameters are missing before the body", rest[0].span)
    return name, meta, rest


def _merged(*maps: Map) -> Map:
    made = EMPTY_MAP
    for each in maps:
        for key, value in each.items():
            made = made.assoc(key, value)
    return made


def _arities(call: MacroCall, rest: list[Syntax]) -> list[list[Syntax]]:
    if rest and is_vector(rest[0].form):
        return [rest]
    arities = []
    for item in rest:
        parts = children(*item) if is_sequence(item.form) else []
        if not parts or not is_vector(parts[0].form):
            hint = f"write ({call.name} {'' if call.name == 'fn' else 'name '}[x y] ...)"
            raise call.wrong("FM0117", "a vector of parameters is expected here", item.span, hint)
        arities.append(parts)
    if not arities:
        raise call.wrong("FM0117", f"`{call.name}` needs a vector of parameters")
    return arities


def _arity(
    call: MacroCall, owner: str, parts: list[Syntax], hidden: tuple[Symbol, ...] = ()
) -> tuple[Syntax, Vector]:
    """Make the plain form of one arity; return it and the argument list to show."""
    head, body = parts[0], parts[1:]
    result: Syntax | None = None
    if len(body) > 1 and is_ascription(body[0].form):
        result, body = body[1], body[2:]
    parameters = _parameters(call, owner, head)
    pre, post, body = split_conditions(call, body)
    if not call.context.options.contracts:
        pre, post, result = [], [], None
    span = head.span
    inner = [*conditions(call, owner, pre, "before the call", None), *body]
    if parameters.patterns:
        pairs = [part for pair in parameters.patterns for part in pair]
        inner = [listed_of(span, [core("let"), bracketed(span, pairs), *inner])]
    if post or result is not None:
        inner = [_checked_result(call, owner, parameters, inner, post, result, span)]
    names: list[Syntax | Value] = [*hidden, *parameters.names]
    form = listed_of(span, [bracketed(span, names), *parameters.checks, *inner])
    return form, vector(parameters.shown)


def _parameters(call: MacroCall, owner: str, head: Syntax) -> _Parameters:
    made = _Parameters()
    waiting = list(reversed(children(*head)))
    while waiting:
        item = waiting.pop()
        predicate: Syntax | None = None
        if waiting and is_ascription(waiting[-1].form):
            mark = waiting.pop()
            if not waiting:
                raise call.wrong("FM0126", "a predicate must follow `:-`", mark.span)
            predicate = waiting.pop()
        made.shown.append(without_spans(item.form))
        name = item
        if is_pattern(item.form):
            name = call.fresh("argument", item.span)
            made.patterns.append((item, name))
        made.names.append(name)
        if predicate is not None and call.context.options.contracts:
            what = f"`{item.form.text}`" if name is item else f"argument {len(made.plain())}"
            made.checks.append(check(call, owner, what, name, predicate))
    return made


def _checked_result(
    call: MacroCall,
    owner: str,
    parameters: _Parameters,
    body: list[Syntax],
    post: list[Syntax],
    predicate: Syntax | None,
    span: Span,
) -> Syntax:
    """Make the body whose value is checked. The loop lets ``recur`` inside mean what it did."""
    again = [part for name in parameters.plain() for part in (name, name)]
    loop = listed_of(span, [local("loop*"), bracketed(span, again), *body])
    result = Syntax(local("%", span), span)
    checks = conditions(call, owner, post, "after the call", result)
    if predicate is not None:
        checks.append(check(call, owner, "its result", result, predicate))
    return listed_of(span, [local("let*"), bracketed(span, [result, loop]), *checks, result])
