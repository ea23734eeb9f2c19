"""Ascriptions and conditions: ``[x :- int?]``, ``{:pre [...] :post [...]}``.

A check is a form that throws ``:contract/violated`` with the name, the value
and the predicate. A predicate that is not a native function, and a condition, runs in a sealed
function: a contract performs no effects.
"""

from __future__ import annotations

from flowmetal.bytecode.code import DefinitionKind
from flowmetal.compiler.environment import VarInfo
from flowmetal.compiler.expanders.call import MacroCall
from flowmetal.compiler.forms import (
    Syntax,
    bracketed,
    children,
    core,
    is_vector,
    listed,
    local,
    without_spans,
)
from flowmetal.source import Span
from flowmetal.values import Keyword, Map, Symbol, hash_map, keyword, list_of, pr_str

_SEALED = hash_map([(keyword("sealed"), True)])
_PRE = keyword("pre")
_POST = keyword("post")
_TYPE = keyword("contract/violated")
CODE = "FM0340"


def check(call: MacroCall, owner: str, what: str, subject: Syntax, predicate: Syntax) -> Syntax:
    """Make the form that checks ``subject``, called ``what`` in the error."""
    shown = pr_str(without_spans(predicate.form), 60)
    prefix = (
        f"`{owner}` needs {what} to be {shown}, got " if owner else f"{what} must be {shown}, got "
    )
    details: list[tuple[Keyword, str | None]] = [
        (keyword("function"), owner or None),
        (keyword("argument"), what.strip("`")),
        (keyword("predicate"), shown),
    ]
    return _unless(call, _holds(call, predicate, subject), prefix, subject, details, predicate.span)


def conditions(
    call: MacroCall, owner: str, forms: list[Syntax], moment: str, result: Syntax | None
) -> list[Syntax]:
    """Make the forms that check what ``:pre`` or ``:post`` says."""
    made = []
    for form in forms:
        shown = pr_str(without_spans(form.form), 60)
        prefix = f"`{owner}` needs {shown} {moment}" if owner else f"{shown} must hold {moment}"
        if result is not None:
            prefix += ", the result is "
        details: list[tuple[Keyword, str | None]] = [
            (keyword("function"), owner or None),
            (keyword("condition"), shown),
        ]
        test = _sealed(call, [], form, [])
        made.append(_unless(call, test, prefix, result, details, form.span))
    return made


def split_conditions(
    call: MacroCall, body: list[Syntax]
) -> tuple[list[Syntax], list[Syntax], list[Syntax]]:
    """Take ``{:pre [...] :post [...]}`` off a body. Return pre, post and the rest."""
    if len(body) < 2 or not isinstance(body[0].form, Map):
        return [], [], body
    found: Map = body[0].form
    if _PRE not in found and _POST not in found:
        return [], [], body
    parts = children(*body[0])
    lists: dict[object, list[Syntax]] = {}
    for key, value in zip(parts[::2], parts[1::2], strict=True):
        if not is_vector(value.form):
            raise call.wrong("FM0126", "`:pre` and `:post` need a vector of conditions", value.span)
        lists[key.form] = children(*value)
    return lists.get(_PRE, []), lists.get(_POST, []), body[1:]


def _holds(call: MacroCall, predicate: Syntax, subject: Syntax) -> Syntax:
    span = predicate.span
    if isinstance(predicate.form, Symbol):
        context = call.context
        found = None
        if predicate.form.ns is not None or context.scope.find(predicate.form.name) is None:
            found = context.names.find(predicate.form)
        if isinstance(found, VarInfo) and found.kind is DefinitionKind.NATIVE:
            return listed(span, predicate, subject)
    value = call.fresh("value", span)
    return _sealed(call, [value], listed(span, predicate, value), [subject])


def _sealed(
    call: MacroCall, parameters: list[Syntax], test: Syntax, arguments: list[Syntax]
) -> Syntax:
    """Make the form that asks ``test`` in a sealed function. No tail call may take that off the stack."""
    span = test.span
    answer = call.fresh("answer", span)
    body = listed(span, local("let*"), bracketed(span, [answer, test]), answer)
    function = listed(span, local("fn*"), bracketed(span, parameters), body)
    sealed = list_of(function.form, _SEALED, span, function.form.item_spans)
    return listed(span, Syntax(sealed, span), *arguments)


def _unless(
    call: MacroCall,
    test: Syntax,
    prefix: str,
    subject: Syntax | None,
    details: list[tuple[Keyword, str | None]],
    span: Span,
) -> Syntax:
    data = hash_map(details)
    message: Syntax = Syntax(prefix, span)
    if subject is not None:
        data = data.assoc(keyword("value"), subject.form)
        message = listed(span, core("str"), prefix, listed(span, core("pr-str"), subject))
    error = listed(span, core("-error"), _TYPE, message, data, CODE)
    return listed(span, local("if"), test, None, listed(span, local("throw"), error))
