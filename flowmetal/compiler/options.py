"""What a compilation can be told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """``library``: natives may be declared, and what nobody uses may be left out of programs.

    ``contracts``: check what ``:-``, ``:pre`` and ``:post`` say when the program runs.
    """

    library: bool = False
    contracts: bool = True
