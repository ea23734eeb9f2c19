"""What a host program uses, and what the commands stand on.

``compile`` text to a ``Program``; run it in memory with ``Machine``, which does
no I/O, or durably with ``Engine`` on a store. Names are loaded when they are
first asked for, so that a command pays only for what it uses.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowmetal.bytecode.code import Program
    from flowmetal.embed.compiling import compile
    from flowmetal.embed.engine import Engine
    from flowmetal.embed.functions import foreign
    from flowmetal.embed.machine import Machine

__all__ = ["Engine", "Machine", "Program", "compile", "foreign"]

_HOMES = {
    "Engine": "flowmetal.embed.engine",
    "Machine": "flowmetal.embed.machine",
    "Program": "flowmetal.bytecode.code",
    "compile": "flowmetal.embed.compiling",
    "foreign": "flowmetal.embed.functions",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'flowmetal.embed' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
