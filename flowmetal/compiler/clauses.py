"""What an ``ns`` form, or a ``require`` at the top level, asks for; parsed, nothing done yet."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowmetal.compiler.definitions import data_of_meta
from flowmetal.compiler.forms import (
    Syntax,
    children,
    is_sequence,
    is_symbol,
    is_vector,
    keyword_text,
    meta_of,
)
from flowmetal.compiler.problems import Problems
from flowmetal.errors import CompileError
from flowmetal.source import Span
from flowmetal.values import EMPTY_MAP, Map, Symbol, keyword

_REFUSED = {
    "gen-class": "there are no classes: any public function can be an entry point",
    "load": "require a namespace instead",
}


@dataclass(frozen=True, slots=True)
class Name:
    """A symbol that a clause names, and where."""

    text: str
    span: Span


@dataclass(slots=True)
class Required:
    """One namespace that is asked for. ``refer_all`` brings all its publics, without ``exclude``.

    ``bare_alias`` is what :as-alias says: a short name for keywords, of a namespace that need not be.
    """

    namespace: Name
    alias: Name | None = None
    bare_alias: Name | None = None
    refer: list[Name] = field(default_factory=list)
    refer_all: bool = False
    exclude: list[Name] = field(default_factory=list)
    rename: dict[str, str] = field(default_factory=dict)

    @property
    def aliases(self) -> list[Name]:
        return [alias for alias in (self.alias, self.bare_alias) if alias is not None]

    @property
    def is_loaded(self) -> bool:
        """Say whether more than a bare alias is asked for."""
        is_named = self.alias is not None or self.refer or self.refer_all
        return self.bare_alias is None or bool(is_named)


@dataclass(slots=True)
class NamespaceForm:
    """An ``ns`` form. ``core`` is what :refer-clojure or :refer-flow says, None if neither stands."""

    name: Name
    meta: Map
    required: list[Required] = field(default_factory=list)
    core: Required | None = None
    imports: list[Name] = field(default_factory=list)


def parse_ns(items: list[Syntax], span: Span, problems: Problems) -> NamespaceForm:
    """Parse ``(ns name doc? attributes? clause ...)``. Raises CompileError.

    A clause that is not understood is reported and left out.
    """
    if len(items) < 2 or not is_symbol(items[1].form):
        raise CompileError("FM0201", "`ns` needs the name of the namespace", span)
    name = items[1]
    meta, rest = data_of_meta(meta_of(name.form)), items[2:]
    if rest and isinstance(rest[0].form, str):
        meta = meta.assoc(keyword("doc"), rest.pop(0).form)
    if rest and isinstance(rest[0].form, Map):
        for key, value in data_of_meta(rest.pop(0).form).items():
            meta = meta.assoc(key, value)
    made = NamespaceForm(Name(name.form.text, name.span), meta)
    for clause in rest:
        try:
            _clause(made, clause)
        except CompileError as error:
            problems.add(error)
    return made


def _clause(made: NamespaceForm, clause: Syntax) -> None:
    parts = children(*clause) if is_sequence(clause.form) or is_vector(clause.form) else []
    kind = keyword_text(parts[0].form) if parts else None
    if kind in ("require", "use", "require-macros"):
        for spec in parts[1:]:
            made.required += parse_spec(spec, use=kind == "use")
    elif kind == "import":
        for spec in parts[1:]:
            made.imports += parse_import(spec)
    elif kind in ("refer-clojure", "refer-flow", "refer"):
        made.core = _options(Required(Name("flow.core", parts[0].span)), parts[1:])
    elif kind == "gen-class" and len(parts) == 1:
        pass  # it asks for a class around -main, which any program can be started with
    elif kind in _REFUSED:
        raise CompileError(
            "FM0202", f"`:{kind}` is not part of Flowmetal", clause.span, hint=_REFUSED[kind]
        )
    else:
        raise CompileError(
            "FM0202",
            "an `ns` form has no such clause" if kind is None else f"`ns` has no clause `:{kind}`",
            clause.span,
            hint="clauses are (:require ...), (:use ...), (:import ...) and (:refer-clojure ...)",
        )


def parse_spec(spec: Syntax, *, use: bool) -> list[Required]:
    """Parse ``name``, ``[name :as a :refer [b]]`` or ``(prefix [name ...] ...)``."""
    if is_symbol(spec.form):
        return [Required(Name(spec.form.text, spec.span), refer_all=use)]
    if isinstance(spec.form, Symbol) or not (is_vector(spec.form) or is_sequence(spec.form)):
        raise _not_a_spec(spec)
    parts = children(*spec)
    if not parts or not is_symbol(parts[0].form):
        raise _not_a_spec(spec)
    if len(parts) > 1 and keyword_text(parts[1].form) is None:
        return [
            _prefixed(parts[0], each) for inner in parts[1:] for each in parse_spec(inner, use=use)
        ]
    made = Required(Name(parts[0].form.text, parts[0].span))
    _options(made, parts[1:])
    made.refer_all = made.refer_all or (use and not made.refer)
    return [made]


def parse_import(spec: Syntax) -> list[Name]:
    """Parse ``java.util.Date`` or ``(java.util Date UUID)``: the full names of classes."""
    if is_symbol(spec.form):
        return [Name(spec.form.text, spec.span)]
    parts = children(*spec) if is_vector(spec.form) or is_sequence(spec.form) else []
    if not parts or not all(is_symbol(part.form) for part in parts):
        raise CompileError(
            "FM0201",
            "the names of classes are expected here",
            spec.span,
            hint="write (:import [my.namespace Record])",
        )
    package = parts[0].form.text
    return [Name(f"{package}.{part.form.text}", part.span) for part in parts[1:]]


def _prefixed(prefix: Syntax, required: Required) -> Required:
    name = required.namespace
    required.namespace = Name(f"{prefix.form.text}.{name.text}", name.span)
    return required


def _options(made: Required, parts: list[Syntax]) -> Required:
    for key, value in zip(parts[::2], [*parts[1::2], None], strict=False):
        option = keyword_text(key.form)
        if value is None:
            raise CompileError("FM0201", "this option has no value", key.span)
        if option == "as" and is_symbol(value.form):
            made.alias = Name(value.form.text, value.span)
        elif option == "as-alias" and is_symbol(value.form):
            made.bare_alias = Name(value.form.text, value.span)
        elif option == "include-macros":
            pass  # for ClojureScript: here macros come with their namespace, as in Clojure
        elif option in ("refer", "refer-macros") and keyword_text(value.form) == "all":
            made.refer_all = True
        elif option in ("refer", "refer-macros", "only"):
            made.refer += _names(value)
            made.refer_all = made.refer_all and option != "only"
        elif option == "exclude":
            made.exclude += _names(value)
        elif option == "rename" and isinstance(value.form, Map):
            names = [_name(item).text for item in children(*value)]
            made.rename.update(zip(names[::2], names[1::2], strict=True))
        else:
            shown = f"`:{option}`" if option else "this"
            raise CompileError(
                "FM0201",
                f"{shown} is not understood here",
                key.span,
                hint="options are :as name, :refer [names], :refer :all, :rename {old new}",
            )
    return made


def _names(value: Syntax) -> list[Name]:
    items = children(*value) if is_vector(value.form) or is_sequence(value.form) else []
    if (
        not items
        and value.form not in (EMPTY_MAP,)
        and not (is_vector(value.form) or is_sequence(value.form))
    ):
        raise CompileError("FM0201", "a vector of names is expected here", value.span)
    return [_name(item) for item in items]


def _name(item: Syntax) -> Name:
    if not is_symbol(item.form):
        raise CompileError("FM0201", "a name is expected here", item.span)
    return Name(item.form.name, item.span)


def _not_a_spec(spec: Syntax) -> CompileError:
    return CompileError(
        "FM0201",
        "the name of a namespace is expected here",
        spec.span,
        hint="write [some.namespace :as name]",
    )
