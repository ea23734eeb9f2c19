"""Checks of option maps: an option that is not known is an error and never ignored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flowmetal.stdlib.natives.arguments import library_error, need_map
from flowmetal.values import EMPTY_MAP, FlowError, Keyword, Map, Value, show


def need_options(
    function: str, position: int, options: Value, known: Mapping[Keyword, Sequence[Value]]
) -> Map:
    """Return ``options``, nil or a map whose keys are ``known``; a row lists the values, () is any.

    Raises FM0512 for an option that is not known, or that has no value of its list.
    """
    found = need_map(function, position, EMPTY_MAP if options is None else options)
    for key, value in found.items():
        if key not in known:
            raise refused(f"`{function}` has no option {show(key)}, it takes {_listed(known)}")
        if known[key] and value not in known[key]:
            raise refused(
                f"`{function}` takes {_listed(known[key])} as {show(key)}, not {show(value)}"
            )
    return found


def refused(message: str) -> FlowError:
    """Return the error to raise for an option that is unknown or makes no sense."""
    return library_error("FM0512", "option/unknown", message)


def _listed(items: Iterable[Value]) -> str:
    return " or ".join(show(item) for item in items)
