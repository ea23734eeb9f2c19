"""The reader as the compiler wants it: forms one by one, names asked for as they are read."""

from __future__ import annotations

from collections.abc import Iterator

from flowmetal.compiler.resolution import FormNames
from flowmetal.reader import ReadOptions, read_forms
from flowmetal.source import Source, Span
from flowmetal.values import Value


def read(source: Source, names: FormNames) -> Iterator[tuple[Value, Span]]:
    """Yield each top-level form and its place. Raises ReadError."""
    options = ReadOptions(resolve_alias=names.resolve_alias, resolve_symbol=names.resolve_symbol)
    return iter(read_forms(source, options))
