"""What ``reify`` makes: functions by protocol and method, and nothing else."""

from __future__ import annotations

from flowmetal.values.kinds import Value
from flowmetal.values.map import Map


class Reified:
    """A value that is its methods: a map from protocol (a var) to a map from method to function.

    Equal to itself only. Immutable.
    """

    __slots__ = ("meta", "methods")

    def __init__(self, methods: Map, meta: Value = None) -> None:
        self.methods = methods
        self.meta = meta

    def with_meta(self, meta: Value) -> Reified:
        """Return the same methods with other metadata."""
        return Reified(self.methods, meta)

    def __flow_print__(self) -> str:
        return "#reified[" + " ".join(protocol.name for protocol, _ in self.methods.items()) + "]"
