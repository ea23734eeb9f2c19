"""Lints about a whole source: what it requires, what it defines, and what of that it uses.

Uses are counted in the tokens, not in the tree: a name in a comment form, in a
quoted form or in a template is a use, too, so that nothing is reported that somebody needs.
"""

from __future__ import annotations

from collections import Counter

from flowmetal.compiler.clauses import Name, Required
from flowmetal.compiler.definitions import DefForm
from flowmetal.compiler.forms import CORE, flag, is_symbol
from flowmetal.ids import flow_name
from flowmetal.reader.tokens import tokenize
from flowmetal.source import Span
from flowmetal.tools.linting.analysis import Analysis, Written
from flowmetal.tools.linting.lints import Findings
from flowmetal.values.parts import is_part

_WORDS = frozenset({"SYMBOL", "KEYWORD", "NAMESPACED_MAP", "TAG"})
_DEFINERS = frozenset(
    f"{CORE}/{name}" for name in ("defn", "defn-", "defmacro", "defonce", "defmulti")
) | {"def"}
_FUNCTIONS = frozenset({f"{CORE}/defn", "def"})
"""What gives a function a name that is chosen freely; a test's, say, is not called."""

_ENTRIES = frozenset({"main"})


def lint_namespace(analysis: Analysis, findings: Findings) -> None:
    """Report what only the whole of a source shows."""
    words = _words(analysis)
    if analysis.header is not None:
        for required in analysis.header.form.required:
            _lint_required(required, words, findings)
    for form in analysis.forms:
        for call in form.calls.values():
            if call.name in _DEFINERS and len(call.items) > 1 and is_symbol(call.items[1].form):
                _lint_shadowed(analysis, call, findings)
        for defined, _ in form.trees:
            if defined is not None:
                _lint_private(analysis, defined, form.span, words, findings)
                if form.span in form.calls and form.calls[form.span].name in _FUNCTIONS:
                    _lint_bang(analysis, defined, findings)


class _Words:
    """The names in a text by line, and the qualifiers that some of them have."""

    def __init__(self) -> None:
        self.names: dict[str, list[tuple[int, int]]] = {}
        self.qualifiers: Counter[str] = Counter()


def _words(analysis: Analysis) -> _Words:
    header = None if analysis.header is None else analysis.header.span
    words = _Words()
    for token in tokenize(analysis.source.text):
        if token.type not in _WORDS:
            continue
        place = analysis.positions.place(token.lexpos)
        if header is not None and _within(place, header):
            continue
        text = token.value.lstrip("#:'")
        qualifier, slash, name = text.partition("/")
        words.names.setdefault(text, []).append(place)
        if slash and qualifier:
            words.qualifiers[qualifier] += 1
            words.names.setdefault(name, []).append(place)
        elif token.type == "NAMESPACED_MAP":
            words.qualifiers[text] += 1
    return words


# -- requires ----------------------------------------------------------------------------


def _lint_required(required: Required, words: _Words, findings: Findings) -> None:
    namespace = required.namespace
    unused = [n for n in required.refer if required.rename.get(n.text, n.text) not in words.names]
    aliases = {alias.text for alias in required.aliases}
    qualifiers = {namespace.text, flow_name(namespace.text), *aliases}
    is_named = aliases or required.refer
    qualified = any(qualifier in words.qualifiers for qualifier in qualifiers)
    if required.refer_all or not is_named:
        return  # it may be there for what loading it does
    if not qualified and len(unused) == len(required.refer):
        findings.report(
            "unused-require",
            f"`{namespace.text}` is required and never used",
            namespace.span,
            help="remove it",
        )
        return
    for name in unused:
        _report_refer(namespace, name, findings)


def _report_refer(namespace: Name, name: Name, findings: Findings) -> None:
    findings.report(
        "unused-refer",
        f"`{name.text}` of {namespace.text} is referred to and never used",
        name.span,
        help="remove it",
    )


# -- definitions -------------------------------------------------------------------------


def _lint_private(
    analysis: Analysis, defined: DefForm, form: Span, words: _Words, findings: Findings
) -> None:
    name = defined.local_name
    if not flag(defined.meta, "private") or name.startswith("_") or is_part(name):
        return
    if all(_within(place, form) for place in words.names.get(name, ())):
        findings.report(
            "unused-private",
            f"`{name}` is private and never used",
            defined.span,
            help="remove it",
        )


def _lint_bang(analysis: Analysis, defined: DefForm, findings: Findings) -> None:
    name = defined.local_name
    kinds = analysis.effects.get(defined.name)
    internal = flag(defined.meta, "private") or name.startswith("-") or name in _ENTRIES
    if not kinds or internal or flag(defined.meta, "macro") or name.endswith("!"):
        return
    if set(kinds) <= _QUIET or analysis.text_at(defined.span).rpartition("/")[2] != name:
        return
    findings.report(
        "missing-bang",
        f"`{name}` performs effects, and its name does not say so",
        defined.span,
        ", ".join(f":{kind}" for kind in kinds),
        help=f"call it `{name}!`, or make it private",
    )


_QUIET = frozenset({"run/info", "log/write", "code/compile", "step/begin", "step/end"})
"""Effects that neither change nor ask anything outside of the run."""


def _lint_shadowed(analysis: Analysis, call: Written, findings: Findings) -> None:
    name = call.items[1].form.name
    space = analysis.names.namespace
    if space.name == CORE or call.depth > 1 or not space.shows_core(name):
        return
    if analysis.is_core(name):
        findings.report(
            "shadowed-core",
            f"`{name}` is a name of flow.core too, and means this one from here on",
            call.items[1].span,
            help=f"say so in `ns`: (:refer-clojure :exclude [{name}])",
        )


def _within(place: tuple[int, int], span: Span) -> bool:
    return (span.line, span.col) <= place < (span.end_line, span.end_col)
