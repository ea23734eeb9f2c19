"""What a function may be called with: for each arity the least and the most arguments, None for any number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from flowmetal.bytecode.code import Body

Arity: TypeAlias = tuple[int, int | None]
Arities: TypeAlias = tuple[Arity, ...]


def arity_of_body(body: Body) -> Arity:
    """Return what one body takes."""
    return body.parameters, None if body.variadic else body.parameters


def takes(arities: Iterable[Iterable[int | None]], count: int) -> bool:
    """Say whether a call with so many arguments has an arity. Those of a stored program are vectors."""
    return any(
        least is not None and least <= count and (most is None or count <= most)
        for least, most in arities
    )
