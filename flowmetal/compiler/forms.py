"""Forms as the compiler sees them: values with places, taken apart and put together.

A form is a value of the language; a ``Syntax`` is a form and the span that an
error about it should point at. The reader marks symbols and collections with
spans. What a macro builds has none and takes the span of the form around it,
which is in the end the macro call. Spans that a quoted constant would carry
into another expansion are removed when it is quoted (``without_spans``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from flowmetal.errors import CompileError
from flowmetal.source import Span
from flowmetal.values import (
    Cons,
    DataError,
    IndexedSeq,
    Keyword,
    LazySeq,
    List,
    Map,
    Range,
    Repeat,
    Set,
    Symbol,
    Value,
    Vector,
    hash_map,
    is_endless,
    keyword,
    kind_of,
    list_of,
    set_of,
    vector,
)
from flowmetal.values.kinds import NAMED, OPAQUE

CORE = "flow.core"

_SEQUENCES = frozenset({List, Cons, LazySeq, IndexedSeq, Range, Repeat})
_ENDLESS = frozenset({Range, Repeat})
_COLLECTIONS = frozenset({Map, Set, Vector})

ASCRIPTION = keyword("-")
"""What ``:-`` reads as."""

_ASCRIPTION_SYMBOLS = frozenset({"|-", "⊢"})


class Syntax(NamedTuple):
    """A form and its place."""

    form: Value
    span: Span


def is_sequence(form: Value) -> bool:
    """Say whether ``form`` is a list or what a macro may give instead of one."""
    return type(form) in _SEQUENCES


def is_vector(form: Value) -> bool:
    return isinstance(form, Vector)


def is_symbol(form: Value, name: str | None = None) -> bool:
    """Say whether ``form`` is a symbol, and (if asked) the one without namespace of that name."""
    return isinstance(form, Symbol) and (name is None or form.text == name)


def is_ascription(form: Value) -> bool:
    """Say whether ``form`` is the ``:-`` between a name and its predicate."""
    return form is ASCRIPTION or (isinstance(form, Symbol) and form.text in _ASCRIPTION_SYMBOLS)


def span_of(form: Value, fallback: Span) -> Span:
    """Return where ``form`` was read, or ``fallback`` for one that was made."""
    if isinstance(form, (Symbol, List, Vector, Map, Set)) and form.span is not None:
        return form.span
    return fallback


def children(form: Value, span: Span) -> list[Syntax]:
    """Return the forms inside a collection in source order; of a map: key, value, key, value."""
    items: Iterable[Value] = form
    if isinstance(form, Map):
        items = [part for pair in form.items() for part in pair]
    spans = form.item_spans if isinstance(form, (List, Vector, Map, Set)) else None
    if spans is None:
        return [Syntax(item, span_of(item, span)) for item in items]
    # A macro may return the list it was given with something else inside of a child: the
    # child's own span is nearer to the truth than its place in the list.
    return [Syntax(item, span_of(item, place)) for item, place in zip(items, spans, strict=True)]


def syntax(form: Value, fallback: Span) -> Syntax:
    return Syntax(form, span_of(form, fallback))


def listed(span: Span, *parts: Syntax | Value) -> Syntax:
    """Make a list form at ``span`` of parts, each a Syntax or a bare form."""
    return listed_of(span, parts)


def listed_of(span: Span, parts: Sequence[Syntax | Value]) -> Syntax:
    forms, spans = _split(span, parts)
    return Syntax(list_of(forms, None, span, spans), span)


def bracketed(span: Span, parts: Sequence[Syntax | Value]) -> Syntax:
    """Make a vector form at ``span``."""
    forms, spans = _split(span, parts)
    return Syntax(vector(forms, None, span, spans), span)


def _split(span: Span, parts: Sequence[Syntax | Value]) -> tuple[list[Value], tuple[Span, ...]]:
    forms = [part.form if isinstance(part, Syntax) else part for part in parts]
    spans = tuple(part.span if isinstance(part, Syntax) else span for part in parts)
    return forms, spans


def core(name: str) -> Symbol:
    """Return the symbol ``flow.core/name``."""
    return Symbol(CORE, name)


def local(name: str, span: Span | None = None) -> Symbol:
    """Return the symbol ``name`` without a namespace."""
    return Symbol(None, name, None, span)


def meta_of(form: Value) -> Map | None:
    """Return the metadata of a form that can have some."""
    meta = getattr(form, "meta", None)
    return meta if isinstance(meta, Map) else None


def flag(meta: Map | None, name: str) -> bool:
    """Say whether metadata has a true value under the keyword ``name``."""
    return meta is not None and meta.get(keyword(name)) not in (None, False)


def keyword_text(form: Value) -> str | None:
    return form.text if isinstance(form, Keyword) else None


def _itself(atom: Value) -> Value:
    return atom


def without_spans(form: Value, atom: Callable[[Value], Value] = _itself) -> Value:
    """Return ``form`` with no span anywhere in it, and as lists what may be some other sequence.

    ``atom`` says what stands for a part that is neither. Iterative, for forms of any depth.
    """
    if isinstance(form, Symbol):
        return _bare_symbol(form)
    if type(form) not in _COLLECTIONS and type(form) not in _SEQUENCES:
        return atom(form)
    done: list[Value] = []
    # A task is a form to be stripped, or (form, count): rebuild it from the last results.
    tasks: list[tuple[Value, int]] = [(form, -1)]
    while tasks:
        current, count = tasks.pop()
        if count >= 0:
            parts = done[len(done) - count :]
            del done[len(done) - count :]
            done.append(_rebuilt(current, parts))
        elif isinstance(current, Symbol):
            done.append(_bare_symbol(current))
        elif type(current) in _ENDLESS and is_endless(current):
            done.append(current)
        elif isinstance(current, (Map, Set, Vector)) or type(current) in _SEQUENCES:
            parts = _parts(current)
            tasks.append((current, len(parts)))
            tasks.extend((part, -1) for part in reversed(parts))
        else:
            done.append(atom(current))
    return done[0]


def _bare_symbol(form: Symbol) -> Symbol:
    meta = form.meta
    if meta is not None:
        meta = without_spans(meta)
    elif form.span is None:
        return form
    return Symbol(form.ns, form.name, meta)


def _parts(form: Value) -> list[Value]:
    if isinstance(form, Map):
        return [part for pair in form.items() for part in pair]
    return list(form)


def _rebuilt(form: Value, parts: list[Value]) -> Value:
    meta = form.meta
    if meta is not None:
        meta = without_spans(meta)
    if isinstance(form, Map):
        return hash_map(zip(parts[::2], parts[1::2], strict=True), meta)
    if isinstance(form, Set):
        return set_of(parts, meta)
    if isinstance(form, Vector):
        return vector(parts, meta)
    return list_of(parts, meta)


def is_data(form: Value) -> bool:
    """Say whether a form means itself: no symbols, no lists and no functions anywhere in it."""
    tasks = [form]
    while tasks:
        current = tasks.pop()
        if isinstance(current, (Symbol, List, LazySeq)) or is_sequence(current):
            return False
        if kind_of(current) == OPAQUE:
            return False
        if isinstance(current, Map):
            tasks += [part for pair in current.items() for part in pair]
        elif isinstance(current, (Vector, Set)):
            tasks += list(current)
    return True


def made_constant(value: Value, span: Span) -> Value:
    """Return a constant that a macro made. Raises CompileError if it could not be stored."""
    if kind_of(value) < NAMED and meta_of(value) is None:
        return value
    from flowmetal.values.codec import encode_data

    try:
        encode_data(value, with_meta=True)
    except DataError as error:
        raise CompileError(
            "FM0125",
            f"a macro put something into the code that is not data: {error.message}",
            span,
            hint="let the macro make code that makes this value",
        ) from None
    return value
