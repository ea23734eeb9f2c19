"""Patterns to plain names: ``[a & more :as all]`` and ``{:keys [a] :or {a 1} :as m}``.

A pattern and a value become a flat list of names and values for ``let*``, in
the order in which they are evaluated. The meaning is Clojure's. Patterns of
patterns are worked off with a list, so their depth has no limit.
"""

from __future__ import annotations

from flowmetal.compiler.expanders.call import MacroCall
from flowmetal.compiler.forms import (
    CORE,
    Syntax,
    children,
    core,
    is_symbol,
    is_vector,
    listed,
)
from flowmetal.source import Span
from flowmetal.values import Keyword, Map, Symbol, keyword

_TO_MAP = "-options-of"
_AS = keyword("as")
_OR = keyword("or")

Pair = tuple[Syntax, Syntax]


def is_pattern(form: object) -> bool:
    """Say whether a form takes a value apart, instead of naming it."""
    return is_vector(form) or isinstance(form, Map)


def destructure(call: MacroCall, pattern: Syntax, value: Syntax) -> list[Pair]:
    """Return the names and values that ``pattern`` binds to parts of ``value``."""
    pairs: list[Pair] = []
    waiting: list[Pair] = [(pattern, value)]
    while waiting:
        target, part = waiting.pop()
        if is_vector(target.form):
            inner = _sequential(call, target, part, pairs)
        elif isinstance(target.form, Map):
            inner = _associative(call, target, part, pairs)
        elif is_symbol(target.form):
            pairs.append((target, part))
            continue
        else:
            raise call.wrong("FM0115", "a name, a vector or a map is expected here", target.span)
        waiting.extend(reversed(inner))
    return pairs


def _sequential(call: MacroCall, pattern: Syntax, value: Syntax, pairs: list[Pair]) -> list[Pair]:
    items, rest, whole = _parts(call, pattern)
    subject = vec = _named(call, "vec", value, pairs)
    span = pattern.span
    inner: list[Pair] = []
    if rest is not None:
        # Maps and sets have no index, but they have a sequence.
        taken = call.fresh("seq", span)
        pairs.append((taken, listed(span, core("seq"), subject)))
        subject = taken
    for index, item in enumerate(items):
        inner.append((item, listed(item.span, core("nth"), subject, index, None)))
    if rest is not None:
        more = listed(rest.span, core("nthnext"), subject, len(items)) if items else subject
        inner.append((rest, more))
    if whole is not None:
        inner.append((whole, vec))
    return inner


def _named(call: MacroCall, hint: str, value: Syntax, pairs: list[Pair]) -> Syntax:
    """Return a name for a value; one that an expander has made already will do."""
    if isinstance(value.form, Symbol) and " " in value.form.name:
        return value
    name = call.fresh(hint, value.span)
    pairs.append((name, value))
    return name


def _parts(call: MacroCall, pattern: Syntax) -> tuple[list[Syntax], Syntax | None, Syntax | None]:
    """Split a sequential pattern into its items, what follows ``&`` and what follows ``:as``."""
    items: list[Syntax] = []
    rest: Syntax | None = None
    whole: Syntax | None = None
    waiting = list(reversed(children(*pattern)))
    while waiting:
        item = waiting.pop()
        if is_symbol(item.form, "&"):
            if not waiting or rest is not None:
                raise call.wrong("FM0116", "one name must follow `&`", item.span)
            rest = waiting.pop()
        elif item.form is _AS:
            if not waiting or not is_symbol(waiting[-1].form):
                raise call.wrong("FM0116", "a name must follow `:as`", item.span)
            whole = waiting.pop()
        elif isinstance(item.form, Keyword):
            raise call.wrong(
                "FM0116", f"`:{item.form.text}` has no meaning in a vector pattern", item.span
            )
        elif rest is not None:
            raise call.wrong("FM0116", "only `:as` may follow the name after `&`", item.span)
        else:
            items.append(item)
    return items, rest, whole


