"""What a program begins with: ``main``, or what stands for it in a source that has none.

A namespace that defines ``-main`` as a Clojure program does gets a ``main`` that
is the same function. One that defines neither is a script: its top-level forms
are the run, as they are in every program, and its ``main`` takes any arguments and
returns the value of the last top-level expression. So whoever starts a run calls
``main`` and knows nothing of scripts, nor does the machine.
"""

from __future__ import annotations

from dataclasses import replace

from flowmetal.bytecode.code import SCRIPT_VALUE, Definition, DefinitionKind
from flowmetal.compiler.forms import core
from flowmetal.values import Symbol, Value, is_endless, list_of, vector

MAIN = "main"
FOREIGN_MAIN = "-main"

_EXPECTED = (DefinitionKind.FUNCTION, DefinitionKind.INITIALISER, DefinitionKind.CONSTANT)


def is_script(definitions: list[Definition]) -> bool:
    """Say whether a source without ``main`` is meant to be run as it stands.

    One that only defines functions is not: whoever runs it has forgotten ``main``, or
    to say which function he means, and is told so.
    """
    is_function = any(d.kind is DefinitionKind.FUNCTION for d in definitions)
    return has_expression(definitions) or not is_function


def has_expression(definitions: list[Definition]) -> bool:
    """Say whether there is a top-level form that defines nothing."""
    return any(d.kind is DefinitionKind.EXPRESSION for d in definitions)


def has_main(namespace: str, definitions: list[Definition]) -> bool:
    """Say whether a source defines ``main``, or ``-main`` as something that is called."""
    names = {d.name for d in definitions if d.kind in _EXPECTED}
    return f"{namespace}/{MAIN}" in names or f"{namespace}/{FOREIGN_MAIN}" in names


def standing_for_main(namespace: str, definitions: list[Definition]) -> Definition | Value | None:
    """Return what a source with ``-main`` needs: a definition, or a form that is still to be compiled.

    None if it has a ``main`` of its own.
    """
    last = {d.name: d for d in definitions if d.kind in _EXPECTED}
    if f"{namespace}/{MAIN}" in last:
        return None
    found = last[f"{namespace}/{FOREIGN_MAIN}"]
    if found.kind is DefinitionKind.FUNCTION:
        return replace(found, name=f"{namespace}/{MAIN}")
    arguments = Symbol(None, "args")
    call = list_of([core("apply"), Symbol(namespace, FOREIGN_MAIN), arguments])
    return _defining_main(call)


def main_of_script(namespace: str, definitions: list[Definition]) -> Value:
    """Keep the value of the last expression, and return the form that defines ``main``."""
    for at in range(len(definitions) - 1, -1, -1):
        if definitions[at].kind is DefinitionKind.EXPRESSION:
            name = f"{namespace}/{SCRIPT_VALUE}"
            definitions[at] = replace(definitions[at], name=name, kind=DefinitionKind.INITIALISER)
            value = Symbol(namespace, SCRIPT_VALUE)
            return _defining_main(list_of([core("-data-or-nil"), value]))
    return _defining_main(None)


def mentions_main(form: Value) -> bool:
    """Say whether a form names ``-main``, as one that calls it does."""
    waiting = [form]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Symbol):
            if current.name == FOREIGN_MAIN:
                return True
        elif hasattr(current, "__iter__") and not isinstance(current, (str, bytes)):
            waiting += () if is_endless(current) else list(current)
    return False


def _defining_main(body: Value) -> Value:
    parameters = vector([Symbol(None, "&"), Symbol(None, "args")])
    return list_of([core("defn"), Symbol(None, MAIN), parameters, body])
