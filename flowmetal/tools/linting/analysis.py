"""A compiled source, looked at again: what was written, and the tree that the compiler made of it.

The compiler has accepted the source, so every name is known. Each top-level
form is analysed once more, as the compiler does it, with somebody watching:
calls are noted as they were written, before their macros are expanded, with
what their heads mean at that place; the tree says what became of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from flowmetal.bytecode.code import Module
from flowmetal.compiler.analyser import SPECIALS, macro_at, visit
from flowmetal.compiler.clauses import NamespaceForm, parse_ns
from flowmetal.compiler.context import Ask, Context, Unit, Walk
from flowmetal.compiler.definitions import DefForm, parse_def
from flowmetal.compiler.environment import Environment, Namespace, VarInfo, local_value
from flowmetal.compiler.expanders import EXPANDERS
from flowmetal.compiler.forms import CORE, Syntax, children, flag, is_sequence, is_symbol
from flowmetal.compiler.macroexpansion import expand
from flowmetal.compiler.nodes import Binding, Node
from flowmetal.compiler.options import CompileOptions
from flowmetal.compiler.problems import Problems
from flowmetal.compiler.resolution import Expander, Names
from flowmetal.compiler.trampoline import answer
from flowmetal.embed.reading import read
from flowmetal.embed.session import Session
from flowmetal.errors import CompileError
from flowmetal.reader.positions import Positions
from flowmetal.source import Source, Span
from flowmetal.values import List, Symbol, Value, keyword

_NAMESPACE_FORMS = frozenset(
    {"ns", "in-ns", "require", "use", "import", "alias", "refer", "refer-clojure", "refer-flow"}
)
_WITHOUT_TREE = frozenset({"defnative", "defforeign"})


@dataclass(frozen=True, slots=True)
class Written:
    """A call as it stands in the source.

    ``name`` is what its head means: the full name of a var or a macro, the
    bare one of a special form, "" for a local or any other form. ``depth``
    counts the functions around it. ``literal``: it is the body of a ``#()``.
    """

    name: str
    items: tuple[Syntax, ...]
    span: Span
    depth: int
    literal: bool

    @property
    def arguments(self) -> tuple[Syntax, ...]:
        return self.items[1:]


@dataclass(frozen=True, slots=True)
class Header:
    """The ``ns`` form and where it stands."""

    form: NamespaceForm
    span: Span


@dataclass(slots=True)
class TopForm:
    """A top-level form: its calls in the order of the text, and its trees.

    A tree comes with what it gives a value to, None for an expression.
    """

    span: Span
    calls: dict[Span, Written] = field(default_factory=dict)
    trees: list[tuple[DefForm | None, Node]] = field(default_factory=list)
    uses: dict[Binding, int] = field(default_factory=dict)


class _NamesInOrder(Names):
    """Names as they are at each form: a definition does not hide a name of flow.core before it is made.

    ``later`` has the names of such definitions that are still to come.
    """

    def __init__(self, environment: Environment, namespace: Namespace) -> None:
        super().__init__(environment, namespace, frozenset(EXPANDERS))
        self.later = set() if namespace.name == CORE else set(namespace.names())

    def find(self, symbol: Symbol) -> VarInfo | Expander | None:
        if symbol.ns is None and symbol.name in self.later:
            found = super().find(Symbol(CORE, symbol.name))
            hidden = isinstance(found, VarInfo) and found.private
            if found is not None and not hidden and self.namespace.shows_core(symbol.name):
                return found
        return super().find(symbol)


class Analysis:
    """One source of a compiled program."""

    def __init__(self, session: Session, module: Module, source: Source) -> None:
        self.module = module
        self.source = source
        self.positions = Positions(source)
        self.environment = session.environment
        self.header: Header | None = None
        space = session.environment.namespace(module.name)
        assert space is not None
        self.names = _NamesInOrder(session.environment, space)
        self._machine = session.machine
        self.effects: dict[str, tuple[str, ...]] = {}
        self.sealed: set[str] = set()
        for each in (*session.library, *session.loader.modules):
            for definition in each.definitions:
                meta = definition.meta
                kinds = () if meta is None else tuple(meta.get(keyword("effects")) or ())
                if kinds:
                    self.effects[definition.name] = kinds
                if flag(meta, "sealed"):
                    self.sealed.add(definition.name)
        self.forms = list(self._forms())

    def text_at(self, span: Span) -> str:
        """Return what stands at a place of this source, "" for another one's."""
        return self.positions.slice(span) if span.path == self.source.path else ""

    def is_core(self, name: str) -> bool:
        """Say whether an unqualified name would mean something in flow.core."""
        core = self.environment.core()
        found = None if core is None else core.find(name)
        return (found is not None and not found.private) or self.names.is_expander(name)

    def deprecated(self, name: str) -> Value:
        """Return what a var says of being deprecated, None if it says nothing."""
        var = self.environment.var(name) if "/" in name else None
        return None if var is None else local_value(var.meta, "deprecated")

    # -- going through -------------------------------------------------------------------

    def _forms(self) -> Iterator[TopForm]:
        for form, span in read(self.source, self.names):
            top = TopForm(span)
            context = Context(
                self.names, self._machine, Problems(), CompileOptions(), Unit("top level")
            )
            waiting = [Ask(form, span)]
            while waiting:
                ask = waiting.pop()
                try:
                    waiting.extend(reversed(self._form(context, top, ask)))
                except CompileError:
                    continue  # what only compiles in its order is not looked at
            yield top

    def _form(self, context: Context, top: TopForm, ask: Ask) -> list[Ask]:
        """Look at a form, or return the forms that stand for it."""
        self._watch(context, top, ask)
        if not is_sequence(ask.form) or next(iter(ask.form), None) is None:
            self._tree(context, top, ask, None)
            return []
        macro = macro_at(context, ask)
        items = children(ask.form, ask.span)
        head = items[0].form.text if is_symbol(items[0].form) else ""
        if isinstance(macro, Expander) and macro.name in _NAMESPACE_FORMS:
            if macro.name == "ns":
                self._enter(parse_ns(items, ask.span, Problems()), ask.span)
            return []
        if macro is not None:
            return [expand(context, ask, macro)]
        if head == "do":
            return [ask.value(item) for item in items[1:]]
        if head == "def":
            form = parse_def(context, items, ask.span)
            self.names.later.discard(form.local_name)
            if form.value is not None:
                self._tree(context, top, ask.value(form.value)._replace(name=form.name), form)
        elif head not in _WITHOUT_TREE:
            self._tree(context, top, ask, None)
        return []

    def _enter(self, form: NamespaceForm, span: Span) -> None:
        """Note the ``ns`` form; a compiled module does not say any more what it hides of flow.core."""
        self.header = Header(form, span)
        if form.core is not None:
            space = self.names.namespace
            hidden = {name.text for name in form.core.exclude}
            space.hidden_core = frozenset(hidden | form.core.rename.keys())
            if form.core.refer:
                space.only_core = frozenset(name.text for name in form.core.refer)

    def _tree(self, context: Context, top: TopForm, ask: Ask, defined: DefForm | None) -> None:
        def ask_for(request: Ask) -> Node | Walk:
            self._watch(context, top, request)
            return visit(context, request)

        context.unit.begin("top level" if defined is None else defined.name)
        context.scope.enter_function()
        try:
            node = answer(ask_for, ask)
        finally:
            context.scope.leave_function()
        top.trees.append((defined, node))
        top.uses.update(context.scope.uses)

    def _watch(self, context: Context, top: TopForm, ask: Ask) -> None:
        """Note a call, if it is one that somebody wrote."""
        form = ask.form
        if ask.made or not isinstance(form, List) or form.span is None or form.count == 0:
            return
        span: Span = form.span
        text = self.text_at(span)
        if not text.startswith(("(", "#(")) or not _inside(span, top.span):
            return
        known = top.calls.get(span)
        if known is not None and known.name != "fn*":
            return
        items = tuple(children(form, span))
        head = items[0].form
        name = self._meaning(context, head) if isinstance(head, Symbol) else ""
        top.calls[span] = Written(name, items, span, context.scope.depth, text[0] == "#")

    def _meaning(self, context: Context, head: Symbol) -> str:
        if head.ns is None:
            if head.name in SPECIALS or head.name in _WITHOUT_TREE:
                return str(head.name)
            if context.scope.find(head.name) is not None:
                return ""
        found = context.names.find(head)
        if isinstance(found, Expander):
            return f"{CORE}/{found.name}"
        return "" if found is None else found.name


def _inside(span: Span, outer: Span) -> bool:
    return (
        span.path == outer.path
        and (outer.line, outer.col) <= (span.line, span.col)
        and (span.end_line, span.end_col) <= (outer.end_line, outer.end_col)
    )
