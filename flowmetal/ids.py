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
