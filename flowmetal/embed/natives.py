"""All native functions: the library's leaves and the machine's own."""

from __future__ import annotations

from functools import lru_cache

from flowmetal.stdlib.natives import all_natives
from flowmetal.vm.intrinsics import INTRINSICS
from flowmetal.vm.state import Native


@lru_cache(maxsize=1)
def natives() -> dict[str, Native]:
    """Return every native function by its full name."""
    return {**all_natives(), **INTRINSICS}
