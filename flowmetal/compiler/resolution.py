"""From a symbol to what it names: a var, a macro of the compiler, or nothing.

An unqualified name is looked for in the namespace itself, in what it refers,
then in flow.core; a qualified one through the aliases. ``clojure.x`` is another
name for ``flow.x``. ``Names`` also answers the reader, which qualifies symbols
inside of syntax quotes and keywords such as ``::alias/name``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from flowmetal.bytecode.code import DefinitionKind
from flowmetal.compiler.environment import Environment, Namespace, VarInfo
from flowmetal.compiler.foreigners import CLASSES_OF_EVERYTHING, is_class_name, without_package
from flowmetal.compiler.forms import CORE
from flowmetal.compiler.host_names import FUNCTIONS
from flowmetal.compiler.statics import STATICS
from flowmetal.ids import flow_name
from flowmetal.source import Source, Span
from flowmetal.values import Symbol, Value
from flowmetal.values.classes import class_named

# fmt: off
SPECIAL_FORMS = frozenset({
    "def", "if", "do", "let*", "loop*", "recur", "fn*", "letfn*", "quote", "var", "try", "catch", "catch*",
    "finally", "throw", "case*", "match*", "no-match*", "set!", "perform", "binding*", "new", ".", "&", "defnative", "defforeign",
})
"""Names that no syntax quote qualifies and that nothing can shadow at the head of a list."""
# fmt: on


class Expander:
    """A macro that the compiler itself provides, found under its name in flow.core."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def is_private(self) -> bool:
        """Say whether only macros of the library expand to it, and know what it takes."""
        return self.name.startswith("-")


class FormNames(Protocol):
    """What a reader asks while it reads the forms of a source; answers may change in between."""

    def resolve_alias(self, alias: str | None) -> str | None:
        """Return the namespace that an alias stands for; the current one for None."""

    def resolve_symbol(self, symbol: Symbol) -> Symbol:
        """Qualify a symbol inside a syntax quote."""


class FormReader(Protocol):
    """Reads a source form by form. Raises ReadError; passed in from above, as is the machine."""

    def __call__(self, source: Source, names: FormNames) -> Iterator[tuple[Value, Span]]:
        """Yield each top-level form and its place; the next is read when it is asked for."""


class Names:
    """Resolves symbols as seen from the current namespace."""

    def __init__(
        self, environment: Environment, namespace: Namespace, expanders: frozenset[str]
    ) -> None:
        self.environment = environment
        self.namespace = namespace
        self._expanders = expanders
        self._broken: set[str] = set()
        self._hidden: tuple[str, dict[str, Namespace]] | None = None  # by a fresh namespace

    def ignore(self, name: str) -> None:
        """Say nothing about an alias or a name whose namespace has errors of its own."""
        self._broken.add(name)

    def enter(self, name: str, library: bool, *, fresh: bool) -> None:
        """Go to another namespace; a ``fresh`` one has none of the names it may have had.

        A source is in ``user`` until it says where it is: what was known of that is known again then.
        """
        if fresh:
            if self._hidden is not None:
                self.environment.restore_one(*self._hidden)
            before = self.environment.namespace(name)
            self._hidden = (name, {} if before is None else {name: before})
            self.environment.remove(name)
        self.namespace = self.environment.open(name, library)
        self.namespace.complete = not fresh

    # -- for the reader ------------------------------------------------------------------

    def resolve_alias(self, alias: str | None) -> str | None:
        if alias is None:
            return self.namespace.name
        return self.namespace_of(alias)

    def resolve_symbol(self, symbol: Symbol) -> Symbol:
        text = symbol.text
        if text in SPECIAL_FORMS or text.startswith(".") or text.endswith("."):
            return symbol
        if text in CLASSES_OF_EVERYTHING or is_class_name(text):
            return symbol
        found = self.find(symbol)
        if isinstance(found, VarInfo):
            return _qualified(found.name, symbol)
        if isinstance(found, Expander):
            return Symbol(CORE, found.name, symbol.meta, symbol.span)
        if class_named(text) is not None:
            return symbol
        if symbol.ns is not None:
            space = self.namespace_of(symbol.ns)
            return Symbol(space or symbol.ns, symbol.name, symbol.meta, symbol.span)
        if "." in symbol.name:
            return symbol  # the name of a namespace or of a class, as in Clojure
        return Symbol(self.namespace.name, symbol.name, symbol.meta, symbol.span)

    # -- for the analyser ----------------------------------------------------------------

    def namespace_of(self, qualifier: str) -> str | None:
        """Return the name of the namespace behind an alias or a full name, None if unknown."""
        alias = self.namespace.aliases.get(qualifier)
        if alias is not None:
            return alias
        for name in (qualifier, flow_name(qualifier)):
            if name == self.namespace.name or self.environment.namespace(name) is not None:
                return name
        # Before the library is there, the compiler's own macros are still at hand.
        return CORE if flow_name(qualifier) == CORE else None

    def find(self, symbol: Symbol) -> VarInfo | Expander | None:
        """Return what the symbol names, not looking at locals and special forms."""
        if self._broken and (symbol.ns or symbol.name) in self._broken:
            return VarInfo(
                f"{symbol.ns or '?'}/{symbol.name}", DefinitionKind.DECLARED, broken=True
            )
        if symbol.ns is None:
            return self._find_plain(symbol.name)
        space = self.namespace_of(symbol.ns)
        if space is None or self.environment.namespace(space) is None:
            member = f"{without_package(symbol.ns)}/{symbol.name}"
            full = STATICS.get(member) or FUNCTIONS.get(member)
            if full is not None:
                return self.environment.var(full)
        if space is None:
            return None
        found = self.environment.var(f"{space}/{symbol.name}")
        if found is None and space == CORE:
            return self._expander(symbol.name)
        return found

    def _find_plain(self, name: str) -> VarInfo | Expander | None:
        found = self.namespace.find(name)
        if found is not None:
            return found
        full = self.namespace.refers.get(name)
        if full is not None:
            space, _, plain = full.partition("/")
            return self.environment.var(full) or (self._expander(plain) if space == CORE else None)
        if not self.namespace.shows_core(name):
            return None
        core = self.environment.core()
        found = None if core is None else core.find(name)
        if found is not None and not found.private:
            return found
        return self._expander(name)

    def is_expander(self, name: str) -> bool:
        return name in self._expanders

    def _expander(self, name: str) -> Expander | None:
        return Expander(name) if name in self._expanders else None

    def names_in_sight(self) -> Iterator[str]:
        """Yield every unqualified name that would resolve, nearest first."""
        yield from self.namespace.names()
        yield from self.namespace.refers
        core = self.environment.core()
        visible: Callable[[str], bool] = self.namespace.shows_core
        if core is not None:
            yield from filter(visible, core.publics())
        yield from filter(visible, sorted(self._expanders))


def _qualified(full_name: str, symbol: Symbol) -> Symbol:
    namespace, _, name = full_name.partition("/")
    return Symbol(namespace, name, symbol.meta, symbol.span)
