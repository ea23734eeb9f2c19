"""Which functions may perform effects, and of which kinds.

A function may perform what is written in it (inner functions included) and what
the vars that it calls by name may perform. A call through a value is not seen,
so the answer is a lower bound: good for warnings, not for permissions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flowmetal.bytecode.code import Definition
from flowmetal.compiler.environment import Environment, local_value
from flowmetal.values import EMPTY_MAP, Vector, keyword, vector

Doings = Mapping[str, tuple[frozenset[str], frozenset[str]]]
"""By full name of a definition: the kinds it performs itself, the vars it calls."""

_EFFECTS = keyword("effects")

_SILENT = "flow.core/deref"
"""``@x`` waits for a fiber or a run, and far more often reads an atom: it says nothing of its
caller. Else whatever keeps a volatile, such as ``take``, would seem to perform effects."""


def with_effects(
    definitions: list[Definition], doings: Doings, environment: Environment
) -> list[Definition]:
    """Return the definitions with ``:effects`` in the metadata of those that may perform some."""
    kinds = infer(doings, environment)
    made = []
    for definition in definitions:
        found = kinds.get(definition.name)
        if found:
            meta = (definition.meta or EMPTY_MAP).assoc(_EFFECTS, vector(sorted(found)))
            definition = replace(definition, meta=meta)
        made.append(definition)
    return made


def infer(doings: Doings, environment: Environment) -> dict[str, set[str]]:
    """Return the kinds that each name may perform, through calls of any depth."""
    kinds = {name: set(performs) for name, (performs, _) in doings.items() if name != _SILENT}
    callers: dict[str, list[str]] = {}
    for name in kinds:
        for called in doings[name][1] - {_SILENT}:
            if called in kinds:
                callers.setdefault(called, []).append(name)
            else:
                kinds[name] |= _known(environment, called)
    changed = [name for name, found in kinds.items() if found]
    while changed:
        name = changed.pop()
        for caller in callers.get(name, ()):
            if not kinds[name] <= kinds[caller]:
                kinds[caller] |= kinds[name]
                changed.append(caller)
    return kinds


def _known(environment: Environment, name: str) -> set[str]:
    var = environment.var(name)
    found = None if var is None else local_value(var.meta, "effects")
    return set(found) if isinstance(found, Vector) else set()
