"""Vars: roots in the machine, bindings in the fiber."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowmetal.values import FlowError, Value, VarRef, show, type_error
from flowmetal.values.errors import flow_error
from flowmetal.vm.state import Bindings, Fiber, Machine


def unbound(name: str) -> FlowError:
    """Make the error for reading a var that has no value."""
    return flow_error("FM0304", "var/unbound", f"{name} has no value yet")


def define(machine: Machine, name: str, value: Value) -> VarRef:
    """Give a var its root value; from now on it is part of the run's state.

    Raises FlowError for a name that holds NUL, which parts the names in a snapshot.
    """
    if "\0" in name:
        raise type_error("FM0501", f"a name cannot hold the character NUL, as {show(name)} does")
    machine.globals[name] = value
    machine.defined[name] = None
    return VarRef(name)


def dynamic_value(machine: Machine, fiber: Fiber, name: str) -> Value:
    """Return the innermost binding of a dynamic var, else its root."""
    scope = fiber.bindings
    while scope is not None:
        if name in scope.values:
            return scope.values[name]
        scope = scope.outer
    return root_value(machine.globals, name)


def root_value(roots: Mapping[str, Value], name: str) -> Value:
    """Return the root of a var, of a macro too. Raises FlowError if it has none yet."""
    if name in roots:
        return roots[name]
    raise unbound(name)


_ALWAYS_BOUND = frozenset(
    f"flow.core/*print-{what}*"
    for what in ("length", "level", "meta", "readably", "namespace-maps")
)
"""Vars that Clojure binds around every program, so that its top level may set! them."""


def set_binding(machine: Machine, fiber: Fiber, name: str, value: Value) -> None:
    """Change the innermost binding of a dynamic var; a root cannot be set!, but for how to print."""
    scope = fiber.bindings
    while scope is not None:
        if name in scope.values:
            scope.values[name] = value
            return
        scope = scope.outer
    if name in _ALWAYS_BOUND:
        define(machine, name, value)
        return
    raise flow_error(
        "FM0305", "var/not-bound", f"set! of {name}, which has no binding in this fiber"
    )


def bind(fiber: Fiber, names: Sequence[str], values: Sequence[Value]) -> None:
    """Begin bindings."""
    fiber.bindings = Bindings(dict(zip(names, values, strict=True)), fiber.bindings)


def unbind(fiber: Fiber) -> None:
    """End the innermost bindings."""
    assert fiber.bindings is not None, "UNBIND without BIND"
    fiber.bindings = fiber.bindings.outer
