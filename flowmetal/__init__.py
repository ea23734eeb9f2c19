"""Flowmetal: a durable Lisp. Programs that go on where they were after a crash.

The public names of the Python package, and nothing else. They live in
``flowmetal.embed`` and are loaded when they are first asked for, so that
``import flowmetal`` costs nothing and each command loads only what it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmetal._version import __version__

if TYPE_CHECKING:
    from flowmetal.embed import (
        Beginning,
        EffectFailed,
        Engine,
        FlowmetalError,
        Limits,
        Machine,
        Program,
        RunFailed,
        compile,
        foreign,
        from_python,
        grants,
        to_python,
    )

__all__ = [
    "Beginning",
    "EffectFailed",
    "Engine",
    "FlowmetalError",
    "Limits",
    "Machine",
    "Program",
    "RunFailed",
    "__version__",
    "compile",
    "foreign",
    "from_python",
    "grants",
    "to_python",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'flowmetal' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module("flowmetal.embed"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
