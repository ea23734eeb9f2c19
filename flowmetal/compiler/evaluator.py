"""What the compiler needs of a machine, and no more.

Each top-level form is loaded as soon as it is compiled, so that later forms
can call its macros. The machine behind this protocol is sealed (no effects)
and has a budget; embed passes it in, so the compiler knows no machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from flowmetal.bytecode.code import Definition, Function
from flowmetal.ids import CodeHash
from flowmetal.values import ErrorValue, Value

if TYPE_CHECKING:
    from flowmetal.compiler.environment import Environment


class EvaluationFailed(Exception):
    """A macro, or a top-level form, ended in an error of the language."""

    def __init__(self, error: ErrorValue) -> None:
        super().__init__(error.message)
        self.error = error


class Evaluator(Protocol):
    """A sealed machine for compile time."""

    def enter(self, environment: Environment, namespace: str) -> None:
        """Hear which namespace is current from now on, and what is known of it and of others."""

    def load(self, definition: Definition, functions: Mapping[CodeHash, Function]) -> None:
        """Give a var its value, or run an expression. Raises EvaluationFailed."""

    def call(self, name: str, arguments: Sequence[Value]) -> Value:
        """Call the function in var ``name`` (a macro gets &form and &env first). Raises EvaluationFailed."""


class NoMachine:
    """For expanding the compiler's own macros by themselves: none of them asks a machine."""

    def enter(self, environment: Environment, namespace: str) -> None:
        raise AssertionError(namespace)

    def load(self, definition: Definition, functions: Mapping[CodeHash, Function]) -> None:
        raise AssertionError(definition.name)

    def call(self, name: str, arguments: Sequence[Value]) -> Value:
        raise AssertionError(name)
