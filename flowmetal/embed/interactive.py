"""A conversation with the language: text is read, compiled and evaluated form by form.

What a REPL stands on, without a terminal: a namespace that is current, a
machine whose effects are performed (live.py), what can be asked about names
(lookup.py), and the texts that errors point into. One evaluation at a time;
``interrupt`` may come from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from flowmetal.bytecode.code import DefinitionKind
from flowmetal.compiler.compile import USER, compile_module, compile_more
from flowmetal.compiler.environment import Environment, Namespace, VarInfo
from flowmetal.compiler.expanders import EXPANDERS
from flowmetal.compiler.forms import span_of
from flowmetal.compiler.loader import Loader
from flowmetal.compiler.options import CompileOptions
from flowmetal.compiler.resolution import Expander, Names
from flowmetal.compiler.top_level import NAMESPACE_FORMS
from flowmetal.embed.asking import Look
from flowmetal.embed.asking_runs import RunConnector
from flowmetal.embed.evaluating import EvaluatingMachine
from flowmetal.embed.library import library
from flowmetal.embed.live import LiveMachine
from flowmetal.embed.loading import LoadConnector, error_value
from flowmetal.embed.looking import LookingMachine
from flowmetal.embed.lookup import Lookup
from flowmetal.embed.natives import natives
from flowmetal.embed.reading import read
from flowmetal.embed.unkept import Interrupted
from flowmetal.embed.views import diagnostic_of
from flowmetal.embed.world import LonelyWorld
from flowmetal.errors import Diagnostic, FlowmetalError, Incomplete, ReadError
from flowmetal.reader import ReadOptions, read_all, read_forms
from flowmetal.runtime.grants import RunGrants
from flowmetal.runtime.observer import Observer
from flowmetal.source import Source, Span
from flowmetal.values import (
    ErrorValue,
    FlowError,
    List,
    Symbol,
    Value,
    VarRef,
    Vector,
    keyword,
    list_of,
    symbol,
    vector,
)
from flowmetal.vm.state import Native

REPL: Final = "flow.repl"
_PRELUDE = Path(__file__).parent / "repl.flow"
SHOWN_LENGTH: Final = 100
"""Items of a collection that are shown if ``*print-length*`` says nothing."""

_FORM: Final = "-form"
_DROPPED: Final = "... 1 frame dropped by tail calls"
_PROBLEM = keyword("problem")


__all__ = ["EvaluationError", "Interactive", "Interrupted", "is_incomplete"]


class EvaluationError(FlowmetalError):
    """An evaluation failed. ``error`` is what ``*e`` is afterwards."""

    exit_status = 1
    error: ErrorValue


class _ReplLoader:
    """What a file that the REPL loads is compiled with: forms of a file are evaluated sealed."""

    def __init__(self, machine: EvaluatingMachine) -> None:
        self.enter = machine.enter
        self.load = machine.load_sealed
        self.call = machine.call


class Interactive:
    """One conversation. See the module's docstring."""

    def __init__(
        self,
        observer: Observer,
        *,
        roots: Sequence[Path] = (),
        grants: RunGrants | None = None,
        functions: Sequence[Callable[..., Any]] = (),
        contracts: bool = True,
        look: Callable[[Mapping[str, Native], Environment], Look] | None = None,
    ) -> None:
        """``look`` makes the copy of a run that forms are to be evaluated in; effects are refused there."""
        self.namespace = USER
        self.environment = Environment()
        self.sources: dict[str, str] = {}
        self.lookup = Lookup(
            self.environment, self.names, self.texts, lambda: self.machine.locals()
        )
        self._roots = tuple(roots) or (Path(),)
        self._options = CompileOptions(contracts=contracts)
        self._inputs = 0
        self._held: dict[int, Value] = {}
        self._problems: dict[int, tuple[Diagnostic, ...]] = {}
        loading = LoadConnector(self)
        own = {native.name: native for native in (*self.lookup.natives(), *loading.natives())}
        self.machine: EvaluatingMachine
        if look is None:
            modules = library()
            for module in modules:
                self.environment.add(module)
            self.machine = live = LiveMachine(
                {**natives(), **own},
                modules,
                lambda: LonelyWorld(functions, [loading, RunConnector(lambda: live.host)]),
                grants or RunGrants(),
                observer,
            )
        else:
            self.machine = looking = LookingMachine(
                own, lambda natives: look(natives, self.environment), observer.wrote
            )
            self.namespace = looking.look.namespace
            for module in looking.look.program.modules:
                if module.source is not None:
                    self.sources[module.source.path] = module.source.text
        self._files = _ReplLoader(self.machine)
        self.loader = Loader(
            self._find,
            environment=self.environment,
            evaluator=self._files,
            read=read,
            options=self._options,
        )
        first = self.namespace
        self._load_prelude()
        self.enter(first)

    # -- evaluating ----------------------------------------------------------------------

    def evaluate(self, text: str, path: str | None = None) -> Iterator[str]:
        """Evaluate the forms of ``text`` one by one, and yield each value as it is printed.

        ``path`` is what the text is called in errors. Raises EvaluationError for
        the first form that fails, Interrupted if it was interrupted.
        """
        self.machine.heed_again()
        self._inputs += 1
        source = Source(path or f"<repl-{self._inputs}>", text)
        try:
            for value in self.values_of(source):
                self._remember(value)
                yield self._shown(value)
        except FlowError as error:
            raise self._failed(error.error, (diagnostic_of(error.error),)) from None
        except FlowmetalError as error:
            raise self._failed(error_value(error), error.diagnostics) from None

    def values_of(self, source: Source) -> Iterator[Value]:
        """Evaluate the forms of a source and yield their values.

        Raises FlowError, FlowmetalError, Interrupted.
        """
        self.sources[source.path] = source.text
        names = _CurrentNames(self)
        options = ReadOptions(
            resolve_alias=names.resolve_alias, resolve_symbol=names.resolve_symbol
        )
        for form, span in read_forms(source, options):
            try:
                value = self.value_of(form, span, source)
            except FlowError as error:
                raise FlowError(_placed(error.error, span)) from None
            yield value

    def value_of(self, form: Value, span: Span, source: Source) -> Value:
        """Evaluate one form. Raises FlowError, FlowmetalError, Interrupted."""
        values = self.machine.locals()
        if not values or self._stands_at_the_top(form):
            return self._value_of(form, span, source)
        if isinstance(form, List) and form.first == Symbol(None, "do"):
            last = None
            for each in form.rest:
                last = self.value_of(each, span_of(each, span), source)
            return last
        space = self.environment.open(self.namespace)
        known = {name: space.find(name) for name in space.names()}
        try:
            function = self._value_of(_with_locals(form, values), span, source)
        except FlowmetalError:  # nothing has run, so nothing is defined
            _restore(space, known)
            raise
        try:
            return self.machine.evaluate(function, tuple(values.values()))
        except FlowError as error:
            raise FlowError(_of_form(error.error)) from None

    def _stands_at_the_top(self, form: Value) -> bool:
        """Say whether a form stands at the top level only, as ``require`` does."""
        head = form.first if isinstance(form, List) and form.count else None
        found = self.names().find(head) if isinstance(head, Symbol) else None
        return isinstance(found, Expander) and found.name in NAMESPACE_FORMS

    def _value_of(self, form: Value, span: Span, source: Source) -> Value:
        self.machine.last = None
        reloaded = self._forget_reloaded(form)
        before = self.environment.state()
        space = self.environment.open(self.namespace)
        known = {name: space.find(name) for name in space.names()}
        try:
            addition = compile_more(
                source,
                namespace=self.namespace,
                environment=self.environment,
                evaluator=self.machine,
                read=lambda source, names: iter(((form, span),)),
                options=self._options,
                require=self.loader.require,
            )
        except BaseException:
            for name, old in reloaded.items():
                if self.environment.namespace(name) is None:
                    self.environment.restore_one(name, {**before, name: old})
            _mend(space, known)
            raise
        self.enter(self.machine.gone_to() or addition.namespace)
        last = addition.module.definitions[-1:]
        if last and last[0].kind is DefinitionKind.DECLARED:
            return VarRef(last[0].name)
        return self.machine.last

    def interrupt(self) -> bool:
        """Ask the evaluation to stop; see ``LiveMachine.interrupt``."""
        return self.machine.interrupt()

    def hold(self, value: Value) -> int:
        """Keep a value for which a number travels where only data may."""
        number = len(self._held) + 1
        self._held[number] = value
        return number

    def held(self, number: int) -> Value:
        """Give a value back; it is not kept any longer."""
        return self._held.pop(number, None)

    def hold_problem(self, diagnostics: tuple[Diagnostic, ...]) -> int:
        """Keep what an error of a nested evaluation looks like."""
        number = len(self._problems) + 1
        self._problems[number] = diagnostics
        return number

    # -- asking --------------------------------------------------------------------------

    def names(self) -> Names:
        """Return names as the current namespace sees them."""
        space = self.environment.open(self.namespace)
        return Names(self.environment, space, frozenset(EXPANDERS))

    def texts(self) -> Mapping[str, str]:
        """Return the texts that errors may point into, by path."""
        files = {m.source.path: m.source.text for m in self.loader.modules if m.source}
        return {**files, **self.sources}

    # -- inside --------------------------------------------------------------------------

    def _load_prelude(self) -> None:
        module = compile_module(
            [
                Source(f"flow/{path.name}", path.read_text("utf-8"))
                for path in (_PRELUDE, self.machine.prelude)
            ],
            environment=self.environment,
            evaluator=self._files,
            read=read,
            options=CompileOptions(library=True),
        )
        assert module.name == REPL
        bound = self.machine.bindings.values  # what ``set!`` may change
        bound[f"{REPL}/*shown-length*"] = SHOWN_LENGTH
        bound["flow.core/*print-length*"] = None
        bound["flow.core/*print-level*"] = None

    def enter(self, namespace: str) -> None:
        """Make a namespace current; the REPL's own names can be used in it."""
        self.namespace = namespace
        space = self.environment.open(namespace)
        space.complete = True  # other namespaces may require it
        self.machine.enter(self.environment, namespace)
        own, core = self.environment.open(REPL), self.environment.core()
        if space is not own:
            for name in own.publics():
                if not name.startswith("-") and not (core and core.find(name)):
                    space.lend(name, f"{REPL}/{name}")

    def _remember(self, value: Value) -> None:
        values = self.machine.globals
        values[f"{REPL}/*3"] = values[f"{REPL}/*2"]
        values[f"{REPL}/*2"] = values[f"{REPL}/*1"]
        values[f"{REPL}/*1"] = value

    def _shown(self, value: Value) -> str:
        shown = self.machine.evaluate(self.machine.globals[f"{REPL}/-shown"], (value,))
        assert isinstance(shown, str)
        return shown

    def _failed(self, error: ErrorValue, diagnostics: tuple[Diagnostic, ...]) -> EvaluationError:
        self.machine.globals[f"{REPL}/*e"] = error
        number = error.data.get(_PROBLEM)
        failed = EvaluationError.of(self._problems.get(number, diagnostics))
        assert isinstance(failed, EvaluationError)
        failed.error = error
        return failed

    def _forget_reloaded(self, form: Value) -> dict[str, Any]:
        """Forget the namespaces that ``(require 'x :reload)`` names, so that they are compiled again."""
        if not isinstance(form, List) or form.first != Symbol(None, "require"):
            return {}
        words = list(form)[1:]
        if keyword("reload") not in words and keyword("reload-all") not in words:
            return {}
        forgotten = {}
        for word in words:
            name = _required_name(word)
            space = None if name is None else self.environment.namespace(name)
            if name is not None and space is not None and not space.library:
                forgotten[name] = space
                self.environment.remove(name)
        return forgotten

    def _find(self, path: str) -> Source | None:
        from flowmetal.embed.files import find_source

        return find_source(self._roots, path)


