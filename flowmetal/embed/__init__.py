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
    from flowmetal.effects.requests import EffectFailed
    from flowmetal.embed.compiling import compile
    from flowmetal.embed.config import grants
    from flowmetal.embed.engine import Engine, RunFailed
    from flowmetal.embed.functions import foreign
    from flowmetal.embed.machine import Machine
    from flowmetal.errors import FlowmetalError
    from flowmetal.runtime.starting import Beginning
    from flowmetal.values.json_mapping import from_json as from_python
    from flowmetal.values.json_mapping import to_json as to_python
    from flowmetal.values.meter import Limits

# fmt: off
_HOMES = {
    # public name     module                            name there
    "Beginning":      ("flowmetal.runtime.starting",    "Beginning"),
    "Engine":         ("flowmetal.embed.engine",        "Engine"),
    "EffectFailed":   ("flowmetal.effects.requests",    "EffectFailed"),
    "FlowmetalError": ("flowmetal.errors",              "FlowmetalError"),
    "Limits":         ("flowmetal.values.meter",        "Limits"),
    "Machine":        ("flowmetal.embed.machine",       "Machine"),
    "Program":        ("flowmetal.bytecode.code",       "Program"),
    "RunFailed":      ("flowmetal.embed.engine",        "RunFailed"),
    "compile":        ("flowmetal.embed.compiling",     "compile"),
    "foreign":        ("flowmetal.embed.functions",     "foreign"),
    "from_python":    ("flowmetal.values.json_mapping", "from_json"),
    "grants":         ("flowmetal.embed.config",        "grants"),
    "to_python":      ("flowmetal.values.json_mapping", "to_json"),
}
# fmt: on

__all__ = [
    "Beginning",
    "EffectFailed",
    "Engine",
    "FlowmetalError",
    "Limits",
    "Machine",
    "Program",
    "RunFailed",
    "compile",
    "foreign",
    "from_python",
    "grants",
    "to_python",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'flowmetal.embed' has no attribute {name!r}")
    module, there = _HOMES[name]
    return getattr(importlib.import_module(module), there)
