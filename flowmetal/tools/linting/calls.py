"""Lints that look at calls as they were written, before their macros are expanded."""

from __future__ import annotations

from collections.abc import Callable

from flowmetal.compiler.forms import CORE, Syntax, children, is_sequence, is_symbol, is_vector
from flowmetal.tools.linting.analysis import Analysis, TopForm, Written
from flowmetal.tools.linting.deprecation import lint_deprecated
from flowmetal.tools.linting.lints import Findings
from flowmetal.values import Keyword, Map, Symbol, Value, pr_str

_BOOLEANS = (True, False, None)


def lint_calls(analysis: Analysis, form: TopForm, findings: Findings) -> None:
    """Report what can be seen in the calls of a top-level form."""
    for call in form.calls.values():
        plain = call.name.removeprefix(f"{CORE}/")
        for rule in _RULES.get(plain, ()) if "/" not in plain or plain == "/" else ():
            rule(plain, call, form, findings)
        _lint_durations(analysis, call, findings)
        lint_deprecated(analysis, call.name, call.items[0].span, findings)


# -- conditions --------------------------------------------------------------------------


def _constant_condition(name: str, call: Written, form: TopForm, findings: Findings) -> None:
    if not call.arguments:
        return
    test = call.arguments[0]
    if name == "while" and test.form is True:
        return  # a loop that only an error or the end of the run ends
    if _is_constant(test.form):
        _report_constant(test, findings)


def _cond(name: str, call: Written, form: TopForm, findings: Findings) -> None:
    """Look at the tests: only the last may be constant, and none may come twice."""
    tests = call.arguments[::2]
    seen: list[Syntax] = []
    for at, test in enumerate(tests):
        is_last = at == len(tests) - 1
        if _is_constant(test.form) and not (is_last and test.form not in (None, False)):
            _report_constant(test, findings)
        first = next((each for each in seen if each.form == test.form), None)
        if first is not None and is_sequence(test.form) and not _has_bang(test.form):
            findings.report(
                "repeated-condition",
                "this test was already made, and did not hold",
                test.span,
                other=(first.span, "made here"),
            )
        seen.append(test)


def _report_constant(test: Syntax, findings: Findings) -> None:
    holds = test.form not in (None, False)
    findings.report(
        "constant-condition",
        f"this test {'always' if holds else 'never'} holds",
        test.span,
        help="remove the test, or the branch that is never taken",
    )


def _is_constant(form: Value) -> bool:
    if is_sequence(form):
        return is_symbol(next(iter(form), None), "fn*")
    return not isinstance(form, Symbol)


def _has_bang(form: Value) -> bool:
    return "!" in pr_str(form)


def _compared_with_nil(name: str, call: Written, form: TopForm, findings: Findings) -> None:
    if len(call.arguments) == 2 and any(item.form is None for item in call.arguments):
        better = "nil?" if name == "=" else "some?"
        other = next((item for item in call.arguments if item.form is not None), None)
        shown = "x" if other is None else pr_str(other.form, 40)
        findings.report(
            "compared-with-nil",
            f"`{name}` compares with nil",
            call.span,
            help=f"write ({better} {shown})",
        )


# -- shapes ------------------------------------------------------------------------------

_BODIES = {
    "let": 1,
    "loop": 1,
    "when": 1,
    "when-not": 1,
    "when-let": 1,
    "when-some": 1,
    "doseq": 1,
    "dotimes": 1,
}
_BODIES |= {
    "do": 0,
    "fn": 0,
    "defn": 0,
    "defn-": 0,
    "defmacro": 0,
    "try": 0,
    "while": 1,
    "binding": 1,
}
"""Forms that evaluate several forms in turn, and how many of their arguments come before."""


def _redundant_do(name: str, call: Written, form: TopForm, findings: Findings) -> None:
    """Report a ``do`` that groups nothing: alone, or where several forms may stand anyway.

    ``#(do [% 1])`` is how a function literal returns a vector.
    """
    if name == "do" and len(call.arguments) < 2 and not call.literal:
        what = "nothing" if not call.arguments else "a single form"
        findings.report("redundant-do", f"this `do` groups {what}", call.span, help="leave it out")
    for item in _body(name, call):
        inner = form.calls.get(item.span)
        if inner is not None and inner.name == "do":
            findings.report(
                "redundant-do",
                f"`{name}` evaluates several forms without a `do`",
                inner.items[0].span,
                help="leave it out",
            )


def _redundant_let(name: str, call: Written, form: TopForm, findings: Findings) -> None:
    """Report a ``let`` of nothing, and one that is all that another does."""
    if not call.arguments or not is_vector(call.arguments[0].form):
        return
    if len(call.arguments[0].form) == 0:
        findings.report("redundant-let", "this `let` binds nothing", call.span, help="leave it out")
    inner = form.calls.get(call.arguments[-1].span) if len(call.arguments) == 2 else None
    if inner is not None and inner.name == call.name:
        findings.report(
            "redundant-let",
            "this `let` is all that another one does",
            inner.items[0].span,
            help="put its bindings into the one around it",
            other=(call.items[0].span, "the one around it"),
        )


