"""The constant pool of one function: each value once."""

from __future__ import annotations

from collections.abc import Hashable

from flowmetal.values import Char, Keyword, Symbol, Value, VarRef, vector


class ConstantPool:
    """Values in order of first use. Equal scalars of the same type share an entry."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._index: dict[Hashable, int] = {}

    def index_of(self, value: Value) -> int:
        """Return the index of ``value``, added if it is new."""
        return self._index_under(_identity(value), value)

    def native(self, name: str, count: int) -> int:
        """Return the index of the operand of a NATIVE."""
        return self._index_under(("native", name, count), vector((name, count)))

    def names(self, names: tuple[str, ...]) -> int:
        """Return the index of the operand of a BIND."""
        return self._index_under(("names", names), vector(names))

    def _index_under(self, key: Hashable, value: Value) -> int:
        found = self._index.get(key)
        if found is None:
            found = self._index[key] = len(self.values)
            self.values.append(value)
        return found


def _identity(value: Value) -> Hashable:
    """Return a key under which only interchangeable values meet: 1, 1.0 and true do not."""
    if value is None or isinstance(value, (bool, int, str, bytes)):
        return type(value), value
    if isinstance(value, float):
        return float, value.hex()
    if isinstance(value, Keyword):
        return Keyword, value.text
    if isinstance(value, (Char, VarRef)):
        return type(value), repr(value)
    if isinstance(value, Symbol) and value.meta is None:
        return Symbol, value.ns, value.name
    return "object", id(value)
