"""Doing what ``ns`` and ``require`` ask for: load namespaces, set up aliases and refers."""

from __future__ import annotations

import re
from collections.abc import Callable

from flowmetal.compiler.classes import class_of_symbol
from flowmetal.compiler.clauses import Name, NamespaceForm, Required
from flowmetal.compiler.environment import Environment, Namespace
from flowmetal.compiler.foreigners import MISSING_NAMES, is_host_class
from flowmetal.compiler.forms import CORE
from flowmetal.compiler.problems import Problems
from flowmetal.compiler.resolution import Names
from flowmetal.errors import CompileError, Label, ReadError
from flowmetal.errors.suggestions import did_you_mean
from flowmetal.ids import flow_name
from flowmetal.source import Span
from flowmetal.values import Symbol

Require = Callable[[str, Span], None]
"""Makes a namespace known to the environment. Raises CompileError or ReadError if it cannot."""


def apply_ns(names: Names, form: NamespaceForm, require: Require, problems: Problems) -> None:
    """Set up the current namespace as its ``ns`` form says."""
    space = names.namespace
    for key, value in form.meta.items():
        space.meta = (space.meta or form.meta).assoc(key, value)
    if form.core is not None:
        _refer_core(names, form.core)
    for required in form.required:
        apply_required(names, required, require, problems)
    for name in form.imports:
        apply_import(names, name, problems)


def apply_required(names: Names, required: Required, require: Require, problems: Problems) -> None:
    """Load one namespace and refer to it. Errors in it silence what would be said of its names."""
    space, environment = names.namespace, names.environment
    name = flow_name(required.namespace.text)
    known = environment.namespace(name)
    if not required.is_loaded:
        _alias_all(space, required, required.namespace.text if known is None else name, problems)
        return
    if known is None and name != required.namespace.text:
        # A user may have a namespace called clojure.something of their own.
        name = _loadable(required.namespace, name, require, problems) or name
    elif known is None or not known.complete:
        _load(required.namespace, name, require, problems)
    known = environment.namespace(name)
    if known is None or not known.complete:
        _silence(names, required)
        return
    space.requires[name] = None
    _alias_all(space, required, name, problems)
    _refer(names, known, required, problems)


def apply_import(names: Names, name: Name, problems: Problems) -> None:
    """Let a class be named without its package: one of the table, or a type of records."""
    space, symbol = names.namespace, Symbol(None, name.text)
    plain = re.split(r"[.$]", name.text)[-1]
    cls = class_of_symbol(names, symbol)
    if cls is None and is_host_class(name.text):
        return  # what it is used for will be refused, with a hint, where it is used
    if cls is None:
        help = "a type of records is imported from its namespace, which is required before"
        problems.report("FM0202", f"there is no class {name.text}", name.span, help=(help,))
        names.ignore(plain)
    elif "/" in cls:
        space.refers[plain] = cls
    else:
        space.aliases[plain] = cls


def _loadable(written: Name, ours: str, require: Require, problems: Problems) -> str | None:
    try:
        require(ours, written.span)
        return ours
    except CompileError as error:
        if error.code != "FM0203":
            problems.add(error)
            return None
    return written.text if _load(written, written.text, require, problems) else None


def _load(written: Name, name: str, require: Require, problems: Problems) -> bool:
    try:
        require(name, written.span)
    except (CompileError, ReadError) as error:
        problems.add(error)
        return False
    return True


def _silence(names: Names, required: Required) -> None:
    names.ignore(required.namespace.text)
    for alias in required.aliases:
        names.ignore(alias.text)
    for name in required.refer:
        names.ignore(required.rename.get(name.text, name.text))


def _alias_all(space: Namespace, required: Required, target: str, problems: Problems) -> None:
    for alias in required.aliases:
        taken = space.aliases.get(alias.text)
        if taken is not None and taken != target:
            message = f"the alias `{alias.text}` already means {taken}"
            problems.report("FM0206", message, alias.span)
        else:
            space.aliases[alias.text] = target


def _refer(names: Names, known: Namespace, required: Required, problems: Problems) -> None:
    space = names.namespace
    excluded = {name.text for name in required.exclude}
    if required.refer_all:
        for public in known.publics():
            if public not in excluded:
                here = required.rename.get(public, public)
                space.refers[here] = f"{known.name}/{public}"
                if known.library:
                    space.lent[here] = None
    for name in required.refer:
        _refer_one(names, known, name, required.rename.get(name.text, name.text), problems)


def _refer_one(names: Names, known: Namespace, name: Name, here: str, problems: Problems) -> None:
    var = known.find(name.text)
    if var is None and not (known.name == CORE and names.is_expander(name.text)):
        guess = offer_for_missing(names.environment, known, name.text)
        problems.report(
            "FM0207",
            f"{known.name} does not define `{name.text}`",
            name.span,
            help=() if guess is None else (guess,),
        )
        names.ignore(here)
        return
    if var is not None and var.private:
        labels = () if var.span is None else (Label(var.span, "defined here", primary=False),)
        problems.report("FM0104", f"`{var.name}` is private", name.span, labels=labels)
    full = f"{known.name}/{name.text}"
    taken = names.namespace.refers.setdefault(here, full)
    if taken != full:
        problems.report("FM0206", f"`{here}` already means {taken}", name.span)


def offer_for_missing(environment: Environment, space: Namespace, name: str) -> str | None:
    """Return what to write for a name that ``space`` has not."""
    core = environment.var(f"{CORE}/{name}")
    if core is not None and not core.private:
        return f"`{name}` is in {CORE}: write it without an alias and without :refer"
    return did_you_mean(name, space.publics()) or MISSING_NAMES.get(name)


def _refer_core(names: Names, core: Required) -> None:
    space = names.namespace
    space.hidden_core = frozenset(name.text for name in core.exclude) | frozenset(core.rename)
    if core.refer:
        space.only_core = frozenset(name.text for name in core.refer)
    for old, new in core.rename.items():
        space.refers[new] = f"{CORE}/{old}"


def not_found(environment: Environment, name: str, span: Span) -> CompileError:
    """Return the error for a namespace that nobody can load."""
    guess = did_you_mean(name, environment.names())
    return CompileError("FM0203", f"there is no namespace `{name}`", span, hint=guess)
