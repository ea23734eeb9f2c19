"""let, loop, letfn, binding: binding forms with patterns and ascriptions, to the plain ones."""

from __future__ import annotations

from dataclasses import dataclass

from flowmetal.compiler.expanders.call import MacroCall
from flowmetal.compiler.expanders.contracts import check
from flowmetal.compiler.expanders.destructuring import Pair, destructure, is_pattern
from flowmetal.compiler.forms import (
    Syntax,
    bracketed,
    children,
    core,
    is_ascription,
    is_sequence,
    is_symbol,
    is_vector,
    listed,
    listed_of,
    local,
)
from flowmetal.errors import CompileError


@dataclass(frozen=True, slots=True)
class BoundPattern:
    """A pattern, the predicate it is ascribed to, and its value."""

    pattern: Syntax
    predicate: Syntax | None
    value: Syntax


def bound_patterns(call: MacroCall) -> list[BoundPattern]:
    """Take the vector of a binding form apart. Raises CompileError."""
    name = call.name
    if not call.arguments or not is_vector(call.arguments[0].form):
        span = call.arguments[0].span if call.arguments else call.span
        raise call.wrong(
            "FM0114",
            f"{name} needs a vector of names and values",
            span,
            f"write ({name} [name value] ...)",
        )
    waiting = list(reversed(children(*call.arguments[0])))
    made: list[BoundPattern] = []
    while waiting:
        pattern, predicate = waiting.pop(), None
        if waiting and is_ascription(waiting[-1].form):
            mark = waiting.pop()
            if not waiting:
                raise call.wrong("FM0126", "a predicate must follow `:-`", mark.span)
            predicate = waiting.pop()
        if not waiting:
            message = f"{name} needs a value for every name"
            raise CompileError("FM0114", message, pattern.span, label="has none")
        made.append(BoundPattern(pattern, predicate, waiting.pop()))
    return made


def expand_let(call: MacroCall) -> Syntax:
    pairs: list[Pair] = []
    for bound in bound_patterns(call):
        pairs += _pairs(call, bound)
    names = bracketed(call.arguments[0].span, [part for pair in pairs for part in pair])
    return listed_of(call.span, [local("let*"), names, *call.arguments[1:]])


def _pairs(call: MacroCall, bound: BoundPattern) -> list[Pair]:
    pattern, value = bound.pattern, bound.value
    if bound.predicate is None or not call.context.options.contracts:
        return destructure(call, pattern, value)
    subject = pattern if is_symbol(pattern.form) else call.fresh("value", pattern.span)
    pairs = [(subject, value), _checked(call, bound, subject)]
    return pairs if subject is pattern else pairs + destructure(call, pattern, subject)


def _checked(call: MacroCall, bound: BoundPattern, subject: Syntax) -> Pair:
    assert bound.predicate is not None
    what = f"`{bound.pattern.form.text}`" if subject is bound.pattern else "the value"
    form = check(call, "", what, subject, bound.predicate)
    return call.fresh("check", bound.predicate.span), form


def expand_loop(call: MacroCall) -> Syntax:
    """Expand ``loop``. A pattern is taken apart anew in each round, a value checked anew."""
    bounds = bound_patterns(call)
    outer: list[Pair] = []
    names: list[Pair] = []
    inner: list[Pair] = []
    for bound in bounds:
        plain = not is_pattern(bound.pattern.form)
        name = bound.pattern if plain else call.fresh("loop", bound.pattern.span)
        outer.append((name, bound.value))
        names.append((name, name))
        if bound.predicate is not None and call.context.options.contracts:
            inner.append(_checked(call, bound, name))
        if not plain:
            outer += destructure(call, bound.pattern, name)
            inner += destructure(call, bound.pattern, name)
    span, body = call.arguments[0].span, call.arguments[1:]
    if all(not is_pattern(bound.pattern.form) for bound in bounds):
        names, outer = outer, []
    if inner:
        body = [listed_of(call.span, [local("let*"), _flat(span, inner), *body])]
    loop = listed_of(call.span, [local("loop*"), _flat(span, names), *body])
    # Later initial values may use names of earlier patterns.
    return listed(call.span, local("let*"), _flat(span, outer), loop) if outer else loop


def _flat(span: object, pairs: list[Pair]) -> Syntax:
    return bracketed(span, [part for pair in pairs for part in pair])  # type: ignore[arg-type]


def expand_letfn(call: MacroCall) -> Syntax:
    if not call.arguments or not is_vector(call.arguments[0].form):
        raise call.wrong(
            "FM0114", "letfn needs a vector of functions", None, "write (letfn [(f [x] ...)] ...)"
        )
    parts: list[Syntax] = []
    for function in children(*call.arguments[0]):
        items = children(*function) if is_sequence(function.form) else []
        if not items or not is_symbol(items[0].form):
            raise call.wrong(
                "FM0117",
                "a function of letfn begins with its name",
                function.span,
                "write (f [x] ...)",
            )
        parts += [items[0], listed_of(function.span, [core("fn"), *items])]
    names = bracketed(call.arguments[0].span, parts)
    return listed_of(call.span, [local("letfn*"), names, *call.arguments[1:]])


def expand_binding(call: MacroCall) -> Syntax:
    return listed_of(call.span, [local("binding*"), *call.arguments])