class _CurrentNames:
    """Names of whatever namespace is current when the reader asks."""

    def __init__(self, interactive: Interactive) -> None:
        self._interactive = interactive

    def resolve_alias(self, alias: str | None) -> str | None:
        return self._interactive.names().resolve_alias(alias)

    def resolve_symbol(self, symbol: Symbol) -> Symbol:
        return self._interactive.names().resolve_symbol(symbol)


def _placed(error: ErrorValue, span: Span) -> ErrorValue:
    """Return the error with the form that was evaluated in its trace.

    A call in tail position has taken the place of the form's own frame.
    """
    frames = error.frames
    if any(place is not None and place.path == span.path for _, place in frames):
        return error
    if frames and frames[-1][0] == _DROPPED:
        frames = frames[:-1]
    return error.with_frames((*frames, ("top level", span)))


def _with_locals(form: Value, values: Mapping[str, Value]) -> Value:
    """Return a function of the locals that a form can use, with the form as its body."""
    return list_of([symbol("fn*"), symbol(_FORM), vector(map(symbol, values)), form])


def _of_form(error: ErrorValue) -> ErrorValue:
    """Return the error with the form in its trace, which the user has not written as a function."""
    named = (("top level" if name.endswith(f"/{_FORM}") else name, at) for name, at in error.frames)
    return error.with_frames(tuple(named))


