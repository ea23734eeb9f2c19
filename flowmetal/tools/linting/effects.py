"""Lints about effects where none may happen: in lazy sequences, under ``swap!`` and its like.

The machine refuses such an effect when it comes to it; here it is said before.
What is looked at: functions written in place, functions named, and the body of ``lazy-seq`` and ``for``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from flowmetal.compiler.forms import CORE
from flowmetal.compiler.nodes import Apply, Call, Function, NativeCall, Node, Perform, Var
from flowmetal.source import Span
from flowmetal.tools.linting.analysis import Analysis, TopForm
from flowmetal.tools.linting.lints import Findings
from flowmetal.tools.linting.walking import parts, walk

_LAZY_NAMES = (
    "map map-indexed filter remove keep keep-indexed mapcat take-while drop-while partition-by "
    "iterate repeatedly reductions split-with distinct-by"
)
LAZY = frozenset(f"{CORE}/{name}" for name in _LAZY_NAMES.split())
"""Functions that call their first argument when somebody looks at their result."""

_ALWAYS_LAZY = frozenset(f"{CORE}/{name}" for name in ("iterate", "repeatedly"))
"""Those that are lazy with one argument too; the others make a transducer of it."""

_SEALED = frozenset(f"{CORE}/{name}" for name in ("swap!", "swap-vals!", "sort", "sort-by"))
_LAZY_SEQ = f"{CORE}/make-lazy-seq"
_KEEP_NAMES = "comp partial juxt complement fnil every-pred some-fn memoize constantly"
_KEEP = frozenset(f"{CORE}/{name}" for name in _KEEP_NAMES.split())
"""Functions that take functions and call none of them themselves."""


def lint_effects(analysis: Analysis, form: TopForm, findings: Findings) -> None:
    """Report effects under lazy sequences and in sealed functions."""
    look = _Effects(analysis, form.span)
    for _, tree in form.trees:
        for node in walk(tree):
            if isinstance(node, NativeCall) and node.name == _LAZY_SEQ:
                look.lazily(node.arguments[:1], node.span, findings)
            elif isinstance(node, Call) and isinstance(node.function, Var):
                name = node.function.name
                if name in LAZY and (len(node.arguments) > 1 or name in _ALWAYS_LAZY):
                    look.lazily(
                        node.arguments[: 2 - (name not in _ALWAYS_LAZY)], node.span, findings
                    )
                elif name in _SEALED or name in analysis.sealed:
                    look.sealed(node, name, findings)


class _Effects:
    def __init__(self, analysis: Analysis, inside: Span) -> None:
        self._analysis = analysis
        self._inside = inside

    def lazily(self, functions: tuple[Node, ...], around: Span, findings: Findings) -> None:
        for function in functions:
            for what, span in self._of(function):
                findings.report(
                    "effect-in-lazy-seq",
                    f"{what} in a lazy sequence",
                    span,
                    "refused when the sequence is looked at",
                    help="write mapv, run! or doseq, which go through the items at once",
                    other=None if span == around else (around, "the lazy sequence"),
                )

    def sealed(self, call: Call, name: str, findings: Findings) -> None:
        plain = name.removeprefix(f"{CORE}/")
        for argument in call.arguments:
            for what, span in self._of(argument):
                findings.report(
                    "effect-in-swap",
                    f"{what} in a function that `{plain}` calls",
                    span,
                    "refused when it is called",
                    help="perform the effect first and give its result to the function",
                    other=None if span == call.span else (call.span, f"the call of `{plain}`"),
                )

    def _of(self, function: Node) -> Iterator[tuple[str, Span]]:
        """Yield the first effect that calling ``function`` may perform, if one can be seen."""
        if isinstance(function, Var):
            if function.name in self._analysis.effects:
                yield f"`{_short(function.name)}` performs an effect", function.span
        elif isinstance(function, Function):
            bodies = [arity.body for arity in function.arities]
            nodes = (
                node
                for body in bodies
                if not isinstance(body, Function)
                for node in walk(body, _called)
            )
            effects = filter(None, map(self._effect, nodes))
            yield from islice(effects, 1)

    def _effect(self, node: Node) -> tuple[str, Span] | None:
        """Return the effect of one node itself."""
        if isinstance(node, Perform):
            return f"an effect (:{node.kind})", node.span
        if not isinstance(node, (Call, Apply)) or not isinstance(node.function, Var):
            return None
        name = node.function.name
        if name not in self._analysis.effects:
            return None
        return f"`{_short(name)}` performs an effect", node.span


def _called(node: Node) -> list[Node]:
    """Return what is evaluated with a node: functions only where they are given to one that calls them."""
    calls = _calls_arguments(node)
    return [part for part in parts(node) if calls or not isinstance(part, Function)]


def _calls_arguments(node: Node) -> bool:
    if isinstance(node, NativeCall):
        return node.name == _LAZY_SEQ  # natives never call back
    if not isinstance(node, (Call, Apply)):
        return False
    return not isinstance(node.function, Var) or node.function.name not in _KEEP


def _short(name: str) -> str:
    return name.removeprefix(f"{CORE}/")
