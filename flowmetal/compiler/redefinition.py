"""Several definitions of one name in a namespace: the last one counts, at its place.

Functions and constants are code: they have their value before a run's first
initialiser. If a name is defined again after code that already used its first
value, all its definitions become initialisers, which run in source order.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from flowmetal.bytecode.code import Body, Definition, DefinitionKind, Function, Position
from flowmetal.bytecode.opcodes import Op
from flowmetal.ids import CodeHash

_VALUES = frozenset({DefinitionKind.FUNCTION, DefinitionKind.CONSTANT, DefinitionKind.INITIALISER})
_RUNNING = frozenset({DefinitionKind.INITIALISER, DefinitionKind.EXPRESSION})


def in_order(
    definitions: list[Definition], functions: dict[CodeHash, Function]
) -> tuple[list[Definition], dict[CodeHash, Function]]:
    """Return the definitions without those that another replaces, and functions made for it."""
    counts = Counter(d.name for d in definitions if d.kind in _VALUES)
    repeated = {name for name, count in counts.items() if count > 1}
    defined = set(counts)
    kept = [d for d in definitions if not (d.kind is DefinitionKind.DECLARED and d.name in defined)]
    made: dict[CodeHash, Function] = {}
    if not repeated:
        return kept, made
    running = {name for name in repeated if _used_between(kept, name)}
    last = {d.name: index for index, d in enumerate(kept) if d.kind in _VALUES}
    result = []
    for index, definition in enumerate(kept):
        if definition.name in running and definition.kind in _VALUES:
            result.append(_initialiser(definition, functions, made))
        elif definition.name not in repeated or last[definition.name] == index:
            result.append(definition)
    return result, made


def _used_between(definitions: list[Definition], name: str) -> bool:
    """Say whether code runs between the first and the last definition of ``name``."""
    places = [index for index, d in enumerate(definitions) if d.name == name]
    between = definitions[places[0] : places[-1] + 1]
    return any(d.kind in _RUNNING for d in between)


def _initialiser(
    definition: Definition, functions: dict[CodeHash, Function], made: dict[CodeHash, Function]
) -> Definition:
    if definition.kind is DefinitionKind.INITIALISER:
        return definition
    if definition.kind is DefinitionKind.FUNCTION:
        assert definition.function is not None
        path = functions[definition.function].path
        code: tuple[tuple[Op, int], ...] = ((Op.CLOSURE, 0), (Op.RETURN, 0))
        nested, constants = (definition.function,), ()
    else:
        path = "" if definition.span is None else definition.span.path
        code = ((Op.CONST, 0), (Op.RETURN, 0))
        nested, constants = (), (definition.value,)  # type: ignore[assignment]
    span = definition.span
    positions = (
        () if span is None else (Position(0, span.line, span.col, span.end_line, span.end_col),)
    )
    body = Body(0, False, 0, code, positions=positions)
    function = Function(definition.name, 0, constants, nested, (body,), path)
    made[function.hash] = function
    return replace(definition, kind=DefinitionKind.INITIALISER, function=function.hash, value=None)
