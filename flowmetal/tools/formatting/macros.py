"""How the macros of a program want to be indented.

A macro says so in its metadata, ``{:style/indent 1}``: that many arguments
belong to the head, a body follows (``:defn``: everything is body). One that says
nothing and takes ``& body`` is taken at its word. Looked at are the macros of
the file itself and of the namespaces that it requires; nothing is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from flowmetal.compiler.clauses import NamespaceForm, Required, parse_ns
from flowmetal.compiler.forms import children, is_symbol, meta_of
from flowmetal.compiler.loader import paths_of
from flowmetal.compiler.problems import Problems
from flowmetal.errors import CompileError, ReadError
from flowmetal.reader import ReadOptions, read_all
from flowmetal.source import Source, Span
from flowmetal.tools.formatting.indentation import BODY, Rule, Rules, after
from flowmetal.values import Keyword, List, Map, Symbol, Value, Vector, keyword

FindSource = Callable[[str, str], Source | None]
"""Returns the source at a path relative to the source root of a namespace, None if there is none."""

_STYLE = keyword("style/indent")
_NOWHERE = Span("", 1, 1, 1, 1)


def nowhere(namespace: str, path: str) -> Source | None:
    """Find no source."""
    return None


def macro_rules(forms: Sequence[Value], find: FindSource) -> Rules:
    """Return the rules of the macros that these forms define or require, by the names they have here."""
    rules: dict[str, Rule] = {}
    header = _header(forms)
    if header is not None:
        for required in header.required:
            rules.update(_required(required, header.name.text, find))
    rules.update(_defined(forms))
    return rules


def _required(required: Required, here: str, find: FindSource) -> Iterator[tuple[str, Rule]]:
    namespace = required.namespace.text
    source = next(filter(None, (find(here, path) for path in paths_of(namespace))), None)
    if source is None:
        return
    with suppress(ReadError):
        defined = _defined(
            read_all(source, ReadOptions(resolve_alias=lambda alias: alias or "user"))
        )
        referred = {name.text for name in required.refer}
        for name, rule in defined.items():
            yield f"{namespace}/{name}", rule
            for alias in required.aliases:
                yield f"{alias.text}/{name}", rule
            if required.refer_all or name in referred:
                yield required.rename.get(name, name), rule


def _header(forms: Sequence[Value]) -> NamespaceForm | None:
    for form in forms:
        if _is_call(form, "ns"):
            with suppress(CompileError):
                return parse_ns(children(form, _NOWHERE), _NOWHERE, Problems())
    return None


def _defined(forms: Sequence[Value]) -> dict[str, Rule]:
    rules = {}
    for form in forms:
        if _is_call(form, "defmacro"):
            name, *rest = list(form)[1:] or [None]
            rule = _rule(name, rest) if isinstance(name, Symbol) else None
            if rule is not None:
                rules[name.name] = rule
    return rules


def _rule(name: Symbol, rest: list[Value]) -> Rule | None:
    """Return what a macro asks for, given what follows ``defmacro name``."""
    attributes = next((part for part in rest[:2] if isinstance(part, Map)), None)
    for meta in (meta_of(name), attributes):
        asked = None if meta is None else meta.get(_STYLE)
        if isinstance(asked, (Vector, List)):
            asked = next(iter(asked), None)
        if isinstance(asked, int) and asked >= 0:
            return after(int(asked))
        if isinstance(asked, Keyword):
            return BODY
    for part in rest:
        parameters = next(iter(part), None) if isinstance(part, List) else part
        if isinstance(parameters, Vector):
            names = [getattr(parameter, "text", None) for parameter in parameters]
            if names[-2:] == ["&", "body"]:
                return after(len(names) - 2)
    return None


def _is_call(form: Value, name: str) -> bool:
    return isinstance(form, List) and is_symbol(next(iter(form), None), name)