def _associative(call: MacroCall, pattern: Syntax, value: Syntax, pairs: list[Pair]) -> list[Pair]:
    parts = children(*pattern)
    entries = list(zip(parts[::2], parts[1::2], strict=True))
    span = pattern.span
    given = _named(call, "map", value, pairs)
    subject = call.fresh("map", span)
    pairs.append((subject, _as_map(call, given, span)))
    whole = next((v for k, v in entries if k.form is _AS), None)
    if whole is not None:
        if not is_symbol(whole.form):
            raise call.wrong("FM0116", "a name must follow `:as`", whole.span)
        # Nothing is looked up through this name: a key may have the same.
        pairs.append((whole, subject))
    defaults = _defaults(call, entries)
    inner: list[Pair] = []
    for key, target in entries:
        if key.form is _AS or key.form is _OR:
            continue
        if isinstance(key.form, Keyword):
            inner += _group(call, key, target, subject, defaults)
        else:
            inner.append((key, _look_up(key, target, subject, defaults)))
    return inner


def _as_map(call: MacroCall, given: Syntax, span: Span) -> Syntax:
    """Make the form that turns trailing ``:k v`` arguments, a sequence, into a map."""
    if call.context.environment.var(f"{CORE}/{_TO_MAP}") is not None:
        made = listed(span, core(_TO_MAP), given)
    else:  # a language without its library
        made = listed(span, core("apply"), core("hash-map"), given)
    return listed(span, Symbol(None, "if"), listed(span, core("seq?"), given), made, given)


def _defaults(call: MacroCall, entries: list[Pair]) -> dict[str, Syntax]:
    for key, found in entries:
        if key.form is _OR:
            if not isinstance(found.form, Map):
                raise call.wrong("FM0116", "`:or` needs a map of names to values", found.span)
            parts = children(*found)
            names = parts[::2]
            for name in names:
                if not is_symbol(name.form):
                    raise call.wrong(
                        "FM0116",
                        "the keys of `:or` are names",
                        name.span,
                        "write {:or {name value}}",
                    )
            return {n.form.name: v for n, v in zip(names, parts[1::2], strict=True)}
    return {}


def _group(
    call: MacroCall, group: Syntax, names: Syntax, subject: Syntax, defaults: dict[str, Syntax]
) -> list[Pair]:
    """Return what ``:keys``, ``:strs`` or ``:syms`` binds, with or without a namespace."""
    what = group.form.name
    if what not in ("keys", "strs", "syms"):
        hint = "write {name :" + group.form.text + "}"
        raise call.wrong(
            "FM0116", f"`:{group.form.text}` has no meaning in a map pattern", group.span, hint
        )
    if not is_vector(names.form):
        raise call.wrong("FM0116", f"`:{group.form.text}` needs a vector of names", names.span)
    pairs: list[Pair] = []
    for name in children(*names):
        if not isinstance(name.form, (Symbol, Keyword)):
            raise call.wrong("FM0116", f"`:{group.form.text}` needs names only", name.span)
        space = name.form.ns or group.form.ns
        key = _key(what, space, name.form.name, name.span)
        target = Syntax(Symbol(None, name.form.name, None, name.span), name.span)
        pairs.append((target, _look_up(target, key, subject, defaults)))
    return pairs


def _key(what: str, space: str | None, name: str, span: Span) -> Syntax:
    if what == "keys":
        return Syntax(Keyword.of(space, name), span)
    if what == "strs":
        return Syntax(name if space is None else f"{space}/{name}", span)
    return listed(span, Symbol(None, "quote"), Symbol(space, name))


def _look_up(target: Syntax, key: Syntax, subject: Syntax, defaults: dict[str, Syntax]) -> Syntax:
    default = defaults.get(target.form.name) if is_symbol(target.form) else None
    if default is None:
        return listed(target.span, core("get"), subject, key)
    return listed(target.span, core("get"), subject, key, default)
