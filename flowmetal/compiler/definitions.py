"""How a ``def`` is written: name, metadata, docstring, value.

Metadata is data: what is written as code (a type hint, a computed value) is
left out, ``(quote x)`` is x.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from flowmetal.compiler.context import Context
from flowmetal.compiler.environment import VarInfo
from flowmetal.compiler.forms import (
    CORE,
    Syntax,
    is_data,
    is_sequence,
    is_symbol,
    meta_of,
    without_spans,
)
from flowmetal.compiler.special_control import shape
from flowmetal.errors import CompileError
from flowmetal.source import Span
from flowmetal.values import (
    EMPTY_MAP,
    Map,
    Symbol,
    Value,
    keyword,
)
from flowmetal.values.parts import is_part

_DOC = keyword("doc")
_ARGLISTS = keyword("arglists")
_DYNAMIC = keyword("dynamic")


@dataclass(frozen=True, slots=True)
class DefForm:
    """A ``def``, taken apart. ``name`` is full; ``value`` is None for a declaration."""

    name: str
    span: Span
    meta: Map | None
    value: Syntax | None

    @property
    def local_name(self) -> str:
        return self.name.partition("/")[2]

    def after(self, known: VarInfo | None) -> DefForm:
        """Return the form as it is meant where the var is known: what is dynamic stays so."""
        if known is None or not known.dynamic:
            return self
        return replace(self, meta=(self.meta or EMPTY_MAP).assoc(_DYNAMIC, True))


def parse_def(context: Context, items: list[Syntax], span: Span) -> DefForm:
    """Take ``(def name doc? value?)`` apart. Raises CompileError."""
    if len(items) < 2:
        raise shape("def", "a name", "nothing", span)
    name = items[1]
    if not is_symbol(name.form):
        raise CompileError("FM0115", "`def` needs a name", name.span, label="this is not a symbol")
    full = _full_name(context, name)
    _refuse_referred(context, full, name.span)
    meta = data_of_meta(meta_of(name.form))
    rest = items[2:]
    if len(rest) == 2 and isinstance(rest[0].form, str):
        meta = meta.assoc(_DOC, rest[0].form)
        rest = rest[1:]
    if len(rest) > 1:
        raise CompileError(
            "FM0101",
            "`def` takes one value",
            rest[1].span,
            label="this is one more",
            hint="a function is defined with `defn`",
        )
    return DefForm(full, name.span, meta if len(meta) else None, rest[0] if rest else None)


def _full_name(context: Context, name: Syntax) -> str:
    symbol: Symbol = name.form
    space = context.namespace_name
    if is_part(symbol.name):  # an entry of a table, which any namespace may add
        return symbol.text
    if symbol.ns is not None and context.names.namespace_of(symbol.ns) != space:
        raise CompileError(
            "FM0124", f"`{symbol.text}` cannot be defined from namespace {space}", name.span
        )
    return f"{space}/{symbol.name}"


def _refuse_referred(context: Context, full: str, span: Span) -> None:
    """Raise CompileError for a name that is another one's here; one that the library lends may be taken."""
    local_name, space = full.partition("/")[2], context.names.namespace
    taken = space.refers.get(local_name)
    if taken is None or taken == full or local_name in space.lent:
        return
    if not taken.startswith(f"{CORE}/"):
        raise CompileError(
            "FM0206",
            f"`{local_name}` already means {taken}",
            span,
            hint="leave it out of :refer, or call this one otherwise",
        )


def data_of_meta(meta: Map | None) -> Map:
    """Return metadata as data, without what only a compiler of the host would need."""
    made = EMPTY_MAP
    for key, value in () if meta is None else meta.items():
        if _is_quoted(value):
            made = made.assoc(key, without_spans(list(value)[1]))
        elif key is _ARGLISTS or is_data(value):
            made = made.assoc(key, without_spans(value))
    return made


def _is_quoted(form: Value) -> bool:
    return is_sequence(form) and is_symbol(next(iter(form), None), "quote") and len(list(form)) == 2
