"""Lints that need the tree: bindings that nobody reads, calls that cannot work, code without effect."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowmetal.compiler.context import is_made_up
from flowmetal.compiler.forms import CORE
from flowmetal.compiler.nodes import (
    Arity,
    Binding,
    Call,
    Constant,
    Do,
    Function,
    Let,
    LetFunctions,
    Local,
    Loop,
    Node,
    Recur,
    Throw,
    Var,
)
from flowmetal.source import Span
from flowmetal.tools.linting.analysis import Analysis, TopForm
from flowmetal.tools.linting.deprecation import lint_deprecated
from flowmetal.tools.linting.lints import Findings
from flowmetal.tools.linting.walking import walk

_PURE_NAMES = """
    + - * / = == not= < > <= >= inc dec abs max min mod rem quot not identity str name namespace keyword symbol
    assoc assoc-in dissoc conj disj cons concat merge select-keys get get-in
    count first second last rest next nth nthrest seq vec set list vector hash-map hash-set zipmap range repeat
    map map-indexed mapcat filter remove keep keep-indexed for lazy-seq lazy-cat partition
    partition-all partition-by take drop take-while drop-while sort reverse distinct
    frequencies interleave interpose flatten keys vals key val empty? nil? some? contains? partial comp
    constantly complement juxt fnil fn ex-info atom volatile! delay meta with-meta vary-meta subs
