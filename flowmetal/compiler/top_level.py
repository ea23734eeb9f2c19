"""Top-level forms, in turn: each is compiled, recorded, and loaded before the next is read.

``do`` at the top level is as if its forms stood there; a macro call is expanded
before it is looked at again. A form with an error is left out and compiling
goes on; what it would have defined is known to be broken, so that one mistake
is reported once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flowmetal.bytecode.code import SCRIPT_VALUE, DeclaredKind, Definition, DefinitionKind
from flowmetal.bytecode.code import Function as FunctionCode
from flowmetal.compiler.analyser import analyse, macro_at
from flowmetal.compiler.beginning import (
    FOREIGN_MAIN,
    has_expression,
    has_main,
    is_script,
    main_of_script,
    mentions_main,
    standing_for_main,
)
from flowmetal.compiler.clauses import parse_import, parse_ns, parse_spec
from flowmetal.compiler.context import Ask, Context, Unit
from flowmetal.compiler.definitions import DefForm, parse_def
from flowmetal.compiler.emit_functions import emit_function
from flowmetal.compiler.environment import VarInfo, info_of
from flowmetal.compiler.evaluator import EvaluationFailed, Evaluator
from flowmetal.compiler.expanders import EXPANDERS
from flowmetal.compiler.foreign_forms import foreign_function, native_definition
from flowmetal.compiler.forms import Syntax, children, flag, is_sequence, is_symbol, keyword_text
from flowmetal.compiler.macroexpansion import RunFailed, expand, failed
from flowmetal.compiler.nodes import Arity, Constant, Function, Node, Target
from flowmetal.compiler.options import CompileOptions
from flowmetal.compiler.problems import Problems
from flowmetal.compiler.requiring import Require, apply_import, apply_ns, apply_required
from flowmetal.compiler.resolution import Expander, Names
from flowmetal.compiler.scopes import Scope
from flowmetal.errors import CompileError
from flowmetal.ids import COMPILER_MACROS, CodeHash
from flowmetal.source import Span
from flowmetal.values import Map, Symbol, Value, hash_map, is_endless, keyword, vector

REFUSED = "FM0313"
"""The code of an effect where there can be none."""

_NO_EFFECTS = (
    "top-level forms run when a run starts and have no effects: "
    "put this into a function, such as `(defn main [] ...)`, which the run then calls"
)

TOP_LEVEL = "top level"
"""The name of the function that a bare expression becomes."""


class TopLevel:
    """Compiles the forms of one namespace. ``definitions`` and ``functions`` grow as it goes."""

    def __init__(
        self,
        names: Names,
        evaluator: Evaluator,
        options: CompileOptions,
        require: Require,
        problems: Problems,
        *,
        switching: bool = False,
        begins: bool = False,
    ) -> None:
        self.names = names
        self.problems = problems
        self.definitions: list[Definition] = []
        self.functions: dict[CodeHash, FunctionCode] = {}
        self.kinds: dict[str, DeclaredKind] = {}
        self.doings: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self._evaluator = evaluator
        self._options = options
        self._require = require
        self._switching = switching
        self._named = False
        self._begins = begins
        self._value: Definition | None = None
        self._calls_main = False
        self._left_to_run: list[CompileError] = []

    def compile(self, form: Value, span: Span) -> None:
        """Compile one form of the source."""
        context = Context(
            self.names, self._evaluator, self.problems, self._options, Unit(TOP_LEVEL)
        )
        waiting = [Ask(form, span)]
        while waiting:
            ask = waiting.pop()
            context.scope = Scope()  # a mistake in the form before leaves its local names in force
            self._evaluator.enter(self.names.environment, self.names.namespace.name)
            try:
                waiting.extend(reversed(self._form(context, ask)))
            except CompileError as error:
                self._failed(ask, error)

    def complete(self, end: Span) -> None:
        """Give the namespace that a program begins with a ``main``, if it has none.

        In a script a form that fails is no mistake of the compiler's to report: its
        run will come to it, after all that was printed before.
        """
        space = self.names.namespace.name
        if self._calls_main or not has_main(space, self.definitions):
            if self._value is not None:
                self.definitions.append(self._value)
            if not has_expression(self.definitions):
                self._report_failures()
            if not is_script(self.definitions):
                return
            form = main_of_script(space, self.definitions)
            self._know_script_value(space)
            self.compile(form, end)
            return
        self._report_failures()
        made = standing_for_main(space, self.definitions)
        if isinstance(made, Definition):
            self.names.namespace.define(info_of(made))
            self.doings[made.name] = self.doings[f"{space}/{FOREIGN_MAIN}"]
            self.definitions.append(made)
        elif made is not None:
            self.compile(made, end)

    def _report_failures(self) -> None:
        for failure in self._left_to_run:
            self.problems.add(failure)

    def _know_script_value(self, space: str) -> None:
        for definition in self.definitions:
            if definition.name == f"{space}/{SCRIPT_VALUE}":
                self.names.namespace.define(info_of(definition))

    def _form(self, context: Context, ask: Ask) -> list[Ask]:
        """Compile a form, or return the forms that stand for it."""
        if not is_sequence(ask.form) or is_endless(ask.form) or next(iter(ask.form), None) is None:
            self._expression(context, ask)
            return []
        macro = macro_at(context, ask)
        items = children(ask.form, ask.span)
        if isinstance(macro, Expander) and macro.name in NAMESPACE_FORMS:
            self._namespace_form(macro.name, items, ask.span)
            return []
        if macro is not None:
            return [expand(context, ask, macro)]
        head = items[0].form.text if is_symbol(items[0].form) else ""
        if head == "do":
            return [ask.value(item) for item in items[1:]]
        if head == "def":
            self._define(context, ask, items)
        elif head == "defnative":
            definition, functions = native_definition(context, items, ask.span)
            self.names.namespace.define(info_of(definition))
            self._load(definition, functions, ask.span)
        elif head == "defforeign":
            kind, function = foreign_function(context, items, ask.span)
            self.kinds[kind.kind] = kind
            self.names.namespace.kinds[kind.kind] = kind.options
            return [ask._replace(form=function.form)]
        else:
            self._expression(context, ask)
        return []

    # -- definitions ---------------------------------------------------------------------

    def _define(self, context: Context, ask: Ask, items: list[Syntax]) -> None:
        form = parse_def(context, items, ask.span)
        context.unit.begin(form.name)
        space = self.names.namespace
        known = space.find(form.local_name)
        value = form.value
        if value is None:
            if known is None or form.meta is not None:
                self._declare(form)
            return
        form = form.after(known)
        # The name is known in its own definition, though not yet how it may be called.
        space.define(VarInfo(form.name, DefinitionKind.DECLARED, form.meta, form.span))
        before = self.problems.count
        context.scope.enter_function()
        node = analyse(context, ask.value(value)._replace(name=form.name))
        context.scope.leave_function()
        if self.problems.count != before:
            self._break(form.local_name, form.meta)
            return
        self._declare_inner(context)
        definition, functions = _definition(context, form, node, self.functions)
        self.doings[form.name] = (frozenset(context.unit.performs), frozenset(context.unit.calls))
        space.define(info_of(definition))
        self._load(definition, functions, form.span)

    def _declare(self, form: DefForm) -> None:
        made = Definition(form.name, DefinitionKind.DECLARED, None, None, form.meta, form.span)
        self.names.namespace.define(info_of(made))
        self.definitions.append(made)

    def _declare_inner(self, context: Context) -> None:
        """Record vars that code inside of the form defines when it runs."""
        for name, syntax, meta in context.unit.defines:
            made = Definition(name, DefinitionKind.DECLARED, None, None, meta, syntax.span)
            self.definitions.append(made)

    def _expression(self, context: Context, ask: Ask) -> None:
        context.unit.begin(TOP_LEVEL)
        before = self.problems.count
        context.scope.enter_function()
        node = analyse(context, ask)
        context.scope.leave_function()
        if self.problems.count != before:
            self._break_defined(ask)
            return
        self._value = None
        if isinstance(node, Constant) and not self._switching and not self._begins:
            return
        self._calls_main = self._calls_main or mentions_main(ask.form)
        thunk = _thunk(node, TOP_LEVEL)
        function, functions = emit_function(thunk, context.scope.uses, self.functions)
        made = Definition("", DefinitionKind.EXPRESSION, function.hash, None, None, ask.span)
        if isinstance(node, Constant) and not self._switching:
            # It does nothing, and is kept only as the value of a script.
            self._value = made
            self.functions.update(functions)
            return
        self._declare_inner(context)
        self._load(made, functions, ask.span)

    def _load(
        self, definition: Definition, functions: Mapping[CodeHash, FunctionCode], span: Span
    ) -> None:
        """Record a definition and let the machine know it."""
        self.definitions.append(definition)
        self.functions.update(functions)
        try:
            self._evaluator.load(definition, functions)
        except EvaluationFailed as failure:
            what = f"`{definition.name}` has no value" if definition.name else "this form failed"
            error = failed(failure, what, "FM0121", span)
            if failure.error.code == REFUSED:
                error.with_help(_NO_EFFECTS)
            elif self._begins:
                self._left_to_run.append(error)
                return
            raise error from None

    # -- errors --------------------------------------------------------------------------

    def _failed(self, ask: Ask, error: CompileError) -> None:
        # What a macro makes of definitions that are broken says nothing new.
        if not isinstance(error, RunFailed) or not self.problems:
            self.problems.add(error)
        self._break_defined(ask)

    def _break_defined(self, ask: Ask) -> None:
        """Let nothing more be said of what a form seems to define: the name after ``def...``."""
        items = iter(ask.form) if is_sequence(ask.form) else iter(())
        head, name = next(items, None), next(items, None)
        if not (isinstance(head, Symbol) and isinstance(name, Symbol)):
            return
        if head.name.startswith("def"):
            known = self.names.namespace.find(name.name)
            is_macro = head.name == "defmacro" or (known is not None and known.macro)
            self._break(name.name, hash_map([(keyword("macro"), True)]) if is_macro else None)

    def _break(self, name: str, meta: Map | None) -> None:
        space = self.names.namespace
        space.define(
            VarInfo(f"{space.name}/{name}", DefinitionKind.DECLARED, meta, None, broken=True)
        )

    # -- namespaces ----------------------------------------------------------------------

    def _namespace_form(self, what: str, items: list[Syntax], span: Span) -> None:
        if what == "ns":
            form = parse_ns(items, span, self.problems)
            self._enter(form.name.text, form.name.span)
            apply_ns(self.names, form, self._require, self.problems)
            return
        if what == "in-ns":
            name = _quoted(items[1]) if len(items) == 2 else None
            if name is None or not is_symbol(name.form):
                raise CompileError("FM0201", "`in-ns` needs a quoted name", span)
            self._enter(name.form.text, name.span)
            return
        if what == "import":
            for item in items[1:]:
                for imported in parse_import(_quoted(item) or item):
                    apply_import(self.names, imported, self.problems)
            return
        if what in ("alias", "refer"):
            self._refer(what, [_quoted(item) or item for item in items], span)
            return
        for item in items[1:]:
            spec = _quoted(item) or item
            if keyword_text(spec.form) in _FLAGS:
                continue
            for required in parse_spec(spec, use=what == "use"):
                apply_required(self.names, required, self._require, self.problems)

    def _refer(self, what: str, items: list[Syntax], span: Span) -> None:
        """Do what ``(alias 'short 'namespace)`` or ``(refer 'namespace :only '[name])`` says."""
        if what == "alias":
            if len(items) != 3 or not all(is_symbol(item.form) for item in items[1:]):
                raise CompileError("FM0201", "`alias` needs two quoted names", span)
            alias, name = items[1:]
            spec = vector((name.form, keyword("as"), alias.form))
        else:
            if len(items) < 2 or not is_symbol(items[1].form):
                raise CompileError("FM0201", "`refer` needs the quoted name of a namespace", span)
            spec = vector(item.form for item in items[1:])
        for required in parse_spec(Syntax(spec, span), use=what == "refer"):
            apply_required(self.names, required, self._require, self.problems)

    def _enter(self, name: str, span: Span) -> None:
        """Make ``name`` the current namespace."""
        if "/" in name:  # which parts a namespace from a name in it
            raise CompileError("FM0201", f"a namespace cannot be called `{name}`", span)
        current = self.names.namespace
        if name == current.name and (self._named or self._switching):
            return
        if not self._switching and (self._named or self.definitions):
            raise CompileError(
                "FM0208",
                f"this source is namespace {current.name} already",
                span,
                hint="put one namespace into each file, its `ns` form first",
            )
        self._named = True
        self.names.enter(name, self._options.library, fresh=not self._switching)


_FLAGS = frozenset(("reload", "reload-all", "verbose"))
"""What `require` may be told besides: a program is compiled as a whole each time."""

NAMESPACE_FORMS = COMPILER_MACROS & frozenset(
    ("ns", "in-ns", "require", "use", "import", "alias", "refer", "refer-clojure", "refer-flow")
)
assert set(EXPANDERS) >= NAMESPACE_FORMS


def _definition(
    context: Context, form: DefForm, node: Node, known: Mapping[CodeHash, FunctionCode]
) -> tuple[Definition, dict[CodeHash, FunctionCode]]:
    """Make the definition of a var: a function, a constant, or something to be computed."""
    if isinstance(node, Constant):
        made = Definition(
            form.name, DefinitionKind.CONSTANT, None, node.value, form.meta, form.span
        )
        return made, {}
    if isinstance(node, Function) and not node.captures:
        if flag(form.meta, "sealed"):
            node = replace(node, sealed=True)
        kind = DefinitionKind.FUNCTION
    else:
        node, kind = _thunk(node, form.name), DefinitionKind.INITIALISER
    function, functions = emit_function(node, context.scope.uses, known)
    return Definition(form.name, kind, function.hash, None, form.meta, form.span), functions


def _thunk(node: Node, name: str) -> Function:
    """Make a function of no arguments whose value is ``node``."""
    arity = Arity(node.span, Target((), "function"), False, node)
    return Function(node.span, name, (), (arity,), 1)


def _quoted(item: Syntax) -> Syntax | None:
    if not is_sequence(item.form):
        return None
    parts = children(*item)
    return parts[1] if len(parts) == 2 and is_symbol(parts[0].form, "quote") else None
