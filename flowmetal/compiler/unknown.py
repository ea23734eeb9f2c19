"""What to say about a name that nothing defines, or that may not be used here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flowmetal.compiler.context import Context, is_made_up
from flowmetal.compiler.environment import VarInfo
from flowmetal.compiler.foreigners import (
    CONSTRUCTIONS,
    MISSING_NAMES,
    hint_for_class,
    hint_for_method,
    looks_like_a_class,
    without_package,
)
from flowmetal.compiler.forms import CORE
from flowmetal.compiler.requiring import offer_for_missing
from flowmetal.errors import Diagnostic, Label
from flowmetal.errors.suggestions import FOREIGN_NAMES, did_you_mean, nearest
from flowmetal.ids import flow_name
from flowmetal.source import Span
from flowmetal.values import Symbol

INTEROP = "host interop is not part of Flowmetal: call a connector"


def report_unknown(context: Context, symbol: Symbol, span: Span) -> None:
    """Report that ``symbol`` names nothing. A repeated use of it is counted only."""
    if symbol.ns is None:
        context.problems.unknown(symbol.text, lambda: _unknown(context, symbol, span))
    elif context.names.namespace_of(symbol.ns) is None:
        context.problems.unknown(symbol.text, lambda: _unknown_qualifier(context, symbol, span))
    else:
        context.problems.unknown(symbol.text, lambda: _not_in_namespace(context, symbol, span))


def report_private(context: Context, var: VarInfo, span: Span) -> None:
    """Report the use of another namespace's private var."""
    labels = () if var.span is None else (Label(var.span, "defined here", primary=False),)
    context.problems.report(
        "FM0104",
        f"`{var.name}` is private",
        span,
        label=f"only {var.namespace} may use it",
        labels=labels,
        help=("make it public with `defn` or `def`, or use #'" + var.name + " in a test",),
    )


def report_interop(context: Context, text: str, span: Span) -> None:
    """Report ``Foo.``, ``.method`` and their like."""
    hint = hint_for_method(text) if text.startswith(".") else None
    if hint is None and text.endswith("."):
        hint = CONSTRUCTIONS.get(without_package(text[:-1]))
    help = () if hint is None else (hint,)
    context.problems.report(
        "FM0107", INTEROP, span, label=f"`{text}` is a call of the host", help=help
    )


def is_interop(symbol: Symbol) -> bool:
    """Say whether a name is spelled as a method, a field or a constructor of the host."""
    text = symbol.text
    return len(text) > 1 and text != ".." and (text.startswith(".") or text.endswith("."))


def _unknown(context: Context, symbol: Symbol, span: Span) -> Diagnostic:
    name = symbol.name
    local = " or this function" if context.scope.depth > 1 else ""
    where = context.namespace_name
    places = where if where == CORE else f"{where}{',' if local else ' or'} {CORE}{local}"
    return Diagnostic(
        "FM0102",
        f"unknown name `{name}`",
        (Label(span, f"not defined in {places}"),),
        (),
        _help_for(context, name),
    )


_QUOTES = "“”„«»‘’"
"""What word processors make of quotation marks."""


def _help_for(context: Context, name: str) -> tuple[str, ...]:
    if name in MISSING_NAMES:
        return (MISSING_NAMES[name],)
    if any(quote in name for quote in _QUOTES):
        return ('write plain quotation marks: "text"',)
    elsewhere = tuple(_elsewhere(context, name)) if len(name) > 1 else ()
    if elsewhere and name not in FOREIGN_NAMES:
        return elsewhere[:1]
    guess = None
    if len(name) > 1 or name in FOREIGN_NAMES:  # every other name of one letter is near
        candidates = [*reversed(context.scope.names()), *context.names.names_in_sight()]
        candidates = [candidate for candidate in candidates if not is_made_up(candidate)]
        guess = _slip(name, candidates) or did_you_mean(name, candidates)
    if guess is None and looks_like_a_class(name):
        return ("classes of a host language are not part of Flowmetal",)
    return () if guess is None else (guess,)


def _slip(name: str, candidates: list[str]) -> str | None:
    """Return the offer for a foreign name that is near to what it is called here: ``printn``."""
    foreign = FOREIGN_NAMES.get(name, "").split()
    near = [each for each in nearest(name, candidates) if each in foreign]
    return f"did you mean `{near[0]}`?" if near else None


def _elsewhere(context: Context, name: str) -> Iterator[str]:
    """Yield where a name exists that is not referred here."""
    for alias, space in sorted(context.names.namespace.aliases.items()):
        found = context.environment.var(f"{space}/{name}")
        if found is not None and not found.private:
            yield f"write `{alias}/{name}`: it is in {space}"
    for space in sorted(context.environment.names()):
        found = context.environment.var(f"{space}/{name}")
        if space not in (CORE, context.namespace_name) and found and not found.private:
            if space in context.names.namespace.requires:
                yield f"`{name}` is in {space}: add it to :refer there"
            else:
                short = space.rpartition(".")[2]
                yield f"`{name}` exists in {space}: add [{space} :as {short}]"


def _usual_namespace(context: Context, symbol: Symbol) -> str | None:
    """Return the offer of the namespace that an alias usually stands for and that has the name."""
    alias = symbol.ns or ""
    for space in sorted(context.environment.names()):
        usual = space.rpartition(".")[2]
        if alias == usual or space == _USUAL.get(alias):
            found = context.environment.var(f"{space}/{symbol.name}")
            if found is not None and not found.private:
                return f"add [{space} :as {alias}] to :require"
    return None


_USUAL: Final = {"str": "flow.string", "pp": "flow.pprint"}


def _unknown_qualifier(context: Context, symbol: Symbol, span: Span) -> Diagnostic:
    assert symbol.ns is not None
    if looks_like_a_class(symbol.ns):
        hint = FOREIGN_NAMES.get(symbol.text) or hint_for_class(symbol.ns, symbol.name)
        help = () if hint is None else (hint,)
        return Diagnostic("FM0107", INTEROP, (Label(span),), (), help)
    known = [*context.names.namespace.aliases, *context.environment.names()]
    guess = _usual_namespace(context, symbol) or did_you_mean(symbol.ns, known)
    if guess is None:
        guess = f"add [{flow_name(symbol.ns)} :as {symbol.ns.rpartition('.')[2]}] to :require"
    return Diagnostic(
        "FM0127",
        f"unknown alias `{symbol.ns}` in `{symbol.text}`",
        (Label(span, "no namespace of this name is required here"),),
        (),
        (guess,),
    )


def _not_in_namespace(context: Context, symbol: Symbol, span: Span) -> Diagnostic:
    assert symbol.ns is not None
    full = context.names.namespace_of(symbol.ns)
    assert full is not None
    space = context.environment.namespace(full)
    guess = None if space is None else offer_for_missing(context.environment, space, symbol.name)
    return Diagnostic(
        "FM0102",
        f"unknown name `{symbol.text}`",
        (Label(span, f"{full} does not define `{symbol.name}`"),),
        (),
        () if guess is None else (guess,),
    )