"""
PURE = frozenset(f"{CORE}/{name}" for name in _PURE_NAMES.split())
"""What does nothing but return a value."""

_LAZILY = frozenset(
    f"{CORE}/{name}"
    for name in ["map", "map-indexed", "mapcat", "filter", "remove", "keep", "for", "lazy-seq"]
)
_FORCED = frozenset(
    f"{CORE}/{name}"
    for name in ("defmethod", "reify", "extend-type", "extend-protocol", "defrecord")
)
"""Forms in which parameters are given by others."""


def lint_trees(analysis: Analysis, form: TopForm, findings: Findings) -> None:
    """Report what only the trees of a top-level form show."""
    _Bindings(analysis, form, findings).run()
    functions = {b: f for _, tree in form.trees for b, f in _local_functions(tree)}
    for _, tree in form.trees:
        for node in walk(tree):
            if isinstance(node, Call):
                _lint_call(analysis, node, functions, findings)
            elif isinstance(node, Do):
                _lint_statements(analysis, form, node, findings)
            elif isinstance(node, Var) and analysis.text_at(node.span):
                lint_deprecated(analysis, node.name, node.span, findings)


# -- bindings ----------------------------------------------------------------------------


class _Bindings:
    """Names that are bound and never read; not those of errors, for which ``catch`` needs a name.

    A macro may write a binding several times: one read is enough.
    """

    def __init__(self, analysis: Analysis, form: TopForm, findings: Findings) -> None:
        self._analysis = analysis
        self._form = form
        self._findings = findings
        self._forced = [call.span for call in form.calls.values() if call.name in _FORCED]

    def run(self) -> None:
        read: dict[Span, bool] = {}
        names: dict[Span, str] = {}
        for binding in self._bindings():
            span, name = binding.span, binding.name
            if name.startswith("_") or is_made_up(name) or not self._is_written(binding):
                continue
            names[span] = name
            read[span] = read.get(span, False) or self._form.uses.get(binding, 0) > 0
        for span, is_read in read.items():
            if not is_read:
                name = names[span]
                self._findings.report(
                    "unused-binding",
                    f"`{name}` is bound and never used",
                    span,
                    help=f"remove it, or call it `_{name}`",
                )

    def _bindings(self) -> Iterator[Binding]:
        for defined, tree in self._form.trees:
            for node in walk(tree):
                match node:
                    case Let():
                        yield from (binding for binding, _ in node.bindings)
                    case LetFunctions():
                        yield from (binding for binding, _ in node.bindings)
                    case Loop():
                        yield from node.target.bindings
                    case Function() if defined is None or node is not tree:
                        for arity in node.arities:
                            yield from self._parameters(arity)

    def _parameters(self, arity: Arity) -> Iterator[Binding]:
        """Yield parameters; not those of a definition, which are part of what it says of itself."""
        for binding in arity.target.bindings:
            if not any(_contains(span, binding.span) for span in self._forced):
                yield binding

    def _is_written(self, binding: Binding) -> bool:
        text = self._analysis.text_at(binding.span)
        return _contains(self._form.span, binding.span) and (
            re.sub(r"^:*(?:[^/]+/)?", "", text) == binding.name
        )


# -- calls -------------------------------------------------------------------------------


def _local_functions(tree: Node) -> Iterator[tuple[Binding, Function]]:
    for node in walk(tree):
        if isinstance(node, (Let, LetFunctions)):
            for binding, value in node.bindings:
                if isinstance(value, Function):
                    yield binding, value


def _lint_call(
    analysis: Analysis, call: Call, functions: dict[Binding, Function], findings: Findings
) -> None:
    called = call.function
    if isinstance(called, Local):
        binding = called.binding
        function = functions.get(binding)
        if function is not None:
            _lint_count(analysis, call, binding.name, function, findings)
        else:
            _lint_shadow(analysis, called, findings)
    elif isinstance(called, Function):
        _lint_count(analysis, call, "", called, findings)


def _lint_shadow(analysis: Analysis, called: Local, findings: Findings) -> None:
    """Report the call of a local that is no function for sure and has the name of one of flow.core."""
    name, span = called.binding.name, called.span
    if called.binding.is_self or analysis.text_at(span) != name or not analysis.is_core(name):
        return
    findings.report(
        "shadowed-core",
        f"this calls the local `{name}`, not the function of flow.core",
        span,
        help=f"write flow.core/{name}, or give the local another name",
        other=(called.binding.span, "bound here"),
    )


def _lint_count(
    analysis: Analysis, call: Call, name: str, function: Function, findings: Findings
) -> None:
    count = len(call.arguments)
    if is_made_up(name) or any(_takes(arity, count) for arity in function.arities):
        return
    if analysis.text_at(call.span)[:1] != "(":
        return
    what = f"`{name}`" if name else "this function"
    wants = " or ".join(_wanted(arity) for arity in function.arities)
    plural = "" if wants == "1" else "s"
    findings.report(
        "wrong-arity",
        f"{what} takes {wants} argument{plural}, called with {count}",
        call.span,
        other=(function.span, "defined here"),
    )


def _takes(arity: Arity, count: int) -> bool:
    names = len(arity.target.bindings)
    return count >= names - 1 if arity.variadic else count == names


def _wanted(arity: Arity) -> str:
    names = len(arity.target.bindings)
    return f"{names - 1} or more" if arity.variadic else f"{names}"


# -- statements --------------------------------------------------------------------------


def _lint_statements(analysis: Analysis, form: TopForm, do: Do, findings: Findings) -> None:
    """Look at forms whose values nobody takes."""
    following = [*do.statements[1:], do.result]
    for statement, after in zip(do.statements, following, strict=True):
        if isinstance(statement, (Throw, Recur)):
            if analysis.text_at(after.span) and after.span != do.span:
                what = "throw" if isinstance(statement, Throw) else "recur"
                findings.report(
                    "unreachable-code",
                    f"nothing after this `{what}` is ever evaluated",
                    statement.span,
                    other=(after.span, "never reached"),
                )
            return
        _lint_unused_value(analysis, form, statement, findings)


def _lint_unused_value(
    analysis: Analysis, form: TopForm, statement: Node, findings: Findings
) -> None:
    written = form.calls.get(statement.span)
    if written is not None:
        if written.name in PURE:
            name = written.name.removeprefix(f"{CORE}/")
            lazy = written.name in _LAZILY
            findings.report(
                "unused-value",
                f"the value of this `{name}` is not used",
                written.span,
                "a lazy sequence that nobody looks at" if lazy else "",
                help="use doseq or run!" if lazy else "remove it, or use what it returns",
            )
    elif findings.has("misplaced-docstring", statement.span):
        return
    elif isinstance(statement, (Constant, Local)):
        text = analysis.text_at(statement.span)
        if text and text[0] not in "([{#'`@^" and text != "nil" and len(text.split("\n")) == 1:
            findings.report(
                "unused-value",
                f"the value of `{text[:40]}` is not used",
                statement.span,
                help="remove it, or use it",
            )


def _contains(outer: Span, inner: Span) -> bool:
    return (
        outer.path == inner.path
        and (outer.line, outer.col) <= (inner.line, inner.col)
        and (inner.end_line, inner.end_col) <= (outer.end_line, outer.end_col)
    )
