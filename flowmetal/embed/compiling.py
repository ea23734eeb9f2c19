"""``flowmetal.compile``: text or a file to a program, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowmetal.embed.checking import checked

if TYPE_CHECKING:
    from flowmetal.bytecode.code import Program

_SUFFIXES = (".flow", ".cljc", ".clj", ".fmb")


@checked
def compile(
    source: str | Path, *, roots: Sequence[str | Path] = (), contracts: bool = True
) -> Program:
    """Compile the file ``source`` names (a Path, or a string that ends in .flow), else the text it is.

    ``roots`` are the folders in which ``require`` looks. Raises ReadError or
    CompileError with every diagnostic that was found, UsageError for a file that
    cannot be read.
    """
    if isinstance(source, Path) or source.endswith(_SUFFIXES):
        from flowmetal.embed.files import load_program

        return load_program(str(source), roots=[str(root) for root in roots], contracts=contracts)
    from flowmetal.embed.session import Session
    from flowmetal.source import Source

    session = Session(roots=tuple(Path(root) for root in roots), contracts=contracts)
    return session.compile_text(Source("<text>", source))
