"""Local names while a form is analysed, and which functions capture which of them.

One table of the names in force, changed as the walk goes in and out of forms:
looking a name up costs the same however deeply it is nested. A function that is
being analysed collects what it captures; a name of an outer function becomes a
capture of every function in between (flat closures).
"""

from __future__ import annotations

from collections import Counter

from flowmetal.compiler.nodes import Binding
from flowmetal.source import Span
from flowmetal.values import EMPTY_MAP, Map, Symbol


class Scope:
    """The local names at the place that is being analysed."""

    def __init__(self) -> None:
        self._names: dict[str, list[Binding]] = {}
        self._captures: list[dict[Binding, None]] = []
        self._environments: list[Map] = [EMPTY_MAP]
        self.uses: Counter[Binding] = Counter()
        """How often each binding is read. The emitter drops what nobody reads."""

    @property
    def depth(self) -> int:
        """Return how many functions are around this place."""
        return len(self._captures)

    def bind(self, name: str, span: Span, *, is_self: bool = False) -> Binding:
        """Bring a name into force until the matching ``release``."""
        binding = Binding(name, span, self.depth, is_self)
        self._names.setdefault(name, []).append(binding)
        self._environments.append(self._environments[-1].assoc(Symbol(None, name), True))
        return binding

    def release(self, *bindings: Binding) -> None:
        """End the newest bindings, given in any order."""
        for binding in bindings:
            found = self._names[binding.name]
            found.remove(binding) if found[-1] is not binding else found.pop()
            if not found:
                del self._names[binding.name]
            self._environments.pop()

    def find(self, name: str) -> Binding | None:
        """Return the binding in force, without using it."""
        found = self._names.get(name)
        return found[-1] if found else None

    def use(self, binding: Binding) -> None:
        """Note a read at this place."""
        self.uses[binding] += 1
        for index in range(len(self._captures) - 1, binding.depth - 1, -1):
            captures = self._captures[index]
            if binding in captures:
                break
            captures[binding] = None

    def enter_function(self) -> None:
        self._captures.append({})

    def leave_function(self) -> tuple[Binding, ...]:
        """End a function and return what it captured, in order of first use."""
        return tuple(self._captures.pop())

    def names(self) -> tuple[str, ...]:
        return tuple(self._names)

    def environment(self) -> Map:
        """Return ``&env``: a map whose keys are the local symbols."""
        return self._environments[-1]
