"""The kinds of names that cross packages, each a type of its own.

A ``RunId`` is chosen by the user or made by the store; a ``CodeHash`` and a
``ProgramHash`` are lower-case hexadecimal SHA-256 prefixes of content (32 and
64 digits); an ``EffectNumber`` counts the effects of one run from 1.
"""

from __future__ import annotations

from typing import NewType

RunId = NewType("RunId", str)
CodeHash = NewType("CodeHash", str)
ProgramHash = NewType("ProgramHash", str)
EffectNumber = NewType("EffectNumber", int)
InterpreterId = NewType("InterpreterId", str)

COMPILER_MACROS = frozenset(
    (
        *("let", "loop", "fn", "letfn", "binding", "defn", "defn-", "defmacro", "declare"),
        *("ns", "in-ns", "require", "use", "import", "alias", "refer"),
        *("refer-clojure", "refer-flow", "match", "with-restart", "with-handler"),
    )
)
"""Macros of flow.core that the compiler itself provides: names like others, without a var's value."""


def flow_name(namespace: str) -> str:
    """Return our name of a namespace of Clojure's, else the name itself."""
    return "flow." + namespace[8:] if namespace.startswith("clojure.") else namespace


def shell_word(text: str) -> str:
    """Return an id or another text as it is typed into a shell, which might take a part of it for something else."""
    import shlex

    return shlex.quote(text)
