"""One step of macro expansion: by the compiler's own expanders, or by the machine.

A macro of the language is called with ``&form``, ``&env`` and its arguments as
they were read. The machine behind the ``Evaluator`` is sealed and has a budget,
so the worst that a macro can do is to fail.
"""

from __future__ import annotations

from flowmetal.bytecode.arities import takes
from flowmetal.compiler.context import Ask, Context
from flowmetal.compiler.environment import VarInfo, arity_of
from flowmetal.compiler.evaluator import EvaluationFailed
from flowmetal.compiler.expanders import EXPANDERS
from flowmetal.compiler.expanders.call import MacroCall
from flowmetal.compiler.forms import CORE, children, span_of
from flowmetal.compiler.resolution import Expander
from flowmetal.errors import CompileError, Diagnostic, Label
from flowmetal.source import Span
from flowmetal.values import List, Value, Vector, hash_map, keyword

_LIBRARY = "flow."
_WRONG_FORM = keyword("macro/wrong-form")
_LINE = keyword("line")
_COLUMN = keyword("column")

MOST_EXPANSIONS = 1_000
"""Macro calls inside macro calls that no source text comes in between."""


def expand(context: Context, ask: Ask, macro: VarInfo | Expander) -> Ask:
    """Return the request for what a macro call stands for. Raises CompileError."""
    if ask.made >= MOST_EXPANSIONS:
        raise CompileError(
            "FM0122",
            "this macro call expands to macro calls without end",
            ask.span,
            label=f"stopped after {MOST_EXPANSIONS} expansions",
        )
    if isinstance(macro, Expander):
        call = MacroCall(context, ask.span, ask.form, children(ask.form, ask.span))
        made = EXPANDERS[macro.name](call)
        return ask._replace(form=made.form, span=span_of(made.form, ask.span), made=ask.made + 1)
    form = _call(context, ask, macro)
    return ask._replace(form=form, made=ask.made + 1)


def _call(context: Context, ask: Ask, macro: VarInfo) -> object:
    _, *arguments = children(ask.form, ask.span)
    _check_count(macro, len(arguments), ask.span)
    values = [
        _with_place(ask.form, ask.span),
        context.scope.environment(),
        *(argument.form for argument in arguments),
    ]
    try:
        return context.evaluator.call(macro.name, values)
    except EvaluationFailed as failure:
        error = failure.error
        if error.type is _WRONG_FORM and macro.name.startswith(_LIBRARY):
            # One of the library's own macros says what is wrong with its call: it stands alone.
            raise CompileError("FM0105", error.message or macro.name, ask.span) from None
        raise failed(failure, f"the macro `{macro.name}` failed", "FM0105", ask.span) from None


def _with_place(form: Value, span: Span) -> Value:
    """Return the ``&form`` of a macro: the call, whose metadata says where it stands."""
    if not isinstance(form, List):
        return form
    written = () if form.meta is None else form.meta.items()
    return form.with_meta(hash_map([(_LINE, span.line), (_COLUMN, span.col), *written]))


class RunFailed(CompileError):
    """What was compiled failed when the machine ran it, while compiling."""


def failed(failure: EvaluationFailed, what: str, code: str, span: Span) -> RunFailed:
    """Return the error for something that went wrong in the machine.

    ``code`` is for errors that have none of their own, such as those a macro throws itself.
    """
    error = failure.error
    code = error.code or code
    frames = tuple(error.frames)
    diagnostic = Diagnostic(code, f"{what}: {error.message}", (Label(span),), frames=frames)
    made = RunFailed.of((diagnostic,))
    assert isinstance(made, RunFailed)
    return made


def _check_count(macro: VarInfo, count: int, span: Span) -> None:
    arities = [arity_of(arglist) for arglist in macro.arglists]
    if not arities or takes(arities, count):
        return
    name = macro.name.removeprefix(f"{CORE}/")
    labels = defined_here(macro)
    raise CompileError(
        "FM0103",
        wrong_count(name, macro.arglists, count),
        span,
        labels=labels,
    )


def defined_here(var: VarInfo) -> tuple[Label, ...]:
    """Return the label for where a var comes from; nobody looks into the library for that."""
    if var.span is None or var.name.startswith(_LIBRARY):
        return ()
    return (Label(var.span, "defined here", primary=False),)


def wrong_count(name: str, arglists: tuple[Vector, ...], count: int) -> str:
    """Return the sentence for a call with the wrong number of arguments."""
    shapes = " ".join(repr(arglist) for arglist in arglists)
    called = "without arguments" if count == 0 else f"with {count}"
    return f"`{name}` takes {counts(arglists)} ({shapes}), called {called}"


def counts(arglists: tuple[Vector, ...]) -> str:
    """Return "2 arguments", "1 or 2 arguments", "1 or more arguments"."""
    arities = [arity_of(arglist) for arglist in arglists]
    fixed = sorted({least for least, most in arities if most is not None})
    many = min((least for least, most in arities if most is None), default=None)
    parts = [str(count) for count in fixed if many is None or count < many]
    if many is not None:
        while parts and int(parts[-1]) == many - 1:
            parts.pop()
            many -= 1
        parts.append(f"{many} or more")
    text = " or ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 2 else parts)
    return f"{text} argument" if parts == ["1"] else f"{text} arguments"
