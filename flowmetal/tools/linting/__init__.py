"""The linter: what compiles and is still likely wrong.

``lint_source`` compiles a source as ``fmc check`` does and then looks at it
again. Inside: ``lints`` is the table, ``analysis`` goes through the forms,
``calls``, ``trees``, ``effects`` and ``namespaces`` hold the rules, ``ignoring``
knows what a source switches off.
"""

from __future__ import annotations

from pathlib import Path

import flowmetal.stdlib
from flowmetal.bytecode.code import Module
from flowmetal.compiler.loader import namespace_of
from flowmetal.embed.session import Session
from flowmetal.errors import Diagnostic
from flowmetal.source import Source
from flowmetal.tools.linting.analysis import Analysis
from flowmetal.tools.linting.calls import lint_calls
from flowmetal.tools.linting.effects import lint_effects
from flowmetal.tools.linting.ignoring import Ignores
from flowmetal.tools.linting.lints import NAMES, Findings
from flowmetal.tools.linting.namespaces import lint_namespace
from flowmetal.tools.linting.trees import lint_trees

__all__ = ["NAMES", "lint_source"]

_LIBRARY = Path(flowmetal.stdlib.__file__).parent / "flow"


def lint_source(
    source: Source, file: Path | None = None, roots: tuple[Path, ...] = ()
) -> list[Diagnostic]:
    """Return what is suspicious in a source, in the order of its text.

    ``file`` and ``roots`` say where the namespaces that it requires are. Raises
    ReadError or CompileError for a source that is no program.
    """
    session = Session(roots=roots)
    analysis = Analysis(session, _compiled(session, source, file), source)
    findings = Findings()
    for form in analysis.forms:
        lint_calls(analysis, form, findings)
        lint_trees(analysis, form, findings)
        lint_effects(analysis, form, findings)
    lint_namespace(analysis, findings)
    return Ignores(source, findings).without(findings.in_order())


def _compiled(session: Session, source: Source, file: Path | None) -> Module:
    """Return the module of a source. The library's own are compiled already."""
    if file is None:
        session.compile_text(source)
    elif file.resolve().is_relative_to(_LIBRARY):
        below = file.resolve().relative_to(_LIBRARY)
        name = namespace_of(f"flow/{below.parent if below.parts[1:] else below}")
        return next(module for module in session.library if module.name == name)
    else:
        session.compile_source(source, file)
    return session.loader.modules[-1]
