"""How a Python function becomes a native function of the library.

A native is a leaf: it gets values, returns a value and never calls back into
the program. It is pure, or changes only the mutable cell it is given, so that
the machine may run it again after realising a lazy sequence it met
(``Unrealised``): whatever a native changes, it changes last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flowmetal.values import Value
from flowmetal.vm.state import Native

_VARIADIC = 0x04  # CO_VARARGS; the module ``inspect`` would cost more than all natives together

Leaf = TypeVar("Leaf", bound=Callable[..., Value])


class Missing:
    """The type of ``MISSING``: an argument that was not given, as distinct from nil."""

    __slots__ = ()


MISSING = Missing()


class Table:
    """The natives of one namespace that one file declares."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.natives: dict[str, Native] = {}

    def __call__(self, *names: str) -> Callable[[Leaf], Leaf]:
        """Enter the decorated function under each of ``names``; its signature gives the arity."""

        def enter(call: Leaf) -> Leaf:
            for name in names:
                self.add(name, call)
            return call

        return enter

    def add(self, name: str, call: Callable[..., Value]) -> None:
        """Enter ``call`` as the native ``name`` of this namespace."""
        full = f"{self.namespace}/{name}"
        assert full not in self.natives, full
        code = call.__code__
        least = code.co_argcount - len(call.__defaults__ or ())
        most = None if code.co_flags & _VARIADIC else code.co_argcount
        self.natives[full] = Native(full, call, least, most)
