"""What is written twice in a map or a set literal: an error, for the reader as for what only a run can tell."""

from __future__ import annotations

from collections.abc import Iterable

from flowmetal.values.errors import FlowError, flow_error
from flowmetal.values.kinds import Value
from flowmetal.values.printing import show
from flowmetal.values.set import set_of


def key_twice(keys: Iterable[Value]) -> FlowError:
    """Return the error for a map literal with these keys, of which two are equal."""
    return _twice("FM0032", "key", "map", keys)


def element_twice(elements: Iterable[Value]) -> FlowError:
    """Return the error for a set literal with these elements, of which two are equal."""
    return _twice("FM0033", "element", "set", elements)


def _twice(code: str, what: str, where: str, items: Iterable[Value]) -> FlowError:
    seen = set_of(())
    for item in items:
        if item in seen:
            message = f"the {what} {show(item)} is in this {where} twice"
            return flow_error(code, "key/duplicate", message)
        seen = seen.conj(item)
    raise AssertionError("no two of them are equal")