def _body(name: str, call: Written) -> tuple[Syntax, ...]:
    before = _BODIES.get(name)
    if before is None:
        return ()
    if name not in ("fn", "defn", "defn-", "defmacro"):
        return call.arguments[before:]
    at = next((i for i, item in enumerate(call.arguments) if is_vector(item.form)), None)
    if at is not None:
        return call.arguments[at + 1 :]
    arities = [children(*item) for item in call.arguments if is_sequence(item.form)]
    return tuple(item for arity in arities for item in arity[1:])


def _misplaced_docstring(name: str, call: Written, form: TopForm, findings: Findings) -> None:
    at = next((i for i, item in enumerate(call.arguments) if is_vector(item.form)), None)
    if at is None or len(call.arguments) < at + 3:
        return
    item = call.arguments[at + 1]
    if isinstance(item.form, str):
        findings.report(
            "misplaced-docstring",
            "this docstring stands behind the parameters, where it says nothing",
            item.span,
            help="put it before the parameters",
        )


def _inner_def(name: str, call: Written, form: TopForm, findings: Findings) -> None:
    if call.depth < 2:
        return
    findings.report(
        "inner-def",
        f"`{name}` inside a function changes a var of the namespace",
        call.span,
        help="bind a local with let or letfn, or move the definition to the top level",
    )


def _unbounded_memoize(name: str, call: Written, form: TopForm, findings: Findings) -> None:
    if len(call.arguments) == 1:
        findings.report(
            "unbounded-memoize",
            "what this function remembers grows without a limit, in every snapshot of the run",
            call.span,
            help="give it one: (memoize f :limit 1000)",
        )


_Rule = Callable[[str, Written, TopForm, Findings], None]

_RULES: dict[str, tuple[_Rule, ...]] = {
    **dict.fromkeys(("if", "if-not", "when", "when-not", "while"), (_constant_condition,)),
    "cond": (_cond,),
    "=": (_compared_with_nil,),
    "not=": (_compared_with_nil,),
    "memoize": (_unbounded_memoize,),
    **dict.fromkeys(("def", "defonce", "defmulti"), (_inner_def,)),
}
for _name in _BODIES:
    _RULES[_name] = (*_RULES.get(_name, ()), _redundant_do)
_RULES["let"] = (*_RULES["let"], _redundant_let)
for _name in ("defn", "defn-", "defmacro"):
    _RULES[_name] = (*_RULES[_name], _misplaced_docstring, _inner_def)


# -- durations ---------------------------------------------------------------------------

_DURATIONS: dict[str, tuple[int, ...]] = {
    "flow.core/sleep!": (0,),
    "flow.retry/constant": (0,),
    "flow.retry/linear": (0, 1),
    "flow.retry/exponential": (0,),
    "flow.retry/fibonacci": (0,),
    "flow.async/with-timeout!": (0,),
    "flow.async/timeout": (0,),
    "flow.schedule/every": (0,),
    "flow.time/every": (0,),
}
"""Arguments that are durations, by position."""

_DURATION_OPTIONS = frozenset(
    (
        "timeout",
        "heartbeat",
        "max-elapsed",
        "lease",
        "wait",
        "ttl",
        "delay",
        "every",
        "catch-up",
        "base",
        "max",
    )
)
_OPTIONS_IN = (
    "flow.retry/",
    "flow.http/",
    "flow.sh/",
    "flow.fs/",
    "flow.event/",
    "flow.async/",
    "flow.lock/",
    f"{CORE}/step!",
)


def _lint_durations(analysis: Analysis, call: Written, findings: Findings) -> None:
    asked = [call.arguments[at] for at in _DURATIONS.get(call.name, ()) if at < len(call.arguments)]
    for options in _options(analysis, call):
        asked += _duration_options(options)
    for item in asked:
        if isinstance(item.form, (int, float)) and not isinstance(item.form, bool):
            findings.report(
                "number-as-duration",
                "a duration is asked for here: seconds or milliseconds?",
                item.span,
                help=f'write (seconds {item.form}) or #dur "{item.form}s"',
            )


def _options(analysis: Analysis, call: Written) -> list[Syntax]:
    """Return the maps in a call of the library that are options: not what is sent, stored or logged."""
    if call.name not in analysis.effects and not call.name.startswith(_OPTIONS_IN):
        return []
    name = call.name.partition("/")[0]
    space, var = analysis.environment.namespace(name), analysis.environment.var(call.name)
    if space is None or var is None or not space.library:
        return []
    names: list[Value] = []
    for arglist in var.arglists:
        if len(arglist) == len(call.arguments) and not any(is_symbol(p, "&") for p in arglist):
            names = list(arglist)
    return [
        argument
        for at, argument in enumerate(call.arguments)
        if isinstance(argument.form, Map)
        and (not names or is_symbol(names[at], "options") or is_symbol(names[at], "request"))
    ]


def _duration_options(options: Syntax) -> list[Syntax]:
    parts = children(*options)
    return [
        value
        for key, value in zip(parts[::2], parts[1::2], strict=True)
        if isinstance(key.form, Keyword) and key.form.text in _DURATION_OPTIONS
    ]
