"""THE table of lints: name and code. Explanations and examples are in ``errors/codes_lint.py``.

The name is what a source says to switch one off: ``;; lint: ignore unused-binding``.
"""

from __future__ import annotations

from flowmetal.errors import Diagnostic, Label
from flowmetal.source import Span

# fmt: off
CODES: dict[str, str] = {
    # durable programs
    "effect-in-lazy-seq":  "FM0551",
    "effect-in-swap":      "FM0552",
    "missing-bang":        "FM0553",
    "unbounded-memoize":   "FM0554",
    "number-as-duration":  "FM0555",
    # any program
    "unused-binding":      "FM0556",
    "unused-require":      "FM0557",
    "unused-refer":        "FM0558",
    "unused-private":      "FM0559",
    "shadowed-core":       "FM0560",
    "wrong-arity":         "FM0561",
    "unreachable-code":    "FM0562",
    "constant-condition":  "FM0563",
    "repeated-condition":  "FM0564",
    "redundant-do":        "FM0565",
    "redundant-let":       "FM0566",
    "compared-with-nil":   "FM0567",
    "misplaced-docstring": "FM0568",
    "unused-value":        "FM0569",
    "inner-def":           "FM0570",
    "deprecated":          "FM0571",
    # the linter itself
    "unknown-lint":        "FM0572",
}
# fmt: on

NAMES = {code: name for name, code in CODES.items()}


class Findings:
    """What the lints found in one source. A place is reported once by each lint."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Span], Diagnostic] = {}

    def report(
        self,
        lint: str,
        message: str,
        span: Span,
        label: str = "",
        *,
        help: str | None = None,
        other: tuple[Span, str] | None = None,
    ) -> None:
        """Note a finding; ``other`` is a second place and what to say there."""
        labels = [Label(span, label)]
        if other is not None:
            labels.append(Label(*other, primary=False))
        made = Diagnostic(
            CODES[lint],
            message,
            tuple(labels),
            notes=(f"lint {lint}",),
            help=() if help is None else (help,),
            level="warning",
        )
        self._found.setdefault((lint, span), made)

    def has(self, lint: str, span: Span) -> bool:
        """Say whether a lint has reported this place."""
        return (lint, span) in self._found

    def in_order(self) -> list[Diagnostic]:
        """Return the findings in the order of the text."""
        return sorted(self._found.values(), key=_place)


def _place(finding: Diagnostic) -> tuple[int, int, str]:
    assert finding.span is not None
    return finding.span.line, finding.span.col, finding.code
