"""Special forms about vars, effects and the host: def var set! perform new ``.``."""

from __future__ import annotations

from flowmetal.bytecode.code import DefinitionKind
from flowmetal.compiler.context import Ask, Context, SpecialForm, Walk
from flowmetal.compiler.definitions import parse_def
from flowmetal.compiler.environment import VarInfo
from flowmetal.compiler.foreigners import CONSTRUCTIONS, hint_for_method, without_package
from flowmetal.compiler.forms import CORE, Syntax, is_symbol
from flowmetal.compiler.nodes import Constant, Define, Node, Perform, SetVar
from flowmetal.compiler.resolution import Expander
from flowmetal.compiler.special_control import shape
from flowmetal.compiler.unknown import INTEROP, report_unknown
from flowmetal.errors import CompileError
from flowmetal.errors.suggestions import did_you_mean
from flowmetal.values import EMPTY_MAP, Keyword, Map, Symbol, VarRef, pr_str


def analyse_inner_def(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    """Analyse a ``def`` inside other code: the name is known from here on, its value is not."""
    form = parse_def(context, items, ask.span)
    known = context.names.namespace.find(form.local_name)
    if known is None or form.meta is not None:
        form = form.after(known)
        declared = VarInfo(form.name, DefinitionKind.DECLARED, form.meta, form.span)
        context.names.namespace.define(declared)
        context.unit.defines.append((form.name, Syntax(items[1].form, form.span), form.meta))
    if form.value is None:
        return Constant(ask.span, VarRef(form.name))
    request = ask.value(form.value)._replace(name=form.name)
    return Define(ask.span, form.name, (yield request))


def analyse_var(context: Context, ask: Ask, items: list[Syntax]) -> Node:
    if len(items) != 2 or not is_symbol(items[1].form):
        raise shape("var", "the name of a var", "something else", ask.span)
    symbol: Symbol = items[1].form
    found = context.names.find(symbol)
    if isinstance(found, VarInfo):
        context.unit.calls.add(found.name)
        return Constant(ask.span, VarRef(found.name))
    if isinstance(found, Expander):
        return Constant(ask.span, VarRef(f"{CORE}/{found.name}"))
    report_unknown(context, symbol, items[1].span)
    return Constant(ask.span, None)


def analyse_set(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    if len(items) != 3 or not is_symbol(items[1].form):
        raise shape("set!", "the name of a dynamic var and a value", "this", ask.span)
    symbol: Symbol = items[1].form
    if symbol.ns is None and context.scope.find(symbol.name) is not None:
        raise CompileError(
            "FM0123",
            f"`{symbol.name}` is a local name and cannot be changed",
            items[1].span,
            hint="keep changing state in an atom, or use `loop`",
        )
    found = context.names.find(symbol)
    if not isinstance(found, VarInfo):
        report_unknown(context, symbol, items[1].span)
        return Constant(ask.span, None)
    if found.name in _FOR_OTHER_COMPILERS:
        return (yield ask.value(items[2]))
    if not found.dynamic and not found.broken:
        hint = "keep changing state in an atom"
        raise CompileError("FM0123", f"`{found.name}` is not dynamic", items[1].span, hint=hint)
    return SetVar(ask.span, found.name, (yield ask.value(items[2])))


_FOR_OTHER_COMPILERS = frozenset(
    f"{CORE}/{name}" for name in ("*warn-on-reflection*", "*unchecked-math*", "*assert*")
)
"""Vars that sources set for a compiler of the host; here they change nothing."""


def analyse_perform(context: Context, ask: Ask, items: list[Syntax]) -> Walk:
    if len(items) not in (2, 3):
        raise shape("perform", "a kind and a map", f"{len(items) - 1} forms", ask.span)
    kind = _kind(items[1])
    if not context.environment.knows_kind(kind):
        guess = did_you_mean(kind, context.environment.kinds())
        help = (guess,) if guess else ("declare it with `defforeign`",)
        context.problems.report(
            "FM0108", f"unknown kind of effect `{kind}`", items[1].span, help=help
        )
    context.unit.performs.add(kind)
    if len(items) == 2:
        return Perform(ask.span, kind, Constant(ask.span, EMPTY_MAP))
    arguments = yield ask.value(items[2])
    if isinstance(arguments, Constant) and not isinstance(arguments.value, Map):
        found = pr_str(arguments.value, 60)
        message = f"`perform` needs a map of arguments, not {found}"
        raise CompileError("FM0312", message, items[2].span)
    return Perform(ask.span, kind, arguments)


def _kind(item: Syntax) -> str:
    if isinstance(item.form, Keyword):
        return item.form.text
    if isinstance(item.form, str):
        return item.form
    raise CompileError(
        "FM0109",
        "the kind of an effect is written out, as a keyword or a string",
        item.span,
        hint="write (perform :http/request {...})",
    )


def refuse_interop(context: Context, ask: Ask, items: list[Syntax]) -> Node:
    words = [item.form.name for item in items[1:] if is_symbol(item.form)]
    if items[0].form.name == "new":
        hint = CONSTRUCTIONS.get(without_package(words[0])) if words else None
        hint = hint or "write (->Record ...) for a record, (ex-info message data) for an error"
    else:
        hint = hint_for_method(f".{words[-1]}") if words else None
        hint = hint or "there are no methods: call a function, (f x)"
    raise CompileError("FM0107", INTEROP, ask.span, hint=hint)


def refuse_inside(context: Context, ask: Ask, items: list[Syntax]) -> Node:
    name = items[0].form.text
    raise CompileError("FM0128", f"`{name}` stands at the top level only", ask.span)


VAR_FORMS: dict[str, SpecialForm] = {
    "def": analyse_inner_def,
    "var": analyse_var,
    "set!": analyse_set,
    "perform": analyse_perform,
    "new": refuse_interop,
    ".": refuse_interop,
    "defnative": refuse_inside,
    "defforeign": refuse_inside,
}