def _restore(space: Namespace, known: Mapping[str, VarInfo | None]) -> None:
    """Undo all that a form has defined."""
    for name in list(space.names()):
        old = known.get(name)
        if space.find(name) is not old:
            space.forget(name)
            if old is not None:
                space.define(old)


def _mend(space: Namespace, known: Mapping[str, VarInfo | None]) -> None:
    """Undo definitions that did not compile: the ones before count, or the name is unknown."""
    for name in list(space.names()):
        var = space.find(name)
        if var is not None and var.broken:
            old = known.get(name)
            space.forget(name)
            if old is not None:
                space.define(old)


def is_incomplete(text: str) -> bool:
    """Say whether more text could complete what is a proper beginning so far."""
    try:
        read_all(Source("<repl>", text), ReadOptions(resolve_alias=lambda alias: alias or USER))
    except Incomplete:
        return True
    except ReadError:
        return False
    return False


def _required_name(word: Value) -> str | None:
    """Return the namespace of ``'x`` or ``'[x :as y]``."""
    if not isinstance(word, List) or word.count != 2 or word.first != Symbol(None, "quote"):
        return None
    spec = word.rest.first
    name = next(iter(spec), None) if isinstance(spec, (List, Vector)) else spec
    return name.text if isinstance(name, Symbol) else None
