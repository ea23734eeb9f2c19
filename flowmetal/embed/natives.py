"""All native functions: the library's leaves, the machine's own, and what asks the compiler."""

from __future__ import annotations

from functools import lru_cache

from flowmetal.embed.expanding import EXPANDING
from flowmetal.stdlib.natives import all_natives
from flowmetal.vm.intrinsics import INTRINSICS
from flowmetal.vm.state import Native


@lru_cache(maxsize=1)
def natives() -> dict[str, Native]:
    """Return every native function by its full name."""
    return {**all_natives(), **INTRINSICS, **EXPANDING}
