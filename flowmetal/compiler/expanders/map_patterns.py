"""Maps as patterns of match: ``{:status 200 :body b}`` and ``{:keys [a b] :or {b 1} :as m}``.

The key comes first and is data, the pattern for what stands under it second.
``:keys``, ``:strs``, ``:syms``, ``:or`` and ``:as`` mean what they do where names
are bound; quoted, as in ``{':as x}``, they are keys like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flowmetal.compiler.forms import (
    Syntax,
    children,
    is_sequence,
    is_symbol,
    is_vector,
    listed,
    local,
)
from flowmetal.errors import CompileError
from flowmetal.source import Span
from flowmetal.values import Keyword, Map, Symbol

_GROUPS = ("keys", "strs", "syms")


@dataclass(frozen=True, slots=True)
class MapEntryPattern:
    """A key, the pattern for its value, and the value to take if the key is not there."""

    key: Syntax
    pattern: Syntax
    default: Syntax | None


def parse_map_pattern(written: Syntax) -> tuple[list[MapEntryPattern], Syntax | None]:
    """Return the entries of a map pattern and the name after ``:as``. Raises CompileError."""
    parts = children(*written)
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    options = {key.form.text: value for key, value in pairs if isinstance(key.form, Keyword)}
    defaults = _defaults(options.get("or"))
    entries: list[MapEntryPattern] = []
    for key, value in pairs:
        form = key.form
        if isinstance(form, Keyword) and form.name in _GROUPS:
            entries += _group(form, value, defaults)
        elif not (isinstance(form, Keyword) and form.text in ("or", "as")):
            entries.append(MapEntryPattern(_need_key(key), value, None))
    for name, default in defaults.items():
        if not any(is_symbol(entry.pattern.form, name) for entry in entries):
            raise _wrong(f"`:or` has `{name}`, which is not among `:keys`", default.span)
    return entries, options.get("as")


def _defaults(given: Syntax | None) -> dict[str, Syntax]:
    if given is None:
        return {}
    parts = children(*given) if isinstance(given.form, Map) else []
    names = parts[::2]
    wrong = next((name for name in names if not is_symbol(name.form)), None)
    if wrong is not None or not isinstance(given.form, Map):
        raise _wrong(
            "`:or` in a map has names and their defaults",
            (wrong or given).span,
            "write {:keys [a] :or {a 1}}; alternatives are a list: (:or 1 2)",
        )
    return {n.form.name: v for n, v in zip(names, parts[1::2], strict=True)}


def _group(kind: Keyword, names: Syntax, defaults: dict[str, Syntax]) -> Iterator[MapEntryPattern]:
    if not is_vector(names.form):
        raise _wrong(
            f"`:{kind.text}` needs a vector of names",
            names.span,
            f"for the key itself: {{':{kind.text} pattern}}",
        )
    for name in children(*names):
        form = name.form
        if not isinstance(form, (Symbol, Keyword)):
            raise _wrong(f"`:{kind.text}` needs names only", name.span)
        space = form.ns or kind.ns
        target = Syntax(Symbol(None, form.name, None, name.span), name.span)
        yield MapEntryPattern(
            _key(kind.name, space, form.name, name.span), target, defaults.get(form.name)
        )


def _key(kind: str, space: str | None, name: str, span: Span) -> Syntax:
    if kind == "keys":
        return Syntax(Keyword.of(space, name), span)
    if kind == "strs":
        return Syntax(name if space is None else f"{space}/{name}", span)
    return listed(span, local("quote"), Symbol(space, name))


def _need_key(key: Syntax) -> Syntax:
    form = key.form
    if is_symbol(form):
        raise _wrong(
            f"`{form.text}` is no key",
            key.span,
            f"the key comes first: {{:{form.name} {form.name}}}, or {{:keys [{form.name}]}}",
        )
    if is_sequence(form):
        quoted = children(*key)
        if not (len(quoted) == 2 and is_symbol(quoted[0].form, "quote")):
            raise _wrong("the key of a map pattern is data", key.span, "quote it: {'(a b) x}")
    return key


def _wrong(message: str, span: Span, hint: str | None = None) -> CompileError:
    return CompileError("FM0140", message, span, hint=hint)
