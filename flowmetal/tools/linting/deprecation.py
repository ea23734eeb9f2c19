"""The lint about names that go: those that say so, and Clojure's for what is called otherwise here."""

from __future__ import annotations

from flowmetal.compiler.forms import CORE
from flowmetal.source import Span
from flowmetal.tools.linting.analysis import Analysis
from flowmetal.tools.linting.lints import Findings

_OLD_NAMES = {"future": "spawn!", "promise": "promise!", "deliver": "deliver!", "pmap": "pmap!"}
_THEIR_PLACES = (CORE, "flow.async")


def lint_deprecated(analysis: Analysis, name: str, span: Span, findings: Findings) -> None:
    """Report the use of a var or macro, by its full name, that is deprecated."""
    namespace, _, plain = name.partition("/")
    better = _OLD_NAMES.get(plain) if namespace in _THEIR_PLACES else None
    why = analysis.deprecated(name) if better is None else f"use {better}"
    if why is None or why is False:
        return
    findings.report(
        "deprecated",
        f"`{name.removeprefix(f'{CORE}/')}` is deprecated",
        span,
        help=why if isinstance(why, str) else None,
    )
