"""The checks that keep one instruction from running away, each before the work is done.

``meter.Limits`` has the limits. Every error here is of a type ``:limit/...`` that
names its limit, and says how to raise it.
"""

from __future__ import annotations

from typing import NoReturn

from flowmetal.values.errors import FlowError, flow_error
from flowmetal.values.meter import charge, meter


def need_bits(operator: str, bits: int) -> None:
    """Raise FM0321 if a result would have more bits than an integer may have."""
    most = meter().limits.bits
    if bits > most:
        raise limit_error(
            "FM0321", "bits", f"the result of `{operator}` is larger than {most:,} bits"
        )


def need_items(function: str, count: int) -> None:
    """Raise FM0514 if one instruction would go through too many items; charge for them."""
    most = meter().limits.items
    if count > most:
        too_many_items(function, count)
    charge(count >> 3)


def too_many_items(function: str, count: int) -> NoReturn:
    """Raise FM0514: one instruction would go through so many items."""
    most = meter().limits.items
    raise limit_error(
        "FM0514",
        "items",
        f"`{function}` would go through {_many(count)} items at once, the limit is {most:,}",
    )


def need_characters(function: str, count: int) -> None:
    """Raise FM0514 if a text would have too many characters; charge for them."""
    allow_characters(function, count)
    charge(count >> 11)


def allow_characters(function: str, count: int) -> None:
    """Raise FM0514 if a text would have too many characters."""
    most = meter().limits.characters
    if count > most:
        raise limit_error(
            "FM0514",
            "characters",
            f"the result of `{function}` would have {_many(count)} characters, the limit is {most:,}",
        )


def _many(count: int) -> str:
    # Numbers of thousands of digits are counts too: Python does not print them, nobody reads them.
    return f"{count:,}" if count < 1 << 64 else f"more than 2^{count.bit_length() - 1}"


def limit_error(code: str, name: str, message: str) -> FlowError:
    """Return the error of a limit, :limit/NAME, to be raised; it says how to raise the limit."""
    return flow_error(code, f"limit/{name}", f"{message}: `--limit {name}=N` raises the limit")
